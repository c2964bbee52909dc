//! The engine's side of a call unit's register map: no press lost, none counted twice.
//!
//! A press counts up a wrapping counter and sets a latch; the gateway writes back the count it has
//! committed, and only an equal echo clears the latch. The counter says how often, the latch says whether
//! anything is open, and the two are read in different moments: every rule here waits for the read that
//! settles it. (The map and its rules: the design's device notes, section 9.)
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::planted::{self, Bug};

/// What is known of one call unit; this much survives a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    serial: Option<u32>,
    /// The press count up to which every press is recorded.
    recorded: Option<u16>,
    cancels: Option<u16>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CallUnit {
    counts: Counts,
    /// Read since the unit was last unknown, not yet settled by a latch read.
    candidate: Option<u16>,
    /// The latch was set while no count was recorded: the next count is a call.
    latched_unknown: bool,
    /// The unit's own starts, as last read; not kept, a restart of ours makes the lamp unknown anyway.
    boots: Option<u16>,
    /// A local cancel was counted; the next latch read says whether it ended the call.
    cancel_seen: bool,
    /// So many reads in a row were behind what was read before.
    behind: u8,
    /// So many reads in a row found no latch while no count was recorded.
    quiet: u8,
}

/// On a line without transaction numbers the late answer to an older read looks like a fresh one. So many
/// reads in a row that say the same are no late answers any more: a read and its retry may both be late.
const NOT_LATE: u8 = 3;

/// What the engine must do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many presses, all recorded by this count: raise or repeat, commit, then echo the count.
    Pressed { times: u32, count: u16 },
    /// Nothing happened, but this is the count from now on: commit it.
    Adopted,
    /// The latch is still set although all presses are recorded: the echo was lost.
    EchoAgain { count: u16 },
    /// The person, or somebody with them, took the call back at the unit.
    Cancelled,
    /// The counter is not where it was: a fault.
    CounterBack,
    /// Another unit answers: what was known is void.
    NewUnit,
    /// The unit started anew: it remembers its presses, but not what its lamp was told.
    Restarted,
}

/// What one read of the counters brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CountRead {
    pub(crate) serial: Option<u32>,
    pub(crate) presses: u16,
    pub(crate) cancels: Option<u16>,
    pub(crate) boots: Option<u16>,
}

impl Counts {
    pub(crate) fn recorded(self) -> Option<u16> {
        self.recorded
    }
}

impl CallUnit {
    pub(crate) fn restore(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Everything pressed so far is recorded and nothing waits to be settled.
    pub(crate) fn is_settled(&self) -> bool {
        self.counts.recorded.is_some() && !self.latched_unknown && self.candidate.is_none()
    }

    pub(crate) fn counted(&mut self, read: CountRead) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.counts.serial.is_some() && read.serial.is_some() && self.counts.serial != read.serial {
            *self = Self::default();
            steps.push(Step::NewUnit);
        }
        if self.is_behind(read) && self.behind + 1 < NOT_LATE {
            self.behind += 1;
            return steps;
        }
        self.behind = 0;
        if self.boots.is_some() && read.boots.is_some() && self.boots != read.boots {
            steps.push(Step::Restarted);
        }
        self.boots = read.boots;
        let first = self.counts.serial.is_none() && read.serial.is_some();
        self.counts.serial = self.counts.serial.or(read.serial);
        if let Some(cancels) = read.cancels {
            self.cancel_seen |= self.counts.cancels.is_some_and(|before| is_ahead(cancels, before));
            self.counts.cancels = Some(cancels);
        }
        match self.counts.recorded {
            Some(recorded) if planted::has(Bug::CountWraps) && read.presses < recorded => {
                self.counts.recorded = Some(read.presses);
            }
            Some(recorded) => match read.presses.wrapping_sub(recorded) {
                0 => {}
                times @ 1..=32767 => steps.push(self.record(read.presses, times)),
                _ => {
                    self.counts.recorded = None;
                    self.candidate = Some(read.presses);
                    steps.push(Step::CounterBack);
                }
            },
            // Only a count that is read twice is no late answer from before the press.
            None if self.latched_unknown && self.candidate == Some(read.presses) => {
                steps.push(self.record(read.presses, 1));
            }
            None => {
                if self.candidate.replace(read.presses) != Some(read.presses) {
                    self.quiet = 0;
                }
            }
        }
        if planted::has(Bug::AdoptsAtOnce) {
            self.counts.recorded = Some(read.presses);
        }
        if first && steps.is_empty() && self.counts.recorded.is_some() {
            steps.push(Step::Adopted);
        }
        steps
    }

    pub(crate) fn latch(&mut self, set: bool) -> Option<Step> {
        let cancelled = core::mem::take(&mut self.cancel_seen) && !set;
        match (self.counts.recorded, set) {
            (Some(count), true) => return Some(Step::EchoAgain { count }),
            (None, true) => {
                // A count read before this latch may be one press short: wait for the next.
                if !core::mem::replace(&mut self.latched_unknown, true) {
                    self.candidate = None;
                }
                self.quiet = 0;
            }
            (None, false) => {
                self.quiet = self.quiet.saturating_add(1);
                if self.quiet >= NOT_LATE {
                    self.latched_unknown = false;
                    if let Some(count) = self.candidate.take() {
                        // Not latched after the count was read: whatever it counts is over.
                        self.counts.recorded = Some(count);
                        return Some(if cancelled { Step::Cancelled } else { Step::Adopted });
                    }
                }
            }
            (Some(_), false) => {}
        }
        cancelled.then_some(Step::Cancelled)
    }

    /// The unit took an echo: its latch says nothing any more about a cancel from before. A press after that
    /// cancel must stay open, and one before it may.
    pub(crate) fn echoed(&mut self) {
        self.cancel_seen = false;
    }

    /// A counter went back.
    fn is_behind(&self, read: CountRead) -> bool {
        let went_back = |before: Option<u16>, now: Option<u16>| {
            before.zip(now).is_some_and(|(before, now)| now != before && !is_ahead(now, before))
        };
        went_back(self.counts.recorded.or(self.candidate), Some(read.presses))
            || went_back(self.counts.cancels, read.cancels)
            || went_back(self.boots, read.boots)
    }

    fn record(&mut self, count: u16, times: u16) -> Step {
        self.counts.recorded = Some(count);
        self.latched_unknown = false;
        self.candidate = None;
        Step::Pressed { times: u32::from(times), count }
    }
}

/// Whether a wrapping counter has moved on.
fn is_ahead(now: u16, before: u16) -> bool {
    matches!(now.wrapping_sub(before), 1..=32767)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn read(presses: u16) -> CountRead {
        CountRead { serial: Some(77), presses, cancels: Some(0), boots: Some(1) }
    }

    /// What comes of as many quiet rounds as cannot be late.
    fn at_rest(unit: &mut CallUnit, presses: u16) -> Option<Step> {
        for _ in 1..NOT_LATE {
            assert_eq!(unit.latch(false), None);
            assert_eq!(unit.counted(read(presses)), vec![]);
        }
        unit.latch(false)
    }

    #[test]
    fn a_new_unit_at_rest_is_adopted_without_a_call() {
        let mut unit = CallUnit::default();
        assert_eq!(unit.counted(read(40)), vec![]);
        assert_eq!(at_rest(&mut unit, 40), Some(Step::Adopted));
        assert_eq!(unit.counted(read(41)), vec![Step::Pressed { times: 1, count: 41 }]);
    }

    #[test]
    fn a_press_between_count_and_latch_of_an_unknown_unit_is_one_call() {
        let mut unit = CallUnit::default();
        assert_eq!(unit.counted(read(40)), vec![]);
        // pressed here: the unit counts 41 and latches
        assert_eq!(unit.latch(true), None);
        assert_eq!(unit.counted(read(40)), vec![], "a late answer");
        assert_eq!(unit.counted(read(41)), vec![]);
        assert_eq!(unit.latch(true), None);
        assert_eq!(unit.counted(read(41)), vec![Step::Pressed { times: 1, count: 41 }]);
        assert_eq!(unit.latch(true), Some(Step::EchoAgain { count: 41 }));
        assert_eq!(unit.latch(false), None);
        assert_eq!(unit.counted(read(41)), vec![]);
    }

    #[test]
    fn three_presses_over_the_wrap_are_counted() {
        let mut unit =
            CallUnit::restore(Counts { serial: Some(77), recorded: Some(65534), cancels: Some(0) });
        assert_eq!(unit.counted(read(1)), vec![Step::Pressed { times: 3, count: 1 }]);
    }

    #[test]
    fn a_counter_that_went_back_is_a_fault_and_a_call_only_if_latched() {
        let known = Counts { serial: Some(77), recorded: Some(500), cancels: Some(0) };
        let mut quiet = CallUnit::restore(known);
        assert_eq!([quiet.counted(read(0)), quiet.counted(read(0))], [vec![], vec![]], "late answers?");
        assert_eq!(quiet.counted(read(0)), vec![Step::CounterBack]);
        assert_eq!(at_rest(&mut quiet, 0), Some(Step::Adopted));
        let mut latched = CallUnit::restore(known);
        assert_eq!([latched.counted(read(3)), latched.counted(read(3))], [vec![], vec![]]);
        assert_eq!(latched.counted(read(3)), vec![Step::CounterBack]);
        assert_eq!(latched.latch(true), None);
        assert_eq!(latched.counted(read(3)), vec![]);
        assert_eq!(latched.latch(true), None);
        assert_eq!(latched.counted(read(3)), vec![Step::Pressed { times: 1, count: 3 }]);
    }

    #[test]
    fn the_late_answer_to_an_older_read_changes_nothing() {
        let known = Counts { serial: Some(77), recorded: Some(9), cancels: Some(1) };
        let mut unit = CallUnit::restore(known);
        let fresh = CountRead { cancels: Some(1), ..read(9) };
        for late in [read(9), CountRead { cancels: Some(1), ..read(8) }] {
            assert_eq!(unit.counted(fresh), vec![]);
            assert_eq!(unit.counted(late), vec![]);
            assert_eq!(unit.latch(false), None);
            assert_eq!(unit.counts(), known);
        }
        assert_eq!(unit.counted(fresh), vec![]);
        assert_eq!(unit.latch(false), None, "nobody cancelled");
    }

    #[test]
    fn another_serial_number_is_another_unit() {
        let mut unit = CallUnit::restore(Counts { serial: Some(76), recorded: Some(9), cancels: Some(0) });
        assert_eq!(unit.counted(read(200)), vec![Step::NewUnit]);
        assert_eq!(at_rest(&mut unit, 200), Some(Step::Adopted));
        assert_eq!(unit.counts().serial, Some(77));
    }

    #[test]
    fn a_cancel_ends_the_call_unless_pressed_again() {
        let mut unit = CallUnit::restore(Counts { serial: Some(77), recorded: Some(9), cancels: Some(0) });
        let cancelled = CountRead { cancels: Some(1), ..read(9) };
        assert_eq!(unit.counted(cancelled), vec![]);
        assert_eq!(unit.latch(false), Some(Step::Cancelled));
        assert_eq!(unit.latch(false), None);
        let again = CountRead { cancels: Some(2), ..read(10) };
        assert_eq!(unit.counted(again), vec![Step::Pressed { times: 1, count: 10 }]);
        assert_eq!(unit.latch(true), Some(Step::EchoAgain { count: 10 }));
        assert_eq!(unit.latch(false), None, "the press came after the cancel");
    }
}
