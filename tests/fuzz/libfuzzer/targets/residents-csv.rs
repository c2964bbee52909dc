//! The fuzzer at the door `residents-csv`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("residents-csv").run)(data));
