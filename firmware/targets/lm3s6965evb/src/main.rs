//! The one-button call unit on the LM3S6965 evaluation board, for QEMU's `lm3s6965evb`.
//!
//! ```text
//!   key "up"    E0 -- button, low is pressed        F0 -- lamp (the board's LED), high is lit
//!   key "down"  E1 -- local cancel, low is pressed  G1 -- buzzer, high sounds
//!   UART0 A0/A1 -- the line, 8N1 (-serial)          watchdog: 4 s, and 4 s more until the reset
//! ```
//! The serial number is the last four bytes of the MAC address in the chip's user registers (QEMU:
//! `-nic user,mac=52:54:00:12:34:56` is 0x00123456). Two units on one line need two of them.
//!
//! QEMU's flash is ROM here, so what a unit keeps lives in memory that a reset leaves alone; a power cut
//! loses it. QEMU says *pressed* for every key from the start until the key was pressed and released once.
#![no_std]
#![no_main]

mod chip;

use call_button::board::{Board, NotFitted, Panel};
use call_button::{CallButton, Inputs};
use cortex_m_rt::{entry, exception};

use crate::chip::{Clock, Input, Output, Uart, Watchdog};

#[entry]
fn main() -> ! {
    chip::power_up();
    let mut clock = Clock::start();
    let now = clock.now_us();
    let mut unit = CallButton::start(chip::kept_memory(), chip::serial_number(), now);
    let panel = Panel {
        button: Input::port_e(0),
        cancel: Input::port_e(1),
        tamper: NotFitted,
        lamp: Output::port_f(0),
        buzzer: Output::port_g(1),
    };
    let mut board = Board::new(&mut unit, Uart::start(), panel, Watchdog::start());
    loop {
        board.turn(clock.now_us(), Inputs::default());
        // The next millisecond or the next byte.
        cortex_m::asm::wfi();
    }
}

/// Nothing in here panics; if it ever does, a reset keeps the call.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// So does a fault of the processor.
#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}
