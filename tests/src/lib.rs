//! The harness: what a test needs to run the real gateway among real parts.
//!
//! Everything here starts a part, watches it and takes it away again when the test ends, however it ends.
//! Nothing is shared between tests: each has its own ports, its own directories and its own broker. A part
//! that does not come up fails the test with what it said.
#![cfg_attr(
    not(planted),
    expect(
        clippy::panic,
        clippy::expect_used,
        reason = "a harness tells a test that something is wrong by panicking"
    )
)]

#[cfg(not(planted))]
pub mod chance;
#[cfg(not(planted))]
pub mod clock;
#[cfg(not(planted))]
pub mod command;
#[cfg(not(planted))]
pub mod configuration;
#[cfg(not(planted))]
pub mod duty_room;
#[cfg(not(planted))]
pub mod gateway;
#[cfg(not(planted))]
pub mod gateways;
#[cfg(not(planted))]
pub mod listener;
#[cfg(not(planted))]
pub mod modbus_server;
#[cfg(not(planted))]
pub mod mosquitto;
#[cfg(not(planted))]
pub mod network;
#[cfg(not(planted))]
pub mod port;
#[cfg(not(planted))]
pub mod program;
#[cfg(not(planted))]
pub mod serial_line;
#[cfg(not(planted))]
pub mod visitor;
#[cfg(not(planted))]
pub mod wait;

#[cfg(not(planted))]
pub use configuration::Configuration;
#[cfg(not(planted))]
pub use duty_room::DutyRoom;
#[cfg(not(planted))]
pub use gateway::Gateway;
#[cfg(not(planted))]
pub use gateways::Gateways;
#[cfg(not(planted))]
pub use listener::Listener;
#[cfg(not(planted))]
pub use modbus_server::ModbusServer;
#[cfg(not(planted))]
pub use mosquitto::Mosquitto;
#[cfg(not(planted))]
pub use serial_line::SerialLine;
#[cfg(not(planted))]
pub use visitor::Visitor;
#[cfg(not(planted))]
pub use wait::{holds_within, wait_for, wait_until};

pub mod shadow;
#[path = "../simulation/simulation.rs"]
pub mod simulation;
