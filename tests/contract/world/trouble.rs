//! What the seed plans against the world: presses and people, cables, ports and power, and the weather on the line.
use shouwang_core::input::{Disconnect, Input};
use shouwang_message::CommandName;

use super::*;
use crate::chance::Chance;
use crate::duty_room::WISHES;

/// What the seed plans.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Press {
        held: u64,
    },
    Cancel {
        held: u64,
    },
    UnitOff,
    UnitOn,
    GatewayDies,
    GatewayStarts,
    /// Nothing gets through, and nobody notices but by silence.
    CableCut,
    CableWhole,
    PortGone,
    PortBack,
    LinkLost,
    Person(CommandName),
    Heals,
}

/// How badly the line behaves, in percent of its frames.
pub(super) struct Weather {
    pub(super) loses: u64,
    pub(super) garbles: u64,
    pub(super) doubles: u64,
    pub(super) delays: u64,
    pub(super) slow_disk: u64,
}

impl Weather {
    pub(super) fn new(chance: &mut Chance) -> Self {
        if chance.percent(20) {
            return Self::fine();
        }
        let mut some = |most: u64| if chance.percent(50) { chance.between(1, most) } else { 0 };
        Self { loses: some(35), garbles: some(25), doubles: some(25), delays: some(25), slow_disk: some(40) }
    }

    pub(super) fn fine() -> Self {
        Self { loses: 0, garbles: 0, doubles: 0, delays: 0, slow_disk: 0 }
    }
}

impl World<'_> {
    /// Three to six seconds of trouble.
    pub(super) fn plan(&mut self) {
        let end = self.chance.between(3_000, 6_000) * MS;
        // With an early press the gateway does not know the unit yet.
        let from = if self.chance.percent(30) { 50 * MS } else { 1_300 * MS };
        for _ in 0..self.chance.between(1, 5) {
            let held = self.chance.between(60, 250) * MS;
            self.some_time(from, end, Trouble::Press { held });
        }
        if self.chance.percent(25) {
            self.some_time(from, end, Trouble::Cancel { held: 100 * MS });
        }
        let pairs = [
            (40, 300, Trouble::UnitOff, Trouble::UnitOn),
            (50, 900, Trouble::GatewayDies, Trouble::GatewayStarts),
            (20, 900, Trouble::CableCut, Trouble::CableWhole),
            (20, 900, Trouble::PortGone, Trouble::PortBack),
        ];
        for (percent, longest, begins, ends) in pairs {
            while self.chance.percent(percent) {
                let at = self.chance.between(0, end);
                let until = at + self.chance.between(20, longest) * MS;
                self.enter(at, Thing::Trouble(begins));
                self.enter(until.min(end), Thing::Trouble(ends));
            }
        }
        if self.chance.percent(20) {
            self.some_time(0, end, Trouble::LinkLost);
        }
        for _ in 0..self.chance.between(0, 12) {
            let wish = WISHES[self.chance.between(0, WISHES.len() as u64) as usize];
            self.some_time(from, end, Trouble::Person(wish));
        }
        self.enter(end, Thing::Trouble(Trouble::Heals));
    }

    pub(super) fn some_time(&mut self, from: u64, end: u64, trouble: Trouble) {
        let at = self.chance.between(from, end);
        self.enter(at, Thing::Trouble(trouble));
    }

    pub(super) fn cause(&mut self, trouble: Trouble) {
        self.note(|| format!("{trouble:?}"));
        match trouble {
            Trouble::Press { held } => self.unit.hold_button(self.now + held),
            Trouble::Cancel { held } => self.unit.hold_cancel(self.now + held),
            Trouble::UnitOff => self.unit.power_off(),
            Trouble::UnitOn => {
                self.unit.power_on(self.now);
                self.look_at_unit();
            }
            Trouble::GatewayDies => self.kill_gateway(),
            Trouble::GatewayStarts => self.start_gateway(),
            Trouble::CableCut => self.cable_is_whole = false,
            Trouble::CableWhole => self.cable_is_whole = true,
            Trouble::PortGone => {
                self.port_is_open = false;
                for (ask, outcome) in self.line.close() {
                    self.give(Input::Answered { line: 0, ask, outcome });
                }
                self.give(Input::LineDown { line: 0, why: "unplugged".into() });
            }
            Trouble::PortBack => self.open_port(),
            Trouble::LinkLost => {
                if let Some(connection) = self.connection.take() {
                    self.give(Input::Disconnected { connection, why: Disconnect::Lost });
                }
            }
            Trouble::Person(name) => {
                if let (Some(connection), Some((alarm, occurrence))) =
                    (self.connection, self.duty_room.open())
                {
                    let seen = Seen { alarm, occurrence, presses: self.truth.heard_presses() };
                    self.says(Thing::Commanded { connection, name, seen });
                }
            }
            Trouble::Heals => self.heal(),
        }
        // A finger, or a cut, is noticed when the unit next looks.
        if let Trouble::Press { .. } | Trouble::Cancel { .. } = trouble {
            self.agenda.retain(|_, thing| !matches!(thing, Thing::Tick));
            self.enter(self.now, Thing::Tick);
        }
    }

    pub(super) fn open_port(&mut self) {
        if !self.port_is_open {
            self.port_is_open = true;
            self.line.open(self.now);
            self.give(Input::LineUp { line: 0 });
        }
    }

    pub(super) fn heal(&mut self) {
        self.weather = Weather::fine();
        self.cable_is_whole = true;
        self.unit.power_on(self.now);
        self.look_at_unit();
        self.start_gateway();
        self.open_port();
        // Whoever still presses lets go soon.
        self.healed_at = Some(self.now + 1_000 * MS);
    }
}
