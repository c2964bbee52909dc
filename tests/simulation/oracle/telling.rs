//! Points 2, 3, 4, 8 and 11: save, then speak; alarms before the rest; nothing forgotten before it is heard;
//! and bounds.
use std::collections::BTreeMap;

use shouwang_core::output::{Commit, Publication};
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Event, EventData, Leaf, Sequence, from_bytes};

use super::{Verdict, broken};
use crate::simulation::store::Store;

/// Messages without a receipt at most: the client's own limit.
const IN_FLIGHT_MOST: usize = 100;
/// Above this an alarm's document may have to wait for a receipt.
const ROOM_ABOVE: usize = 80;
/// Pieces of state that a gateway of these sizes keeps at most: alarms, faults, devices, nonces.
const KEPT_MOST: usize = 400;

#[derive(Debug, Default)]
pub(in crate::simulation) struct Telling {
    /// The newest durable revision of each alarm.
    durable: BTreeMap<AlarmId, u32>,
    /// What this connection has published of each alarm: the newest revision.
    said: BTreeMap<AlarmId, u32>,
    /// Without a receipt on this connection: whether it is a device's values.
    in_flight: BTreeMap<u64, bool>,
    /// The newest event that was published.
    pub(in crate::simulation) published: Sequence,
}

impl Telling {
    pub(in crate::simulation) fn connects(&mut self) {
        self.said.clear();
        self.in_flight.clear();
    }

    pub(in crate::simulation) fn receipted(&mut self, token: u64) {
        self.in_flight.remove(&token);
    }

    /// An event is durable.
    pub(in crate::simulation) fn durable(&mut self, event: &Event) {
        if let EventData::Alarm(_, document) = &event.data {
            let revision = self.durable.entry(document.id).or_default();
            *revision = document.revision.max(*revision);
        }
    }

    pub(in crate::simulation) fn publishes(
        &mut self,
        token: Option<u64>,
        publication: &Publication,
        store: &Store,
    ) -> Verdict {
        let is_values = matches!(publication.topic.leaf, Leaf::DeviceValues(_));
        if let Some(token) = token {
            self.in_flight.insert(token, is_values);
        }
        if self.in_flight.len() > IN_FLIGHT_MOST {
            return broken("bounds", format!("{} messages in flight", self.in_flight.len()));
        }
        if is_values && self.in_flight.values().filter(|is_values| **is_values).count() > 1 {
            return broken("alarms-first", "more than one message of values is in flight");
        }
        match &publication.topic.leaf {
            Leaf::Event => self.publishes_event(&publication.body, store),
            Leaf::Alarm(id) if !publication.body.is_empty() => self.publishes_alarm(*id, &publication.body),
            _ => Ok(()),
        }
    }

    fn publishes_event(&mut self, body: &[u8], store: &Store) -> Verdict {
        let Ok(event) = from_bytes::<Event>(body) else { return broken("readable", "an event") };
        self.published = self.published.max(event.sequence);
        match store.body(event.sequence) {
            Some(durable) if durable == body => Ok(()),
            Some(_) => broken("one-event-a-number", format!("event {} has another body", event.sequence)),
            // From before this world.
            None if event.sequence <= store.newest() => Ok(()),
            None => broken("saved-then-said", format!("event {} is not on disk", event.sequence)),
        }
    }

    fn publishes_alarm(&mut self, id: AlarmId, body: &[u8]) -> Verdict {
        let Ok(document) = from_bytes::<AlarmDocument>(body) else { return broken("readable", "an alarm") };
        let said = self.said.entry(id).or_default();
        *said = document.revision.max(*said);
        let durable = self.durable.get(&id).copied().unwrap_or(0);
        if !document.unlogged && document.revision > durable {
            let what = format!("alarm {id} revision {} is not on disk", document.revision);
            return broken("saved-then-said", what);
        }
        Ok(())
    }

    /// The engine was told that this commit is on disk, and has said what it has to say.
    pub(in crate::simulation) fn after_commit(&self, commit: &[(AlarmId, u32, AlarmChange)]) -> Verdict {
        if self.in_flight.len() >= ROOM_ABOVE {
            return Ok(());
        }
        let over =
            |id: &AlarmId| commit.iter().any(|(of, _, change)| of == id && *change == AlarmChange::Finished);
        for (id, revision, _) in commit {
            if !over(id) && self.said.get(id).is_none_or(|said| said < revision) {
                return broken("alarms-first", format!("alarm {id} revision {revision} waits"));
            }
        }
        Ok(())
    }

    /// Whether this connection has said so much of an alarm.
    pub(in crate::simulation) fn has_said(&self, alarm: AlarmId, revision: u32) -> bool {
        self.said.get(&alarm).is_some_and(|said| *said >= revision)
    }

    /// What the engine hands to the store.
    pub(in crate::simulation) fn commits(commit: &Commit, heard: Sequence, store: &Store) -> Verdict {
        if let Some(closed) = commit.heard_up_to.filter(|closed| *closed > heard) {
            return broken("closed-is-heard", format!("event {closed} is closed, heard up to {heard}"));
        }
        if store.commits() > 0 {
            return broken("bounds", "two commits at a time");
        }
        if store.kept_keys() > KEPT_MOST {
            return broken("bounds", format!("{} pieces of state", store.kept_keys()));
        }
        Ok(())
    }

    /// At rest: everything durable at the gateway is durable at the duty room: once, in order, the same bytes.
    pub(in crate::simulation) fn heard_is_committed(
        promised: &[(Sequence, Vec<u8>)],
        heard: &[(Sequence, Vec<u8>)],
    ) -> Verdict {
        if let Some(((sequence, _), (other, _))) =
            promised.iter().zip(heard).find(|(promised, heard)| promised != heard)
        {
            let what = format!("committed event {sequence} was heard as {other}, or in other words");
            return broken("heard-equals-committed", what);
        }
        if promised.len() != heard.len() {
            let what = format!("{} events were committed, {} heard", promised.len(), heard.len());
            return broken("heard-equals-committed", what);
        }
        Ok(())
    }
}
