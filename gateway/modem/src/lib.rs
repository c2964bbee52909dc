//! A mobile modem on a serial port, for the two ends that must reach a person when everything else is silent:
//! it sends texts, hears the answers, and rings a phone.
//!
//! [`pdu`] and [`conversation`] decide, with bytes and time as arguments; [`driver`] is their thread.
#![forbid(unsafe_code)]

mod clock;
pub mod conversation;
pub mod driver;
pub mod number;
pub mod pdu;

pub use conversation::{Event, OrderId, Rung, Trouble, Why};
pub use driver::{Full, Modem, Settings};
pub use number::{BadNumber, Number};
