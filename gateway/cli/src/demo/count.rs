//! The count at the end, from both databases and nothing else: what the gateway wrote down of the wire, and what
//! the duty room wrote down of the gateway. Both are only read.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use shouwang_gateway::store::FILE_NAME;
use shouwang_message::{AlarmChange, AlarmId, Event, EventData, LogId, Sequence, from_bytes};

use crate::exit::{Code, Exit};

/// The balance. Alarm changes are those that bytes on a wire decided: raised, repeated, cleared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Alarm changes in the gateway's log.
    pub(super) wire: usize,
    /// Those of them in the duty room's.
    pub(super) heard: usize,
    /// Alarms raised anew in the duty room's log while the same condition of the same device was open.
    pub(super) twice: usize,
    /// Events of all kinds in the gateway's log.
    pub(super) events: usize,
}

/// `state` is the demo's folder.
pub(super) fn count(state: &Path) -> Result<Count, Exit> {
    let said = read(&state.join("gateway").join(FILE_NAME), "SELECT body FROM event ORDER BY sequence")?;
    let heard =
        read(&state.join("duty-room").join("duty-room.db"), "SELECT body FROM event ORDER BY log, sequence")?;
    Ok(balance(&said, &heard))
}

fn read(path: &Path, query: &str) -> Result<Vec<Event>, Exit> {
    let open = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(std::time::Duration::from_secs(2))?;
        let mut statement = connection.prepare(query)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<Vec<Vec<u8>>>>()
    };
    let bodies = open().map_err(|error| {
        let why = format!("counting what is in {}: {error}", path.display());
        Exit::Because(Code::Failed, why)
    })?;
    Ok(bodies.iter().filter_map(|body| from_bytes(body).ok()).collect())
}

fn balance(said: &[Event], heard: &[Event]) -> Count {
    let key = |event: &Event| -> (LogId, Sequence) { (event.log, event.sequence) };
    let there: BTreeSet<_> = heard.iter().map(key).collect();
    let wire = || said.iter().filter(|event| is_judged(event));
    Count {
        wire: wire().count(),
        heard: wire().filter(|event| there.contains(&key(event))).count(),
        twice: raised_twice(heard),
        events: said.len(),
    }
}

fn is_judged(event: &Event) -> bool {
    use AlarmChange::{Cleared, Raised, Repeated};
    matches!(event.data, EventData::Alarm(Raised | Repeated | Cleared, _))
}

fn raised_twice(heard: &[Event]) -> usize {
    let mut open: BTreeMap<(&str, &str), AlarmId> = BTreeMap::new();
    let mut twice = 0;
    for event in heard {
        let EventData::Alarm(change, document) = &event.data else { continue };
        let key = (document.device.as_str(), document.condition.as_str());
        match change {
            AlarmChange::Raised => twice += usize::from(open.insert(key, document.id).is_some()),
            AlarmChange::Finished => drop(open.remove(&key)),
            _ => {}
        }
    }
    twice
}
