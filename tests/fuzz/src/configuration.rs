//! The configuration files of gateway and duty room.
use std::path::{Path, PathBuf};

use shouwang_core::engine::{Engine, Restored, Start};
use shouwang_core::{Clock, Instant, Timestamp};
use shouwang_gateway::config::Config;

pub(crate) fn gateway(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return refused(data) };
    // From its text alone: a fuzzer must not open whatever file it invents.
    match Config::from_sources(&[(PathBuf::from("gateway.toml"), text.to_owned())]) {
        Ok(config) => {
            let _ = config.alarm_rounds();
            // What passes is enough to run with.
            let _ = engine(&config);
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
}

fn refused(data: &[u8]) {
    assert!(Config::from_bytes(Path::new("gateway.toml"), data).is_err(), "this is no text");
}

pub(crate) fn engine(config: &Config) -> Engine {
    let restored = Restored {
        log: "01KANEXAMPE000000000000AAA".parse().expect("a log's id"),
        boot: 1,
        committed: 0,
        first_kept: 1,
        kept: std::collections::BTreeMap::new(),
        replaced: false,
    };
    let start = Start {
        now: Instant::from_micros(1),
        wall: Timestamp::from_unix_ms(1_800_000_000_000),
        clock: Clock::Synced,
        seed: 7,
    };
    Engine::new(config.core.clone(), restored, start)
}

pub(crate) fn duty_room(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Err(error) = shouwang_duty_room::Config::parse(Path::new("duty-room.toml"), text)
    {
        assert!(!error.to_string().is_empty(), "refused without a reason");
    }
}
