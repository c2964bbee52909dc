//! From readings to a judgement: raised, again, cleared.
//!
//! A missing reading decides nothing: it neither raises nor clears, a delay before raising starts anew
//! with the next good reading, and one before clearing stands still. An uncertain reading may raise and
//! never clears. The one exception is a re-read before raising: if it fails, the alarm is raised all
//! the same.
use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, Value};
use shouwang_river::Slope;

use crate::decode::round_to;
use crate::planted;
use crate::profile::{Condition, Test};
use crate::reading::Reading;

/// How long a re-read may take before the alarm is raised without it (rules.md, section 3).
pub const REREAD: Duration = Duration::from_millis(500);

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// The condition holds now. `growth` is how much a counter grew, 0 for other tests.
    Raised {
        value: Value,
        limit: Option<f64>,
        growth: u32,
    },
    /// A counter grew further while the condition held.
    Repeated {
        value: Value,
        growth: u32,
    },
    Cleared {
        value: Value,
    },
    /// A counter went back: another unit, or its memory was lost. Counted on from here.
    WentBack {
        value: Value,
    },
}

/// One condition of one device.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judge {
    test: Test,
    deadband: f64,
    on_delay: Duration,
    off_delay: Duration,
    median: usize,
    in_a_row: u8,
    confirm: bool,

    active: bool,
    /// The newest numbers, at most `median`; kept over missing readings.
    window: VecDeque<(f64, bool)>,
    slope: Slope,
    /// How many readings in a row have held.
    row: u8,
    on: On,
    /// How long good readings have been normal, while active; missing readings do not count.
    normal: Normal,
    /// Up to which count of presses everything has been judged.
    count: Option<u32>,
    last: Option<Value>,
}

/// On the way to raising.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum On {
    Off,
    Delayed { until: Instant },
    Rereading { until: Instant },
}

/// On the way to clearing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Normal {
    so_far: Duration,
    /// The last normal reading, if nothing was missing since.
    at: Option<Instant>,
}

/// What one reading says by itself.
enum Says {
    Holds(Value),
    /// Under the limit, but not yet by the deadband.
    Between(Value),
    Normal(Value),
    /// Too little is known yet, or the reading does not fit the test.
    Nothing,
}

impl Judge {
    pub fn new(condition: &Condition) -> Self {
        let window = match condition.test {
            Test::RateOfRise { window, .. } => window,
            _ => Duration::ZERO,
        };
        Self {
            test: condition.test.clone(),
            deadband: condition.deadband,
            on_delay: condition.on_delay,
            off_delay: condition.off_delay,
            median: usize::from(condition.median.clamp(1, 9)),
            in_a_row: condition.in_a_row.max(1),
            confirm: condition.confirm,
            active: false,
            window: VecDeque::new(),
            slope: Slope::new(window),
            row: 0,
            on: On::Off,
            normal: Normal::default(),
            count: None,
            last: None,
        }
    }

    /// What this reading changes.
    pub fn reading(&mut self, now: Instant, reading: &Reading) -> Option<Judgement> {
        let (value, good) = match reading {
            Reading::Good(value) => (value, true),
            Reading::Uncertain(value, _) => (value, false),
            Reading::Bad(_) => return self.missing(),
        };
        if let Test::Difference { bits } = self.test {
            return self.counted(now, bits, value, good);
        }
        match self.says(now, value, good) {
            Says::Holds(value) => self.holds(now, value),
            Says::Between(value) => {
                let raised = self.not_holding(good);
                self.last = Some(value);
                self.normal = Normal::default();
                raised
            }
            Says::Normal(value) => self.normal(now, value, good),
            Says::Nothing => None,
        }
    }

    /// When to call [`Self::woke`]; raising may not wait for the next reading. Clearing does: it always
    /// takes a good reading.
    pub fn next_deadline(&self) -> Option<Instant> {
        match self.on {
            On::Off => None,
            On::Delayed { until } | On::Rereading { until } => Some(until),
        }
    }

    /// The time has come; early or repeated calls do no harm.
    pub fn woke(&mut self, now: Instant) -> Option<Judgement> {
        match self.on {
            On::Delayed { until } if until <= now => self.raise_or_reread(now),
            On::Rereading { until } if until <= now => self.raise(),
            _ => None,
        }
    }

    /// The point's block should be read again at once, before raising.
    pub fn wants_reread(&self) -> bool {
        matches!(self.on, On::Rereading { .. })
    }

    /// A reading spoke for raising, and it is not raised yet.
    pub fn is_on_the_way(&self) -> bool {
        !self.active && (self.on != On::Off || self.row > 0)
    }

    pub fn is_active(&self) -> bool {
        self.active
    }

    /// After a restart: what was judged before it.
    pub fn restore_active(&mut self, active: bool) {
        self.active = active;
    }

    /// After a restart: the count that was committed. Without it, the first reading only sets the
    /// count to start from.
    pub fn restore_count(&mut self, count: u32) {
        self.count = Some(count);
    }

    /// The count up to which everything is judged; commit it with the judgement that it came with.
    pub fn count(&self) -> Option<u32> {
        self.count
    }

    /// Another unit answers at this place: its counter starts from its next reading.
    pub fn forget_count(&mut self) {
        self.count = None;
    }

    fn missing(&mut self) -> Option<Judgement> {
        if planted::has(planted::Bug::MissingReadingClears) && self.active {
            self.active = false;
            return Some(Judgement::Cleared { value: self.last.clone().unwrap_or(Value::Bool(false)) });
        }
        self.normal.at = None;
        match self.on {
            On::Rereading { .. } => self.raise(),
            On::Delayed { .. } => {
                self.on = On::Off;
                None
            }
            On::Off => None,
        }
    }

    fn says(&mut self, now: Instant, value: &Value, good: bool) -> Says {
        let verdict = match (&self.test, value) {
            (Test::Active, Value::Bool(true)) => Says::Holds,
            (Test::Active, Value::Bool(false)) => Says::Normal,
            (Test::Equal { values }, Value::Number(number)) if values.contains(number) => Says::Holds,
            (Test::Equal { .. }, Value::Number(_)) => Says::Normal,
            (Test::High { .. } | Test::Low { .. }, Value::Number(number)) => {
                return self.level(*number, good);
            }
            (Test::RateOfRise { limit_per_hour, .. }, Value::Number(number)) => {
                let limit = *limit_per_hour;
                if !good || !self.slope.add(now.into(), *number) {
                    return Says::Nothing;
                }
                return self
                    .slope
                    .fit()
                    .map_or(Says::Nothing, |fit| compare(round_to(fit.per_hour, 4), limit, self.deadband));
            }
            _ => return Says::Nothing,
        };
        verdict(value.clone())
    }

    /// High and low are one comparison, with the signs turned.
    fn level(&mut self, number: f64, good: bool) -> Says {
        let Some((number, good)) = self.filtered(number, good) else { return Says::Nothing };
        let says = match self.test {
            Test::Low { limit } => match compare(-number, -limit, self.deadband) {
                Says::Holds(_) => Says::Holds(Value::Number(number)),
                Says::Between(_) => Says::Between(Value::Number(number)),
                Says::Normal(_) => Says::Normal(Value::Number(number)),
                Says::Nothing => Says::Nothing,
            },
            Test::High { limit } => compare(number, limit, self.deadband),
            _ => Says::Nothing,
        };
        match says {
            // A median that rests on a doubtful reading may raise, but says nothing about normal.
            Says::Normal(value) if !good => Says::Between(value),
            other => other,
        }
    }

    /// The median of the newest readings, and whether all of them were good; none until there are enough.
    fn filtered(&mut self, number: f64, good: bool) -> Option<(f64, bool)> {
        if number.is_nan() {
            return None;
        }
        if self.window.len() >= self.median {
            self.window.pop_front();
        }
        self.window.push_back((number, good));
        if self.window.len() < self.median {
            return None;
        }
        // The middle one has at most half of the others strictly on either side of it.
        let half = self.median / 2;
        let middle = self.window.iter().map(|(number, _)| *number).find(|number| {
            let below = self.window.iter().filter(|(other, _)| other < number).count();
            let above = self.window.iter().filter(|(other, _)| other > number).count();
            below <= half && above <= half
        })?;
        Some((middle, self.window.iter().all(|(_, good)| *good)))
    }

    fn holds(&mut self, now: Instant, value: Value) -> Option<Judgement> {
        self.last = Some(value);
        self.normal = Normal::default();
        if self.active {
            return None;
        }
        self.row = self.row.saturating_add(1).min(self.in_a_row);
        if self.row < self.in_a_row {
            return None;
        }
        match self.on {
            On::Rereading { .. } => self.raise(),
            On::Delayed { until } if until > now => None,
            On::Delayed { .. } => self.raise_or_reread(now),
            On::Off if self.on_delay.is_zero() => self.raise_or_reread(now),
            On::Off => {
                self.on = On::Delayed { until: now + self.on_delay };
                None
            }
        }
    }

    fn normal(&mut self, now: Instant, value: Value, good: bool) -> Option<Judgement> {
        if let Some(raised) = self.not_holding(good) {
            return Some(raised);
        }
        self.last = Some(value.clone());
        if !self.active || !good {
            self.normal.at = None;
            return None;
        }
        if let Some(at) = self.normal.at.replace(now) {
            self.normal.so_far = self.normal.so_far.saturating_add(now.since(at));
        }
        if self.normal.so_far < self.off_delay {
            return None;
        }
        self.active = false;
        self.normal = Normal::default();
        Some(Judgement::Cleared { value })
    }

    /// Ends what was on the way to raising. A doubtful re-read is no denial.
    fn not_holding(&mut self, good: bool) -> Option<Judgement> {
        if !good && self.wants_reread() {
            return self.raise();
        }
        self.row = 0;
        self.on = On::Off;
        None
    }

    fn raise_or_reread(&mut self, now: Instant) -> Option<Judgement> {
        if self.confirm {
            self.on = On::Rereading { until: now + REREAD };
            return None;
        }
        self.raise()
    }

    fn raise(&mut self) -> Option<Judgement> {
        self.on = On::Off;
        self.row = 0;
        self.normal = Normal::default();
        if self.active {
            return None;
        }
        self.active = true;
        let limit = match self.test {
            Test::High { limit } | Test::Low { limit } | Test::RateOfRise { limit_per_hour: limit, .. } => {
                Some(limit)
            }
            Test::Equal { .. } | Test::Active | Test::Difference { .. } | Test::NoActivity => None,
        };
        Some(Judgement::Raised { value: self.last.clone().unwrap_or(Value::Bool(true)), limit, growth: 0 })
    }

    fn counted(&mut self, now: Instant, bits: u8, value: &Value, good: bool) -> Option<Judgement> {
        let count = whole(value)?;
        let mask = if bits >= 32 { u32::MAX } else { (1u32 << bits) - 1 };
        self.last = Some(value.clone());
        let growth = match self.count {
            None => 0,
            Some(known) => count.wrapping_sub(known) & mask,
        };
        self.count = Some(count);
        if growth == 0 {
            return self.normal(now, value.clone(), good);
        }
        self.normal = Normal::default();
        let value = value.clone();
        if growth > mask >> 1 {
            return Some(Judgement::WentBack { value });
        }
        if self.active {
            return Some(Judgement::Repeated { value, growth });
        }
        self.active = true;
        Some(Judgement::Raised { value, limit: None, growth })
    }
}

/// `value >= limit` holds; normal again is a deadband below. Numbers are finite.
fn compare(value: f64, limit: f64, deadband: f64) -> Says {
    let number = Value::Number(value);
    if value >= limit {
        Says::Holds(number)
    } else if value <= limit - deadband {
        Says::Normal(number)
    } else {
        Says::Between(number)
    }
}

/// A counter's value; none for what cannot be one.
fn whole(value: &Value) -> Option<u32> {
    let number = value.as_number()?;
    if !(0.0..=f64::from(u32::MAX)).contains(&number) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    let count = number as u32;
    (f64::from(count) == number).then_some(count)
}
