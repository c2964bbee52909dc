//! Reading the log beside the writer: short looks, so that the WAL never grows behind a reader.
use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use shouwang_core::input::StoredEvent;
use shouwang_message::{Sequence, Timestamp};

use super::{Place, StoreError, is_damage};

/// What one look returns at most, bytes of events; one larger event still comes alone.
const FETCH_BYTES: usize = 1024 * 1024;
/// How many of the newest events are looked at for their time: more than a box writes in a hundred starts in 1970.
const NEWEST: u32 = 1_000;

/// A read-only connection.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        let open = || {
            let connection = place.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.pragma_update(None, "cache_size", -1024)?;
            Ok(connection)
        };
        open().map(|connection| Self { connection }).map_err(|source| place.error(source))
    }

    /// Committed events from `from` on, in sequence, at most `limit` and 1 MiB of them.
    pub fn fetch(&self, from: Sequence, limit: usize) -> rusqlite::Result<Vec<StoredEvent>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT sequence, body FROM event WHERE sequence >= ?1 ORDER BY sequence")?;
        let mut rows = statement.query([from])?;
        let (mut events, mut bytes) = (Vec::new(), 0_usize);
        while events.len() < limit {
            let Some(row) = rows.next()? else { break };
            let event = StoredEvent { sequence: row.get(0)?, body: row.get(1)? };
            bytes += event.body.len();
            if bytes > FETCH_BYTES && !events.is_empty() {
                break;
            }
            events.push(event);
        }
        Ok(events)
    }

    /// The latest time that one of the newest events bears.
    pub(super) fn newest_time(&self) -> rusqlite::Result<Option<Timestamp>> {
        #[derive(Deserialize)]
        struct Timed {
            time: Timestamp,
        }
        let mut statement =
            self.connection.prepare("SELECT body FROM event ORDER BY sequence DESC LIMIT ?1")?;
        let bodies = statement.query_map([NEWEST], |row| row.get::<_, Vec<u8>>(0))?;
        let mut newest = None;
        for body in bodies {
            let timed: Option<Timed> = serde_json::from_slice(&body?).ok();
            newest = newest.max(timed.map(|timed| timed.time));
        }
        Ok(newest)
    }

    /// Looks at every page once. Some seconds on a large log: run it after the first poll.
    pub fn quick_check(&self) -> Result<(), Unsound> {
        let ask = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare("PRAGMA quick_check")?;
            statement.query_map([], |row| row.get(0))?.collect()
        };
        match ask() {
            Ok(answers) => judge(&answers),
            Err(error) if is_damage(&error) => Err(Unsound::Damaged(error.to_string())),
            Err(error) => Err(Unsound::Unread(error.to_string())),
        }
    }
}

/// What a look at every page came to, in SQLite's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// What is there is wrong, however often it is read.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// The disk or the machine did not let it be read; what is there may be sound.
    #[error("the database could not be read through: {0}; check the disk")]
    Unread(String),
}

/// SQLite tells a page that it could not read in the same list as damage, and then misses what hangs on it: where
/// one was not read, nothing is known. All that it found in its trees is one answer of many lines.
fn judge(answers: &[String]) -> Result<(), Unsound> {
    let mut lines = answers.iter().flat_map(|answer| answer.lines()).filter(|line| !line.starts_with("***"));
    if let Some(unread) = lines.clone().find(|line| is_unread(line)) {
        return Err(Unsound::Unread(unread.to_owned()));
    }
    match lines.next() {
        Some("ok") => Ok(()),
        Some(complaint) => Err(Unsound::Damaged(complaint.to_owned())),
        None => Err(Unsound::Unread("the check had no answer".to_owned())),
    }
}

/// `unable to get the page. error code=266` (of a tree), `failed to get page 7` (of the free list): the words of
/// `checkTreePage` and `checkList` in SQLite's btree.c.
fn is_unread(word: &str) -> bool {
    let Some((_, code)) = word.split_once("unable to get the page. error code=") else {
        return word.contains("failed to get page ");
    };
    // The low byte is the kind of error, the rest its detail.
    code.trim().parse::<i32>().is_ok_and(|code| code & 0xFF != rusqlite::ffi::SQLITE_CORRUPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(words: &[&str]) -> Result<(), Unsound> {
        judge(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn only_damage_is_damage() {
        assert_eq!(judged(&["ok"]), Ok(()));
        for damage in
            ["Tree 4 page 20: btreeInitPage() returns error code 11", "row 3 missing from index event"]
        {
            assert_eq!(judged(&[damage]), Err(Unsound::Damaged(damage.into())));
        }
        let beyond = "Tree 4 page 20 cell 3: unable to get the page. error code=11";
        assert_eq!(judged(&[beyond]), Err(Unsound::Damaged(beyond.into())));
    }

    #[test]
    fn a_page_that_was_not_read_is_no_damage_and_neither_is_what_hangs_on_it() {
        for unread in [
            "Tree 4 page 20 cell 3: unable to get the page. error code=266",
            "Freelist: failed to get page 7",
        ] {
            assert_eq!(judged(&[unread]), Err(Unsound::Unread(unread.into())));
            let answer = format!("*** in database main ***\nPage 21: never used\n{unread}");
            assert_eq!(judged(&[&answer]), Err(Unsound::Unread(unread.into())));
            assert_eq!(judged(&["Page 21: never used", unread]), Err(Unsound::Unread(unread.into())));
        }
    }
}
