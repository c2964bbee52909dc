//! What everything but alarm polling may cost: a tenth of the line for state, slow points and the probes of
//! few dead devices; up to a third for the probes of many (contract.md, dead devices).
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

/// Alarm polling gives a ninth of its own time to the rest, so the rest has a tenth of the line.
pub(crate) const ALARM_TO_OTHER: u32 = 9;
/// The shares of so many alarm exchanges are kept: two are with the hands before a choice can use them.
const KEPT_SHARES: i64 = 2;
const DEBT_MOST_US: i64 = 2_000_000;
/// Up to 3 dead of 16 the living keep 1/1.10 of the line: ten times the probe's time until the next one.
const FEW_DEAD_PAUSE: u32 = 10;
/// Beyond that the dead have a third of the line: twice its time.
pub(crate) const MANY_DEAD_PAUSE: u32 = 2;
/// All silent devices are probed at least this often while a third of the line suffices for it.
const SWEEP: Duration = Duration::from_secs(30);
/// One silent device at a time is given a normal ask's patience, this long apart.
const PATIENT_APART: Duration = Duration::from_secs(25);
/// Waiting in vain for longer than this, net of an eighth of the time since, is distress: devices are dying
/// in numbers, and the living must not wait for each of them to be found out at leisure.
const DISTRESS_US: i64 = 500_000;
const VAIN_MOST_US: i64 = 2_000_000;

/// So few of a line's devices are dead that the living hardly notice: up to 3 of 16 (contract.md).
pub(crate) fn are_few(dead: usize, all: usize) -> bool {
    dead * 16 <= all * 3
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Budget {
    credit_us: i64,
    vain_us: i64,
    vain_at: Instant,
    probe_from: Instant,
    patient_from: Instant,
    /// What is overdue has had its turn in the present alarm round.
    overdue_went: bool,
}

impl Budget {
    /// Whether something else may go before an alarm block that is due.
    pub(super) fn allows_other(&self) -> bool {
        self.credit_us > 0
    }

    pub(super) fn probe_from(&self) -> Instant {
        self.probe_from
    }

    /// Whether a probe may wait as long as a normal ask: a spare part may be slower than the unit it replaced.
    pub(super) fn allows_patience(&self, now: Instant) -> bool {
        now >= self.patient_from
    }

    /// A probe was patient, or another device was lost: the next patient one may wait.
    pub(super) fn put_off_patience(&mut self, now: Instant) {
        self.patient_from = now + PATIENT_APART;
    }

    /// Whether something overdue may go before an alarm block that is due although the share is used up: once
    /// in an alarm round, or many of them together would make the alarms late.
    pub(super) fn allows_overdue(&self) -> bool {
        !self.overdue_went
    }

    pub(super) fn overdue_goes(&mut self) {
        self.overdue_went = true;
    }

    pub(super) fn round_ended(&mut self) {
        self.overdue_went = false;
    }

    pub(super) fn is_distressed(&self, now: Instant) -> bool {
        self.vain_us(now) > DISTRESS_US
    }

    /// What is not used soon is not saved up, so that an alarm round holds one state block over its share and
    /// no burst.
    pub(super) fn alarm_took(&mut self, spent: Duration) {
        let share_us = micros(spent / ALARM_TO_OTHER);
        self.credit_us = (self.credit_us + share_us).min(share_us * KEPT_SHARES);
    }

    pub(super) fn other_took(&mut self, spent: Duration) {
        self.credit_us = (self.credit_us - micros(spent)).max(-DEBT_MOST_US);
    }

    /// An ask that should have been answered was not.
    pub(super) fn in_vain(&mut self, now: Instant, spent: Duration) {
        self.vain_us = (self.vain_us(now) + micros(spent)).min(VAIN_MOST_US);
        self.vain_at = now;
    }

    fn vain_us(&self, now: Instant) -> i64 {
        (self.vain_us - micros(now.since(self.vain_at)) / 8).max(0)
    }

    /// A probe went unanswered: says when the next may go. `silent` of `all` devices do not answer.
    pub(super) fn probe_failed(&mut self, now: Instant, spent: Duration, silent: usize, all: usize) {
        let few = are_few(silent, all);
        let pause = match u32::try_from(silent) {
            _ if silent >= all => 0,
            Ok(silent) if few => {
                let sweeps = SWEEP.as_micros() / (spent * silent).as_micros().max(1);
                u32::try_from(sweeps)
                    .unwrap_or(u32::MAX)
                    .saturating_sub(1)
                    .clamp(MANY_DEAD_PAUSE, FEW_DEAD_PAUSE)
            }
            _ => MANY_DEAD_PAUSE,
        };
        self.probe_from = now + spent * pause;
        if few {
            self.other_took(spent);
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
