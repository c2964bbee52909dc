//! USART1, 8N1, whose hardware drives the transceiver's driver-enable pin around every answer. Its interrupt
//! only ends the sleep.

use call_button::board::Port;
use cortex_m::peripheral::NVIC;
use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};
use stm32_metapac::gpio::vals::{Moder, Pupdr};
use stm32_metapac::{GPIOA, Interrupt, USART1};

use crate::chip::CLOCK_HZ;

pub struct Usart(());

/// What the receiver saw was no byte.
#[derive(Debug)]
pub struct LineError;

impl embedded_io::Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidData
    }
}

impl core::fmt::Display for LineError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("framing error or overrun")
    }
}

impl core::error::Error for LineError {}

impl Usart {
    /// Takes the pins. The port hears and speaks from [`Port::set_baud`] on.
    pub fn start() -> Self {
        const TRANSMIT: usize = 9;
        const RECEIVE: usize = 10;
        const DRIVER_ENABLE: usize = 12;
        const USART1_PINS: u8 = 1;
        // While the transceiver's receiver is off, nobody else holds this pin.
        GPIOA.pupdr().modify(|pulls| pulls.set_pupdr(RECEIVE, Pupdr::PULL_UP));
        GPIOA.afr(1).modify(|functions| {
            functions.set_afr(TRANSMIT - 8, USART1_PINS);
            functions.set_afr(RECEIVE - 8, USART1_PINS);
            functions.set_afr(DRIVER_ENABLE - 8, USART1_PINS);
        });
        GPIOA.moder().modify(|modes| {
            modes.set_moder(TRANSMIT, Moder::ALTERNATE);
            modes.set_moder(RECEIVE, Moder::ALTERNATE);
            modes.set_moder(DRIVER_ENABLE, Moder::ALTERNATE);
        });
        // SAFETY: interrupts are masked in the processor for ever; this only lets them end the sleep.
        unsafe { NVIC::unmask(Interrupt::USART1) };
        Self(())
    }
}

impl ErrorType for Usart {
    type Error = LineError;
}

impl ReadReady for Usart {
    fn read_ready(&mut self) -> Result<bool, LineError> {
        let seen = USART1.isr().read();
        Ok(seen.rxne() || seen.ore())
    }
}

impl Read for Usart {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, LineError> {
        let Some(place) = out.first_mut() else { return Ok(0) };
        let seen = USART1.isr().read();
        if seen.ore() {
            USART1.icr().write(|seen| seen.set_ore(true));
            return Err(LineError);
        }
        if !seen.rxne() {
            return Ok(0);
        }
        // The flags are those of the byte that is read next.
        let byte = USART1.rdr().read().dr() as u8;
        if seen.fe() {
            USART1.icr().write(|seen| seen.set_fe(true));
            return Err(LineError);
        }
        *place = byte;
        Ok(1)
    }
}

impl WriteReady for Usart {
    /// Room for a byte ends the sleep while this says that there is none.
    fn write_ready(&mut self) -> Result<bool, LineError> {
        let ready = USART1.isr().read().txe();
        USART1.cr1().modify(|wakes| wakes.set_txeie(!ready));
        Ok(ready)
    }
}

impl Write for Usart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, LineError> {
        let Some(byte) = bytes.first() else { return Ok(0) };
        USART1.tdr().write(|data| data.set_dr(u16::from(*byte)));
        Ok(1)
    }

    fn flush(&mut self) -> Result<(), LineError> {
        while !self.is_drained() {}
        Ok(())
    }
}

impl Port for Usart {
    /// The last stop bit ends the sleep while this says that it has not left.
    fn is_drained(&mut self) -> bool {
        let drained = USART1.isr().read().tc();
        USART1.cr1().modify(|wakes| wakes.set_tcie(!drained));
        drained
    }

    fn set_baud(&mut self, baud: u32) {
        // In sixteenths of a bit: the driver is on for a bit before the start bit and after the stop bit.
        const ONE_BIT: u8 = 16;
        USART1.cr1().write(|_| {});
        let baud = baud.max(1);
        USART1.brr().write(|divider| divider.set_brr(((CLOCK_HZ + baud / 2) / baud) as u16));
        USART1.cr3().write(|driver| driver.set_dem(true));
        USART1.cr1().write(|on| {
            on.set_fifoen(true);
            on.set_deat(ONE_BIT);
            on.set_dedt(ONE_BIT);
            on.set_rxneie(true);
            on.set_te(true);
            on.set_re(true);
            on.set_ue(true);
        });
    }
}
