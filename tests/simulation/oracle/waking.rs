//! Rules 4: an emergency that nobody acknowledges is told outside the room by a second path within 30 s, whatever was
//! killed meanwhile.
use std::collections::BTreeMap;

use serde_json::Value;
use shouwang_message::AlarmId;

use super::{Verdict, broken};
use crate::simulation::scenario::SECOND;

/// The second step stands at 30 s; a look comes every five, and a start takes a moment.
const SECOND_PATH: u64 = 37 * SECOND;

#[derive(Debug, Default)]
pub(in crate::simulation) struct Waking {
    cries: BTreeMap<AlarmId, Cry>,
    /// When the newest second step of each alarm was told.
    told: BTreeMap<AlarmId, u64>,
}

#[derive(Debug)]
struct Cry {
    occurrence: u64,
    /// First shown.
    since: u64,
    /// Waiting for a person all the time, at a board that runs.
    waits_since: u64,
}

impl Waking {
    pub(in crate::simulation) fn told(&mut self, now: u64, alarm: AlarmId, step: u32) {
        if step == 1 {
            self.told.insert(alarm, now);
        }
    }

    /// What a person sees at a board that runs since then.
    pub(in crate::simulation) fn look(&mut self, now: u64, rows: &[Value], running_since: u64) -> Verdict {
        let mut waiting = BTreeMap::new();
        for row in rows.iter().filter(|row| waits(row)) {
            let id = row["id"].as_str().and_then(|id| id.parse::<AlarmId>().ok());
            let (Some(id), Some(occurrence)) = (id, row["occurrence"].as_u64()) else { continue };
            let known = self.cries.remove(&id).filter(|cry| cry.occurrence == occurrence);
            let mut cry = known.unwrap_or(Cry { occurrence, since: now, waits_since: now });
            cry.waits_since = cry.waits_since.max(running_since);
            let is_told = self.told.get(&id).is_some_and(|told| *told + 6 * SECOND >= cry.since);
            if cry.waits_since + SECOND_PATH <= now && !is_told {
                let waits_s = (now - cry.waits_since) / SECOND;
                return broken("somebody-is-woken", format!("alarm {id} waits for {waits_s} s"));
            }
            waiting.insert(id, cry);
        }
        self.cries = waiting;
        Ok(())
    }
}

fn waits(row: &Value) -> bool {
    row["kind"] == "alarm"
        && row["priority"] == "emergency"
        && row["finished"] == false
        && ["acknowledged", "shelved", "suppressed", "out_of_service"].iter().all(|word| row[*word].is_null())
}
