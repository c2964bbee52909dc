//! `[[organisation]]`, `[[person]]` and `[[responder]]`: who there is, and who answers for what, where and when; with
//! the proof that somebody answers for every class in every grid at every hour of the week.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use shouwang_board::organisation::{Hours, Organisation, Person, Responder, Unit, UnitKind, week_words};
use shouwang_message::{Class, Id};
use toml::de::DeTable;

use super::near::instead;
use super::reader::Reader;

const UNIT_KEYS: &[&str] = &["id", "name", "kind", "parent"];
const PERSON_KEYS: &[&str] = &["id", "name", "phone", "wecom", "role", "of"];
const RESPONDER_KEYS: &[&str] = &["grid", "class", "hours", "persons"];
/// Units, people and lines of the table, each.
const MOST: usize = 1_000;
/// Longest name, in characters.
const LONGEST_NAME: usize = 40;
/// Classes for which there can be an emergency: somebody must answer for each of them.
pub const EMERGENCIES: [Class; 5] = [Class::Smoke, Class::Gas, Class::Co, Class::Call, Class::WaterLevel];

impl Reader<'_> {
    pub(super) fn organisation(&mut self, top: &DeTable<'_>) -> Organisation {
        let before = self.problems.len();
        let units = self.units(top);
        let persons = self.persons(top, &units);
        let (responders, table) = self.responders(top, &units, &persons);
        let organisation = Organisation { units, persons, responders };
        // What cannot be read would look like hours without anybody.
        if let Some(span) = table.filter(|_| self.problems.len() == before) {
            self.somebody_answers(span, &organisation);
        }
        organisation
    }

    fn units(&mut self, top: &DeTable<'_>) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::new();
        let mut parents = Vec::new();
        for (span, table) in self.some_tables(top, "organisation") {
            self.unknown_keys(table, "organisation.", UNIT_KEYS);
            let id = self.fresh_id(table, span.clone(), "hp-07", units.iter().map(|unit| &unit.id));
            let name = self.name(table);
            let kinds = UnitKind::ALL.map(UnitKind::as_str);
            let kind = self.required(table, span, "kind", &format!("write one of {}", kinds.join(", ")));
            let kind = kind.and_then(|(span, word)| {
                let kind = UnitKind::ALL.into_iter().find(|kind| kind.as_str() == word);
                if kind.is_none() {
                    let what = format!("没有这种单位 · no kind of unit: {word:?}");
                    self.problem(span, what, instead(&word, &kinds));
                }
                kind
            });
            let parent = self.text(table, "parent");
            let (Some(id), Some(kind)) = (id, kind) else { continue };
            let name = name.unwrap_or_else(|| id.to_string());
            units.push(Unit { id, name, kind, parent: None });
            parents.push(parent);
        }
        self.parents(&mut units, parents);
        units
    }

    fn parents(&mut self, units: &mut [Unit], parents: Vec<Option<(Range<usize>, String)>>) {
        let known: Vec<(Id, UnitKind)> = units.iter().map(|unit| (unit.id.clone(), unit.kind)).collect();
        for (unit, parent) in units.iter_mut().zip(parents) {
            let Some((span, word)) = parent else { continue };
            match known.iter().find(|(id, _)| id.as_str() == word) {
                Some((id, kind)) if *kind < unit.kind => unit.parent = Some(id.clone()),
                Some((_, kind)) => {
                    let (own, above) = (unit.kind.as_str(), kind.as_str());
                    let what = format!("{above} 不能是 {own} 的上级 · a {above} is not above a {own}");
                    self.problem(span, what, "street > community > grid > micro-grid");
                }
                None => {
                    let names: Vec<&str> = known.iter().map(|(id, _)| id.as_str()).collect();
                    self.problem(span, format!("没有单位 {word:?} · no such unit"), instead(&word, &names));
                }
            }
        }
    }

    fn persons(&mut self, top: &DeTable<'_>, units: &[Unit]) -> Vec<Person> {
        let mut persons: Vec<Person> = Vec::new();
        for (span, table) in self.some_tables(top, "person") {
            self.unknown_keys(table, "person.", PERSON_KEYS);
            let id = self.fresh_id(table, span, "wang", persons.iter().map(|person| &person.id));
            let name = self.name(table);
            let phone = self.phone(table, &persons);
            let wecom = self.text(table, "wecom").map(|(_, wecom)| wecom);
            let role = self.optional_id(table, "role");
            let of = self.text(table, "of").and_then(|(span, word)| self.unit(span, &word, units));
            let Some(id) = id else { continue };
            let name = name.unwrap_or_else(|| id.to_string());
            persons.push(Person { id, name, phone, wecom, role, of });
        }
        persons
    }

    /// An answer by SMS must say who answered: no two people share a number.
    /// A phone number without its spaces and dashes.
    pub(super) fn number_of(&mut self, table: &DeTable<'_>, key: &str) -> Option<(Range<usize>, String)> {
        let (span, phone) = self.text(table, key)?;
        let phone: String = phone.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let digits = phone.strip_prefix('+').unwrap_or(&phone);
        if !(3..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            self.problem(span, "不是电话号码 · not a phone number", format!("write {key} = \"13800138000\""));
            return None;
        }
        Some((span, phone))
    }

    fn phone(&mut self, table: &DeTable<'_>, persons: &[Person]) -> Option<String> {
        let (span, phone) = self.number_of(table, "phone")?;
        if let Some(other) = persons.iter().find(|person| person.phone.as_ref() == Some(&phone)) {
            let what = format!("与 {} 同号 · the same number as {}", other.id, other.id);
            self.problem(span, what, "一人一号,短信回复才知道是谁 · one number each: a reply must say who");
        }
        Some(phone)
    }

    fn responders(
        &mut self,
        top: &DeTable<'_>,
        units: &[Unit],
        persons: &[Person],
    ) -> (Vec<Responder>, Option<Range<usize>>) {
        let mut responders = Vec::new();
        let mut first = None;
        for (span, table) in self.some_tables(top, "responder") {
            first.get_or_insert(span.clone());
            self.unknown_keys(table, "responder.", RESPONDER_KEYS);
            let grid = self.text(table, "grid").map(|(span, word)| self.unit(span, &word, units));
            let classes = self.classes(table);
            let hours = self.hours(table);
            let before = self.problems.len();
            let names = self.words(table, "persons");
            if names.is_empty() && self.problems.len() == before {
                let what = "没有写明谁 · persons is missing or empty";
                self.problem(span, what, r#"write persons = ["wang", "li"], the first one first"#);
            }
            let known: Vec<&str> = persons.iter().map(|person| person.id.as_str()).collect();
            let persons = names.into_iter().filter_map(|(span, word)| {
                let person = persons.iter().find(|person| person.id.as_str() == word);
                if person.is_none() {
                    self.problem(span, format!("没有人员 {word:?} · no such person"), instead(&word, &known));
                }
                person.map(|person| person.id.clone())
            });
            let persons = persons.collect();
            // A grid that is wrong must not become every grid.
            let Some(grid) = grid.map_or(Some(None), |grid| grid.map(Some)) else { continue };
            responders.push(Responder { grid, classes, hours, persons });
        }
        (responders, first)
    }

    pub(super) fn classes(&mut self, table: &DeTable<'_>) -> Vec<Class> {
        let known: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
        let mut classes = Vec::new();
        for (span, word) in self.words(table, "class") {
            match Class::ALL.iter().find(|class| class.as_str() == word) {
                Some(class) => classes.push(*class),
                None => {
                    self.problem(span, format!("没有类别 {word:?} · no such class"), instead(&word, &known));
                }
            }
        }
        classes
    }

    fn hours(&mut self, table: &DeTable<'_>) -> Hours {
        let mut hours: Option<Hours> = None;
        for (span, word) in self.words(table, "hours") {
            match word.parse::<Hours>() {
                Ok(more) => hours = Some(hours.map_or(more.clone(), |hours| hours.and(more))),
                Err(why) => {
                    let what = format!("看不懂的时段 · hours {word:?}: {why}");
                    self.problem(span, what, r#"write hours = "mon-fri 08:00-20:00", or a list of such"#);
                }
            }
        }
        hours.unwrap_or_else(Hours::always)
    }

    /// Where a grid has classes for which at some hour nobody answers: one problem a grid and hole.
    fn somebody_answers(&mut self, span: Range<usize>, organisation: &Organisation) {
        for grid in answered_grids(organisation) {
            let mut holes: BTreeMap<Vec<(u16, u16)>, Vec<&str>> = BTreeMap::new();
            for class in EMERGENCIES {
                let schedule = organisation.schedule(class, grid.as_ref().map(Id::as_str));
                let empty = schedule.iter().filter(|(_, _, persons)| persons.is_empty());
                let hole = empty.map(|(from, to, _)| (*from, *to)).collect();
                holes.entry(hole).or_default().push(class.as_str());
            }
            for (hole, classes) in holes {
                let Some((from, to)) = hole.first() else { continue };
                let more = if hole.len() > 1 { format!(" (+{})", hole.len() - 1) } else { String::new() };
                let (from, to) = (week_words(*from), week_words(*to));
                let (place, classes) = (grid.as_ref().map_or("*", Id::as_str), classes.join(", "));
                let what = format!(
                    "网格 {place} 的 {classes} 在 {from} - {to}{more} 无人负责 · in {place} nobody answers then for {classes}"
                );
                let remedy = format!(r#"add a [[responder]] with grid = "{place}", these classes and hours"#);
                self.problem(span.clone(), what, remedy);
            }
        }
    }

    fn some_tables<'t, 'i>(
        &mut self,
        top: &'t DeTable<'i>,
        key: &str,
    ) -> Vec<(Range<usize>, &'t DeTable<'i>)> {
        let mut tables = self.tables(top, key);
        if let Some((span, _)) = tables.get(MOST) {
            self.problem(span.clone(), format!("more than {MOST} [[{key}]]"), "leave some out");
        }
        tables.truncate(MOST);
        tables
    }

    fn fresh_id<'k>(
        &mut self,
        table: &DeTable<'_>,
        section: Range<usize>,
        example: &str,
        mut known: impl Iterator<Item = &'k Id>,
    ) -> Option<Id> {
        let id = self.id(table, section.clone(), example)?;
        if known.any(|other| *other == id) {
            let span = table.get("id").map_or(section, toml::Spanned::span);
            self.problem(span, format!("编号重复 · the id {id} stands twice"), "give each its own id");
        }
        Some(id)
    }

    fn optional_id(&mut self, table: &DeTable<'_>, key: &str) -> Option<Id> {
        let (span, text) = self.text(table, key)?;
        text.parse().map_err(|error| self.problem(span, format!("{key}: {error}"), "a-z 0-9 -")).ok()
    }

    fn name(&mut self, table: &DeTable<'_>) -> Option<String> {
        let (span, name) = self.text(table, "name")?;
        if name.chars().count() > LONGEST_NAME {
            let what = format!("名称超过 {LONGEST_NAME} 字 · a name of over {LONGEST_NAME} characters");
            self.problem(span, what, "write a shorter one");
        }
        Some(name)
    }

    pub(super) fn unit(&mut self, span: Range<usize>, word: &str, units: &[Unit]) -> Option<Id> {
        let unit = units.iter().find(|unit| unit.id.as_str() == word);
        if unit.is_none() {
            let names: Vec<&str> = units.iter().map(|unit| unit.id.as_str()).collect();
            self.problem(span, format!("没有单位 {word:?} · no such unit"), instead(word, &names));
        }
        unit.map(|unit| unit.id.clone())
    }

    /// One word, or several, each with its place.
    pub(super) fn words(&mut self, table: &DeTable<'_>, key: &str) -> Vec<(Range<usize>, String)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            return self.text(table, key).into_iter().collect();
        };
        let mut words = Vec::new();
        let mut seen = BTreeSet::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(word) if seen.insert(word.to_owned()) => words.push((item.span(), word.to_owned())),
                Some(word) => {
                    self.problem(item.span(), format!("{word:?} 重复 · stands twice"), "leave one out");
                }
                None => self.wrong_type(item, key, "a list of texts"),
            }
        }
        words
    }
}

/// The grids for which somebody must answer; one without a name if there are none.
pub fn answered_grids(organisation: &Organisation) -> Vec<Option<Id>> {
    let grids = organisation.units.iter().filter(|unit| unit.kind >= UnitKind::Grid);
    let mut grids: Vec<Option<Id>> = grids.map(|unit| Some(unit.id.clone())).collect();
    if grids.is_empty() {
        grids.push(None);
    }
    grids
}
