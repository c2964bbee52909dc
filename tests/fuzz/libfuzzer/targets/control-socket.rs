//! The fuzzer at the door `control-socket`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("control-socket").run)(data));
