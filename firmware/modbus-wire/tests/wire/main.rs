//! Modbus on the wire, seen from outside: golden bytes, bad input, stories of one line, properties, and
//! other people's implementations as witnesses.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, also in its own tools")]

mod bad_input;
mod golden;
mod line;
mod other_implementations;
mod properties;
mod stories;
mod world;
