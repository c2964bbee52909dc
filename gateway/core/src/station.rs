//! A river station's lines as conditions of its measuring device.
//!
//! Each line is its own condition; a higher one explains the lower ones, so a jump tells the worst at once
//! and nothing twice.
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Priority, Text};

use crate::profile::{Condition, Raises, Test};

/// The lines in rising order: name, condition, colour's priority, words.
const LINES: [(&str, &str, Priority, &str, &str); 4] = [
    ("design", "level_design", Priority::Ordinary, "水位超设防", "River over its design line"),
    ("warning", "level_warning", Priority::Urgent, "水位超警戒", "River over its warning line"),
    ("guarantee", "level_guarantee", Priority::Emergency, "水位超保证", "River over its guarantee line"),
    ("record", "level_record", Priority::Emergency, "水位超历史最高", "River over its record"),
];

/// Waves must not raise, nor clear (the design's filter table, level): the median of five readings, for a
/// minute; lower by 3 cm for ten minutes.
const MEDIAN: u8 = 5;
const ON_DELAY: Duration = Duration::from_secs(60);
const OFF_DELAY: Duration = Duration::from_secs(600);
const DEADBAND_M: f64 = 0.03;

/// The conditions that these lines (m, by the names `design`, `warning`, `guarantee`, `record`) make of a
/// level at this point of the device's profile; the highest first, so that it is told first.
pub fn conditions(lines: &BTreeMap<String, f64>, point: usize) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = Vec::new();
    for (line, name, priority, zh, en) in LINES.iter().rev() {
        let Some(limit) = lines.get(*line) else { continue };
        let higher = conditions.last().map(|higher| higher.name.clone());
        conditions.push(Condition {
            name: name.to_string(),
            text: Text::new(*zh, *en),
            point,
            test: Test::High { limit: *limit },
            raises: Raises::Alarm,
            priority: *priority,
            latched: false,
            deadband: DEADBAND_M,
            on_delay: ON_DELAY,
            off_delay: OFF_DELAY,
            median: MEDIAN,
            in_a_row: 1,
            confirm: false,
            suppressed_by: higher,
            override_reason: None,
        });
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_explained_by_the_next_higher() {
        let lines = [("warning", 3.3), ("record", 4.2), ("guarantee", 3.8)];
        let lines = lines.into_iter().map(|(name, limit)| (name.to_string(), limit)).collect();
        let made = conditions(&lines, 2);
        let short: Vec<_> =
            made.iter().map(|made| (made.name.as_str(), made.suppressed_by.as_deref())).collect();
        assert_eq!(
            short,
            [
                ("level_record", None),
                ("level_guarantee", Some("level_record")),
                ("level_warning", Some("level_guarantee"))
            ]
        );
        assert_eq!(made[2].test, Test::High { limit: 3.3 });
        assert!(made.iter().all(|made| made.point == 2 && !made.latched));
    }
}
