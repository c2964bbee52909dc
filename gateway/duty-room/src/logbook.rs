//! The logbook on disk: lines that are only ever added, each with the SHA-256 of the one before it, written in
//! the transaction of what they tell about. [`verify`] finds the first line that is not as it was written.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shouwang_board::{LogLine, Transaction, closed_case_key, sheet_key};
use shouwang_message::{AlarmId, Timestamp};

/// What the first line holds in place of a hash.
const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What the line of a signed hand-over sheet says.
const SHEET: &str = "shift.handover";

pub(crate) const TABLES: &str = "
    CREATE TABLE logbook (number INTEGER PRIMARY KEY, line TEXT NOT NULL, hash TEXT NOT NULL);
    CREATE TABLE logbook_head (
        one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, hash TEXT NOT NULL,
        run INTEGER NOT NULL, entered INTEGER NOT NULL
    );
";

/// A line as it is written and hashed, as JSON in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) from: String,
    pub(crate) what: String,
    pub(crate) about: Option<String>,
    pub(crate) old: Option<String>,
    pub(crate) new: Option<String>,
    pub(crate) note: Option<String>,
    /// The hash of the line before.
    pub(crate) previous: String,
}

/// The latest time that one of the newest thousand lines bears; none if there are none.
pub(crate) fn newest_time(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let mut query = connection.prepare("SELECT line FROM logbook ORDER BY number DESC LIMIT 1000")?;
    let lines = query.query_map([], |row| row.get::<_, String>(0))?;
    let mut newest = None;
    for line in lines {
        newest = newest.max(serde_json::from_str::<Line>(&line?).ok().map(|line| line.at));
    }
    Ok(newest)
}

/// Where the chain ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) hash: String,
    /// The run of the duty room that wrote it last, and that run's last transaction in it: one that was written
    /// although its commit seemed to fail is not written twice.
    #[serde(skip)]
    run: i64,
    #[serde(skip)]
    entered: u64,
}

impl Head {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut query =
            connection.prepare_cached("SELECT number, hash, run, entered FROM logbook_head WHERE one = 1")?;
        let head = query.query_row([], |row| {
            let number: i64 = row.get(0)?;
            let entered: i64 = row.get(3)?;
            let (number, entered) = (number.cast_unsigned(), entered.cast_unsigned());
            Ok(Self { number, hash: row.get(1)?, run: row.get(2)?, entered })
        });
        Ok(head.optional()?.unwrap_or(Self { hash: NOTHING_BEFORE.into(), ..Self::default() }))
    }

    fn add(&mut self, writing: &Connection, lines: &[LogLine]) -> rusqlite::Result<()> {
        let mut add =
            writing.prepare_cached("INSERT INTO logbook (number, line, hash) VALUES (?1, ?2, ?3)")?;
        for line in lines {
            self.number += 1;
            let text = written(self.number, line, &self.hash);
            self.hash = hash_of(&text);
            add.execute(params![self.number.cast_signed(), text, self.hash])?;
        }
        Ok(())
    }

    fn write(&self, writing: &Connection) -> rusqlite::Result<()> {
        writing.execute(
            "INSERT INTO logbook_head (one, number, hash, run, entered) VALUES (1, ?1, ?2, ?3, ?4)
             ON CONFLICT (one) DO UPDATE
             SET number = excluded.number, hash = excluded.hash, run = excluded.run, entered = excluded.entered",
            params![self.number.cast_signed(), self.hash, self.run, self.entered.cast_signed()],
        )?;
        Ok(())
    }
}

/// Adds the lines of these transactions within the one that is being written.
pub(crate) fn append(writing: &Connection, run: i64, group: &[Transaction]) -> rusqlite::Result<()> {
    if group.iter().all(|transaction| transaction.log.is_empty()) {
        return Ok(());
    }
    let mut head = Head::read(writing)?;
    for transaction in group {
        if transaction.log.is_empty() || (head.run == run && transaction.number <= head.entered) {
            continue;
        }
        head.add(writing, &transaction.log)?;
        (head.run, head.entered) = (run, transaction.number);
    }
    head.write(writing)
}

/// Adds lines that come with what no transaction of the board tells.
pub(crate) fn add(writing: &Connection, lines: &[LogLine]) -> rusqlite::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let mut head = Head::read(writing)?;
    head.add(writing, lines)?;
    head.write(writing)
}

fn written(number: u64, line: &LogLine, previous: &str) -> String {
    let line = Line {
        number,
        at: line.at,
        by: line.by.clone(),
        from: line.from.clone(),
        what: line.what.clone(),
        about: line.about.clone(),
        old: line.old.clone(),
        new: line.new.clone(),
        note: line.note.clone(),
        previous: previous.to_owned(),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

fn hash_of(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Reads beside the writer, each time on a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    path: PathBuf,
}

/// Whether the logbook holds a hand-over sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SheetProof {
    /// This line does, with the SHA-256 that the sheet's text has.
    Held { line: u64, hash: String, sha256: String },
    /// No line says that a sheet with this text was signed.
    Missing { sha256: String },
}

impl SheetProof {
    pub(crate) fn sha256(&self) -> &str {
        match self {
            Self::Held { sha256, .. } | Self::Missing { sha256 } => sha256,
        }
    }
}

/// A line and its hash as they are on disk.
pub(crate) type Written = (String, String);

impl Reader {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: database(state_dir) }
    }

    /// The newest lines before this number, the newest first; and where the logbook ends.
    pub(crate) fn before(&self, number: u64, limit: u32) -> rusqlite::Result<(Vec<Written>, Head)> {
        let connection = open(&self.path)?;
        let mut query = connection
            .prepare("SELECT line, hash FROM logbook WHERE number < ?1 ORDER BY number DESC LIMIT ?2")?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let lines = query.query_map(params![number, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((lines.collect::<rusqlite::Result<_>>()?, Head::read(&connection)?))
    }

    /// Lines after this number, the oldest first.
    pub(crate) fn after(&self, number: u64, limit: u32) -> rusqlite::Result<Vec<Written>> {
        let connection = open(&self.path)?;
        let mut query = connection
            .prepare("SELECT line, hash FROM logbook WHERE number > ?1 ORDER BY number LIMIT ?2")?;
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let lines = query.query_map(params![number, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
        lines.collect()
    }

    /// A signed hand-over sheet word for word, and the line that holds it.
    pub(crate) fn sheet(&self, id: AlarmId) -> rusqlite::Result<Option<(String, SheetProof)>> {
        let connection = open(&self.path)?;
        let kept = "SELECT value FROM kept WHERE key = ?1";
        let text: Option<String> =
            connection.query_row(kept, [sheet_key(id)], |row| row.get(0)).optional()?;
        let Some(text) = text else { return Ok(None) };
        let sha256 = hash_of(&text);
        let mut query = connection
            .prepare("SELECT line, hash FROM logbook WHERE number > ?1 ORDER BY number LIMIT 1000")?;
        // The sheet knows the end of the logbook from just before it was signed.
        let mut rows = query.query([signed_after(&text).cast_signed()])?;
        while let Some(row) = rows.next()? {
            let (line, hash): (String, String) = (row.get(0)?, row.get(1)?);
            let Ok(line) = serde_json::from_str::<Line>(&line) else { continue };
            if line.what == SHEET && line.about.as_deref() == Some(id.to_string().as_str()) {
                let held = line.note.as_deref() == Some(format!("sha256 {sha256}").as_str());
                let line = line.number;
                let missing = SheetProof::Missing { sha256: sha256.clone() };
                return Ok(Some((
                    text,
                    if held { SheetProof::Held { line, hash, sha256 } } else { missing },
                )));
            }
        }
        Ok(Some((text, SheetProof::Missing { sha256 })))
    }

    /// A case that was closed so long ago that the board has forgotten it, as JSON.
    pub(crate) fn closed_case(&self, id: AlarmId) -> rusqlite::Result<Option<String>> {
        let connection = open(&self.path)?;
        let mut query = connection.prepare("SELECT value FROM kept WHERE key = ?1")?;
        query.query_row([closed_case_key(id)], |row| row.get(0)).optional()
    }
}

/// A logbook that is as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    pub lines: u64,
    /// Of the last line; compare it with the one that was printed.
    pub last_hash: String,
}

/// Why a logbook is not known to be sound.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("there is no logbook in {0}: name the state_dir of a duty room that has run with this version")]
    Missing(PathBuf),
    #[error("cannot read the logbook in {path}: {source}")]
    Unreadable { path: PathBuf, source: rusqlite::Error },
    /// The first broken line.
    #[error("line {line} of the logbook is broken: {why}")]
    Broken { line: u64, why: String },
}

/// Follows the chain from the first line to the last, whether or not the duty room runs.
pub fn verify(state_dir: &Path) -> Result<Sound, VerifyError> {
    let path = database(state_dir);
    let unreadable = |source| VerifyError::Unreadable { path: path.clone(), source };
    if !path.exists() {
        return Err(VerifyError::Missing(path));
    }
    let mut connection = open(&path).map_err(unreadable)?;
    // One transaction: what a running duty room adds meanwhile is not seen.
    let reading = connection.transaction().map_err(unreadable)?;
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('logbook', 'logbook_head')";
    let tables: i64 = reading.query_row(tables, [], |row| row.get(0)).map_err(unreadable)?;
    if tables < 2 {
        return Err(VerifyError::Missing(path));
    }
    let head = Head::read(&reading).map_err(unreadable)?;
    let mut query =
        reading.prepare("SELECT number, line, hash FROM logbook ORDER BY number").map_err(unreadable)?;
    let mut rows = query.query([]).map_err(unreadable)?;
    let mut chain = Chain { number: 0, hash: NOTHING_BEFORE.into() };
    while let Some(row) = rows.next().map_err(unreadable)? {
        let number: i64 = row.get(0).map_err(unreadable)?;
        // An edited cell may hold anything.
        let text = |column| row.get::<_, String>(column).unwrap_or_default();
        let line = chain.follow(number.cast_unsigned(), &text(1), text(2))?;
        if line.what == SHEET {
            sheet_is_as_signed(&reading, &line).map_err(unreadable)??;
        }
    }
    if chain.number < head.number {
        return Err(broken(chain.number + 1, "it is missing"));
    }
    if chain.number > head.number || chain.hash != head.hash {
        return Err(broken(chain.number, "the logbook was closed with another last line"));
    }
    Ok(Sound { lines: chain.number, last_hash: chain.hash })
}

struct Chain {
    number: u64,
    hash: String,
}

impl Chain {
    fn follow(&mut self, number: u64, text: &str, hash: String) -> Result<Line, VerifyError> {
        let next = self.number + 1;
        if number > next {
            return Err(broken(next, "it is missing"));
        }
        if number < next {
            return Err(broken(number, "its number is no line's number"));
        }
        if hash_of(text) != hash {
            return Err(broken(number, "its text is not the one that its hash was made of"));
        }
        let line: Line =
            serde_json::from_str(text).map_err(|_| broken(number, "it is no line of a logbook"))?;
        if line.number != number {
            return Err(broken(number, "it was another line"));
        }
        if line.previous != self.hash {
            let why = format!("line {number} was written after another text than this");
            return Err(broken(self.number.max(1), &why));
        }
        (self.number, self.hash) = (number, hash);
        Ok(line)
    }
}

/// The hand-over sheet of this line is kept, and is what was signed.
fn sheet_is_as_signed(reading: &Connection, line: &Line) -> rusqlite::Result<Result<(), VerifyError>> {
    let key = line.about.as_deref().and_then(|about| about.parse().ok()).map(sheet_key).unwrap_or_default();
    let kept = "SELECT value FROM kept WHERE key = ?1";
    let sheet = reading.query_row(kept, [key], |row| row.get::<_, String>(0)).optional()?;
    let hash = sheet.map(|sheet| format!("sha256 {}", hash_of(&sheet)));
    Ok(match hash {
        None => Err(broken(line.number, "its hand-over sheet is missing")),
        Some(hash) if line.note.as_deref() != Some(hash.as_str()) => {
            Err(broken(line.number, "its hand-over sheet is not the one that was signed"))
        }
        Some(_) => Ok(()),
    })
}

/// The number of the logbook's last line when this sheet was made.
fn signed_after(sheet: &str) -> u64 {
    let sheet: serde_json::Value = serde_json::from_str(sheet).unwrap_or_default();
    sheet["logbook"]["number"].as_u64().unwrap_or_default()
}

fn broken(line: u64, why: &str) -> VerifyError {
    VerifyError::Broken { line, why: why.to_owned() }
}

pub(crate) fn database(state_dir: &Path) -> PathBuf {
    state_dir.join("duty-room.db")
}

/// Beside the writer, for reading.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    Ok(connection)
}

#[cfg(test)]
mod tests;
