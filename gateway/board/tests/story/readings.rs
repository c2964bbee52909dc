//! What the devices next door say, how old that is, and when it must not be shown as the present.
use std::collections::BTreeMap;

use serde_json::Value as Json;
use shouwang_board::bounds;
use shouwang_message::*;

use crate::world::*;

fn device(name: &str, room: &str) -> DeviceInfo {
    DeviceInfo {
        id: id(name),
        line: id("b3-rs485"),
        unit_id: 1,
        profile: "renke-rs-yg-n01".into(),
        class: Class::Smoke,
        title: Text::new("烟感", "Smoke"),
        place: place(room),
        proven_at: None,
    }
}

fn place(room: &str) -> Place {
    let some = |text: &str| Some(text.to_owned());
    Place { building: some("3"), entrance: some("2"), room: some(room), ..Place::default() }
}

fn info(devices: Vec<DeviceInfo>) -> Vec<u8> {
    to_bytes(&InfoDocument {
        name: "七号网关".into(),
        version: "0.1.0".into(),
        log: LOG.parse().unwrap(),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices,
        stations: vec![],
        walk: None,
    })
}

/// A building with an alarm in 402, its gateway there.
fn building(rooms: &[&str]) -> World {
    let mut world = World::new();
    world.ready(1, 1);
    world.heartbeat(1, 0);
    let own = device("smoke-3-2-402", "402");
    let others = rooms.iter().map(|room| device(&format!("smoke-{room}"), room));
    world.arrive("gw-1/info", info(others.chain([own]).collect()), true);
    world.event(&raised(1, AlarmDocument { place: place("402"), ..smoke(1) }));
    world
}

fn say_values(world: &mut World, name: &str, quality: Quality, retained: bool) {
    let value = PointValue { value: Some(Value::Bool(false)), unit: None, quality, why: None };
    let values = BTreeMap::from([("smoke".to_owned(), value)]);
    let document = ValuesDocument { at: wall(world.now), values };
    world.arrive(&format!("gw-1/device/{name}/values"), to_bytes(&document), retained);
}

fn near(world: &World) -> Vec<Json> {
    world.board.neighbours(world.now, SMOKE.parse().unwrap()).unwrap()
}

/// `relation id standing age, stale because`.
fn shown(world: &World) -> Vec<String> {
    let line = |one: &Json| {
        let text = |name: &str| one[name].as_str().unwrap_or("-").to_owned();
        let age = &one["age_s"];
        assert_eq!(one["fresh"] == true, one["stale"].is_null());
        format!("{} {} {} {age} {}", text("relation"), text("id"), text("standing"), text("stale"))
    };
    near(world).iter().map(line).collect()
}

#[test]
fn the_two_nearest_are_those_a_fire_reaches_first() {
    for (rooms, wanted) in [
        (&["403", "502", "401", "1202"][..], ["next_door smoke-401", "next_door smoke-403"]),
        (&["1202", "302", "502", "405"], ["above smoke-502", "below smoke-302"]),
        (&["405", "410", "601"], ["same_floor smoke-405", "same_floor smoke-410"]),
        (&["1901", "601", "cellar"], ["same_entrance smoke-601", "same_entrance smoke-1901"]),
    ] {
        let world = building(rooms);
        let found: Vec<_> =
            shown(&world).iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(found, wanted, "{rooms:?}");
    }
}

#[test]
fn another_building_is_no_neighbour_and_a_place_without_one_has_none() {
    let mut world = building(&[]);
    let elsewhere = Place { building: Some("4".into()), ..place("403") };
    let other_entrance = Place { entrance: Some("1".into()), ..place("403") };
    world.arrive(
        "gw-1/info",
        info(vec![
            DeviceInfo { place: elsewhere, ..device("smoke-4", "403") },
            DeviceInfo { place: other_entrance, ..device("smoke-1", "403") },
            DeviceInfo { place: Place::default(), ..device("level-1", "403") },
        ]),
        true,
    );
    assert_eq!(shown(&world), ["same_building smoke-1 unknown null old"]);
    world.event(&raised(
        2,
        AlarmDocument {
            id: "01KANEXAMP0000000000000002".parse().unwrap(),
            device: id("level-1"),
            ..smoke(1)
        },
    ));
    assert!(
        world.board.neighbours(world.now, "01KANEXAMP0000000000000002".parse().unwrap()).unwrap().is_empty()
    );
    assert!(world.board.neighbours(world.now, "01KANEXAMP0000000000000003".parse().unwrap()).is_none());
}

#[test]
fn what_was_just_told_is_normal_and_what_is_old_is_not() {
    let mut world = building(&["403"]);
    say_values(&mut world, "smoke-403", Quality::Good, false);
    assert_eq!(shown(&world), ["next_door smoke-403 normal 0 -"]);
    for _ in 0..12 {
        world.pass(10);
        world.heartbeat(1, 1);
    }
    assert_eq!(shown(&world), ["next_door smoke-403 normal 120 -"]);
    world.pass(11);
    world.heartbeat(1, 1);
    assert_eq!(shown(&world), ["next_door smoke-403 unknown 131 old"]);
    assert_eq!(near(&world)[0]["values"]["smoke"]["value"], false, "what was last said stays, greyed");
    say_values(&mut world, "smoke-403", Quality::Uncertain, false);
    assert_eq!(shown(&world), ["next_door smoke-403 doubtful 0 -"]);
}

#[test]
fn nobody_who_is_gone_speaks_for_the_present() {
    let mut world = building(&["403"]);
    say_values(&mut world, "smoke-403", Quality::Good, false);
    world.give(shouwang_board::Input::LinkDown);
    assert_eq!(shown(&world), ["next_door smoke-403 unknown 0 link_down"]);
    world.give(shouwang_board::Input::LinkUp);
    world.state(GatewayState::Lost, 1, 1, false);
    assert_eq!(shown(&world), ["next_door smoke-403 unknown 0 gateway_lost"]);
    world.ready(1, 2);
    assert_eq!(shown(&world), ["next_door smoke-403 normal 0 -"]);
    let lost = DeviceStateDocument::new(DeviceState::Lost, wall(world.now), None);
    world.arrive("gw-1/device/smoke-403/state", to_bytes(&lost), false);
    assert_eq!(shown(&world), ["next_door smoke-403 lost 0 device_lost"]);
}

/// A broker keeps values for years.
#[test]
fn what_the_broker_kept_is_not_fresh_however_it_comes_again() {
    let mut world = building(&["403"]);
    say_values(&mut world, "smoke-403", Quality::Good, true);
    assert_eq!(shown(&world), ["next_door smoke-403 unknown 0 kept"]);
    // The gateway connects anew and repeats the same telling.
    say_values(&mut world, "smoke-403", Quality::Good, false);
    assert_eq!(shown(&world), ["next_door smoke-403 unknown 0 kept"]);
    world.pass(5);
    assert_eq!(near(&world)[0]["age_s"], 5, "by its own clock");
    say_values(&mut world, "smoke-403", Quality::Good, false);
    assert_eq!(shown(&world), ["next_door smoke-403 normal 0 -"]);
}

#[test]
fn a_neighbour_in_alarm_says_so_and_one_that_was_taken_away_says_nothing() {
    let mut world = building(&["403"]);
    say_values(&mut world, "smoke-403", Quality::Good, false);
    world.event(&raised(
        2,
        AlarmDocument {
            id: "01KANEXAMP0000000000000002".parse().unwrap(),
            device: id("smoke-403"),
            place: place("403"),
            ..smoke(1)
        },
    ));
    assert_eq!(shown(&world), ["next_door smoke-403 alarm 0 -"]);
    assert_eq!(world.board.devices(world.now).len(), 2);
    world.arrive("gw-1/info", info(vec![device("smoke-3-2-402", "402")]), true);
    assert!(shown(&world).is_empty());
    assert_eq!(world.board.devices(world.now).len(), 1);
}

#[test]
fn values_are_bounded_and_safe_to_show() {
    let mut world = building(&["403"]);
    let value = |n: usize| {
        let text = format!("\u{202e}{}", "x".repeat(500));
        let value =
            PointValue { value: Some(Value::Text(text)), unit: None, quality: Quality::Good, why: None };
        (format!("point-{n}"), value)
    };
    for at in 0..3 {
        let document = ValuesDocument {
            at: Timestamp::from_unix_ms(1_800_000_000_000 + at),
            values: (0..100).map(value).collect(),
        };
        world.arrive("gw-1/device/smoke-403/values", to_bytes(&document), false);
    }
    let values = near(&world)[0]["values"].as_object().unwrap().clone();
    assert_eq!(values.len(), bounds::POINTS_PER_DEVICE);
    assert!(values.values().all(|value| value["value"].as_str().unwrap().chars().count() <= 200));
    assert!(!format!("{values:?}").contains('\u{202e}'));
}
