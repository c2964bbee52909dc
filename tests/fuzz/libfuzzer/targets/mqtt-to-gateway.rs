//! The fuzzer at the door `mqtt-to-gateway`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("mqtt-to-gateway").run)(data));
