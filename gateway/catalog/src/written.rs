//! A profile as it is written in TOML. The doc comments here are the schema's descriptions.
mod example;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use shouwang_core::profile::{FaultCode, Grade, Parity, Table, WordOrder};
use shouwang_core::reading::NoData;
use shouwang_message::{Class, Priority, Text};

pub(crate) use self::example::{ExamplePart, ExpectedPart, InstalledPart, ReadPart};

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

/// One meaning in the device's registers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PointPart {
    /// `level_m`: small letters, digits and `_`.
    #[schemars(length(min = 1, max = 32))]
    pub(crate) name: String,
    pub(crate) title: Words,
    pub(crate) table: TableWord,
    /// Zero-based, as on the wire.
    pub(crate) address: u16,
    /// As the maker writes it: `40005`, `1x0003`.
    #[schemars(length(max = 32))]
    pub(crate) vendor_address: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: TypeWord,
    /// Mandatory for 32 bits.
    pub(crate) word_order: Option<OrderWord>,
    /// Which bit of a register, 0 is the lowest. Only for `bool` in a register.
    #[schemars(range(max = 15))]
    pub(crate) bit: Option<u8>,
    /// Which value of the bit means yes. Mandatory for `bool`.
    #[schemars(range(max = 1))]
    pub(crate) active_when: Option<u8>,
    /// Only this half of the register. Only for `u16`.
    pub(crate) byte: Option<ByteWord>,
    /// Lowest bit of a `bits` field.
    #[schemars(range(max = 15))]
    pub(crate) shift: Option<u8>,
    /// Number of bits of a `bits` field.
    #[schemars(range(min = 1, max = 16))]
    pub(crate) width: Option<u8>,
    /// Length of a `string`, two characters each.
    #[schemars(range(min = 1, max = 125))]
    pub(crate) registers: Option<u8>,
    #[serde(default)]
    pub(crate) scale: ScalePart,
    /// The value is rounded to this many.
    #[serde(default)]
    #[schemars(range(max = 6))]
    pub(crate) decimals: u8,
    #[schemars(length(min = 1, max = 16))]
    pub(crate) unit: Option<String>,
    /// What the sensor itself can say, lowest and highest; beyond is `out_of_range`.
    pub(crate) range: Option<[f64; 2]>,
    /// Raw values that are no values.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(crate) error_values: Vec<ErrorPart>,
    /// How often it is wanted.
    #[serde(default)]
    pub(crate) poll: PollWord,
    /// What raw values mean; others are `error_value`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) meanings: Vec<MeaningPart>,
    /// Remembered at commissioning; another value later is `config_mismatch`.
    #[serde(default)]
    pub(crate) frozen: bool,
    pub(crate) measures: Option<MeasuresWord>,
    /// Outputs may write it.
    #[serde(default)]
    pub(crate) writable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TypeWord {
    Bool,
    U16,
    I16,
    U32,
    I32,
    F32,
    /// Some bits of a register: `shift` and `width`.
    Bits,
    /// Packed decimal: 0x0209 is 209.
    Bcd,
    /// ASCII, two characters a register.
    String,
}

/// In which order the four bytes arrive; ABCD is big-endian.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum OrderWord {
    Abcd,
    Cdab,
    Dcba,
    Badc,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ByteWord {
    High,
    Low,
}

/// value = raw x numerator / denominator + offset.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScalePart {
    #[schemars(range(min = -1_000_000_000, max = 1_000_000_000))]
    pub(crate) numerator: i64,
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub(crate) denominator: i64,
    pub(crate) offset: f64,
    /// A point whose value is a count of decimals: also divided by 10 to its power.
    pub(crate) decimals_from: Option<String>,
    /// The installer states the unit (`unit` of the device); converted to the point's unit.
    pub(crate) unit_from_device: bool,
}

impl Default for ScalePart {
    fn default() -> Self {
        Self { numerator: 1, denominator: 1, offset: 0.0, decimals_from: None, unit_from_device: false }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorPart {
    pub(crate) raw: u32,
    pub(crate) means: WhyWord,
}

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WhyWord {
    /// The device's own word for "no value".
    ErrorValue,
    /// The device does not have this quantity.
    NotSupported,
    OutOfRange,
    /// The device says not to trust it.
    Status,
    Warmup,
    Inhibited,
    Test,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PollWord {
    /// Two times a second.
    Alarm,
    /// Every five seconds.
    #[default]
    State,
    /// Every thirty seconds.
    Slow,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeaningPart {
    pub(crate) raw: u32,
    pub(crate) title: Words,
}

/// What the number is at the place where the device hangs.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MeasuresWord {
    /// Water above the sensor: dry offset and datum are counted in.
    Depth,
    /// Air above the water: level = mounting height - distance.
    Distance,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusPart {
    /// A `bool` point.
    pub(crate) point: String,
    /// The points it spoils; all others if left out.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) spoils: Option<Vec<String>>,
    #[serde(default = "status")]
    pub(crate) why: WhyWord,
}

fn status() -> WhyWord {
    WhyWord::Status
}

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
    let words: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

fn priorities(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
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

impl From<OrderWord> for WordOrder {
    fn from(word: OrderWord) -> Self {
        match word {
            OrderWord::Abcd => Self::Abcd,
            OrderWord::Cdab => Self::Cdab,
            OrderWord::Dcba => Self::Dcba,
            OrderWord::Badc => Self::Badc,
        }
    }
}

impl From<WhyWord> for NoData {
    fn from(word: WhyWord) -> Self {
        match word {
            WhyWord::ErrorValue => Self::ErrorValue,
            WhyWord::NotSupported => Self::NotSupported,
            WhyWord::OutOfRange => Self::OutOfRange,
            WhyWord::Status => Self::Status,
            WhyWord::Warmup => Self::Warmup,
            WhyWord::Inhibited => Self::Inhibited,
            WhyWord::Test => Self::Test,
        }
    }
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
