//! Seeded worlds: the shipped conversation, core, uplink session, board and call unit in one process on
//! virtual time.
//!
//! A world is one gateway with lines full of devices, a disk, a broker, a duty room and people. Its seed
//! decides everything: what is there, what happens, which faults strike, and how the world answers. After the
//! faults everything heals, and within bounded time field, log, broker and duty room must agree. What must be
//! true all the time is in `oracle`; a failing scenario is made smaller by `shrink`.
mod agenda;
mod broker;
pub mod calls;
mod cause;
mod chance;
mod checks;
mod coverage;
mod device;
mod duty_room;
mod flow;
mod gateway;
mod line;
mod oracle;
mod people;
mod plan;
mod planted;
#[cfg(not(planted))]
mod real_store;
mod scenario;
mod shrink;
mod site;
mod store;
#[path = "../../gateway/daemon/src/line/translate.rs"]
mod translate;
pub mod unit;
mod world;

pub use coverage::Coverage;
pub use oracle::Violation;
#[cfg(planted)]
pub use planted::{BUGS, Planted};
pub use scenario::Scenario;
pub use shrink::shrink;
pub use site::Site;
pub use world::{Outcome, live, run};
