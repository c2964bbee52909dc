//! The simulated field: Modbus servers made from device profiles, on ptys paced like real RS-485 lines and
//! on TCP, with faults and scripted stories.
//!
//! It is the other side of the gateway's lines: built by its own code from the same profiles, so that a
//! gateway can be shown, tested and hurt without a single device.
#![forbid(unsafe_code)]

mod build;
mod call_unit;
mod chance;
mod change;
mod clock;
mod config;
mod encode;
mod error;
mod fault;
mod healthy;
mod lamp;
#[cfg(test)]
mod made;
mod modem;
mod port;
mod profile_server;
mod profiles;
mod pty;
mod rtu_line;
mod rtu_port;
mod running;
mod server;
mod simulate;
mod street;
mod tcp_port;
mod training;
mod wire;

pub use change::{COMMANDS, Change};
pub use config::FieldConfig;
pub use encode::{Encoded, Scaling, encode};
pub use error::{FieldError, Mistake};
pub use fault::{FAULT_WORDS, Fault};
pub use lamp::Shown;
pub use modbus_wire::Table;
pub use modem::{EmulatedModem, Manners, OnAir};
pub use port::Place;
pub use profiles::Profiles;
pub use running::{LinePlace, Running, start, start_telling};
pub use server::{Act, Micros, Server};
pub use simulate::{Told, command, simulate};
