//! Stories of rows told as one: a silent line, gateways lost at a time; opened, acknowledged, and over.
use shouwang_board::{Input, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

fn lost(n: u64, device: &str, priority: Priority) -> FaultDocument {
    FaultDocument { device: Some(id(device)), priority, ..fault(n, "timeout", Some("b3")) }
}

fn lines_of(world: &World) -> Vec<String> {
    let line = |row: &serde_json::Value| {
        let mark = if row["in_group"].is_null() { "" } else { "  " };
        let by = row["acknowledged"]["by"].as_str().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("{mark}{} {}{by}", row["priority"].as_str().unwrap(), row["text"]["en"].as_str().unwrap())
    };
    world.rows().iter().map(line).collect()
}

fn acknowledge(world: &mut World, row: &serde_json::Value, request: Request) -> Outcome {
    let alarm = row["id"].as_str().unwrap().parse().unwrap();
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    world.answers.pop().unwrap().1
}

#[test]
fn devices_lost_on_a_line_are_one_row_that_ends_with_the_last_but_one() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b3"), ("smoke-3", "b3"), ("smoke-9", "b4")]);
    let faults: Vec<_> = (1..=3).map(|n| lost(n, &format!("smoke-{n}"), Priority::Ordinary)).collect();
    world.event(&event(1, EventData::FaultRaised(faults[0].clone())));
    assert_eq!(lines_of(&world), ["ordinary Fault"], "one is a row by itself");
    world.event(&event(2, EventData::FaultRaised(faults[1].clone())));
    let urgent = FaultDocument { priority: Priority::Urgent, ..faults[2].clone() };
    world.event(&event(3, EventData::FaultRaised(urgent)));
    let wanted = ["urgent Line b3: 3 devices lost", "  urgent Fault", "  ordinary Fault", "  ordinary Fault"];
    assert_eq!(lines_of(&world), wanted);
    let group = world.rows().remove(0);
    assert_eq!((&group["kind"], &group["count"]), (&"group".into(), &3.into()));
    assert_eq!(group["members"].as_array().unwrap().len(), 3);
    assert_eq!(group["devices"][2]["id"], "smoke-3");
    assert!(world.rows()[1..].iter().all(|row| row["in_group"] == group["id"]), "nothing disappears");

    // One of another line is none of it.
    let other = FaultDocument { line: Some(id("b4")), ..lost(4, "smoke-9", Priority::Ordinary) };
    world.event(&event(4, EventData::FaultRaised(other)));
    assert_eq!(lines_of(&world).last().unwrap(), "ordinary Fault");

    // They come back one after the other: it is the same row until there is only one.
    let id_before = group["id"].clone();
    for (sequence, fault) in (5..).zip(&faults) {
        world.event(&event(sequence, cleared(fault.clone())));
        let rows = world.rows();
        let is_there = rows.iter().any(|row| row["id"] == id_before);
        assert_eq!(is_there, sequence == 5, "{rows:?}");
    }
    assert_eq!(lines_of(&world), ["ordinary Fault"]);
}

#[test]
fn one_key_acknowledges_a_group_and_a_newcomer_asks_anew() {
    let mut world = World::new();
    world.ready(1, 1);
    for n in 1..=2 {
        world.event(&event(n, EventData::FaultRaised(lost(n, &format!("smoke-{n}"), Priority::Ordinary))));
    }
    let group = world.rows().remove(0);
    let refused = acknowledge(&mut world, &group, Request::Silence);
    assert!(matches!(refused, Outcome::Refused { code: "not_an_alarm", .. }), "{refused:?}");
    world.auto_commit = false;
    let asked = asked_about(group["id"].as_str().unwrap().parse().unwrap(), Request::Acknowledge);
    world.give(Input::Asked { ticket: 1, asked });
    assert!(world.answers.is_empty(), "save, then speak");
    world.commit();
    world.auto_commit = true;
    let Some((1, Outcome::Taken { row })) = world.answers.pop() else { panic!("{:?}", world.answers) };
    assert_eq!((&row["id"], &row["acknowledged"]["by"]), (&group["id"], &"u-7".into()));
    assert_eq!(
        lines_of(&world),
        ["ordinary Line b3: 2 devices lost by u-7", "  ordinary Fault by u-7", "  ordinary Fault by u-7"]
    );
    let logged = world.log.iter().filter(|line| line.what == "alarm.acknowledge");
    assert_eq!(logged.count(), 2, "each by itself");
    let second = acknowledge(&mut world, &group, Request::Acknowledge);
    assert!(matches!(second, Outcome::AlreadyAcknowledged { .. }), "{second:?}");

    // Both are kept, and a third one makes the row cry again.
    world.kill();
    world.event(&event(3, EventData::FaultRaised(lost(3, "smoke-3", Priority::Ordinary))));
    assert_eq!(lines_of(&world)[0], "ordinary Line b3: 3 devices lost");
}

#[test]
fn a_cut_line_counts_the_devices_that_are_gone_with_it() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b3"), ("smoke-3", "b3")]);
    world.event(&event(1, EventData::FaultRaised(fault(1, "line_down", Some("b3")))));
    assert_eq!(lines_of(&world), ["urgent Fault"]);
    for name in ["smoke-1", "smoke-2", "smoke-3"] {
        device(&mut world, name, DeviceState::Lost, Some("line_down"), 0, false);
    }
    world.pass(10);
    assert_eq!(lines_of(&world), ["urgent Line b3: 3 devices lost", "  urgent Fault"]);
    world.event(&event(2, cleared(fault(1, "line_down", Some("b3")))));
    for name in ["smoke-1", "smoke-2", "smoke-3"] {
        device(&mut world, name, DeviceState::Online, None, 1, false);
    }
    assert!(world.rows().is_empty());
}

#[test]
fn a_lost_gateway_names_its_devices_and_three_lost_gateways_are_one_row() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b3")]);
    for gateway in ["gw-2", "gw-3"] {
        let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: wall(world.now) };
        world.arrive(&format!("{gateway}/state"), to_bytes(&state), false);
    }
    let heartbeat = |world: &mut World, gateway: &str| {
        let document = Heartbeat {
            at: wall(world.now),
            clock: Clock::Synced,
            boot: 1,
            sequence: 0,
            heard: std::collections::BTreeMap::new(),
            outbox: OutboxHealth { unheard: 0, oldest_s: 0 },
            lines: vec![],
            store: StoreHealth::Ok,
        };
        world.arrive(&format!("{gateway}/heartbeat"), to_bytes(&document), false);
    };
    world.pass(15);
    heartbeat(&mut world, "gw-2");
    world.pass(20);
    assert_eq!(lines_of(&world), ["urgent Gateway lost", "urgent Gateway lost"]);
    let rows = world.rows();
    let row = rows.iter().find(|row| row["gateway"] == "gw-1").unwrap();
    assert_eq!((&row["devices"][1]["id"], &row["devices_count"]), (&"smoke-2".into(), &2.into()));
    world.pass(15);
    assert_eq!(lines_of(&world)[0], "urgent 3 gateways lost");
    assert_eq!(world.rows().len(), 4);
    heartbeat(&mut world, "gw-2");
    assert_eq!(lines_of(&world), ["urgent Gateway lost", "urgent Gateway lost"]);
}
