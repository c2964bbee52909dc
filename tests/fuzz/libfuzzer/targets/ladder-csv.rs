//! The fuzzer at the door `ladder-csv`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("ladder-csv").run)(data));
