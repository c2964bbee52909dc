//! A line whose devices change while it works: who stays keeps their turn, who goes owes no answer.
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::Instant;

use super::device::Device;
use super::{Line, QueuedOnce, QueuedWrite};
use crate::configuration::{DeviceIndex, DeviceSettings, LineIndex, LineSettings};

/// The place of a device that is gone, in what is still with the hands: no device has it.
const GONE: usize = usize::MAX;

impl Line {
    /// The line's devices from now on, each with its index before if it is asked exactly as before. Those lose
    /// no turn and nothing that is known of them; all others begin. Of those that go, no more is told.
    pub(crate) fn rearrange<'a>(
        &mut self,
        now: Instant,
        index: LineIndex,
        settings: &LineSettings,
        devices: impl Iterator<Item = (DeviceIndex, &'a DeviceSettings, Option<DeviceIndex>)>,
    ) {
        self.index = index;
        let mut old: Vec<Option<Device>> = core::mem::take(&mut self.devices).into_iter().map(Some).collect();
        let place_before = |old: &[Option<Device>], wanted: DeviceIndex| {
            old.iter().position(|device| device.as_ref().is_some_and(|device| device.index == wanted))
        };
        let mut moved = alloc::vec![GONE; old.len()];
        let mut begun = Vec::new();
        for (place, (device, own, before)) in devices.enumerate() {
            let stays = before.and_then(|before| place_before(&old, before)).and_then(|place_before| {
                if let Some(moved) = moved.get_mut(place_before) {
                    *moved = place;
                }
                old.get_mut(place_before)?.take()
            });
            self.devices.push(match stays {
                Some(mut stays) => {
                    stays.index = device;
                    stays
                }
                None => {
                    begun.push(place);
                    Device::new(device, own, settings)
                }
            });
        }
        if self.up {
            for place in begun {
                let Some(device) = self.devices.get_mut(place) else { continue };
                device.line_up(now);
                // What was asked of this unit id before may still be answered: not to be taken for an answer to
                // what is asked now.
                let gone = old.iter().flatten().filter(|gone| gone.unit_id == device.unit_id);
                let late = gone.map(|gone| gone.patience() + gone.late_window().unwrap_or_default()).max();
                device.settles_at = now + late.unwrap_or(Duration::ZERO);
            }
        }
        let place = |before: usize| moved.get(before).copied().unwrap_or(GONE);
        for outstanding in &mut self.outstanding {
            outstanding.chosen.device = place(outstanding.chosen.device);
        }
        self.urgent.iter_mut().for_each(|chosen| chosen.device = place(chosen.device));
        self.urgent.retain(|chosen| chosen.device != GONE);
        let writes = core::mem::take(&mut self.writes).into_iter();
        let writes = writes.map(|write| QueuedWrite { device: place(write.device), ..write });
        self.writes = writes.filter(|write| write.device != GONE).collect::<VecDeque<_>>();
        let once = core::mem::take(&mut self.once).into_iter();
        let once = once.map(|once| QueuedOnce { device: place(once.device), ..once });
        self.once = once.filter(|once| once.device != GONE).collect::<VecDeque<_>>();
        self.asked_last = self.asked_last.map(place).filter(|place| *place != GONE);
    }
}
