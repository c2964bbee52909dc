//! What came of a telling, and which ways out of the house work.
use alloc::string::ToString;

use shouwang_message::{AlarmId, Id, Instant, Priority, Text};

use super::outreach::Complaint;
use crate::board::Board;
use crate::notice::DeliveryResult;
use crate::row::RowKind;

/// A channel that failed so often, one time after the other, is a fault.
const FAILING_AT: u32 = 2;

impl Board {
    /// What became of a notice. One that this process did not send was told by the one before.
    pub(crate) fn told(&mut self, now: Instant, ticket: u64, result: DeliveryResult) {
        let Some((id, channel, _)) = self.outreach.telling.remove(&ticket) else {
            return self.lost(now, ticket, result);
        };
        self.changed = true;
        if matches!(result, DeliveryResult::Delivered { .. }) {
            self.outreach.was_taken(ticket, id);
        }
        match &result {
            DeliveryResult::Delivered { .. } => self.channel_works(&channel),
            DeliveryResult::Failed { text, .. } => {
                let text = crate::trust::shown(text);
                self.channel_failed(&channel, &text);
            }
            DeliveryResult::Digested => {}
        }
        self.ladder_hears(now, id, ticket, result);
    }

    /// A network took it, and gives it up: it is tried again like one that failed. The channel works, the phone does not.
    fn lost(&mut self, now: Instant, ticket: u64, result: DeliveryResult) {
        if let Some(id) = self.outreach.taken.remove(&ticket) {
            self.changed = true;
            self.ladder_hears(now, id, ticket, result);
        }
    }

    fn ladder_hears(&mut self, now: Instant, id: AlarmId, ticket: u64, result: DeliveryResult) {
        let Some(mut ladder) = self.outreach.ladders.remove(&id) else { return };
        let delivery = ladder.hear(now, ticket, result).cloned();
        self.keep_ladder(now, id, &mut ladder);
        self.outreach.ladders.insert(id, ladder);
        self.outreach.touch(id);
        if let Some(delivery) = delivery {
            self.log_delivery(id, &delivery);
        }
    }

    pub(super) fn give_up_silent_channels(&mut self, now: Instant) {
        while let Some((ticket, _)) =
            self.outreach.telling.first_key_value().filter(|(_, (_, _, at))| *at <= now)
        {
            let (ticket, at) = (*ticket, self.wall);
            let text = "no word of the channel for 600 s".to_string();
            self.told(now, ticket, DeliveryResult::Failed { code: "silent".into(), text, at });
        }
    }

    fn channel_works(&mut self, channel: &Id) {
        let Some(health) = self.outreach.channels.remove(channel) else { return };
        if let Some(row) = health.row {
            self.close(row);
        }
    }

    fn channel_failed(&mut self, channel: &Id, text: &str) {
        let health = self.outreach.channels.entry(channel.clone()).or_default();
        health.failures = health.failures.saturating_add(1);
        if health.failures < FAILING_AT || health.row.is_some() {
            return;
        }
        let own = self.own_name();
        let text = Text::new(
            alloc::format!("外呼通道 {channel} 连续发送失败:{text}"),
            alloc::format!("The channel {channel} fails again and again: {text}"),
        );
        let row = self.own_row(RowKind::Fault, &own, "channel_failing", Priority::Urgent, text);
        if let Some(health) = self.outreach.channels.get_mut(channel) {
            health.row = row;
        }
    }

    /// A channel knows by itself that it does not work: no SIM card, no network. People hear of it before it is needed.
    pub(crate) fn channel_troubled(&mut self, channel: &Id, trouble: Option<Text>) {
        if self.outreach.complaints.get(channel).map(|complaint| &complaint.text) == trouble.as_ref()
            || !self.settings.escalation.channels.contains_key(channel)
        {
            return;
        }
        if let Some(row) = self.outreach.complaints.remove(channel).and_then(|complaint| complaint.row) {
            self.close(row);
        }
        let Some(text) = trouble else { return };
        let own = self.own_name();
        let said = Text::new(
            alloc::format!("外呼通道 {channel}:{}", crate::trust::shown(&text.zh)),
            alloc::format!("The channel {channel}: {}", crate::trust::shown(&text.en)),
        );
        let row = self.own_row(RowKind::Fault, &own, "channel_troubled", Priority::Urgent, said);
        self.outreach.complaints.insert(channel.clone(), Complaint { text, row });
    }
}
