//! The call unit against its contract: register map version 1 and its rules, on a virtual clock and in bytes.

mod board;
mod fuzz;
mod golden;
mod lamp;
mod power;
mod presses;
mod rules;
mod timing;
mod world;
