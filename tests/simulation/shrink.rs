//! A failing scenario made smaller: less happens, for a shorter time, to fewer devices, as long as the same
//! promise still breaks.
use super::scenario::Scenario;
use super::site::Site;
use super::world::{Outcome, live};

/// Worlds lived through at most.
const TRIES: u32 = 600;

/// The smallest scenario found that still breaks this promise, and what it does.
pub fn shrink(site: &Site, scenario: &Scenario, check: &str) -> (Scenario, Outcome) {
    let mut shrinker = Shrinker { site, check, best: scenario.clone(), tries: 0 };
    loop {
        let before = (shrinker.best.happenings.len(), shrinker.best.devices.len());
        shrinker.drop_happenings();
        shrinker.drop_devices();
        if before == (shrinker.best.happenings.len(), shrinker.best.devices.len()) {
            break;
        }
    }
    shrinker.shorten();
    let outcome = live(site, &shrinker.best, true);
    (shrinker.best, outcome)
}

struct Shrinker<'s> {
    site: &'s Site,
    check: &'s str,
    best: Scenario,
    tries: u32,
}

impl Shrinker<'_> {
    fn still_fails(&mut self, smaller: Scenario) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let violation = live(self.site, &smaller, false).violation;
        let fails = violation.is_some_and(|violation| violation.check == self.check);
        if fails {
            self.best = smaller;
        }
        fails
    }

    /// First halves, then quarters, at last one by one.
    fn drop_happenings(&mut self) {
        let mut size = self.best.happenings.len().div_ceil(2).max(1);
        loop {
            let mut at = 0;
            while at < self.best.happenings.len() {
                let mut smaller = self.best.clone();
                let end = (at + size).min(smaller.happenings.len());
                smaller.happenings.drain(at..end);
                if !self.still_fails(smaller) {
                    at += size;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    fn drop_devices(&mut self) {
        let mut at = 0;
        while at < self.best.devices.len() {
            let mut smaller = self.best.clone();
            let gone = smaller.devices.remove(at).number;
            smaller.happenings.retain(|happening| happening.what.device() != Some(gone));
            let is_last = smaller.devices.is_empty();
            if is_last || !self.still_fails(smaller) {
                at += 1;
            }
        }
    }

    fn shorten(&mut self) {
        for at in 0..self.best.happenings.len() {
            loop {
                let mut smaller = self.best.clone();
                let happening = &mut smaller.happenings[at];
                happening.lasts /= 2;
                if happening.lasts < 1_000 || !self.still_fails(smaller) {
                    break;
                }
            }
        }
        let last = self.best.happenings.iter().map(|happening| happening.at + happening.lasts).max();
        let mut smaller = self.best.clone();
        smaller.heals_at = last.unwrap_or(0).max(super::scenario::SECOND);
        self.still_fails(smaller);
    }
}
