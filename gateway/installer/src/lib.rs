//! What an installer does with a line: find who is on it, tell which model each is, and read it.
//!
//! What to ask next and what the answers mean is decided here; how a question crosses the wire is behind
//! [`Bus`], which only reads (function codes 1 to 4), so a scan cannot write; what may is [`Writing`]. Nothing
//! ever speaks to unit id 0.
#![forbid(unsafe_code)]

mod bench;
mod bus;
mod examine;
mod expected;
mod fits;
mod health;
mod pass;
mod read;
mod scan;
mod set_unit_id;
mod setting;
mod site_csv;

pub use bench::{Job, Provided, await_device, await_remedy, await_removal, factory, provide};
pub use bus::{Bus, Heard, Lost, Question, Traffic};
pub use examine::{Device, Doubt};
pub use expected::{Meaning, Sighting, is_useless, kinds, meanings, names};
pub use fits::{Candidate, Fit};
pub use health::{Checkup, Finding, Health, UnitHealth, check_up};
pub use pass::{Pass, Wanted, passes};
pub use read::{Named, read, read_raw};
pub use scan::{News, Report, WireTrouble, scan};
pub use set_unit_id::{
    Change, Order, Refused, Writing, Wrote, check_unit_id, finish_unit_id, has_recipe, set_unit_id,
};
pub use setting::{Setting, Settings};
pub use site_csv::{
    SITE_COLUMNS, SiteDevice, SiteLine, SiteMistake, in_a_cell, quoted, read_site, read_site_of, write_site,
};
