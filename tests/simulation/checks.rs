//! When the oracle looks: at what has just become durable, twice a second at what should have been told by
//! now, and after the healing at whether everything agrees.
use shouwang_board::{ListState, Presence};
use shouwang_message::{AlarmDocument, Event, Leaf, Timestamp, Topic, from_bytes, to_bytes};

use super::agenda::Thing;
use super::device::{Body, Manners};
use super::flow::call_of;
use super::oracle::{Care, Causes, Telling, Verdict, broken, is_told_in_time};
use super::scenario::{MS, SECOND};
use super::site;
use super::store::Mood;
use super::world::{HEALING, World};

/// How often the oracle looks.
const LOOK: u64 = SECOND / 2;
/// What was put aside comes back within this after its time, ms.
const SHELVED_SLACK_MS: i64 = 20_000;

impl World<'_> {
    /// Whatever the store has promised since the last look.
    pub(super) fn note_durable(&mut self) {
        let new = self.store.promised.get(self.seen_events..).unwrap_or_default();
        let events: Vec<Result<Event, _>> = new.iter().map(|(_, body)| from_bytes(body)).collect();
        self.seen_events += events.len();
        let mut known = Vec::new();
        for event in events {
            match event {
                Ok(event) => known.push(event),
                Err(error) => self.judge(broken("readable", format!("an event: {error}"))),
            }
        }
        for event in &known {
            self.telling.durable(event);
            let verdict = self.life.durable(event);
            self.judge(verdict);
            let verdict = self.care_durable(event);
            self.judge(verdict);
        }
        for (number, truth) in &mut self.truths {
            let of_unit: Vec<Event> =
                known.iter().filter(|event| call_of(event) == Some(*number)).cloned().collect();
            let device = format!("device-{number}");
            let judged = truth.committed(&of_unit, || self.store.recorded_presses(&device));
            if let Err(what) = judged
                && self.violation.is_none()
            {
                let at_s = self.now / SECOND;
                let what = format!("{device}: {what}");
                self.violation = Some(super::Violation { check: "calls", what, at_s });
            }
        }
    }

    fn care_durable(&mut self, event: &Event) -> Verdict {
        let now = self.now;
        let lately = |until: u64| until + 60 * SECOND >= now && until > 0;
        let line_of = |name: &str| name.strip_prefix("line-").and_then(|line| line.parse::<usize>().ok());
        let line = |name: &str| {
            let Some(line) = line_of(name).and_then(|line| self.lines.get(line)) else { return false };
            let odd =
                |device: &super::device::Device| device.manners != Manners::Good || lately(device.odd_until);
            !line.is_open || !line.is_whole || lately(line.odd_until) || line.devices.iter().any(odd)
        };
        let device = |number: u16| {
            let of =
                |line: &&super::line::Line| line.devices.iter().any(|device| device.shape.number == number);
            self.lines.iter().position(|it| of(&it)).is_some_and(|place| {
                // A button that is held is stuck, and says so.
                line(&format!("line-{place}"))
                    || self.lines[place].devices.iter().any(|device| {
                        device.shape.number == number && matches!(device.body, Body::CallUnit(_))
                    })
            })
        };
        let causes = Causes {
            line: &line,
            device: &device,
            store: self.health.store,
            uplink: self.health.uplink,
            hearing: self.health.hearing,
            clock: !self.scenario.has_clock,
        };
        self.care.durable(now, event, &causes)
    }

    /// Whatever the duty room has just made durable.
    pub(super) fn duty_room_stored(&mut self, new: usize) {
        let heard = &self.duty_room.heard;
        for (_, body) in &heard[heard.len() - new..] {
            let Ok(event) = from_bytes::<Event>(body) else { continue };
            if let Some(truth) = call_of(&event).and_then(|number| self.truths.get_mut(&number)) {
                truth.heard(&event);
            }
        }
    }

    pub(super) fn update_health(&mut self) {
        let now = self.now;
        let runs = self.gateway.engine.is_some() && !self.gateway.is_hung;
        self.health.process.set(now, runs);
        let disk = self.store.mood == Mood::Good && self.is_store_healthy();
        self.health.store.set(now, disk);
        let uplink = runs && self.broker.is_up && self.gateway.connection.is_some();
        let uplink = uplink && self.gateway.connection == self.broker.connection();
        self.health.uplink.set(now, uplink);
        self.health.connected.set(now, !runs || self.gateway.is_connected());
        let hears =
            self.broker.duty_room.is_some() && !self.duty_room.disk_fails && self.broker.loses_percent == 0;
        self.health.hearing.set(now, hears && self.duty_room.board.is_some());
        for (line, health) in self.lines.iter_mut().zip(&mut self.health.lines) {
            // Late answers and those of two at once spoil what others say meanwhile.
            let spoils = |device: &super::device::Device| {
                matches!(device.manners, Manners::Babbles | Manners::Clash | Manners::Late(_))
            };
            let well = line.is_open && line.is_whole && !line.devices.iter().any(spoils);
            health.set(now, well);
            if !well {
                line.odd_until = now;
            }
        }
    }

    fn is_store_healthy(&self) -> bool {
        let health =
            self.gateway.engine.as_ref().map(|engine| engine.store_health(self.gateway.instant(self.now)));
        health.is_none_or(|health| health == shouwang_message::StoreHealth::Ok)
    }

    /// Twice a second.
    pub(super) fn looks(&mut self) {
        self.agenda.enter(self.now + LOOK, Thing::Looks);
        let verdict = self.look_at_field();
        self.judge(verdict);
        let verdict = self.look_at_what_is_said();
        self.judge(verdict);
        let verdict = self.look_at_presence();
        self.judge(verdict);
        let verdict = self.look_at_waking();
        self.judge(verdict);
        let Some(healed_at) = self.healed_at else { return };
        match self.agreement() {
            Ok(()) => {
                self.agrees_since.get_or_insert(self.now);
            }
            Err(broken) if self.now > healed_at + HEALING => self.judge(Err(broken)),
            Err(_) => self.agrees_since = None,
        }
    }

    /// Every five seconds: the whole list is much to read.
    fn look_at_waking(&mut self) -> Verdict {
        let Some(board) = self.duty_room.board.as_ref().filter(|_| self.now.is_multiple_of(5 * SECOND))
        else {
            return Ok(());
        };
        self.waking.look(self.now, &board.list(ListState::Open), self.duty_room.started_at)
    }

    fn look_at_field(&self) -> Verdict {
        let (Some(engine), Some(process)) = (&self.gateway.engine, self.health.process.well_since()) else {
            return Ok(());
        };
        let store = self.health.store.well_since();
        for (place, (line, health)) in self.lines.iter().zip(&self.health.lines).enumerate() {
            if let (Some(down), Some(store)) = (line.closed_since, store) {
                self.care.line_is_told(self.now, place, down.max(process).max(store))?;
            }
            let Some(well) = health.well_since() else { continue };
            for device in &line.devices {
                let id = site::device_id(device.shape.number);
                let is_active = |condition: &str| {
                    engine
                        .alarms()
                        .any(|alarm| alarm.device == id && alarm.condition == condition && alarm.active)
                };
                is_told_in_time(self.now, device, well, process, is_active)?;
                if let (Some(silent), Some(store)) = (device.silent_since, store) {
                    let since = silent.max(well).max(process).max(store);
                    self.care.device_is_told(self.now, device.shape.number, since)?;
                }
            }
        }
        Ok(())
    }

    /// What a frame brought was said at once, whatever the disk did.
    fn look_at_what_is_said(&mut self) -> Verdict {
        while let Some((by, alarm, revision)) =
            self.expected.front().copied().filter(|(by, ..)| *by <= self.now)
        {
            self.expected.pop_front();
            let connected = self.health.uplink.well_since().max(self.health.process.well_since());
            let was_connected = connected.is_some_and(|since| since + SECOND + MS < by)
                && self.health.uplink.well_since().is_some()
                && self.gateway.is_connected();
            let is_open = self
                .gateway
                .engine
                .as_ref()
                .is_some_and(|engine| engine.alarms().any(|open| open.id == alarm));
            if was_connected && is_open && !self.telling.has_said(alarm, revision) {
                return broken("alarm-waits-for-nobody", format!("alarm {alarm} revision {revision}"));
            }
        }
        Ok(())
    }

    pub(super) fn board_thinks(&self) -> Option<Presence> {
        let board = self.duty_room.board.as_ref()?;
        board.gateways().next().map(|gateway| gateway.presence)
    }

    fn look_at_presence(&self) -> Verdict {
        let (store, process) = (self.health.store.well_since(), self.health.process.well_since());
        if let (Some(store), Some(process), Some(down)) = (store, process, self.health.connected.bad_since())
        {
            self.care.uplink_is_told(self.now, down.max(process).max(store))?;
        }
        if self.duty_room.board.is_none() {
            return Ok(());
        }
        let heard_since = self.health.hearing.well_since();
        let together = self.health.uplink.well_since().zip(heard_since).map(|(one, other)| one.max(other));
        let apart = self.health.uplink.bad_since().zip(heard_since).map(|(one, other)| one.max(other));
        Care::presence_is_true(self.now, self.board_thinks(), together, apart)
    }

    /// Everything that must agree when nothing is wrong any more.
    fn agreement(&self) -> Verdict {
        Telling::heard_is_committed(&self.store.promised, &self.duty_room.heard)?;
        let Some(engine) = &self.gateway.engine else { return broken("rest", "no gateway") };
        if self.store.is_busy() {
            return broken("rest", "a commit is under way");
        }
        for device in self.lines.iter().flat_map(|line| &line.devices) {
            let id = site::device_id(device.shape.number);
            for condition in ["smoke", "level"] {
                let Some(truth) = device.truth(condition) else { continue };
                let is_open = |alarm: &AlarmDocument| {
                    alarm.device == id && alarm.condition == condition && alarm.active
                };
                if engine.alarms().any(is_open) != truth.active {
                    return broken("open-equals-truth", format!("{condition} of {id} is {}", truth.active));
                }
            }
            if let (Body::CallUnit(unit), Some(truth)) = (&device.body, self.truths.get(&device.shape.number))
            {
                let Some((counters, display)) = unit.look() else { return broken("calls", "a unit is off") };
                if counters.latched {
                    return broken("calls", format!("a press of {id} was not echoed"));
                }
                truth.agree(display).or_else(|what| broken("calls", format!("{id}: {what}")))?;
            }
        }
        let faults = self.care.open_faults();
        if !faults.is_empty() || self.care.lost_devices() > 0 {
            return broken("faults-end", format!("{faults:?}, {} devices lost", self.care.lost_devices()));
        }
        self.boards_agree(engine)?;
        self.broker_agrees(engine)?;
        if !self.scenario.steps_clock() {
            let wall: Timestamp = self.wall();
            self.life.shelvings_end(wall, SHELVED_SLACK_MS)?;
        }
        Ok(())
    }

    /// What the page shows is what is open at the gateway, and nothing else is wrong.
    fn boards_agree(&self, engine: &shouwang_core::engine::Engine) -> Verdict {
        let Some(board) = &self.duty_room.board else { return broken("rest", "no duty room") };
        if self.board_thinks() != Some(Presence::Present) {
            return broken("presence-is-true", format!("{:?}", self.board_thinks()));
        }
        if !self.tickets.is_empty() {
            return broken("answered-once", "a request has no answer");
        }
        let mut shown = Vec::new();
        for row in board.list(ListState::Open) {
            // An alarm that is over stays for whoever still handles its case.
            if row["finished"] == true || is_orphan(&row, engine) {
                continue;
            }
            if row["pending"] == true || row["provisional"] == true {
                return broken("shown-equals-open", format!("pending or provisional: {row}"));
            }
            match row["kind"].as_str() {
                Some("alarm") => shown.push((row["id"].to_string(), row["revision"].as_u64())),
                Some("gap") => {}
                _ => return broken("shown-equals-open", format!("still shown: {row}")),
            }
        }
        let mut open: Vec<_> = engine
            .alarms()
            .map(|alarm| (format!("\"{}\"", alarm.id), Some(u64::from(alarm.revision))))
            .collect();
        shown.sort();
        open.sort();
        if shown != open {
            return broken("shown-equals-open", format!("shown {shown:?}, open {open:?}"));
        }
        Ok(())
    }

    /// What the broker keeps is what is so.
    fn broker_agrees(&self, engine: &shouwang_core::engine::Engine) -> Verdict {
        let mut kept = std::collections::BTreeMap::new();
        let mut states = 0;
        for (topic, body) in &self.broker.retained {
            match topic.parse::<Topic>().map(|topic| topic.leaf) {
                Ok(Leaf::Alarm(id)) if body != b"{}" => {
                    kept.insert(id, body.clone());
                }
                Ok(Leaf::DeviceState(_)) => states += 1,
                _ => {}
            }
        }
        for alarm in engine.alarms() {
            if kept.remove(&alarm.id) != Some(to_bytes(alarm)) {
                return broken("broker-keeps-what-is", format!("alarm {} is not kept as it is", alarm.id));
            }
        }
        kept.retain(|_, body| from_bytes::<AlarmDocument>(body).is_ok_and(|document| !document.unlogged));
        if let Some((id, _)) = kept.first_key_value() {
            return broken("broker-keeps-what-is", format!("alarm {id} is over and still kept"));
        }
        if states < self.scenario.devices.len() {
            let what = format!("{states} of {} devices' states", self.scenario.devices.len());
            return broken("broker-keeps-what-is", what);
        }
        Ok(())
    }

    /// How things stand when a fault strikes.
    pub(super) fn states(&self) -> Vec<&'static str> {
        let mut states = Vec::new();
        let mut is = |holds: bool, state| {
            if holds {
                states.push(state);
            }
        };
        let latched = |device: &super::device::Device| match &device.body {
            Body::CallUnit(unit) => unit.look().is_some_and(|(counters, _)| counters.latched),
            Body::Detector(_) => false,
        };
        let engine = self.gateway.engine.as_ref();
        is(engine.is_some_and(|engine| engine.alarms().next().is_some()), "alarm open");
        is(self.store.newest() > self.duty_room.newest(), "unheard");
        is(self.store.is_busy(), "committing");
        is(self.store.newest() > self.telling.published, "unsaid");
        is(engine.is_some() && self.health.uplink.well_since().is_none(), "no uplink");
        is(self.health.hearing.well_since().is_none(), "no duty room");
        is(self.lines.iter().flat_map(|line| &line.devices).any(latched), "latched");
        let ill =
            |line: &super::line::Line| line.devices.iter().any(|device| device.manners != Manners::Good);
        let down = |line: &super::line::Line| !line.is_open || !line.is_whole || ill(line);
        is(self.lines.iter().any(down), "line ill");
        is(self.health.store.well_since().is_none(), "disk ill");
        is(engine.is_none(), "gateway off");
        is(!self.tickets.is_empty(), "asked");
        if states.is_empty() {
            states.push("calm");
        }
        states
    }
}

/// An alarm that was told without the disk and died with its process: it stays on the list until a person has
/// seen that its gateway does not know it.
fn is_orphan(row: &serde_json::Value, engine: &shouwang_core::engine::Engine) -> bool {
    row["unlogged"] == true && !engine.alarms().any(|alarm| row["id"] == alarm.id.to_string())
}
