//! All the gateway's hands, and no decisions.
//!
//! Serial ports, sockets, disk, broker and clocks are driven here exactly as the core orders; what they
//! bring goes back to the core as its inputs.
#![forbid(unsafe_code)]

mod alarm_log;
pub mod broker;
pub mod clock;
pub mod config;
pub mod control;
pub mod eventloop;
pub mod install;
pub mod installing;
pub mod line;
mod lines;
mod metrics;
pub mod recorder;
pub mod recordings;
mod reload;
pub mod rewrite;
pub mod silence_page;
pub mod store;
pub mod systemd;
pub mod texter;
mod throttle;
pub mod uplink;
pub mod watchdog;
pub mod web;
