//! The one-button call unit, register map version 1 (devices.md, section 9), as a simulated device.
//!
//! A press is counted and latched at once; only an echo of exactly that count, or the local cancel input,
//! clears the latch.
use std::sync::Arc;

use modbus_wire::{ExceptionCode, Table};
use shouwang_core::profile::Profile;
use shouwang_message::Value;

use crate::profile_server::wire;
use crate::server::{Act, Memory, Micros, Server, answer_from};

#[cfg(test)]
mod tests;

const MAP_VERSION: u16 = 1;
const DEVICE_CLASS: u16 = 1;
/// A shorter touch is a bounce, not a press.
const PRESS_MS: u32 = 50;
const STUCK_US: Micros = 30_000_000;
const NO_BATTERY: u16 = 0xFFFF;
const FAULT_STUCK: u16 = 1;
const BAUD_RATES: [u32; 3] = [2400, 4800, 9600];

const ECHO: u16 = 0;
const INDICATOR: u16 = 1;
const UNIT_ID: u16 = 0x07D0;
const BAUD: u16 = 0x07D1;

/// A call unit. What the real one keeps in flash survives `Act::Restart`.
#[derive(Debug)]
pub(crate) struct CallUnit {
    profile: Arc<Profile>,
    // In flash.
    unit_id: u8,
    baud_code: u16,
    serial: u32,
    press_count: u16,
    cancel_count: u16,
    boot_count: u16,
    latched: bool,
    // In memory.
    booted_at: Micros,
    pressed_at: Option<Micros>,
    released_at: Micros,
    echo: u16,
    indicator: u16,
    // What a test makes it say.
    low_battery: bool,
    tamper: bool,
    test_mode: bool,
    hardware_fault: bool,
    battery_mv: u16,
    fault_bits: u16,
}

impl CallUnit {
    /// `baud` is what it is set to; a rate it does not know counts as its default, 9600.
    pub(crate) fn new(profile: Arc<Profile>, unit_id: u8, serial: u32, baud: u32) -> Self {
        let baud_code =
            BAUD_RATES.iter().zip(0..).find(|(rate, _)| **rate == baud).map_or(2, |(_, code)| code);
        Self {
            profile,
            unit_id,
            baud_code,
            serial,
            press_count: 0,
            cancel_count: 0,
            boot_count: 1,
            latched: false,
            booted_at: 0,
            pressed_at: None,
            released_at: 0,
            echo: 0,
            indicator: 0,
            low_battery: false,
            tamper: false,
            test_mode: false,
            hardware_fault: false,
            battery_mv: NO_BATTERY,
            fault_bits: 0,
        }
    }

    fn press(&mut self, now: Micros, held_ms: u32) {
        if held_ms < PRESS_MS {
            return;
        }
        self.press_count = self.press_count.wrapping_add(1);
        self.latched = true;
        self.pressed_at = Some(now);
        self.released_at = now + Micros::from(held_ms) * 1000;
    }

    fn cancel(&mut self) {
        self.latched = false;
        self.cancel_count = self.cancel_count.wrapping_add(1);
    }

    fn restart(&mut self, now: Micros) {
        self.boot_count = self.boot_count.wrapping_add(1);
        self.booted_at = now;
        self.pressed_at = None;
        self.released_at = now;
        self.echo = 0;
        self.indicator = 0;
    }

    fn is_pressed(&self, now: Micros) -> bool {
        now < self.released_at
    }

    fn faults(&self, now: Micros) -> u16 {
        let held = self.pressed_at.map_or(0, |at| now.saturating_sub(at));
        let stuck = self.is_pressed(now) && held > STUCK_US;
        self.fault_bits | if stuck { FAULT_STUCK } else { 0 }
    }

    fn since_press_ms(&self, now: Micros) -> u32 {
        let since = self.pressed_at.map(|at| now.saturating_sub(at) / 1000);
        since.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(u32::MAX)
    }

    fn uptime_s(&self, now: Micros) -> u32 {
        u32::try_from(now.saturating_sub(self.booted_at) / 1_000_000).unwrap_or(u32::MAX)
    }

    fn input_register(&self, now: Micros, address: u16) -> Option<u16> {
        let high = |word: u32| (word >> 16) as u16;
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
        let low = |word: u32| word as u16;
        Some(match address {
            0 => MAP_VERSION,
            1 => DEVICE_CLASS,
            2 => high(self.serial),
            3 => low(self.serial),
            4 => self.press_count,
            5 => self.cancel_count,
            6 => self.boot_count,
            7 => high(self.since_press_ms(now)),
            8 => low(self.since_press_ms(now)),
            9 => self.battery_mv,
            10 => self.faults(now),
            11 => high(self.uptime_s(now)),
            12 => low(self.uptime_s(now)),
            _ => return None,
        })
    }

    fn discrete_input(&self, now: Micros, address: u16) -> Option<u16> {
        Some(u16::from(match address {
            0 => self.is_pressed(now),
            1 => self.latched,
            2 => self.low_battery,
            3 => self.tamper,
            4 => self.test_mode,
            5 => self.hardware_fault || self.faults(now) != 0,
            _ => return None,
        }))
    }

    fn write_one(&mut self, address: u16, value: u16, broadcast: bool) -> Result<(), ExceptionCode> {
        let refused = Err(ExceptionCode::ILLEGAL_DATA_VALUE);
        match address {
            // One count or one id cannot be meant for every unit on the line.
            ECHO | UNIT_ID if broadcast => Ok(()),
            ECHO if value == self.press_count => {
                self.echo = value;
                self.latched = false;
                Ok(())
            }
            INDICATOR if value <= 3 => {
                self.indicator = value;
                Ok(())
            }
            UNIT_ID => match u8::try_from(value) {
                Ok(unit_id @ 1..=247) => {
                    self.unit_id = unit_id;
                    Ok(())
                }
                _ => refused,
            },
            BAUD if usize::from(value) < BAUD_RATES.len() => {
                self.baud_code = value;
                Ok(())
            }
            ECHO | INDICATOR | BAUD => refused,
            _ => Err(ExceptionCode::ILLEGAL_DATA_ADDRESS),
        }
    }
}

impl Memory for CallUnit {
    fn id(&self) -> u8 {
        self.unit_id
    }

    fn speaks(&self, function: u8) -> bool {
        matches!(function, 2 | 3 | 4 | 6)
    }

    fn read(&self, now: Micros, table: Table, address: u16) -> Option<u16> {
        match (table, address) {
            (Table::InputRegister, _) => self.input_register(now, address),
            (Table::DiscreteInput, _) => self.discrete_input(now, address),
            (Table::HoldingRegister, ECHO) => Some(self.echo),
            (Table::HoldingRegister, INDICATOR) => Some(self.indicator),
            (Table::HoldingRegister, UNIT_ID) => Some(u16::from(self.unit_id)),
            (Table::HoldingRegister, BAUD) => Some(self.baud_code),
            _ => None,
        }
    }

    fn write(
        &mut self,
        _now: Micros,
        _table: Table,
        address: u16,
        words: &[u16],
        broadcast: bool,
    ) -> Result<(), ExceptionCode> {
        match words {
            [value] => self.write_one(address, *value, broadcast),
            _ => Err(ExceptionCode::ILLEGAL_DATA_VALUE),
        }
    }
}

impl Server for CallUnit {
    fn answer(&mut self, now: Micros, frame: &[u8]) -> Option<Vec<u8>> {
        answer_from(self, now, frame)
    }

    fn unit_id(&self) -> u8 {
        self.unit_id
    }

    fn hears(&self, baud: u32) -> bool {
        let set_to = BAUD_RATES.get(usize::from(self.baud_code));
        set_to == Some(&baud) || !BAUD_RATES.contains(&baud)
    }

    fn set(&mut self, _now: Micros, point: &str, value: &Value) -> Result<(), String> {
        let Some(place) = self.profile.points.iter().find(|one| one.name == point) else {
            return Err(format!("{} has no point {point:?}", self.profile.name));
        };
        let word = match value {
            Value::Bool(state) => u16::from(*state),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            Value::Number(number) if (0.0..=65535.0).contains(number) && number.fract() == 0.0 => {
                *number as u16
            }
            _ => return Err(format!("{point} is true, false or a whole number to 65535, not {value:?}")),
        };
        let (table, address) = (wire(place.table), place.address);
        self.set_raw(table, address, word).map_err(|why| format!("{point}: {why}"))
    }

    fn set_raw(&mut self, table: Table, address: u16, word: u16) -> Result<(), String> {
        match (table, address) {
            (Table::DiscreteInput, 2) => self.low_battery = word != 0,
            (Table::DiscreteInput, 3) => self.tamper = word != 0,
            (Table::DiscreteInput, 4) => self.test_mode = word != 0,
            (Table::DiscreteInput, 5) => self.hardware_fault = word != 0,
            (Table::InputRegister, 2) => self.serial = self.serial & 0xFFFF | u32::from(word) << 16,
            (Table::InputRegister, 3) => self.serial = self.serial & 0xFFFF_0000 | u32::from(word),
            (Table::InputRegister, 4) => self.press_count = word,
            (Table::InputRegister, 5) => self.cancel_count = word,
            (Table::InputRegister, 9) => self.battery_mv = word,
            (Table::InputRegister, 10) => self.fault_bits = word,
            _ => {
                return Err(
                    "a call unit keeps this itself; press it, cancel it, or set its battery, tamper, \
                            test mode, fault, serial number or counters"
                        .into(),
                );
            }
        }
        Ok(())
    }

    fn register(&self, now: Micros, table: Table, address: u16) -> Option<u16> {
        self.read(now, table, address)
    }

    fn act(&mut self, now: Micros, act: Act) -> Result<(), String> {
        match act {
            Act::Press { held_ms } => self.press(now, held_ms),
            Act::Cancel => self.cancel(),
            Act::Restart => self.restart(now),
        }
        Ok(())
    }
}
