//! Making an ask of what was chosen.
use core::time::Duration;

use shouwang_message::Instant;

use super::choice::{Chosen, Kind, What};
use super::device::Turn;
use super::{Line, Outstanding};
use crate::output::{Ask, Request};

impl Line {
    /// Hands the chosen one out; none only if its block is gone, which cannot be.
    pub(super) fn issue(&mut self, now: Instant, mut chosen: Chosen, delays_alarm: bool) -> Option<Ask> {
        let distressed = self.budget.is_distressed(now);
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
            Kind::Probe => device.next_probe_wait(),
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
