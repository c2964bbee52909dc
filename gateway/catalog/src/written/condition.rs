//! A condition as the file has it: what it tests, and what it raises.
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use shouwang_core::profile::FaultCode;
use shouwang_message::Priority;

use super::Words;

/// What is judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConditionPart {
    #[schemars(length(min = 1, max = 32))]
    pub(crate) name: String,
    /// The alarm's words.
    pub(crate) text: Words,
    pub(crate) point: String,
    pub(crate) test: TestWord,
    /// For `high` and `low`, the point's unit; for `rate_of_rise` that per hour.
    pub(crate) limit: Option<f64>,
    /// For `equal`.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) values: Option<Vec<f64>>,
    /// For `rate_of_rise`.
    #[schemars(range(min = 60, max = 86_400))]
    pub(crate) window_s: Option<u32>,
    /// `alarm`: a person must act. Others are faults of the device itself.
    #[serde(default)]
    pub(crate) raises: RaisesWord,
    #[schemars(schema_with = "priorities")]
    pub(crate) priority: Priority,
    /// Stays until a person resets it.
    #[serde(default)]
    pub(crate) latched: bool,
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub(crate) deadband: f64,
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub(crate) on_delay_s: f64,
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub(crate) off_delay_s: f64,
    /// 1 (none), 3, 5, 7 or 9 readings.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    pub(crate) median: u8,
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 9))]
    pub(crate) in_a_row: u8,
    /// Ask once more before raising; if that fails, raise all the same.
    #[serde(default)]
    pub(crate) confirm: bool,
    pub(crate) suppressed_by: Option<String>,
    /// Why a gas limit above 25 (emergency: 50) %LEL is right here.
    #[schemars(length(min = 4, max = 200))]
    pub(crate) override_reason: Option<String>,
}

fn one() -> u8 {
    1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TestWord {
    /// value >= limit.
    High,
    /// value <= limit.
    Low,
    /// The value (of an enumeration: raw) is one of `values`.
    Equal,
    /// The `bool` is true.
    Active,
    /// The wrapping counter grew.
    Difference,
    /// Slope over `window_s` >= limit per hour.
    RateOfRise,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RaisesWord {
    #[default]
    Alarm,
    DeviceFault,
    LowBattery,
    EndOfLife,
    Contaminated,
    Tamper,
    Removed,
    ButtonStuck,
}

fn priorities(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

impl RaisesWord {
    /// None for an alarm.
    pub(crate) fn fault(self) -> Option<FaultCode> {
        Some(match self {
            Self::Alarm => return None,
            Self::DeviceFault => FaultCode::DeviceFault,
            Self::LowBattery => FaultCode::LowBattery,
            Self::EndOfLife => FaultCode::EndOfLife,
            Self::Contaminated => FaultCode::Contaminated,
            Self::Tamper => FaultCode::Tamper,
            Self::Removed => FaultCode::Removed,
            Self::ButtonStuck => FaultCode::ButtonStuck,
        })
    }
}
