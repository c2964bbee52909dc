//! A profile: everything the gateway needs to know about one model of device, as data only.
//!
//! Profiles are read, checked and explained by the catalog; here they are already sound: names are
//! resolved to indexes and every number is in its range.
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Class, Priority, Text};

use crate::configuration::LineKind;
use crate::reading::NoData;

/// One model of device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// `<vendor>-<model>`, the file's name.
    pub name: String,
    pub vendor: String,
    pub model: String,
    /// Which hardware variant or firmware the map was taken from.
    pub variant: Option<String>,
    pub title: Text,
    pub class: Class,
    pub verified: Grade,
    /// Where the map comes from; says `unconfirmed` where nobody's text was at hand.
    pub source: String,
    pub serial: Option<SerialDefaults>,
    /// The model can sit at the unit ids 248 to 255, which the standard reserves.
    pub high_unit_ids: bool,
    pub timing: DeviceTiming,
    pub blocks: BlockRules,
    pub points: Vec<Point>,
    pub status_bits: Vec<StatusBit>,
    pub conditions: Vec<Condition>,
    pub identity: Vec<IdentityCheck>,
    pub call: Option<CallUnit>,
    pub warm_up: Option<WarmUp>,
    pub end_of_life: Option<EndOfLife>,
    pub provisioning: Vec<ProvisioningStep>,
    pub reset: Option<DeviceReset>,
    /// Values that must never be written to a register.
    pub forbidden: Vec<ForbiddenValue>,
    /// What this model cannot tell: `fault`, `battery`, `end_of_life`...
    pub lacks: Vec<String>,
}

/// How far the map can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grade {
    Bench,
    Vendor,
    Community,
}

/// The modbus table a point lives in; it decides the function code (1, 2, 4, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Table {
    Coil,
    DiscreteInput,
    InputRegister,
    HoldingRegister,
}

/// As delivered by the maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerialDefaults {
    pub baud: u32,
    pub parity: Parity,
    pub stop_bits: u8,
    pub unit_id: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parity {
    None,
    Even,
    Odd,
}

/// How fast this model answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceTiming {
    /// From the end of a request to the first byte of the answer, where it is known; see
    /// [`DeviceTiming::typical`].
    pub reply_typical: Option<Duration>,
    /// The longest the maker allows; a line's time-out never cuts it short.
    pub reply_longest: Option<Duration>,
    /// The least quiet time the device needs between an answer and the next request to it.
    pub turnaround: Duration,
    /// After a write, nothing is asked of the device for this long.
    pub settle_after_write: Duration,
}

/// What a device tolerates in one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRules {
    /// Register counts must be even.
    pub even_counts: bool,
    /// Two points may share a block only if no unlisted register lies between them.
    pub no_joining_over_holes: bool,
    /// Single registers are written by function 16 too.
    pub write_multiple_only: bool,
    /// At most this many registers in a read (125 by the standard).
    pub max_registers: u16,
    /// At most this many bits in a read (2,000 by the standard).
    pub max_bits: u16,
}

/// How often a point is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PollClass {
    Alarm,
    State,
    Slow,
}

/// One meaning in a device's registers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub name: String,
    pub title: Text,
    pub table: Table,
    /// Zero-based, as on the wire.
    pub address: u16,
    /// As the maker writes it, for people.
    pub vendor_address: Option<String>,
    pub kind: Kind,
    pub scale: Scale,
    /// Results are rounded to this many decimals (0 to 6).
    pub decimals: u8,
    pub unit: Option<String>,
    /// Values outside are `out_of_range`.
    pub range: Option<(f64, f64)>,
    /// Raw values that are no values, with what they say.
    pub error_values: Vec<(u32, NoData)>,
    pub poll: PollClass,
    /// For enumerations: raw value to meaning. The reading is the raw number; one not listed is `error_value`.
    pub meanings: Vec<(u32, Text)>,
    /// Stays the same in all honest devices; a change after freezing is `config_mismatch`.
    pub frozen: bool,
    /// What the number is at the place where the device hangs.
    pub measures: Measures,
    /// Outputs may write it: a coil, or a holding register of one word.
    pub writable: bool,
}

/// How an installed unit's own numbers enter a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measures {
    /// Not at all.
    #[default]
    Itself,
    /// Water above the sensor: level = depth - dry offset + height of the sensor's zero (`datum_m`), m.
    Depth,
    /// Air between a sensor and the water: level = mounting height - distance, m.
    Distance,
}

/// How a point's bits become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// One bit: of a bit table, or of a register (`bit` 0 is the lowest). True when it equals `active_when`.
    /// A register without `bit` must hold 0 or 1; anything else is `error_value`.
    Bool {
        bit: Option<u8>,
        active_when: bool,
    },
    U16,
    I16,
    U32(WordOrder),
    I32(WordOrder),
    F32(WordOrder),
    HighByte,
    LowByte,
    /// A field of `width` bits of one register, the lowest at `shift`.
    Bits {
        shift: u8,
        width: u8,
    },
    /// Packed decimal: 0x0209 is 209.
    Bcd,
    /// ASCII, two characters a register, high byte first, cut at the first NUL.
    Ascii {
        registers: u8,
    },
}

/// The order in which the four bytes of a 32-bit value arrive; `ABCD` is big-endian throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WordOrder {
    Abcd,
    Cdab,
    Dcba,
    Badc,
}

/// value = raw x numerator / denominator + offset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub numerator: i64,
    pub denominator: i64,
    pub offset: f64,
    /// Index of a point whose value is a count of decimals: the raw value is also divided by 10^it.
    pub decimals_from: Option<usize>,
    /// The maker's unit depends on the installed unit: the device's configuration must state it, and the
    /// value is converted to the point's unit.
    pub unit_from_device: bool,
}

/// When this boolean point is true, other points are not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusBit {
    pub point: usize,
    /// Indexes of the points it spoils.
    pub spoils: Vec<usize>,
    pub why: NoData,
}

/// What is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    pub name: String,
    /// The alarm's words.
    pub text: Text,
    pub point: usize,
    pub test: Test,
    pub raises: Raises,
    pub priority: Priority,
    pub latched: bool,
    /// How far below (above) the limit the value must return before it clears; the point's unit.
    pub deadband: f64,
    pub on_delay: Duration,
    pub off_delay: Duration,
    /// Judged on the median of this many readings: 1 (none), 3, 5, 7 or 9.
    pub median: u8,
    /// The test must hold in this many readings in a row; 1 to 9.
    pub in_a_row: u8,
    /// Ask once more before raising; if the re-read fails, raise all the same.
    pub confirm: bool,
    /// Name of a condition of the same device that explains this one while it is active.
    pub suppressed_by: Option<String>,
    /// Why a gas limit above 25/50 %LEL was chosen.
    pub override_reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Test {
    /// value >= limit.
    High { limit: f64 },
    /// value <= limit.
    Low { limit: f64 },
    /// The value (raw for enumerations) is one of these.
    Equal { values: Vec<f64> },
    /// The boolean point is true.
    Active,
    /// The wrapping counter of this many bits (16 or 32) grew.
    Difference { bits: u8 },
    /// Nothing shows that somebody is there: judged over hours, see [`crate::welfare`].
    NoActivity,
    /// Least-squares slope over the window, at least 3 good readings, >= limit per hour.
    RateOfRise { limit_per_hour: f64, window: Duration },
}

/// What a condition makes: the world needing a person, or equipment not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raises {
    Alarm,
    Fault(FaultCode),
}

/// Faults a device can tell about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FaultCode {
    DeviceFault,
    LowBattery,
    EndOfLife,
    Contaminated,
    Tamper,
    Removed,
    ButtonStuck,
}

/// A register that must hold one of these values before the device is trusted and written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCheck {
    pub table: Table,
    pub address: u16,
    pub expected: Vec<u16>,
}

/// A call unit's map: see `devices.md`, section 9. Indexes are points of this profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallUnit {
    /// u16 press counter that wraps.
    pub press_count: usize,
    /// Boolean: a press is waiting for its echo.
    pub latched: usize,
    /// u16 counter of local cancels.
    pub cancel_count: Option<usize>,
    /// u16 counter of the unit's own starts: after one, its lamp has forgotten what it was told.
    pub boot_count: Option<usize>,
    /// u32 serial number: another value is another unit.
    pub serial: Option<usize>,
    /// ms since the last press, u32.
    pub since_press: Option<usize>,
    /// Holding register that takes the committed press count.
    pub echo: u16,
    /// Holding register that shows 0 finished, 1 heard, 2 acknowledged, 3 coming.
    pub indicator: u16,
}

/// After the device's own return (never after our restart) its alarms are inhibited for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WarmUp {
    /// This long after it came back from being lost.
    AfterReturn(Duration),
    /// While this boolean point is true.
    Flag(usize),
    /// While this numeric point (seconds left) is above zero.
    SecondsLeft(usize),
}

/// Service life as the device counts it: days used and days allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOfLife {
    pub days_used: usize,
    pub days_allowed: usize,
}

/// One step of setting a unit id, in order; never part of polling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisioningStep {
    /// Write the new unit id here; `at_new_id` says which id is addressed.
    WriteUnitId {
        address: u16,
        at_new_id: bool,
    },
    Write {
        address: u16,
        value: u16,
        at_new_id: bool,
    },
    Wait(Duration),
    /// A person must switch the device off and on.
    Restart,
    ReadBack {
        table: Table,
        address: u16,
    },
}

/// The device's own reset: written once, verified by reading the alarm again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReset {
    pub table: Table,
    pub address: u16,
    pub value: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForbiddenValue {
    pub address: u16,
    pub values: Vec<u16>,
}

impl Profile {
    /// The index of the point of this name.
    pub fn point(&self, name: &str) -> Option<usize> {
        self.points.iter().position(|point| point.name == name)
    }
}

impl Point {
    /// The addresses it occupies, as a half-open range; `u32`, for a point may end at 65535.
    pub fn span(&self) -> core::ops::Range<u32> {
        let start = u32::from(self.address);
        start..start + u32::from(self.kind.width())
    }

    /// What a raw value of an enumeration means.
    pub fn meaning(&self, raw: u32) -> Option<&Text> {
        self.meanings.iter().find(|(value, _)| *value == raw).map(|(_, text)| text)
    }
}

impl Table {
    /// The Modbus function that reads it.
    pub fn function(self) -> u8 {
        match self {
            Self::Coil => 1,
            Self::DiscreteInput => 2,
            Self::HoldingRegister => 3,
            Self::InputRegister => 4,
        }
    }

    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::DiscreteInput)
    }
}

impl Kind {
    /// Registers (or bits, in a bit table) that a value occupies.
    pub fn width(self) -> u16 {
        match self {
            Self::U32(_) | Self::I32(_) | Self::F32(_) => 2,
            Self::Ascii { registers } => u16::from(registers),
            _ => 1,
        }
    }
}

impl FaultCode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceFault => "device_fault",
            Self::LowBattery => "low_battery",
            Self::EndOfLife => "end_of_life",
            Self::Contaminated => "contaminated",
            Self::Tamper => "tamper",
            Self::Removed => "removed",
            Self::ButtonStuck => "button_stuck",
        }
    }
}

impl DeviceTiming {
    /// The delay to reckon with on this kind of line: the profile's own, else 20 ms on RTU and 5 ms on TCP.
    pub fn typical(&self, kind: LineKind) -> Duration {
        self.reply_typical.unwrap_or(match kind {
            LineKind::Tcp { rtu_frames: false } => Duration::from_millis(5),
            LineKind::Serial { .. } | LineKind::Tcp { rtu_frames: true } => Duration::from_millis(20),
        })
    }
}

impl Default for BlockRules {
    fn default() -> Self {
        Self {
            even_counts: false,
            no_joining_over_holes: false,
            write_multiple_only: false,
            max_registers: 125,
            max_bits: 2000,
        }
    }
}
