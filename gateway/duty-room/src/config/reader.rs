//! The notes taken while reading a `duty-room.toml`: values with their places, and every problem found.
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use shouwang_message::Id;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Problem, Secret};

pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
    pub(super) problems: Vec<Problem>,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    pub(super) fn problem(&mut self, span: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let (what, remedy) = (what.into(), remedy.into());
        self.problems.push(Problem { file: self.path.into(), line, column, what, remedy });
    }

    /// The first line of the file that `key` names, which only its owner may read.
    pub(super) fn secret(&mut self, table: &DeTable<'_>, key: &str) -> Option<Secret> {
        let (span, file) = self.text(table, key)?;
        let file = self.beside(&file);
        let about = match std::fs::metadata(&file) {
            Ok(about) => about,
            Err(error) => {
                let what = format!("{key} {}: {error}", file.display());
                self.problem(span, what, "make the file, with the secret as its only line");
                return None;
            }
        };
        if about.permissions().mode() & 0o007 != 0 {
            let what = format!("everybody can read {key} {}", file.display());
            self.problem(span, what, format!("run chmod 600 {}", file.display()));
            return None;
        }
        match std::fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => {
                Some(Secret::new(text.lines().next().unwrap_or_default().trim_end()))
            }
            Ok(_) => {
                self.problem(span, format!("{key} {} is empty", file.display()), "put the secret in");
                None
            }
            Err(error) => {
                let what = format!("{key} {}: {error}", file.display());
                self.problem(span, what, "make it readable for the duty room's user, and UTF-8");
                None
            }
        }
    }

    pub(super) fn beside(&self, file: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    pub(super) fn unknown_keys(&mut self, table: &DeTable<'_>, prefix: &str, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let what = format!("unknown key {prefix}{name}");
                self.problem(key.span(), what, format!("known here: {}", known.join(", ")));
            }
        }
    }

    pub(super) fn table<'t, 'i>(
        &mut self,
        top: &'t DeTable<'i>,
        key: &str,
    ) -> Option<(Range<usize>, &'t DeTable<'i>)> {
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

    pub(super) fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<(Range<usize>, String)> {
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

    pub(super) fn required(
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

    pub(super) fn flag(&mut self, table: &DeTable<'_>, key: &str) -> bool {
        let Some(value) = table.get(key) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, key, "true or false");
        }
        flag.unwrap_or(false)
    }

    pub(super) fn wrong_type(&mut self, value: &Value<'_>, key: &str, wanted: &str) {
        let what = format!("{key} must be {wanted}, not {}", value.get_ref().type_str());
        self.problem(value.span(), what, format!("write {key} as {wanted}"));
    }

    /// The tables of `[[key]]`, each with its place.
    pub(super) fn tables<'t, 'i>(
        &mut self,
        top: &'t DeTable<'i>,
        key: &str,
    ) -> Vec<(Range<usize>, &'t DeTable<'i>)> {
        let Some(value) = top.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(value, key, &format!("a list of [[{key}]] sections"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref().as_table() {
                Some(table) => tables.push((item.span(), table)),
                None => self.wrong_type(item, key, "a section"),
            }
        }
        tables
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&mut self, table: &DeTable<'_>, key: &str, least: u32, most: u32) -> Option<u32> {
        let value = table.get(key)?;
        let Some(digits) = value.get_ref().as_integer().filter(|number| number.radix() == 10) else {
            self.wrong_type(value, key, "a whole number");
            return None;
        };
        let number = digits.as_str().parse().ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let what = format!("{key} must be from {least} to {most}, not {}", digits.as_str());
            self.problem(value.span(), what, format!("write a number from {least} to {most}"));
        }
        number
    }

    pub(super) fn id(&mut self, table: &DeTable<'_>, section: Range<usize>, example: &str) -> Option<Id> {
        let remedy = format!("write for example id = {example:?}");
        let (span, text) = self.required(table, section, "id", &remedy)?;
        match text.parse() {
            Ok(id) => Some(id),
            Err(error) => {
                self.problem(span, format!("id: {error}"), remedy);
                None
            }
        }
    }

    pub(super) fn ca_file(&mut self, table: &DeTable<'_>) -> Option<PathBuf> {
        self.named_file(table, "ca_file", false)
    }

    /// A PEM file that must be there; a secret one must not be open to everybody.
    pub(super) fn named_file(&mut self, table: &DeTable<'_>, key: &str, secret: bool) -> Option<PathBuf> {
        let (span, file) = self.text(table, key)?;
        let file = self.beside(&file);
        match std::fs::metadata(&file) {
            Err(error) => self.problem(span, format!("{key} {}: {error}", file.display()), "name a PEM file"),
            Ok(about) if secret && about.permissions().mode() & 0o007 != 0 => {
                let what = format!("everybody can read {key} {}", file.display());
                self.problem(span, what, format!("run chmod 600 {}", file.display()));
            }
            Ok(_) => {}
        }
        Some(file)
    }
}
