//! Whether somebody was on duty: of the last 24 hours, how long nobody was and how long only one.
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::Timestamp;

use super::{HOUR_MS, Shift};

const DAY_MS: i64 = 24 * HOUR_MS;
/// Duties remembered; a day of 24 reliefs among four persons has fewer.
const REMEMBERED: usize = 128;

/// One person's time on duty, over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Duty {
    pub(super) by: String,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

/// Minutes of the last 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Coverage {
    /// Nobody on duty.
    none_min: i64,
    /// Only one person.
    single_min: i64,
}

/// Adds one; what ended over a day before it is forgotten.
pub(super) fn remember(past: &mut VecDeque<Duty>, duty: Duty) {
    let day_ago = duty.until.unix_ms() - DAY_MS;
    past.retain(|old| old.until.unix_ms() > day_ago);
    past.push_back(duty);
    if past.len() > REMEMBERED {
        past.pop_front();
    }
}

impl Shift {
    pub(super) fn coverage(&self, wall: Timestamp) -> Coverage {
        let (from, to) = (wall.unix_ms() - DAY_MS, wall.unix_ms());
        let past = self.book.past.iter().map(|duty| (duty.since.unix_ms(), duty.until.unix_ms()));
        let present = self.book.on_duty.iter().map(|person| (person.since.unix_ms(), to));
        // Each coming and going within the day, with its change in the number of people.
        let mut steps: Vec<(i64, i32)> = Vec::new();
        for (since, until) in past.chain(present) {
            let (since, until) = (since.clamp(from, to), until.clamp(from, to));
            if since < until {
                steps.push((since, 1));
                steps.push((until, -1));
            }
        }
        steps.push((to, 0));
        steps.sort_unstable();
        let (mut people, mut at) = (0, from);
        let (mut none, mut single) = (0, 0);
        for (next, change) in steps {
            match people {
                0 => none += next - at,
                1 => single += next - at,
                _ => {}
            }
            people += change;
            at = next;
        }
        Coverage { none_min: none / 60_000, single_min: single / 60_000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_day_is_counted_by_how_many_were_there() {
        let at = |hour: i64| Timestamp::from_unix_ms((1_000 + hour) * HOUR_MS);
        let mut shift = Shift::new();
        assert_eq!(shift.coverage(at(0)), Coverage { none_min: 1_440, single_min: 0 });
        // A was there for 30 hours, B joined for the last 10 of them, C came for an hour after them.
        shift.join("a", at(-34));
        shift.join("b", at(-14));
        shift.go("a", at(-4));
        shift.go("b", at(-4));
        shift.join("c", at(-1));
        let expected = Coverage { none_min: 3 * 60, single_min: 11 * 60 };
        assert_eq!(shift.coverage(at(0)), expected);
    }
}
