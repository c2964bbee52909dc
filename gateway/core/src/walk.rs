//! The walk test (走测): an installer goes from door to door and triggers each listed device in earnest; its row turns
//! green when a duty room has that on its disk.
//!
//! A duty room must agree first. Only listed devices are in test, each for five minutes at most, and a device is live
//! again as soon as it has passed. One trigger is a test's: a second one is live.
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Acknowledged, AlarmId, Id, Instant, Sequence, Text, Timestamp, WalkInfo};

/// Devices of one walk: a stairwell or two.
pub const ROWS_MOST: usize = 64;
/// A duty room that has not agreed by then is asked again.
pub const ASKED_FOR: Duration = Duration::from_secs(10 * 60);
/// A walk ends by itself after this.
pub const WALK_MOST: Duration = Duration::from_secs(2 * 60 * 60);
/// A device waits for its trigger this long, then it is live again.
pub const ROW_MOST: Duration = Duration::from_secs(5 * 60);
/// From the sensor to the duty room's disk (requirement R1), besides the delay that the condition itself asks for.
pub const LIMIT: Duration = Duration::from_secs(10);
/// What the trigger began may go on for this long; then it is cried in earnest.
pub(crate) const CALM_AFTER: Duration = Duration::from_secs(60);
/// Who walks, in characters.
const NAME_CHARS: usize = 32;

/// What an installer does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkStep {
    /// Ask the duty room to agree to a walk by this person over these devices.
    Ask { by: String, devices: Vec<Id> },
    /// This device once more: it was missed, or was too slow.
    Again { device: Id },
    /// All that can be done is done. Refused while a sensor is not back to normal.
    Finish,
    /// Everything is live again at once.
    Abort,
}

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalkState {
    /// The duty room has not answered.
    Asked,
    /// The duty room agreed.
    Accepted,
    Finished,
    /// Given up at the box, or nobody went on for too long.
    Ended,
    /// The duty room said no.
    Refused,
}

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    Waiting,
    /// In test: trigger it.
    Test,
    /// Triggered; the duty room has not heard it yet.
    Triggered,
    Passed,
    /// Heard, but after more than [`LIMIT`].
    Slow,
    /// No trigger, or not heard of.
    Missed,
}

/// Where the time went, ms: the sum is what a person waited for at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// From the last reading that was normal to the judgement: longer than it can have taken.
    pub sensor_ms: u64,
    /// On the gateway's disk after the judgement.
    pub gateway_ms: Option<u64>,
    /// The broker's receipt after the judgement.
    pub broker_ms: Option<u64>,
    /// The duty room's own receipt after the judgement: it is on its disk and on its boards.
    pub board_ms: Option<u64>,
}

/// One device of a walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub device: Id,
    pub state: RowState,
    /// The condition that the trigger raised.
    pub condition: Option<String>,
    pub triggered_at: Option<Timestamp>,
    pub times: Times,
    #[serde(skip)]
    pub(crate) run: Run,
}

/// What is measured in steady time, which no restart keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The last reading that was normal.
    pub(crate) normal_at: Instant,
    pub(crate) triggered: Option<Trigger>,
    /// What the trigger began and still holds is cried in earnest then.
    pub(crate) calm_by: Option<Instant>,
}

/// The cry that is followed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trigger {
    pub(crate) at: Instant,
    pub(crate) alarm: AlarmId,
    pub(crate) cry: Sequence,
    pub(crate) limit: Duration,
}

/// The newest walk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Walk {
    pub id: AlarmId,
    pub state: WalkState,
    pub by: String,
    pub asked_at: Timestamp,
    pub accepted: Option<Acknowledged>,
    pub ended_at: Option<Timestamp>,
    pub rows: Vec<Row>,
    #[serde(skip)]
    pub(crate) until: Instant,
}

/// The newest walk, if there was any, and why the installer's last step was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Walks {
    #[serde(with = "snapshot")]
    pub(crate) newest: Option<Walk>,
    pub(crate) refused: Option<Text>,
}

/// With the steady times that are not kept over a restart.
mod snapshot {
    use alloc::vec::Vec;

    use serde::{Deserializer, Serializer};

    use super::*;

    type Whole = Option<(Walk, Instant, Vec<Run>)>;

    pub(super) fn serialize<S: Serializer>(newest: &Option<Walk>, to: S) -> Result<S::Ok, S::Error> {
        let runs = |walk: &Walk| walk.rows.iter().map(|row| row.run).collect::<Vec<_>>();
        newest.as_ref().map(|walk| (walk, walk.until, runs(walk))).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Walk>, D::Error> {
        Ok(Whole::deserialize(from)?.map(|(mut walk, until, runs)| {
            walk.until = until;
            walk.rows.iter_mut().zip(runs).for_each(|(row, run)| row.run = run);
            walk
        }))
    }
}

impl Times {
    /// From the sensor to the duty room, if it came there.
    pub fn total_ms(&self) -> Option<u64> {
        Some(self.sensor_ms + self.board_ms?)
    }
}

impl Row {
    pub(crate) fn new(device: Id) -> Self {
        Self {
            device,
            state: RowState::Waiting,
            condition: None,
            triggered_at: None,
            times: Times::default(),
            run: Run::default(),
        }
    }

    /// It waits for its trigger from now on.
    pub(crate) fn begin(&mut self, now: Instant) {
        *self = Self { state: RowState::Test, ..Self::new(self.device.clone()) };
        self.run.normal_at = now;
    }

    pub(crate) fn triggered(&mut self, at: Timestamp, condition: &str, trigger: Trigger) {
        self.state = RowState::Triggered;
        self.condition = Some(condition.to_string());
        self.triggered_at = Some(at);
        self.times = Times { sensor_ms: ms(trigger.at.since(self.run.normal_at)), ..Times::default() };
        self.run.triggered = Some(trigger);
        self.run.calm_by = Some(trigger.at + CALM_AFTER);
    }

    /// The duty room has the cry. True if it came in time.
    pub(crate) fn heard(&mut self, now: Instant) -> bool {
        let Some(trigger) = self.run.triggered.take() else { return false };
        let after = now.since(trigger.at);
        self.times.board_ms = Some(ms(after));
        let in_time = Duration::from_millis(self.times.sensor_ms) + after <= trigger.limit;
        self.state = if in_time { RowState::Passed } else { RowState::Slow };
        in_time
    }
}

impl Walk {
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, WalkState::Asked | WalkState::Accepted)
    }
}

impl Walks {
    pub(crate) fn open(&self) -> Option<&Walk> {
        self.newest.as_ref().filter(|walk| walk.is_open())
    }

    pub(crate) fn open_mut(&mut self) -> Option<&mut Walk> {
        self.newest.as_mut().filter(|walk| walk.is_open())
    }

    /// The device's row of the walk that is on.
    pub(crate) fn row_mut(&mut self, device: &Id) -> Option<&mut Row> {
        self.open_mut()?.rows.iter_mut().find(|row| row.device == *device)
    }

    /// What the duty room is told.
    pub(crate) fn info(&self) -> Option<WalkInfo> {
        let walk = self.open()?;
        Some(WalkInfo {
            id: walk.id,
            by: walk.by.clone(),
            asked_at: walk.asked_at,
            accepted: walk.accepted.clone(),
            devices: walk.rows.iter().map(|row| row.device.clone()).collect(),
        })
    }
}

/// A name as it may be told on: none if nothing is left of it.
pub(crate) fn named(by: &str) -> Option<String> {
    let name: String = by.trim().chars().filter(|letter| !letter.is_control()).take(NAME_CHARS).collect();
    (!name.is_empty()).then_some(name)
}

pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
