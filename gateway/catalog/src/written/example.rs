//! An `[[example]]` as it is written.
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{TableWord, Words};

/// What given registers must mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExamplePart {
    pub(crate) title: Words,
    /// The answers, in order.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub(crate) read: Vec<ReadPart>,
    /// What the device's own configuration says.
    #[serde(default)]
    pub(crate) installed: InstalledPart,
    /// By counter point: the count that was committed before.
    #[serde(default)]
    pub(crate) counts_before: BTreeMap<String, u32>,
    /// By point: the value, or why there is none.
    #[serde(default)]
    pub(crate) readings: BTreeMap<String, ExpectedPart>,
    /// The conditions that these readings raise if they last: exactly these.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub(crate) judgements: Vec<String>,
    pub(crate) set_unit_id: Option<SetUnitIdPart>,
    /// The reset's request, in hex, from unit id 1.
    #[schemars(length(max = 64))]
    pub(crate) reset_ask: Option<String>,
}

/// Either a table, an address and what stands there; or the frames, in hex.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReadPart {
    pub(crate) table: Option<TableWord>,
    pub(crate) address: Option<u16>,
    #[schemars(length(min = 1, max = 125))]
    pub(crate) registers: Option<Vec<u16>>,
    #[schemars(length(min = 1, max = 2000))]
    pub(crate) bits: Option<Vec<u16>>,
    /// How many were asked for; only with `exception`.
    #[schemars(range(min = 1, max = 2000))]
    pub(crate) count: Option<u16>,
    /// The exception code that was answered.
    #[schemars(range(min = 1, max = 255))]
    pub(crate) exception: Option<u8>,
    /// The request frame, with its CRC.
    #[schemars(length(max = 800))]
    pub(crate) ask: Option<String>,
    /// The answer frame, with its CRC.
    #[schemars(length(max = 800))]
    pub(crate) answer: Option<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InstalledPart {
    pub(crate) unit: Option<String>,
    pub(crate) datum_m: Option<f64>,
    pub(crate) dry_offset_m: Option<f64>,
    pub(crate) mounting_height_m: Option<f64>,
    pub(crate) frozen: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ExpectedPart {
    Bool(bool),
    Number(f64),
    Text(String),
    Doubt(DoubtPart),
}

/// `{ bad = "error_value" }`, or `{ uncertain = "out_of_range", value = 100.0 }`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DoubtPart {
    pub(crate) bad: Option<String>,
    pub(crate) uncertain: Option<String>,
    pub(crate) value: Option<f64>,
}

/// The provisioning steps' requests, in hex, for one change of the unit id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUnitIdPart {
    #[schemars(range(min = 1, max = 255))]
    pub(crate) from: u8,
    #[schemars(range(min = 1, max = 255))]
    pub(crate) to: u8,
    #[schemars(length(min = 1, max = 16))]
    pub(crate) asks: Vec<String>,
}
