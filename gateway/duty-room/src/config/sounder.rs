//! `[sounder]`: a relay on a serial line, for the siren on the desk.
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use shouwang_serial::Parity;
use toml::de::DeTable;

use super::reader::Reader;

const KEYS: &[&str] = &["path", "baud", "parity", "unit_id", "coil"];
/// As such modules leave their factory.
const USUAL_BAUD: u32 = 9600;

/// One coil of a Modbus RTU relay module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sounder {
    /// A name that stays with the adapter, as in `/dev/serial/by-id`, survives a replug.
    pub path: PathBuf,
    pub baud: u32,
    pub parity: Parity,
    pub unit_id: u8,
    /// Zero-based, as on the wire.
    pub coil: u16,
}

impl Reader<'_> {
    pub(super) fn sounder(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Sounder> {
        self.unknown_keys(table, "sounder.", KEYS);
        let remedy = r#"write path = "/dev/serial/by-id/...""#;
        let path = self.required(table, span, "path", remedy).map(|(_, path)| PathBuf::from(path));
        let baud = self.whole_number(table, "baud", 1_200..=115_200, USUAL_BAUD);
        let unit_id = self.whole_number(table, "unit_id", 1..=247, 1);
        let coil = self.whole_number(table, "coil", 0..=65_535, 0);
        let parity = match self.text(table, "parity") {
            None => Parity::Even,
            Some((_, word)) if word == "even" => Parity::Even,
            Some((_, word)) if word == "none" => Parity::None,
            Some((span, word)) => {
                self.problem(span, format!("{word:?} is no parity of ours"), r#"write "even" or "none""#);
                Parity::Even
            }
        };
        let (unit_id, coil) = (u8::try_from(unit_id).ok()?, u16::try_from(coil).ok()?);
        Some(Sounder { path: path?, baud, parity, unit_id, coil })
    }

    /// A number in a range; out of it a problem, and then the usual one.
    pub(super) fn whole_number(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        range: RangeInclusive<u32>,
        usual: u32,
    ) -> u32 {
        let Some(value) = table.get(key) else { return usual };
        let number = value.get_ref().as_integer().and_then(|written| {
            u32::from_str_radix(&written.as_str().replace('_', ""), written.radix()).ok()
        });
        match number.filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let (least, most) = (range.start(), range.end());
                let what = format!("{key} must be a whole number from {least} to {most}");
                self.problem(value.span(), what, format!("write for example {key} = {usual}"));
                usual
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::Config;

    const BEFORE: &str = "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \"127.0.0.1:0\"\n";

    #[test]
    fn a_relay_is_described_in_a_few_words() {
        let read = |text: &str| Config::parse(Path::new("duty-room.toml"), &format!("{BEFORE}{text}"));
        assert_eq!(read("").unwrap().sounder, None);
        let usual = Sounder { path: "/dev/r".into(), baud: 9600, parity: Parity::Even, unit_id: 1, coil: 0 };
        assert_eq!(read("[sounder]\npath = \"/dev/r\"").unwrap().sounder, Some(usual.clone()));
        let other = Sounder { parity: Parity::None, unit_id: 12, coil: 3, ..usual };
        let text = "[sounder]\npath = \"/dev/r\"\nparity = \"none\"\nunit_id = 12\ncoil = 3";
        assert_eq!(read(text).unwrap().sounder, Some(other));
        let wrong = "[sounder]\nparity = \"odd\"\nunit_id = 0\ncoil = \"3\"\nbaud = 9.6\ncolour = 1";
        let problems = read(wrong).unwrap_err().to_string();
        for what in [
            "path is missing",
            "\"odd\" is no parity",
            "unit_id must",
            "coil must",
            "baud must",
            "sounder.colour",
        ] {
            assert!(problems.contains(what), "{what}: {problems}");
        }
    }
}
