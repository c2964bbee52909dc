//! Stories of an acknowledgement that was meant for another row: taken back within ten seconds, and given again.
use shouwang_board::{CaseStep, Conclusion, DeskAsked, DeskStep, Input, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

fn take_back(world: &mut World, alarm: AlarmId) -> Outcome {
    let step = DeskStep::TakeBack { alarm };
    let asked = DeskAsked { by: "u-8".into(), from: "192.0.2.8".into(), step };
    world.give(Input::DeskAsked { ticket: 9, asked });
    world.answers.pop().unwrap().1
}

fn smoke_id() -> AlarmId {
    SMOKE.parse().unwrap()
}

fn acknowledged(revision: u32) -> AlarmDocument {
    AlarmDocument {
        acknowledged: Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) }),
        ..smoke(revision)
    }
}

fn hear(world: &mut World, sequence: u64, change: AlarmChange, document: AlarmDocument) {
    world.event(&event(sequence, EventData::Alarm(change, document.into())));
}

#[test]
fn taken_back_it_cries_again_whatever_its_gateway_says_until_somebody_acknowledges_again() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    assert_eq!(world.rows()[0]["sound"], "none");
    world.pass(9);
    world.answers.clear();
    let outcome = take_back(&mut world, smoke_id());
    let Outcome::Taken { row } = outcome else { panic!("{outcome:?}") };
    let told = (&row["acknowledged"], &row["sound"], &row["taken_back"]["by"]);
    assert_eq!(told, (&serde_json::Value::Null, &"sweep".into(), &"u-8".into()));
    let line = world.log.last().unwrap();
    assert_eq!((line.what.as_str(), line.by.as_str()), ("alarm.take-back", "u-8"));

    // The gateway takes the acknowledgement that was under way; here it does not count, also after a restart.
    hear(&mut world, 2, AlarmChange::Acknowledged, acknowledged(2));
    for _ in 0..2 {
        assert_eq!(world.shown(), lines("alarm smoke r2 active"));
        assert_eq!(world.rows()[0]["sound"], "sweep");
        world.kill();
    }
    let commands = world.commands.len();
    world.ask(2, "u-8", Request::Acknowledge);
    assert!(matches!(world.answers.pop(), Some((2, Outcome::Taken { .. }))));
    assert_eq!(world.shown(), lines("alarm smoke r2 active by u-8"));
    assert_eq!(world.commands.len(), commands, "its gateway has heard it");
    world.kill();
    assert_eq!(world.shown(), lines("alarm smoke r2 active by u-8"));
}

#[test]
fn what_is_over_meanwhile_stays_until_somebody_has_seen_it() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    take_back(&mut world, smoke_id());
    let cleared_at = Some(wall(world.now));
    let over = AlarmDocument { active: false, latched: false, cleared_at, ..acknowledged(3) };
    hear(&mut world, 2, AlarmChange::Acknowledged, acknowledged(2));
    hear(&mut world, 3, AlarmChange::Finished, over);
    let outcome =
        world.case("u-7", CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None }, "灰尘");
    assert!(matches!(outcome, Outcome::Refused { code: "not_acknowledged", .. }), "{outcome:?}");
    assert_eq!(world.rows().len(), 1);
    world.answers.clear();
    world.ask(2, "u-8", Request::Acknowledge);
    assert!(matches!(world.answers.pop(), Some((2, Outcome::Taken { .. }))));
    world.case("u-7", CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None }, "灰尘");
    assert!(world.rows().is_empty());
    assert!(!world.kept.keys().any(|key| key.starts_with("taken-back/")), "{:?}", world.kept);
}

#[test]
fn ten_seconds_are_all_there_is_and_only_what_was_acknowledged_here() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let code = |outcome: Outcome| match outcome {
        Outcome::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(code(take_back(&mut world, smoke_id())), "not_acknowledged");
    world.ask(1, "u-7", Request::Acknowledge);
    world.pass(11);
    assert_eq!(code(take_back(&mut world, smoke_id())), "too_late");
    assert_eq!(take_back(&mut world, AlarmId::from_parts(7, 7)), Outcome::Unknown);

    let mut world = World::new();
    world.event(&raised(1, acknowledged(1)));
    assert_eq!(code(take_back(&mut world, smoke_id())), "too_late", "acknowledged elsewhere");
}

#[test]
fn a_newer_cry_asks_anew_and_its_acknowledgement_is_the_gateways_word() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    take_back(&mut world, smoke_id());
    let again = AlarmDocument { occurrence: 2, ..smoke(3) };
    hear(&mut world, 2, AlarmChange::Repeated, again);
    assert_eq!(world.rows()[0]["sound"], "sweep");
    hear(&mut world, 3, AlarmChange::Acknowledged, AlarmDocument { occurrence: 2, ..acknowledged(4) });
    assert_eq!(world.shown(), lines("alarm smoke r4 active by u-7"));
}

#[test]
fn a_fault_and_a_group_are_taken_back_too() {
    let mut world = World::new();
    world.ready(1, 1);
    for n in 1..=2 {
        let lost = FaultDocument { device: Some(id(&format!("s-{n}"))), ..fault(n, "timeout", Some("b3")) };
        world.event(&event(n, EventData::FaultRaised(lost)));
    }
    let group: AlarmId = world.rows()[0]["id"].as_str().unwrap().parse().unwrap();
    let request = Request::Acknowledge;
    let asked = asked_about(group, request);
    world.give(Input::Asked { ticket: 1, asked });
    assert!(world.rows().iter().all(|row| row["acknowledged"]["by"] == "u-7"));
    world.answers.clear();
    take_back(&mut world, group);
    assert!(world.rows().iter().all(|row| row["acknowledged"].is_null()));
    world.kill();
    assert!(world.rows().iter().all(|row| row["acknowledged"].is_null()));
}
