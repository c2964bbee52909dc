//! What every board does alike, given its pins, its serial port and its clock: one turn of the main loop.

use embedded_hal::digital::{InputPin, OutputPin};
use embedded_io::{Read, ReadReady, Write, WriteReady};

use crate::{CallButton, Flash, Inputs, Micros};

/// More than a frame can bring in one turn of a few milliseconds: a line that never stops must not stop the
/// button.
const MOST_BYTES_A_TURN: usize = 300;

/// How often a board must turn although nothing comes from the line: debouncing needs samples, and the
/// shortest step of a lamp is 50 ms.
const TURN_EVERY_US: Micros = 5_000;

/// The board's watchdog.
pub trait Watchdog {
    /// All is well; do not reset.
    fn feed(&mut self);
}

/// The board's serial port, 8N1. Reading and writing never wait.
pub trait Port: Read + ReadReady + Write + WriteReady {
    /// Everything written has left the shift register, and the driver is off.
    fn is_drained(&mut self) -> bool;
    fn set_baud(&mut self, baud: u32);
}

/// The pins. Inputs are switches to ground with a pull-up: low is pressed. Outputs are high when on.
#[derive(Debug)]
pub struct Panel<Button, Cancel, Tamper, Lamp, Buzzer> {
    pub button: Button,
    pub cancel: Cancel,
    pub tamper: Tamper,
    pub lamp: Lamp,
    pub buzzer: Buzzer,
}

impl<Button, Cancel, Tamper, Lamp, Buzzer> Panel<Button, Cancel, Tamper, Lamp, Buzzer>
where
    Button: InputPin,
    Cancel: InputPin,
    Tamper: InputPin,
    Lamp: OutputPin,
    Buzzer: OutputPin,
{
    /// Adds the pins to what the board measured. A pin that cannot be read is a hardware fault.
    fn inputs(&mut self, measured: Inputs) -> Inputs {
        let (button, cancel, tamper) = (self.button.is_low(), self.cancel.is_low(), self.tamper.is_low());
        let unreadable = button.is_err() || cancel.is_err() || tamper.is_err();
        Inputs {
            button: button.unwrap_or(false),
            cancel: cancel.unwrap_or(false),
            tamper: tamper.unwrap_or(false),
            hardware_fault: measured.hardware_fault || unreadable,
            ..measured
        }
    }

    fn show(&mut self, lamp: bool, buzzer: bool) {
        // A pin that cannot be set: there is nobody to tell but the person who sees a dark lamp.
        let _ = self.lamp.set_state(lamp.into());
        let _ = self.buzzer.set_state(buzzer.into());
    }
}

/// An input that this board does not have.
#[derive(Clone, Copy, Debug)]
pub struct NotFitted;

impl embedded_hal::digital::ErrorType for NotFitted {
    type Error = core::convert::Infallible;
}

impl InputPin for NotFitted {
    fn is_high(&mut self) -> Result<bool, Self::Error> {
        Ok(true)
    }

    fn is_low(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }
}

/// A unit on its board. The unit stays where it was made: it is most of the memory.
#[derive(Debug)]
pub struct Board<'a, F, P, Pins, W> {
    pub unit: &'a mut CallButton<F>,
    pub port: P,
    pub pins: Pins,
    pub watchdog: W,
    /// How much of the answer the port has taken.
    written: usize,
}

impl<'a, F, P, Button, Cancel, Tamper, Lamp, Buzzer, W>
    Board<'a, F, P, Panel<Button, Cancel, Tamper, Lamp, Buzzer>, W>
where
    F: Flash,
    P: Port,
    Button: InputPin,
    Cancel: InputPin,
    Tamper: InputPin,
    Lamp: OutputPin,
    Buzzer: OutputPin,
    W: Watchdog,
{
    pub fn new(
        unit: &'a mut CallButton<F>,
        mut port: P,
        pins: Panel<Button, Cancel, Tamper, Lamp, Buzzer>,
        watchdog: W,
    ) -> Self {
        port.set_baud(unit.settings().baud());
        Self { unit, port, pins, watchdog, written: 0 }
    }

    /// Everything once: call it every millisecond or when [`next_turn`](Self::next_turn) says, when a byte
    /// came, and when the port can take more or has sent everything. `measured` is what no pin of the panel
    /// tells: battery, supply, test mode.
    pub fn turn(&mut self, now: Micros, measured: Inputs) {
        self.hear(now);
        self.speak(now);
        let inputs = self.pins.inputs(measured);
        self.unit.tick(now, inputs);
        self.pins.show(self.unit.lamp(now), self.unit.buzzer(now));
        if self.unit.is_alive() {
            self.watchdog.feed();
        }
    }

    /// How long a board that wakes for its port may sleep: until the silence after a frame is long enough, to
    /// the microsecond, and 5 ms at most.
    #[must_use]
    pub fn next_turn(&self, now: Micros) -> Micros {
        let tick = now.saturating_add(TURN_EVERY_US);
        self.unit.frame_ends_at().map_or(tick, |ends_at| tick.min(ends_at))
    }

    fn hear(&mut self, now: Micros) {
        for _ in 0..MOST_BYTES_A_TURN {
            if !matches!(self.port.read_ready(), Ok(true)) {
                return;
            }
            let mut byte = [0];
            match self.port.read(&mut byte) {
                Ok(0) => return,
                Ok(_) => byte.into_iter().for_each(|byte| self.unit.received(now, byte)),
                Err(_) => self.unit.spoilt(now),
            }
        }
    }

    fn speak(&mut self, now: Micros) {
        if self.unit.poll(now).is_some() {
            self.written = 0;
        }
        let Some(answer) = self.unit.answer() else { return };
        while let Some(rest) = answer.get(self.written..).filter(|rest| !rest.is_empty()) {
            if !matches!(self.port.write_ready(), Ok(true)) {
                return;
            }
            match self.port.write(rest) {
                Ok(count @ 1..) => self.written = self.written.saturating_add(count),
                _ => return,
            }
        }
        if self.port.is_drained() {
            let before = self.unit.settings().baud();
            self.unit.sent();
            let baud = self.unit.settings().baud();
            if baud != before {
                self.port.set_baud(baud);
            }
        }
    }
}
