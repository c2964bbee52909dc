//! What the person sees and hears: one lamp, one buzzer, and patterns that are told apart by light alone and
//! by sound alone. While a call is open, count the flashes or the beeps: one, a duty room has it; two, a
//! person has seen it; three, somebody is coming.

use crate::Micros;

/// What the unit says to the person in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Display {
    /// Nothing is open and the gateway asks regularly.
    Idle,
    /// A press is kept and nobody is known to have it yet.
    Calling,
    /// Indicator 1: a duty room has it.
    Heard,
    /// Indicator 2: a person has seen it.
    Seen,
    /// Indicator 3: somebody is coming.
    Coming,
    /// Do not rely on this unit: it has a fault, nobody asks it, or it was reset while a call was open and
    /// has not been told how that call stands.
    Fault,
}

/// On and off, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Milliseconds on, off, on, off...; nothing is never on.
    pub steps_ms: &'static [u16],
    /// After so many times it is quiet; `None` goes on for ever.
    pub times: Option<u16>,
}

const SILENT: Pattern = Pattern { steps_ms: &[], times: Some(0) };

const fn for_ever(steps_ms: &'static [u16]) -> Pattern {
    Pattern { steps_ms, times: None }
}

/// A night has to pass beside this buzzer: only an unanswered call sounds for ever.
const fn times(times: u16, steps_ms: &'static [u16]) -> Pattern {
    Pattern { steps_ms, times: Some(times) }
}

impl Display {
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Calling, Self::Heard, Self::Seen, Self::Coming, Self::Fault];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Calling => "calling",
            Self::Heard => "heard",
            Self::Seen => "seen",
            Self::Coming => "coming",
            Self::Fault => "fault",
        }
    }

    #[must_use]
    pub const fn lamp(self) -> Pattern {
        match self {
            Self::Idle => for_ever(&[50, 2950]),
            Self::Calling => for_ever(&[150, 150]),
            Self::Heard => for_ever(&[400, 1600]),
            Self::Seen => for_ever(&[400, 300, 400, 1600]),
            Self::Coming => for_ever(&[400, 300, 400, 300, 400, 1600]),
            Self::Fault => for_ever(&[2700, 300]),
        }
    }

    #[must_use]
    pub const fn buzzer(self) -> Pattern {
        match self {
            Self::Idle => SILENT,
            Self::Calling => for_ever(&[80, 920]),
            Self::Heard => times(15, &[250, 3750]),
            Self::Seen => times(15, &[250, 250, 250, 3250]),
            Self::Coming => times(30, &[250, 250, 250, 250, 250, 2750]),
            Self::Fault => times(4, &[1500, 8500]),
        }
    }
}

impl Pattern {
    /// Whether it is on so long after it began.
    #[must_use]
    pub fn is_on(&self, elapsed_us: Micros) -> bool {
        let cycle_ms = self.cycle_ms();
        let elapsed_ms = elapsed_us / 1000;
        let Some(cycles) = elapsed_ms.checked_div(u64::from(cycle_ms)) else { return false };
        if self.times.is_some_and(|times| cycles >= u64::from(times)) {
            return false;
        }
        let mut left = elapsed_ms - cycles * u64::from(cycle_ms);
        for (index, step) in self.steps_ms.iter().enumerate() {
            if left < u64::from(*step) {
                return index % 2 == 0;
            }
            left -= u64::from(*step);
        }
        false
    }

    /// The whole of it once, in milliseconds.
    #[must_use]
    pub fn cycle_ms(&self) -> u32 {
        self.steps_ms.iter().map(|step| u32::from(*step)).sum()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    const STEP_MS: u64 = 10;
    /// A person looks or listens for this long: every pattern has begun again by then.
    const LOOK_MS: u64 = 12_000;

    fn samples(pattern: Pattern, ms: u64) -> Vec<bool> {
        let endless = Pattern { times: pattern.times.and(Some(u16::MAX)), ..pattern };
        (0..ms / STEP_MS).map(|step| endless.is_on(step * STEP_MS * 1000)).collect()
    }

    /// How many milliseconds two patterns differ in one look, if they begin as alike as they can.
    fn least_difference_ms(one: Pattern, other: Pattern) -> u64 {
        let fixed = samples(one, LOOK_MS);
        let moving = samples(other, 2 * LOOK_MS);
        let shifts = (u64::from(other.cycle_ms().max(1)) / STEP_MS) as usize;
        let differ = |shift: usize| fixed.iter().zip(&moving[shift..]).filter(|(a, b)| a != b).count();
        (0..=shifts).map(differ).min().unwrap() as u64 * STEP_MS
    }

    /// What a person can describe: how many times in a group, how long at most, how long until it repeats.
    fn described_alike(one: Pattern, other: Pattern) -> bool {
        let longest = |pattern: Pattern| pattern.steps_ms.iter().step_by(2).copied().max().unwrap_or(0);
        let alike = |a: u32, b: u32| a.max(b) < 2 * a.min(b) || a == b;
        one.steps_ms.len() == other.steps_ms.len()
            && alike(longest(one).into(), longest(other).into())
            && alike(one.cycle_ms(), other.cycle_ms())
    }

    #[test]
    fn every_two_states_are_told_apart_by_light_alone_and_by_sound_alone() {
        for (index, one) in Display::ALL.iter().enumerate() {
            for other in &Display::ALL[index + 1..] {
                for (kind, a, b) in
                    [("lamp", one.lamp(), other.lamp()), ("buzzer", one.buzzer(), other.buzzer())]
                {
                    let least = least_difference_ms(a, b);
                    assert!(least >= 400, "{kind}: {one:?} and {other:?} differ by only {least} ms");
                    assert!(!described_alike(a, b), "{kind}: {one:?} and {other:?} sound alike in words");
                }
            }
        }
    }

    #[test]
    fn the_number_of_flashes_and_beeps_is_the_indicator() {
        for (count, state) in (1..).zip([Display::Heard, Display::Seen, Display::Coming]) {
            assert_eq!(state.lamp().steps_ms.len() / 2, count);
            assert_eq!(state.buzzer().steps_ms.len() / 2, count);
        }
    }

    #[test]
    fn a_pattern_goes_through_its_steps_and_stops_when_it_has_been_heard_often_enough() {
        let two = Display::Seen.buzzer();
        let on = |ms: u64| two.is_on(ms * 1000);
        assert_eq!(
            [0, 249, 250, 499, 500, 749, 750, 3999, 4000].map(on),
            [true, true, false, false, true, true, false, false, true]
        );
        assert!(on(14 * 4000) && !on(15 * 4000), "15 times are enough");
        assert!(
            Display::Calling.buzzer().is_on(1_000_000 * 3600 * 24),
            "an unanswered call never falls silent"
        );
        assert!(!Display::Idle.buzzer().is_on(0));
    }

    #[test]
    fn every_step_lasts_long_enough_to_be_noticed_and_steps_come_in_pairs() {
        for state in Display::ALL {
            for pattern in [state.lamp(), state.buzzer()] {
                assert!(pattern.steps_ms.len().is_multiple_of(2));
                assert!(pattern.steps_ms.iter().all(|step| *step >= 50));
                assert!(u64::from(pattern.cycle_ms()) <= LOOK_MS);
            }
        }
    }
}
