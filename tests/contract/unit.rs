//! The real firmware with a finger on its button and somebody at its power switch.
use call_button::{CallButton, Counters, Display, Inputs, RamFlash, Settings, provision};

use crate::site::UNIT_ID;

/// How often it looks at its inputs while something moves, and otherwise, us.
const TICK: u64 = 10_000;
const REST: u64 = 500_000;
const SERIAL: u32 = 123_456;

type Flash = RamFlash<64>;

pub(crate) struct Unit {
    state: State,
    button_until: u64,
    cancel_until: u64,
}

enum State {
    On(Box<CallButton<Flash>>),
    Off(Box<Flash>),
    /// Between the two.
    Moved,
}

impl Unit {
    /// Pressed and settled so many times before.
    pub(crate) fn new(presses: u16) -> Self {
        let settings = Settings::default().with_unit_id(UNIT_ID.into()).unwrap_or_default();
        let mut flash = Flash::new();
        let counters = Counters { presses, ..Counters::default() };
        provision(&mut flash, settings, counters).unwrap_or_else(|error| panic!("fresh flash: {error:?}"));
        let unit = CallButton::start(flash, SERIAL, 0);
        Self { state: State::On(Box::new(unit)), button_until: 0, cancel_until: 0 }
    }

    pub(crate) fn hold_button(&mut self, until: u64) {
        self.button_until = until;
    }

    pub(crate) fn hold_cancel(&mut self, until: u64) {
        self.cancel_until = until;
    }

    /// Looks at the inputs; when it wants to look again.
    pub(crate) fn tick(&mut self, now: u64) -> u64 {
        let (button, cancel) = (now < self.button_until, now < self.cancel_until);
        if let State::On(unit) = &mut self.state {
            unit.tick(now, Inputs { button, cancel, ..Inputs::default() });
        }
        let moving = now < self.button_until.max(self.cancel_until) + 10 * TICK;
        now + if moving { TICK } else { REST }
    }

    pub(crate) fn answer(&mut self, now: u64, frame: &[u8]) -> Option<Vec<u8>> {
        let State::On(unit) = &mut self.state else { return None };
        let answer = unit.request(now, frame).map(<[u8]>::to_vec);
        unit.sent();
        answer
    }

    pub(crate) fn power_off(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::On(unit) => State::Off(Box::new(unit.into_flash())),
            other => other,
        };
    }

    pub(crate) fn power_on(&mut self, now: u64) {
        self.state = match std::mem::replace(&mut self.state, State::Moved) {
            State::Off(flash) => State::On(Box::new(CallButton::start(*flash, SERIAL, now))),
            other => other,
        };
    }

    /// What it counted and what it shows, while it has power.
    pub(crate) fn look(&self) -> Option<(Counters, Display)> {
        match &self.state {
            State::On(unit) => Some((unit.counters(), unit.display())),
            State::Off(_) | State::Moved => None,
        }
    }
}
