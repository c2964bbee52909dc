//! Everything between a program and its broker, with real parts: the shipped binary, Debian's mosquitto with TLS, and
//! certificates made for each test. Between the two a tap keeps every byte that a program sends.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints what a user would have seen"
)]

mod access;
mod authority;
mod bad;
mod good;
mod house;
#[path = "../chaos/shim.rs"]
#[expect(dead_code, reason = "bad disks are for other stories")]
mod shim;
mod takeover;
mod tap;
mod wrong_clock;
