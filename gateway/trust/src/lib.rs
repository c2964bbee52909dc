//! Whom a TLS connection of ours trusts, what it shows of itself, and by which time certificates are judged: one
//! piece for both ends, so that neither is laxer than the other.
//!
//! Files are read at every call, so that a renewed certificate counts from the next connection on. TLS is 1.2 or 1.3,
//! the name is always checked, and there is no way to switch that off.
#![forbid(unsafe_code)]

pub mod clock;
mod files;
mod trouble;

pub use clock::Floor;
pub use files::{Files, Key, TrustError};
pub use trouble::{Trouble, of_plain, trouble};
