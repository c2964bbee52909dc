//! The fuzzer at the door `gateway-configuration`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("gateway-configuration").run)(data));
