//! The readings of river stations, each once and whatever their order, in a database of their own: a year of them must
//! not stand in the way of an alarm's commit. One thread writes; pages read beside it.
//!
//! Kept: one reading for every half minute of the newest 8 days, one for every five minutes of 400 days. No alarm hangs
//! on them, so a power cut may take the last second's; the gateway's own history fills longer holes.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use shouwang_board::Sample;
use shouwang_message::{Id, Instant, Quality, Timestamp};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::logbook::database;
use crate::photo::Photos;
use crate::{StartError, store};

/// Messages on their way to the disk; further ones are dropped, counted and told, and are gaps of the graph.
pub(crate) const QUEUE: usize = 1_024;
/// Of one commit at most.
const GROUP: usize = 256;
/// One reading is kept of each half minute.
const SLOT_MS: i64 = 30_000;
/// ...and of each five minutes, once it is older than this.
const COARSE_SLOTS: i64 = 10;
const FINE_FOR_MS: i64 = 8 * DAY_MS;
/// What is older is forgotten.
pub(crate) const KEPT_FOR_DAYS: i64 = 400;
const DAY_MS: i64 = 24 * 3_600_000;
const THIN_EVERY: Duration = Duration::from_secs(3_600);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS station (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS reading (
        station INTEGER NOT NULL, slot INTEGER NOT NULL, at_ms INTEGER NOT NULL, mm INTEGER, quality INTEGER NOT NULL,
        PRIMARY KEY (station, slot)
    ) WITHOUT ROWID;
";

/// Readings of one station to keep.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) station: Id,
    pub(crate) samples: Vec<Sample>,
}

/// Readings that found no place on the disk and were not told yet, of both ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost(Arc<AtomicU64>);

impl Lost {
    pub(crate) fn add(&self, samples: usize) {
        self.0.fetch_add(samples as u64, Ordering::Relaxed);
    }

    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Reads them beside the writer.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    path: PathBuf,
}

impl Series {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("stations.db") }
    }

    /// From, inclusive, to, exclusive; oldest first.
    pub(crate) fn between(
        &self,
        station: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> rusqlite::Result<Vec<Sample>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        let mut query = connection.prepare(
            "SELECT at_ms, mm, quality FROM reading
             WHERE station = (SELECT number FROM station WHERE id = ?1) AND slot >= ?2 AND slot <= ?3
             ORDER BY slot",
        )?;
        let (from_ms, to_ms) = (from.unix_ms(), to.unix_ms());
        let rows = query.query_map(params![station, from_ms / SLOT_MS, to_ms / SLOT_MS], |row| {
            let mm: Option<i64> = row.get(1)?;
            Ok(Sample {
                at: Timestamp::from_unix_ms(row.get(0)?),
                stage_m: mm.map(|mm| mm as f64 / 1_000.0),
                quality: quality_of(row.get(2)?),
            })
        })?;
        let within = |sample: &Sample| (from_ms..to_ms).contains(&sample.at.unix_ms());
        rows.filter(|sample| sample.as_ref().map_or(true, within)).collect()
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct Keeper {
    state_dir: PathBuf,
    connection: Connection,
    clock: Clock,
    lost: Lost,
    thinned: Option<Instant>,
}

impl Keeper {
    pub(crate) fn open(state_dir: &Path, clock: Clock, lost: Lost) -> Result<Self, StartError> {
        let path = Series::new(state_dir).path;
        let failed = |source| StartError::Store { path: path.clone(), source };
        store::make_private(&path)?;
        let connection = Connection::open(&path).map_err(failed)?;
        // Not FULL: see above.
        let settings =
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 8388608;
                        PRAGMA busy_timeout = 2000;";
        connection.execute_batch(settings).map_err(failed)?;
        connection.execute_batch(TABLES).map_err(failed)?;
        Ok(Self { state_dir: state_dir.into(), connection, clock, lost, thinned: None })
    }

    /// Until the duty room ends and everything given is written.
    pub(crate) fn run(mut self, mut records: mpsc::Receiver<Record>) {
        while let Some(first) = records.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(next) = records.try_recv()
            {
                group.push(next);
            }
            if let Err(error) = self.keep(&group) {
                tracing::error!(%error, records = group.len(), "readings of river stations could not be kept");
                self.lost.add(group.iter().map(|record| record.samples.len()).sum());
            }
            let now = self.clock.now();
            if self.thinned.is_none_or(|thinned| now.since(thinned) >= THIN_EVERY) {
                self.thinned = Some(now);
                if let Err(error) = self.thin(self.clock.wall()) {
                    tracing::error!(%error, "old readings of river stations could not be forgotten");
                }
            }
        }
    }

    fn keep(&mut self, group: &[Record]) -> rusqlite::Result<()> {
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for record in group {
            put(&writing, record)?;
        }
        writing.commit()
    }

    /// Forgets what is too old, and of each five minutes all but the last reading. Station by station, a day at a time: the
    /// days before were thinned before.
    fn thin(&mut self, wall: Timestamp) -> rusqlite::Result<()> {
        let coarse_before = (wall.unix_ms() - FINE_FOR_MS).div_euclid(SLOT_MS * COARSE_SLOTS) * COARSE_SLOTS;
        let forgotten_before = (wall.unix_ms() - KEPT_FOR_DAYS * DAY_MS).div_euclid(SLOT_MS);
        let coarse_from = coarse_before - 2 * DAY_MS / SLOT_MS;
        let mut stations = self.connection.prepare("SELECT number FROM station")?;
        let numbers: Vec<i64> = stations.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        drop(stations);
        for number in numbers {
            let old = "DELETE FROM reading WHERE station = ?1 AND slot < ?2";
            self.connection.execute(old, params![number, forgotten_before])?;
            self.connection.execute(
                "DELETE FROM reading WHERE station = ?1 AND slot >= ?2 AND slot < ?3 AND slot NOT IN
                 (SELECT max(slot) FROM reading WHERE station = ?1 AND slot >= ?2 AND slot < ?3 GROUP BY slot / ?4)",
                params![number, coarse_from, coarse_before, COARSE_SLOTS],
            )?;
        }
        self.forget_peoples(Timestamp::from_unix_ms(wall.unix_ms() - KEPT_FOR_DAYS * DAY_MS))
    }

    /// What people read is in the other database, their photos are files.
    fn forget_peoples(&self, before: Timestamp) -> rusqlite::Result<()> {
        Photos::new(&self.state_dir).forget_before(before);
        let path = database(&self.state_dir);
        if !path.exists() {
            return Ok(());
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(2))?;
        let old = "DELETE FROM kept WHERE key >= 'reading/' AND key < 'reading0' AND value ->> '$.at' < ?1";
        connection.execute(old, params![before.to_string()]).map(|_| ())
    }
}

/// The later of two readings of one half minute stays, whichever comes first; of one moment the one that has a stage.
fn put(writing: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
    let station = record.station.as_str();
    let mut number = writing.prepare_cached("SELECT number FROM station WHERE id = ?1")?;
    if !number.exists(params![station])? {
        writing.execute("INSERT INTO station (id) VALUES (?1)", params![station])?;
    }
    let number: i64 = number.query_row(params![station], |row| row.get(0))?;
    let mut one = writing.prepare_cached(
        "INSERT INTO reading (station, slot, at_ms, mm, quality) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (station, slot) DO UPDATE SET at_ms = excluded.at_ms, mm = excluded.mm,
             quality = excluded.quality
         WHERE excluded.at_ms > at_ms OR (excluded.at_ms = at_ms AND mm IS NULL AND excluded.mm IS NOT NULL)",
    )?;
    for sample in &record.samples {
        #[expect(clippy::cast_possible_truncation, reason = "saturates; a stage is a few metres")]
        let mm = sample.stage_m.map(|metres| (metres * 1_000.0).round() as i64);
        let at_ms = sample.at.unix_ms();
        one.execute(params![number, at_ms.div_euclid(SLOT_MS), at_ms, mm, quality_number(sample.quality)])?;
    }
    Ok(())
}

fn quality_number(quality: Quality) -> i64 {
    match quality {
        Quality::Good => 0,
        Quality::Uncertain => 1,
        Quality::Bad => 2,
    }
}

fn quality_of(number: i64) -> Quality {
    match number {
        0 => Quality::Good,
        1 => Quality::Uncertain,
        _ => Quality::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_ms: i64, stage_m: Option<f64>) -> Sample {
        Sample { at: Timestamp::from_unix_ms(at_ms), stage_m, quality: Quality::Good }
    }

    fn open(state: &Path) -> Keeper {
        Keeper::open(state, Clock::system(), Lost::default()).unwrap()
    }

    fn record(samples: &[Sample]) -> Record {
        Record { station: "qingshi-bridge".parse().unwrap(), samples: samples.to_vec() }
    }

    fn all(state: &Path) -> Vec<(i64, Option<f64>)> {
        let ends = (Timestamp::from_unix_ms(0), Timestamp::from_unix_ms(Timestamp::MAX_UNIX_MS));
        let kept = Series::new(state).between("qingshi-bridge", ends.0, ends.1).unwrap();
        kept.into_iter().map(|sample| (sample.at.unix_ms(), sample.stage_m)).collect()
    }

    proptest::proptest! {
        /// What is told twice, late, or in another order leaves the same readings.
        #[test]
        fn the_order_and_the_number_of_tellings_do_not_matter(
            told in proptest::collection::vec((0_i64..40, 0_i64..5_000), 1..40),
            turned in 0_usize..40,
        ) {
            // One stage at one moment: the moment is part of it.
            let told: Vec<Sample> =
                told.iter().map(|(at, _)| sample(at * 11_000, Some((at % 7) as f64))).collect();
            let (first, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mut keeper = open(first.path());
            keeper.keep(&[record(&told)]).unwrap();
            let mut again = open(other.path());
            let mut back = told.clone();
            back.reverse();
            let middle = turned % back.len();
            back.rotate_left(middle);
            for one in back.iter().chain(&told) {
                again.keep(&[record(&[*one])]).unwrap();
            }
            proptest::prop_assert_eq!(all(first.path()), all(other.path()));
        }
    }

    #[test]
    fn what_is_old_is_kept_by_five_minutes_and_then_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let mut keeper = open(state.path());
        let now = 500 * DAY_MS;
        let minutes: Vec<Sample> =
            (0..60).map(|n| sample(now - 9 * DAY_MS + n * 60_000, Some(n as f64))).collect();
        let fresh: Vec<Sample> = (0..10).map(|n| sample(now - n * 30_000, Some(1.0))).collect();
        let ancient = [sample(now - 401 * DAY_MS, Some(9.0)), sample(now - 399 * DAY_MS, Some(8.0))];
        keeper.keep(&[record(&minutes), record(&fresh), record(&ancient)]).unwrap();
        keeper.thin(Timestamp::from_unix_ms(now)).unwrap();
        let kept = all(state.path());
        let stages: Vec<f64> = kept.iter().filter_map(|(_, stage)| *stage).collect();
        assert_eq!(stages[..4], [8.0, 4.0, 9.0, 14.0], "{kept:?}");
        assert_eq!(stages.len(), 1 + 12 + 10);
        keeper.thin(Timestamp::from_unix_ms(now)).unwrap();
        assert_eq!(all(state.path()), kept);
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted() {
        let state = tempfile::tempdir().unwrap();
        let keeper = open(state.path());
        keeper.connection.execute_batch("DROP TABLE reading").unwrap();
        let (lost, (send, records)) = (keeper.lost.clone(), mpsc::channel(2));
        send.try_send(record(&[sample(1_000, None), sample(2_000, None)])).unwrap();
        send.try_send(record(&[sample(3_000, Some(1.0))])).unwrap();
        drop(send);
        keeper.run(records);
        assert_eq!((lost.take(), lost.take()), (3, 0));
    }

    #[test]
    fn no_stage_is_a_reading_too_and_gives_way_to_one() {
        let state = tempfile::tempdir().unwrap();
        let mut keeper = open(state.path());
        keeper.keep(&[record(&[sample(1_000, None)])]).unwrap();
        assert_eq!(all(state.path()), [(1_000, None)]);
        keeper.keep(&[record(&[sample(1_000, Some(-1.234))])]).unwrap();
        keeper.keep(&[record(&[sample(1_000, None)])]).unwrap();
        assert_eq!(all(state.path()), [(1_000, Some(-1.234))]);
    }
}
