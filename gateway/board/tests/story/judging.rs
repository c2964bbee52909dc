//! Whose word counts: a reading that agrees with the sensor, one while nobody hears the sensor, clocks that are ahead, and
//! numbers that no river has.
use shouwang_board::{Input, Outcome};
use shouwang_message::*;

use crate::stations::*;
use crate::world::*;

#[test]
fn a_reading_that_agrees_takes_down_only_what_both_are_below() {
    let mut world = bridge(Some("level-1"));
    read(&mut world, 1, 3.86);
    assert_eq!(alarms(&world)[0], "level_guarantee active");
    // The sensor is back, and it says the same.
    world.pass(300);
    sensor(&mut world, 3.84);
    assert_eq!(read(&mut world, 2, 3.85)["colour"], "orange");
    assert_eq!(alarms(&world)[0], "level_guarantee active", "both are over it");
    world.pass(300);
    sensor(&mut world, 3.79);
    read(&mut world, 3, 3.81);
    assert_eq!(alarms(&world)[0], "level_guarantee active", "one of them is over it");
    world.pass(300);
    sensor(&mut world, 3.62);
    assert_eq!(read(&mut world, 4, 3.61)["colour"], "yellow");
    assert!(alarms(&world).contains(&"level_warning active".into()), "{:?}", alarms(&world));
    assert!(alarms(&world).contains(&"level_guarantee".into()), "{:?}", alarms(&world));
}

#[test]
fn what_its_gateway_tells_too_is_ours_no_more_once_they_agree() {
    let mut world = bridge(Some("level-1"));
    read(&mut world, 1, 3.35);
    assert_eq!(alarms(&world).len(), 2);
    let document = warning_told(&world);
    world.event(&raised(1, document));
    world.heartbeat(1, 1);
    let now = wall(world.now);
    sensor_at(&mut world, 3.36, now);
    world.pass(10);
    assert_eq!(read(&mut world, 2, 3.37)["colour"], "yellow");
    let held = alarms(&world).into_iter().filter(|alarm| alarm.contains("active"));
    assert_eq!(held.collect::<Vec<_>>(), ["level_warning active"], "the gateway's");
}

#[test]
fn while_its_gateway_is_not_heard_a_reading_counts_by_itself() {
    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.28);
    // Cut off; the river rises. The sensor's last word is still within ten minutes, and within ten centimetres.
    world.pass(480);
    assert_eq!(read(&mut world, 1, 3.36)["colour"], "yellow");
    assert_eq!(alarms(&world)[0], "level_warning active");
    world.pass(60);
    assert_eq!(read(&mut world, 2, 3.29)["colour"], "yellow", "one lower reading is no fall");
    assert!(alarms(&world).contains(&"level_warning active".into()), "{:?}", alarms(&world));

    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.28);
    world.give(Input::LinkDown);
    world.pass(60);
    assert_eq!(read(&mut world, 1, 3.36)["colour"], "yellow", "our own link is down");

    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.28);
    let lost = DeviceStateDocument::new(DeviceState::Lost, wall(world.now), None);
    world.arrive("gw-1/device/level-1/state", to_bytes(&lost), false);
    assert_eq!(read(&mut world, 1, 3.36)["colour"], "yellow", "its sensor is lost");
}

fn minutes_on(world: &World, minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(wall(world.now).unix_ms() + minutes * 60_000)
}

#[test]
fn a_phone_whose_clock_is_ahead_keeps_nobody_elses_reading_from_counting() {
    let mut world = bridge(None);
    let ahead = minutes_on(&world, 4);
    read_at(&mut world, 1, 2.5, ahead);
    world.pass(60);
    assert_eq!(read(&mut world, 2, 3.86)["colour"], "orange");
    // Nor does one whose clock is right keep out one that is behind.
    let behind = minutes_on(&world, -2);
    read_at(&mut world, 3, 4.3, behind);
    assert_eq!(colour(&world), "red");
    let before = (alarms(&world), colour(&world));
    world.kill();
    assert_eq!((alarms(&world), colour(&world)), before);
    // What it raises was raised when it came, not later.
    let mut world = bridge(None);
    let ahead = minutes_on(&world, 4);
    read_at(&mut world, 1, 3.86, ahead);
    assert_eq!(world.rows()[0]["raised_at"], wall(world.now).to_string());
}

#[test]
fn a_gateway_whose_clock_is_ahead_keeps_no_reading_from_counting() {
    let mut world = bridge(Some("level-1"));
    read(&mut world, 1, 3.35);
    world.heartbeat(1, 0);
    let ahead = minutes_on(&world, 4);
    sensor_at(&mut world, 3.34, ahead);
    world.pass(20);
    assert_eq!(read(&mut world, 2, 4.25)["colour"], "red");
    // Nor does its newest word, which came while the reading was sent.
    let mut world = bridge(Some("level-1"));
    read(&mut world, 1, 3.35);
    world.pass(120);
    sensor(&mut world, 3.34);
    let a_minute_ago = minutes_on(&world, -1);
    read_at(&mut world, 2, 4.25, a_minute_ago);
    assert_eq!(colour(&world), "red");
}

#[test]
fn that_they_agreed_earlier_settles_nothing_that_was_read_since() {
    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.7);
    world.pass(20);
    assert_eq!(read(&mut world, 1, 4.25)["ask"]["code"], "read_again");
    let before = minutes_on(&world, -3);
    read_at(&mut world, 2, 3.71, before);
    assert_eq!(colour(&world), "red");
    assert_eq!(alarms(&world)[0], "level_record active");
}

proptest::proptest! {
    /// Whatever number comes as a stage or a line: what no river has is none.
    #[test]
    fn no_stage_is_beyond_any_mountain(
        told_m in proptest::num::f64::ANY,
        near_m in -30_000.0..30_000.0f64,
        line_m in proptest::num::f64::ANY,
    ) {
        let is_stage = |metres: f64| metres.abs() < shouwang_board::bounds::STAGE_M;
        for stage_m in [told_m, near_m] {
            let mut world = bridge(Some("level-1"));
            let lines = [("design", stage_m), ("warning", 3.3), ("record", line_m)];
            let lines = lines.map(|(name, metres)| (name.to_owned(), metres)).into();
            let range_m = Some((-line_m, line_m));
            told(&mut world, vec![StationInfo { lines, range_m, ..station(Some("level-1")) }]);
            sensor(&mut world, stage_m);
            let history = HistoryDocument {
                device: id("level-1"),
                point: "level_m".into(),
                unit: None,
                readings: vec![(wall(world.now), Some(stage_m), Quality::Good)],
            };
            world.arrive("gw-1/history", to_bytes(&history), false);
            let samples = world.recorded.iter().flat_map(|(_, samples)| samples);
            for sample in samples {
                proptest::prop_assert_eq!(sample.stage_m.is_some(), is_stage(stage_m));
                proptest::prop_assert!(sample.stage_m.is_none_or(is_stage));
            }
            let item = world.board.station(&id("qingshi-bridge")).unwrap();
            let lines = item["lines"].as_object().unwrap();
            proptest::prop_assert!(lines.values().all(|line| is_stage(line.as_f64().unwrap())), "{lines:?}");
            let now = wall(world.now);
            let taken = matches!(read_at(&mut world, 1, stage_m, now), Outcome::Taken { .. });
            proptest::prop_assert!(!taken || is_stage(stage_m));
        }
    }
}
