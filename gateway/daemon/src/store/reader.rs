//! Reading the log beside the writer: short looks, so that the WAL never grows behind a reader.
use rusqlite::{Connection, OpenFlags};
use shouwang_core::input::StoredEvent;
use shouwang_message::Sequence;

use super::{Place, StoreError};

/// What one look returns at most, bytes of events; one larger event still comes alone.
const FETCH_BYTES: usize = 1024 * 1024;

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

    /// Looks at every page once. Some seconds on a large log: run it after the first poll.
    /// The error is SQLite's first complaint.
    pub fn quick_check(&self) -> Result<(), String> {
        let verdict: Result<String, _> =
            self.connection.pragma_query_value(None, "quick_check", |row| row.get(0));
        match verdict {
            Ok(word) if word == "ok" => Ok(()),
            Ok(complaint) => Err(complaint),
            Err(error) => Err(error.to_string()),
        }
    }
}
