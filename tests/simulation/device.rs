//! The truth: what each detector's registers hold, since when; and how a device behaves on the line.
use modbus_wire::{Bits, ExceptionCode, Registers, Request, Response, Table, server};

use super::chance::Chance;
use super::scenario::{DeviceShape, Kind, MS};
use super::site::{LEVEL, LEVEL_LIMIT, SMOKE, WHO};
use super::unit::Unit;

/// A device in the field.
pub(super) struct Device {
    pub(super) shape: DeviceShape,
    pub(super) body: Body,
    pub(super) manners: Manners,
    /// What the line brought of it was last not to be relied on then, us.
    pub(super) odd_until: u64,
    /// When somebody else last answered to its unit id, us.
    pub(super) clashed_until: u64,
    /// When it last became silent; none while it answers.
    pub(super) silent_since: Option<u64>,
}

pub(super) enum Body {
    Detector(Detector),
    CallUnit(Box<Unit>),
}

#[derive(Debug, Default)]
pub(super) struct Detector {
    /// Unlike any other device's, so that a value on a wrong device shows.
    number: u16,
    pub(super) smoke: Truth,
    pub(super) level: Truth,
}

/// One quantity that may be in alarm.
#[derive(Debug, Default)]
pub(super) struct Truth {
    pub(super) active: bool,
    /// When it last became what it is, us.
    pub(super) since: u64,
    /// When it was last the other way, us; none if never.
    other_until: Option<u64>,
}

/// How a device behaves on the line for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manners {
    Good,
    Dead,
    /// Answers after the time-out, by so many microseconds from the request's end.
    Late(u64),
    /// Now and then garbles bits, loses bytes or sends some that nobody asked for.
    Noisy,
    /// Answers with exception 6, busy.
    Busy,
    Babbles,
    /// A second device of the same kind answers to the same unit id.
    Clash,
}

/// An answer's bytes, and when its first would leave.
pub(super) type Answer = (u64, Vec<u8>);

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
    pub(super) fn new(shape: DeviceShape, chance: &mut Chance) -> Self {
        let body = match shape.kind {
            Kind::CallUnit => {
                // Some counters are about to wrap.
                let presses = if chance.percent(30) { 65_534 } else { chance.between(0, 300) as u16 };
                Body::CallUnit(Box::new(Unit::new(shape.unit_id, u32::from(shape.number), presses)))
            }
            _ => Body::Detector(Detector { number: shape.number, ..Detector::default() }),
        };
        Self { shape, body, manners: Manners::Good, odd_until: 0, clashed_until: 0, silent_since: None }
    }

    pub(super) fn truth(&self, condition: &str) -> Option<&Truth> {
        match (&self.body, condition) {
            (Body::Detector(detector), "smoke") => Some(&detector.smoke),
            (Body::Detector(detector), "level") => Some(&detector.level),
            _ => None,
        }
    }

    /// The answers to a frame that has just been heard whole.
    pub(super) fn hear(&mut self, now: u64, frame: &[u8], chance: &mut Chance) -> Vec<Answer> {
        if self.manners == Manners::Dead {
            return Vec::new();
        }
        let mut answers: Vec<Answer> = Vec::new();
        if let Some(bytes) = self.answer(now, frame) {
            let delay = match self.manners {
                Manners::Late(delay) => delay,
                _ => chance.between(5 * MS, 40 * MS),
            };
            answers.push((now + delay, bytes));
        }
        if self.manners == Manners::Clash
            && !answers.is_empty()
            && let Some(bytes) = clash(self.shape.number).answer(self.shape.unit_id, frame, false)
        {
            answers.push((now + chance.between(5 * MS, 60 * MS), bytes));
        }
        if self.manners == Manners::Noisy {
            answers.iter_mut().for_each(|(_, bytes)| spoil(bytes, chance));
        }
        answers
    }

    fn answer(&mut self, now: u64, frame: &[u8]) -> Option<Vec<u8>> {
        match &mut self.body {
            Body::Detector(detector) => {
                detector.answer(self.shape.unit_id, frame, self.manners == Manners::Busy)
            }
            Body::CallUnit(unit) => unit.answer(now, frame),
        }
    }
}

/// The stranger at the same unit id: at rest, and with another number.
fn clash(number: u16) -> Detector {
    Detector { number: number + 7, ..Detector::default() }
}

/// One to three flipped bits are seen by every CRC; so is a frame cut short, or one with bytes before it.
fn spoil(bytes: &mut Vec<u8>, chance: &mut Chance) {
    match chance.between(0, 10) {
        0..=3 => {
            let bits = bytes.len() as u64 * 8;
            let first = chance.between(0, bits);
            for step in 0..chance.between(1, 4) {
                let bit = ((first + step * 7) % bits) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
        4 => bytes.truncate(chance.between(0, bytes.len() as u64) as usize),
        5 => {
            let noise: Vec<u8> = (0..chance.between(1, 6)).map(|_| chance.next() as u8).collect();
            bytes.splice(0..0, noise);
        }
        _ => {}
    }
}

impl Detector {
    fn answer(&self, own: u8, frame: &[u8], busy: bool) -> Option<Vec<u8>> {
        let (unit_id, request) = server::decode(frame).ok()?;
        if unit_id != own {
            return None;
        }
        let mut out = [0; modbus_wire::MAX_RTU_FRAME];
        let len = match request {
            Err(refused) => server::exception(unit_id, refused.function, refused.exception, &mut out),
            Ok(request) if busy => server::exception(unit_id, request.function(), ExceptionCode(6), &mut out),
            Ok(request) => self.respond(unit_id, &request, &mut out),
        };
        Some(out.get(..len.ok()?)?.to_vec())
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
