//! Rows made here of what a gateway's signs of life say: a gateway that is lost, a store that does not keep
//! what it is given, devices that are lost without a fault that says so; and of nobody being on watch here.
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{AlarmId, DeviceState, FaultDocument, Id, Instant, Priority, StoreHealth, Text};

use crate::GatewayName;
use crate::arrivals::DEVICE_SHOWN_AFTER;
use crate::board::{Board, Device};
use crate::leading::NOBODY_ON_WATCH;
use crate::presence::Presence;
use crate::row::{Row, RowKind};

/// No board that can sound for this long is a row of its own; sooner while an emergency waits for a person.
const NOBODY_AFTER: Duration = Duration::from_secs(60);
const NOBODY_WITH_EMERGENCY_AFTER: Duration = Duration::from_secs(30);

/// Whether a person would hear an alarm in this room.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    /// Since when no board can sound; none while one can.
    unheard_since: Option<Instant>,
    row: Option<AlarmId>,
    /// Whoever climbs has been told that nobody is on watch.
    is_told: bool,
    /// When to look next.
    look_at: Instant,
}

impl Guard {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            unheard_since: Some(now),
            row: None,
            is_told: false,
            look_at: now + NOBODY_WITH_EMERGENCY_AFTER,
        }
    }

    pub(crate) fn armed(&mut self, now: Instant, any: bool) {
        if any {
            *self = Self { unheard_since: None, row: self.row, is_told: false, look_at: now };
        } else if self.unheard_since.is_none() {
            *self = Self { row: self.row, ..Self::new(now) };
        }
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        self.look_at
    }

    /// So long that an emergency takes its second path at once.
    pub(crate) fn is_unheard(&self, now: Instant) -> bool {
        self.unheard_since.is_some_and(|since| since + NOBODY_WITH_EMERGENCY_AFTER <= now)
    }
}

impl Board {
    /// Nobody can hear an alarm here: a row says so until a board is armed again.
    pub(crate) fn look_at_guard(&mut self, now: Instant) {
        let Some(since) = self.guard.unheard_since else {
            self.guard.look_at = Instant::NEVER;
            if let Some(id) = self.guard.row.take() {
                self.close(id);
            }
            return;
        };
        if !self.guard.is_told && self.guard.is_unheard(now) {
            self.guard.is_told = true;
            self.outreach.touch_all();
        }
        if now < since + NOBODY_WITH_EMERGENCY_AFTER {
            return;
        }
        if self.guard.row.is_some() {
            self.guard.look_at = Instant::NEVER;
            return;
        }
        if now < since + NOBODY_AFTER && !self.has_waiting_emergency() {
            self.guard.look_at = since + NOBODY_AFTER;
            return;
        }
        self.guard.look_at = Instant::NEVER;
        self.nobody_on_watch();
    }

    fn nobody_on_watch(&mut self) {
        let text = Text::new("值班室无人值守:没有能发声的值守页", "Nobody on watch: no board here can sound");
        self.guard.row = self.room_trouble(NOBODY_ON_WATCH, text);
    }

    /// After a restart: if the leader was told that nobody is on watch, it is so until a board is armed.
    pub(crate) fn guard_restored(&mut self) {
        if self.was_told_of_nobody() {
            self.nobody_on_watch();
        }
    }

    fn has_waiting_emergency(&self) -> bool {
        self.rows.values().any(|row| row.is_live_emergency() && !self.is_acknowledged(row))
    }

    /// Presence decided by time, and its row.
    pub(crate) fn look_at_gateway(&mut self, now: Instant, whom: &GatewayName) {
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        gateway.watch.woke(now);
        let presence = gateway.watch.presence;
        let shown = gateway.row;
        let wanted = matches!(presence, Presence::Lost | Presence::Stopped);
        if shown.map(|(_, shown)| shown) == wanted.then_some(presence) {
            return;
        }
        gateway.row = None;
        if let Some((id, _)) = shown {
            self.close(id);
        }
        let (code, text) = match presence {
            Presence::Lost => ("gateway_lost", Text::new("网关失联", "Gateway lost")),
            Presence::Stopped => ("gateway_stopped", Text::new("网关已停止", "Gateway stopped")),
            Presence::Present | Presence::Unknown => return,
        };
        let row = self.own_row(RowKind::Gateway, whom, code, Priority::Urgent, text);
        if let (Some(id), Some(gateway)) = (row, self.gateways.get_mut(whom)) {
            gateway.row = Some((id, presence));
        }
    }

    /// A gateway whose disk fails cannot log that: its heartbeat says so, until its own fault is heard.
    pub(crate) fn look_at_store(&mut self, whom: &GatewayName) {
        let Some(gateway) = self.gateways.get(whom) else { return };
        let (told, shown) = (gateway.store, gateway.store_row);
        let wanted = (told != StoreHealth::Ok && !self.tells_fault(whom, STORE_FAILING)).then_some(told);
        if shown.map(|(_, shown)| shown) == wanted {
            return;
        }
        if let Some((id, _)) = shown {
            self.close(id);
        }
        let row = match wanted {
            Some(StoreHealth::Failing) => {
                let text = Text::new("网关存储写入失败", "The gateway cannot write to its disk");
                self.own_row(RowKind::Fault, whom, "store", Priority::Urgent, text)
            }
            Some(StoreHealth::Slow) => {
                let text = Text::new("网关存储写入缓慢", "The gateway's disk is slow");
                self.own_row(RowKind::Fault, whom, "store", Priority::Ordinary, text)
            }
            Some(StoreHealth::Ok) | None => None,
        };
        if let Some(gateway) = self.gateways.get_mut(whom) {
            gateway.store_row = row.map(|id| (id, told));
        }
    }

    /// Whether the gateway itself told such a fault and it is still open.
    fn tells_fault(&self, whom: &GatewayName, code: &str) -> bool {
        self.told_faults(whom)
            .any(|row| row.fault_document().is_some_and(|document| document.code == code && document.active))
    }

    fn told_faults(&self, whom: &GatewayName) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(|row| row.kind == RowKind::Fault && row.belongs_to(whom) && !row.made_here)
    }

    /// A fault of this gateway is over: what it said of its devices is no longer said by it, and what its
    /// heartbeat said of the store was said before.
    pub(crate) fn fault_is_over(&mut self, now: Instant, whom: &GatewayName, fault: &FaultDocument) {
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        if fault.code == STORE_FAILING {
            gateway.store = StoreHealth::Ok;
        }
        for (id, device) in &mut gateway.devices {
            let with_line = fault.line.is_some() && (device.line.is_none() || device.line == fault.line);
            if with_line || fault.device.as_ref() == Some(id) {
                device.row_at = now + DEVICE_SHOWN_AFTER;
            }
        }
        gateway.devices_at = now;
    }

    /// Rows for lost and faulty devices whose gateway tells no fault for them or for their line.
    pub(crate) fn look_at_devices(&mut self, now: Instant, whom: &GatewayName) {
        let Some(gateway) = self.gateways.get_mut(whom) else { return };
        if gateway.devices_at > now {
            return;
        }
        gateway.devices_at = Instant::NEVER;
        let told: Vec<&Id> = self.told_faults(whom).filter_map(Row::device).collect();
        let cut: Vec<&Id> = self
            .told_faults(whom)
            .filter_map(Row::fault_document)
            .filter(|document| document.code == LINE_DOWN && document.active)
            .filter_map(|document| document.line.as_ref())
            .collect();
        let Some(gateway) = self.gateways.get(whom) else { return };
        let mut next = Instant::NEVER;
        let mut open = Vec::new();
        let mut close = Vec::new();
        for (id, device) in &gateway.devices {
            let bad = device.is_bad() && !told.contains(&id) && !device.is_behind(&cut);
            match (bad, device.row) {
                (true, None) if device.row_at > now => next = next.min(device.row_at),
                (true, None) => open.push(id.clone()),
                (false, Some(row)) => close.push((id.clone(), row)),
                _ => {}
            }
        }
        for (id, row) in close {
            if let Some(device) = self.gateways.get_mut(whom).and_then(|gateway| gateway.devices.get_mut(&id))
            {
                device.row = None;
            }
            self.close(row);
        }
        for id in open {
            self.device_row(whom, &id);
        }
        if let Some(gateway) = self.gateways.get_mut(whom) {
            gateway.devices_at = gateway.devices_at.min(next);
        }
    }
}

/// The gateway's own word for a store that fails.
const STORE_FAILING: &str = "store_failing";
/// The fault of a line, and the reason of the devices that are lost with it.
pub(crate) const LINE_DOWN: &str = "line_down";

impl Device {
    pub(crate) fn is_bad(&self) -> bool {
        let state = self.state.as_ref().map(|state| state.state);
        matches!(state, Some(DeviceState::Lost | DeviceState::Fault))
    }

    /// Lost with one of these lines: the line's fault says it for all of them. While no `/info` has said which
    /// line is the device's, any will do.
    fn is_behind(&self, cut: &[&Id]) -> bool {
        let why = self.state.as_ref().and_then(|state| state.why.as_deref());
        why == Some(LINE_DOWN) && self.line.as_ref().map_or(!cut.is_empty(), |line| cut.contains(&line))
    }
}
