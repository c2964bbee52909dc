//! Watching over somebody who lives alone: no water, no door, no movement for too long is a sign that a person should
//! go and look. Judged by day only, and only on time that was really watched: what was not read is unknown, never quiet.
//!
//! Time is cut into 48 slots of the rule's window. A tap that drips is no sign of life: water that flows in every
//! twelfth of the window, without a pause, is a trickle, and only what goes beyond it counts.
use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, Timestamp};

use crate::counter::Counter;
use crate::welfare::Sign;

/// Slots of a window.
const SLOTS: usize = 48;
/// Slots of a twelfth of it: nobody draws water in every twelfth of a day and a night.
const OF_A_TWELFTH: usize = SLOTS / 12;
/// Two readings further apart say nothing of the time between them.
const SEEN_WITHIN: Duration = Duration::from_secs(120);
/// After so long without a reading the watch begins anew: quiet before and quiet after make no quiet day.
const BLIND_AT_MOST: Duration = Duration::from_secs(3600);

/// What is known of one rule's window; survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Vigil {
    /// Signs in each full slot of watched time, the oldest first.
    slots: VecDeque<u32>,
    /// Signs in the slot that is not full, and how much of it was watched.
    current: u32,
    current_us: u64,
    #[serde(default)]
    counter: Counter,
    /// Whether the contact was active when last read.
    #[serde(default)]
    state: Option<bool>,
    /// When the last reading was, by the wall; for a restart.
    #[serde(default)]
    read_at: Option<Timestamp>,
    /// Signs of life since it was last called quiet.
    #[serde(default)]
    since_quiet: u32,
    /// When the last sign of life was.
    #[serde(default)]
    pub(crate) active_at: Option<Timestamp>,
    /// In this run.
    #[serde(default)]
    read: Option<Instant>,
}

/// A good reading of the watched point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Count { count: u32, bits: u8 },
    State(bool),
}

impl Default for Vigil {
    fn default() -> Self {
        Self {
            slots: VecDeque::with_capacity(SLOTS),
            current: 0,
            current_us: 0,
            counter: Counter::default(),
            state: None,
            read_at: None,
            since_quiet: 0,
            active_at: None,
            read: None,
        }
    }
}

impl Vigil {
    /// Takes a good reading; `wall` only if the clock is set. Whether it was a sign of life, for all that is known now.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        wall: Option<Timestamp>,
        (sign, window): (Sign, Duration),
        seen: Seen,
    ) -> bool {
        let gap = self.gap(now, wall);
        let signs = match seen {
            Seen::Count { count, bits } => self.counter.take(count, bits, gap.unwrap_or(Duration::MAX)),
            Seen::State(state) => u32::from(self.state.replace(state).is_some_and(|known| known != state)),
        };
        match gap {
            Some(gap) if gap <= SEEN_WITHIN => self.pass(gap, window),
            Some(gap) if gap <= BLIND_AT_MOST => {}
            _ => self.begin_anew(),
        }
        let before = self.beyond(sign, self.current);
        self.current = self.current.saturating_add(signs);
        let fresh = self.beyond(sign, self.current).saturating_sub(before);
        self.since_quiet = self.since_quiet.saturating_add(fresh);
        self.read = Some(now);
        self.read_at = wall;
        if fresh > 0 {
            self.active_at = wall.or(self.active_at);
        }
        fresh > 0
    }

    /// From now on only what is still to come ends the quiet: a leak that stops is no sign of life either.
    pub(crate) fn is_called_quiet(&mut self) {
        self.since_quiet = 0;
    }

    pub(crate) fn since_quiet(&self) -> u32 {
        self.since_quiet
    }

    /// After a restart: steady time began anew.
    pub(crate) fn restored(self) -> Self {
        Self { read: None, ..self }
    }

    /// As after the return of somebody who was away: what was before says nothing.
    pub(crate) fn begin_anew(&mut self) {
        self.slots.clear();
        (self.current, self.current_us) = (0, 0);
    }

    pub(crate) fn has_sign_in_slot(&self) -> bool {
        self.current > 0
    }

    /// The whole window was watched.
    pub(crate) fn is_full(&self) -> bool {
        self.slots.len() >= SLOTS
    }

    /// Signs of life in the window, without what trickles.
    pub(crate) fn signs(&self, sign: Sign) -> u32 {
        let flows = self.twelfths().chain([self.current]).map(|flow| self.beyond(sign, flow));
        flows.fold(0, u32::saturating_add)
    }

    /// What of this flow, within a twelfth of the window, is not the trickle's.
    fn beyond(&self, sign: Sign, flow: u32) -> u32 {
        match if sign == Sign::Water { self.trickle() } else { 0 } {
            0 => flow,
            // A steady flow is not quite steady, and its pulses do not fall evenly into the twelfths.
            trickle => flow.saturating_sub(trickle.saturating_add(trickle / 4).saturating_add(1)),
        }
    }

    /// What flows in every twelfth of the window; 0 if there is any pause, or too little is known.
    pub(crate) fn trickle(&self) -> u32 {
        if self.is_full() { self.twelfths().min().unwrap_or(0) } else { 0 }
    }

    fn twelfths(&self) -> impl Iterator<Item = u32> {
        // While there are fewer slots the last twelfths are empty; there are never more.
        (0..SLOTS / OF_A_TWELFTH).map(|twelfth| {
            let slots = self.slots.iter().skip(twelfth * OF_A_TWELFTH).take(OF_A_TWELFTH);
            slots.copied().fold(0, u32::saturating_add)
        })
    }

    /// Since the last good reading; none if that is not known.
    fn gap(&self, now: Instant, wall: Option<Timestamp>) -> Option<Duration> {
        if let Some(read) = self.read {
            return Some(now.since(read));
        }
        let ms = u64::try_from(wall?.unix_ms() - self.read_at?.unix_ms()).ok()?;
        Some(Duration::from_millis(ms))
    }

    fn pass(&mut self, gap: Duration, window: Duration) {
        let slot_us = (u64::try_from(window.as_micros()).unwrap_or(u64::MAX) / SLOTS as u64).max(1);
        self.current_us = self.current_us.saturating_add(u64::try_from(gap.as_micros()).unwrap_or(u64::MAX));
        // More slots than there are need not be filled.
        for _ in 0..=SLOTS {
            if self.current_us < slot_us {
                return;
            }
            self.current_us -= slot_us;
            if self.slots.len() >= SLOTS {
                self.slots.pop_front();
            }
            self.slots.push_back(core::mem::take(&mut self.current));
        }
        self.current_us = 0;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(12 * 3600);
    const POLL: u64 = 30;

    struct Flat {
        vigil: Vigil,
        now: u64,
        count: u32,
    }

    impl Flat {
        fn new(count: u32) -> Self {
            Self { vigil: Vigil::default(), now: 0, count }
        }

        /// A reading every half minute; each adds what `flow` says of its time, s.
        fn run(&mut self, hours: f64, mut flow: impl FnMut(u64) -> u32) -> &mut Self {
            let end = self.now + (hours * 3600.0) as u64;
            while self.now < end {
                self.now += POLL;
                self.count = self.count.wrapping_add(flow(self.now)) & 0xFFFF;
                self.read();
            }
            self
        }

        fn read(&mut self) -> bool {
            let seen = Seen::Count { count: self.count, bits: 16 };
            self.vigil.take(
                Instant::from_micros(self.now * 1_000_000),
                Some(self.wall()),
                (Sign::Water, WINDOW),
                seen,
            )
        }

        fn wall(&self) -> Timestamp {
            Timestamp::from_unix_ms(1_795_000_000_000 + self.now.cast_signed() * 1000)
        }

        fn is_quiet(&self, least: u32) -> bool {
            self.vigil.is_full() && self.vigil.signs(Sign::Water) < least
        }
    }

    #[test]
    fn twelve_hours_without_water_are_quiet_and_eleven_are_not() {
        let mut flat = Flat::new(500);
        assert!(!flat.run(11.9, |_| 0).is_quiet(10));
        assert!(flat.run(0.4, |_| 0).is_quiet(10));
        flat.count += 12;
        assert!(flat.read());
        assert!(!flat.is_quiet(10), "somebody washed");
        assert!(!flat.run(11.5, |_| 0).is_quiet(10));
        assert!(flat.run(1.0, |_| 0).is_quiet(10));
    }

    #[test]
    fn a_steady_trickle_is_no_life_and_what_goes_beyond_it_is() {
        // 12 litres an hour, a pulse every five minutes.
        let drip = |at: u64| u32::from(at.is_multiple_of(300));
        let mut flat = Flat::new(0);
        assert!(flat.run(13.0, drip).is_quiet(10), "{:?}", flat.vigil);
        assert_eq!(flat.vigil.trickle(), 12);
        let active_at = flat.vigil.active_at;
        flat.run(0.5, drip);
        assert_eq!(flat.vigil.active_at, active_at, "and nobody was there");
        flat.vigil.is_called_quiet();
        let mut stopped = Flat { vigil: flat.vigil.clone(), ..flat };
        stopped.run(3.0, |_| 0);
        assert_eq!(
            (stopped.vigil.trickle(), stopped.vigil.since_quiet()),
            (0, 0),
            "a leak that stops is nobody"
        );
        // Somebody showers.
        flat.count += 40;
        flat.read();
        assert!(!flat.is_quiet(10), "{:?}", flat.vigil);
        assert!(flat.run(13.5, drip).is_quiet(10));
        // Much used and with a leak: as many litres again, but in bursts.
        let used = |at: u64| drip(at) + if at.is_multiple_of(4 * 3600) { 20 } else { 0 };
        assert!(!flat.run(24.0, used).is_quiet(10));
    }

    #[test]
    fn a_counter_that_wraps_or_starts_anew_is_judged_by_its_difference() {
        let mut flat = Flat::new(65_530);
        flat.run(13.0, |_| 0);
        flat.count = 6;
        assert!(flat.read(), "twelve pulses over the end");
        assert_eq!(flat.vigil.signs(Sign::Water), 12);
        let mut flat = Flat::new(4_000);
        flat.run(13.0, |_| 0);
        flat.count = 3;
        flat.read();
        assert_eq!(flat.vigil.signs(Sign::Water), 3, "counted since its restart");
    }

    #[test]
    fn time_that_was_not_read_is_not_quiet() {
        let mut flat = Flat::new(0);
        flat.run(6.0, |_| 0);
        // Half an hour is missing: it counts for nothing.
        flat.now += 1_800;
        flat.read();
        assert!(!flat.run(5.9, |_| 0).is_quiet(10));
        assert!(flat.run(0.3, |_| 0).is_quiet(10));
        // Two hours are missing: anew.
        flat.now += 7_200;
        flat.read();
        assert!(!flat.run(11.5, |_| 0).is_quiet(10));
    }

    #[test]
    fn a_restart_goes_on_where_it_was_unless_the_clock_does_not_know() {
        let restart = |flat: &Flat, knows: bool| {
            let kept = shouwang_message::to_bytes(&flat.vigil);
            let mut vigil = shouwang_message::from_bytes::<Vigil>(&kept).unwrap().restored();
            let wall = knows.then(|| flat.wall());
            let seen = Seen::Count { count: flat.count + 15, bits: 16 };
            vigil.take(Instant::from_micros(5), wall, (Sign::Water, WINDOW), seen);
            vigil
        };
        let mut flat = Flat::new(70);
        flat.run(13.0, |_| 0);
        flat.now += 60;
        let vigil = restart(&flat, true);
        assert!(vigil.is_full());
        assert_eq!(vigil.signs(Sign::Water), 15, "what was drawn meanwhile");
        assert!(!restart(&flat, false).is_full());
    }

    #[test]
    fn a_door_that_stands_open_is_no_life() {
        let mut vigil = Vigil::default();
        let mut at = 0;
        let mut read = |vigil: &mut Vigil, state| {
            at += 60_000_000;
            vigil.take(Instant::from_micros(at), None, (Sign::Door, WINDOW), Seen::State(state))
        };
        assert!(!read(&mut vigil, false));
        assert!(read(&mut vigil, true));
        for _ in 0..13 * 60 {
            assert!(!read(&mut vigil, true));
        }
        assert!(vigil.is_full() && vigil.signs(Sign::Door) == 0);
        assert!(read(&mut vigil, false), "somebody closed it");
    }

    proptest! {
        /// Who drew enough water within the window is never missed, whatever else was read or not read; and a
        /// reading that is missing makes nobody quiet.
        #[test]
        fn activity_within_the_window_never_alarms(
            before in proptest::collection::vec((1_u64..4_000, 0_u32..30), 0..200),
            drawn in 10_u32..300,
            after in proptest::collection::vec(1_u64..4_000, 0..60),
            start in 0_u32..65_536,
        ) {
            let mut flat = Flat::new(start);
            flat.read();
            for (seconds, pulses) in before {
                flat.now += seconds;
                flat.count = (flat.count + pulses) & 0xFFFF;
                flat.read();
            }
            let trickle = flat.vigil.trickle();
            flat.now += 60;
            flat.count = (flat.count + drawn + trickle + trickle / 4 + 1) & 0xFFFF;
            flat.read();
            let mut passed = 0;
            for seconds in after {
                passed += seconds;
                if passed >= WINDOW.as_secs() {
                    break;
                }
                flat.now += seconds;
                flat.read();
                prop_assert!(!flat.is_quiet(10), "{:?}", flat.vigil);
            }
        }

        /// Quiet is claimed only after a whole window of watched time without it.
        #[test]
        fn nobody_is_quiet_for_less_than_the_window(gaps in proptest::collection::vec(1_u64..7_200, 1..400)) {
            let mut flat = Flat::new(9);
            flat.read();
            let mut watched = 0;
            for seconds in gaps {
                flat.now += seconds;
                flat.read();
                watched = match seconds {
                    0..=120 => watched + seconds,
                    121..=3600 => watched,
                    _ => 0,
                };
                prop_assert!(!flat.is_quiet(10) || watched >= WINDOW.as_secs());
            }
        }

        /// Without a pulse nothing ends a quiet, however readings come or fail to.
        #[test]
        fn no_reading_ends_a_quiet_by_itself(
            drips in proptest::collection::vec(0_u32..20, 0..60),
            gaps in proptest::collection::vec(1_u64..7_200, 1..200),
        ) {
            let mut flat = Flat::new(0);
            for pulses in drips {
                flat.run(0.25, |at| if at.is_multiple_of(900) { pulses } else { 0 });
            }
            flat.vigil.is_called_quiet();
            for seconds in gaps {
                flat.now += seconds;
                flat.read();
                prop_assert_eq!(flat.vigil.since_quiet(), 0);
            }
        }

        /// Whatever was kept: reading it back and going on panics nowhere and holds the bounds.
        #[test]
        fn whatever_was_kept_stays_in_its_bounds(slots in proptest::collection::vec(any::<u32>(), 0..60), us in any::<u64>(), count in any::<u32>()) {
            let text = alloc::format!(r#"{{"slots":{slots:?},"current":4294967295,"current_us":{us}}}"#);
            let vigil: Vec<u8> = text.into_bytes();
            let mut vigil: Vigil = shouwang_message::from_bytes(&vigil).unwrap();
            for n in 1..5 {
                vigil.take(Instant::from_micros(n * 60_000_000), None, (Sign::Water, WINDOW), Seen::Count { count, bits: 32 });
                vigil.signs(Sign::Water);
            }
            prop_assert!(vigil.slots.len() <= 60);
        }
    }
}
