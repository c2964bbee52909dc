//! `duty-room.toml`: read whole, every problem told at once with its place and what to write instead.
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use shouwang_message::Id;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
}

/// The MQTT broker.
#[derive(Clone, Debug)]
pub struct Broker {
    pub host: String,
    pub port: u16,
    /// `mqtts://`.
    pub tls: bool,
    pub username: Option<String>,
    pub password: Option<Secret>,
    /// PEM; none: the system's certificates.
    pub ca_file: Option<PathBuf>,
}

/// The pages.
#[derive(Clone, Debug)]
pub struct Web {
    pub listen: SocketAddr,
    /// Names under which browsers may call it, besides `localhost` and plain addresses.
    pub hosts: Vec<String>,
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
const TOP_KEYS: &[&str] = &["name", "title", "state_dir", "broker", "web"];
const BROKER_KEYS: &[&str] = &["url", "username", "password_file", "allow_plaintext", "ca_file"];
const WEB_KEYS: &[&str] = &["listen", "hosts"];

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
        Ok(Self { host, port, tls, username: None, password: None, ca_file: None })
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
}

type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn problem(&mut self, span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let (what, remedy) = (what.into(), remedy.into());
        self.problems.push(Problem { file: self.path.into(), line, column, what, remedy });
    }

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
        let name = name?;
        let title = title.unwrap_or_else(|| name.to_string());
        Some(Config { name, title, state_dir: state_dir?, broker: broker?, web: web? })
    }

    fn broker(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Broker> {
        self.unknown_keys(table, "broker.", BROKER_KEYS);
        let allow_plaintext = self.flag(table, "allow_plaintext");
        let username = self.text(table, "username").map(|(_, username)| username);
        let password = self.text(table, "password_file").and_then(|(span, file)| self.secret(span, &file));
        let ca_file = self.text(table, "ca_file").map(|(span, file)| {
            let file = self.beside(&file);
            if let Err(error) = std::fs::metadata(&file) {
                self.problem(span, format!("ca_file {}: {error}", file.display()), "name a PEM file");
            }
            file
        });
        let remedy = r#"write url = "mqtts://broker.example:8883""#;
        let (span, url) = self.required(table, span, "url", remedy)?;
        match broker_url(&url) {
            Err(what) => {
                self.problem(span, what, remedy);
                None
            }
            Ok((false, host, _)) if !allow_plaintext && !is_loopback(&host) => {
                let what = format!("{url} would send everything, the password too, in the clear");
                self.problem(
                    span,
                    what,
                    "use mqtts://, or set allow_plaintext = true on a network you trust",
                );
                None
            }
            Ok((tls, host, port)) => Some(Broker { host, port, tls, username, password, ca_file }),
        }
    }

    fn web(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Web> {
        self.unknown_keys(table, "web.", WEB_KEYS);
        let hosts = self.hosts(table);
        let remedy = r#"write listen = "127.0.0.1:8080""#;
        let (span, listen) = self.required(table, span, "listen", remedy)?;
        match listen.parse() {
            Ok(listen) => Some(Web { listen, hosts }),
            Err(_) => {
                self.problem(span, format!("{listen:?} is not an address with a port"), remedy);
                None
            }
        }
    }

    fn hosts(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let Some(value) = table.get("hosts") else { return Vec::new() };
        let remedy = r#"write hosts = ["duty.example.cn"]"#;
        let Some(items) = value.get_ref().as_array() else {
            self.problem(value.span(), "hosts must be a list of names", remedy);
            return Vec::new();
        };
        let mut hosts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(host) if !host.is_empty() && !host.contains(['/', ':', ' ']) => {
                    hosts.push(host.to_ascii_lowercase());
                }
                _ => self.problem(item.span(), "a host is a name without scheme and port", remedy),
            }
        }
        hosts
    }

    /// The first line of a file that only its owner may read.
    fn secret(&mut self, span: Range<usize>, file: &str) -> Option<Secret> {
        let file = self.beside(file);
        let about = match std::fs::metadata(&file) {
            Ok(about) => about,
            Err(error) => {
                let what = format!("password_file {}: {error}", file.display());
                self.problem(span, what, "make the file, with the password as its only line");
                return None;
            }
        };
        if about.permissions().mode() & 0o007 != 0 {
            let what = format!("everybody can read password_file {}", file.display());
            self.problem(span, what, format!("run chmod 600 {}", file.display()));
            return None;
        }
        match std::fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => {
                Some(Secret::new(text.lines().next().unwrap_or_default().trim_end()))
            }
            Ok(_) => {
                self.problem(
                    span,
                    format!("password_file {} is empty", file.display()),
                    "put the password in",
                );
                None
            }
            Err(error) => {
                let what = format!("password_file {}: {error}", file.display());
                self.problem(span, what, "make it readable for the duty room's user, and UTF-8");
                None
            }
        }
    }

    fn beside(&self, file: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    fn unknown_keys(&mut self, table: &DeTable<'_>, prefix: &str, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let what = format!("unknown key {prefix}{name}");
                self.problem(key.span(), what, format!("known here: {}", known.join(", ")));
            }
        }
    }

    fn table<'t, 'i>(&mut self, top: &'t DeTable<'i>, key: &str) -> Option<(Range<usize>, &'t DeTable<'i>)> {
        let Some(value) = top.get(key) else {
            let end = self.text.len();
            self.problem(end..end, format!("[{key}] is missing"), format!("add a [{key}] section"));
            return None;
        };
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, key, "a section");
        }
        Some((value.span(), table?))
    }

    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<(Range<usize>, String)> {
        let value = table.get(key)?;
        match value.get_ref().as_str() {
            Some(text) if !text.trim().is_empty() => Some((value.span(), text.to_owned())),
            Some(_) => {
                self.problem(value.span(), format!("{key} is empty"), "write a text, or leave the key out");
                None
            }
            None => {
                self.wrong_type(value, key, "a text");
                None
            }
        }
    }

    fn required(
        &mut self,
        table: &DeTable<'_>,
        section: Range<usize>,
        key: &str,
        remedy: &str,
    ) -> Option<(Range<usize>, String)> {
        if table.get(key).is_none() {
            self.problem(section, format!("{key} is missing"), remedy);
        }
        self.text(table, key)
    }

    fn flag(&mut self, table: &DeTable<'_>, key: &str) -> bool {
        let Some(value) = table.get(key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, key, "true or false");
        }
        flag.unwrap_or(false)
    }

    fn wrong_type(&mut self, value: &Value<'_>, key: &str, wanted: &str) {
        let what = format!("{key} must be {wanted}, not {}", value.get_ref().type_str());
        self.problem(value.span(), what, format!("write {key} as {wanted}"));
    }
}

/// TLS or not, host, port.
fn broker_url(url: &str) -> Result<(bool, String, u16), String> {
    let (tls, rest, default_port) = match (url.strip_prefix("mqtts://"), url.strip_prefix("mqtt://")) {
        (Some(rest), _) => (true, rest, 8883),
        (_, Some(rest)) => (false, rest, 1883),
        _ => return Err(format!("{url:?} does not begin with mqtts:// or mqtt://")),
    };
    let rest = rest.trim_end_matches('/');
    let bad = || format!("{url:?} is not a broker's address");
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
        _ => (rest, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || port == 0 || host.contains(['/', '@', ' ', '?', '#']) {
        return Err(bad());
    }
    Ok((tls, host.to_owned(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
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
        assert_eq!((config.broker.port, config.broker.tls), (8883, true));
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
                "duty-room.toml:2:1: unknown key stat_dir; known here: name, title, state_dir, broker, web",
                "duty-room.toml:4:7: mqtt://broker.example would send everything, the password too, in the clear; use mqtts://, or set allow_plaintext = true on a network you trust",
                "duty-room.toml:5:19: allow_plaintext must be true or false, not string; write allow_plaintext as true or false",
                "duty-room.toml:6:17: password_file /nowhere/x: No such file or directory (os error 2); make the file, with the password as its only line",
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
