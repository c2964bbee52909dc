//! What the store remembers longer than the board: a month's cases for its figures, and the alarms of a device or a
//! time. Read beside the writer on connections of their own, and never a whole month at once in memory.
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};
use shouwang_board::{Figures, ManualReading, ended_round_key, reading_key};
use shouwang_message::{AlarmId, Timestamp};

use crate::logbook::{database, open};

/// Rows of one page of the history at most.
pub(crate) const ROWS_AT_MOST: u32 = 200;
/// Earlier alarms of one device that its false-alarm rate is made of.
const ALARMS_OF_A_DEVICE: u32 = 1_000;

/// Finds the alarms of a device, and those of a time, among millions of events.
pub(crate) const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS raised_of_device ON event (CAST(body AS TEXT) ->> '$.subject', time_ms)
        WHERE type = 'shouwang.alarm.raised.v1';
    CREATE INDEX IF NOT EXISTS read_at ON kept (value ->> '$.station', value ->> '$.at')
        WHERE key >= 'reading/' AND key < 'reading0';
    CREATE INDEX IF NOT EXISTS raised_at ON event (time_ms) WHERE type = 'shouwang.alarm.raised.v1';
";

/// From, inclusive, and to, exclusive, as far as they are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl Span {
    fn ms(self) -> (i64, i64) {
        (self.from.map_or(0, Timestamp::unix_ms), self.to.map_or(i64::MAX, Timestamp::unix_ms))
    }
}

/// Reads the store beside its writer.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    path: PathBuf,
}

impl Records {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: database(state_dir) }
    }

    /// The cases of the alarms whose ids were made in this time, of one grid or of all.
    pub(crate) fn figures(
        &self,
        from: Timestamp,
        to: Timestamp,
        grid: Option<&str>,
    ) -> rusqlite::Result<Figures> {
        let connection = open(&self.path)?;
        let mut figures = Figures::default();
        for prefix in ["case", "closed"] {
            let key = |at: Timestamp| {
                let ms = u64::try_from(at.unix_ms()).unwrap_or_default();
                format!("{prefix}/{}", AlarmId::from_parts(ms, 0))
            };
            let mut query = connection.prepare(
                "SELECT value FROM kept WHERE key >= ?1 AND key < ?2
                 AND (?3 IS NULL OR coalesce(value ->> '$.about.place.grid', '') = ?3) ORDER BY key",
            )?;
            let mut rows = query.query(params![key(from), key(to), grid])?;
            while let Some(row) = rows.next()? {
                let kept: String = row.get(0)?;
                if !figures.add(&kept) {
                    tracing::warn!("a kept case cannot be read and is in no figure");
                }
            }
        }
        Ok(figures)
    }

    /// Live alarms of this time, of one grid or of all, that nobody has done anything about: they are in no figure.
    pub(crate) fn untouched(
        &self,
        from: Timestamp,
        to: Timestamp,
        grid: Option<&str>,
    ) -> rusqlite::Result<i64> {
        let connection = open(&self.path)?;
        let mut query = connection.prepare(
            "WITH raised AS (SELECT CAST(body AS TEXT) -> '$.data' AS alarm FROM event
                 WHERE type = 'shouwang.alarm.raised.v1' AND time_ms >= ?1 AND time_ms < ?2)
             SELECT count(*) FROM raised WHERE alarm ->> '$.mode' = 'live'
             AND (?3 IS NULL OR coalesce(alarm ->> '$.place.grid', '') = ?3)
             AND NOT EXISTS (SELECT 1 FROM kept
                 WHERE key IN ('case/' || (alarm ->> '$.id'), 'closed/' || (alarm ->> '$.id')))",
        )?;
        query.query_row(params![from.unix_ms(), to.unix_ms(), grid], |row| row.get(0))
    }

    /// Alarms as they were raised, the newest first, with what became of their cases; and before when there are more.
    pub(crate) fn alarms(
        &self,
        device: Option<&str>,
        span: Span,
        limit: u32,
    ) -> rusqlite::Result<(Vec<Value>, Option<Timestamp>)> {
        let connection = open(&self.path)?;
        let of =
            if device.is_some() { "AND CAST(body AS TEXT) ->> '$.subject' = ?1" } else { "AND ?1 IS NULL" };
        let mut query = connection.prepare(&format!(
            "SELECT time_ms, CAST(body AS TEXT) -> '$.data' FROM event
             WHERE type = 'shouwang.alarm.raised.v1' {of} AND time_ms >= ?2 AND time_ms < ?3
             ORDER BY time_ms DESC LIMIT ?4"
        ))?;
        let (from, to) = span.ms();
        let rows =
            query.query_map(params![device, from, to, limit + 1], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut rows = rows.collect::<rusqlite::Result<Vec<(i64, String)>>>()?;
        let more = if rows.len() > limit as usize { rows.pop() } else { None };
        let before = more.map(|(cut, _)| {
            // Those of one moment stay together on the next page.
            if rows.iter().any(|(at, _)| *at != cut) {
                rows.retain(|(at, _)| *at != cut);
            }
            Timestamp::from_unix_ms(rows.last().map_or(cut, |(at, _)| *at))
        });
        let alarms = rows.into_iter().filter_map(|(_, document)| serde_json::from_str(&document).ok());
        let alarms = alarms.map(|alarm| with_case(&connection, alarm));
        Ok((alarms.collect::<rusqlite::Result<_>>()?, before))
    }

    /// What people read at a station's staff, oldest first.
    pub(crate) fn manual_readings(
        &self,
        station: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> rusqlite::Result<Vec<ManualReading>> {
        let connection = open(&self.path)?;
        let mut query = connection.prepare(
            "SELECT value FROM kept WHERE key >= 'reading/' AND key < 'reading0'
             AND value ->> '$.station' = ?1 AND value ->> '$.at' >= ?2 AND value ->> '$.at' < ?3
             ORDER BY value ->> '$.at'",
        )?;
        let span = params![station, from.to_string(), to.to_string()];
        let rows = query.query_map(span, |row| row.get::<_, String>(0))?;
        let kept = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(kept.iter().filter_map(|kept| serde_json::from_str(kept).ok()).collect())
    }

    /// A person's reading as it was kept.
    pub(crate) fn manual_reading(&self, id: &str) -> rusqlite::Result<Option<String>> {
        self.kept(&reading_key(id))
    }

    /// A round of 叫应 that ended, as it was kept.
    pub(crate) fn ended_round(&self, id: AlarmId) -> rusqlite::Result<Option<String>> {
        self.kept(&ended_round_key(id))
    }

    fn kept(&self, key: &str) -> rusqlite::Result<Option<String>> {
        let connection = open(&self.path)?;
        let mut query = connection.prepare("SELECT value FROM kept WHERE key = ?1")?;
        query.query_row([key], |row| row.get(0)).optional()
    }

    /// How often this device was right: alarms, those that were real, those that were false (cooking smoke too).
    pub(crate) fn reputation(&self, device: &str) -> rusqlite::Result<Value> {
        let (alarms, _) = self.alarms(Some(device), Span::default(), ALARMS_OF_A_DEVICE)?;
        let live = || alarms.iter().filter(|alarm| alarm["mode"] == "live");
        let is = |conclusion: &str| live().filter(|alarm| alarm["conclusion"] == conclusion).count();
        let (real, wrong) = (is("real"), is("false_alarm") + is("cooking"));
        let rate = (real + wrong > 0).then(|| wrong as f64 / (real + wrong) as f64);
        Ok(json!({ "alarms": live().count(), "real": real, "false_alarms": wrong, "false_rate": rate }))
    }
}

fn with_case(connection: &Connection, mut alarm: Value) -> rusqlite::Result<Value> {
    let case =
        alarm["id"].as_str().map(|id| case_of(connection, id)).transpose()?.flatten().unwrap_or_default();
    let of_case = |name: &str| case.get(name).cloned().unwrap_or_default();
    if let Some(fields) = alarm.as_object_mut() {
        let state = of_case("state");
        fields.insert("case".into(), if state.is_null() { json!("new") } else { state });
        fields.insert("conclusion".into(), of_case("conclusion"));
        fields.insert("accepted".into(), of_case("accepted"));
    }
    shouwang_board::clean(&mut alarm);
    Ok(alarm)
}

/// A case as it was kept, closed or not.
fn case_of(connection: &Connection, id: &str) -> rusqlite::Result<Option<Value>> {
    let mut query = connection.prepare_cached("SELECT value FROM kept WHERE key IN (?1, ?2) LIMIT 1")?;
    let keys = params![format!("case/{id}"), format!("closed/{id}")];
    let kept: Option<String> = query.query_row(keys, |row| row.get(0)).optional()?;
    Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
}
