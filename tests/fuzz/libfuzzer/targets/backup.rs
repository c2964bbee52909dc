//! The fuzzer at the door `backup`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| (shouwang_fuzz::target("backup").run)(data));
