//! `kind = "sms-modem"`: a mobile modem of our own, on a serial port.
use std::path::PathBuf;

use super::{Reader, Section};

const KEYS: &[&str] = &["id", "kind", "path", "baud", "ring_emergencies", "own_number"];
/// USB modems do not care; those on a wire leave their factory with this.
const USUAL_BAUD: u32 = 115_200;

/// Where the modem is, and what it does beside sending texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsModem {
    /// A name that stays with the modem, as in `/dev/serial/by-id`, survives a replug.
    pub path: PathBuf,
    pub baud: u32,
    /// After the text of an emergency the phone rings: a text alone wakes few.
    pub ring_emergencies: bool,
    /// Of its SIM card: once a week it texts itself.
    pub own_number: Option<String>,
}

impl Reader<'_> {
    pub(super) fn sms_modem(&mut self, section: &Section<'_>) -> Option<SmsModem> {
        let table = section.table;
        self.unknown_keys(table, "channel.", KEYS);
        let remedy = r#"write path = "/dev/serial/by-id/...""#;
        let path =
            self.required(table, section.span.clone(), "path", remedy).map(|(_, path)| PathBuf::from(path));
        let baud = self.whole_number(table, "baud", 1_200..=921_600, USUAL_BAUD);
        let ring_emergencies = self.flag(table, "ring_emergencies");
        let own_number = self.number_of(table, "own_number").map(|(_, number)| number);
        Some(SmsModem { path: path?, baud, ring_emergencies, own_number })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ChannelKind;
    use crate::Config;

    const BEFORE: &str = "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \"127.0.0.1:0\"\n[[channel]]\nid = \"sms\"\nkind = \"sms-modem\"\n";

    #[test]
    fn a_modem_needs_only_its_port() {
        let read = |text: &str| Config::parse(Path::new("duty-room.toml"), &format!("{BEFORE}{text}"));
        let text = "path = \"/dev/m\"\nring_emergencies = true\nown_number = \"138-0013-8099\"";
        let config = read(text).unwrap();
        assert_eq!(config.escalation.own_numbers[&"sms".parse().unwrap()], "13800138099");
        let ChannelKind::Modem(modem) = &config.channels[0].kind else { panic!("{config:?}") };
        assert_eq!((modem.baud, modem.ring_emergencies), (115_200, true));
        assert!(config.channels[0].kind.is_personal());
        let wrong = read("baud = 300\nkey_file = \"x\"\nown_number = \"mine\"").unwrap_err().to_string();
        for what in
            ["path is missing", "baud must be", "channel.key_file", "not a phone number; write own_number"]
        {
            assert!(wrong.contains(what), "{what}: {wrong}");
        }
    }
}
