//! What the bench has done so far, in a file beside the plan: a list that is closed at any moment is gone on with.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use shouwang_installer::SiteDevice;

/// Larger than 4,000 rows can be, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// The plan's rows that were begun or done. While it lives nobody else works from the same plan.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    rows: Rows,
    _plan: File,
}

type Rows = BTreeMap<String, Entry>;

/// A row as it was planned when it was worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    unit_id: u8,
    profile: String,
    state: State,
}

/// How far a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// Its device may have been written to.
    Begun,
    /// Its device has its unit id, proven.
    Done,
}

impl Journal {
    /// Beside this plan; empty if there is none yet.
    ///
    /// # Errors
    /// Somebody else works from this plan, or the file cannot be read.
    pub(super) fn open(plan: &Path) -> io::Result<Self> {
        let file = File::open(plan)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            io::Error::new(io::ErrorKind::ResourceBusy, "另一个 bench 正在用它 · another bench works from it")
        })?;
        let path = beside(plan);
        let rows = match std::fs::metadata(&path) {
            Ok(there) if there.len() > MOST_BYTES => return Err(unreadable(&path, &"too large")),
            Ok(_) => {
                let text = std::fs::read_to_string(&path)?;
                serde_json::from_str(&text).map_err(|error| unreadable(&path, &error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Rows::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path, rows, _plan: file })
    }

    /// How far this row is, if it is still planned as it was.
    pub(super) fn state(&self, row: &SiteDevice) -> Option<State> {
        let entry = self.rows.get(row.id.as_str())?;
        (entry.unit_id == row.unit_id && entry.profile == row.profile).then_some(entry.state)
    }

    /// Remembers it: when this returns it is on the disk.
    pub(super) fn remember(&mut self, row: &SiteDevice, state: State) -> io::Result<()> {
        let entry = Entry { unit_id: row.unit_id, profile: row.profile.clone(), state };
        self.rows.insert(row.id.as_str().to_owned(), entry);
        let mut text = serde_json::to_string_pretty(&self.rows)?;
        text.push('\n');
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// `site.csv` has `site.csv.bench`.
fn beside(plan: &Path) -> PathBuf {
    let mut name = plan.as_os_str().to_owned();
    name.push(".bench");
    name.into()
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    let path = path.display();
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{path} 读不懂,移走它就从头开始 · cannot be read ({why}); move it away to begin anew"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, unit_id: u8) -> SiteDevice {
        SiteDevice {
            row: 2,
            id: id.parse().expect("an id"),
            line: "b3".parse().expect("an id"),
            unit_id,
            profile: "renke-rs-yg-n01".into(),
            place: shouwang_message::Place::default(),
            serial_no: None,
            code: None,
            installed: shouwang_core::configuration::Installed::default(),
        }
    }

    #[test]
    fn what_was_done_is_remembered_as_long_as_it_is_planned_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let plan = directory.path().join("site.csv");
        std::fs::write(&plan, "id\n").expect("a plan");
        let mut journal = Journal::open(&plan).expect("a journal");
        assert_eq!(journal.state(&row("a", 12)), None);
        journal.remember(&row("a", 12), State::Begun).expect("kept");
        journal.remember(&row("a", 12), State::Done).expect("kept");
        journal.remember(&row("b", 13), State::Begun).expect("kept");
        assert!(Journal::open(&plan).is_err(), "one bench at a time");
        drop(journal);
        let journal = Journal::open(&plan).expect("a journal");
        assert_eq!(journal.state(&row("a", 12)), Some(State::Done));
        assert_eq!(journal.state(&row("b", 13)), Some(State::Begun));
        assert_eq!(journal.state(&row("a", 14)), None, "the plan has changed");
    }

    #[test]
    fn a_journal_that_is_none_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let plan = directory.path().join("site.csv");
        std::fs::write(&plan, "id\n").expect("a plan");
        for nonsense in
            ["", "[]", "{\"a\":1}", "{\"a\":{\"unit_id\":1,\"profile\":\"x\",\"state\":\"lost\"}}"]
        {
            std::fs::write(beside(&plan), nonsense).expect("a file");
            let error = Journal::open(&plan).expect_err(nonsense).to_string();
            assert!(error.contains("move it away"), "{error}");
            assert_eq!(std::fs::read_to_string(beside(&plan)).expect("the file"), nonsense);
        }
    }
}
