//! The truth: what each simulated device's registers hold, since when, and how it answers.
use modbus_wire::{Bits, ExceptionCode, Registers, Request, Response, Table, server};

use super::chance::Chance;
use super::site::{LEVEL, LEVEL_LIMIT, SMOKE, WHO};

/// A device in the field.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) unit_id: u8,
    /// Unlike any other device's, so that a value on a wrong device shows.
    pub(super) number: u16,
    pub(super) smoke: Truth,
    pub(super) level: Truth,
    pub(super) manners: Manners,
}

/// One quantity that may be in alarm.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) active: bool,
    /// When it last became what it is, us.
    pub(super) since: u64,
    /// When it was last the other way, us; none if never.
    pub(super) other_until: Option<u64>,
}

/// How a device behaves on the line for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    Good,
    Dead,
    /// Answers after the time-out, by so many microseconds from the request's end.
    Late(u64),
    /// Now and then garbles a byte.
    Noisy,
    /// Answers with exception 6, busy.
    Busy,
}

impl Truth {
    pub(super) fn flip(&mut self, now: u64) {
        self.active = !self.active;
        self.since = now;
        self.other_until = Some(now);
    }

    /// Whether it was `active` at any time in the last `window` microseconds.
    pub(super) fn was(&self, active: bool, now: u64, window: u64) -> bool {
        self.active == active || self.other_until.is_some_and(|until| until + window >= now)
    }
}

impl Device {
    pub(super) fn new(unit_id: u8, number: u16) -> Self {
        Self { unit_id, number, smoke: Truth::default(), level: Truth::default(), manners: Manners::Good }
    }

    /// The answer to a frame and the delay after which it begins, if it is for this device and it answers.
    pub(super) fn answer(&self, frame: &[u8], chance: &mut Chance) -> Option<(Vec<u8>, u64)> {
        let (unit_id, request) = server::decode(frame).ok()?;
        if unit_id != self.unit_id || self.manners == Manners::Dead {
            return None;
        }
        let mut out = [0; modbus_wire::MAX_RTU_FRAME];
        let len = match request {
            Err(refused) => server::exception(unit_id, refused.function, refused.exception, &mut out),
            Ok(request) if self.manners == Manners::Busy => {
                server::exception(unit_id, request.function(), ExceptionCode(6), &mut out)
            }
            Ok(request) => self.respond(unit_id, &request, &mut out),
        };
        let mut bytes = out.get(..len.ok()?)?.to_vec();
        if self.manners == Manners::Noisy && chance.percent(40) {
            let place = usize::try_from(chance.next()).unwrap_or(0) % bytes.len();
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << (chance.next() % 8);
            }
        }
        let delay = match self.manners {
            Manners::Late(delay) => delay,
            _ => chance.between(5_000, 40_000),
        };
        Some((bytes, delay))
    }

    fn respond(
        &self,
        unit_id: u8,
        request: &Request<'_>,
        out: &mut [u8],
    ) -> Result<usize, modbus_wire::EncodeError> {
        let Request::Read { table, address, count } = request else {
            return server::exception(unit_id, request.function(), ExceptionCode(1), out);
        };
        let mut bytes = Vec::new();
        for address in u32::from(*address)..u32::from(*address) + u32::from(*count) {
            bytes.extend(self.register(*table, address).to_be_bytes());
        }
        let response = match (Registers::from_bytes(&bytes), Bits::new(&bytes, *count)) {
            (Some(registers), _) if !table.is_bits() => Response::Registers(registers),
            (_, Some(bits)) => Response::Bits(bits),
            _ => return server::exception(unit_id, request.function(), ExceptionCode(3), out),
        };
        server::answer(unit_id, request, &response, out)
    }

    fn register(&self, table: Table, address: u32) -> u16 {
        match (table, u16::try_from(address)) {
            (Table::HoldingRegister, Ok(SMOKE)) => u16::from(self.smoke.active),
            (Table::HoldingRegister, Ok(LEVEL)) if self.level.active => LEVEL_LIMIT + self.number,
            (Table::HoldingRegister, Ok(LEVEL)) => self.number,
            (Table::InputRegister, Ok(address)) if address == WHO + 1 => self.number,
            _ => 0,
        }
    }
}
