//! What people install: the program for other processors and what it is made of, the services, the Debian package.
//!
//! `tests/run` runs the aarch64 program on an emulated processor; `tests/long packages` what is slow to build, and the
//! package on a Debian with a systemd of its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod container;
mod downgrade;
mod emulated;
mod figures;
mod installed;
mod planted;
mod program;
mod sbom;
mod services;
mod street;
mod toolchain;
