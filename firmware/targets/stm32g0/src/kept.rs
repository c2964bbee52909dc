//! The last four pages of flash, where the unit keeps what survives a power cut. A double word is eight bytes
//! with check bits; one that power failed in is told by an NMI when it is read.

use core::ptr::{addr_of_mut, read_volatile, write_volatile};
use core::sync::atomic::{AtomicU8, Ordering};

use call_button::{Flash, FlashError, PAGES};
use stm32_metapac::FLASH;
use stm32_metapac::flash::regs::Sr;

const PAGE_BYTES: usize = 2048;
const WORD_BYTES: usize = 8;
const FLASH_START: usize = 0x0800_0000;
const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
/// More looks at a register than fit into the 40 ms that a page takes at most; and while flash is busy, the
/// processor that runs from it stands still at each.
const MOST_LOOKS: u32 = 200_000;

unsafe extern "C" {
    /// From `memory.x`.
    static mut _kept: [u32; PAGES * PAGE_BYTES / 4];
}

/// What the NMI is to think of a wrong double word.
static READING: AtomicU8 = AtomicU8::new(NOTHING);
/// It is not one of ours: the program itself is damaged.
const NOTHING: u8 = 0;
/// It is one that the unit is looking at.
const A_KEPT_WORD: u8 = 1;
/// It was that one.
const A_WRONG_WORD: u8 = 2;

/// For the NMI: `false` if the program itself is damaged. No flag is an NMI for one that was cleared a moment
/// ago; a reset for that would come again at every start.
pub fn is_program_sound() -> bool {
    if !FLASH.eccr().read().eccd() {
        return true;
    }
    forgive();
    let is_ours = READING.load(Ordering::SeqCst) != NOTHING;
    if is_ours {
        READING.store(A_WRONG_WORD, Ordering::SeqCst);
    }
    is_ours
}

/// Written as one, the flag is cleared.
fn forgive() {
    FLASH.eccr().modify(|seen| seen.set_eccd(true));
}

/// The pages. There is one of it.
pub struct KeptPages(());

impl KeptPages {
    pub fn take() -> Self {
        Self(())
    }

    fn place(word: usize) -> Result<*mut u32, FlashError> {
        if word >= PAGES * Self::PAGE_WORDS {
            return Err(FlashError::Failed);
        }
        Ok(addr_of_mut!(_kept).cast::<u32>().wrapping_add(word * 2))
    }

    /// Unlocks, begins, waits until it is done, and locks again.
    fn work(begin: impl FnOnce()) -> Result<(), FlashError> {
        if !is_idle() {
            return Err(FlashError::Failed);
        }
        // An error of the past would stop this; each flag is cleared by writing it as one.
        FLASH.sr().write_value(Sr(u32::MAX));
        if FLASH.cr().read().lock() {
            for key in KEYS {
                FLASH.keyr().write_value(key);
            }
        }
        begin();
        let idle = is_idle();
        let seen = FLASH.sr().read();
        FLASH.cr().write(|control| control.set_lock(true));
        let failed = seen.operr()
            || seen.progerr()
            || seen.wrperr()
            || seen.pgaerr()
            || seen.sizerr()
            || seen.pgserr()
            || seen.miserr();
        if idle && !failed { Ok(()) } else { Err(FlashError::Failed) }
    }
}

fn is_idle() -> bool {
    (0..MOST_LOOKS).any(|_| {
        let seen = FLASH.sr().read();
        !seen.bsy() && !seen.cfgbsy()
    })
}

impl Flash for KeptPages {
    const PAGE_WORDS: usize = PAGE_BYTES / WORD_BYTES;

    fn read(&self, word: usize) -> Result<u64, FlashError> {
        let place = Self::place(word)?;
        READING.store(A_KEPT_WORD, Ordering::SeqCst);
        // SAFETY: inside the pages, which nothing else uses, and aligned; the NMI deals with a wrong word.
        let (low, high) = unsafe { (read_volatile(place), read_volatile(place.wrapping_add(1))) };
        cortex_m::asm::dsb();
        cortex_m::asm::isb();
        let wrong = FLASH.eccr().read().eccd();
        if wrong {
            forgive();
        }
        let told = READING.load(Ordering::SeqCst) == A_WRONG_WORD;
        READING.store(NOTHING, Ordering::SeqCst);
        if told || wrong {
            return Err(FlashError::Ecc);
        }
        Ok(u64::from(high) << 32 | u64::from(low))
    }

    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        let place = Self::place(word)?;
        Self::work(|| {
            FLASH.cr().write(|control| control.set_pg(true));
            // SAFETY: inside the pages, which nothing else uses, and aligned. Flash takes both halves as one
            // double word; nothing comes between them.
            unsafe {
                write_volatile(place, value as u32);
                cortex_m::asm::isb();
                write_volatile(place.wrapping_add(1), (value >> 32) as u32);
            }
        })
    }

    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        let place = Self::place(page * Self::PAGE_WORDS)?;
        let number = (place.addr() - FLASH_START) / PAGE_BYTES;
        Self::work(|| {
            FLASH.cr().write(|control| {
                control.set_per(true);
                control.set_pnb(number as u8);
            });
            FLASH.cr().modify(|control| control.set_strt(true));
        })
    }
}
