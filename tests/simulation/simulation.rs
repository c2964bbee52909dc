//! Seeded worlds: the shipped conversation, core, uplink session and board in one process on virtual time.
//!
//! A world is one gateway with simulated lines, a store that loses what was not synced, a broker that
//! forgets, and a duty room. Its seed decides everything: which faults there are, when, and how the world
//! answers. After the faults everything heals, and within bounded time what the gateway committed, what the
//! duty room heard and what is true at the devices must agree. The checks are in `oracle.rs`.
mod broker;
mod chance;
mod devices;
pub mod duty_room;
mod oracle;
mod planted;
mod site;
pub mod store;
#[path = "../../gateway/daemon/src/line/translate.rs"]
mod translate;
mod wire;
mod world;

pub use oracle::Violation;
#[cfg(planted)]
pub use planted::{BUGS, catch};
pub use world::{Outcome, run};
