//! Making an ask of what was chosen.
use core::time::Duration;

use shouwang_message::Instant;

use super::choice::{Chosen, Kind, What};
use super::device::{Device, Turn};
use super::{Line, Outstanding};
use crate::output::{Ask, Request};

impl Line {
    /// Hands the chosen one out; none only if its block is gone, which cannot be.
    pub(super) fn issue(&mut self, now: Instant, mut chosen: Chosen, delays_alarm: bool) -> Option<Ask> {
        let distressed = self.budget.is_distressed(now);
        let patient = chosen.kind == Kind::Probe && self.is_patient_turn(now, chosen.device);
        let device = self.devices.get_mut(chosen.device)?;
        let request = match (&chosen.what, chosen.what.turn()) {
            (What::Write { request, .. } | What::Once { request, .. }, _) => request.clone(),
            (_, turn) => {
                // Its identity may have come into doubt since it was queued.
                let turn = match turn? {
                    Turn::Block(block) => device.turn(block),
                    identity @ Turn::Identity(_) => identity,
                };
                chosen.what = turn.into();
                device.asked(now, turn, matches!(chosen.kind, Kind::Retry | Kind::Reread));
                device.request(turn)?
            }
        };
        let timeout = match chosen.kind {
            Kind::Probe => device.next_probe_wait(now, patient),
            Kind::Retry => device.short_wait().min(device.patience()),
            _ if device.misses > 0 || distressed => device.short_wait().min(device.patience()),
            _ => device.patience(),
        };
        let again = self.asked_last == Some(chosen.device);
        let ask = Ask {
            id: self.next_id,
            device: device.index,
            unit_id: device.unit_id,
            request: request.clone(),
            timeout,
            late_window: device.late_window().unwrap_or_default(),
            turnaround: if again { device.timing.turnaround } else { Duration::ZERO },
        };
        if chosen.kind == Kind::Probe && timeout >= device.patience() {
            self.budget.put_off_patience(now);
        }
        self.next_id += 1;
        self.asked_last = Some(chosen.device);
        self.other_last = matches!(chosen.kind, Kind::Other | Kind::Probe);
        self.outstanding.push_back(Outstanding {
            id: ask.id,
            chosen,
            request,
            issued: now,
            timeout,
            delays_alarm,
        });
        Some(ask)
    }

    /// Of the lost ones it waited longest for a patient probe, and one may go.
    fn is_patient_turn(&self, now: Instant, place: usize) -> bool {
        let longest = self.devices.iter().filter_map(Device::patient_since).min();
        let mine = self.devices.get(place).and_then(Device::patient_since);
        self.budget.allows_patience(now) && mine.is_some() && mine == longest
    }
}

/// The first address a request touches.
pub(super) fn address(request: &Request) -> u16 {
    match request {
        Request::Read { address, .. }
        | Request::WriteCoil { address, .. }
        | Request::WriteRegister { address, .. }
        | Request::WriteRegisters { address, .. } => *address,
    }
}
