//! What the leader of the watch is told: that nobody is on watch in this room, or that a roll call has no answer. Both
//! climb steps of their own through the same ladder as alarms; one that comes and goes is not told each time.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use core::time::Duration;

use shouwang_message::{AlarmDocument, AlarmId, Class, FaultDocument, Instant, Priority, Text};

use crate::board::Board;
use crate::kept;
use crate::ladder::{Facts, Ladder};
use crate::row::{Row, RowKind};
use crate::telling::Subject;

/// No board that can sound.
pub(crate) const NOBODY_ON_WATCH: &str = "nobody_on_watch";
/// 查岗 without an answer for five minutes.
pub(crate) const ROLL_CALL_UNANSWERED: &str = "roll_call_unanswered";
/// Of the same trouble a phone hears again after this, not sooner: a page that keeps loading again wakes nobody each time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(900);

/// When each trouble was told last, in this process.
#[derive(Debug, Default)]
pub(crate) struct Leaders(BTreeMap<String, Instant>);

impl Row {
    /// This room itself needs a person.
    pub(crate) fn is_room_trouble(&self) -> bool {
        self.made_here && self.kind == RowKind::Fault && self.fault_document().is_some_and(is_trouble)
    }
}

fn is_trouble(fault: &FaultDocument) -> bool {
    [NOBODY_ON_WATCH, ROLL_CALL_UNANSWERED].contains(&fault.code.as_str())
}

impl Board {
    /// What the ladder must know of this room's own trouble; none if the row is about something else.
    pub(crate) fn facts_of_room(&self, row: &Row) -> Option<(Facts, Subject)> {
        let fault = row.fault_document().filter(|_| row.is_room_trouble())?;
        let told = self.outreach.leaders.0.get(&fault.code);
        let facts = Facts {
            cry: 1,
            priority: fault.priority,
            is_active: fault.active,
            is_acknowledged: self.is_acknowledged(row),
            is_finished: row.finished,
            is_quiet: false,
            case_steps: 0,
            may_be_over: false,
            not_before: told.map_or_else(Instant::default, |at| *at + TOLD_AGAIN_AFTER),
            // It has no case that could stand still.
            is_cared_for: true,
        };
        Some((facts, Subject { alarm: self.as_alarm(fault), is_room: true }))
    }

    /// The fields that a telling needs, in the words of somebody who is far away.
    fn as_alarm(&self, fault: &FaultDocument) -> AlarmDocument {
        let text = match fault.code.as_str() {
            NOBODY_ON_WATCH => {
                Text::new("无人值守(没有能发声的值守页)", "nobody on watch: no board can sound")
            }
            _ => Text::new("查岗 5 分钟无人应答", "a roll call without an answer for 5 min"),
        };
        AlarmDocument {
            revision: 0,
            active: fault.active,
            cleared_at: fault.cleared_at,
            clock: fault.clock,
            place: fault.place.clone(),
            text,
            ..AlarmDocument::new(
                fault.id,
                fault.gateway.clone(),
                self.settings.name.clone(),
                fault.code.clone(),
                Class::DigitalInput,
                fault.priority,
                fault.raised_at,
            )
        }
    }

    pub(crate) fn leader_is_told(&mut self, now: Instant, what: &str) {
        self.outreach.leaders.0.insert(what.to_string(), now);
    }

    /// What the process before told of this trouble goes on with its row of now.
    pub(crate) fn ladder_of_before(&mut self, what: &str) -> Option<Ladder> {
        let is_it = |ladder: &Ladder| ladder.room.as_deref() == Some(what) && ladder.waits_until.is_some();
        let id = self.outreach.ladders.iter().find(|(_, ladder)| is_it(ladder)).map(|(id, _)| *id)?;
        self.keep.push((kept::ladder(id), None));
        self.outreach.take(id)
    }

    /// Whoever was told before a restart that nobody is on watch is told when somebody is.
    pub(crate) fn was_told_of_nobody(&self) -> bool {
        self.outreach.ladders.values().any(|ladder| ladder.room.as_deref() == Some(NOBODY_ON_WATCH))
    }

    /// A trouble of this room begins.
    pub(crate) fn room_trouble(&mut self, what: &str, text: Text) -> Option<AlarmId> {
        let own = self.own_name();
        let row = self.own_row(RowKind::Fault, &own, what, Priority::Urgent, text);
        if let Some(id) = row {
            self.outreach.touch(id);
        }
        row
    }
}
