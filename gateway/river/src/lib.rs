//! What a water level means: lines, colours, rates of rise and doubts, the same at both ends.
//!
//! The gateway judges its sensor with it, the duty room the readings of people and what was back-filled.
//! A stage is in metres above a datum that the station names. Time is an argument, a [`Moment`] of whatever
//! one clock the caller uses; nothing here reads one, and every memory has a bound.
//!
//! - [`Watch`] says which [`Line`]s a stage holds, and the [`Colour`]: up at once, down slowly.
//! - [`Waves`] makes a stage of the raw readings of a sensor, with [`Flags`] for what speaks against it.
//! - [`Recent`] is three hours of readings in the order of their times, whatever order they came in:
//!   [`Rates`], [`Trend`] and [`estimate`] are read from it.
//! - [`Staff`] settles whom to believe when a person at the staff gauge disagrees with the sensor.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod colour;
mod estimate;
mod flags;
mod lines;
mod moment;
mod rates;
mod recent;
mod slope;
mod staff;
mod watch;
mod waves;

pub use colour::Colour;
pub use estimate::{Estimate, estimate};
pub use flags::{Flag, Flags};
pub use lines::{Line, Lines, Rule};
pub use moment::Moment;
pub use rates::{Rate, Rates, Trend};
pub use recent::Recent;
pub use slope::{Fit, Slope};
pub use staff::{Agreement, DISAGREEMENT_M, Staff};
pub use watch::{Crossing, Stage, Trust, Watch, colour_after};
pub use waves::{Filtered, Limits, Waves};
