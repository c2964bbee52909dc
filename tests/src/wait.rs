//! Waiting with a limit and a reason: the only way in which a test waits for another process.
use std::time::Duration;

use crate::clock;

/// How often a condition is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Whether `condition` comes to hold before `limit` is over.
pub fn holds_within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let began = clock::now();
    loop {
        if condition() {
            return true;
        }
        if began.elapsed() >= limit {
            return false;
        }
        clock::pause(LOOK_AGAIN);
    }
}

/// Waits until `condition` holds. After `limit` the test fails and says what it waited for.
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(limit, what, || condition().then_some(()));
}

/// Waits until `look` finds something, and returns it. After `limit` the test fails and says what it
/// waited for.
pub fn wait_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    let is_there = || {
        found = look();
        found.is_some()
    };
    let was_there = holds_within(limit, is_there);
    found.filter(|_| was_there).unwrap_or_else(|| panic!("waited {limit:?} in vain: {what}"))
}
