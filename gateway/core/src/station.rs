//! A river station's lines as conditions of its measuring device.
//!
//! Each line is its own condition; a higher one explains the lower ones, so a jump tells the worst at once
//! and nothing twice. They are judged together by their [`crate::gauge::Gauge`], not one by one.
use alloc::vec::Vec;

use shouwang_message::StationInfo;
use shouwang_river::Lines;

use crate::profile::{Condition, Raises, Test};

/// The conditions that a station's lines make of a level at this point of the device's profile; the highest
/// first, so that it is told first. Limits are in the station's datum.
pub fn conditions(station: &StationInfo, point: usize) -> Vec<Condition> {
    let lines = Lines::of(station);
    let mut conditions: Vec<Condition> = Vec::new();
    for of_the_pair in [false, true] {
        let mut ladder: Vec<_> =
            lines.iter().filter(|(line, _)| line.is_of_the_pair() == of_the_pair).collect();
        ladder.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let mut higher = None;
        for (line, limit) in ladder {
            let rule = lines.rule(line);
            let name = line.condition();
            conditions.push(Condition {
                name: name.clone(),
                text: line.words(),
                point,
                test: Test::High { limit },
                raises: Raises::Alarm,
                priority: line.priority(),
                latched: false,
                deadband: rule.deadband_m,
                on_delay: rule.on_delay,
                off_delay: rule.off_delay,
                median: 1,
                in_a_row: 1,
                confirm: false,
                suppressed_by: higher.replace(name),
                override_reason: None,
            });
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_explained_by_the_next_higher_and_the_pair_by_itself() {
        let lines =
            [("warning", 3.3), ("record", 4.2), ("guarantee", 3.8), ("prepare", 3.5), ("evacuate", 3.9)];
        let station = StationInfo {
            id: "qingshi-bridge".parse().unwrap(),
            name: "青石桥".into(),
            device: None,
            point: None,
            datum: "1985".into(),
            lines: lines.into_iter().map(|(name, limit)| (name.into(), limit)).collect(),
            rules: Default::default(),
            interval_s: None,
            range_m: None,
            flat_after_s: None,
            rain: None,
        };
        let made = conditions(&station, 2);
        let short: Vec<_> =
            made.iter().map(|made| (made.name.as_str(), made.suppressed_by.as_deref())).collect();
        assert_eq!(
            short,
            [
                ("level_record", None),
                ("level_guarantee", Some("level_record")),
                ("level_warning", Some("level_guarantee")),
                ("level_evacuate", None),
                ("level_prepare", Some("level_evacuate")),
            ]
        );
        assert_eq!(made[2].test, Test::High { limit: 3.3 });
        assert!(made.iter().all(|made| made.point == 2 && !made.latched));
    }
}
