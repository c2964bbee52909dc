//! Where a row stands in the list: below what explains it, and with what people know of it here.
use serde_json::Value;

use crate::board::Board;
use crate::groups::Groups;
use crate::item::{Surroundings, item};
use crate::presence::Presence;
use crate::row::{Order, Row, RowKind};
use crate::supervision::Overdue;

/// Steps from an alarm to the last of those that explain it, one by the other.
const EXPLAINED_AT_MOST: u8 = 8;

impl Board {
    /// Acknowledged as far as people here know: also while the gateway has yet to confirm.
    pub(crate) fn is_acknowledged(&self, row: &Row) -> bool {
        row.acknowledged().is_some()
            || self
                .pending
                .values()
                .any(|pending| pending.alarm == row.id() && pending.acknowledged().is_some())
    }

    /// The row at the top of what explains this one, and how far up it is: an alarm is explained only by
    /// what is open here too.
    fn explained_by(&self, row: &Row) -> Option<(&Row, u8)> {
        let explaining = |row: &Row| {
            let by = self.rows.get(&row.suppressed_by()?)?;
            (by.site == row.site && by.gateway == row.gateway && !by.finished).then_some(by)
        };
        let (mut top, mut steps) = (explaining(row)?, 1);
        while let Some(by) = explaining(top) {
            (top, steps) = (by, steps + 1);
            // Longer than any profile's chain: alarms that explain one another explain nothing.
            if steps > EXPLAINED_AT_MOST {
                return None;
            }
        }
        Some((top, steps))
    }

    /// What is explained stands right below what explains it, and what is in a group below its group.
    pub(crate) fn place_in_list(&self, row: &Row, groups: &Groups<'_>) -> (Order, u8, Order) {
        let own = row.order(self.is_acknowledged(row));
        if let Some(group) = groups.of(row.id()) {
            return (group.place, 1, own);
        }
        match self.explained_by(row) {
            Some((top, steps)) => (top.order(self.is_acknowledged(top)), steps, own),
            None => (own, 0, own),
        }
    }

    /// One row by itself.
    pub(crate) fn item(&self, row: &Row) -> Value {
        self.item_in(row, &self.groups())
    }

    pub(crate) fn item_in(&self, row: &Row, groups: &Groups<'_>) -> Value {
        item(row, &self.surroundings(row, groups))
    }

    pub(crate) fn surroundings(&self, row: &Row, groups: &Groups<'_>) -> Surroundings<'_> {
        let gateway = self.gateways.get(&row.whom());
        let mut around = Surroundings {
            gateway_name: gateway.and_then(|gateway| gateway.title.as_deref()),
            gateway_lost: gateway
                .is_some_and(|gateway| matches!(gateway.watch.presence, Presence::Lost | Presence::Stopped)),
            device_state: row
                .device()
                .and_then(|device| gateway?.devices.get(device)?.state.as_ref())
                .map(|state| state.state.as_str()),
            explained: self.explained_by(row).is_some(),
            case: (row.kind == RowKind::Alarm).then(|| self.case_words(row)),
            overdue: self.cases.get(&row.id()).and_then(|case| case.overdue()).map(Overdue::as_str),
            in_group: groups.of(row.id()).map(|group| group.id),
            devices: self.devices_of(row),
            escalation: self.escalation_item(row),
            answering: self.answering_item(row),
            ..Surroundings::default()
        };
        for pending in self.pending.values().filter(|pending| pending.alarm == row.id()) {
            around.pending = true;
            if row.acknowledged().is_none() {
                around.acknowledged = around.acknowledged.or_else(|| pending.acknowledged());
            }
            around.shelved = around.shelved.or_else(|| pending.shelved());
            around.out_of_service = around.out_of_service.or_else(|| pending.out_of_service());
        }
        let document = row.alarm_document();
        let put_aside = around.shelved.is_some()
            || around.out_of_service.is_some()
            || document
                .is_some_and(|document| document.shelved.is_some() || document.out_of_service.is_some());
        let quiet = put_aside || around.explained || around.in_group.is_some();
        around.speaks_until = self.speaks_until(row).filter(|_| !quiet && !self.is_acknowledged(row));
        around.sound = self.sound_of(row, quiet || around.speaks_until.is_some());
        around.chatter = self.chatter_of(row);
        around.cry = self.cry_of(row);
        around
    }
}
