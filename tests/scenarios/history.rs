//! History: what a station measured while nobody heard it, told afterwards with its own times.
use std::collections::BTreeMap;

use shouwang_message::{Quality, Timestamp};

use crate::site::Site;
use crate::stage::{Disk, Stage};

fn site() -> Site {
    Site::new().state_poll(20).smoke("smoke-1", 3).river("level-1", 7)
}

fn river(site: Site) -> Stage {
    let mut stage = Stage::of(site);
    stage.level_mm("level-1", 2_500);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage
}

/// What came, by its time; a sample that came twice must say the same.
fn samples(stage: &Stage) -> BTreeMap<Timestamp, (Option<f64>, Quality)> {
    let mut samples = BTreeMap::new();
    for (_, document) in &stage.history {
        assert!(document.readings.len() <= 12, "an hour of five-minute samples at most");
        assert_eq!((document.device.as_str(), document.point.as_str()), ("level-1", "level_m"));
        for (at, value, quality) in &document.readings {
            let known = samples.insert(*at, (*value, *quality));
            assert!(known.is_none_or(|known| known == (*value, *quality)), "{at} came with two values");
        }
    }
    samples
}

fn longest_gap_s(samples: &BTreeMap<Timestamp, (Option<f64>, Quality)>) -> i64 {
    let times: Vec<i64> = samples.keys().map(|at| at.unix_ms()).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) / 1000
}

#[test]
fn seventy_two_hours_of_outage_are_filled_after_the_alarms_and_in_their_order() {
    let mut stage = river(site());
    stage.run(600.0);
    stage.set_broker(false);
    let came_before = stage.history.len();
    stage.run(36.0 * 3600.0);
    stage.level_mm("level-1", 3_350);
    stage.run(3600.0);
    stage.level_mm("level-1", 2_500);
    stage.restart();
    stage.run(35.0 * 3600.0);
    assert_eq!(stage.history.len(), came_before, "nobody was there");
    stage.set_broker(true);
    let back = stage.now;
    stage.run(180.0);
    let after: Vec<u64> = stage.history[came_before..].iter().map(|(at, _)| *at).collect();
    let heard = stage.heard_alarm_at("level_warning").unwrap_or_else(|| panic!("the alarm is heard"));
    assert!(heard < after[0], "alarms before telemetry: {heard} {}", after[0]);
    assert!(
        after.len() >= 72 && after.last().unwrap_or(&0) - back < 150_000_000,
        "{} documents",
        after.len()
    );
    // One at a time, and as long a pause as each took.
    assert!(after.windows(2).all(|pair| pair[1] - pair[0] >= 4_000), "more than half of the link");
    let samples = samples(&stage);
    assert!(samples.len() >= 72 * 12, "{} samples", samples.len());
    assert!(longest_gap_s(&samples) <= 330, "a gap of {} s", longest_gap_s(&samples));
    assert!(samples.values().any(|(value, _)| *value == Some(3.35)), "with its own values");
    assert_eq!(stage.kept("history/"), 0, "what the broker has is forgotten");
}

#[test]
fn an_alarm_waits_for_no_history_and_a_broken_back_fill_goes_on_where_it_was() {
    let mut stage = river(site());
    stage.set_broker(false);
    stage.run(24.0 * 3600.0);
    stage.set_broker(true);
    while stage.history.len() < 5 {
        stage.run(0.01);
    }
    stage.smoke("smoke-1", true);
    let (raised, told) = (stage.now, stage.history.len());
    stage.run(2.0);
    let heard = stage.heard_alarm_at("smoke").unwrap_or_else(|| panic!("smoke is heard"));
    assert!(heard - raised < 1_500_000, "{} ms in the midst of the back-fill", (heard - raised) / 1000);
    assert!(stage.history.len() > told, "and the back-fill goes on");
    stage.kill();
    stage.run(1.0);
    stage.start();
    stage.run(120.0);
    assert!(samples(&stage).len() >= 24 * 12);
    assert!(longest_gap_s(&samples(&stage)) <= 330);
    assert_eq!(stage.kept("history/"), 0);
}

#[test]
fn on_a_full_disk_telemetry_goes_first_and_is_counted() {
    let mut stage = river(site());
    stage.set_broker(false);
    stage.run(3600.0);
    stage.give(shouwang_core::input::Input::DiskSpace { short: true });
    let kept = stage.kept("history/");
    stage.run(3600.0);
    assert_eq!(stage.kept("history/"), kept, "no sample is written on a full disk");
    stage.smoke("smoke-1", true);
    stage.run(5.0);
    stage.give(shouwang_core::input::Input::DiskSpace { short: false });
    stage.set_broker(true);
    stage.run(90.0);
    assert!(stage.heard_alarm_at("smoke").is_some(), "the alarm had its room");
    let gaps = stage.heard_gaps();
    assert!(gaps.iter().any(|(what, count)| what == "history" && (10..=14).contains(count)), "{gaps:?}");
}

#[test]
fn samples_without_a_time_are_counted_and_told_once_the_clock_is_set() {
    let mut stage = river(site());
    stage.run(60.0);
    stage.set_clock(0, shouwang_message::Clock::Unset);
    stage.run(3600.0);
    assert_eq!(stage.heard_gaps(), [], "nobody knows yet when that was");
    stage.set_clock(0, shouwang_message::Clock::Synced);
    stage.run(30.0);
    let gaps = stage.heard_gaps();
    assert!(matches!(&gaps[..], [(what, 11..=13)] if what == "history"), "{gaps:?}");
}

#[test]
fn a_disk_that_hangs_holds_history_back_and_no_alarm() {
    let mut stage = river(site());
    stage.run(60.0);
    stage.set_disk(Disk::Hangs);
    let told = stage.history.len();
    stage.run(900.0);
    assert_eq!(stage.history.len(), told, "nothing is told before it is on disk");
    stage.set_disk(Disk::Fine);
    stage.run(60.0);
    assert!(longest_gap_s(&samples(&stage)) <= 330);
}
