//! Clocks, pins, watchdog, supply detector and unique id (reference manual RM0444). No decisions.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};
use stm32_metapac::gpio::vals::{Idr, Moder, Pupdr};
use stm32_metapac::iwdg::vals::{Key, Pr};
use stm32_metapac::{FLASH, GPIOA, IWDG, PWR, RCC, UID};

/// The internal oscillator, within 1 % from 0 to 85 degrees: good enough for a line of 8N1.
pub const CLOCK_HZ: u32 = 16_000_000;

/// Gives the peripherals their clock. The processor keeps the one it starts with.
pub fn power_up() {
    RCC.gpioenr().modify(|on| on.set_gpioaen(true));
    RCC.apbenr1().modify(|on| {
        on.set_tim2en(true);
        on.set_pwren(true);
    });
    RCC.apbenr2().modify(|on| {
        on.set_usart1en(true);
        on.set_adcen(true);
    });
    // At 16 MHz flash needs no wait state, so the cache gains nothing; and without it nothing stale is read.
    FLASH.acr().modify(|access| access.set_icen(false));
    // Threshold 1 in both directions: 2.2 V falling. Three volts less a diode are well above.
    PWR.cr2().modify(|detector| {
        detector.set_pvdft(1);
        detector.set_pvdrt(1);
        detector.set_pvde(true);
    });
}

/// The supply is below the detector's threshold.
pub fn is_supply_low() -> bool {
    PWR.sr2().read().pvdo()
}

/// A hash (FNV-1a) of the 96 bits that no two chips share: of a thousand units, two are alike with a
/// probability of one in eight thousand.
pub fn serial_number() -> u32 {
    let mut hash = 0x811C_9DC5_u32;
    for word in [UID.uid(0).read(), UID.uid(1).read(), UID.uid(2).read()] {
        for byte in word.to_le_bytes() {
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    hash
}

/// Pin `N` of port A: a switch to ground with the chip's pull-up.
pub struct Input<const N: usize>(());

impl<const N: usize> Input<N> {
    pub fn pull_up() -> Self {
        GPIOA.pupdr().modify(|pulls| pulls.set_pupdr(N, Pupdr::PULL_UP));
        GPIOA.moder().modify(|modes| modes.set_moder(N, Moder::INPUT));
        Self(())
    }
}

impl<const N: usize> ErrorType for Input<N> {
    type Error = Infallible;
}

impl<const N: usize> InputPin for Input<N> {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(GPIOA.idr().read().idr(N) == Idr::HIGH)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(GPIOA.idr().read().idr(N) == Idr::LOW)
    }
}

/// Pin `N` of port A, driven both ways.
pub struct Output<const N: usize>(());

impl<const N: usize> Output<N> {
    pub fn low() -> Self {
        GPIOA.bsrr().write(|change| change.set_br(N, true));
        GPIOA.moder().modify(|modes| modes.set_moder(N, Moder::OUTPUT));
        Self(())
    }
}

impl<const N: usize> ErrorType for Output<N> {
    type Error = Infallible;
}

impl<const N: usize> OutputPin for Output<N> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        GPIOA.bsrr().write(|change| change.set_br(N, true));
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        GPIOA.bsrr().write(|change| change.set_bs(N, true));
        Ok(())
    }
}

/// The independent watchdog on its own oscillator of 32 kHz: resets after 4 s without food. The longest
/// thing that the unit waits for is the erasure of a page, 40 ms.
pub struct Watchdog(());

impl Watchdog {
    /// Once started it never stops.
    pub fn start() -> Self {
        const TICKS_OF_2_MS: u16 = 2_000;
        IWDG.kr().write(|key| key.set_key(Key::START));
        IWDG.kr().write(|key| key.set_key(Key::ENABLE));
        IWDG.pr().write(|divider| divider.set_pr(Pr::DIVIDE_BY64));
        IWDG.rlr().write(|reload| reload.set_rl(TICKS_OF_2_MS));
        // The values cross to the slow clock; the default until then is half a second.
        for _ in 0..CLOCK_HZ / 1000 {
            let crossing = IWDG.sr().read();
            if !crossing.pvu() && !crossing.rvu() {
                break;
            }
        }
        IWDG.kr().write(|key| key.set_key(Key::RESET));
        Self(())
    }
}

impl call_button::board::Watchdog for Watchdog {
    fn feed(&mut self) {
        IWDG.kr().write(|key| key.set_key(Key::RESET));
    }
}
