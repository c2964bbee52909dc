//! The real firmware of a call unit, with a finger on its button and somebody at its power switch.
use call_button::{CallButton, Counters, Display, Inputs, RamFlash, Settings, provision};

/// How often it looks at its inputs while something moves, and otherwise, us.
const TICK: u64 = 10_000;
const REST: u64 = 500_000;

type Flash = RamFlash<64>;

#[derive(Debug)]
pub struct Unit {
    serial: u32,
    state: State,
    button_until: u64,
    cancel_until: u64,
}

#[derive(Debug)]
enum State {
    On(Box<CallButton<Flash>>),
    Off(Box<Flash>),
    /// Between the two.
    Moved,
}

impl Unit {
    /// Pressed and settled so many times before.
    pub fn new(unit_id: u8, serial: u32, presses: u16) -> Self {
        let settings = Settings::default().with_unit_id(unit_id.into()).unwrap_or_default();
        let mut flash = Flash::new();
        let counters = Counters { presses, ..Counters::default() };
        assert!(provision(&mut flash, settings, counters).is_ok(), "fresh flash takes what it is given");
        let unit = CallButton::start(flash, serial, 0);
        Self { serial, state: State::On(Box::new(unit)), button_until: 0, cancel_until: 0 }
    }

    pub fn hold_button(&mut self, until: u64) {
        self.button_until = until;
    }

    pub fn hold_cancel(&mut self, until: u64) {
        self.cancel_until = until;
    }

    /// Looks at the inputs; when it wants to look again.
    pub fn tick(&mut self, now: u64) -> u64 {
        let (button, cancel) = (now < self.button_until, now < self.cancel_until);
        if let State::On(unit) = &mut self.state {
            unit.tick(now, Inputs { button, cancel, ..Inputs::default() });
        }
        let moving = now < self.button_until.max(self.cancel_until) + 10 * TICK;
        now + if moving { TICK } else { REST }
    }

    pub fn answer(&mut self, now: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let State::On(unit) = &mut self.state else { return None };
        let answer = unit.request(now, frame).map(<[u8]>::to_vec);
        unit.sent();
        answer
    }

    pub fn power_off(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::On(unit) => State::Off(Box::new(unit.into_flash())),
            other => other,
        };
    }

    pub fn power_on(&mut self, now: u64) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::Off(flash) => State::On(Box::new(CallButton::start(*flash, self.serial, now))),
            other => other,
        };
    }

    /// What it counted and what it shows, while it has power.
    pub fn look(&self) -> Option<(Counters, Display)> {
        match &self.state {
            State::On(unit) => Some((unit.counters(), unit.display())),
            State::Off(_) | State::Moved => None,
        }
    }
}
