//! The fuzzer at the door `mqtt-to-duty-room`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("mqtt-to-duty-room").run)(data));
