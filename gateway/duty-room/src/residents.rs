//! Resident cards: who lives in a home with an alarm, and whom to call. They are stored here and nowhere else, never
//! told over MQTT, kept with the day of consent, and forgotten after the day until which they may be kept.
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use shouwang_board::{Home, Input, LogLine};
use shouwang_message::AlarmId;
use tokio::sync::mpsc;

use crate::clock::{Clock, local};
use crate::eventloop::Message;
use crate::stop::Stopped;

pub(crate) mod spreadsheet;

/// Cards of one duty room.
pub(crate) const CARDS: usize = 20_000;
/// Contacts of one card.
pub(crate) const CONTACTS: usize = 3;
const HOUR: Duration = Duration::from_secs(3_600);
/// Lists of people that wait to be read; the board asks again for one that found no room.
pub(crate) const QUEUE: usize = 16;
/// Homes have few residents with a card.
const PER_HOME: usize = 8;

pub(crate) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS resident (
        number INTEGER PRIMARY KEY, building TEXT NOT NULL, entrance TEXT NOT NULL, room TEXT NOT NULL,
        name TEXT NOT NULL, keep_until TEXT NOT NULL, body TEXT NOT NULL,
        UNIQUE (building, entrance, room, name)
    );
";

/// One person's card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resident {
    /// As in the device's place; empty where the place has none.
    #[serde(default)]
    pub(crate) building: String,
    #[serde(default)]
    pub(crate) entrance: String,
    pub(crate) room: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) phone: String,
    /// Year of birth.
    #[serde(default)]
    pub(crate) born: Option<u16>,
    #[serde(default)]
    pub(crate) hearing: Hearing,
    /// Can come to the door and open it.
    #[serde(default = "yes")]
    pub(crate) can_open: bool,
    #[serde(default)]
    pub(crate) dialect: String,
    /// Oxygen at home: it feeds a fire, and a power cut is an emergency.
    #[serde(default)]
    pub(crate) oxygen: bool,
    #[serde(default)]
    pub(crate) notes: String,
    /// Who has a key.
    #[serde(default)]
    pub(crate) key_holder: Contact,
    /// Whom to call, in this order.
    #[serde(default)]
    pub(crate) contacts: Vec<Contact>,
    /// The day on which the person agreed, `2026-11-22`.
    pub(crate) consent: String,
    /// The last day on which the card may be kept.
    pub(crate) keep_until: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contact {
    pub(crate) name: String,
    pub(crate) phone: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hearing {
    #[default]
    Good,
    Hard,
    /// Does not hear a telephone.
    Deaf,
}

fn yes() -> bool {
    true
}

impl Contact {
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_empty() && self.phone.is_empty()
    }
}

impl Resident {
    /// 3-2-402.
    pub(crate) fn home(&self) -> String {
        home(&self.building, &self.entrance, &self.room)
    }

    /// What is wrong with it: the field, and what to write instead; empty if nothing.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let mut wrong = Vec::new();
        let mut needs = |good: bool, field, zh, en| {
            if !good {
                wrong.push((field, zh, en));
            }
        };
        needs(is_short(&self.room, 1, 16), "room", "填房间号,1 到 16 字", "a room of 1 to 16 characters");
        needs(is_short(&self.building, 0, 16), "building", "最长 16 字", "at most 16 characters");
        needs(is_short(&self.entrance, 0, 16), "entrance", "最长 16 字", "at most 16 characters");
        needs(is_short(&self.name, 1, 40), "name", "填姓名,1 到 40 字", "a name of 1 to 40 characters");
        needs(is_phone(&self.phone, true), "phone", "3 到 20 位数字", "3 to 20 digits");
        let born = self.born.is_none_or(|born| (1900..=2100).contains(&born));
        needs(born, "born", "填出生年份,如 1941", "a year such as 1941");
        needs(is_short(&self.dialect, 0, 40), "dialect", "最长 40 字", "at most 40 characters");
        needs(is_short(&self.notes, 0, 200), "notes", "最长 200 字", "at most 200 characters");
        let holder = &self.key_holder;
        let known = holder.is_empty() || is_short(&holder.name, 1, 40);
        needs(known, "key_holder", "填姓名,1 到 40 字", "a name of 1 to 40 characters");
        needs(is_phone(&holder.phone, holder.is_empty()), "key_phone", "3 到 20 位数字", "3 to 20 digits");
        needs(self.contacts.len() <= CONTACTS, "contact1", "联系人最多 3 个", "at most 3 contacts");
        for (contact, (name, phone)) in self.contacts.iter().zip(CONTACT_FIELDS) {
            needs(is_short(&contact.name, 1, 40), name, "填姓名,1 到 40 字", "a name of 1 to 40 characters");
            needs(is_phone(&contact.phone, false), phone, "3 到 20 位数字", "3 to 20 digits");
        }
        needs(
            is_day(&self.consent),
            "consent",
            "填住户同意的日期,如 2026-11-22",
            "the day of consent such as 2026-11-22",
        );
        let kept = is_day(&self.keep_until) && self.keep_until >= self.consent;
        needs(kept, "keep_until", "填保存到哪天,不早于同意日期", "a day not before the consent");
        wrong
    }
}

/// How the spreadsheet calls the contacts.
pub(crate) const CONTACT_FIELDS: [(&str, &str); CONTACTS] =
    [("contact1", "contact1_phone"), ("contact2", "contact2_phone"), ("contact3", "contact3_phone")];

fn home(building: &str, entrance: &str, room: &str) -> String {
    let parts = [building, entrance, room].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

fn is_short(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_phone(text: &str, may_be_empty: bool) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b' '));
    (may_be_empty && text.is_empty()) || (plain && (3..=20).contains(&digits) && text.len() <= 26)
}

fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// 张**: the first character of a name.
pub(crate) fn masked_name(name: &str) -> String {
    name.chars().take(1).chain("**".chars()).collect()
}

/// 138****8000; of a short number only the end.
pub(crate) fn masked_phone(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().iter().collect::<String>();
    match digits.len() {
        0 => String::new(),
        count @ 10.. => format!("{}****{}", part(0, 3), part(count - 4, count)),
        count => format!("****{}", part(count.saturating_sub(2), count)),
    }
}

/// The cards on disk, each time on a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Residents {
    path: PathBuf,
}

/// A card with its number.
pub(crate) type Numbered = (i64, Resident);

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    Added,
    Changed,
    /// There is no room for one more.
    Full,
}

impl Residents {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("duty-room.db") }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        // What was deleted is overwritten: a forgotten card is gone from the disk too.
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
        Ok(connection)
    }

    /// Who lives there, as far as the card may still be kept.
    pub(crate) fn at(
        &self,
        building: &str,
        entrance: &str,
        room: &str,
        today: &str,
    ) -> rusqlite::Result<Vec<Numbered>> {
        let connection = self.connect()?;
        let mut query = connection.prepare(
            "SELECT number, body FROM resident
             WHERE building = ?1 AND entrance = ?2 AND room = ?3 AND keep_until >= ?4 ORDER BY number LIMIT ?5",
        )?;
        let most = i64::try_from(PER_HOME).unwrap_or(i64::MAX);
        cards(query.query(params![building, entrance, room, today, most])?)
    }

    pub(crate) fn all(&self) -> rusqlite::Result<Vec<Numbered>> {
        let connection = self.connect()?;
        let mut query = connection
            .prepare("SELECT number, body FROM resident ORDER BY building, entrance, room, number")?;
        cards(query.query([])?)
    }

    /// The cards of these homes (`3`, `3-2`, `3-2-402`), as far as they may still be kept: numbers and places only.
    pub(crate) fn near(&self, homes: &[String], today: &str) -> rusqlite::Result<Vec<Home>> {
        let connection = self.connect()?;
        let mut query = connection.prepare(
            "SELECT number, building, entrance, room FROM resident WHERE keep_until >= ?1
             ORDER BY building, entrance, room, number",
        )?;
        let mut rows = query.query([today])?;
        let mut near = Vec::new();
        while let Some(row) = rows.next()? {
            let parts: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            let home = home(&parts[0], &parts[1], &parts[2]);
            let is_in = |wanted: &String| {
                home.strip_prefix(wanted.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            };
            if homes.iter().any(is_in) {
                near.push(Home { card: row.get(0)?, home });
            }
        }
        Ok(near)
    }

    /// The cards of these numbers, as far as each may still be kept.
    pub(crate) fn of_numbers(&self, numbers: &[i64], today: &str) -> rusqlite::Result<Vec<Numbered>> {
        let connection = self.connect()?;
        let mut query =
            connection.prepare("SELECT number, body FROM resident WHERE number = ?1 AND keep_until >= ?2")?;
        let mut found = Vec::new();
        for number in numbers {
            found.extend(cards(query.query(params![number, today])?)?);
        }
        Ok(found)
    }

    /// All of these or none; a card of the same home and name is replaced.
    pub(crate) fn put(&self, residents: &[Resident]) -> rusqlite::Result<Vec<Put>> {
        let mut connection = self.connect()?;
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut put = Vec::new();
        for resident in residents {
            let home = params![resident.building, resident.entrance, resident.room, resident.name];
            let known = "SELECT number FROM resident
                WHERE building = ?1 AND entrance = ?2 AND room = ?3 AND name = ?4";
            let known: Option<i64> = writing.query_row(known, home, |row| row.get(0)).optional()?;
            let count: i64 = writing.query_row("SELECT count(*) FROM resident", [], |row| row.get(0))?;
            if known.is_none() && usize::try_from(count).unwrap_or(usize::MAX) >= CARDS {
                return Ok(vec![Put::Full]);
            }
            let body = serde_json::to_string(resident).unwrap_or_default();
            writing.execute(
                "INSERT INTO resident (building, entrance, room, name, keep_until, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (building, entrance, room, name)
                 DO UPDATE SET keep_until = excluded.keep_until, body = excluded.body",
                params![
                    resident.building,
                    resident.entrance,
                    resident.room,
                    resident.name,
                    resident.keep_until,
                    body
                ],
            )?;
            put.push(if known.is_some() { Put::Changed } else { Put::Added });
        }
        writing.commit()?;
        Ok(put)
    }

    /// False if there is no such card.
    pub(crate) fn remove(&self, number: i64) -> rusqlite::Result<bool> {
        Ok(self.connect()?.execute("DELETE FROM resident WHERE number = ?1", [number])? > 0)
    }

    /// Forgets the cards whose last day is over; how many there were.
    pub(crate) fn forget_expired(&self, today: &str) -> rusqlite::Result<usize> {
        self.connect()?.execute("DELETE FROM resident WHERE keep_until < ?1", [today])
    }
}

/// Rounds of 叫应 and the homes whose residents they are about.
pub(crate) type Wanted = (AlarmId, Vec<String>);

/// Reads for the board who is to be called, apart from those who answer pages.
pub(crate) async fn list_people(
    residents: Residents,
    clock: Clock,
    mut wanted: mpsc::Receiver<Wanted>,
    to_loop: mpsc::Sender<Message>,
    mut stopped: Stopped,
) {
    loop {
        let next = tokio::select! {
            () = stopped.wait() => return,
            next = wanted.recv() => next,
        };
        let Some((round, homes)) = next else { return };
        let (residents, today) = (residents.clone(), local(clock.wall(), "%Y-%m-%d"));
        let read = tokio::task::spawn_blocking(move || residents.near(&homes, &today)).await;
        let homes = match read {
            Ok(Ok(homes)) => Some(homes),
            Ok(Err(error)) => {
                tracing::error!(%error, "the list of people to be called cannot be read; trying again in 30 s");
                None
            }
            Err(_) => None,
        };
        let _ = to_loop.send(Message::Input(Input::PeopleListed { round, homes })).await;
    }
}

/// Forgets every hour what may be kept no longer, and tells the logbook how many cards that were.
pub(crate) async fn forget_hourly(
    residents: Residents,
    clock: Clock,
    to_loop: mpsc::Sender<Message>,
    mut stopped: Stopped,
) {
    loop {
        let wall = clock.wall();
        let (residents, today) = (residents.clone(), local(wall, "%Y-%m-%d"));
        match tokio::task::spawn_blocking(move || residents.forget_expired(&today)).await {
            Ok(Ok(0)) | Err(_) => {}
            Ok(Ok(count)) => {
                let line = LogLine {
                    at: wall,
                    by: "duty-room".into(),
                    from: "duty-room".into(),
                    what: "resident.expired".into(),
                    about: None,
                    old: None,
                    new: None,
                    note: Some(count.to_string()),
                };
                let _ = to_loop.send(Message::Input(Input::Noted(line))).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "cards that may be kept no longer are still on disk"),
        }
        tokio::select! {
            () = stopped.wait() => return,
            () = tokio::time::sleep(HOUR) => {}
        }
    }
}

fn cards(mut rows: rusqlite::Rows<'_>) -> rusqlite::Result<Vec<Numbered>> {
    let mut cards = Vec::new();
    while let Some(row) = rows.next()? {
        let (number, body): (i64, String) = (row.get(0)?, row.get(1)?);
        match serde_json::from_str(&body) {
            Ok(resident) => cards.push((number, resident)),
            Err(_) => tracing::warn!(number, "a resident's card cannot be read and is left out"),
        }
    }
    Ok(cards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_masked_name_and_number_say_little() {
        assert_eq!(masked_name("欧阳春花"), "欧**");
        assert_eq!(masked_phone("13812348000"), "138****8000");
        assert_eq!(masked_phone("0571-8765 4321"), "057****4321");
        assert_eq!(masked_phone("87654321"), "****21");
        assert_eq!(masked_phone("1"), "****1");
        assert_eq!((masked_phone(""), masked_name("")), (String::new(), "**".into()));
    }
}
