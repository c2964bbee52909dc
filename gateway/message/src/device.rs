//! What a gateway says about one device: its state and its newest values.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::alarm::words;
use crate::{Timestamp, Value, WelfareDocument};
use core::fmt;

words! {
    /// Whether a device can be relied on.
    DeviceState {
        Online = "online", Lost = "lost", Fault = "fault", OutOfService = "out-of-service", Test = "test",
    }
}

words! {
    /// How far a value can be trusted.
    Quality { Good = "good", Uncertain = "uncertain", Bad = "bad" }
}

/// `/device/{device}/state`, retained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceStateDocument {
    pub state: DeviceState,
    pub since: Timestamp,
    /// A fault code, or a person's reason; none while online.
    pub why: Option<String>,
    /// The no-activity rules that this device is the sign of; left out while there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub welfare: Vec<WelfareDocument>,
}

impl DeviceStateDocument {
    /// Of a device by which nobody is watched over.
    pub fn new(state: DeviceState, since: Timestamp, why: Option<String>) -> Self {
        Self { state, since, why, welfare: Vec::new() }
    }
}

/// `/device/{device}/values`, retained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValuesDocument {
    pub at: Timestamp,
    pub values: BTreeMap<String, PointValue>,
}

/// One point's newest reading: a value, or the reason there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointValue {
    pub value: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    pub quality: Quality,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
