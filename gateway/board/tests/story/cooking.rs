//! Stories of a pan that smokes: called back, spoken only for ten minutes, loud again for whatever is more than that.
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion, Input, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

/// Alarm `n` of a detector in a room of entrance 2 of building 3.
fn kitchen(n: u64, device: &str, revision: u32) -> AlarmDocument {
    let text = |text: &str| Some(text.to_owned());
    AlarmDocument {
        id: AlarmId::from_parts(1_800_000_000_000 + n, 0),
        device: id(device),
        place: Place { building: text("3"), entrance: text("2"), room: text("402"), ..Place::default() },
        ..smoke(revision)
    }
}

fn acknowledge(world: &mut World, alarm: AlarmId) {
    let request = Request::Acknowledge;
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    world.answers.clear();
}

fn conclude(world: &mut World, alarm: AlarmId, call_back: Option<CallBack>) -> Outcome {
    let step = CaseStep::Close { conclusion: Some(Conclusion::Cooking), of: None };
    world.case_with(CaseAsked { case: alarm, call_back, ..case_asked("u-7", step) })
}

fn sound(world: &World, alarm: AlarmId) -> (String, bool) {
    let rows = world.rows();
    let row = rows.iter().find(|row| row["id"] == alarm.to_string()).unwrap();
    (row["sound"].as_str().unwrap().to_owned(), !row["voice_until"].is_null())
}

/// Raised, acknowledged, called back, concluded and over.
fn a_pan(world: &mut World, n: u64, sequence: u64) {
    world.event(&raised(sequence, kitchen(n, "smoke-402", 1)));
    let alarm = kitchen(n, "smoke-402", 1).id;
    acknowledge(world, alarm);
    let outcome = conclude(world, alarm, Some(CallBack::Safe));
    assert!(matches!(outcome, Outcome::CaseTaken { .. }), "{outcome:?}");
    let acknowledged = Some(Acknowledged { by: "u-7".into(), at: wall(world.now) });
    let cleared_at = Some(wall(world.now));
    let over = AlarmDocument {
        active: false,
        latched: false,
        cleared_at,
        acknowledged,
        ..kitchen(n, "smoke-402", 2)
    };
    world.event(&event(sequence + 1, EventData::Alarm(AlarmChange::Finished, over.into())));
    assert!(world.rows().iter().all(|row| row["id"] != alarm.to_string()), "{:?}", world.rows());
}

#[test]
fn nobody_concludes_from_a_chair_that_it_is_a_pan() {
    let mut world = World::new();
    let alarm = kitchen(1, "smoke-402", 1).id;
    world.event(&raised(1, kitchen(1, "smoke-402", 1)));
    acknowledge(&mut world, alarm);
    for call_back in [None, Some(CallBack::NoAnswer), Some(CallBack::NeedsHelp)] {
        let outcome = conclude(&mut world, alarm, call_back);
        assert!(matches!(outcome, Outcome::Refused { code: "call_back_missing", .. }), "{outcome:?}");
    }
    let outcome = conclude(&mut world, alarm, Some(CallBack::Safe));
    assert!(matches!(outcome, Outcome::CaseTaken { .. }), "{outcome:?}");

    let gas = AlarmDocument { class: Class::Gas, ..kitchen(2, "gas-402", 1) };
    world.event(&raised(2, gas.clone()));
    acknowledge(&mut world, gas.id);
    let outcome = conclude(&mut world, gas.id, Some(CallBack::Safe));
    assert!(matches!(outcome, Outcome::Refused { code: "not_smoke", .. }), "{outcome:?}");
}

#[test]
fn the_same_detector_only_speaks_for_ten_minutes() {
    let mut world = World::new();
    a_pan(&mut world, 1, 1);
    world.pass(300);
    world.event(&raised(3, kitchen(2, "smoke-402", 1)));
    let again = kitchen(2, "smoke-402", 1).id;
    assert_eq!(sound(&world, again), ("none".into(), true));
    world.pass(299);
    assert_eq!(sound(&world, again), ("none".into(), true));
    world.pass(1);
    assert_eq!(sound(&world, again), ("sweep".into(), false), "ten minutes are over");

    // A restart forgets: it sounds.
    let mut world = World::new();
    a_pan(&mut world, 1, 1);
    world.event(&raised(3, kitchen(2, "smoke-402", 1)));
    world.kill();
    assert_eq!(sound(&world, again), ("sweep".into(), false));
}

#[test]
fn a_neighbour_sounds_in_full_and_so_does_the_detector_beside_it() {
    let mut world = World::new();
    a_pan(&mut world, 1, 1);
    world.event(&raised(3, kitchen(2, "smoke-402", 1)));
    let (again, next) = (kitchen(2, "smoke-402", 1).id, kitchen(3, "smoke-403", 1).id);
    assert_eq!(sound(&world, again).0, "none");
    world.event(&raised(4, kitchen(3, "smoke-403", 1)));
    assert_eq!((sound(&world, again).0, sound(&world, next).0), ("sweep".into(), "sweep".into()));
}

#[test]
fn smoke_that_is_still_there_after_ten_minutes_is_no_pan() {
    let mut world = World::new();
    let alarm = kitchen(1, "smoke-402", 1).id;
    world.event(&raised(1, kitchen(1, "smoke-402", 1)));
    acknowledge(&mut world, alarm);
    conclude(&mut world, alarm, Some(CallBack::Safe));
    world.pass(599);
    assert_eq!(sound(&world, alarm), ("none".into(), false), "acknowledged");
    world.pass(1);
    assert_eq!(sound(&world, alarm), ("sweep".into(), false));
    let rows = world.rows();
    let row = rows.iter().find(|row| row["id"] == alarm.to_string()).unwrap();
    assert_eq!((&row["acknowledged"], &row["case"]), (&serde_json::Value::Null, &"new".into()));
    assert!(world.log.iter().any(|line| line.what == "alarm.take-back" && line.from == "board"));
}

#[test]
fn the_third_pan_in_a_week_orders_the_detector_moved() {
    let mut world = World::new();
    let orders = |world: &World| world.rows().iter().filter(|row| row["condition"] == "move_sensor").count();
    for n in 1..=3 {
        assert_eq!(orders(&world), 0);
        a_pan(&mut world, n, 2 * n - 1);
        world.kill();
    }
    assert_eq!(orders(&world), 1, "counted and kept over restarts");
    let rows = world.rows();
    let order = rows.iter().find(|row| row["condition"] == "move_sensor").unwrap();
    assert_eq!((&order["device"], &order["place"]["room"]), (&"smoke-402".into(), &"402".into()));
    assert!(world.log.iter().any(|line| line.what == "device.move_sensor"));

    // Pans that are weeks apart are three dinners.
    let mut world = World::new();
    for n in 1..=3 {
        a_pan(&mut world, n, 2 * n - 1);
        world.pass(4 * 24 * 3_600);
    }
    assert_eq!(orders(&world), 0);
}
