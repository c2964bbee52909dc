//! Links that open one page for one person without an account: 128 bits of chance, of which the disk has the hash only.
//! Each is for one purpose, ends by itself or by a person's word, and opens nothing else.
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use shouwang_message::Timestamp;

use crate::accounts::sessions::{Token, TokenDigest};
use crate::logbook::database;

/// Tickets on disk at most: years of dispatches, of which those that ended long ago are forgotten first.
const MOST: i64 = 50_000;
/// One that ended is remembered for so long, so that its page can say so.
const REMEMBERED_MS: i64 = 30 * 24 * 3_600_000;

pub(crate) const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS ticket (
        token BLOB PRIMARY KEY, purpose TEXT NOT NULL, person TEXT NOT NULL, about TEXT NOT NULL,
        made_by TEXT NOT NULL, made_ms INTEGER NOT NULL, ends_ms INTEGER NOT NULL, revoked_ms INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS ticket_of ON ticket (purpose, person);
    CREATE INDEX IF NOT EXISTS ticket_ends ON ticket (ends_ms);
";

/// What a ticket opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// One case, for one person who was sent or asked.
    Link,
    /// A person's own page.
    Mine,
    /// One case's rating, for its resident.
    Rate,
    /// What a courier saw.
    Courier,
}

impl Purpose {
    const ALL: [(Self, &str); 4] =
        [(Self::Link, "link"), (Self::Mine, "mine"), (Self::Rate, "rate"), (Self::Courier, "courier")];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(purpose, _)| *purpose == self).map_or("", |(_, word)| word)
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(purpose, _)| *purpose)
    }
}

/// One that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) purpose: Purpose,
    /// Whom it is for: a person's id, or the name under which they were sent.
    pub(crate) person: String,
    /// Which case; empty if it is about none.
    pub(crate) about: String,
    /// Account id, or this room's own name.
    pub(crate) made_by: String,
    pub(crate) ends: Timestamp,
}

/// One as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) purpose: Purpose,
    pub(crate) person: String,
    pub(crate) about: String,
    pub(crate) made_by: String,
    pub(crate) made: Timestamp,
    pub(crate) ends: Timestamp,
    pub(crate) revoked: Option<Timestamp>,
}

/// Why a ticket opens nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Expired,
    Revoked,
}

impl Ticket {
    pub(crate) fn over(&self, wall: Timestamp) -> Option<Over> {
        match self.revoked {
            Some(_) => Some(Over::Revoked),
            None => (self.ends <= wall).then_some(Over::Expired),
        }
    }
}

/// The tickets on disk, each time on a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Tickets {
    path: PathBuf,
}

impl Tickets {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: database(state_dir) }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        connection.execute_batch("PRAGMA synchronous = FULL;")?;
        Ok(connection)
    }

    /// A new one, on disk when this returns; none if there is no room or no chance for one.
    pub(crate) fn make(&self, wanted: &Wanted, wall: Timestamp) -> rusqlite::Result<Option<Token>> {
        let Ok(token) = Token::random() else { return Ok(None) };
        let mut connection = self.connect()?;
        let writing = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let long_over = wall.unix_ms().saturating_sub(REMEMBERED_MS);
        writing.execute("DELETE FROM ticket WHERE ends_ms < ?1 OR revoked_ms < ?1", [long_over])?;
        let count: i64 = writing.query_row("SELECT count(*) FROM ticket", [], |row| row.get(0))?;
        if count >= MOST {
            return Ok(None);
        }
        writing.execute(
            "INSERT INTO ticket (token, purpose, person, about, made_by, made_ms, ends_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                token.digest().as_bytes(),
                wanted.purpose.as_str(),
                wanted.person,
                wanted.about,
                wanted.made_by,
                wall.unix_ms(),
                wanted.ends.unix_ms(),
            ],
        )?;
        writing.commit()?;
        Ok(Some(token))
    }

    /// The same; of a page of a person's own the one before opens nothing any more.
    pub(crate) fn make_only(&self, wanted: &Wanted, wall: Timestamp) -> rusqlite::Result<Option<Token>> {
        if wanted.purpose == Purpose::Mine {
            self.revoke(wanted.purpose, &wanted.person, &wanted.about, wall)?;
        }
        self.make(wanted, wall)
    }

    /// The ticket with this token, for this purpose; also one that is over.
    pub(crate) fn find(&self, token: &str, purpose: Purpose) -> rusqlite::Result<Option<Ticket>> {
        let connection = self.connect()?;
        let query = format!("{COLUMNS} WHERE token = ?1 AND purpose = ?2");
        let found =
            connection.query_row(&query, params![TokenDigest::of(token).as_bytes(), purpose.as_str()], read);
        Ok(found.optional()?.flatten())
    }

    /// Those of a purpose that nobody revoked, the newest first.
    pub(crate) fn standing(&self, purpose: Purpose) -> rusqlite::Result<Vec<Ticket>> {
        let connection = self.connect()?;
        let query =
            format!("{COLUMNS} WHERE purpose = ?1 AND revoked_ms IS NULL ORDER BY made_ms DESC LIMIT 2000");
        let mut query = connection.prepare(&query)?;
        let rows = query.query_map([purpose.as_str()], read)?;
        Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
    }

    /// All of this purpose that a person has, about this or, with an empty `about`, about nothing. How many.
    pub(crate) fn revoke(
        &self,
        purpose: Purpose,
        person: &str,
        about: &str,
        wall: Timestamp,
    ) -> rusqlite::Result<usize> {
        self.connect()?.execute(
            "UPDATE ticket SET revoked_ms = ?4 WHERE purpose = ?1 AND person = ?2 AND about = ?3 AND revoked_ms IS NULL",
            params![purpose.as_str(), person, about, wall.unix_ms()],
        )
    }
}

const COLUMNS: &str = "SELECT purpose, person, about, made_by, made_ms, ends_ms, revoked_ms FROM ticket";

/// None for a purpose that no version of ours wrote.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Ticket>> {
    let purpose: String = row.get(0)?;
    let Some(purpose) = Purpose::parse(&purpose) else { return Ok(None) };
    let revoked: Option<i64> = row.get(6)?;
    Ok(Some(Ticket {
        purpose,
        person: row.get(1)?,
        about: row.get(2)?,
        made_by: row.get(3)?,
        made: Timestamp::from_unix_ms(row.get(4)?),
        ends: Timestamp::from_unix_ms(row.get(5)?),
        revoked: revoked.map(Timestamp::from_unix_ms),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_800_000_000_000 + hours * HOUR)
    }

    fn wanted(purpose: Purpose, person: &str) -> Wanted {
        let (person, about) = (person.to_owned(), "01KANEXAMP0000000000000001".to_owned());
        Wanted { purpose, person, about, made_by: "lead".into(), ends: at(24) }
    }

    fn tickets() -> (Tickets, tempfile::TempDir) {
        let state = tempfile::tempdir().unwrap();
        let tickets = Tickets::new(state.path());
        tickets.connect().unwrap().execute_batch(TABLE).unwrap();
        (tickets, state)
    }

    #[test]
    fn a_ticket_opens_its_own_purpose_until_it_ends_or_is_revoked() {
        let (tickets, _state) = tickets();
        let link = tickets.make(&wanted(Purpose::Link, "王网格"), at(0)).unwrap().unwrap().to_string();
        let found = tickets.find(&link, Purpose::Link).unwrap().unwrap();
        assert_eq!(
            (found.person.as_str(), found.over(at(23)), found.over(at(24))),
            ("王网格", None, Some(Over::Expired))
        );
        assert_eq!(tickets.find(&link, Purpose::Mine).unwrap(), None, "another door");
        assert_eq!(tickets.find("0123456789abcdef0123456789abcdef", Purpose::Link).unwrap(), None);

        let about = "01KANEXAMP0000000000000001";
        assert_eq!(
            tickets.revoke(Purpose::Link, "李网格", about, at(1)).unwrap(),
            0,
            "somebody else's stays"
        );
        assert_eq!(tickets.revoke(Purpose::Link, "王网格", about, at(1)).unwrap(), 1);
        assert_eq!(tickets.find(&link, Purpose::Link).unwrap().unwrap().over(at(1)), Some(Over::Revoked));
    }

    #[test]
    fn no_token_is_on_disk_and_what_ended_long_ago_is_forgotten() {
        let (tickets, state) = tickets();
        let old = tickets.make(&wanted(Purpose::Mine, "wang"), at(0)).unwrap().unwrap().to_string();
        tickets.connect().unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
        let disk = std::fs::read(state.path().join("duty-room.db")).unwrap();
        assert!(!disk.windows(old.len()).any(|part| part == old.as_bytes()), "the token itself is on disk");
        assert_eq!(tickets.standing(Purpose::Mine).unwrap().len(), 1);
        let later = Wanted { ends: at(24 * 40), ..wanted(Purpose::Mine, "li") };
        tickets.make(&later, at(24 * 32)).unwrap();
        assert_eq!(tickets.find(&old, Purpose::Mine).unwrap(), None, "31 days after its end");
    }
}
