//! All the gateway's decisions, and no hands.
//!
//! Time, answers, commits and receipts come in as [`input::Input`]; what to ask, commit and publish goes
//! out as [`output::Output`]. Nothing here reads a clock, touches a file or a socket, or logs: the daemon
//! and the simulation drive exactly this code.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod alarm;
mod call;
mod chance;
pub mod condition;
pub mod configuration;
mod counter;
pub mod decode;
pub mod decoder;
pub mod engine;
mod fault;
mod gauge;
mod history;
pub mod input;
pub mod latency;
pub mod line;
mod local_alarm;
pub mod meter;
mod outbox;
pub mod output;
pub mod plan;
pub mod planted;
pub mod profile;
pub mod reading;
mod snapshot;
pub mod station;
mod texting;
pub mod units;
mod uplink;
mod vigil;
pub mod walk;
mod wall;
pub mod welfare;

pub use shouwang_message::{Clock, Instant, Timestamp};
