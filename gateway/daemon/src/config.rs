//! `gateway.toml`: what one gateway watches and whom it tells.
//!
//! [`Config::load`] reads the file and the profiles it names, finds everything that is wrong with them
//! at once, each with file, line, column and a remedy, and resolves the rest for the core and the hands.
use std::fs::File;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use shouwang_catalog::strict;
use shouwang_core::configuration::{Configuration, DeviceSettings, UplinkSettings};
use shouwang_core::profile::Parity;
use shouwang_core::station;
use shouwang_message::{DeviceCode, Mode, StationInfo, Text};
use shouwang_modem::Number;

mod check;
mod devices;
mod draft;
mod keys;
mod link;
mod outputs;
mod profiles;
mod sms;
mod stations;
mod welfare;

pub use keys::{BadKey, TrustedKeys};
pub use shouwang_catalog::Problem;

use crate::{install, silence_page};
use check::Check;
use profiles::Profiles;

/// The health page listens here unless told otherwise.
const WEB: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// And the embedded broker here.
const EMBEDDED_BROKER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1883);

/// A gateway's configuration, checked and resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the core needs.
    pub core: Configuration,
    /// How each line of `core.lines` is reached, by the same index.
    pub links: Vec<Link>,
    pub broker: Broker,
    pub keys: TrustedKeys,
    /// The modem that texts the phones of `core.sms`.
    pub modem: Option<Modem>,
    pub state_dir: PathBuf,
    /// Device profiles besides the shipped ones.
    pub profile_dirs: Vec<PathBuf>,
    /// The page that silences what sounds, if wanted.
    pub silence_page: Option<silence_page::Settings>,
    /// Where the installer's pages listen, if wanted.
    pub install: Option<install::Listening>,
    /// Where the health page listens, if wanted.
    pub web: Option<SocketAddr>,
    /// Where installers on this box borrow a line; none if nobody named a place.
    pub control: Option<PathBuf>,
    /// Where the embedded broker listens, if wanted; always an address of this machine.
    pub embedded_broker: Option<SocketAddr>,
    /// What the label of each device of `core.devices` says, by the same index.
    pub codes: Vec<Option<DeviceCode>>,
    /// The texts of all files in force by path, the configuration first: enough to load it again
    /// elsewhere, and without secrets (those are in files of their own).
    pub sources: Vec<(PathBuf, String)>,
}

/// A line's wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    Serial {
        path: PathBuf,
        baud: u32,
        parity: Parity,
        stop_bits: u8,
    },
    /// `host:port`; with `rtu_frames`, a converter that carries RTU frames.
    Tcp {
        address: String,
        rtu_frames: bool,
        /// The network interface that it goes out by, and no other.
        interface: Option<String>,
    },
}

/// The way to the MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub username: Option<String>,
    /// Holds the password; read at every connection.
    pub password_file: Option<PathBuf>,
}

/// The gateway's own modem, and the numbers of the phones of `core.sms` by the same index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modem {
    pub port: shouwang_modem::Settings,
    pub numbers: Vec<Number>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    Plain,
    Tls(shouwang_trust::Files),
}

impl Config {
    /// Reads and checks the file at `path` and every profile. The errors are all that is wrong.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let mut bytes = Vec::new();
        let most = strict::MAX_BYTES as u64 + 1;
        File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut bytes))
            .map_err(|error| vec![unreadable(path, &error)])?;
        Self::from_bytes(path, &bytes)
    }

    /// As [`Config::load`], with the bytes at hand; relative paths start at the directory of `path`.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Vec<Problem>> {
        Self::read(path, bytes, None)
    }

    /// The configuration that these texts are ([`Config::sources`] of another run), without a look at
    /// the disk: the files it names need not be there.
    pub fn from_sources(sources: &[(PathBuf, String)]) -> Result<Self, Vec<Problem>> {
        let Some(((path, text), profiles)) = sources.split_first() else {
            return Self::read(Path::new(""), b"", Some(&[]));
        };
        Self::read(path, text.as_bytes(), Some(profiles))
    }

    fn read(path: &Path, bytes: &[u8], recorded: Option<&[(PathBuf, String)]>) -> Result<Self, Vec<Problem>> {
        let (mut document, draft) = strict::read::<draft::File>(&path.display().to_string(), bytes);
        let mut problems = Vec::new();
        let config = draft.and_then(|draft| {
            let directory = path.parent().unwrap_or(Path::new(""));
            let look_at_files = recorded.is_none();
            let mut check = Check { document: &mut document, directory, look_at_files };
            resolve(&mut check, &draft, recorded, &mut problems)
        });
        let mut found = document.into_problems();
        found.append(&mut problems);
        let Some(mut config) = config.filter(|_| found.is_empty()) else { return Err(found) };
        config.sources.insert(0, (path.to_owned(), String::from_utf8_lossy(bytes).into_owned()));
        config.core.digest = digest(&config.sources);
        Ok(config)
    }

    /// How long it takes at worst to ask every alarm point of each line once, by the line's index.
    pub fn alarm_rounds(&self) -> Vec<Duration> {
        devices::alarm_rounds(&self.core.lines, &self.core.devices)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    Problem {
        file: path.display().to_string(),
        line: 1,
        column: 1,
        what: Text::new(format!("读不了这个文件：{error}"), format!("this file cannot be read: {error}")),
        remedy: Text::new("检查路径和权限", "check the path and the file's rights"),
    }
}

/// The commented default, as `shouwang schema config --example` prints it.
pub fn example() -> &'static str {
    include_str!("gateway.default.toml")
}

/// The JSON schema of the file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(draft::File).to_value()
}

/// Checks every section; None as soon as the rest could not be judged.
fn resolve(
    check: &mut Check<'_>,
    draft: &draft::File,
    recorded: Option<&[(PathBuf, String)]>,
    problems: &mut Vec<Problem>,
) -> Option<Config> {
    let site = check.id(&["site".into()], draft.site.as_ref());
    let gateway = check.id(&["gateway".into()], draft.gateway.as_ref());
    let name = check.words(&["name".into()], draft.name.as_ref());
    let state_dir = check.path(&["state_dir".into()], draft.state_dir.as_ref());
    let broker = draft.uplink.as_ref().and_then(|uplink| check.broker(uplink));
    let hearers = draft.uplink.as_ref().map(|uplink| check.hearers(uplink)).unwrap_or_default();
    let keys = check.keys(&draft.commands);
    let web = check.listen("web", draft.web.as_ref(), WEB, false);
    let control = draft
        .control
        .as_ref()
        .and_then(|control| check.path(&["control".into(), "socket".into()], control.socket.as_ref()));
    let embedded_broker = check.listen("broker", draft.broker.as_ref(), EMBEDDED_BROKER, true);
    let dirs: Vec<PathBuf> = draft
        .profile_dirs
        .iter()
        .enumerate()
        .filter_map(|(index, dir)| check.path(&["profile_dirs".into(), index.into()], Some(dir)))
        .collect();
    let (profiles, mut found) = match recorded {
        None => Profiles::load(&dirs),
        Some(texts) => Profiles::recorded(texts),
    };
    problems.append(&mut found);
    let (lines, links) = check.lines(draft.line.as_ref()?)?;
    let all_devices = draft.device.as_ref()?;
    let mut devices = check.devices(all_devices, &lines, &profiles);
    let codes = check.codes(all_devices);
    check.alarm_rounds(&lines, &devices);
    let meters = check.meters(&draft.meter, all_devices, &devices);
    let stations = check.stations(&draft.station, all_devices, &devices, (&draft.meter, &meters));
    stations::raise_to_datum(&draft.station, &mut devices);
    judge_stations(&stations, &mut devices);
    let outputs = check.outputs(&draft.output, all_devices, &devices);
    let local_alarm = draft
        .local_alarm
        .as_ref()
        .and_then(|local| check.local_alarm(local, &draft.output, &outputs, all_devices, &devices));
    let page = draft.local_alarm.as_ref().and_then(|local| local.silence_page.as_ref());
    let silence_page = page.and_then(|page| check.silence_page(page));
    let texted = draft.sms.as_ref().map(|sms| check.sms(sms, &links, &devices));
    let (install, install_input) = match &draft.install {
        Some(install) => check.install(install, all_devices, &devices),
        None => (None, None),
    };
    let silence = local_alarm.as_ref().and_then(|local| local.silence);
    outputs::judge_nothing_of([silence, install_input], &mut devices);
    let welfare = check.welfare(&draft.welfare, &draft.meter, &meters, all_devices, &devices);
    welfare::judge_welfare(&welfare, &mut devices);
    let sources = match recorded {
        Some(texts) => texts.to_owned(),
        None => match profiles.texts_in_use(&devices) {
            Ok(texts) => texts,
            Err((path, error)) => {
                problems.push(unreadable(&path, &error));
                return None;
            }
        },
    };
    let (sms, modem) = match texted {
        Some(texted) => texted.map(|(sms, modem)| (Some(sms), Some(modem)))?,
        None => (None, None),
    };
    let core = Configuration {
        site: site?,
        gateway: gateway?,
        name: name?,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        digest: String::new(),
        mode: Mode::Live,
        lines,
        devices,
        stations,
        outputs,
        local_alarm,
        meters,
        welfare,
        sms,
        install_input,
        uplink: UplinkSettings { hearers, signed_commands_only: !keys.is_empty() },
    };
    let (broker, state_dir) = (broker?, state_dir?);
    Some(Config {
        core,
        links,
        broker,
        keys,
        modem,
        state_dir,
        silence_page,
        install,
        web,
        control,
        embedded_broker,
        profile_dirs: dirs,
        codes,
        sources,
    })
}

/// A station's lines are judged like the conditions of its measuring device's own profile.
fn judge_stations(stations: &[StationInfo], devices: &mut [DeviceSettings]) {
    for station in stations {
        let Some(device) = devices.iter_mut().find(|device| Some(&device.id) == station.device.as_ref())
        else {
            continue;
        };
        let point =
            device.profile.points.iter().position(|point| Some(&point.name) == station.point.as_ref());
        if let Some(point) = point {
            device.conditions.extend(station::conditions(station, point));
        }
    }
}

/// Over the files' lengths and bytes, so that no two sets of files look alike.
fn digest(sources: &[(PathBuf, String)]) -> String {
    let mut hash = Sha256::new();
    for (_, text) in sources {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}
