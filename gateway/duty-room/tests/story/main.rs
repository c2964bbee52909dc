//! Stories of a running duty room: a real broker, a scripted gateway, and a browser's questions over HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod accounts;
mod answering;
mod attacks;
mod boards;
mod cases;
mod couriers;
mod desk;
mod devices;
mod grid;
mod handover;
mod hearing;
mod https;
mod ladder;
mod metrics;
mod openapi;
mod rating;
mod records;
mod residents;
#[path = "../../src/notify/tests/service.rs"]
mod service;
mod sms_modem;
mod sounder;
mod stations;
mod supervision;
mod web;
mod webhook;
mod welfare;
