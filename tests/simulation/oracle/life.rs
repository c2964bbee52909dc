//! Points 5 and 9: the life of each alarm as its events tell it, and who had a hand in it.
use std::collections::BTreeMap;

use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Class, Event, EventData, Timestamp};

use super::{Verdict, broken};

#[derive(Debug, Default)]
pub(in crate::simulation) struct Life {
    alarms: BTreeMap<AlarmId, Alarm>,
    /// Who asked to acknowledge which cry of what.
    asked: BTreeMap<AlarmId, Vec<(String, u32)>>,
    /// The newest revision that the board showed of each alarm, since the board's start.
    shown: BTreeMap<AlarmId, u64>,
}

#[derive(Debug)]
struct Alarm {
    active: bool,
    acknowledged: bool,
    was_reset: bool,
    is_over: bool,
    occurrence: u32,
    revision: u32,
    shelved_until: Option<Timestamp>,
}

impl Life {
    pub(in crate::simulation) fn person_asks(&mut self, alarm: AlarmId, by: &str, occurrence: u32) {
        self.asked.entry(alarm).or_default().push((by.to_owned(), occurrence));
    }

    /// An event is durable at the gateway.
    pub(in crate::simulation) fn durable(&mut self, event: &Event) -> Verdict {
        let EventData::Alarm(change, document) = &event.data else { return Ok(()) };
        if *change == AlarmChange::Acknowledged {
            self.acknowledged(document)?;
        }
        let id = document.id;
        let at = |what: &str| {
            broken("life-of-an-alarm", format!("{what}: {} of {}", document.condition, document.device))
        };
        if *change == AlarmChange::Raised {
            let alarm = Alarm {
                active: true,
                acknowledged: false,
                was_reset: false,
                is_over: false,
                occurrence: document.occurrence,
                revision: document.revision,
                shelved_until: None,
            };
            return match self.alarms.insert(id, alarm) {
                Some(_) => at("raised twice"),
                None => Ok(()),
            };
        }
        let Some(alarm) = self.alarms.get_mut(&id) else { return at("never raised") };
        if alarm.is_over {
            return at("goes on after its end");
        }
        if document.revision <= alarm.revision {
            return at("a revision that was there before");
        }
        alarm.revision = document.revision;
        match change {
            AlarmChange::Repeated => {
                if document.occurrence <= alarm.occurrence {
                    return at("a cry without a number");
                }
                (alarm.active, alarm.acknowledged, alarm.was_reset) = (true, false, false);
                alarm.occurrence = document.occurrence;
            }
            AlarmChange::Cleared => alarm.active = false,
            AlarmChange::Reset => (alarm.active, alarm.was_reset) = (false, true),
            AlarmChange::Acknowledged if alarm.acknowledged => return at("acknowledged twice"),
            AlarmChange::Acknowledged => alarm.acknowledged = true,
            AlarmChange::Shelved => {
                alarm.shelved_until = document.shelved.as_ref().map(|shelved| shelved.until);
            }
            AlarmChange::Unshelved => alarm.shelved_until = None,
            AlarmChange::Finished => {
                let needs_reset = document.condition == "smoke" || document.class == Class::Call;
                let may_end = !alarm.active && alarm.acknowledged && (alarm.was_reset || !needs_reset);
                if !may_end {
                    return at("finished too early");
                }
                alarm.is_over = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// At most one acknowledgement a cry, by somebody who asked for it having seen that cry.
    fn acknowledged(&self, document: &AlarmDocument) -> Verdict {
        let Some(by) = document.acknowledged.as_ref().map(|acknowledged| &acknowledged.by) else {
            return broken("acknowledged-by-name", "nobody's acknowledgement");
        };
        let asked = self.asked.get(&document.id);
        let has = asked
            .is_some_and(|asked| asked.iter().any(|(who, seen)| who == by && *seen >= document.occurrence));
        if has {
            return Ok(());
        }
        let what = format!("{by} has not seen cry {} of {}", document.occurrence, document.device);
        broken("acknowledged-by-name", what)
    }

    /// What a person decided for a time has ended by itself, some seconds ago.
    pub(in crate::simulation) fn shelvings_end(&self, wall: Timestamp, slack_ms: i64) -> Verdict {
        let over = |until: Timestamp| until.unix_ms() + slack_ms < wall.unix_ms();
        match self.alarms.iter().find(|(_, alarm)| !alarm.is_over && alarm.shelved_until.is_some_and(over)) {
            Some((id, _)) => broken("shelvings-end", format!("alarm {id} is still shelved")),
            None => Ok(()),
        }
    }

    pub(in crate::simulation) fn board_starts(&mut self) {
        self.shown.clear();
    }

    /// What a page shows of an alarm never goes back to what was before.
    pub(in crate::simulation) fn board_shows(&mut self, rows: &[serde_json::Value]) -> Verdict {
        for row in rows {
            let (Some(id), Some(revision)) = (row["id"].as_str(), row["revision"].as_u64()) else { continue };
            let Ok(id) = id.parse::<AlarmId>() else { continue };
            let newest = self.shown.entry(id).or_default();
            if revision < *newest {
                return broken("shown-never-goes-back", format!("alarm {id}: {revision} after {newest}"));
            }
            // What was told without the disk may have died with its process; then the disk's word counts.
            *newest = if row["unlogged"] == true { 0 } else { revision };
        }
        Ok(())
    }
}
