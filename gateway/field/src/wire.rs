//! The two wires of an RS-485 line: which character is on them when, and what becomes of two at once.
use std::collections::VecDeque;

use crate::clock::Nanos;

/// Characters on their way to the gateway, in order of their end.
#[derive(Debug)]
pub(crate) struct Wire {
    character: Nanos,
    coming: VecDeque<Character>,
    /// Within a burst, not before this.
    next_chunk: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Character {
    end: Nanos,
    byte: u8,
}

/// Within a burst the gateway is woken at most this often, as by an adapter that collects a few characters;
/// the first and the last character of a burst always come at their exact time.
const CHUNK: Nanos = 2_000_000;
/// More than any honest conversation has under way; a line that babbles beyond it loses characters.
const MOST_COMING: usize = 4096;

impl Wire {
    /// `bits` per character: 10 for 8N1, 11 for 8E1 and 8N2.
    pub(crate) fn new(baud: u32, bits: u8) -> Self {
        let character = u64::from(bits) * 1_000_000_000 / u64::from(baud.max(1));
        Self { character, coming: VecDeque::new(), next_chunk: 0 }
    }

    pub(crate) fn time_of(&self, characters: usize) -> Nanos {
        self.character * characters as u64
    }

    /// Sends bytes without a pause, the first bit at `start`. Where the wire is in use already, both
    /// characters are spoilt: the receiver sees a dominant 0 wherever one of them has it.
    pub(crate) fn send(&mut self, start: Nanos, bytes: &[u8]) {
        for (byte, index) in bytes.iter().zip(1..) {
            let end = start + self.time_of(index);
            if !self.garble(end - self.character, end, *byte) && self.coming.len() < MOST_COMING {
                let place = self.coming.partition_point(|other| other.end <= end);
                self.coming.insert(place, Character { end, byte: *byte });
            }
        }
    }

    /// Something else is sent from `start` on: what is on the wire meanwhile is spoilt. True if there was
    /// anything.
    pub(crate) fn collide(&mut self, start: Nanos, bytes: &[u8]) -> bool {
        let mut hit = false;
        for (byte, index) in bytes.iter().zip(1..) {
            let end = start + self.time_of(index);
            hit |= self.garble(end - self.character, end, *byte);
        }
        hit
    }

    fn garble(&mut self, start: Nanos, end: Nanos, byte: u8) -> bool {
        let from = self.coming.partition_point(|other| other.end <= start);
        let mut hit = false;
        for other in self.coming.iter_mut().skip(from) {
            if other.end - self.character >= end {
                break;
            }
            other.byte &= byte;
            hit = true;
        }
        hit
    }

    /// Takes what has arrived by `now`.
    pub(crate) fn arrived(&mut self, now: Nanos, out: &mut Vec<u8>) {
        let count = self.coming.partition_point(|one| one.end <= now);
        if count > 0 {
            self.next_chunk = now + CHUNK;
            out.extend(self.coming.drain(..count).map(|one| one.byte));
        }
    }

    /// When to come back for more.
    pub(crate) fn next_arrival(&self) -> Option<Nanos> {
        let first = self.coming.front()?.end;
        let ends = self.coming.iter().map(|one| one.end);
        let gap = self.character * 3 / 2;
        let last = ends.clone().zip(ends.skip(1)).find(|(one, next)| next - one > gap).map(|(one, _)| one);
        let last = last.or_else(|| self.coming.back().map(|one| one.end)).unwrap_or(first);
        Some(last.min(first.max(self.next_chunk)))
    }

    pub(crate) fn clear(&mut self) {
        self.coming.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    /// 10 bits at 10,000 baud: a character is a millisecond.
    fn wire() -> Wire {
        Wire::new(10_000, 10)
    }

    fn drain(wire: &mut Wire) -> Vec<(Nanos, Vec<u8>)> {
        let mut story = Vec::new();
        while let Some(at) = wire.next_arrival() {
            let mut bytes = Vec::new();
            wire.arrived(at, &mut bytes);
            story.push((at / MS, bytes));
        }
        story
    }

    #[test]
    fn the_first_and_the_last_character_come_at_their_exact_time() {
        let mut wire = wire();
        wire.send(20 * MS, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(drain(&mut wire), [(21, vec![1]), (23, vec![2, 3]), (25, vec![4, 5]), (26, vec![6])]);
    }

    #[test]
    fn two_who_send_at_once_spoil_each_other() {
        let mut wire = wire();
        wire.send(10 * MS, &[0xFF, 0x0F, 0x33]);
        wire.send(11 * MS, &[0xF0, 0xFF]);
        let mut bytes = Vec::new();
        wire.arrived(20 * MS, &mut bytes);
        assert_eq!(bytes, [0xFF, 0x00, 0x33]);
    }

    #[test]
    fn a_request_meets_only_what_is_on_the_wire_meanwhile() {
        let mut wire = wire();
        wire.send(10 * MS, &[0xFF, 0xFF]);
        assert!(!wire.collide(8 * MS, &[0, 0]), "it ended just before");
        assert!(!wire.collide(12 * MS, &[0]), "it began just after");
        assert!(wire.collide(11 * MS + 1, &[0]));
        let mut bytes = Vec::new();
        wire.arrived(20 * MS, &mut bytes);
        assert_eq!(bytes, [0xFF, 0x00]);
    }

    #[test]
    fn a_wire_never_holds_more_than_its_bound() {
        let mut wire = wire();
        for burst in 0..1000 {
            wire.send(burst * 100 * MS, &[0x55; 100]);
        }
        assert_eq!(wire.coming.len(), MOST_COMING);
    }
}
