//! The fuzzer at the door `tcp-conversation`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("tcp-conversation").run)(data));
