//! Stories of more alarms than people can read, of what comes and goes within seconds, and of the night.
use shouwang_board::{Input, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

/// Alarm `n` of a leak detector, or with its class and priority, in a building.
fn alarm(n: u64, building: &str, class: Class, priority: Priority) -> AlarmDocument {
    AlarmDocument {
        id: AlarmId::from_parts(1_800_000_000_000 + n, 0),
        device: id(&format!("d-{n}")),
        condition: "c".into(),
        class,
        priority,
        latched: false,
        place: Place { building: Some(building.into()), room: Some(n.to_string()), ..Place::default() },
        text: Text::new(format!("报警{n}"), format!("Alarm {n}")),
        ..smoke(1)
    }
}

fn leak(n: u64, building: &str) -> AlarmDocument {
    alarm(n, building, Class::Leak, Priority::Urgent)
}

fn told(world: &World) -> Vec<String> {
    let line = |row: &serde_json::Value| {
        let mark = if row["in_group"].is_null() { "" } else { "  " };
        let place = row["place"]["name"].as_str().unwrap_or("-");
        format!("{mark}{place} {} {}", row["text"]["en"].as_str().unwrap(), row["sound"].as_str().unwrap())
    };
    world.rows().iter().map(line).collect()
}

fn logged(world: &World) -> Vec<&str> {
    world.log.iter().map(|line| line.what.as_str()).collect()
}

fn flood(world: &mut World) {
    for n in 1..=11 {
        world.event(&raised(n, leak(n, if n % 2 == 0 { "3" } else { "5" })));
    }
}

#[test]
fn eleven_alarms_in_ten_minutes_are_one_row_per_building() {
    let mut world = World::new();
    for n in 1..=10 {
        world.event(&raised(n, leak(n, "3")));
    }
    assert!(world.rows().iter().all(|row| row["kind"] == "alarm"), "ten are none");
    world.event(&raised(11, leak(11, "5")));
    assert_eq!(told(&world)[0], "3号楼 10 alarms double");
    assert_eq!(world.rows().len(), 12, "each is in the list by itself");
    assert_eq!(world.rows().iter().filter(|row| row["in_group"].is_null()).count(), 2);
    let group = world.rows().remove(0);
    assert_eq!((&group["sound_once"], &group["classes"]["leak"]), (&true.into(), &10.into()));
    let first: Vec<_> =
        group["first"].as_array().unwrap().iter().map(|one| one["text"]["zh"].clone()).collect();
    assert_eq!(first, ["报警1", "报警2", "报警3"]);
    assert_eq!(world.board.situation()["flood"]["count"], 11);
    assert_eq!(world.board.situation()["flood"]["first"][0]["text"]["en"], "Alarm 1");
    assert_eq!(logged(&world), ["flood.start"]);

    // A new class in the building is a new cry of its row; one more of the same is none.
    let cries = group["cries"].clone();
    world.event(&raised(12, leak(12, "3")));
    assert_eq!(world.rows()[0]["cries"], cries);
    world.event(&raised(13, alarm(13, "3", Class::Electrical, Priority::Urgent)));
    assert_eq!(world.rows()[0]["cries"].as_array().unwrap().len(), 2);
}

#[test]
fn no_flood_folds_what_may_be_a_life() {
    let mut world = World::new();
    flood(&mut world);
    let grave = [
        alarm(21, "3", Class::Smoke, Priority::Emergency),
        alarm(22, "3", Class::Gas, Priority::Urgent),
        alarm(23, "3", Class::Call, Priority::Emergency),
        alarm(24, "3", Class::WaterLevel, Priority::Emergency),
    ];
    for (sequence, document) in (12..).zip(grave) {
        world.event(&raised(sequence, document));
    }
    let told = told(&world);
    for line in ["- Alarm 21 sweep", "- Alarm 22 double", "- Alarm 23 sweep", "- Alarm 24 sweep"] {
        assert!(told.contains(&line.to_owned()), "{told:#?}");
    }
}

#[test]
fn a_flood_is_acknowledged_alarm_by_alarm_and_ends_by_itself_also_after_a_restart() {
    let mut world = World::new();
    flood(&mut world);
    let ask = |world: &mut World, alarm: AlarmId| {
        let request = Request::Acknowledge;
        let asked = asked_about(alarm, request);
        world.give(Input::Asked { ticket: 1, asked });
        world.answers.pop().unwrap().1
    };
    let group = world.rows()[0]["id"].as_str().unwrap().parse().unwrap();
    let refused = ask(&mut world, group);
    assert!(matches!(refused, Outcome::Refused { code: "one_by_one", .. }), "{refused:?}");
    ask(&mut world, leak(2, "3").id);
    let rows = world.rows();
    let seen = rows.iter().find(|row| row["text"]["en"] == "Alarm 2").unwrap();
    assert_eq!((&seen["in_group"], &seen["sound"]), (&serde_json::Value::Null, &"none".into()));

    world.pass(300);
    world.kill();
    assert_eq!(world.board.situation()["flood"]["count"], 11, "it goes on");
    world.pass(599);
    assert!(!world.board.situation()["flood"].is_null(), "nobody knows what came before the restart");
    world.pass(1);
    assert!(world.board.situation()["flood"].is_null());
    assert!(logged(&world).contains(&"flood.end"));
    assert!(world.rows().iter().all(|row| row["in_group"].is_null()));
}

#[test]
fn a_flood_goes_on_while_five_come_in_ten_minutes() {
    let mut world = World::new();
    flood(&mut world);
    for n in 20..40 {
        world.pass(119);
        world.event(&raised(n - 8, leak(n, "3")));
        assert!(!world.board.situation()["flood"].is_null(), "{n}");
    }
    world.pass(600);
    assert!(world.board.situation()["flood"].is_null());
}

#[test]
fn drills_make_no_flood() {
    let mut world = World::new();
    for n in 1..=20 {
        world.event(&raised(n, AlarmDocument { mode: Mode::Drill, ..leak(n, "3") }));
    }
    assert!(world.board.situation()["flood"].is_null());
}

#[test]
fn three_changes_in_a_minute_are_chatter_with_one_cry() {
    let mut world = World::new();
    let document = leak(1, "3");
    world.event(&raised(1, document.clone()));
    let change = |revision: u32, active: bool| {
        let cleared_at = (!active).then(|| wall(Instant::default()));
        let document = AlarmDocument { revision, active, cleared_at, ..document.clone() };
        let what = if active { AlarmChange::Repeated } else { AlarmChange::Cleared };
        event(u64::from(revision), EventData::Alarm(what, document.into()))
    };
    world.pass(10);
    world.event(&change(2, false));
    assert!(world.rows()[0]["chatter"].is_null());
    world.pass(10);
    world.event(&change(3, true));
    let row = world.rows().remove(0);
    assert_eq!(row["chatter"], 3);
    assert!(row["cry"].as_str().unwrap().starts_with('~'), "{row}");
    world.pass(5);
    world.event(&change(4, false));
    assert_eq!((&world.rows()[0]["chatter"], &world.rows()[0]["cry"]), (&4.into(), &row["cry"]));
    world.pass(60);
    assert_eq!(
        (&world.rows()[0]["chatter"], &world.rows()[0]["cry"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[test]
fn chatter_is_told_of_smoke_too_but_each_of_its_cries_is_its_own() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    for revision in 2..=4 {
        let active = revision % 2 == 1;
        let cleared_at = (!active).then(|| wall(world.now));
        world.alarm(&AlarmDocument { active, cleared_at, ..smoke(revision) }, false);
    }
    let row = world.rows().remove(0);
    assert_eq!((&row["chatter"], &row["cry"]), (&4.into(), &serde_json::Value::Null));
    assert_eq!(row["sound"], "sweep");
}

#[test]
fn by_night_only_emergencies_sound_and_the_morning_has_the_list() {
    let mut world = World::new();
    // It is 16:00 in China; at 22:00 the room goes quiet.
    world.event(&raised(1, leak(1, "3")));
    world.pass(6 * 3_600 - 2);
    assert!(told(&world).contains(&"- Alarm 1 double".to_owned()), "{:?}", told(&world));
    world.pass(1);
    assert_eq!(told(&world)[0], "- Alarm 1 none");
    assert_eq!(world.board.situation()["night"], true);
    world.event(&raised(2, smoke(1)));
    assert_eq!(told(&world)[0], "- Smoke alarm sweep");
    world.event(&raised(3, leak(3, "3")));
    world.pass(3_600);
    world.kill();
    world.pass(7 * 3_600);
    assert!(told(&world).contains(&"- Alarm 3 double".to_owned()), "06:00: {:?}", told(&world));
    let list = |world: &World| world.rows().into_iter().find(|row| row["condition"] == "night_list");
    assert!(list(&world).is_none());
    world.pass(1_800);
    let note = list(&world).unwrap();
    assert_eq!(
        (&note["kind"], &note["text"]["zh"]),
        (&"note".into(), &"夜间未响铃 2 条,其中 2 条未结束".into())
    );
    assert_eq!(world.log.iter().filter(|line| line.what == "night.list").count(), 1);
    // Kept until a person has read it.
    world.kill();
    assert!(list(&world).is_some());
    let alarm = note["id"].as_str().unwrap().parse().unwrap();
    let request = Request::Acknowledge;
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    assert!(list(&world).is_none());
    world.pass(4 * 3_600);
    assert_eq!(world.log.iter().filter(|line| line.what == "night.list").count(), 1);
}
