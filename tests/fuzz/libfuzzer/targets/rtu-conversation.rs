//! The fuzzer at the door `rtu-conversation`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("rtu-conversation").run)(data));
