//! Reads a unit's lamp as a person does: how many flashes in a group, and are they short or long?
use std::time::{Duration, Instant};

use call_button::Display;
use shouwang_tests::clock;

use crate::unit::EmulatedUnit;

/// Well below the shortest flash that has to be told from another.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The longest pattern goes by in 3.4 s; whoever looks may have to look again and again.
const LIMIT: Duration = Duration::from_secs(40);
/// Dark for this long ends a group: 300 ms are within one, 1600 ms between two.
const BETWEEN_GROUPS: Duration = Duration::from_millis(900);
/// "I am alive" is a flash of 50 ms, the shortest with a meaning has 400.
const SHORT: Duration = Duration::from_millis(200);
/// The longest flash with a meaning has 400 ms; "do not rely on me" is lit nearly always.
const ENDLESS: Duration = Duration::from_millis(1500);
/// No group has so many.
const NO_GROUP: u32 = 6;

/// Looks until the lamp says this.
pub(crate) fn wait_for_lamp(unit: &mut EmulatedUnit, wanted: Display) {
    let began = clock::now();
    let mut eye = Eye::new(began, unit.is_lit());
    let mut seen = Vec::new();
    while began.elapsed() < LIMIT {
        clock::pause(LOOK_AGAIN);
        let lit = unit.is_lit();
        if let Some(display) = eye.look(clock::now(), lit) {
            if display == wanted {
                return;
            }
            seen.push(display.name());
            seen.dedup();
        }
    }
    panic!("looked {LIMIT:?} in vain for a lamp that says {:?}; it said {seen:?}", wanted.name());
}

/// What was seen so far of a group.
struct Eye {
    lit: bool,
    since: Instant,
    /// None until the first pause between groups: the group that is under way may be half gone.
    flashes: Option<u32>,
    unpaused: u32,
    longest: Duration,
}

impl Eye {
    fn new(now: Instant, lit: bool) -> Self {
        Self { lit, since: now, flashes: None, unpaused: 0, longest: Duration::ZERO }
    }

    /// What the lamp says, whenever that has become clear.
    fn look(&mut self, now: Instant, lit: bool) -> Option<Display> {
        let lasted = now.saturating_duration_since(self.since);
        let was_lit = core::mem::replace(&mut self.lit, lit);
        if was_lit != lit {
            self.since = now;
        }
        match (was_lit, lit) {
            (false, true) => None,
            (true, true) if lasted >= ENDLESS => {
                self.forget(now, None);
                Some(Display::Fault)
            }
            (true, true) => None,
            (true, false) => {
                self.longest = self.longest.max(lasted);
                self.unpaused += 1;
                self.flashes = self.flashes.map(|flashes| flashes + 1);
                (self.unpaused >= NO_GROUP).then(|| {
                    self.forget(now, None);
                    Display::Calling
                })
            }
            (false, false) if lasted >= BETWEEN_GROUPS && self.flashes != Some(0) => {
                let group = self.flashes.and_then(|flashes| group(flashes, self.longest));
                self.forget(self.since, Some(0));
                group
            }
            (false, false) => None,
        }
    }

    fn forget(&mut self, since: Instant, flashes: Option<u32>) {
        *self = Self { lit: self.lit, since, flashes, unpaused: 0, longest: Duration::ZERO };
    }
}

fn group(flashes: u32, longest: Duration) -> Option<Display> {
    match flashes {
        1 if longest < SHORT => Some(Display::Idle),
        1 => Some(Display::Heard),
        2 => Some(Display::Seen),
        3 => Some(Display::Coming),
        _ => None,
    }
}

/// The eye is not to blame: it reads every pattern of the firmware, wherever it begins to look.
#[test]
fn every_pattern_is_read_from_any_moment_on() {
    let start = clock::now();
    for display in Display::ALL {
        for offset_ms in (0..3_600).step_by(50) {
            let is_on = |ms: u64| display.lamp().is_on((offset_ms + ms) * 1000);
            let mut eye = Eye::new(start, is_on(0));
            let said: Vec<Display> = (1..600)
                .map(|look| look * 20)
                .filter_map(|ms| eye.look(start + Duration::from_millis(ms), is_on(ms)))
                .collect();
            assert!(!said.is_empty(), "{display:?} from {offset_ms} ms on says nothing");
            assert!(said.iter().all(|said| *said == display), "{display:?} reads as {said:?}");
        }
    }
}
