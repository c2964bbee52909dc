//! A profile as it is written in TOML. The doc comments here are the schema's descriptions.
mod condition;
mod example;
mod point;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use shouwang_core::profile::{Grade, Parity, Table};
use shouwang_message::{Class, Text};

pub(crate) use self::condition::{ConditionPart, TestWord};
pub(crate) use self::example::{ExamplePart, ExpectedPart, InstalledPart, ReadPart};
pub(crate) use self::point::{ByteWord, MeasuresWord, PointPart, PollWord, StatusPart, TypeWord};

/// The JSON schema of a profile, for editors and for `device-profiles/profile.schema.json`.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProfileFile).to_value()
}

/// 设备档案 · One model of device, as data only. See `device-profiles/README.md`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Shouwang device profile")]
pub(crate) struct ProfileFile {
    /// Who makes it.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) vendor: String,
    #[schemars(length(min = 1, max = 64))]
    pub(crate) model: String,
    /// The hardware variant or firmware that the register map was taken from.
    #[schemars(length(min = 1, max = 200))]
    pub(crate) variant: Option<String>,
    pub(crate) title: Words,
    /// What kind of thing it watches for.
    #[serde(deserialize_with = "class_of_a_device")]
    #[schemars(schema_with = "classes")]
    pub(crate) class: Class,
    /// Tried on a bench, read in the maker's manual, or found in public.
    pub(crate) verified: GradeWord,
    /// Where the map comes from; say `unconfirmed` for what nobody's text proves.
    #[schemars(length(min = 1, max = 500))]
    pub(crate) source: String,
    /// What this model cannot tell: fault, battery, end_of_life...
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(crate) lacks: Vec<String>,
    /// The model can sit at the unit ids 248 to 255, which the standard reserves.
    #[serde(default)]
    pub(crate) unit_id_opt_in: bool,
    pub(crate) serial: Option<SerialPart>,
    #[serde(default)]
    pub(crate) timing: TimingPart,
    #[serde(default)]
    pub(crate) blocks: BlocksPart,
    /// Registers that must hold known values before the device is trusted.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub(crate) identity: Vec<IdentityPart>,
    #[serde(default, rename = "point")]
    #[schemars(length(min = 1, max = 256))]
    pub(crate) points: Vec<PointPart>,
    /// Points that, while true, make other points' values bad.
    #[serde(default, rename = "status")]
    #[schemars(length(max = 64))]
    pub(crate) statuses: Vec<StatusPart>,
    #[serde(default, rename = "condition")]
    #[schemars(length(max = 128))]
    pub(crate) conditions: Vec<ConditionPart>,
    pub(crate) call: Option<CallPart>,
    pub(crate) warm_up: Option<WarmUpPart>,
    pub(crate) end_of_life: Option<EndOfLifePart>,
    /// Setting the unit id, step by step; one such device on the line.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(crate) provisioning: Vec<StepPart>,
    /// The device's own reset: written once, verified by reading again.
    pub(crate) reset: Option<ResetPart>,
    /// Values that must never be written.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub(crate) forbidden: Vec<ForbiddenPart>,
    /// What given registers must mean; run by the tests and by `shouwang profile check`.
    #[serde(default, rename = "example")]
    #[schemars(length(max = 64))]
    pub(crate) examples: Vec<ExamplePart>,
}

/// The same words in Chinese and English.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    /// 中文
    #[schemars(length(min = 1, max = 64))]
    pub(crate) zh: String,
    /// English
    #[schemars(length(min = 1, max = 120))]
    pub(crate) en: String,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum GradeWord {
    /// Tried by us on the real thing.
    Bench,
    /// The maker's own text was read.
    Vendor,
    /// A public repository, forum or shop page; nobody's word but theirs.
    Community,
}

/// As delivered by the maker.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SerialPart {
    #[schemars(range(min = 300, max = 1_000_000))]
    pub(crate) baud: u32,
    pub(crate) parity: ParityWord,
    #[schemars(range(min = 1, max = 2))]
    pub(crate) stop_bits: u8,
    #[schemars(range(min = 1, max = 255))]
    pub(crate) unit_id: u8,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ParityWord {
    None,
    Even,
    Odd,
}

/// How fast this model answers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TimingPart {
    /// From the end of a request to the first byte of the answer, usually. Default 20 on RTU, 5 on TCP.
    #[schemars(range(min = 1, max = 5000))]
    pub(crate) reply_typical_ms: Option<u32>,
    /// The same at the longest; the line's time-out never cuts it short.
    #[schemars(range(min = 1, max = 20_000))]
    pub(crate) reply_longest_ms: Option<u32>,
    /// Quiet time that it needs before the next request.
    #[schemars(range(max = 5000))]
    pub(crate) turnaround_ms: u32,
    /// After a write nothing is asked for this long.
    #[schemars(range(max = 60_000))]
    pub(crate) settle_after_write_ms: u32,
}

/// What it tolerates in one read or write.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BlocksPart {
    pub(crate) even_counts: bool,
    pub(crate) no_joining_over_holes: bool,
    /// Even a single register is written by function 16.
    pub(crate) write_multiple_only: bool,
    #[schemars(range(min = 1, max = 125))]
    pub(crate) max_registers: Option<u16>,
    #[schemars(range(min = 1, max = 2000))]
    pub(crate) max_bits: Option<u16>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableWord {
    /// Read by function 1.
    Coil,
    /// Read by function 2.
    DiscreteInput,
    /// Read by function 4.
    InputRegister,
    /// Read by function 3.
    HoldingRegister,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityPart {
    pub(crate) table: TableWord,
    /// Zero-based, as on the wire.
    pub(crate) address: u16,
    #[schemars(length(min = 1, max = 16))]
    pub(crate) expected: Vec<u16>,
}

/// A call unit: a press counts, latches, and waits for the gateway's echo.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallPart {
    /// Point: u16 press counter that wraps.
    pub(crate) press_count: String,
    /// Point: `bool`, a press waits for its echo.
    pub(crate) latched: String,
    /// Point: u16 counter of local cancels.
    pub(crate) cancel_count: Option<String>,
    /// Point: u16 counter of the unit's own starts.
    pub(crate) boot_count: Option<String>,
    /// Point: u32 serial number.
    pub(crate) serial: Option<String>,
    /// Point: u32, ms since the last press.
    pub(crate) since_press: Option<String>,
    /// Holding register that takes the committed press count.
    pub(crate) echo: u16,
    /// Holding register: 0 finished, 1 heard, 2 acknowledged, 3 somebody is coming.
    pub(crate) indicator: u16,
}

/// Exactly one of these. Never counts after the gateway's own restart.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WarmUpPart {
    /// This long after the device came back from being lost.
    #[schemars(range(min = 1, max = 1200))]
    pub(crate) after_return_s: Option<u32>,
    /// While this `bool` point is true.
    pub(crate) flag: Option<String>,
    /// While this point (seconds left) is above zero.
    pub(crate) seconds_left: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndOfLifePart {
    pub(crate) days_used: String,
    pub(crate) days_allowed: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StepWord {
    /// The new unit id goes to `address`.
    WriteUnitId,
    /// `value` goes to `address`.
    Write,
    /// Wait `ms`.
    Wait,
    /// A person switches it off and on.
    Restart,
    /// `table` and `address` must hold the new unit id.
    ReadBack,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepPart {
    pub(crate) step: StepWord,
    pub(crate) address: Option<u16>,
    pub(crate) value: Option<u16>,
    #[schemars(range(min = 1, max = 60_000))]
    pub(crate) ms: Option<u32>,
    pub(crate) table: Option<TableWord>,
    /// Asked at the new unit id already.
    pub(crate) at_new_id: Option<bool>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetPart {
    pub(crate) table: TableWord,
    pub(crate) address: u16,
    pub(crate) value: u16,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ForbiddenPart {
    /// Of a holding register.
    pub(crate) address: u16,
    #[schemars(length(min = 1, max = 32))]
    pub(crate) values: Vec<u16>,
}

fn classes(_: &mut SchemaGenerator) -> Schema {
    let of_devices = Class::ALL.iter().filter(|class| **class != Class::Report);
    let words: Vec<&str> = of_devices.map(|class| class.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

fn class_of_a_device<'d, D: Deserializer<'d>>(from: D) -> Result<Class, D::Error> {
    match Class::deserialize(from)? {
        Class::Report => Err(D::Error::custom("a `report` is what a person tells: no device has this class")),
        class => Ok(class),
    }
}

impl From<&Words> for Text {
    fn from(words: &Words) -> Self {
        Self::new(words.zh.as_str(), words.en.as_str())
    }
}

impl From<GradeWord> for Grade {
    fn from(word: GradeWord) -> Self {
        match word {
            GradeWord::Bench => Self::Bench,
            GradeWord::Vendor => Self::Vendor,
            GradeWord::Community => Self::Community,
        }
    }
}

impl From<ParityWord> for Parity {
    fn from(word: ParityWord) -> Self {
        match word {
            ParityWord::None => Self::None,
            ParityWord::Even => Self::Even,
            ParityWord::Odd => Self::Odd,
        }
    }
}

impl From<TableWord> for Table {
    fn from(word: TableWord) -> Self {
        match word {
            TableWord::Coil => Self::Coil,
            TableWord::DiscreteInput => Self::DiscreteInput,
            TableWord::InputRegister => Self::InputRegister,
            TableWord::HoldingRegister => Self::HoldingRegister,
        }
    }
}
