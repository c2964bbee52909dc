//! What is printed: QR codes, Chinese text in pictures, labels for devices and the commissioning report.
//!
//! Nothing here knows a line or a network: it is given words and makes paper of them.
#![forbid(unsafe_code)]

pub mod glyphs;
pub mod label;
mod qr;
pub mod report;

pub use label::Label;
pub use qr::{Qr, qr};
