//! The unit's side of the line: Modbus RTU, functions 2, 3, 4 and 6, the rules of map version 1.
//!
//! Silence for everything that is no frame or not for this unit; a broadcast writes and is never answered.

use heapless::Vec;
use modbus_wire::{Bits, ExceptionCode, Registers, Request, Response, Table, server};

use crate::log::What;
use crate::planted::{self, Bug};
use crate::registers::{self, DEVICE_CLASS, Field, MAP_VERSION};
use crate::unit::CallButton;
use crate::{Flash, Micros, Settings};

const BROADCAST: u8 = 0;
const NO_BATTERY: u16 = 0xFFFF;
const HIGHEST_INDICATOR: u16 = 3;

/// What a frame asks for, without the frame.
#[derive(Clone, Copy)]
struct Asked {
    unit_id: u8,
    function: u8,
    wish: Result<Wish, ExceptionCode>,
}

#[derive(Clone, Copy)]
enum Wish {
    Read { table: Table, address: u16, count: u16 },
    Write { address: u16, value: u16 },
}

impl<F: Flash> CallButton<F> {
    /// A byte came from the line. While the unit is sending it hears nothing.
    pub fn received(&mut self, now: Micros, byte: u8) {
        if self.sending.is_none() {
            self.framer.received(now, byte);
        }
    }

    /// The receiver saw something that is no byte: a framing error, an overrun.
    pub fn spoilt(&mut self, now: Micros) {
        if self.sending.is_none() {
            self.framer.spoil(now);
        }
    }

    /// After 3.5 characters of silence, the answer to what came before it. Send it at once and say
    /// [`sent`](Self::sent) when its last byte has left; until then nothing is heard.
    pub fn poll(&mut self, now: Micros) -> Option<&[u8]> {
        if self.sending.is_some() {
            return None;
        }
        self.polled = true;
        let asked = parse(self.framer.ended(now)?);
        self.framer.clear();
        self.respond(now, asked?)
    }

    /// When the frame that is coming in will have ended: the time for the next [`poll`](Self::poll), unless
    /// another byte comes before. `None` while nothing is coming in.
    #[must_use]
    pub fn frame_ends_at(&self) -> Option<Micros> {
        if self.sending.is_some() { None } else { self.framer.ends_at() }
    }

    /// Answers one whole frame at once, for a line that carries frames and not bytes. Say
    /// [`sent`](Self::sent) after an answer.
    pub fn request(&mut self, now: Micros, frame: &[u8]) -> Option<&[u8]> {
        let asked = parse(frame)?;
        self.respond(now, asked)
    }

    /// The answer that is being sent.
    #[must_use]
    pub fn answer(&self) -> Option<&[u8]> {
        self.out.get(..self.sending?)
    }

    /// The answer's last byte has left. New settings act now: set the port to
    /// [`settings`](Self::settings)`().baud()`.
    pub fn sent(&mut self) {
        self.sending = None;
        self.framer.clear();
        self.activate();
    }

    /// What a read of this address would bring: a register, or 0 or 1 for a bit.
    #[must_use]
    pub fn register(&self, now: Micros, table: Table, address: u16) -> Option<u16> {
        let (field, word) = registers::at(table, address)?;
        let value = self.value(now, field);
        Some((if word == 0 && is_wide(field) { value >> 16 } else { value } & 0xFFFF) as u16)
    }

    fn respond(&mut self, now: Micros, asked: Asked) -> Option<&[u8]> {
        let broadcast = asked.unit_id == BROADCAST;
        if !broadcast && asked.unit_id != self.active.unit_id() {
            return None;
        }
        self.asked_at = now;
        let len = match asked.wish {
            Err(code) => Err(code),
            Ok(Wish::Read { table, address, count }) => self.read(now, asked.unit_id, table, address, count),
            Ok(Wish::Write { address, value }) => self.write(now, address, value, broadcast).map(|()| {
                let response = Response::WroteRegister { address, value };
                let request = Request::WriteRegister { address, value };
                server::answer(asked.unit_id, &request, &response, &mut self.out).ok()
            }),
        };
        self.refresh(now);
        if broadcast {
            self.activate();
            return None;
        }
        let len = match len {
            Ok(len) => len,
            Err(code) => server::exception(asked.unit_id, asked.function, code, &mut self.out).ok(),
        };
        self.sending = len;
        self.answer()
    }

    /// Puts the answer into `out`.
    fn read(
        &mut self,
        now: Micros,
        unit_id: u8,
        table: Table,
        address: u16,
        count: u16,
    ) -> Result<Option<usize>, ExceptionCode> {
        const NOTHING_THERE: ExceptionCode = ExceptionCode::ILLEGAL_DATA_ADDRESS;
        let mut bytes = Vec::<u8, { crate::unit::LONGEST_ANSWER }>::new();
        for index in 0..count {
            let at = address.checked_add(index).ok_or(NOTHING_THERE)?;
            let value = self.register(now, table, at).ok_or(NOTHING_THERE)?;
            if !table.is_bits() {
                bytes.extend_from_slice(&value.to_be_bytes()).map_err(|_| NOTHING_THERE)?;
                continue;
            }
            if index % 8 == 0 {
                bytes.push(0).map_err(|_| NOTHING_THERE)?;
            }
            if let Some(last) = bytes.last_mut() {
                *last |= u8::from(value != 0) << (index % 8);
            }
        }
        let request = Request::Read { table, address, count };
        let response = if table.is_bits() {
            Bits::new(&bytes, count).map(Response::Bits)
        } else {
            Registers::from_bytes(&bytes).map(Response::Registers)
        };
        let response = response.ok_or(NOTHING_THERE)?;
        Ok(server::answer(unit_id, &request, &response, &mut self.out).ok())
    }

    /// One count and one unit id cannot be meant for every unit on the line, so a broadcast of them is
    /// ignored.
    fn write(&mut self, now: Micros, address: u16, value: u16, broadcast: bool) -> Result<(), ExceptionCode> {
        let refused = ExceptionCode::ILLEGAL_DATA_VALUE;
        let (field, _) =
            registers::at(Table::HoldingRegister, address).ok_or(ExceptionCode::ILLEGAL_DATA_ADDRESS)?;
        match field {
            Field::Echo | Field::UnitId if broadcast => Ok(()),
            Field::Echo if value == self.counters.presses || planted::has(Bug::TakesAnyEcho) => {
                self.echoed(now, value);
                Ok(())
            }
            Field::Indicator if value <= HIGHEST_INDICATOR => {
                self.indicator = value;
                self.unsure = false;
                // Said before the newest press was taken, it is about an older one.
                self.waiting &= self.counters.latched;
                Ok(())
            }
            Field::UnitId => self.store(self.stored.with_unit_id(value).ok_or(refused)?),
            Field::Baud => self.store(self.stored.with_baud_code(value).ok_or(refused)?),
            _ => Err(refused),
        }
    }

    /// The gateway has committed every press up to now.
    fn echoed(&mut self, now: Micros, presses: u16) {
        self.echo = presses;
        if self.counters.latched {
            self.counters.latched = false;
            self.save(now);
            self.log.push(now, What::Echoed { presses });
        }
    }

    fn store(&mut self, settings: Settings) -> Result<(), ExceptionCode> {
        if settings == self.stored && !self.settings_lost {
            return Ok(());
        }
        let saved = self.kept.save_settings(settings);
        self.settings_failed = saved.is_err();
        saved.map_err(|_| ExceptionCode::SERVER_DEVICE_FAILURE)?;
        self.stored = settings;
        self.settings_lost = false;
        Ok(())
    }

    fn activate(&mut self) {
        if self.active != self.stored {
            self.active = self.stored;
            self.framer.set_baud(self.active.baud());
        }
    }

    fn value(&self, now: Micros, field: Field) -> u32 {
        let inputs = self.inputs();
        match field {
            Field::Pressed => self.is_pressed().into(),
            Field::Latched => self.counters.latched.into(),
            Field::LowBattery => self.is_battery_low().into(),
            Field::Tamper => inputs.tamper.into(),
            Field::TestMode => inputs.test_mode.into(),
            Field::HardwareFault => self.is_faulty(now).into(),
            Field::MapVersion => MAP_VERSION.into(),
            Field::DeviceClass => DEVICE_CLASS.into(),
            Field::Serial => self.serial(),
            Field::PressCount => self.counters.presses.into(),
            Field::CancelCount => self.counters.cancels.into(),
            Field::BootCount => self.counters.boots.into(),
            Field::SincePress => self.since_press_ms(now),
            Field::Battery => inputs.battery_mv.unwrap_or(NO_BATTERY).into(),
            Field::Faults => self.faults(now).into(),
            Field::Uptime => self.uptime_s(now),
            Field::Echo => self.echo.into(),
            Field::Indicator => self.indicator.into(),
            Field::UnitId => self.stored.unit_id().into(),
            Field::Baud => self.stored.baud_code().into(),
        }
    }
}

/// Nothing if it is not a frame. A function that is not spoken here is refused before anything else in it
/// is looked at.
fn parse(frame: &[u8]) -> Option<Asked> {
    let (unit_id, request) = server::decode(frame).ok()?;
    let function = request.as_ref().map_or_else(|error| error.function, Request::function);
    let wish = match request {
        _ if !matches!(function, 2 | 3 | 4 | 6) => Err(ExceptionCode::ILLEGAL_FUNCTION),
        Err(error) => Err(error.exception),
        Ok(Request::Read { table, address, count }) => Ok(Wish::Read { table, address, count }),
        Ok(Request::WriteRegister { address, value }) => Ok(Wish::Write { address, value }),
        Ok(_) => Err(ExceptionCode::ILLEGAL_FUNCTION),
    };
    Some(Asked { unit_id, function, wish })
}

fn is_wide(field: Field) -> bool {
    matches!(field, Field::Serial | Field::SincePress | Field::Uptime)
}
