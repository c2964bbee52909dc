//! `duty-room.toml`: read whole, every problem told at once with its place and what to write instead.
mod address;
pub mod channels;
mod escalation;
mod handling;
mod near;
mod night;
pub mod organisation;
mod reader;
mod services;
mod sounder;
mod template;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use shouwang_board::{Escalation, Handling, Night, Organisation};
use shouwang_message::Id;
use shouwang_trust::Files;
use toml::de::DeTable;

use crate::certificate::Certificate;
use channels::Channel;
use reader::Reader;
pub use sounder::Sounder;

use services::{broker_url, is_loopback};

/// One duty room's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The duty room's id, as gateways name it in `hearers`.
    pub name: Id,
    /// What people call it.
    pub title: String,
    /// Where its database is; made if missing, readable by its user only.
    pub state_dir: PathBuf,
    pub broker: Broker,
    pub web: Web,
    /// The key that signs commands; none: the one in `state_dir`, made at the first start.
    pub command_key: Option<PathBuf>,
    /// The ways out of the house, by which people are woken.
    pub channels: Vec<Channel>,
    /// Who there is to tell.
    pub organisation: Organisation,
    /// Who is told when, and how.
    pub escalation: Escalation,
    /// By when cases are accepted and handled, and in which loop; the first line that fits.
    pub handling: Vec<Handling>,
    /// When nothing but emergencies sounds.
    pub night: Night,
    /// The siren on the desk.
    pub sounder: Option<Sounder>,
}

/// The MQTT broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    /// The certificates of `mqtts://`; none: `mqtt://`.
    pub tls: Option<Files>,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

/// The pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Web {
    pub listen: SocketAddr,
    /// Names under which browsers may call it, besides `localhost` and plain addresses.
    pub hosts: Vec<String>,
    /// Where messages to people lead, without the last slash; none: they lead nowhere.
    pub public_url: Option<String>,
    /// Pages over HTTPS; none: in the clear.
    pub certificate: Option<Certificate>,
    /// Without a certificate, also answer other machines: what people type and their sessions cross the network in the clear.
    pub allow_plaintext: bool,
}

impl Web {
    /// Pages in the clear at this address, for this machine.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, hosts: Vec::new(), public_url: None, certificate: None, allow_plaintext: false }
    }

    /// Nobody but this machine is answered: other machines would have to send everything in the clear.
    pub fn refuses_other_machines(&self) -> bool {
        self.certificate.is_none() && !self.allow_plaintext
    }
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One thing wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what, remedy } = self;
        write!(f, "{}:{line}:{column}: {what}; {remedy}", file.display())
    }
}

/// Everything wrong with a configuration; nothing of it was used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Longer is no configuration of ours.
const LONGEST: u64 = 256 * 1_024;
const TOP_KEYS: &[&str] = &[
    "name",
    "title",
    "state_dir",
    "broker",
    "web",
    "commands",
    "channel",
    "sounder",
    "night",
    "organisation",
    "person",
    "responder",
    "escalation",
    "handling",
];

impl Config {
    /// Reads and checks a file, with the files it names.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let whole = |what: String, remedy: &str| ConfigError {
            problems: vec![Problem { file: path.into(), line: 1, column: 1, what, remedy: remedy.into() }],
        };
        match std::fs::metadata(path) {
            Ok(about) if about.len() > LONGEST => {
                return Err(whole("the file is over 256 KiB".into(), "name a duty-room.toml"));
            }
            _ => {}
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            whole(format!("cannot read it: {error}"), "check the path, the permissions and that it is UTF-8")
        })?;
        Self::parse(path, &text)
    }

    /// The same for a text; `path` is for messages, and relative files are found next to it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut reader = Reader { path, text, problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let remedy = "see https://toml.io for the notation";
            reader.problem(error.span().unwrap_or(0..0), error.message().trim().to_owned(), remedy);
        }
        if !reader.problems.is_empty() {
            return Err(ConfigError { problems: reader.problems });
        }
        let config = reader.config(table.get_ref());
        reader.problems.sort_by_key(|problem| (problem.line, problem.column));
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems: reader.problems }),
        }
    }
}

impl Broker {
    /// A broker by its URL alone, as the demo uses it; `mqtt://` only to loopback.
    pub fn at(url: &str) -> Result<Self, String> {
        let (tls, host, port) = broker_url(url)?;
        if !tls && !is_loopback(&host) {
            return Err(format!("{url} would send everything in the clear"));
        }
        Ok(Self { host, port, tls: tls.then(Files::default), username: None, password: None })
    }
}

impl Reader<'_> {
    fn config(&mut self, top: &DeTable<'_>) -> Option<Config> {
        self.unknown_keys(top, "", TOP_KEYS);
        let name = self.required(top, 0..0, "name", r#"write name = "duty-1""#);
        let name = name.and_then(|(span, text)| match text.parse::<Id>() {
            Ok(name) => Some(name),
            Err(error) => {
                self.problem(span, format!("name: {error}"), r#"write for example name = "duty-1""#);
                None
            }
        });
        let title = self.text(top, "title").map(|(_, title)| title);
        let remedy = r#"write state_dir = "/var/lib/shouwang-duty-room""#;
        let state_dir = self.required(top, 0..0, "state_dir", remedy).map(|(_, dir)| self.beside(&dir));
        let broker = self.table(top, "broker").and_then(|(span, table)| self.broker(span, table));
        let web = self.table(top, "web").and_then(|(span, table)| self.web(span, table));
        let command_key = self.command_key(top);
        let channels = self.channels(top);
        let sounder = match top.contains_key("sounder") {
            true => self.table(top, "sounder").and_then(|(span, table)| self.sounder(span, table)),
            false => None,
        };
        let night = match top.contains_key("night") {
            true => self.table(top, "night").map(|(_, table)| self.night(table)).unwrap_or_default(),
            false => Night::default(),
        };
        let organisation = self.organisation(top);
        let mut escalation = self.escalation(top, channels::reaches(&channels), &organisation);
        escalation.own_numbers = channels::own_numbers(&channels);
        let handling = self.handling(top, &organisation);
        let name = name?;
        let title = title.unwrap_or_else(|| name.to_string());
        let (state_dir, broker, web) = (state_dir?, broker?, web?);
        Some(Config {
            name,
            title,
            state_dir,
            broker,
            web,
            command_key,
            channels,
            organisation,
            escalation,
            handling,
            night,
            sounder,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let error = Config::parse(Path::new("duty-room.toml"), text).unwrap_err();
        error.to_string().lines().map(str::to_owned).collect()
    }

    const GOOD: &str = r#"
name = "duty-1"
title = "和平社区值班室"
state_dir = "state"
[broker]
url = "mqtts://broker.example"
username = "duty-1"
[web]
listen = "127.0.0.1:8080"
hosts = ["duty.example.cn"]
"#;

    #[test]
    fn a_good_file() {
        let config = Config::parse(Path::new("/etc/shouwang/duty-room.toml"), GOOD).unwrap();
        assert_eq!(config.state_dir, Path::new("/etc/shouwang/state"));
        assert_eq!((config.broker.port, config.broker.tls), (8883, Some(Files::default())));
        assert_eq!(config.web.hosts, ["duty.example.cn"]);
    }

    #[test]
    fn everything_wrong_is_told_at_once_with_its_place() {
        let text = "name = \"Duty 1\"\nstat_dir = 3\n[broker]\nurl = \"mqtt://broker.example\"\n\
                    allow_plaintext = \"yes\"\npassword_file = \"/nowhere/x\"\n[web]\nlisten = 8080\n";
        assert_eq!(
            problems(text),
            [
                "duty-room.toml:1:1: state_dir is missing; write state_dir = \"/var/lib/shouwang-duty-room\"",
                "duty-room.toml:1:8: name: an id has 1 to 32 characters of a-z, 0-9 and '-', not \"Duty 1\"; write for example name = \"duty-1\"",
                "duty-room.toml:2:1: unknown key stat_dir; known here: name, title, state_dir, broker, web, commands, channel, sounder, night, organisation, person, responder, escalation, handling",
                "duty-room.toml:4:7: mqtt://broker.example would send everything, the password too, in the clear; use mqtts://, or set allow_plaintext = true on a network you trust",
                "duty-room.toml:5:19: allow_plaintext must be true or false, not string; write allow_plaintext as true or false",
                "duty-room.toml:6:17: password_file /nowhere/x: No such file or directory (os error 2); make the file, with the secret as its only line",
                "duty-room.toml:8:10: listen must be a text, not integer; write listen as a text",
            ]
        );
    }

    #[test]
    fn a_broken_file_says_where() {
        let found = problems("name = \"duty-1\"\ntitle = \n");
        assert!(found[0].starts_with("duty-room.toml:2:"), "{found:?}");
    }

    #[test]
    fn what_is_wrong_with_the_brokers_certificates_is_told_where_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("rubbish"), "no certificate\n").unwrap();
        let path = dir.path().join("duty-room.toml");
        let said = |broker: &str| {
            let text = GOOD.replace("url = \"mqtts://broker.example\"\nusername = \"duty-1\"\n", broker);
            Config::parse(&path, &text).unwrap_err().to_string()
        };
        let tls = "url = \"mqtts://broker.example\"\n";
        for (keys, place, words) in [
            ("ca_file = \"rubbish\"\n", ":7:11:", "has no certificate in PEM form"),
            ("client_certificate = \"rubbish\"\n", ":7:22:", "go together"),
            ("client_key = \"nowhere\"\n", ":7:14:", "No such file"),
        ] {
            let said = said(&format!("{tls}{keys}"));
            assert!(said.contains(place) && said.contains(words), "{place}, {words}: {said}");
        }
        let plain = said("url = \"mqtt://127.0.0.1\"\nca_file = \"rubbish\"\n");
        assert!(plain.contains("ca_file has no use with mqtt://"), "{plain}");
    }

    #[test]
    fn broker_addresses() {
        for (url, wanted) in [
            ("mqtt://localhost", Ok((false, "localhost", 1883))),
            ("mqtt://[::1]:1884", Ok((false, "::1", 1884))),
            ("mqtts://b.example:8884/", Ok((true, "b.example", 8884))),
            ("http://b.example", Err(())),
            ("mqtt://", Err(())),
            ("mqtt://user:pw@b.example", Err(())),
            ("mqtt://b.example:99999", Err(())),
        ] {
            let found = broker_url(url).map_err(|_| ());
            let found = found.as_ref().map(|(tls, host, port)| (*tls, host.as_str(), *port)).map_err(|e| *e);
            assert_eq!(found, wanted, "{url}");
        }
    }

    #[test]
    fn a_password_that_everybody_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, "hunter2\n").unwrap();
        let path = dir.path().join("duty-room.toml");
        let text = GOOD.replace("username = \"duty-1\"", "password_file = \"secret\"");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Config::parse(&path, &text).unwrap_err().to_string().contains("chmod 600"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let config = Config::parse(&path, &text).unwrap();
        assert_eq!(config.broker.password.as_ref().unwrap().reveal(), "hunter2");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(name|broker|web|\\[|\\]|=|\"|\n|url|[a-z0-9 .:/])*") {
            let _ = Config::parse(Path::new("x.toml"), &text);
        }
    }
}
