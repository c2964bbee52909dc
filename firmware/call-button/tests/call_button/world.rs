//! A unit, a finger and a clock.

use call_button::{CallButton, Counters, Display, Flash, Inputs, Micros, RamFlash, Settings, provision};
use modbus_wire::{Table, rtu};

pub(crate) const MS: Micros = 1000;
pub(crate) const SECOND: Micros = 1_000_000;
pub(crate) const SERIAL: u32 = 0x0001_E240;
pub(crate) type Memory = RamFlash<32>;

pub(crate) struct World<F: Flash = Memory> {
    pub(crate) unit: CallButton<F>,
    pub(crate) now: Micros,
    pub(crate) inputs: Inputs,
}

/// A unit with id 12, asked regularly so far, whose button has been seen released.
pub(crate) fn world() -> World {
    world_after(Counters::default())
}

pub(crate) fn world_after(counters: Counters) -> World {
    let mut flash = Memory::new();
    let settings = Settings::default().with_unit_id(12).unwrap();
    provision(&mut flash, settings, counters).unwrap();
    World::start(flash)
}

impl<F: Flash> World<F> {
    pub(crate) fn start(flash: F) -> Self {
        let mut world = Self { unit: CallButton::start(flash, SERIAL, 0), now: 0, inputs: Inputs::default() };
        world.run(20);
        world
    }

    /// The power goes away and comes back.
    pub(crate) fn restart(self) -> Self {
        Self::start(self.unit.into_flash())
    }

    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now += MS;
            self.unit.tick(self.now, self.inputs);
        }
    }

    pub(crate) fn press(&mut self, held_ms: u64) {
        self.inputs.button = true;
        self.run(held_ms);
        self.inputs.button = false;
        self.run(60);
    }

    pub(crate) fn cancel(&mut self) {
        self.inputs.cancel = true;
        self.run(100);
        self.inputs.cancel = false;
        self.run(60);
    }

    /// A whole frame in hex; the answer in hex, "" for silence.
    pub(crate) fn frame(&mut self, frame: &str) -> String {
        let answer = self.unit.request(self.now, &bytes(frame)).map(hex).unwrap_or_default();
        self.unit.sent();
        answer
    }

    /// A PDU for this unit id; the answer's PDU.
    pub(crate) fn ask_at(&mut self, unit_id: u8, pdu: &str) -> String {
        let answer = self.frame(&hex(&framed(unit_id, &bytes(pdu))));
        if answer.is_empty() {
            return answer;
        }
        let answer = bytes(&answer);
        let (answered_by, pdu) = rtu::decode(&answer).unwrap();
        assert_eq!(answered_by, unit_id);
        hex(pdu)
    }

    pub(crate) fn ask(&mut self, pdu: &str) -> String {
        self.ask_at(12, pdu)
    }

    pub(crate) fn echo(&mut self, count: u16) -> String {
        self.ask(&format!("06 00 00 {:02X} {:02X}", count >> 8, count & 0xFF))
    }

    pub(crate) fn indicate(&mut self, state: u16) {
        let pdu = format!("06 00 01 00 {state:02X}");
        assert_eq!(self.ask(&pdu), pdu);
    }

    pub(crate) fn bit(&self, address: u16) -> bool {
        self.unit.register(self.now, Table::DiscreteInput, address) == Some(1)
    }

    pub(crate) fn input(&self, address: u16) -> u16 {
        self.unit.register(self.now, Table::InputRegister, address).unwrap()
    }

    pub(crate) fn holding(&self, address: u16) -> u16 {
        self.unit.register(self.now, Table::HoldingRegister, address).unwrap()
    }

    pub(crate) fn latched(&self) -> bool {
        self.bit(1)
    }

    pub(crate) fn presses(&self) -> u16 {
        self.input(4)
    }

    pub(crate) fn display(&self) -> Display {
        self.unit.display()
    }
}

pub(crate) fn framed(unit_id: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [0; 256];
    let len = rtu::encode(unit_id, pdu, &mut frame).unwrap();
    frame[..len].to_vec()
}

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// Chance from a seed (splitmix64, public domain, by Sebastiano Vigna).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Less than `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
