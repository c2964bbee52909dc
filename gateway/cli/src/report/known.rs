//! What a gateway's database remembers of its devices: read beside a gateway that runs, and never written.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde::Deserialize;
use shouwang_core::walk::{RowState, Walk, WalkState};
use shouwang_duty_room::clock::local;
use shouwang_gateway::store::FILE_NAME;
use shouwang_message::{Id, Timestamp};

/// A gateway that writes is waited for so long.
const BUSY: Duration = Duration::from_secs(5);

/// Of all devices, and of the newest walk.
#[derive(Debug, Default)]
pub(crate) struct Known {
    devices: BTreeMap<String, Remembered>,
    walk: Option<Walk>,
    /// There is a database at all.
    pub(crate) has_run: bool,
}

/// Of one device, in the words the engine keeps it in.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Remembered {
    #[serde(default)]
    pub(crate) proven_at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) frozen: BTreeMap<String, u32>,
    #[serde(default)]
    serial_no: Option<String>,
    /// From the sensor to the duty room's disk, when it was proven.
    #[serde(default)]
    pub(crate) proven_ms: Option<u64>,
}

impl Known {
    pub(crate) fn read(state_dir: &Path) -> Result<Self, rusqlite::Error> {
        let file = state_dir.join(FILE_NAME);
        if !file.exists() {
            return Ok(Self::default());
        }
        let database = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        database.busy_timeout(BUSY)?;
        let mut known = Self { has_run: true, ..Self::default() };
        let mut kept = database
            .prepare("SELECT key, value FROM kept WHERE key = 'walk' OR key LIKE 'device/%' ORDER BY key")?;
        let mut rows = kept.query([])?;
        while let Some(row) = rows.next()? {
            let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            match key.strip_prefix("device/") {
                Some(id) => {
                    if let Ok(device) = serde_json::from_slice(&value) {
                        known.devices.insert(id.to_owned(), device);
                    }
                }
                None => known.walk = serde_json::from_slice(&value).ok(),
            }
        }
        Ok(known)
    }

    /// What is known of a device; what was known of a unit with another serial number is not.
    pub(crate) fn of(&self, id: &Id, serial_no: Option<&str>) -> Option<&Remembered> {
        let known = self.devices.get(id.as_str())?;
        let is_another =
            matches!((known.serial_no.as_deref(), serial_no), (Some(was), Some(is)) if was != is);
        (!is_another).then_some(known)
    }

    pub(crate) fn walk(&self) -> String {
        let Some(walk) = &self.walk else { return "还没有走测 · none yet".into() };
        let state = match walk.state {
            WalkState::Asked => "等值班室同意 · asked",
            WalkState::Accepted => "正在走测 · under way",
            WalkState::Finished => "已完成 · finished",
            WalkState::Ended => "中途结束 · ended",
            WalkState::Refused => "值班室未同意 · refused",
        };
        let passed = walk.rows.iter().filter(|row| row.state == RowState::Passed).count();
        let at = local(walk.asked_at, "%Y-%m-%d %H:%M");
        format!("{at} {} · {state} · 通过 passed {passed}/{}", walk.by, walk.rows.len())
    }
}
