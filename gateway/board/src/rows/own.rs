//! Rows that the duty room makes itself: what was lost and counted, notes, its own troubles, devices that fell silent.
use shouwang_message::{AlarmId, Class, Clock, DeviceState, FaultDocument, Id, Place, Priority, Text};

use crate::board::Board;
use crate::row::{Row, RowKind};
use crate::{GatewayName, bounds};

impl Board {
    /// Counts a loss: one row per gateway and kind until a person has seen it.
    pub(crate) fn gap(&mut self, whom: &GatewayName, what: &str, count: u64, text: Text) {
        let same = self.rows.find_mut(|row| {
            row.kind == RowKind::Gap
                && row.belongs_to(whom)
                && row.fault_document().is_some_and(|document| document.code == what)
        });
        if let Some(row) = same {
            row.count = row.count.saturating_add(count);
            let row = row.clone();
            self.keep_row(&row, false);
            self.changed = true;
            return;
        }
        let gaps = self.rows.values().filter(|row| row.kind == RowKind::Gap).count();
        if gaps >= bounds::GAP_ROWS {
            if let Some(row) = self.rows.find_mut(|row| row.kind == RowKind::Gap) {
                row.count = row.count.saturating_add(count);
            }
            return;
        }
        let Some(id) = self.own_row(RowKind::Gap, whom, what, Priority::Ordinary, text) else { return };
        if let Some(row) = self.rows.get_mut(&id) {
            row.count = count;
            let row = row.clone();
            self.keep_row(&row, false);
        }
    }

    /// A row made here, not told by a gateway.
    pub(crate) fn own_row(
        &mut self,
        kind: RowKind,
        whom: &GatewayName,
        code: &str,
        priority: Priority,
        text: Text,
    ) -> Option<AlarmId> {
        self.own_device_row(kind, whom, None, None, Place::default(), code, priority, text)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one row; a struct would only repeat them")]
    fn own_device_row(
        &mut self,
        kind: RowKind,
        whom: &GatewayName,
        device: Option<Id>,
        class: Option<Class>,
        place: Place,
        code: &str,
        priority: Priority,
        text: Text,
    ) -> Option<AlarmId> {
        let id = self.new_id();
        let document = FaultDocument {
            id,
            gateway: whom.gateway.clone(),
            device,
            line: None,
            code: code.into(),
            class,
            priority,
            active: true,
            raised_at: self.wall,
            cleared_at: None,
            clock: Clock::Synced,
            place,
            text,
        };
        let mut row = Row { made_here: true, ..Row::other(kind, whom, document) };
        self.judge_loss(whom, &mut row);
        // What a person must see outlives this process.
        if row.after_alarm {
            self.keep_row(&row, false);
        }
        // Gap rows have their own, smaller bound and are how a full list is told: always room for them.
        if kind == RowKind::Gap {
            self.note_for_morning(&row);
            self.rows.insert(id, row);
            self.changed = true;
            return Some(id);
        }
        self.add(row).then_some(id)
    }

    pub(crate) fn new_id(&mut self) -> AlarmId {
        AlarmId::from_parts(self.unix_ms(), self.chance_of_an_id())
    }

    pub(crate) fn unix_ms(&self) -> u64 {
        u64::try_from(self.wall.unix_ms()).unwrap_or_default()
    }

    pub(crate) fn chance_of_an_id(&mut self) -> u128 {
        (u128::from(self.chance.draw()) << 64) | u128::from(self.chance.draw())
    }

    /// Something to read: one row of its code for each gateway or device, the newest.
    pub(crate) fn note(
        &mut self,
        whom: &GatewayName,
        device: Option<&Id>,
        place: Place,
        code: &str,
        text: Text,
    ) {
        let same = self.rows.values().find(|row| {
            row.kind == RowKind::Note
                && row.belongs_to(whom)
                && row.device() == device
                && row.fault_document().is_some_and(|document| document.code == code)
        });
        if let Some(id) = same.map(Row::id) {
            self.close(id);
        }
        let (kind, priority) = (RowKind::Note, Priority::Ordinary);
        let id = self.own_device_row(kind, whom, device.cloned(), None, place, code, priority, text);
        if let Some(row) = id.and_then(|id| self.rows.get(&id)).cloned() {
            self.keep_row(&row, false);
        }
    }

    /// A row for a device whose gateway says lost or fault without raising a fault.
    pub(crate) fn device_row(&mut self, whom: &GatewayName, id: &Id) {
        let Some(device) = self.gateways.get(whom).and_then(|gateway| gateway.devices.get(id)) else {
            return;
        };
        let lost = device.state.as_ref().is_some_and(|state| state.state == DeviceState::Lost);
        let (code, zh, en) =
            if lost { ("device_lost", "失联", "lost") } else { ("device_fault", "故障", "fault") };
        let text = match &device.title {
            Some(title) => Text::new(alloc::format!("{}{zh}", title.zh), alloc::format!("{} {en}", title.en)),
            None => Text::new(alloc::format!("设备{zh}"), alloc::format!("Device {en}")),
        };
        // A lost smoke detector is not a trifle.
        let life_safety = device.class.is_some_and(Class::is_life_safety);
        let priority = match (lost, life_safety) {
            (true, _) => self.priority_of_loss(&whom.site, id, device),
            (false, true) => Priority::Urgent,
            (false, false) => Priority::Ordinary,
        };
        let (class, place) = (device.class, device.place.clone());
        let row =
            self.own_device_row(RowKind::Fault, whom, Some(id.clone()), class, place, code, priority, text);
        if let Some(device) = self.gateways.get_mut(whom).and_then(|gateway| gateway.devices.get_mut(id)) {
            device.row = row;
        }
    }
}
