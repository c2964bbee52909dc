//! The fuzzer at the door `photo`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("photo").run)(data));
