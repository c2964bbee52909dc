//! What people install: the program for other processors.
//!
//! `tests/run` runs the aarch64 program on an emulated processor; `tests/long packages` what is slow to build.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulated;
mod program;
mod street;
