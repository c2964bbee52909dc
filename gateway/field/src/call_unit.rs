//! The one-button call unit: the real firmware, with a finger, a neighbour at its cancel input and a switch.
//!
//! Nothing in the field ticks, so the firmware catches up whenever somebody asks or acts: in its own small
//! steps around every change of an input, and in one step through the time in which nothing moved.
use std::cell::RefCell;
use std::sync::Arc;

use call_button::{BAUD_RATES, CallButton, Counters, Inputs, RamFlash, Settings, provision};
use modbus_wire::Table;
use shouwang_core::profile::{Kind, Profile};
use shouwang_message::Value;

use crate::lamp::{Lamp, Shown};
use crate::profile_server::wire;
use crate::server::{Act, Micros, Server};

#[cfg(test)]
mod tests;

/// How often the firmware looks while an input moves, and for how long after that.
const TICK: Micros = 5_000;
const SETTLING: Micros = 100_000;
/// How long a person stays on the cancel input.
const CANCEL: Micros = 100_000;
/// Below the firmware's limit for a low battery, and well above it.
const LOW_MV: u16 = 2_500;
const FULL_MV: u16 = 3_000;
const SUPPLY_LOW: u16 = 1 << 2;

type Flash = RamFlash<64>;

/// A call unit on the wall.
#[derive(Debug)]
pub(crate) struct CallUnit {
    profile: Arc<Profile>,
    serial: u32,
    // Reading needs the present moment too, and with it the firmware to have caught up.
    wall: RefCell<Wall>,
}

/// The firmware and everything that touches it.
#[derive(Debug)]
struct Wall {
    firmware: CallButton<Flash>,
    /// What does not move by itself.
    inputs: Inputs,
    button: Held,
    cancel: Held,
    /// The firmware has looked at its inputs up to here.
    ticked_at: Micros,
    lamp: Lamp,
}

/// An input that is held for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    from: Micros,
    until: Micros,
}

impl CallUnit {
    /// `baud` is what it is set to; a rate it does not know counts as its default, 9600.
    pub(crate) fn new(profile: Arc<Profile>, unit_id: u8, serial: u32, baud: u32) -> Self {
        let code = BAUD_RATES.iter().zip(0..).find(|(rate, _)| **rate == baud).map_or(2, |(_, code)| code);
        let default = Settings::default();
        let settings = default.with_unit_id(unit_id.into()).unwrap_or(default);
        let settings = settings.with_baud_code(code).unwrap_or(settings);
        let firmware = started(settings, Counters::default(), serial, 0);
        let (button, cancel) = (Held::default(), Held::default());
        let lamp = Lamp::default();
        let wall = Wall { firmware, inputs: Inputs::default(), button, cancel, ticked_at: 0, lamp };
        Self { profile, serial, wall: RefCell::new(wall) }
    }

    /// Another one in its place: with other counters, or another serial number.
    fn exchange(&mut self, now: Micros, change: impl FnOnce(&mut Counters)) {
        let serial = self.serial;
        let wall = self.at(now);
        let mut counters = wall.firmware.counters();
        counters.boots = counters.boots.wrapping_sub(1);
        change(&mut counters);
        wall.firmware = started(wall.firmware.settings(), counters, serial, now);
    }

    fn at(&mut self, now: Micros) -> &mut Wall {
        let wall = self.wall.get_mut();
        wall.catch_up(now);
        wall
    }
}

impl Wall {
    fn catch_up(&mut self, now: Micros) {
        while self.ticked_at < now {
            let at = self.next_tick().min(now);
            self.tick(at);
        }
        // Whatever was changed since.
        self.tick(self.ticked_at);
    }

    fn tick(&mut self, at: Micros) {
        let inputs = Inputs { button: self.button.is_on(at), cancel: self.cancel.is_on(at), ..self.inputs };
        self.firmware.tick(at, inputs);
        self.ticked_at = at;
        self.lamp.look(at, self.firmware.display(), None);
    }

    /// In small steps after every edge, and right up to the next one.
    fn next_tick(&self) -> Micros {
        let edges = [self.button.from, self.button.until, self.cancel.from, self.cancel.until];
        let moves = |edge: &Micros| (*edge..edge.saturating_add(SETTLING)).contains(&self.ticked_at);
        if edges.iter().any(moves) {
            return self.ticked_at.saturating_add(TICK);
        }
        let ahead = edges.into_iter().filter(|edge| *edge > self.ticked_at);
        ahead.min().unwrap_or(Micros::MAX)
    }

    fn restart(&mut self, now: Micros, serial: u32) {
        let spare = CallButton::start(Flash::new(), serial, now);
        let flash = std::mem::replace(&mut self.firmware, spare).into_flash();
        self.firmware = CallButton::start(flash, serial, now);
        self.tick(now);
    }
}

impl Held {
    /// Whoever holds it already goes on holding it.
    fn hold(&mut self, now: Micros, length: Micros) {
        let until = now.saturating_add(length);
        if self.is_on(now) {
            self.until = self.until.max(until);
        } else {
            *self = Self { from: now, until };
        }
    }

    fn is_on(self, at: Micros) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// A unit that has stood on its wall for a while: its button has been seen released.
fn started(settings: Settings, counters: Counters, serial: u32, now: Micros) -> CallButton<Flash> {
    let mut flash = Flash::new();
    // Fresh flash takes two records; if it did not, the unit would start as from the factory.
    let _ = provision(&mut flash, settings, counters);
    let mut firmware = CallButton::start(flash, serial, now);
    firmware.tick(now, Inputs::default());
    firmware.tick(now, Inputs::default());
    firmware
}

impl Server for CallUnit {
    fn answer(&mut self, now: Micros, frame: &[u8]) -> Option<Vec<u8>> {
        let wall = self.at(now);
        let answer = wall.firmware.request(now, frame).map(<[u8]>::to_vec);
        wall.firmware.sent();
        wall.lamp.look(now, wall.firmware.display(), Some(frame));
        answer
    }

    fn unit_id(&self) -> u8 {
        self.wall.borrow().firmware.settings().unit_id()
    }

    fn hears(&self, baud: u32) -> bool {
        self.baud() == Some(baud) || !BAUD_RATES.contains(&baud)
    }

    fn baud(&self) -> Option<u32> {
        Some(self.wall.borrow().firmware.settings().baud())
    }

    fn set(&mut self, now: Micros, point: &str, value: &Value) -> Result<(), String> {
        let Some(place) = self.profile.points.iter().find(|one| one.name == point) else {
            return Err(format!("{} has no point {point:?}", self.profile.name));
        };
        let word = match (value, place.kind) {
            (Value::Bool(state), Kind::Bool { bit: Some(bit), .. }) => {
                u16::from(*state).checked_shl(bit.into()).unwrap_or(0)
            }
            (Value::Bool(state), _) => u16::from(*state),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            (Value::Number(number), _) if (0.0..=65535.0).contains(number) && number.fract() == 0.0 => {
                *number as u16
            }
            _ => return Err(format!("{point} is true, false or a whole number to 65535, not {value:?}")),
        };
        let (table, address, is_fault) = (wire(place.table), place.address, place.name == "supply_low");
        // The one fault bit that can be made from outside; taking away any other changes nothing.
        if (table, address) == (Table::InputRegister, 10) && !is_fault && word == 0 {
            return Ok(());
        }
        self.at(now);
        self.set_raw(table, address, word).map_err(|why| format!("{point}: {why}"))
    }

    fn set_raw(&mut self, table: Table, address: u16, word: u16) -> Result<(), String> {
        let wall = self.wall.get_mut();
        let (now, inputs) = (wall.ticked_at, &mut wall.inputs);
        match (table, address) {
            (Table::DiscreteInput, 2) => inputs.battery_mv = Some(if word == 0 { FULL_MV } else { LOW_MV }),
            (Table::DiscreteInput, 3) => inputs.tamper = word != 0,
            (Table::DiscreteInput, 4) => inputs.test_mode = word != 0,
            (Table::DiscreteInput, 5) => inputs.hardware_fault = word != 0,
            (Table::InputRegister, 2) => {
                self.serial = self.serial & 0xFFFF | u32::from(word) << 16;
                self.exchange(now, |_| ());
            }
            (Table::InputRegister, 3) => {
                self.serial = self.serial & 0xFFFF_0000 | u32::from(word);
                self.exchange(now, |_| ());
            }
            (Table::InputRegister, 4) => self.exchange(now, |counters| counters.presses = word),
            (Table::InputRegister, 5) => self.exchange(now, |counters| counters.cancels = word),
            (Table::InputRegister, 9) => inputs.battery_mv = (word != u16::MAX).then_some(word),
            (Table::InputRegister, 10) if word & !SUPPLY_LOW == 0 => inputs.supply_low = word != 0,
            _ => {
                return Err(
                    "a call unit keeps this itself; press it, hold it, cancel it, or set its battery, tamper, \
                            test mode, hardware fault, low supply, serial number or counters"
                        .into(),
                );
            }
        }
        self.wall.get_mut().tick(now);
        Ok(())
    }

    fn register(&self, now: Micros, table: Table, address: u16) -> Option<u16> {
        let mut wall = self.wall.borrow_mut();
        wall.catch_up(now);
        wall.firmware.register(now, table, address)
    }

    fn act(&mut self, now: Micros, act: Act) -> Result<(), String> {
        let serial = self.serial;
        let wall = self.at(now);
        match act {
            Act::Press { held_ms } => wall.button.hold(now, Micros::from(held_ms) * 1000),
            Act::Cancel => wall.cancel.hold(now, CANCEL),
            Act::Restart => wall.restart(now, serial),
        }
        wall.tick(now);
        Ok(())
    }

    fn shown(&mut self, now: Micros) -> Vec<Shown> {
        self.at(now).lamp.take()
    }
}
