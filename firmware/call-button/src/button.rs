//! One press is one press: contacts bounce, fingers tremble and frightened people hold on.

use crate::Micros;

/// Contacts must agree for this long. A press of 50 ms counts even if its first 20 ms bounce.
pub(crate) const DEBOUNCE_US: Micros = 30_000;
/// Held longer than this is a stuck button; the call stays.
pub(crate) const STUCK_US: Micros = 30_000_000;

/// A contact without its bouncing.
#[derive(Clone, Copy, Debug, Default)]
struct Contact {
    closed: bool,
    /// The other level has been seen since then.
    changing_since: Option<Micros>,
    last_tick: Option<Micros>,
}

impl Contact {
    /// Says so when the contact has settled in its other state. The time of a change is taken as early as it
    /// can have been, so that a processor that stood still (erasing flash) does not swallow a press; but one
    /// sample alone never counts.
    fn tick(&mut self, now: Micros, closed: bool) -> bool {
        let earliest = self.last_tick.replace(now).unwrap_or(now);
        if closed == self.closed {
            self.changing_since = None;
            return false;
        }
        let settled = self.changing_since.is_some_and(|since| now.saturating_sub(since) >= DEBOUNCE_US);
        if settled {
            self.closed = closed;
            self.changing_since = None;
        } else {
            self.changing_since.get_or_insert(earliest);
        }
        settled
    }
}

/// A push button or a cancel input. What is found pressed at the start counts only after it was released.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Button {
    contact: Contact,
    /// It has been seen released, in two samples in a row.
    armed: bool,
    released_before: bool,
    pressed_since: Option<Micros>,
}

impl Button {
    /// Whether this tick completes a new press. Holding on never completes another.
    pub(crate) fn tick(&mut self, now: Micros, closed: bool) -> bool {
        self.armed |= !closed && self.released_before;
        self.released_before = !closed;
        if !self.contact.tick(now, closed) {
            return false;
        }
        self.pressed_since = self.contact.closed.then_some(now);
        self.contact.closed && self.armed
    }

    pub(crate) fn is_pressed(&self) -> bool {
        self.contact.closed
    }

    pub(crate) fn is_stuck(&self, now: Micros) -> bool {
        self.pressed_since.is_some_and(|since| now.saturating_sub(since) > STUCK_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Presses counted while `closed(ms)` is sampled every `step_ms`, after 100 ms of rest.
    fn presses(step_ms: u64, total_ms: u64, closed: impl Fn(u64) -> bool) -> usize {
        let mut button = Button::default();
        let rest = 100;
        (0..rest + total_ms)
            .step_by(step_ms as usize)
            .filter(|ms| button.tick(ms * 1000, *ms >= rest && closed(ms - rest)))
            .count()
    }

    #[test]
    fn a_press_of_50_ms_counts_once_at_any_phase_and_tick() {
        for step in 1..=10 {
            for start in 0..20 {
                let held = |ms| (start..start + 50).contains(&ms);
                assert_eq!(presses(step, 300, held), 1, "ticks of {step} ms, press at {start} ms");
            }
        }
    }

    #[test]
    fn contacts_that_bounce_for_20_ms_on_both_edges_are_one_press() {
        let bouncing = |ms: u64| match ms {
            0..20 | 50..70 => ms % 4 < 2,
            20..50 => true,
            _ => false,
        };
        // 30 ms without bouncing: the least that is a press.
        assert_eq!(presses(1, 300, bouncing), 1);
    }

    #[test]
    fn bouncing_alone_is_never_a_press() {
        assert_eq!(presses(1, 2000, |ms| ms % 6 < 3), 0);
        assert_eq!(presses(1, 2000, |ms| ms % 40 < 20), 0);
    }

    #[test]
    fn holding_for_ever_is_one_press_and_stuck_after_30_s_until_released() {
        let mut button = Button::default();
        let mut count = 0;
        for ms in 0..60_000_u64 {
            count += usize::from(button.tick(ms * 1000, ms >= 10));
        }
        assert_eq!(count, 1);
        assert!(button.is_stuck(60_000_000));
        for ms in 60_000..60_100_u64 {
            button.tick(ms * 1000, false);
        }
        assert!(!button.is_stuck(100_000_000));
    }

    #[test]
    fn two_presses_80_ms_apart_are_two() {
        assert_eq!(presses(1, 400, |ms| ms < 60 || (140..200).contains(&ms)), 2);
    }

    #[test]
    fn pressed_at_the_start_counts_only_after_a_release() {
        let mut button = Button::default();
        let mut count = 0;
        for ms in 0..40_000_u64 {
            let closed = ms < 35_000 || (36_000..36_200).contains(&ms);
            count += usize::from(button.tick(ms * 1000, closed));
            if ms == 34_000 {
                assert_eq!(count, 0);
                assert!(button.is_pressed() && button.is_stuck(ms * 1000), "but it is told");
            }
        }
        assert_eq!(count, 1);
    }

    #[test]
    fn a_processor_that_stood_still_for_40_ms_still_sees_a_press_of_50_ms() {
        let mut button = Button::default();
        let mut count = 0;
        // The press begins just after the tick at 100 ms and ends at 150 ms.
        for ms in (0..=100).chain(140..300_u64) {
            count += usize::from(button.tick(ms * 1000, (101..=150).contains(&ms)));
        }
        assert_eq!(count, 1);
    }
}
