//! A point as the file has it: where it is read, how its bits become a number, and when it is none.
use schemars::JsonSchema;
use serde::Deserialize;
use shouwang_core::profile::WordOrder;
use shouwang_core::reading::NoData;

use super::{TableWord, Words};

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
