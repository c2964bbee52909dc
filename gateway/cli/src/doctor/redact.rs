//! What may leave the house: a configuration whose texts are all gone but for those that are known to be technical, and
//! every other text without what was taken out there, without the secrets' own words, and without telephone numbers.
use std::collections::BTreeMap;
use std::fs;

use toml::{Table, Value};

use super::files::Named;

/// Keys whose texts say how things are wired, never who or where. All others go.
const TECHNICAL: [&str; 32] = [
    "site",
    "gateway",
    "state_dir",
    "profile_dirs",
    "hearers",
    "path",
    "parity",
    "framing",
    "line",
    "profile",
    "device",
    "point",
    "unit",
    "output",
    "no_contact",
    "priority",
    "class",
    "classes",
    "kind",
    "listen",
    "body",
    "encoding",
    "grid_kind",
    "from",
    "to_hours",
    "address",
    "installed",
    "confirm",
    "test",
    "median",
    "silence",
    "tables",
];
/// Files by their keys: where they are is no secret.
const FILES: [&str; 4] = ["client_certificate", "client_key", "certificate", "key"];
/// Of these only the host stays: a path may carry a key.
const ADDRESSES: [&str; 2] = ["url", "public_url"];
/// Below these everything goes, numbers too.
const PEOPLE: [&str; 2] = ["place", "person"];
/// Ids of these are people, or may be.
const NAMED_AFTER_PEOPLE: [&str; 3] = ["person", "responder", "phone"];
/// A shorter text stands in too many words to be taken out of them all.
const SHORTEST: usize = 4;
/// A longer secret is none.
const LONGEST_SECRET: u64 = 64 * 1024;
/// Chinese mobile numbers have eleven digits.
const MOBILE: usize = 11;

/// What was taken out, and by what it is replaced: the same text always by the same word.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    taken: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Redactor {
    /// Knows the secrets in these files.
    pub(crate) fn new(files: &[Named]) -> Self {
        let mut redactor = Self::default();
        for named in files {
            let small = fs::metadata(&named.path).is_ok_and(|meta| meta.len() <= LONGEST_SECRET);
            let text =
                if small { fs::read_to_string(&named.path).unwrap_or_default() } else { String::new() };
            if text.contains("-----BEGIN CERTIFICATE") {
                continue;
            }
            redactor
                .secrets
                .extend(text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST).map(str::to_owned));
        }
        redactor
    }

    /// The configuration without what is nobody's business; comments are gone with it.
    pub(crate) fn configuration(&mut self, configuration: &Table) -> String {
        let table = self.table(configuration, "");
        self.clean(&table.to_string())
    }

    fn table(&mut self, table: &Table, within: &str) -> Table {
        let is_private = PEOPLE.contains(&within);
        let mut kept = Table::new();
        for (key, value) in table {
            // Headers and fields of a service have names of their own.
            let key_within = if ["fields", "headers"].contains(&within) { "" } else { key.as_str() };
            let value = if is_private { self.gone(value) } else { self.value(key_within, within, value) };
            kept.insert(key.clone(), value);
        }
        kept
    }

    fn value(&mut self, key: &str, within: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(key, within, text)),
            Value::Array(list) => {
                Value::Array(list.iter().map(|value| self.value(key, within, value)).collect())
            }
            Value::Table(table) => Value::Table(self.table(table, key)),
            other => other.clone(),
        }
    }

    /// Nothing of it stays but its shape.
    fn gone(&mut self, value: &Value) -> Value {
        match value {
            Value::Array(list) => Value::Array(list.iter().map(|value| self.gone(value)).collect()),
            Value::Table(table) => {
                Value::Table(table.iter().map(|(key, value)| (key.clone(), self.gone(value))).collect())
            }
            Value::String(text) => Value::String(self.replaced(text)),
            other => Value::String(self.replaced(&other.to_string())),
        }
    }

    fn text(&mut self, key: &str, within: &str, text: &str) -> String {
        let is_file = key.ends_with("_file") || FILES.contains(&key);
        let is_id =
            key == "id" || (key == "name" && ["line", "output", ""].contains(&within) && is_an_id(text));
        if ADDRESSES.contains(&key) {
            let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            return format!("{scheme}://{host}");
        }
        let stays = TECHNICAL.contains(&key) || is_file || (is_id && !NAMED_AFTER_PEOPLE.contains(&within));
        if stays { text.to_owned() } else { self.replaced(text) }
    }

    fn replaced(&mut self, text: &str) -> String {
        let number = self.taken.len() + 1;
        self.taken.entry(text.to_owned()).or_insert_with(|| format!("<{number}>")).clone()
    }

    /// Any other text without all of that.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        let long = |text: &&String| {
            text.len() >= SHORTEST && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        };
        let mut marks: Vec<(&String, &str)> =
            self.secrets.iter().map(|secret| (secret, "<secret>")).collect();
        marks.extend(
            self.taken.iter().filter(|(text, _)| long(text)).map(|(text, word)| (text, word.as_str())),
        );
        // A text that holds another goes first.
        marks.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        for (text, word) in marks {
            clean = clean.replace(text.as_str(), word);
        }
        without_phones(&clean)
    }
}

fn is_an_id(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Eleven digits that begin like a mobile number, with or without the country's number before them.
fn without_phones(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        clean.push_str(before);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        let national = digits.strip_prefix("86").filter(|rest| rest.len() == MOBILE).unwrap_or(digits);
        let is_mobile = national.len() == MOBILE
            && national.starts_with('1')
            && national.as_bytes().get(1).is_some_and(|second| (b'3'..=b'9').contains(second));
        clean.push_str(if is_mobile { "<phone>" } else { digits });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_was_taken_out_is_gone_everywhere_and_wires_stay() {
        let text = "site = \"heping\"\nname = \"和平社区 7 号\"\n[uplink]\nurl = \"mqtts://user:pw-in-url@b.example:8883/?k=v\"\n\
                    username = \"gw-0007-login\"\n[[line]]\nname = \"b3-rs485\"\nserial = { path = \"/dev/ttyS1\", baud = 9600 }\n\
                    [[device]]\nid = \"smoke-1\"\nunit_id = 12\nplace = { room = \"402\", name = \"3号楼402\" }\n\
                    [[person]]\nid = \"zhang-san\"\nphone = \"13800138000\"\n[[channel]]\nid = \"sms\"\nfields = { name = \"sign-name-inline\", url = \"inline-url\" }\n";
        let mut redactor = Redactor::default();
        let clean = redactor.configuration(&text.parse().unwrap());
        for gone in [
            "和平",
            "pw-in-url",
            "k=v",
            "gw-0007-login",
            "402",
            "zhang-san",
            "13800138000",
            "sign-name-inline",
            "inline-url",
        ] {
            assert!(!clean.contains(gone), "{gone} in {clean}");
        }
        for stays in
            ["heping", "b.example:8883", "b3-rs485", "/dev/ttyS1", "9600", "smoke-1", "12", "\"sms\""]
        {
            assert!(clean.contains(stays), "{stays} in {clean}");
        }
        let log = redactor
            .clean("told zhang-san of 3号楼402 by +8613800138000 or 13912345678, at 1793491200000 us");
        assert!(!log.contains("zhang") && !log.contains("3号楼"), "{log}");
        assert!(log.ends_with("by +<phone> or <phone>, at 1793491200000 us"), "{log}");
    }
}
