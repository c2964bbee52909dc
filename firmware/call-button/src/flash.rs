//! The few pages of flash that a unit owns, as the cheapest microcontrollers have them: double words of
//! 8 bytes that are programmed once between two erasures. Power may fail in the middle of anything.

/// How many pages the unit owns: two for the settings, two for the counters.
pub const PAGES: usize = 4;
/// An erased double word.
pub(crate) const BLANK: u64 = u64::MAX;

/// What flash can refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashError {
    /// Reading: a half-programmed double word, which the STM32G0 family tells as an uncorrectable ECC fault.
    Ecc,
    /// Programming or erasing did not succeed, or there is no such place.
    Failed,
}

/// [`PAGES`] pages of [`PAGE_WORDS`](Flash::PAGE_WORDS) double words each. Words are numbered through all
/// pages from 0.
///
/// An implementation waits until the work is done: about 85 us for a word and 22 to 40 ms for a page on an
/// STM32G0 (data sheet DS12232, flash memory characteristics).
pub trait Flash {
    /// Double words in one page: an even number, 4 at least.
    const PAGE_WORDS: usize;

    /// One double word; all ones if it is erased.
    ///
    /// # Errors
    /// `Ecc` if it was only half programmed, `Failed` if there is no such word.
    fn read(&self, word: usize) -> Result<u64, FlashError>;

    /// Programs one erased double word.
    ///
    /// # Errors
    /// It was not erased, or it did not take.
    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError>;

    /// Makes a page all ones.
    ///
    /// # Errors
    /// It did not take.
    fn erase(&mut self, page: usize) -> Result<(), FlashError>;
}

impl<F: Flash> Flash for &mut F {
    const PAGE_WORDS: usize = F::PAGE_WORDS;

    fn read(&self, word: usize) -> Result<u64, FlashError> {
        (**self).read(word)
    }

    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        (**self).program(word, value)
    }

    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        (**self).erase(page)
    }
}

/// Flash in memory: `WORDS` double words in all, a quarter of them in each page. The simulated field keeps
/// it through a restart; an emulated board puts it where a reset does not reach.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct RamFlash<const WORDS: usize> {
    words: [u64; WORDS],
}

impl<const WORDS: usize> RamFlash<WORDS> {
    /// As it leaves the factory.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(WORDS.is_multiple_of(2 * PAGES) && WORDS >= 4 * PAGES) };
        Self { words: [BLANK; WORDS] }
    }
}

impl<const WORDS: usize> Default for RamFlash<WORDS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const WORDS: usize> Flash for RamFlash<WORDS> {
    const PAGE_WORDS: usize = WORDS / PAGES;

    fn read(&self, word: usize) -> Result<u64, FlashError> {
        self.words.get(word).copied().ok_or(FlashError::Failed)
    }

    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        match self.words.get_mut(word) {
            Some(place) if *place == BLANK => {
                *place = value;
                Ok(())
            }
            _ => Err(FlashError::Failed),
        }
    }

    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        let first = page.saturating_mul(Self::PAGE_WORDS);
        let words = self.words.get_mut(first..first.saturating_add(Self::PAGE_WORDS));
        words.ok_or(FlashError::Failed)?.fill(BLANK);
        Ok(())
    }
}
