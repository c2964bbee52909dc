//! The call unit against its contract: register map version 1 and its rules, on a virtual clock and in bytes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its own tools")]

mod board;
mod fuzz;
mod golden;
mod lamp;
mod power;
mod presses;
mod rules;
mod timing;
mod world;
