//! The pages in Debian's Chromium, around the real duty room, the real gateway and the simulated field: what a
//! person sees, hears and presses. Each test has its own of everything.
//!
//! The ear: a few lines loaded before the page note each tone that it gives to the audio clock, so a test counts
//! beeps as a person would. The page itself knows nothing of them.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod acting;
mod answering;
mod axe;
mod board;
mod chromium;
mod demo;
mod exercise;
mod figures;
mod first_run;
mod grid;
mod hostile;
mod install;
mod keys;
mod liveness;
mod many;
mod page;
mod people;
mod phone;
mod river;
mod room;
mod telling;
mod visit;
mod wall;
mod welfare;
