//! Eight bytes that are always either the old or the new ones, wherever the power fails.
//!
//! Two pages hold records of two double words: the payload, then its sequence number and checksum. The valid
//! record with the highest number is what counts. The page that holds it is never erased, so there is a valid
//! record at every moment; and all words of a page are used before the next erasure, so flash wears evenly.
//! When a page is full the other one is erased at leisure: erasing takes longer than a request may wait.

use modbus_wire::rtu;

use crate::flash::{BLANK, Flash, FlashError};

/// Double words in a record.
const RECORD_WORDS: usize = 2;
/// A worn word is passed over; so many in a row are a fault.
const ATTEMPTS: usize = 3;

pub(crate) type Payload = [u8; 8];

/// What was found at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Never used.
    Blank,
    /// The newest valid record.
    Newest(Payload),
    /// Used, but no valid record is left.
    Lost,
}

/// Where the next record goes. The pages are `first_page` and the one after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring {
    first_page: usize,
    /// Which of the two holds the newest valid record.
    newest_in: Option<usize>,
    /// Where to write, in records; past the end of the page when it is full.
    page: usize,
    slot: usize,
    sequence: u32,
    /// The page became full and the other one has not been made ready.
    is_full: bool,
}

impl Ring {
    pub(crate) fn open<F: Flash>(flash: &F, first_page: usize) -> (Self, Found) {
        let mut ring =
            Self { first_page, newest_in: None, page: 0, slot: usize::MAX, sequence: 0, is_full: false };
        let mut newest = None;
        let mut blank = true;
        for page in 0..2 {
            for slot in 0..slots::<F>() {
                match ring.read(flash, page, slot) {
                    Slot::Blank => {}
                    Slot::Torn => blank = false,
                    Slot::Valid { sequence, payload } => {
                        blank = false;
                        if newest.is_none_or(|(highest, _)| sequence > highest) {
                            newest = Some((sequence, payload));
                            ring.newest_in = Some(page);
                        }
                    }
                }
            }
        }
        if let (Some(page), Some((sequence, _))) = (ring.newest_in, newest) {
            ring.page = page;
            ring.sequence = sequence;
            let used = (0..slots::<F>()).rev().find(|slot| ring.read(flash, page, *slot) != Slot::Blank);
            ring.slot = used.map_or(0, |slot| slot + 1);
            ring.is_full = ring.slot >= slots::<F>();
        }
        let found = match newest {
            Some((_, payload)) => Found::Newest(payload),
            None if blank => Found::Blank,
            None => Found::Lost,
        };
        (ring, found)
    }

    /// Writes the payload so that it survives from now on, and reads it back.
    ///
    /// # Errors
    /// The flash did not take it; what was kept before is still kept.
    pub(crate) fn append<F: Flash>(&mut self, flash: &mut F, payload: Payload) -> Result<(), FlashError> {
        let mut outcome = Err(FlashError::Failed);
        for _ in 0..ATTEMPTS {
            if self.slot >= slots::<F>() {
                self.turn_page(flash)?;
            }
            outcome = self.write(flash, payload);
            if outcome.is_ok() {
                break;
            }
        }
        self.is_full = self.slot >= slots::<F>();
        outcome
    }

    /// Makes the next page ready if this one is full, once: if flash refuses, the next record tells. Whether
    /// there was something to do.
    pub(crate) fn turn_ahead<F: Flash>(&mut self, flash: &mut F) -> bool {
        let is_full = core::mem::take(&mut self.is_full);
        if is_full {
            let _ = self.turn_page(flash);
        }
        is_full
    }

    /// The page without the newest record is erased, and it may have been erased only half before.
    fn turn_page<F: Flash>(&mut self, flash: &mut F) -> Result<(), FlashError> {
        let page = self.newest_in.map_or(0, |page| 1 - page.min(1));
        flash.erase(self.first_page + page)?;
        self.page = page;
        self.slot = 0;
        Ok(())
    }

    fn write<F: Flash>(&mut self, flash: &mut F, payload: Payload) -> Result<(), FlashError> {
        let (page, slot) = (self.page, self.slot);
        self.slot = slot.saturating_add(1);
        // A failed attempt may turn out to be readable one day: no number is used twice.
        self.sequence = self.sequence.saturating_add(1);
        let word = self.word::<F>(page, slot);
        flash.program(word, u64::from_le_bytes(payload))?;
        flash.program(word + 1, seal(payload, self.sequence, self.first_page))?;
        if self.read(flash, page, slot) != (Slot::Valid { sequence: self.sequence, payload }) {
            return Err(FlashError::Failed);
        }
        self.newest_in = Some(page);
        Ok(())
    }

    fn read<F: Flash>(&self, flash: &F, page: usize, slot: usize) -> Slot {
        let word = self.word::<F>(page, slot);
        match (flash.read(word), flash.read(word + 1)) {
            (Ok(BLANK), Ok(BLANK)) => Slot::Blank,
            (Ok(payload), Ok(sealed)) => {
                let payload = payload.to_le_bytes();
                let sequence = (sealed & u64::from(u32::MAX)) as u32;
                if seal(payload, sequence, self.first_page) == sealed {
                    Slot::Valid { sequence, payload }
                } else {
                    Slot::Torn
                }
            }
            _ => Slot::Torn,
        }
    }

    fn word<F: Flash>(&self, page: usize, slot: usize) -> usize {
        (self.first_page + page) * F::PAGE_WORDS + slot * RECORD_WORDS
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Blank,
    /// Half written, half erased or worn.
    Torn,
    Valid {
        sequence: u32,
        payload: Payload,
    },
}

fn slots<F: Flash>() -> usize {
    F::PAGE_WORDS / RECORD_WORDS
}

/// Sequence number, checksum, and the checksum's complement: never all ones, never all zeroes.
fn seal(payload: Payload, sequence: u32, first_page: usize) -> u64 {
    let mut bytes = [0; 13];
    let (head, tail) = bytes.split_at_mut(8);
    head.copy_from_slice(&payload);
    let place = sequence.to_le_bytes().into_iter().chain([(first_page & 0xFF) as u8]);
    for (to, from) in tail.iter_mut().zip(place) {
        *to = from;
    }
    let crc = rtu::crc(&bytes);
    u64::from(!crc) << 48 | u64::from(crc) << 32 | u64::from(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RamFlash;

    #[test]
    fn the_newest_survives_any_number_of_pages() {
        let mut flash = RamFlash::<32>::new();
        assert_eq!(Ring::open(&flash, 2).1, Found::Blank);
        for count in 0..50_u64 {
            let (mut ring, _) = Ring::open(&flash, 2);
            ring.append(&mut flash, count.to_le_bytes()).unwrap();
            ring.append(&mut flash, (count + 1).to_le_bytes()).unwrap();
            assert_eq!(Ring::open(&flash, 2).1, Found::Newest((count + 1).to_le_bytes()));
        }
    }

    #[test]
    fn records_of_one_ring_mean_nothing_to_another() {
        let mut flash = RamFlash::<32>::new();
        let (mut ring, _) = Ring::open(&flash, 0);
        ring.append(&mut flash, [7; 8]).unwrap();
        let mut moved = RamFlash::<32>::new();
        for word in 0..2 {
            moved.program(16 + word, flash.read(word).unwrap()).unwrap();
        }
        assert_eq!(Ring::open(&moved, 2).1, Found::Lost);
    }

    /// Words 0 to 5 never take anything.
    struct Worn(RamFlash<32>);

    impl Flash for Worn {
        const PAGE_WORDS: usize = 8;
        fn read(&self, word: usize) -> Result<u64, FlashError> {
            self.0.read(word)
        }
        fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
            if word < 6 { Err(FlashError::Failed) } else { self.0.program(word, value) }
        }
        fn erase(&mut self, page: usize) -> Result<(), FlashError> {
            self.0.erase(page)
        }
    }

    #[test]
    fn worn_words_are_passed_over_and_the_page_with_the_newest_record_is_never_erased() {
        let mut flash = Worn(RamFlash::new());
        let (mut ring, _) = Ring::open(&flash, 0);
        let mut kept = None;
        for count in 0..40_u64 {
            match ring.append(&mut flash, count.to_le_bytes()) {
                Ok(()) => kept = Some(count),
                Err(_) => assert!(count == 0 || kept.is_some()),
            }
            let found = Ring::open(&flash, 0).1;
            assert_eq!(
                kept.map(u64::to_le_bytes).map(Found::Newest),
                match found {
                    Found::Newest(_) => Some(found),
                    _ => None,
                }
            );
        }
        assert!(kept.is_some_and(|count| count >= 38), "most attempts succeed: {kept:?}");
    }
}
