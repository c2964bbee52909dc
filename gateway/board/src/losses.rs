//! What is lost right after smoke or gas was there: a fire trips the power, so nobody may take it for a bad cable. It
//! is an emergency until a person has seen it, also when it is over before.
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{
    AlarmDocument, Class, DeviceState, Id, Instant, Mode, Place, Priority, Text, Timestamp,
};

use crate::GatewayName;
use crate::board::{Board, Device};
use crate::logbook::LogLine;
use crate::presence::Presence;
use crate::row::{Matter, Row, RowKind};

/// A loss within this time after smoke or gas on it is an emergency.
const AFTER_ALARM: Duration = Duration::from_secs(600);
/// Devices remembered; the one whose smoke is the longest ago goes.
const REMEMBERED: usize = 4_096;

/// When smoke or gas was there last, as it was heard here: gateways' clocks decide nothing.
pub(crate) type SmokeSeen = BTreeMap<(GatewayName, Id), Instant>;

impl Board {
    /// An alarm's document arrives: smoke or gas is there, or was until now.
    pub(crate) fn note_smoke(&mut self, whom: &GatewayName, document: &AlarmDocument) {
        if !is_smoke(document) {
            return;
        }
        let shown = self.rows.get(&document.id).and_then(Row::alarm_document);
        if document.active || shown.is_some_and(|shown| shown.active) {
            self.smoke_is_there(whom, &document.device);
        }
    }

    fn smoke_is_there(&mut self, whom: &GatewayName, device: &Id) {
        self.smoke_seen.insert((whom.clone(), device.clone()), self.now);
        if self.smoke_seen.len() > REMEMBERED {
            let oldest = self.smoke_seen.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.smoke_seen.remove(&key));
        }
    }

    /// After a restart: what is not over may have burnt a moment ago.
    pub(crate) fn remember_smoke(&mut self) {
        let open = self.rows.values().filter(|row| !row.finished);
        let burning =
            open.filter_map(|row| Some((row.whom(), row.alarm_document().filter(|d| is_smoke(d))?)));
        let burning: Vec<_> = burning.map(|(whom, document)| (whom, document.device.clone())).collect();
        for (whom, device) in burning {
            self.smoke_is_there(&whom, &device);
        }
    }

    fn burnt_lately(&self, whom: &GatewayName, device: &Id) -> bool {
        let seen = self.smoke_seen.get(&(whom.clone(), device.clone()));
        let burns = || {
            let rows = self.rows.values().filter(|row| row.belongs_to(whom) && !row.finished);
            rows.filter_map(Row::alarm_document)
                .any(|document| is_smoke(document) && document.active && document.device == *device)
        };
        seen.is_some_and(|at| self.now.since(*at) <= AFTER_ALARM || burns())
    }

    /// Whether this loss of a device or of a line is one right after smoke or gas.
    pub(crate) fn is_after_alarm(&self, whom: &GatewayName, row: &Row) -> bool {
        let Some(document) = row.fault_document() else { return false };
        let Some(gateway) = self.gateways.get(whom) else { return false };
        if row.kind != RowKind::Fault || !row.is_loss() {
            return false;
        }
        match &document.device {
            Some(device) => self.burnt_lately(whom, device),
            None => self.smoke_seen.keys().filter(|(at, _)| at == whom).any(|(_, device)| {
                // While nobody has said on which line a device is, it may be this one.
                let line = gateway.devices.get(device).and_then(|device| device.line.as_ref());
                line.is_none_or(|line| document.line.as_ref() == Some(line))
                    && self.burnt_lately(whom, device)
            }),
        }
    }

    /// The row of a loss is about to be added: as an emergency, if it is one.
    pub(crate) fn judge_loss(&mut self, whom: &GatewayName, row: &mut Row) {
        if row.after_alarm || !self.is_after_alarm(whom, row) {
            return;
        }
        row.after_alarm = true;
        self.log.push(LogLine {
            at: self.wall,
            by: self.settings.name.to_string(),
            from: "board".into(),
            what: "alarm.lost_after_alarm".into(),
            about: Some(row.id().to_string()),
            old: None,
            new: Some("emergency".into()),
            note: row.device().or(document_line(row)).map(Id::to_string),
        });
    }

    /// A kept row of a loss that was found here: what closes it must find it again.
    pub(crate) fn link_kept_loss(&mut self, row: &mut Row) {
        let Some(document) = row.fault_document().filter(|_| row.after_alarm && !row.finished) else {
            return;
        };
        let Some(device) = document.device.clone().filter(|_| document.code == "device_lost") else { return };
        let (id, whom) = (row.id(), row.whom());
        let Some(gateway) = self.gateway(&whom) else { return };
        gateway.devices.entry(device).or_default().row = Some(id);
        row.made_here = true;
    }

    /// How much a device's loss matters: nobody else may hear a fire, or a call, in this room.
    pub(crate) fn priority_of_loss(&self, site: &Id, device: &Id, lost: &Device) -> Priority {
        let cries = matches!(lost.class, Some(Class::Smoke | Class::Call));
        if cries && !self.is_covered(site, device, lost) { Priority::Urgent } else { Priority::Ordinary }
    }

    /// Another device of the same class watches the same room, whichever gateway reads it.
    fn is_covered(&self, site: &Id, device: &Id, lost: &Device) -> bool {
        let present = self.gateways.iter().filter(|(whom, gateway)| {
            whom.site == *site && matches!(gateway.watch.presence, Presence::Present | Presence::Unknown)
        });
        lost.place.room.is_some()
            && present.flat_map(|(_, gateway)| &gateway.devices).any(|(id, other)| {
                let state = other.state.as_ref().map(|state| state.state);
                id != device
                    && other.class == lost.class
                    && is_same_room(&other.place, &lost.place)
                    && state == Some(DeviceState::Online)
            })
    }
}

fn is_smoke(document: &AlarmDocument) -> bool {
    matches!(document.class, Class::Smoke | Class::Gas) && document.mode == Mode::Live
}

fn is_same_room(one: &Place, other: &Place) -> bool {
    one.room == other.room && one.entrance == other.entrance && one.building == other.building
}

impl Row {
    /// It stays until a person has seen it: a loss that is an emergency, or what was acknowledged by mistake.
    pub(crate) fn waits_for_a_person(&self) -> bool {
        (self.must_be_seen() && self.acknowledged.is_none()) || self.is_taken_back()
    }

    /// It outlives its cause and this process, until a person has seen it.
    pub(crate) fn must_be_seen(&self) -> bool {
        self.after_alarm || self.is_takeover()
    }

    /// What it says to a person.
    pub(crate) fn words(&self) -> Text {
        match &self.matter {
            Matter::Other(document) if self.after_alarm => Text::new(
                alloc::format!("报警后失联:{}", document.text.zh),
                alloc::format!("Lost after an alarm: {}", document.text.en),
            ),
            Matter::Other(document) => document.text.clone(),
            Matter::Alarm(document) => document.text.clone(),
        }
    }

    /// The name of its place; else of its device, its line or its gateway.
    pub(crate) fn whereabouts(&self) -> &str {
        let place = match &self.matter {
            Matter::Alarm(document) => &document.place,
            Matter::Other(document) => &document.place,
        };
        let thing = self.device().or(self.fault_document().and_then(|document| document.line.as_ref()));
        place.name.as_deref().unwrap_or_else(|| thing.unwrap_or(&self.gateway).as_str())
    }

    pub(crate) fn end(&mut self, at: Timestamp) {
        if let Matter::Other(document) = &mut self.matter
            && document.active
        {
            document.active = false;
            document.cleared_at = Some(at);
        }
        self.finished = true;
    }
}

fn document_line(row: &Row) -> Option<&Id> {
    row.fault_document()?.line.as_ref()
}
