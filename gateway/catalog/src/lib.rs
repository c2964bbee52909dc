//! Profiles of devices: read from TOML, checked, explained, and shipped.
//!
//! A profile is data only. Everything wrong with a file is told at once, with its line and column, in
//! Chinese and English; what passes here is sound and the core relies on it without looking again.
#![forbid(unsafe_code)]

mod catalog;
mod conditions;
pub mod examples;
mod frames;
mod points;
mod problem;
mod profile;
mod shipped;
mod show;
pub mod strict;
mod tuning;
mod writes;
mod written;

pub use catalog::{Catalog, Entry};
pub use examples::Example;
pub use problem::{Complaint, Problem, closest, instead};
pub use profile::{installed_complaints, parse};
pub use shipped::template;
pub use show::show;
pub use tuning::{Tuning, tune};
pub use written::schema;
