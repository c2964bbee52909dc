//! A device profile: refused with a place and a remedy, or sound enough for the core to rely on.
use std::path::Path;
use std::sync::Arc;

use shouwang_catalog::examples;

pub(crate) fn run(data: &[u8]) {
    match shouwang_catalog::parse(Path::new("fuzz.toml"), data) {
        Ok((profile, examples)) => {
            let _ = shouwang_catalog::show(&profile);
            let profile = Arc::new(profile);
            for example in &examples {
                let _ = examples::run(&profile, example);
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in &problems {
                assert!(problem.line > 0 && problem.column > 0, "{problem:?} has no place");
                assert!(!problem.what.zh.is_empty() && !problem.remedy.zh.is_empty(), "{problem:?}");
            }
        }
    }
}
