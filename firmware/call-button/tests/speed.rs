//! How long after a request its answer begins, on the loop that the boards run and a line that moves bit by
//! bit: within 3.5 characters and 1 ms for a read, within 50 ms for a write.
//!
//! `cargo test -p call-button --test speed -- --nocapture` prints the table.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in its own tools")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;

use call_button::board::{Board, NotFitted, Panel, Port, Watchdog};
use call_button::{CallButton, Flash, FlashError, Inputs, Micros, RamFlash, Settings, provision};
use embedded_hal::digital::{ErrorType, InputPin, OutputPin};
use embedded_io::{Read, ReadReady, Write, WriteReady};
use modbus_wire::rtu;

/// The most that the data sheet allows (DS12992, flash memory characteristics).
const PROGRAM_US: Micros = 125;
const ERASE_US: Micros = 40_000;
/// From waking up to the answer's first byte. The emulated STM32G0 (`firmware/targets/stm32g0/emulate`) needs
/// half a millisecond for the longest read, at 16 MHz and one and a half cycles an instruction.
const ANSWER_US: Micros = 700;
const UNIT: u8 = 12;

/// Microseconds that the whole test bench shares.
type Clock = Cell<Micros>;

/// Flash that takes its time. Four records a page, so that pages turn all the time.
#[derive(Debug)]
struct SlowFlash<'a>(RamFlash<32>, &'a Clock);

impl Flash for SlowFlash<'_> {
    const PAGE_WORDS: usize = RamFlash::<32>::PAGE_WORDS;
    fn read(&self, word: usize) -> Result<u64, FlashError> {
        self.0.read(word)
    }
    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        self.1.set(self.1.get() + PROGRAM_US);
        self.0.program(word, value)
    }
    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        self.1.set(self.1.get() + ERASE_US);
        self.0.erase(page)
    }
}

/// A level that nobody looks at.
struct Pin(bool);

impl ErrorType for Pin {
    type Error = Infallible;
}

impl InputPin for Pin {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.0)
    }
    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.0)
    }
}

impl OutputPin for Pin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

struct Dog;

impl Watchdog for Dog {
    fn feed(&mut self) {}
}

/// The wires of the line, and a port with room for eight bytes each way.
struct Line<'a> {
    clock: &'a Clock,
    /// Bytes and when their stop bits are over.
    incoming: RefCell<VecDeque<(Micros, u8)>>,
    answer: RefCell<Vec<u8>>,
    began_at: Cell<Option<Micros>>,
    /// When everything written so far will have left.
    busy_until: Cell<Micros>,
    character_us: Cell<Micros>,
}

struct Serial<'a>(&'a Line<'a>);

impl embedded_io::ErrorType for Serial<'_> {
    type Error = Infallible;
}

impl Read for Serial<'_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        out[0] = self.0.incoming.borrow_mut().pop_front().unwrap().1;
        Ok(1)
    }
}

impl ReadReady for Serial<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.0.incoming.borrow().front().is_some_and(|(at, _)| *at <= self.0.clock.get()))
    }
}

impl Write for Serial<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let line = self.0;
        if line.began_at.get().is_none() {
            line.clock.set(line.clock.get() + ANSWER_US);
            line.began_at.set(Some(line.clock.get()));
        }
        line.answer.borrow_mut().push(bytes[0]);
        line.busy_until.set(line.busy_until.get().max(line.clock.get()) + line.character_us.get());
        Ok(1)
    }
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WriteReady for Serial<'_> {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        let queued = self.0.busy_until.get().saturating_sub(self.0.clock.get());
        Ok(queued < 8 * self.0.character_us.get())
    }
}

impl Port for Serial<'_> {
    fn is_drained(&mut self) -> bool {
        self.0.busy_until.get() <= self.0.clock.get()
    }
    fn set_baud(&mut self, baud: u32) {
        self.0.character_us.set(10_000_000_u64.div_ceil(baud.into()));
    }
}

type Unit<'a> = Board<'a, SlowFlash<'a>, Serial<'a>, Panel<Pin, NotFitted, NotFitted, Pin, Pin>, Dog>;

/// Sends a request that begins at `from`, runs the board until its answer has left, and tells how long after
/// the request's last stop bit the answer began.
fn ask(board: &mut Unit<'_>, line: &Line<'_>, from: Micros, pdu: &[u8]) -> Micros {
    let mut frame = [0; 256];
    let len = rtu::encode(UNIT, pdu, &mut frame).unwrap();
    let character_us = line.character_us.get();
    run(board, line, from);
    let ends = (1..).map(|count: u64| from + count * character_us);
    line.incoming.borrow_mut().extend(ends.zip(frame[..len].iter().copied()));
    let ended_at = from + len as u64 * character_us;
    line.began_at.set(None);
    line.answer.borrow_mut().clear();
    run(board, line, ended_at + 60_000);
    while board.unit.answer().is_some() {
        run(board, line, line.clock.get() + 1_000);
    }
    let answer = line.answer.borrow();
    let (_, answered) = rtu::decode(&answer).unwrap();
    assert_eq!(answered[0], pdu[0], "refused");
    line.began_at.get().unwrap() - ended_at
}

/// Turns the loop as a board does that sleeps until its next turn, the next byte, or the port's wish.
fn run(board: &mut Unit<'_>, line: &Line<'_>, until: Micros) {
    while line.clock.get() < until {
        board.turn(line.clock.get(), Inputs::default());
        let now = line.clock.get();
        let byte = line.incoming.borrow().front().map_or(until, |(at, _)| *at);
        // Room in the port, or everything sent: at the end of a character.
        let sent = line.busy_until.get().saturating_sub(now);
        let port = if sent > 0 { now + (sent - 1) % line.character_us.get() + 1 } else { until };
        line.clock.set(board.next_turn(now).min(byte).min(port).min(until).max(now));
    }
}

const READ_ALL: &[u8] = &[4, 0, 0, 0, 13];
const READ_BITS: &[u8] = &[2, 0, 0, 0, 6];
const READ_SETTINGS: &[u8] = &[3, 7, 0xD0, 0, 2];
const INDICATE: &[u8] = &[6, 0, 1, 0, 1];

/// The slowest of many requests at all moments of the loop, by what was asked.
fn slowest(code: u16) -> [(&'static str, Micros); 5] {
    let clock = Clock::new(0);
    let mut memory = SlowFlash(RamFlash::new(), &clock);
    let settings = Settings::default().with_unit_id(UNIT.into()).unwrap().with_baud_code(code).unwrap();
    provision(&mut memory, settings, call_button::Counters::default()).unwrap();
    let mut unit = CallButton::start(memory, 1, clock.get());
    let line = Line {
        clock: &clock,
        incoming: RefCell::default(),
        answer: RefCell::default(),
        began_at: Cell::new(None),
        busy_until: Cell::new(0),
        character_us: Cell::new(0),
    };
    let pins = Panel {
        button: Pin(true),
        cancel: NotFitted,
        tamper: NotFitted,
        lamp: Pin(false),
        buzzer: Pin(false),
    };
    let mut board = Board::new(&mut unit, Serial(&line), pins, Dog);
    let mut found = [
        ("read of bits", 0),
        ("read of everything", 0),
        ("read of settings", 0),
        ("write of the indicator", 0),
        ("write into flash", 0),
    ];
    run(&mut board, &line, clock.get() + 60_000);
    let mut presses = 0;
    for round in 0..60_u64 {
        // A press leaves a record to be echoed. One or two of them, so that any of the records that follow
        // is the first of a page at some time.
        for _ in 0..=round % 2 {
            board.pins.button = Pin(false);
            run(&mut board, &line, clock.get() + 60_000);
            board.pins.button = Pin(true);
            run(&mut board, &line, clock.get() + 60_000);
            presses += 1;
        }
        let [high, low] = board.unit.counters().presses.to_be_bytes();
        let echo = [6, 0, 0, high, low];
        for (index, pdu) in [READ_BITS, READ_ALL, READ_SETTINGS, INDICATE, &echo].into_iter().enumerate() {
            // The request begins at every phase of the loop's 5 ms.
            let from = clock.get() + 50_000 + (round * 997 + index as u64 * 131) % 5_000;
            let took = ask(&mut board, &line, from, pdu);
            found[index].1 = found[index].1.max(took);
        }
        assert_eq!(board.unit.counters().presses, presses);
        assert!(!board.unit.counters().latched, "the echo was taken");
    }
    found
}

#[test]
fn an_answer_to_a_read_begins_within_3_5_characters_and_1_ms_and_to_a_write_within_50_ms() {
    println!("{:>6}  {:24} {:>12} {:>12}", "baud", "request", "began after", "limit");
    for (code, baud) in [(2, 9600_u64), (1, 4800), (0, 2400)] {
        let silence_us = 35_000_000_u64.div_ceil(baud);
        for (request, took) in slowest(code) {
            let limit = if request.starts_with("read") { silence_us + 1_000 } else { 50_000 };
            println!("{baud:>6}  {request:24} {took:>9} us {limit:>9} us");
            assert!(took >= silence_us, "{request} at {baud}: {took} us is too early");
            assert!(took <= limit, "{request} at {baud}: {took} us");
        }
    }
}
