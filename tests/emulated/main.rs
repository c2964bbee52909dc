//! The call button's own image on an emulated microcontroller, pressed for real: QEMU runs what
//! `firmware/build lm3s6965evb` made, its serial port is a line of the shipped gateway with the shipped
//! profile, and the call travels over Debian's mosquitto to the shipped duty room.
//!
//! An emulator on a busy machine is no stopwatch: everything is waited for with limits far above what it
//! takes, and nothing here is measured. `cargo test -p shouwang-tests --test emulated -- --nocapture` prints
//! each story as it happened: keys, bytes on the wire where they say something new, events, lamps.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its story"
)]

mod bus;
mod house;
mod image;
mod lamp;
mod stories;
mod transcript;
mod unit;
