//! The one-button call unit: an old person presses, and the press must reach the duty room even if the line
//! was down when it happened; the lamp and the buzzer say truthfully how far it has come.
//!
//! [`CallButton`] is all of it: inputs, bytes and time go in, a lamp, a buzzer and answers come out. It runs
//! the same on a microcontroller, in an emulator and in the simulated field. A press is in [`Flash`] before
//! the lamp says so. The register map is [`registers::MAP`]; its rules are those of map version 1.
//!
//! A Modbus frame is not authenticated: a stranger on the wire can forge any answer.
//!
//! ```
//! use call_button::{CallButton, Display, Inputs, RamFlash};
//!
//! let mut unit = CallButton::start(RamFlash::<32>::new(), 0x0001_0002, 0);
//! for ms in 0..100_u64 {
//!     unit.tick(ms * 1000, Inputs { button: ms >= 10, ..Inputs::default() });
//! }
//! assert_eq!(unit.display(), Display::Calling);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::string_slice))]

pub mod board;
mod button;
mod display;
mod flash;
mod framer;
mod kept;
mod log;
pub mod planted;
pub mod registers;
mod ring;
mod server;
mod settings;
mod unit;

pub use display::{Display, Pattern};
pub use flash::{Flash, FlashError, PAGES, RamFlash};
pub use kept::{Counters, provision};
pub use log::{Entry, Log, Record, What};
pub use settings::{BAUD_RATES, Settings};
pub use unit::{CallButton, Inputs};

/// Microseconds since the unit was switched on.
pub type Micros = modbus_wire::Micros;
