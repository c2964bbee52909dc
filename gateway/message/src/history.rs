//! Back-filled readings of one point, in the background of everything else.
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::{Id, Quality, Timestamp};

/// `/history`: five-minute samples and changes with their own times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HistoryDocument {
    pub device: Id,
    pub point: String,
    pub unit: Option<String>,
    pub readings: Vec<(Timestamp, Option<f64>, Quality)>,
}
