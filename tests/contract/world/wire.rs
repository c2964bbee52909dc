//! Frames between the gateway and the unit: lost, garbled, doubled and late as the weather has it.
use super::*;
use crate::line::CHARACTER;

impl World<'_> {
    pub(super) fn sends(&mut self, mut frame: Vec<u8>) {
        self.frames += 1;
        self.note(|| format!("   -> {frame:02X?}"));
        let arrives = self.now + frame.len() as u64 * CHARACTER;
        if self.chance.percent(self.weather.loses) {
            return;
        }
        if self.chance.percent(self.weather.garbles) {
            self.garble(&mut frame);
        }
        if self.chance.percent(self.weather.doubles) {
            self.enter(arrives + 5 * MS, Thing::Request(frame.clone()));
        }
        self.enter(arrives, Thing::Request(frame));
    }

    pub(super) fn unit_hears(&mut self, frame: &[u8]) {
        if !self.cable_is_whole {
            return;
        }
        let Some(mut answer) = self.unit.answer(self.now, frame) else { return };
        self.look_at_unit();
        self.frames += 1;
        if self.chance.percent(self.weather.loses) {
            return;
        }
        if self.chance.percent(self.weather.garbles) {
            self.garble(&mut answer);
        }
        let late = self.chance.percent(self.weather.delays);
        let delay = if late { self.chance.between(150, 500) } else { self.chance.between(4, 45) };
        let arrives = self.now + delay * MS + answer.len() as u64 * CHARACTER;
        if self.chance.percent(self.weather.doubles) {
            // An adapter hands over its buffer twice. A second copy much later would be a lie that no client
            // of Modbus RTU can see through: nothing in it says which request it answers.
            let again = arrives + self.chance.between(0, 3 * MS);
            self.enter(again, Thing::Answer(answer.clone()));
        }
        self.enter(arrives, Thing::Answer(answer));
    }

    /// One to three bits: every CRC sees that.
    pub(super) fn garble(&mut self, frame: &mut [u8]) {
        let bits = frame.len() as u64 * 8;
        let first = self.chance.between(0, bits);
        for step in 0..self.chance.between(1, 4) {
            let bit = ((first + step * 7) % bits) as usize;
            frame[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
