//! `panics DIRECTORY`: a watched thread panics; what the next start would tell of it is left in that directory.
#![expect(clippy::panic, clippy::expect_used, reason = "that is what it is for")]
use std::path::PathBuf;
use std::thread;

use shouwang_gateway::watchdog::{HUNG_AFTER, Watchdog};

fn main() {
    let directory = PathBuf::from(std::env::args_os().nth(1).expect("a directory for the cause"));
    let watchdog = Watchdog::start(&directory, None).expect("a thread that watches");
    let pulse = watchdog.watch("line b3", Some("line-0"), HUNG_AFTER);
    let alive = pulse.alive();
    let line = thread::Builder::new().name("line-0".into()).spawn(move || {
        let _alive = alive;
        panic!("as it must");
    });
    drop(line);
    loop {
        // The watchdog ends the process.
        thread::park();
    }
}
