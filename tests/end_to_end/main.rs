//! The real binary among real parts: `shouwang run` as a child process, Debian's mosquitto, and pymodbus as
//! the devices, over Modbus TCP and over ptys. Every test has its own of everything.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints the figures it measured"
)]

mod alarms;
mod backup;
mod bench;
mod calls;
mod command_line;
mod commands;
mod committed;
mod dead_devices;
mod demo;
mod doctor;
mod ending;
mod hostile;
mod hostile_serial;
mod hostile_tcp;
mod line_health;
mod networks;
mod new_profile;
mod not_ours;
mod outage;
mod papers;
mod parts;
mod recording;
mod reloading;
mod reloading_room;
mod search;
mod secrets;
#[path = "../chaos/shim.rs"]
#[expect(dead_code, reason = "the clock and the slow disk are for other stories")]
mod shim;
mod signed;
mod storage;
mod street;
mod supervision;
mod terminal;
mod texts;
mod training;
mod walk;
