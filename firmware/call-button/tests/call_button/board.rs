//! The main loop that every board shares, on pins and a port of paper.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;

use call_button::board::{Board, NotFitted, Panel, Port, Watchdog};
use call_button::{CallButton, Display, Inputs, RamFlash};
use embedded_hal::digital::{ErrorType, InputPin, OutputPin};
use embedded_io::{Read, ReadReady, Write, WriteReady};

use crate::world::{bytes, hex};

/// A level somebody else can see and set.
struct Pin<'a>(&'a Cell<bool>);

impl ErrorType for Pin<'_> {
    type Error = Infallible;
}

impl InputPin for Pin<'_> {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.get())
    }
    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.get())
    }
}

impl OutputPin for Pin<'_> {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.set(false);
        Ok(())
    }
    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.set(true);
        Ok(())
    }
}

/// A port with room for four bytes that is drained from outside.
#[derive(Default)]
struct Line {
    incoming: RefCell<VecDeque<u8>>,
    fifo: RefCell<VecDeque<u8>>,
    baud: Cell<u32>,
}

struct Serial<'a>(&'a Line);

impl embedded_io::ErrorType for Serial<'_> {
    type Error = Infallible;
}

impl Read for Serial<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        Ok(match (self.0.incoming.borrow_mut().pop_front(), out.first_mut()) {
            (Some(byte), Some(place)) => {
                *place = byte;
                1
            }
            _ => 0,
        })
    }
}

impl ReadReady for Serial<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0.incoming.borrow().is_empty())
    }
}

impl Write for Serial<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut fifo = self.0.fifo.borrow_mut();
        let count = bytes.len().min(4 - fifo.len());
        fifo.extend(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for Serial<'_> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.fifo.borrow().len() < 4)
    }
}

impl Port for Serial<'_> {
    fn is_drained(&mut self) -> bool {
        self.0.fifo.borrow().is_empty()
    }
    fn set_baud(&mut self, baud: u32) {
        self.0.baud.set(baud);
    }
}

struct Dog<'a>(&'a Cell<u32>);

impl Watchdog for Dog<'_> {
    fn feed(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_key_press_lights_the_lamp_and_a_request_is_answered_while_the_button_is_watched() {
    let (button, lamp, buzzer, fed) = (Cell::new(true), Cell::new(false), Cell::new(false), Cell::new(0));
    let line = Line::default();
    let mut unit = CallButton::start(RamFlash::<32>::new(), 1, 0);
    let pins = Panel {
        button: Pin(&button),
        cancel: NotFitted,
        tamper: NotFitted,
        lamp: Pin(&lamp),
        buzzer: Pin(&buzzer),
    };
    let mut board = Board::new(&mut unit, Serial(&line), pins, Dog(&fed));
    assert_eq!(line.baud.get(), 9600);

    let mut sent = Vec::new();
    line.incoming.borrow_mut().extend(bytes("01 06 07 D1 00 00 D8 87"));
    let mut lit = 0;
    for ms in 0..400_u64 {
        // Low is pressed; the press begins while the answer is going out.
        button.set(!(8..58).contains(&ms));
        board.turn(ms * 1000, Inputs::default());
        lit += u32::from(lamp.get());
        if sent.len() < 8 {
            assert_eq!(line.baud.get(), 9600, "the old rate until the last byte has left");
        }
        // One character leaves a millisecond.
        sent.extend(line.fifo.borrow_mut().pop_front());
    }
    assert_eq!(hex(&sent), "01 06 07 D1 00 00 D8 87");
    assert_eq!(line.baud.get(), 2400);
    assert_eq!(board.unit.display(), Display::Calling);
    assert!(lit > 150 && !buzzer.get(), "{lit} ms");
    assert!(fed.get() > 380, "fed in every turn but those in which the answer went out: {}", fed.get());
}

#[test]
fn a_transmitter_that_hangs_starves_the_watchdog() {
    let (pin, fed) = (Cell::new(true), Cell::new(0));
    let line = Line::default();
    let mut unit = CallButton::start(RamFlash::<32>::new(), 1, 0);
    let (lamp, buzzer) = (Cell::new(false), Cell::new(false));
    let pins = Panel {
        button: Pin(&pin),
        cancel: NotFitted,
        tamper: NotFitted,
        lamp: Pin(&lamp),
        buzzer: Pin(&buzzer),
    };
    let mut board = Board::new(&mut unit, Serial(&line), pins, Dog(&fed));
    line.incoming.borrow_mut().extend(bytes("01 04 00 00 00 0D 31 CF"));
    for ms in 0..1000_u64 {
        board.turn(ms * 1000, Inputs::default());
    }
    assert!(fed.get() < 10, "{}", fed.get());
}
