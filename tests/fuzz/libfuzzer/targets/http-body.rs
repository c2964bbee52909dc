//! The fuzzer at the door `http-body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("http-body").run)(data));
