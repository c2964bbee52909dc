//! The fuzzer at the door `firmware-serial`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("firmware-serial").run)(data));
