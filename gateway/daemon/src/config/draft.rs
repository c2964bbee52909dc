//! The file's shape, key by key: what `gateway.toml` may say, before anything is known to make sense.
//!
//! The schema made from these types is what the file is held against, and the comments on the fields
//! are what a person reads there. Keys that must be given are optional here all the same, so that one
//! missing key does not hide the next mistake.
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use shouwang_catalog::Tuning;
use toml::value::Datetime;

/// A gateway's configuration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "GatewayConfiguration")]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Id of the community: a-z, 0-9 and '-', at most 32.
    #[schemars(required)]
    pub(super) site: Option<String>,
    /// Id of this gateway, unique within the site.
    #[schemars(required)]
    pub(super) gateway: Option<String>,
    /// What people call this gateway.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Directory of the log and the kept state.
    #[schemars(required)]
    pub(super) state_dir: Option<String>,
    /// Directories of device profiles besides the shipped ones.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(super) profile_dirs: Vec<String>,
    #[schemars(required)]
    pub(super) uplink: Option<Uplink>,
    #[serde(default)]
    pub(super) commands: Commands,
    /// Conversations: serial ports and TCP connections.
    #[schemars(required, length(max = 64))]
    pub(super) line: Option<Vec<Line>>,
    /// Installed devices.
    #[schemars(required, length(max = 4096))]
    pub(super) device: Option<Vec<Device>>,
    /// River stations.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub(super) station: Vec<Station>,
    /// What the box itself can sound or switch: a siren, a lamp.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(super) output: Vec<Output>,
    /// Rain gauges and water meters whose pulses a digital input counts.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub(super) meter: Vec<Meter>,
    /// Who lives alone and is watched over by water, a door or movement.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub(super) welfare: Vec<Welfare>,
    /// When the box itself sounds, because nobody else does.
    pub(super) local_alarm: Option<LocalAlarm>,
    /// Whom the box itself texts, because no duty room hears.
    pub(super) sms: Option<Sms>,
    /// The installer's pages on this gateway.
    pub(super) install: Option<Install>,
    /// The health page of this gateway.
    pub(super) web: Option<Listen>,
    /// Where installers on this box borrow a line; by default where the service's own folder is.
    pub(super) control: Option<Control>,
    /// A broker within the gateway, for one that stands alone.
    pub(super) broker: Option<Listen>,
}

/// The socket by which installers on this box borrow a line.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Control {
    /// Absolute path; its folder must exist.
    #[schemars(required)]
    pub(super) socket: Option<String>,
}

/// The way to the MQTT broker.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Uplink {
    /// `mqtts://host:port`, or `mqtt://` to this machine.
    #[schemars(required)]
    pub(super) url: Option<String>,
    pub(super) username: Option<String>,
    /// File that holds the password and nothing else; not readable by everybody.
    pub(super) password_file: Option<String>,
    /// PEM file of this gateway's certificate chain.
    pub(super) client_certificate: Option<String>,
    /// PEM file of its private key; not readable by everybody.
    pub(super) client_key: Option<String>,
    /// PEM file of the authority that signed the broker's certificate; unset: the system's authorities.
    pub(super) ca_file: Option<String>,
    /// Allows mqtt:// to another machine: alarms and passwords travel readable.
    #[serde(default)]
    pub(super) allow_plaintext: bool,
    /// Events are kept until all of these duty rooms have heard them; unset: until any has.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub(super) hearers: Vec<String>,
}

/// Who may give commands.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Commands {
    /// `name:base64 of the Ed25519 public key`; as soon as one is named, unsigned commands are refused.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(super) trusted_keys: Vec<String>,
}

/// One line: one conversation at a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// An RS-485 port; either this or `tcp`.
    pub(super) serial: Option<Serial>,
    /// A Modbus TCP server or converter; either this or `serial`.
    pub(super) tcp: Option<Tcp>,
    /// How long a device may take to begin its answer, ms (default 200); a profile's longest delay wins.
    #[schemars(range(min = 10, max = 5000))]
    pub(super) timeout_ms: Option<u32>,
    #[serde(default)]
    pub(super) poll: Poll,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Serial {
    #[schemars(required)]
    pub(super) path: Option<String>,
    /// 1200, 2400, 4800, 9600 (default), 14400, 19200, 38400, 57600 or 115200.
    #[schemars(range(min = 1200, max = 115200))]
    pub(super) baud: Option<u32>,
    #[serde(default)]
    pub(super) parity: Parity,
    /// 1 (default) or 2.
    #[schemars(range(min = 1, max = 2))]
    pub(super) stop_bits: Option<u8>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tcp {
    /// `host:port`.
    #[schemars(required)]
    pub(super) address: Option<String>,
    #[serde(default)]
    pub(super) framing: Framing,
    /// The network interface to go out by, such as `eth1`; without it, as the routes say.
    pub(super) interface: Option<String>,
}

/// `rtu` for a converter that carries RTU frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Framing {
    #[default]
    Tcp,
    Rtu,
}

/// Wanted time between two reads of a point, ms; 0 is continuously.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Poll {
    /// Default 500. Smoke and gas are asked every 5 s at least.
    #[schemars(range(max = 5000))]
    pub(super) alarm_ms: Option<u32>,
    /// Default 5000.
    #[schemars(range(max = 30000))]
    pub(super) state_ms: Option<u32>,
    /// Default 30000: every device is asked something at least every 30 s.
    #[schemars(range(max = 30000))]
    pub(super) slow_ms: Option<u32>,
}

/// One installed device.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    #[schemars(required)]
    pub(super) id: Option<String>,
    /// Name of its line.
    #[schemars(required)]
    pub(super) line: Option<String>,
    /// 1 to 247; 248 to 255 over Modbus TCP, or where the profile's maker delivers it so.
    #[schemars(required, range(min = 1, max = 255))]
    pub(super) unit_id: Option<u8>,
    /// Name of its profile.
    #[schemars(required)]
    pub(super) profile: Option<String>,
    /// What the maker printed on the installed unit; another one is another unit, which nobody has proven yet.
    pub(super) serial_no: Option<String>,
    /// The code on its label, as `shouwang label --assign` draws it.
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) place: Place,
    /// The profile's conditions with other limits and delays, by the condition's name.
    #[serde(default)]
    pub(super) condition: BTreeMap<String, Tuning>,
    /// The height system's name.
    pub(super) datum: Option<String>,
    /// Height of the sensor's zero in that datum, m.
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) datum_m: Option<f64>,
    /// What the probe reads when dry, m.
    #[schemars(range(min = -1000, max = 1000))]
    pub(super) dry_offset_m: Option<f64>,
    /// Height of a distance sensor above the datum, m.
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) mounting_height_m: Option<f64>,
    /// The unit that this unit's registers are in.
    pub(super) unit: Option<String>,
    /// Raw values of frozen points as found at commissioning, by point.
    #[serde(default)]
    #[schemars(schema_with = "raw_values")]
    pub(super) frozen: BTreeMap<String, u32>,
    /// Date of installation, for end of life: 2026-05-01.
    #[serde(default)]
    #[schemars(schema_with = "date")]
    pub(super) installed: Option<Datetime>,
}

fn raw_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "type": "integer", "minimum": 0, "maximum": u32::MAX }
    })
}

fn date(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date" })
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    pub(super) building: Option<String>,
    /// 单元.
    pub(super) entrance: Option<String>,
    pub(super) room: Option<String>,
    /// The grid that answers for it.
    pub(super) grid: Option<String>,
    /// As people say it.
    pub(super) name: Option<String>,
}

/// A river station.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Station {
    #[schemars(required)]
    pub(super) id: Option<String>,
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// The device that measures; unset: people read the gauge.
    pub(super) device: Option<String>,
    pub(super) point: Option<String>,
    /// The height system that every line below is in.
    #[schemars(required)]
    pub(super) datum: Option<String>,
    /// From the device's own datum to the station's, m: its readings are raised by so much, for all who hear them.
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) datum_offset_m: Option<f64>,
    #[schemars(required)]
    pub(super) lines: Option<StationLines>,
    /// Per line, how it is held and left: 3 cm, 60 s and 600 s unless said otherwise.
    #[serde(default)]
    pub(super) rule: BTreeMap<String, StationRule>,
    /// Between two samples while nothing is near; 300 unless said otherwise.
    #[schemars(range(min = 1, max = 300))]
    pub(super) interval_s: Option<u32>,
    /// The lowest and the highest stage that can be here, m; what is outside is flagged.
    pub(super) range_m: Option<StationRange>,
    /// A sensor that has stood still for so long is stuck; 86400 unless said otherwise.
    #[schemars(range(min = 10, max = 864000))]
    pub(super) flat_after_s: Option<u32>,
    /// Id of the meter that is the rain gauge beside it.
    pub(super) rain: Option<String>,
}

/// How a station's line is held and left.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StationRule {
    /// How far below the line the stage must fall.
    #[schemars(range(min = 0, max = 5))]
    pub(super) deadband_m: Option<f64>,
    /// How long a stage must hold before the line is reached.
    #[schemars(range(min = 0, max = 3600))]
    pub(super) on_delay_s: Option<u32>,
    /// How long it must be lower before the line is left.
    #[schemars(range(min = 0, max = 86400))]
    pub(super) off_delay_s: Option<u32>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StationRange {
    #[schemars(required, range(min = -10000, max = 10000))]
    pub(super) low: Option<f64>,
    #[schemars(required, range(min = -10000, max = 10000))]
    pub(super) high: Option<f64>,
}

/// Levels in metres of the datum, rising: 设防 警戒 保证 历史最高; near the warning line (接近警戒) by the station's
/// own value; and the village's pair, 准备转移 立即转移.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StationLines {
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) design: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) warning: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) guarantee: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) record: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) near: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) prepare: Option<f64>,
    #[schemars(range(min = -10000, max = 10000))]
    pub(super) evacuate: Option<f64>,
}

/// A meter behind a pulse counter: its amounts are among the values of the device.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Meter {
    #[schemars(required)]
    pub(super) id: Option<String>,
    /// What people call it.
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Id of the device that counts.
    #[schemars(required)]
    pub(super) device: Option<String>,
    /// Its counter: 16 or 32 bits.
    #[schemars(required)]
    pub(super) point: Option<String>,
    #[schemars(required)]
    pub(super) measures: Option<Measures>,
    /// What one pulse is: rain in mm (0.1, 0.2, 0.5), water in m3 (0.001, 0.01).
    #[schemars(required, range(min = 0.000001, max = 1000))]
    pub(super) per_pulse: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Measures {
    Rain,
    Water,
}

/// A no-activity rule: without a sign of life for so long, by day, somebody should go and look.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Welfare {
    #[schemars(required)]
    pub(super) id: Option<String>,
    /// What people call the flat. Not the resident's name: it travels.
    #[schemars(required)]
    pub(super) name: Option<String>,
    #[schemars(required)]
    pub(super) sign: Option<Sign>,
    /// Of water: id of the meter.
    pub(super) meter: Option<String>,
    /// Of a door or movement: id of the device that the contact or the detector is at.
    pub(super) device: Option<String>,
    /// Its input, or its counter.
    pub(super) point: Option<String>,
    /// Less water than this within the window is none, m3; 0.01 unless said otherwise.
    #[schemars(range(min = 0.0001, max = 10))]
    pub(super) least_m3: Option<f64>,
    /// The door, or somebody, moved less often than this within the window; 1 unless said otherwise.
    #[schemars(range(min = 1, max = 1000))]
    pub(super) least: Option<u32>,
    /// Water and movement 43200 (12 h), a door 86400 (24 h) unless said otherwise.
    #[schemars(range(min = 10, max = 604800))]
    pub(super) window_s: Option<u32>,
    /// When it is judged.
    #[serde(default)]
    pub(super) day: Day,
    /// Where the flat is; unset: where the device is.
    #[serde(default)]
    pub(super) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sign {
    Water,
    Door,
    Motion,
}

/// From morning to evening, local time: HH:MM.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Day {
    /// Default 06:00.
    pub(super) from: Option<String>,
    /// Default 22:00.
    pub(super) to: Option<String>,
    /// Of the local time; default +08:00.
    pub(super) utc_offset: Option<String>,
}

/// A point of a device that the gateway switches on and off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    #[schemars(required)]
    pub(super) name: Option<String>,
    /// Id of the device.
    #[schemars(required)]
    pub(super) device: Option<String>,
    /// Its point; unset: the only one that can be written.
    pub(super) point: Option<String>,
}

/// Sounds an output while an emergency is not heard or not acknowledged.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalAlarm {
    /// No duty room has heard an emergency for this long, s (default 30).
    #[schemars(range(min = 5, max = 120))]
    pub(super) unheard_s: Option<u32>,
    /// Nobody has acknowledged it for this long, s (default 180).
    #[schemars(range(min = 30, max = 900))]
    pub(super) unacknowledged_s: Option<u32>,
    /// Name of the output that sounds: ten minutes, then one in five.
    #[schemars(required)]
    pub(super) output: Option<String>,
    /// Name of an output that is on while no duty room is reached.
    pub(super) no_contact: Option<String>,
    /// An input that silences what sounds.
    pub(super) silence: Option<Input>,
    /// A page that silences what sounds, behind a PIN.
    pub(super) silence_page: Option<SilencePage>,
}

/// A point that somebody at the box can press.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    #[schemars(required)]
    pub(super) device: Option<String>,
    #[schemars(required)]
    pub(super) point: Option<String>,
}

/// A page for the phone of whoever stands at the siren.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilencePage {
    /// `address:port` of this machine on the network of the house.
    #[schemars(required)]
    pub(super) listen: Option<String>,
    /// File that holds the PIN, 6 to 12 digits, and nothing else; not readable by everybody.
    #[schemars(required)]
    pub(super) pin_file: Option<String>,
}

/// The pages by which an installer sets this gateway up from a phone; open for an hour after a press on the box, or at its
/// first start.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Install {
    /// `address:port` of this machine on the network of the installer's phone.
    #[schemars(required)]
    pub(super) listen: Option<String>,
    /// The network interface with that address, such as `eth0`: whoever comes in by another one does not reach the pages.
    pub(super) interface: Option<String>,
    /// An input that opens the pages.
    pub(super) open: Option<Input>,
}

/// Texts people by a mobile modem of the box's own when no duty room has heard an emergency.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sms {
    /// The modem's serial port; a name that stays with it, as in `/dev/serial/by-id`.
    #[schemars(required)]
    pub(super) path: Option<String>,
    /// Default 115200.
    #[schemars(range(min = 1200, max = 921600))]
    pub(super) baud: Option<u32>,
    /// After the text of an emergency the phone rings: a text alone wakes few.
    #[serde(default)]
    pub(super) ring_emergencies: bool,
    /// Who is told.
    #[schemars(required, length(min = 1, max = 32))]
    pub(super) phone: Option<Vec<Phone>>,
}

/// One person's phone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Phone {
    /// Account id, as in the duty room.
    #[schemars(required)]
    pub(super) person: Option<String>,
    #[schemars(required)]
    pub(super) number: Option<String>,
    /// No duty room has heard an emergency for this long, s (default 30).
    #[schemars(range(min = 15, max = 900))]
    pub(super) after_s: Option<u32>,
    /// Of what this person is told: smoke, gas, call...; unset: of everything.
    #[serde(default)]
    #[schemars(length(max = 11))]
    pub(super) classes: Vec<String>,
}

/// An address of this machine to listen on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Listen {
    /// `address:port`; unset: 127.0.0.1 and the usual port.
    pub(super) listen: Option<String>,
}
