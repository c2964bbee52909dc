//! Every kept input through its door, as it is and spoilt; and every door has inputs.
#![expect(clippy::panic, clippy::expect_used, reason = "a test stops at the first surprise")]
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use shouwang_fuzz::{TARGETS, Target, target};

/// Spoilings of each kept input in a test run. The fuzzer makes more, and better ones.
const SPOILT: u64 = 60;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

fn inputs(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let mut folders = vec![folder(target.name)];
    if target.name == "profile" {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles"));
    }
    let mut inputs = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a file");
            inputs.push((path, bytes));
        }
    }
    inputs.sort();
    inputs
}

fn try_all(name: &str) {
    let target = target(name);
    let inputs = inputs(&target);
    assert!(!inputs.is_empty(), "no inputs in {}", folder(name).display());
    for (path, bytes) in &inputs {
        attempt(&target, bytes, &format!("{}", path.display()));
        for seed in 0..SPOILT {
            attempt(&target, &spoil(bytes, seed), &format!("{} spoilt by {seed}", path.display()));
        }
    }
}

fn attempt(target: &Target, bytes: &[u8], whence: &str) {
    if catch_unwind(|| (target.run)(bytes)).is_err() {
        panic!("{}: {whence}: {}", target.name, bytes.escape_ascii());
    }
}

/// A few bytes changed, repeated, cut out or swapped.
fn spoil(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ bytes.len() as u64 ^ 0x5EED;
    let mut below = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % most.max(1) as u64).unwrap_or(0)
    };
    let mut spoilt = bytes.to_vec();
    for _ in 0..=below(4) {
        if spoilt.is_empty() {
            break;
        }
        let at = below(spoilt.len());
        let to = (at + 1 + below(16)).min(spoilt.len());
        match below(6) {
            0 => spoilt[at] ^= 1 << below(8),
            1 => spoilt[at] = [0, 0xFF, b'"', b'[', b'-', b'9', b'.', b'\n'][below(8)],
            2 => drop(spoilt.drain(at..to)),
            3 => {
                let again = spoilt[at..to].to_vec();
                spoilt.splice(at..at, again);
            }
            4 => spoilt.truncate(at),
            _ => {
                let other = below(spoilt.len());
                spoilt.swap(at, other);
            }
        }
    }
    spoilt
}

macro_rules! doors {
    ($($test:ident $name:literal)*) => {
        $(#[test]
        fn $test() {
            try_all($name);
        })*

        #[test]
        fn every_door_has_its_test() {
            let tested = [$($name),*];
            assert_eq!(TARGETS.map(|target| target.name), tested);
        }
    };
}

doors! {
    rtu_conversation "rtu-conversation"
    tcp_conversation "tcp-conversation"
    firmware_serial "firmware-serial"
    profile "profile"
    gateway_configuration "gateway-configuration"
    duty_room_configuration "duty-room-configuration"
    mqtt_to_gateway "mqtt-to-gateway"
    mqtt_to_duty_room "mqtt-to-duty-room"
    http_body "http-body"
    control_socket "control-socket"
    backup "backup"
    photo "photo"
    residents_csv "residents-csv"
    ladder_csv "ladder-csv"
}
