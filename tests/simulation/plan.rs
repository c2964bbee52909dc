//! What happens in a world, and when: what the gateway is there for, and a random subset of faults at random
//! times, none of which outlasts the healing.
use super::chance::Chance;
use super::scenario::{Happening, Kind, MS, SECOND, Scenario, What, Wish};

/// The happenings of this scenario, in order.
pub(super) fn plan(scenario: &Scenario, chance: Chance) -> Vec<Happening> {
    Planner { scenario, chance, happenings: Vec::new() }.plan()
}

struct Planner<'s> {
    scenario: &'s Scenario,
    chance: Chance,
    happenings: Vec<Happening>,
}

impl Planner<'_> {
    fn plan(mut self) -> Vec<Happening> {
        self.plan_life();
        self.plan_field();
        self.plan_gateway();
        self.plan_uplink();
        self.strike_while_asked();
        let mut happenings = self.happenings;
        happenings.sort_by_key(|happening| happening.at);
        let mut kept: Vec<Happening> = Vec::new();
        for new in happenings {
            let overlaps = |old: &Happening| {
                old.what.holds().is_some()
                    && old.what.holds() == new.what.holds()
                    && old.at + old.lasts >= new.at
            };
            if !kept.iter().any(overlaps) {
                kept.push(new);
            }
        }
        kept
    }

    fn plan_life(&mut self) {
        for device in &self.scenario.devices {
            let (device, kind) = (device.number, device.kind);
            for _ in 0..self.chance.between(1, 5) {
                let lasts = self.chance.between(60, 1_500) * MS;
                let what = match kind {
                    Kind::CallUnit if self.chance.percent(12) => What::Cancel { device },
                    Kind::CallUnit => What::Press { device },
                    _ => What::Flip { device, smoke: self.chance.percent(50) },
                };
                let is_flip = matches!(what, What::Flip { .. });
                self.happens(if is_flip { 0..1 } else { lasts..lasts + 1 }, what);
            }
        }
        for _ in 0..self.chance.between(0, 8) {
            let wish = match self.chance.between(0, 10) {
                0..=4 => Wish::Acknowledge,
                5..=6 => Wish::Reset,
                7 => Wish::Silence,
                8 => Wish::Shelve,
                _ => Wish::OutOfService,
            };
            let page = self.chance.between(0, 2) as u8;
            self.happens(0..1, What::Act { page, wish });
        }
        for _ in 0..self.chance.between(0, 3) {
            self.happens(0..1, What::Race);
        }
    }

    fn plan_field(&mut self) {
        for kind in 0..7 {
            for _ in 0..self.times(25, 4) {
                let device = self.some_device();
                let by_ms = self.chance.between(200, 900) as u16;
                let what = match kind {
                    0 => What::Dead { device },
                    1 => What::Late { device, by_ms },
                    2 => What::Noisy { device },
                    3 => What::Busy { device },
                    4 => What::Babbles { device },
                    5 => What::Clash { device },
                    _ => What::NoPower { device },
                };
                if fits(what, device_kind(device, self.scenario)) {
                    self.happens(SECOND..50 * SECOND, what);
                }
            }
        }
        for _ in 0..self.times(20, 3) {
            let line = self.chance.between(0, self.scenario.lines.len() as u64) as usize;
            let cut = self.chance.percent(50);
            self.happens(
                SECOND..30 * SECOND,
                if cut { What::CableCut { line } } else { What::Unplugged { line } },
            );
        }
    }

    fn plan_gateway(&mut self) {
        for _ in 0..self.times(30, 4) {
            self.happens(100 * MS..5 * SECOND, What::Killed);
        }
        for _ in 0..self.times(25, 3) {
            self.happens(2 * SECOND..15 * SECOND, What::PowerCut);
        }
        for _ in 0..self.times(15, 3) {
            self.happens(SECOND..8 * SECOND, What::Hangs);
        }
        for (percent, what) in [(20, What::DiskFull), (20, What::DiskFails), (20, What::DiskStalls)] {
            for _ in 0..self.times(percent, 3) {
                self.happens(SECOND..12 * SECOND, what);
            }
        }
        for _ in 0..self.times(25, 3) {
            let seconds = [-3_600, 3_600, -90, 90, 5][self.chance.between(0, 5) as usize];
            self.happens(0..1, What::ClockSteps { seconds });
        }
    }

    fn plan_uplink(&mut self) {
        for _ in 0..self.times(25, 3) {
            let forgets = self.chance.percent(60);
            self.happens(SECOND..30 * SECOND, What::BrokerAway { forgets });
        }
        for (percent, what) in [(20, What::Partition), (20, What::HalfOpen), (20, What::Mute)] {
            for _ in 0..self.times(percent, 3) {
                self.happens(SECOND..40 * SECOND, what);
            }
        }
        for _ in 0..self.times(25, 2) {
            let percent = self.chance.between(5, 60) as u8;
            self.happens(5 * SECOND..40 * SECOND, What::Loses { percent });
        }
        for _ in 0..self.times(30, 2) {
            let percent = self.chance.between(5, 60) as u8;
            self.happens(5 * SECOND..60 * SECOND, What::Doubles { percent });
        }
        for _ in 0..self.times(25, 2) {
            self.happens(5 * SECOND..60 * SECOND, What::Disorder);
        }
        for _ in 0..self.times(30, 4) {
            let kind = self.chance.between(0, u64::from(super::broker::JUNK_KINDS)) as u8;
            self.happens(0..1, What::Junk { kind });
        }
        for (percent, what) in
            [(20, What::DutyRoomKilled), (15, What::DutyRoomDiskFails), (20, What::DutyRoomCutOff)]
        {
            for _ in 0..self.times(percent, 3) {
                self.happens(100 * MS..20 * SECOND, what);
            }
        }
    }

    /// Some faults strike just after two people clicked: an answer takes milliseconds, which a random moment misses.
    fn strike_while_asked(&mut self) {
        let races = self.happenings.iter().filter(|happening| happening.what == What::Race);
        let asked: Vec<u64> = races.map(|race| race.at).collect();
        for at in asked {
            let some = self.chance.between(0, self.happenings.len() as u64) as usize;
            let at = at + self.chance.between(0, 60 * MS);
            let fault = &mut self.happenings[some];
            if fault.what.is_fault() {
                fault.at = at;
                fault.lasts = fault.lasts.min(self.scenario.heals_at.saturating_sub(at));
            }
        }
    }

    /// How often a kind of fault strikes in this world: mostly never.
    fn times(&mut self, percent: u64, most: u64) -> u64 {
        if self.chance.percent(percent) { self.chance.between(1, most + 1) } else { 0 }
    }

    fn some_device(&mut self) -> u16 {
        let devices = &self.scenario.devices;
        devices[self.chance.between(0, devices.len() as u64) as usize].number
    }

    fn happens(&mut self, lasts: std::ops::Range<u64>, what: What) {
        let last = self.scenario.heals_at;
        let at = self.chance.between(SECOND, last - SECOND);
        let lasts = self.chance.between(lasts.start, lasts.end).min(last - at);
        self.happenings.push(Happening { at, lasts, what });
    }
}

fn device_kind(number: u16, scenario: &Scenario) -> Kind {
    let device = scenario.devices.iter().find(|device| device.number == number);
    device.map_or(Kind::Smoke, |device| device.kind)
}

/// A unit without power is how a call unit is dead; what its registers say is the firmware's business.
fn fits(what: What, kind: Kind) -> bool {
    match what {
        What::NoPower { .. } => kind == Kind::CallUnit,
        What::Late { .. } | What::Noisy { .. } | What::Babbles { .. } => true,
        _ => kind != Kind::CallUnit,
    }
}
