//! Short stories on a virtual clock, and their transcripts as snapshots.
//!
//! A story sets a stage: one gateway with shipped profiles, registers behind its line, a disk, a broker and
//! a duty room, all in this process and on virtual time. The gateway's engine, the conversation on the line,
//! the call unit's firmware and the duty room's board are the shipped ones; only the hands between them are
//! simulated. What came of it is a page that a person reads: the bytes on the line both ways where they say
//! something new, what was committed, what was published, and what the board shows.
//!
//! A changed transcript is a changed promise: read it as a duty room would before accepting it with
//! `cargo insta accept` or `INSTA_UPDATE=always`.
#![expect(clippy::panic, reason = "a story fails by panicking")]

mod broker;
mod devices;
mod names;
mod people;
mod site;
mod stage;
mod tape;
mod texts;
#[path = "../../gateway/daemon/src/line/translate.rs"]
mod translate;
mod wire;

mod absence;
mod calls;
mod clock;
mod commands;
mod field;
mod gas;
mod history;
mod hydrographs;
mod level;
mod local_alarm;
mod outputs;
mod overlays;
mod reloading;
mod restarts;
mod running;
mod signed;
mod smoke;
mod store;
mod uplink;
mod walk;
mod welfare;

/// Pins the story's transcript under the name of its test.
macro_rules! pin {
    ($stage:expr) => {{
        let transcript = $stage.finish();
        insta::assert_snapshot!(transcript);
    }};
}
use pin;
