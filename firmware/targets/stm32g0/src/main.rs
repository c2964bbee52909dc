//! The one-button call unit on an STM32G031 (any of 32 KiB flash and 8 KiB RAM or more) with an RS-485
//! transceiver. The wiring is drawn in `firmware/README.md`:
//!
//! ```text
//!   PA0 -- button, low is pressed          PA5  -- lamp, high is lit
//!   PA1 -- local cancel, low is pressed    PA6  -- buzzer, high sounds
//!   PA4 -- tamper, low is open             PA7  -- half the battery's voltage; tied to VDD: no battery
//!   PA9 -- transmit, PA10 -- receive, PA12 -- driver enable: the line, 8N1
//! ```
//! No interrupt handler ever runs: interrupts stay masked and only end the sleep, so there is nothing that
//! could happen in the middle of anything. The one exception is the NMI by which flash tells a half-programmed
//! double word. The serial number is a hash of the chip's unique id.
#![no_std]
#![no_main]

mod battery;
mod chip;
mod clock;
mod kept;
mod usart;

use call_button::board::{Board, Panel};
use call_button::{CallButton, Inputs, Micros};
use cortex_m::peripheral::SCB;
use cortex_m_rt::{entry, exception};

use crate::chip::{Input, Output, Watchdog};
use crate::clock::Clock;
use crate::kept::KeptPages;
use crate::usart::Usart;

const MEASURE_EVERY_US: Micros = 10_000_000;

#[entry]
fn main() -> ! {
    cortex_m::interrupt::disable();
    let watchdog = Watchdog::start();
    chip::power_up();
    let mut clock = Clock::start();
    let now = clock.now_us();
    let mut unit = CallButton::start(KeptPages::take(), chip::serial_number(), now);
    let panel = Panel {
        button: Input::<0>::pull_up(),
        cancel: Input::<1>::pull_up(),
        tamper: Input::<4>::pull_up(),
        lamp: Output::<5>::low(),
        buzzer: Output::<6>::low(),
    };
    let mut board = Board::new(&mut unit, Usart::start(), panel, watchdog);
    let mut measured = Inputs::default();
    let mut measure_at = now;
    loop {
        let now = clock.now_us();
        measured.supply_low = chip::is_supply_low();
        // It takes a third of a millisecond, which no answer has to wait for.
        if now >= measure_at && board.unit.frame_ends_at().is_none() {
            measure_at = now + MEASURE_EVERY_US;
            let battery = battery::measure();
            measured.hardware_fault = battery.is_err();
            measured.battery_mv = battery.unwrap_or(None);
        }
        board.turn(now, measured);
        let next = board.next_turn(clock.now_us());
        clock.sleep_until(next);
    }
}

/// Nothing in here panics; if it ever does, a reset keeps the call.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}

/// So does a fault of the processor.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    SCB::sys_reset()
}

/// Flash tells here of a double word whose check bits are wrong.
#[exception]
unsafe fn NonMaskableInt() {
    if !kept::is_program_sound() {
        SCB::sys_reset();
    }
}
