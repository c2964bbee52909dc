//! One reading becomes a warning that reaches people: at a station without a sensor a person reads the staff, and what
//! follows is told, climbs, is acknowledged, ends, and is in this room's own log as a gateway's alarms are in theirs.
use shouwang_board::{Input, ListState, Outcome, Request};
use shouwang_message::*;

use crate::people::*;
use crate::stations::*;
use crate::world::*;

fn watched_bridge() -> World {
    let mut world = World::with(settings());
    world.ready(1, 1);
    told(&mut world, vec![station(None)]);
    world
}

/// `4 acknowledged level_record`, of the room's own log.
fn own_log(world: &World) -> Vec<String> {
    let line = |event: &Event| match &event.data {
        EventData::Alarm(_, document) => {
            format!("{} {} {}", event.sequence, event.kind().as_str(), document.condition)
        }
        other => panic!("{other:?}"),
    };
    world.own.iter().map(line).collect()
}

fn top(world: &World) -> AlarmId {
    world.rows()[0]["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn one_reading_reaches_people_step_by_step_until_somebody_answers() {
    let mut world = watched_bridge();
    assert_eq!(read(&mut world, 1, 4.25)["colour"], "red");
    let first = "历史最高";
    let told = world.tells();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("0 robot"), "{told:?}");
    assert!(world.log.iter().any(|line| line.what == "escalation.step"), "{:?}", world.log);
    world.pass(30);
    assert_eq!(world.tells().len(), 2, "both on duty have their SMS");
    // A killed room goes on with the ladder, and with its log.
    world.kill();
    world.pass(30);
    let told = world.tells();
    assert!(told.iter().any(|line| line.starts_with("2 voice desk-1")), "{told:?}");
    let id = top(&world);
    world.give(Input::Asked { ticket: 1, asked: asked_about(id, Request::Acknowledge) });
    assert!(matches!(world.answers.pop(), Some((1, Outcome::Taken { .. }))));
    world.pass(180);
    assert!(!world.tells().iter().any(|line| line.contains("chen")), "somebody has it");
    // The river falls: a person says so, and whoever was told is told.
    for (n, stage_m) in [(2, 2.5), (3, 2.5)] {
        world.pass(700);
        read(&mut world, n, stage_m);
    }
    let told = world.tells();
    assert!(told.iter().any(|line| line.contains("已恢复")), "{told:?}");

    let log = own_log(&world);
    let of_record: Vec<_> = log.iter().filter(|line| line.ends_with("level_record")).cloned().collect();
    assert_eq!(of_record.len(), 4, "{log:?}");
    for (line, change) in of_record.iter().zip(["raised", "acknowledged", "cleared", "finished"]) {
        assert!(line.contains(change), "{log:?}");
    }
    let sequences: Vec<_> = world.own.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "gap-free, also over the kill");
    let logs: std::collections::BTreeSet<_> = world.own.iter().map(|event| event.log).collect();
    assert_eq!(logs.len(), 1);
    let all = world.board.list(ListState::All);
    assert!(all.iter().any(|row| row["condition"] == "level_record"), "{all:?}");
    assert!(all.iter().any(|row| row["text"]["zh"].as_str().is_some_and(|zh| zh.contains(first))));
    assert!(world.log.iter().any(|line| line.what == "alarm.acknowledge"), "{:?}", world.log);
}

#[test]
fn readings_that_the_disk_had_no_place_for_are_a_row_and_counted() {
    let mut world = watched_bridge();
    world.give(Input::ReadingsLost { count: 3 });
    world.give(Input::ReadingsLost { count: 2 });
    world.kill();
    assert!(world.shown().contains(&"gap readings_lost r0 active x5".to_owned()), "{:?}", world.shown());
}

#[test]
fn a_rule_that_no_gateway_may_have_is_none() {
    let usual = LineRule { deadband_m: 0.1, on_delay_s: 0, off_delay_s: 86_400 };
    for (rule, is_taken) in [
        (usual, true),
        (LineRule { deadband_m: 5.0, ..usual }, true),
        (LineRule { deadband_m: 5.1, ..usual }, false),
        (LineRule { deadband_m: -0.1, ..usual }, false),
        (LineRule { deadband_m: 1e300, ..usual }, false),
        (LineRule { on_delay_s: 3_601, ..usual }, false),
        (LineRule { off_delay_s: u32::MAX, ..usual }, false),
    ] {
        let mut world = World::with(settings());
        world.ready(1, 1);
        let rules = [("warning".to_owned(), rule)].into();
        told(&mut world, vec![StationInfo { rules, ..station(None) }]);
        let kept = &world.kept["station/qingshi-bridge"];
        assert_eq!(kept.contains("deadband_m"), is_taken, "{rule:?}: {kept}");
    }
}
