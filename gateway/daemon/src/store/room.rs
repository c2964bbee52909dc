//! Room for alarms on a full disk, held by the database itself so that nobody else can take it.
//!
//! The table `room` holds pages of nothing. While the disk has space it is left alone and the file grows.
//! When the file cannot grow, each commit gives up as many of those rows as it needs, in its own transaction;
//! their pages are on the disk already. The file's own growth is asked of the disk before a commit, never
//! found wanting after it: pages that only the WAL has, and the file has no space for, would block the WAL.
use std::path::Path;

use rusqlite::{Connection, FileControl, MAIN_DB, Transaction};
use shouwang_core::output::Commit;

/// Alarm events for which there is room on a full disk (invariant I6).
pub const ROOM_EVENTS: usize = 10_000;
/// Bytes of one alarm's event, with all its texts; four of them fill a page.
pub const ROOM_EVENT_BYTES: usize = 1_000;

const PAGE: usize = 4096;
/// A row of `room` in pages: what one step of upkeep writes (256 KiB), so that no alarm waits long for it.
const ROW_PAGES: usize = 64;
/// The events, and a quarter of that for the pieces of state that change with them.
const ROWS: usize = (ROOM_EVENTS * ROOM_EVENT_BYTES / PAGE).div_ceil(ROW_PAGES) * 5 / 4;
/// What a store wants of the disk for alarms, bytes: the room, and the WAL between two checkpoints (1,024 pages).
pub const DISK_BYTES: u64 = ((ROWS * ROW_PAGES + 1024) * PAGE) as u64;
/// The file grows by this much at a time, bytes, and every checkpoint leaves it a multiple of this.
const CHUNK: i32 = 64 * 4096;

/// What the disk has besides what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    rows: usize,
    /// The file could not grow when it was last tried.
    pub(super) is_short: bool,
}

/// What the disk of this directory has for a store there, bytes: what anybody may still write, and what the store
/// holds already. None if the directory is not there or cannot be asked.
pub fn disk_has(state_dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(state_dir).ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let held = state_dir.join(super::FILE_NAME).metadata().map_or(0, |file| file.len());
    Some(free.saturating_add(held))
}

/// From here on the file is a whole number of chunks, each of which the disk has really given.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let mut chunk = CHUNK;
    connection.file_control(Some(MAIN_DB), FileControl::ChunkSize(&mut chunk))?;
    // If the disk is full already, what is there must do.
    let _ = grow(connection, 0)?;
    Ok(())
}

impl Room {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let rows = connection.query_row("SELECT count(*) FROM room", [], |row| row.get(0))?;
        Ok(Self { rows, is_short: false })
    }

    pub(super) fn is_full(self) -> bool {
        self.rows >= ROWS
    }

    /// Lays by one more row, if one is missing and the disk has space for it; whether it has. A few milliseconds.
    pub(super) fn lay_by(&mut self, connection: &Connection) -> rusqlite::Result<bool> {
        // Besides its pages, a row takes those that lead to them.
        let missing = (ROW_PAGES + 8).saturating_sub(free_pages(connection)?);
        if missing > 0 && !grow(connection, missing)? {
            self.is_short = true;
            return Ok(false);
        }
        if self.is_full() {
            self.is_short = false;
            return Ok(true);
        }
        let filler = i64::try_from(ROW_PAGES * PAGE).unwrap_or(0);
        connection.prepare_cached("INSERT INTO room (filler) VALUES (zeroblob(?1))")?.execute([filler])?;
        self.rows += 1;
        self.is_short &= !self.is_full();
        Ok(true)
    }

    /// Sees to it that these commits find their pages: in the file, by letting it grow, or by giving up rows.
    /// False if there is neither; then nothing may be written.
    pub(super) fn provide(
        &mut self,
        transaction: &Transaction<'_>,
        commits: &[Commit],
    ) -> rusqlite::Result<bool> {
        let mut missing = pages_for(commits).saturating_sub(free_pages(transaction)?);
        if missing == 0 || grow(transaction, missing)? {
            return Ok(true);
        }
        self.is_short = true;
        while missing > 0 && self.rows > 0 {
            transaction
                .prepare_cached("DELETE FROM room WHERE number = (SELECT max(number) FROM room)")?
                .execute([])?;
            self.rows -= 1;
            missing = missing.saturating_sub(ROW_PAGES);
        }
        Ok(missing == 0)
    }
}

/// Pages that these commits may need at most. A leaf is at least half full, and a changed piece of state may
/// split one.
fn pages_for(commits: &[Commit]) -> usize {
    let bytes = |commit: &Commit| {
        let events: usize = commit.events.iter().map(|event| event.body.len() + 32).sum();
        let kept: usize =
            commit.kept.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        events + kept
    };
    let changes: usize = commits.iter().map(|commit| commit.kept.len()).sum();
    commits.iter().map(bytes).sum::<usize>() * 2 / PAGE + changes + 8
}

fn free_pages(connection: &Connection) -> rusqlite::Result<usize> {
    connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))
}

/// Whether the disk gave the file so many more pages. They are there, not only promised: SQLite writes into
/// each of them.
fn grow(connection: &Connection, pages: usize) -> rusqlite::Result<bool> {
    let count: usize = connection.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let mut bytes = i64::try_from((count + pages) * PAGE).unwrap_or(i64::MAX);
    Ok(connection.file_control(Some(MAIN_DB), FileControl::SizeHint(&mut bytes)).is_ok())
}
