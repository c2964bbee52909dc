//! Stories of what is lost right after smoke or gas, and of rooms that another detector still covers.
use shouwang_board::{Input, ListState, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

const DEVICE: &str = "smoke-3-2-402";

fn loss(n: u64, device: Option<&str>, line: &str) -> FaultDocument {
    let code = if device.is_some() { "timeout" } else { "line_down" };
    FaultDocument { device: device.map(id), priority: Priority::Ordinary, ..fault(n, code, Some(line)) }
}

fn row_of(world: &World, condition: &str) -> serde_json::Value {
    let rows = world.rows();
    rows.iter().find(|row| row["condition"] == condition).unwrap().clone()
}

fn acknowledge(world: &mut World, row: &serde_json::Value) {
    let alarm = row["id"].as_str().unwrap().parse().unwrap();
    let request = Request::Acknowledge;
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    let (_, outcome) = world.answers.pop().unwrap();
    assert!(matches!(outcome, Outcome::Taken { .. }), "{outcome:?}");
}

#[test]
fn a_device_lost_right_after_its_smoke_is_an_emergency_that_stays_until_it_is_seen() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.pass(599);
    world.event(&event(2, EventData::FaultRaised(loss(1, Some(DEVICE), "b3"))));
    let row = row_of(&world, "timeout");
    assert_eq!((&row["priority"], &row["after_alarm"]), (&"emergency".into(), &true.into()));
    assert_eq!(row["text"]["zh"], "报警后失联:故障");
    assert_eq!(world.log.last().unwrap().what, "alarm.lost_after_alarm");

    // It comes back before anybody looked: still there, also after a restart.
    world.event(&event(3, cleared(loss(1, Some(DEVICE), "b3"))));
    for _ in 0..2 {
        let row = row_of(&world, "timeout");
        let told = (&row["active"], &row["finished"], &row["priority"]);
        assert_eq!(told, (&false.into(), &true.into(), &"emergency".into()));
        world.kill();
    }
    acknowledge(&mut world, &row);
    assert!(world.rows().iter().all(|row| row["condition"] != "timeout"));
    let all = world.board.list(ListState::All);
    assert!(all.iter().any(|one| one["id"] == row["id"]), "it is not forgotten");
}

#[test]
fn a_loss_long_after_the_smoke_or_elsewhere_is_an_ordinary_one() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let cleared_at = Some(wall(world.now));
    let over = AlarmDocument { active: false, cleared_at, ..smoke(2) };
    world.event(&event(2, EventData::Alarm(AlarmChange::Cleared, over.into())));
    world.event(&event(3, EventData::FaultRaised(loss(1, Some("smoke-1"), "b3"))));
    world.pass(601);
    world.event(&event(4, EventData::FaultRaised(loss(2, Some(DEVICE), "b4"))));
    let faults = world.rows().into_iter().filter(|row| row["kind"] == "fault");
    assert!(faults.clone().count() == 2 && faults.into_iter().all(|row| row["priority"] == "ordinary"));
    // One that still smokes is another matter, however long.
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.pass(1_800);
    world.event(&event(2, EventData::FaultRaised(loss(2, Some(DEVICE), "b4"))));
    assert_eq!(row_of(&world, "timeout")["priority"], "emergency");
}

#[test]
fn a_line_that_dies_with_a_burning_room_is_an_emergency_in_no_group() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[(DEVICE, "b3"), ("smoke-1", "b3"), ("smoke-2", "b4"), ("smoke-3", "b4")]);
    world.event(&raised(1, smoke(1)));
    world.event(&event(2, EventData::FaultRaised(loss(1, None, "b4"))));
    assert_eq!(row_of(&world, "line_down")["priority"], "ordinary", "nothing burns there");
    world.event(&event(3, EventData::FaultRaised(loss(2, None, "b3"))));
    for name in [DEVICE, "smoke-1"] {
        device(&mut world, name, DeviceState::Lost, Some("line_down"), 0, false);
    }
    let lines = world.rows().into_iter().filter(|row| row["condition"] == "line_down");
    let emergency: Vec<_> = lines.filter(|row| row["priority"] == "emergency").collect();
    assert_eq!(emergency.len(), 1);
    assert_eq!((&emergency[0]["line"], &emergency[0]["in_group"]), (&"b3".into(), &serde_json::Value::Null));
}

#[test]
fn a_loss_that_only_a_device_state_tells_is_kept_too() {
    let mut world = World::new();
    world.ready(1, 1);
    world.event(&raised(1, smoke(1)));
    device(&mut world, DEVICE, DeviceState::Lost, Some("timeout"), 0, false);
    world.pass(6);
    assert_eq!(row_of(&world, "device_lost")["priority"], "emergency");
    world.kill();
    assert_eq!(row_of(&world, "device_lost")["priority"], "emergency");
    device(&mut world, DEVICE, DeviceState::Lost, Some("timeout"), 0, true);
    world.pass(6);
    assert_eq!(world.rows().iter().filter(|row| row["condition"] == "device_lost").count(), 1);
    device(&mut world, DEVICE, DeviceState::Online, None, 0, false);
    let row = row_of(&world, "device_lost");
    assert_eq!((&row["active"], &row["priority"]), (&false.into(), &"emergency".into()));
    acknowledge(&mut world, &row);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
}

#[test]
fn a_lost_smoke_detector_is_urgent_only_where_no_other_one_watches() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b4")]);
    device(&mut world, "smoke-2", DeviceState::Online, None, 0, false);
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), 0, false);
    world.pass(6);
    assert_eq!(row_of(&world, "device_lost")["priority"], "urgent", "no room is known");

    let mut world = World::new();
    world.ready(1, 1);
    info_at(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b4")], Some("402"));
    device(&mut world, "smoke-2", DeviceState::Online, None, 0, false);
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), 0, false);
    world.pass(6);
    assert_eq!(row_of(&world, "device_lost")["priority"], "ordinary", "the other one hears it");
    // The second one goes too: nobody watches the room now.
    device(&mut world, "smoke-2", DeviceState::Lost, Some("timeout"), 0, false);
    world.pass(6);
    let rows = world.rows();
    assert!(rows.iter().any(|row| row["device"] == "smoke-2" && row["priority"] == "urgent"), "{rows:?}");
}
