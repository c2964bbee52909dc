//! Stories of what a gateway says about itself: its disk, its lines and devices, and alarms it no longer knows.
use shouwang_board::{Input, ListState, Request};
use shouwang_message::*;

use crate::world::*;

#[test]
fn a_failing_store_is_told_by_the_heartbeat() {
    let mut world = World::new();
    world.ready(1, 1);
    world.heartbeat_with(1, 0, StoreHealth::Slow);
    assert_eq!(world.rows()[0]["priority"], "ordinary");
    world.heartbeat_with(1, 0, StoreHealth::Failing);
    world.heartbeat_with(1, 0, StoreHealth::Failing);
    assert_eq!(world.shown(), lines("fault store r0 active"));
    assert_eq!(world.rows()[0]["priority"], "urgent");
    world.heartbeat(1, 0);
    assert!(world.rows().is_empty());
}

#[test]
fn a_failing_store_is_one_row_however_it_is_told() {
    let mut world = World::new();
    world.ready(1, 1);
    world.heartbeat_with(1, 0, StoreHealth::Failing);
    let told = fault(1, "store_failing", None);
    world.event(&event(1, EventData::FaultRaised(told.clone())));
    assert_eq!(world.shown(), lines("fault store_failing r0 active"));
    world.event(&event(2, cleared(told)));
    assert!(world.rows().is_empty(), "the log is newer than the last heartbeat");
    world.heartbeat(1, 2);
    assert!(world.rows().is_empty());
}

#[test]
fn what_was_made_here_and_seen_by_a_person_does_not_outlive_its_cause() {
    let mut world = World::new();
    world.ready(1, 1);
    world.heartbeat_with(1, 0, StoreHealth::Failing);
    let alarm = world.rows()[0]["id"].as_str().unwrap().parse().unwrap();
    let asked = asked_about(alarm, Request::Acknowledge);
    world.give(Input::Asked { ticket: 1, asked });
    assert_eq!(world.shown(), lines("fault store r0 active by u-7"));
    world.kill();
    assert!(world.rows().is_empty(), "the next heartbeat says whether it still fails");
}

fn lost_rows(world: &World) -> Vec<String> {
    let rows = world.rows();
    let lost = rows.iter().filter(|row| row["condition"] == "device_lost");
    lost.map(|row| row["device"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_cut_cable_is_one_row() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b3"), ("smoke-3", "b4")]);
    let cut = fault(1, "line_down", Some("b3"));
    world.event(&event(1, EventData::FaultRaised(cut.clone())));
    for name in ["smoke-1", "smoke-2", "smoke-3"] {
        device(&mut world, name, DeviceState::Lost, Some("line_down"), 0, false);
    }
    world.pass(10);
    assert_eq!(lost_rows(&world), ["smoke-3"], "its line has no fault");
    // One of them is at fault for a reason of its own.
    device(&mut world, "smoke-2", DeviceState::Lost, Some("timeout"), 1, false);
    world.pass(6);
    assert_eq!(lost_rows(&world).len(), 2);
    // The line is whole again; whoever stays away then is told by name.
    world.event(&event(2, cleared(cut)));
    device(&mut world, "smoke-2", DeviceState::Online, None, 2, false);
    device(&mut world, "smoke-3", DeviceState::Online, None, 2, false);
    assert!(lost_rows(&world).is_empty(), "it has its five seconds");
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
}

#[test]
fn a_line_fault_that_comes_late_takes_its_devices_back() {
    let mut world = World::new();
    world.ready(1, 1);
    device(&mut world, "smoke-1", DeviceState::Lost, Some("line_down"), 0, true);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
    world.event(&event(1, EventData::FaultRaised(fault(1, "line_down", Some("b3")))));
    assert!(lost_rows(&world).is_empty(), "no info yet: any line that is down explains it");
    info(&mut world, &[("smoke-1", "b4")]);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
}

#[test]
fn a_live_device_state_counts_whatever_its_clock_says() {
    let mut world = World::new();
    world.ready(1, 1);
    device(&mut world, "smoke-1", DeviceState::Online, None, 0, false);
    // A leftover of the broker is older than what is known.
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), -1, true);
    world.pass(6);
    assert!(lost_rows(&world).is_empty());
    // The gateway's clock was set back by an hour; what it says now counts all the same.
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), -3_600_000, false);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
    // A log told again runs through the past.
    let past = DeviceStateDocument::new(DeviceState::Online, wall(world.now), None);
    let told = Event { subject: "smoke-1".into(), ..event(1, EventData::DeviceState(past)) };
    world.event(&told);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
}

#[test]
fn what_the_broker_kept_while_our_link_was_down_counts_whatever_its_clock_says() {
    let mut world = World::new();
    world.ready(1, 1);
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), 0, false);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
    // It came back while nobody listened, and the gateway's clock was set back meanwhile.
    world.give(Input::LinkDown);
    world.pass(7);
    world.give(Input::LinkUp);
    device(&mut world, "smoke-1", DeviceState::Online, None, -90_000, true);
    assert!(lost_rows(&world).is_empty());
    // What comes right now outdoes what the broker kept from before.
    device(&mut world, "smoke-1", DeviceState::Lost, Some("timeout"), -90_000, false);
    device(&mut world, "smoke-1", DeviceState::Online, None, -90_000, true);
    world.pass(6);
    assert_eq!(lost_rows(&world), ["smoke-1"]);
}

#[test]
fn an_alarm_its_gateway_does_not_know_ends_counted() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.refuse_newest("unknown_alarm");
    assert_eq!(world.shown(), lines("alarm smoke r1 active refused unknown_alarm"));
    world.heartbeat(1, 2);
    assert_eq!(world.shown().len(), 1, "an event that explains it may be on its way");
    world.event(&tick(2));
    world.heartbeat_with(1, 2, StoreHealth::Slow);
    assert_eq!(world.rows()[0]["kind"], "alarm", "or on its way to the gateway's disk");
    world.heartbeat(1, 2);
    assert_eq!(world.shown(), lines("gap unknown_alarm r0 active"));
    let finished = world.board.list(ListState::All);
    assert!(finished.iter().any(|row| row["id"] == SMOKE), "it is not forgotten: {finished:?}");
    // The broker still keeps its document; it does not come back, not even after a restart.
    world.kill();
    world.alarm(&smoke(1), true);
    assert_eq!(world.shown(), lines("gap unknown_alarm r0 active"));
}

#[test]
fn alarms_of_a_log_that_was_replaced_can_be_ended() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let new_log = "01KANEXAMPE000000000000BBB".parse().unwrap();
    world.event(&Event { log: new_log, ..tick(1) });
    world.heartbeat(1, 1);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"), "nobody has asked: nothing is silently gone");
    world.ask(1, "u-7", Request::Acknowledge);
    world.refuse_newest("unknown_alarm");
    world.heartbeat(1, 1);
    assert_eq!(world.shown(), lines("gap unknown_alarm r0 active"));
}

#[test]
fn an_alarm_that_is_told_again_is_known() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.refuse_newest("unknown_alarm");
    world.event(&event(2, EventData::Alarm(AlarmChange::Repeated, smoke(2).into())));
    world.heartbeat(1, 2);
    assert_eq!(world.shown(), lines("alarm smoke r2 active refused unknown_alarm"));
}
