//! The store on disks that fail: power cuts, no room, failed and hanging syncs, damaged files.
//!
//! The store is the shipped one, through the door it has for this (`Store::open_with_vfs`); below it stands a
//! machine in memory whose power can be cut ([`machine`], [`disk`]), bound to SQLite in [`vfs`]. What the
//! store said is on disk is written down on the side ([`workload`]) and compared after the next start.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a trial that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "the figures are read by people")]

mod cuts;
mod damage;
mod disk;
mod faults;
mod figures;
mod machine;
mod power;
mod room;
mod told;
mod vfs;
mod workload;
