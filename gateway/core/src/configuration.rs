//! What the engine must know before it starts: the configuration, already checked and resolved.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Class, Id, Mode, Place, StationInfo};

use crate::meter::MeterSettings;
use crate::profile::{Condition, Profile};
use crate::welfare::WelfareSettings;

/// One gateway's settings. Indexes into `lines` and `devices` are used as their numbers everywhere, until
/// another configuration numbers them anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Configuration {
    pub site: Id,
    pub gateway: Id,
    pub name: String,
    pub version: String,
    /// `sha256:` and the hexadecimal digest of the files in force.
    pub digest: String,
    /// `live`, or `simulated` for the demo's field.
    pub mode: Mode,
    pub lines: Vec<LineSettings>,
    pub devices: Vec<DeviceSettings>,
    pub stations: Vec<StationInfo>,
    /// What the box itself can sound or switch.
    pub outputs: Vec<OutputSettings>,
    pub local_alarm: Option<LocalAlarmSettings>,
    /// Rain gauges and water meters behind digital inputs.
    pub meters: Vec<MeterSettings>,
    /// Who lives alone and is watched over.
    pub welfare: Vec<WelfareSettings>,
    pub sms: Option<SmsSettings>,
    /// A boolean point that becomes true when somebody at the box wants the installer's door open.
    pub install_input: Option<(DeviceIndex, usize)>,
    pub uplink: UplinkSettings,
}

/// Index into [`Configuration::lines`].
pub type LineIndex = usize;
/// Index into [`Configuration::devices`].
pub type DeviceIndex = usize;
/// Index into [`Configuration::outputs`].
pub type OutputIndex = usize;
/// Index into [`SmsSettings::phones`].
pub type PhoneIndex = usize;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LineSettings {
    pub name: Id,
    pub kind: LineKind,
    /// How long a device may take to begin its answer; a profile's longest delay wins over it.
    pub timeout: Duration,
    /// Wanted time between two reads, per poll class; zero is continuously.
    pub poll: PollTimes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineKind {
    /// One character takes `bits / baud`; 10 bits for 8N1, 11 for 8E1 or 8N2.
    Serial { baud: u32, bits: u8 },
    /// Modbus TCP, or RTU frames through a converter.
    Tcp { rtu_frames: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollTimes {
    pub alarm: Duration,
    pub state: Duration,
    pub slow: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceSettings {
    pub id: Id,
    pub line: LineIndex,
    pub unit_id: u8,
    #[serde(with = "crate::snapshot::shared")]
    pub profile: Arc<Profile>,
    /// The profile's conditions with this device's own limits and delays.
    pub conditions: Vec<Condition>,
    pub place: Place,
    pub installed: Installed,
}

/// What belongs to the installed unit, not to the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Installed {
    /// The height system's name, for people.
    pub datum: Option<String>,
    /// Height of the sensor's zero in that datum, m.
    pub datum_m: Option<f64>,
    /// What the probe reads when dry, m; subtracted.
    pub dry_offset_m: Option<f64>,
    /// Height of a distance sensor above the datum, m: level = mounting height - distance.
    pub mounting_height_m: Option<f64>,
    /// The unit that this unit's registers are in (`mm`, `cm`, `m`, `kPa`...), stated by the installer.
    pub unit: Option<String>,
    /// Raw values of frozen points as found at commissioning, by point name; others are frozen when first
    /// seen good and kept.
    pub frozen: BTreeMap<String, u32>,
    /// `YYYY-MM-DD`, for end of life.
    pub installed: Option<String>,
    /// What the maker printed on the unit; another one is another unit.
    pub serial_no: Option<String>,
}

/// A point of a device that the gateway switches on and off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSettings {
    pub name: Id,
    pub device: DeviceIndex,
    /// Index into the device's profile's points: boolean and writable. No two outputs share one.
    pub point: usize,
}

/// When the box itself sounds, because nobody else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalAlarmSettings {
    /// No duty room has heard an emergency for this long.
    pub unheard: Duration,
    /// Nobody has acknowledged it for this long.
    pub unacknowledged: Duration,
    /// Sounds then: ten minutes, then one in five.
    pub output: OutputIndex,
    /// Is on while no duty room is reached.
    pub no_contact: Option<OutputIndex>,
    /// A boolean point that becomes true when somebody at the box wants quiet.
    pub silence: Option<(DeviceIndex, usize)>,
}

/// Whom the box itself texts, because no duty room hears. Their numbers are the hands' to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsSettings {
    /// After the text of an emergency the phone rings: a text alone wakes few.
    pub rings: bool,
    pub phones: Vec<PhoneSettings>,
}

/// One person's phone; no person has two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneSettings {
    /// Account id.
    pub person: Id,
    /// No duty room has heard an emergency for this long.
    pub after: Duration,
    /// Of what they are told; empty: of everything.
    pub classes: Vec<Class>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UplinkSettings {
    /// Events are kept until all of these have heard them; empty: until any has.
    pub hearers: Vec<Id>,
    /// Unsigned commands are refused.
    pub signed_commands_only: bool,
}

impl PhoneSettings {
    pub fn wants(&self, class: Class) -> bool {
        self.classes.is_empty() || self.classes.contains(&class)
    }
}

impl DeviceSettings {
    /// Index of the condition of this name.
    pub fn condition(&self, name: &str) -> Option<usize> {
        self.conditions.iter().position(|condition| condition.name == name)
    }
}

impl LineKind {
    /// Time of one character; zero on TCP.
    pub fn character(self) -> Duration {
        match self {
            Self::Serial { baud, bits } => {
                Duration::from_nanos(u64::from(bits) * 1_000_000_000 / u64::from(baud.max(1)))
            }
            Self::Tcp { .. } => Duration::ZERO,
        }
    }
}
