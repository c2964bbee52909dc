//! Waiting with a limit and a reason: the only way in which a test waits for another process.
use std::time::Duration;

use crate::clock;

/// How often a condition is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `condition` holds. After `limit` the test fails and says what it waited for.
pub fn wait_until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(limit, what, || condition().then_some(()));
}

/// Waits until `look` finds something, and returns it. After `limit` the test fails and says what it
/// waited for.
pub fn wait_for<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = clock::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        if began.elapsed() >= limit {
            panic!("waited {limit:?} in vain: {what}");
        }
        clock::pause(LOOK_AGAIN);
    }
}
