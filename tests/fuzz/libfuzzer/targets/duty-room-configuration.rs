//! The fuzzer at the door `duty-room-configuration`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("duty-room-configuration").run)(data));
