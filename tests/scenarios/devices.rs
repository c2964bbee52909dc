//! What hangs on the line: registers that the story sets, and the call unit's own firmware.
use std::collections::BTreeMap;

use call_button::{CallButton, Counters, Inputs, RamFlash, Settings, provision};
use modbus_wire::{Bits, ExceptionCode, Registers, Request, Response, Table, server};

/// How long a device takes before it answers, us.
const DELAY: u64 = 20_000;
/// How often a call unit's firmware looks at its inputs, us.
const TICK: u64 = 5_000;

type Flash = RamFlash<64>;

/// One installed device.
pub(crate) struct Device {
    unit_id: u8,
    body: Body,
    manners: Manners,
}

/// How it behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manners {
    Good,
    /// Switched off or cut off.
    Dead,
    /// Answers every request with this exception.
    Refuses(u8),
    /// Answers reads; a write gets lost on the way.
    LosesWrites,
}

enum Body {
    /// Anything not set reads as 0; writes are taken.
    Registers(BTreeMap<(Table, u16), u16>),
    Call(Box<Call>),
}

struct Call {
    unit: CallButton<Flash>,
    serial: u32,
    inputs: Inputs,
    /// Until when the button, then the cancel input, is held.
    button_until: u64,
    cancel_until: u64,
    next_tick: u64,
}

impl Device {
    pub(crate) fn registers(unit_id: u8) -> Self {
        Self { unit_id, body: Body::Registers(BTreeMap::new()), manners: Manners::Good }
    }

    /// A call unit that has been pressed and settled so many times before.
    pub(crate) fn call(unit_id: u8, serial: u32, presses: u16, now: u64) -> Self {
        let settings = Settings::default().with_unit_id(u16::from(unit_id));
        let settings = settings.unwrap_or_else(|| panic!("{unit_id} is no unit id"));
        let mut flash = Flash::new();
        let counters = Counters { presses, ..Counters::default() };
        provision(&mut flash, settings, counters).unwrap_or_else(|error| panic!("fresh flash: {error:?}"));
        let call = Call {
            unit: CallButton::start(flash, serial, now),
            serial,
            inputs: Inputs::default(),
            button_until: 0,
            cancel_until: 0,
            next_tick: now,
        };
        Self { unit_id, body: Body::Call(Box::new(call)), manners: Manners::Good }
    }

    pub(crate) fn set_manners(&mut self, manners: Manners) {
        self.manners = manners;
    }

    pub(crate) fn set(&mut self, table: Table, address: u16, value: u16) {
        match &mut self.body {
            Body::Registers(image) => image.insert((table, address), value),
            Body::Call(_) => panic!("a call unit keeps its own registers"),
        };
    }

    /// What a register holds now; 0 if it was never set.
    pub(crate) fn get(&self, table: Table, address: u16) -> u16 {
        match &self.body {
            Body::Registers(image) => image.get(&(table, address)).copied().unwrap_or(0),
            Body::Call(_) => panic!("a call unit keeps its own registers"),
        }
    }

    /// Somebody holds the button for this long, us.
    pub(crate) fn press(&mut self, now: u64, held: u64) {
        let call = self.call_unit();
        call.inputs.button = true;
        call.button_until = now + held;
        call.next_tick = now;
    }

    /// Somebody takes the call back at the unit.
    pub(crate) fn cancel(&mut self, now: u64) {
        let call = self.call_unit();
        call.inputs.cancel = true;
        call.cancel_until = now + 200_000;
        call.next_tick = now;
    }

    pub(crate) fn set_inputs(&mut self, change: impl FnOnce(&mut Inputs)) {
        change(&mut self.call_unit().inputs);
    }

    /// The power is cut and comes back: what is in flash is all that is left.
    pub(crate) fn power_cut(&mut self, now: u64) {
        let call = self.call_unit();
        let blank = CallButton::start(Flash::new(), call.serial, now);
        let flash = std::mem::replace(&mut call.unit, blank).into_flash();
        call.unit = CallButton::start(flash, call.serial, now);
    }

    /// What a call unit's lamp shows, in the firmware's word.
    pub(crate) fn lamp(&self) -> Option<String> {
        match &self.body {
            Body::Registers(_) => None,
            Body::Call(call) => Some(format!("{:?}", call.unit.display()).to_lowercase()),
        }
    }

    pub(crate) fn next(&self) -> u64 {
        match &self.body {
            Body::Registers(_) => u64::MAX,
            Body::Call(call) => call.next_tick,
        }
    }

    pub(crate) fn turn(&mut self, now: u64) {
        let Body::Call(call) = &mut self.body else { return };
        if now < call.next_tick {
            return;
        }
        call.inputs.button &= now < call.button_until;
        call.inputs.cancel &= now < call.cancel_until;
        call.unit.tick(now, call.inputs);
        let busy = now < call.button_until.max(call.cancel_until) + 200_000;
        call.next_tick = now + if busy { TICK } else { 100 * TICK };
    }

    /// The answer to a frame that ended now, and the delay after which it begins.
    pub(crate) fn answer(&mut self, now: u64, frame: &[u8]) -> Option<(Vec<u8>, u64)> {
        let (unit_id, request) = server::decode(frame).ok()?;
        let function = match &request {
            Ok(request) => request.function(),
            Err(refused) => refused.function,
        };
        let is_write = !(1..=4).contains(&function);
        let silent = self.manners == Manners::Dead || self.manners == Manners::LosesWrites && is_write;
        if unit_id != self.unit_id || silent {
            return None;
        }
        let mut out = [0; modbus_wire::MAX_RTU_FRAME];
        if let Manners::Refuses(code) = self.manners {
            let len = server::exception(unit_id, function, ExceptionCode(code), &mut out).ok()?;
            return Some((out[..len].to_vec(), DELAY));
        }
        match (&mut self.body, request) {
            (Body::Call(call), _) => {
                let answer = call.unit.request(now, frame).map(<[u8]>::to_vec);
                call.unit.sent();
                answer.map(|answer| (answer, 10_000))
            }
            (Body::Registers(image), Ok(request)) => {
                let len = respond(image, unit_id, &request, &mut out)?;
                Some((out[..len].to_vec(), DELAY))
            }
            (Body::Registers(_), Err(refused)) => {
                let len = server::exception(unit_id, function, refused.exception, &mut out).ok()?;
                Some((out[..len].to_vec(), DELAY))
            }
        }
    }

    fn call_unit(&mut self) -> &mut Call {
        match &mut self.body {
            Body::Call(call) => call,
            Body::Registers(_) => panic!("not a call unit"),
        }
    }
}

fn respond(
    image: &mut BTreeMap<(Table, u16), u16>,
    unit_id: u8,
    request: &Request<'_>,
    out: &mut [u8],
) -> Option<usize> {
    match request {
        Request::Read { table, address, count } => {
            let word = |offset| image.get(&(*table, address.wrapping_add(offset))).copied().unwrap_or(0);
            let words: Vec<u16> = (0..*count).map(word).collect();
            if table.is_bits() {
                let mut bytes = vec![0; words.len().div_ceil(8)];
                for (place, word) in words.iter().enumerate() {
                    bytes[place / 8] |= u8::from(*word != 0) << (place % 8);
                }
                server::answer(unit_id, request, &Response::Bits(Bits::new(&bytes, *count)?), out).ok()
            } else {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                let registers = Registers::from_bytes(&bytes)?;
                server::answer(unit_id, request, &Response::Registers(registers), out).ok()
            }
        }
        Request::WriteRegister { address, value } => {
            image.insert((Table::HoldingRegister, *address), *value);
            server::answer(unit_id, request, &Response::confirming(request)?, out).ok()
        }
        Request::WriteCoil { address, on } => {
            image.insert((Table::Coil, *address), u16::from(*on));
            server::answer(unit_id, request, &Response::confirming(request)?, out).ok()
        }
        _ => server::exception(unit_id, request.function(), ExceptionCode(1), out).ok(),
    }
}
