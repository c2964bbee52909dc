//! What gateways say, one function per document: checked, sorted into its log, shown.
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{
    AlarmDocument, AlarmId, CommandName, CommandRecord, DeviceStateDocument, Event, EventData, Heartbeat, Id,
    InfoDocument, Instant, Leaf, LogId, Reply, StateDocument, StoreHealth, Text, Topic,
};

use crate::board::{Board, Effect};
use crate::hearing::{Cursor, Place};
use crate::ladder::CATCHES_UP_WITHIN;
use crate::logbook::{LogLine, at_gateway};
use crate::planted::{self, Bug};
use crate::presence::Presence;
use crate::trust::{self, Refusal};
use crate::{GatewayName, bounds, kept, welfare};

/// A lost device is a row of its own only if its gateway tells no fault for it within this.
pub(crate) const DEVICE_SHOWN_AFTER: Duration = Duration::from_secs(5);

/// How a device's state came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// On its topic, right now: it counts whatever its clock says.
    Live,
    /// On its topic, kept by the broker: a leftover if something live came before it on this link.
    Kept,
    /// As an event, perhaps long after it happened.
    Logged,
}

impl Board {
    pub(crate) fn arrived(&mut self, now: Instant, topic: &str, payload: &[u8], retained: bool) {
        let heard = trust::topic(topic, payload, retained)
            .and_then(|topic| self.listen(now, topic, payload, retained));
        if let Err(refusal) = heard {
            self.refuse(refusal);
        }
    }

    fn listen(&mut self, now: Instant, topic: Topic, payload: &[u8], retained: bool) -> Result<(), Refusal> {
        let whom = GatewayName { site: topic.site, gateway: topic.gateway };
        // Nobody speaks for this room.
        if whom == self.own_name() {
            return Err(Refusal::Topic);
        }
        let known = self.gateways.contains_key(&whom);
        // Emptied retained topics of a gateway that was taken away do not make it known.
        if payload.is_empty() && !(known && matches!(topic.leaf, Leaf::Alarm(_))) {
            return Err(Refusal::Unreadable);
        }
        if !known && self.gateways.len() >= bounds::GATEWAYS {
            let own = self.own_name();
            let text = Text::new("网关数量超过上限", "More gateways than this duty room can hold");
            self.gap(&own, "too_many_gateways", 1, text);
            return Err(Refusal::TooManyGateways);
        }
        match topic.leaf {
            Leaf::Event => self.event_arrived(now, &whom, trust::document(payload)?)?,
            Leaf::State => self.state_arrived(now, &whom, &trust::document(payload)?, retained),
            Leaf::Info => self.info_arrived(now, &whom, trust::document(payload)?, retained),
            Leaf::Heartbeat => self.heartbeat_arrived(now, &whom, &trust::document(payload)?),
            Leaf::Alarm(id) if payload.is_empty() => self.alarm_withdrawn(&whom, id),
            Leaf::Alarm(id) => self.alarm_arrived(&whom, id, trust::document(payload)?)?,
            Leaf::DeviceState(device) => {
                let told = if retained { Told::Kept } else { Told::Live };
                self.device_arrived(now, &whom, &device, trust::document(payload)?, told);
            }
            Leaf::Reply(_) => self.reply_arrived(now, &whom, trust::document(payload)?),
            Leaf::DeviceValues(device) => {
                let document = trust::document(payload)?;
                self.stages_arrived(now, &whom, &device, &document, retained);
                self.values_arrived(now, &whom, &device, document, retained);
            }
            Leaf::History => self.history_arrived(&whom, &trust::document(payload)?)?,
            Leaf::Heard(_) | Leaf::Command(_) => return Err(Refusal::Topic),
        }
        if !known && let Some(gateway) = self.gateways.get_mut(&whom) {
            if gateway.watch.next_deadline().is_none() && gateway.watch.presence == Presence::Unknown {
                gateway.watch.link(Some(now));
            }
            self.changed = true;
        }
        Ok(())
    }

    fn event_arrived(&mut self, now: Instant, whom: &GatewayName, event: Event) -> Result<(), Refusal> {
        if event.site != whom.site || event.gateway != whom.gateway || !owns(whom, &event.data) {
            return Err(Refusal::Contradiction);
        }
        let log = event.log;
        if planted::has(Bug::TellsApartByTime) && event.time.unix_ms() + 600_000 < self.wall.unix_ms() {
            return Ok(());
        }
        let room = self.room();
        self.follow_log(whom, log);
        let Some(cursor) = self.gateway(whom).and_then(|gateway| gateway.logs.get_mut(&log)) else {
            return Err(Refusal::TooManyGateways);
        };
        match cursor.place(now, &event) {
            // Without room for it on its way to the disk the event is left: it counts as missing and comes again.
            Place::Next if room == 0 => cursor.behind(now),
            Place::Next => {
                let events = cursor.drain(now, event, room);
                self.take(now, whom, log, events);
            }
            Place::Duplicate => {
                let heard = event.sequence <= cursor.committed();
                self.counts.duplicates += 1;
                if heard {
                    self.speak(whom);
                }
            }
            Place::Early => {
                self.counts.early += 1;
                // An alarm waits for nobody, not even for the events before it.
                if let EventData::Alarm(_, document) = event.data {
                    let _ = self.show_alarm(whom, *document);
                }
            }
        }
        Ok(())
    }

    /// Makes `log` the gateway's current one, with a cursor at its start if it was never seen.
    fn follow_log(&mut self, whom: &GatewayName, log: LogId) -> bool {
        let Some(gateway) = self.gateway(whom) else { return false };
        let unknown = !gateway.logs.contains_key(&log);
        let follows_another = gateway.current.is_some_and(|current| current != log);
        if follows_another {
            gateway.watch.new_log();
        }
        gateway.current = Some(log);
        if unknown && let Some(forgotten) = gateway.add_log(log, Cursor::default()) {
            self.keep.push((kept::cursor(whom, forgotten), None));
        }
        if unknown && follows_another {
            // A new log is a new process.
            self.end_unlogged(whom);
        }
        unknown
    }

    /// Hands events to the disk, in sequence, and shows what they say.
    pub(crate) fn take(&mut self, now: Instant, whom: &GatewayName, log: LogId, events: Vec<Event>) {
        let Some(last) = events.last().map(|event| event.sequence) else { return };
        for event in &events {
            match &event.data {
                EventData::Alarm(change, document) => self.take_alarm(whom, *change, document),
                EventData::FaultRaised(fault) => self.take_fault(whom, fault),
                EventData::FaultCleared(fault) => self.take_cleared_fault(now, whom, fault),
                EventData::Gap(record) => {
                    self.gap(whom, &record.what, record.count, record.why.clone());
                }
                EventData::DeviceState(state) => {
                    if let Ok(device) = event.subject.parse() {
                        self.device_arrived(now, whom, &device, state.clone(), Told::Logged);
                    }
                }
                EventData::Command(record) => {
                    if record.ok {
                        self.confirmed_by_log(whom, &record.txn);
                    }
                    self.log_replaced(whom, &event.subject, record);
                }
                EventData::Boot(_) | EventData::Clock(_) => {}
            }
        }
        self.events.extend(events);
        self.keep.push((kept::cursor(whom, log), Some(alloc::format!("{last}"))));
        self.effects.push(Effect::Heard { whom: whom.clone(), log, up_to: last });
        self.changed = true;
    }

    /// A reload that is about one device put another unit in its place: the reason has both numbers.
    fn log_replaced(&mut self, whom: &GatewayName, device: &str, record: &CommandRecord) {
        let Some((old, new)) = record.reason.as_deref().and_then(|reason| reason.split_once(" -> ")) else {
            return;
        };
        if record.name != CommandName::Reload || device == whom.gateway.as_str() {
            return;
        }
        self.log.push(LogLine {
            at: record.at,
            by: record.by.clone(),
            from: at_gateway(whom),
            what: "device.replaced".into(),
            about: None,
            old: Some(old.into()),
            new: Some(new.into()),
            note: Some(device.into()),
        });
    }

    fn state_arrived(&mut self, now: Instant, whom: &GatewayName, state: &StateDocument, retained: bool) {
        let Some(gateway) = self.gateway(whom) else { return };
        let before = gateway.watch.boot();
        if !gateway.watch.state(now, state, retained) {
            return;
        }
        self.boot_seen(whom, before, state.boot);
        self.changed = true;
        if state.state == shouwang_message::GatewayState::Ready {
            if let Some(gateway) = self.gateways.get_mut(whom).filter(|_| !retained) {
                gateway.processes.born(state.boot, state.connection);
            }
            if let Some(gateway) = self.gateways.get_mut(whom) {
                gateway.catches_up_until = now + CATCHES_UP_WITHIN;
            }
            for pending in self.pending.values_mut().filter(|pending| pending.whom() == *whom) {
                pending.hurry(now);
            }
            self.speak(whom);
        }
    }

    fn boot_seen(&mut self, whom: &GatewayName, before: Option<u32>, boot: u32) {
        if before.is_some_and(|before| before < boot) {
            self.end_unlogged(whom);
        }
    }

    fn info_arrived(&mut self, now: Instant, whom: &GatewayName, info: InfoDocument, retained: bool) {
        if self.follow_log(whom, info.log)
            && let Some(cursor) = self.gateway(whom).and_then(|gateway| gateway.logs.get_mut(&info.log))
        {
            cursor.missing(now);
        }
        if !retained {
            self.note_process(now, whom, &info);
        }
        self.stations_arrived(whom, info.stations);
        self.walk_arrived(whom, info.walk);
        let Some(gateway) = self.gateway(whom) else { return };
        gateway.title = Some(info.name);
        for device in gateway.devices.values_mut() {
            device.listed = false;
        }
        for told in info.devices.into_iter().take(bounds::DEVICES_PER_GATEWAY) {
            if gateway.devices.len() >= bounds::DEVICES_PER_GATEWAY && !gateway.devices.contains_key(&told.id)
            {
                break;
            }
            let device = gateway.devices.entry(told.id).or_default();
            if device.line.as_ref() != Some(&told.line) {
                device.line = Some(told.line);
                gateway.devices_at = gateway.devices_at.min(now + DEVICE_SHOWN_AFTER);
            }
            device.class = Some(told.class);
            device.place = told.place;
            device.title = Some(told.title);
            device.listed = true;
        }
        self.changed = true;
    }

    fn heartbeat_arrived(&mut self, now: Instant, whom: &GatewayName, heartbeat: &Heartbeat) {
        let Some(gateway) = self.gateway(whom) else { return };
        let (before, boot_before) = (gateway.watch.presence, gateway.watch.boot());
        if !gateway.watch.heartbeat(now, heartbeat.boot) {
            return;
        }
        gateway.store = heartbeat.store;
        gateway.heartbeat = Some(heartbeat.clone());
        self.changed |= before != Presence::Present;
        self.boot_seen(whom, boot_before, heartbeat.boot);
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        let Some(cursor) = gateway.current.and_then(|log| gateway.logs.get_mut(&log)) else { return };
        if heartbeat.sequence > cursor.taken() {
            cursor.behind(now);
            gateway.catches_up_until = now + CATCHES_UP_WITHIN;
        } else {
            cursor.nothing_missing();
            if heartbeat.sequence <= cursor.committed() {
                self.drop_withdrawn(whom);
                // What its disk has yet to take may still explain why it does not know an alarm.
                if heartbeat.store == StoreHealth::Ok {
                    self.close_unknown(whom);
                }
            }
        }
    }

    fn alarm_arrived(
        &mut self,
        whom: &GatewayName,
        id: AlarmId,
        document: AlarmDocument,
    ) -> Result<(), Refusal> {
        if document.id != id || document.gateway != whom.gateway {
            return Err(Refusal::Contradiction);
        }
        self.gateway(whom);
        let revision = document.revision;
        self.show_alarm(whom, document)?;
        if let Some(row) = self.rows.get_mut(&id) {
            row.on_topic = row.on_topic.max(revision);
        }
        Ok(())
    }

    fn device_arrived(
        &mut self,
        now: Instant,
        whom: &GatewayName,
        device: &Id,
        state: DeviceStateDocument,
        told: Told,
    ) {
        let state = welfare::safe(state);
        let Some(gateway) = self.gateway(whom) else { return };
        if gateway.devices.len() >= bounds::DEVICES_PER_GATEWAY && !gateway.devices.contains_key(device) {
            let text = Text::new("设备数量超过上限", "More devices than this duty room can hold");
            return self.gap(whom, "too_many_devices", 1, text);
        }
        let known = gateway.devices.entry(device.clone()).or_default();
        let outdated = match told {
            Told::Live => false,
            Told::Kept => known.live,
            // A log told again runs through the past; the topic has the present.
            Told::Logged => known.on_topic,
        };
        if outdated {
            return;
        }
        known.live |= told == Told::Live;
        known.on_topic |= told != Told::Logged;
        if known.state.as_ref() != Some(&state) {
            let why = known.state.as_ref().and_then(|known| known.why.as_ref());
            if !known.is_bad() || why != state.why.as_ref() {
                known.row_at = now + DEVICE_SHOWN_AFTER;
            }
            known.state = Some(state);
            gateway.devices_at = now;
            self.changed = true;
        }
    }

    fn reply_arrived(&mut self, now: Instant, whom: &GatewayName, reply: Reply) {
        if let Some(gateway) = self.gateways.get_mut(whom)
            && let Some((_, log)) = gateway.resends.iter().find(|(txn, _)| *txn == reply.txn)
        {
            let gone = !reply.ok && reply.error.is_some_and(|error| error.code == "too_old");
            if gone && let Some(cursor) = gateway.logs.get_mut(log) {
                cursor.gone(now);
            }
            return;
        }
        self.answered(whom, reply);
    }
}

/// A document inside an event names the gateway that tells it.
fn owns(whom: &GatewayName, data: &EventData) -> bool {
    match data {
        EventData::Alarm(_, document) => document.gateway == whom.gateway,
        EventData::FaultRaised(fault) | EventData::FaultCleared(fault) => fault.gateway == whom.gateway,
        _ => true,
    }
}
