//! Every door through which bytes from outside come in, as a function from bytes: no input may make one
//! panic, hang, or break the promise that the door keeps.
//!
//! The fuzzer in `libfuzzer` calls these for as long as it is let; `tests/corpus.rs` calls them in every test
//! run with the kept inputs of `corpus` and seeded spoilings of them.
#![expect(clippy::expect_used, reason = "a broken promise stops the run: that is its result")]

mod backup;
mod configuration;
mod control;
mod conversation;
#[path = "../../../gateway/cli/src/exit.rs"]
#[expect(dead_code, reason = "what a verb says of a backup is not said here")]
mod exit;
mod http;
mod mqtt;
mod profile;
mod serial;
mod upload;

/// One door.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, also of its folder in `corpus`.
    pub name: &'static str,
    pub run: fn(&[u8]),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All doors.
pub const TARGETS: [Target; 14] = [
    Target { name: "rtu-conversation", run: conversation::rtu },
    Target { name: "tcp-conversation", run: conversation::tcp },
    Target { name: "firmware-serial", run: serial::run },
    Target { name: "profile", run: profile::run },
    Target { name: "gateway-configuration", run: configuration::gateway },
    Target { name: "duty-room-configuration", run: configuration::duty_room },
    Target { name: "mqtt-to-gateway", run: mqtt::to_gateway },
    Target { name: "mqtt-to-duty-room", run: mqtt::to_duty_room },
    Target { name: "http-body", run: http::run },
    Target { name: "control-socket", run: control::run },
    Target { name: "backup", run: backup::run },
    Target { name: "photo", run: upload::photo },
    Target { name: "residents-csv", run: upload::residents },
    Target { name: "ladder-csv", run: upload::ladder },
];

/// The door of this name.
///
/// # Panics
/// There is none.
#[must_use]
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("one of TARGETS")
}
