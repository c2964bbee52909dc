//! The fuzzer at the door `profile`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("profile").run)(data));
