//! A device's entry in the gateway's configuration: written at the end of the file, so that every line and comment that
//! stands there stays; checked whole before it is put in place; taken back as it was written.
use std::fs;
use std::io;
use std::path::Path;

use shouwang_message::{Id, Place, Timestamp};
use toml::Value;

use super::visit::write_whole;
use crate::config::{Config, Problem};

/// A device to be watched.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) line: Id,
    pub(super) unit_id: u8,
    pub(super) profile: String,
    pub(super) place: Place,
    /// What belongs to the installed unit: the key, and its value as TOML.
    pub(super) more: Vec<(String, String)>,
    /// Limits other than the profile's, by the condition's name.
    pub(super) limits: Vec<(String, f64)>,
    pub(super) by: String,
    pub(super) at: Timestamp,
    /// The clock is not to be trusted: no date of installation.
    pub(super) is_undated: bool,
}

/// Why the file stays as it was.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// What it would say is wrong; the first of it.
    Wrong(Option<Box<Problem>>),
    /// It was not written here, or by hand since.
    NotOurs,
    Disk(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl Entry {
    fn text(&self) -> String {
        let place = &self.place;
        let parts = [
            ("building", &place.building),
            ("entrance", &place.entrance),
            ("room", &place.room),
            ("grid", &place.grid),
            ("name", &place.name),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(key, part)| Some(format!("{key} = {}", quoted(part.as_ref()?))))
            .collect();
        let day: String = self.at.to_string().chars().take(10).collect();
        let mut text = format!(
            "{}\n[[device]]\nid = {}\nline = {}\nunit_id = {}\nprofile = {}\nplace = {{ {} }}\n",
            first_line(&self.id, &self.by, self.at),
            quoted(self.id.as_str()),
            quoted(self.line.as_str()),
            self.unit_id,
            quoted(&self.profile),
            parts.join(", ")
        );
        if !self.is_undated {
            text.push_str(&format!("installed = {day}\n"));
        }
        for (key, value) in &self.more {
            text.push_str(&format!("{key} = {value}\n"));
        }
        for (condition, limit) in &self.limits {
            text.push_str(&format!("[device.condition.{}]\nlimit = {limit:?}\n", quoted(condition)));
        }
        text.push_str(&last_line(&self.id));
        text
    }
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// A name cannot break out of its comment: it has no line ends.
fn first_line(id: &Id, by: &str, at: Timestamp) -> String {
    format!("{} {by} {at}", begins(id))
}

fn begins(id: &Id) -> String {
    format!("# 安装页 installer's pages: {id}")
}

fn last_line(id: &Id) -> String {
    format!("# 安装页 end of {id}\n")
}

/// Adds the device to the file; gives what it said before.
///
/// # Errors
/// Why it was not.
pub(super) fn add(file: &Path, entry: &Entry) -> Result<String, Unwritten> {
    let before = fs::read_to_string(file)?;
    // An empty list of devices and an entry of its own exclude each other.
    let kept: Vec<&str> =
        before.lines().filter(|line| line.split_whitespace().collect::<String>() != "device=[]").collect();
    put(file, &format!("{}\n\n{}", kept.join("\n").trim_end(), entry.text()))?;
    Ok(before)
}

/// Takes a device out again that [`add`] wrote; gives what the file said before.
///
/// # Errors
/// Why it was not.
pub(super) fn remove(file: &Path, id: &Id) -> Result<String, Unwritten> {
    let before = fs::read_to_string(file)?;
    let begin = format!("{} ", begins(id));
    let from = before.find(&begin).ok_or(Unwritten::NotOurs)?;
    let rest = before.get(from..).unwrap_or_default();
    let end = last_line(id);
    let length = rest.find(&end).ok_or(Unwritten::NotOurs)? + end.len();
    let head = before.get(..from).unwrap_or_default().trim_end();
    let tail = before.get(from + length..).unwrap_or_default();
    let mut text = format!("{head}\n{tail}");
    if !text.lines().any(|line| line.trim() == "[[device]]") {
        text = format!("device = []\n{text}");
    }
    put(file, &text)?;
    Ok(before)
}

/// The file as it was: the gateway does not follow what it says now.
///
/// # Errors
/// The disk does not take it.
pub(super) fn put_back(file: &Path, text: &str) -> io::Result<()> {
    write_whole(file, text.as_bytes(), 0o640)
}

fn put(file: &Path, text: &str) -> Result<(), Unwritten> {
    Config::from_bytes(file, text.as_bytes())
        .map_err(|problems| Unwritten::Wrong(problems.into_iter().next().map(Box::new)))?;
    Ok(write_whole(file, text.as_bytes(), 0o640)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# mine\nsite = \"heping\"\ngateway = \"gw-1\"\nname = \"n\"\nstate_dir = \"state\"\n\
                        device = []\n[uplink]\nurl = \"mqtt://127.0.0.1:1883\"\n[[line]]\nname = \"b3\"\n\
                        tcp = { address = \"127.0.0.1:1502\" }\n";

    fn entry(id: &str) -> Entry {
        Entry {
            id: id.parse().unwrap(),
            line: "b3".parse().unwrap(),
            unit_id: 12,
            profile: "es-ch4-01".into(),
            place: Place {
                room: Some("4\"02".into()),
                name: Some("3号楼 \\ 402".into()),
                ..Place::default()
            },
            more: vec![("unit".into(), quoted("%LEL"))],
            limits: vec![("gas_low".into(), 8.0)],
            is_undated: false,
            by: "老张".into(),
            at: Timestamp::from_unix_ms(1_795_330_800_000),
        }
    }

    #[test]
    fn a_device_is_written_beside_what_stands_there_and_taken_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        fs::write(&file, HEAD).unwrap();
        add(&file, &entry("gas-402")).unwrap();
        let config = Config::load(&file).unwrap();
        let device = &config.core.devices[0];
        assert_eq!((device.place.room.as_deref(), device.unit_id), (Some("4\"02"), 12));
        assert!(fs::read_to_string(&file).unwrap().starts_with("# mine\n"));
        // The same unit id once more is a mistake, and nothing is written.
        let text = fs::read_to_string(&file).unwrap();
        assert!(matches!(add(&file, &entry("gas-403")), Err(Unwritten::Wrong(Some(_)))));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        let other = Entry { unit_id: 13, limits: vec![], ..entry("gas-403") };
        add(&file, &other).unwrap();
        assert_eq!(Config::load(&file).unwrap().core.devices.len(), 2);
        remove(&file, &"gas-402".parse().unwrap()).unwrap();
        assert_eq!(Config::load(&file).unwrap().core.devices[0].id.as_str(), "gas-403");
        remove(&file, &"gas-403".parse().unwrap()).unwrap();
        assert!(Config::load(&file).unwrap().core.devices.is_empty());
        assert!(matches!(remove(&file, &"gas-403".parse().unwrap()), Err(Unwritten::NotOurs)));
    }
}
