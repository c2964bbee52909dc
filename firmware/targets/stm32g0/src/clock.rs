//! Microseconds from timer 2, which also ends the sleep: at the latest when the next turn is due, to the
//! microsecond, so that three and a half characters of silence are not rounded up to a tick.

use call_button::Micros;
use cortex_m::peripheral::NVIC;
use stm32_metapac::{Interrupt, TIM2};

use crate::chip::CLOCK_HZ;

/// Microseconds since the start. Reading it at least once in 71 minutes keeps it right.
pub struct Clock {
    seen: u32,
    now: Micros,
}

impl Clock {
    pub fn start() -> Self {
        TIM2.psc().write_value((CLOCK_HZ / 1_000_000 - 1) as u16);
        TIM2.arr().write_value(u32::MAX);
        // Takes over the divider.
        TIM2.egr().write(|event| event.set_ug(true));
        TIM2.dier().write(|on| on.set_ccie(0, true));
        TIM2.cr1().write(|on| on.set_cen(true));
        // SAFETY: interrupts are masked in the processor for ever; this only lets them end the sleep.
        unsafe { NVIC::unmask(Interrupt::TIM2) };
        Self { seen: 0, now: 0 }
    }

    pub fn now_us(&mut self) -> Micros {
        let count = TIM2.cnt().read();
        self.now += Micros::from(count.wrapping_sub(self.seen));
        self.seen = count;
        self.now
    }

    /// Sleeps (Sleep mode: the processor stands, the peripherals run) until then or until the serial port
    /// wants something. What comes between the last look at the port and the sleep is pending and ends it.
    pub fn sleep_until(&mut self, then: Micros) {
        // The low 32 bits are the count at that time.
        TIM2.ccr(0).write_value(then as u32);
        if self.now_us() < then {
            cortex_m::asm::wfi();
        }
        TIM2.sr().modify(|seen| seen.set_ccif(0, false));
        NVIC::unpend(Interrupt::TIM2);
        NVIC::unpend(Interrupt::USART1);
    }
}
