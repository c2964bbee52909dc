//! 叫应: a river's line calls the people near it; each call is kept, nobody who has not answered is forgotten, and a round
//! ends with everybody's answer or with a lead's reason.
use shouwang_board::stations::About;
use shouwang_board::{
    AnsweringStep, CallOutcome, CallTold, DeskAsked, DeskStep, Home, Input, Outcome, ended_round,
};
use shouwang_message::*;

use crate::stations::{bridge, read};
use crate::world::*;

/// What a person asks of the board itself, answered.
fn ask(world: &mut World, by: &str, step: DeskStep) -> Outcome {
    let asked = DeskAsked { by: by.into(), from: "192.0.2.7".into(), step };
    world.give(Input::DeskAsked { ticket: 5, asked });
    world.answers.pop().unwrap().1
}

fn taken(outcome: Outcome) -> serde_json::Value {
    match outcome {
        Outcome::Taken { row } => *row,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

/// A ford without a sensor, with two buildings near it.
fn village() -> World {
    let mut world = bridge(None);
    let about = About { homes: vec!["3".into(), " 5-1 ".into()], ..About::default() };
    taken(ask(&mut world, "u-1", DeskStep::PutAbout { station: id("qingshi-bridge"), about }));
    world
}

fn begin(world: &mut World, reason: &str) -> Outcome {
    let begin = AnsweringStep::Begin { station: id("qingshi-bridge"), reason: reason.into() };
    ask(world, "u-7", DeskStep::Answering(begin))
}

/// The residents' cards give three homes for what was asked for last.
fn list(world: &mut World) -> AlarmId {
    let (round, homes) = world.listed.last().unwrap().clone();
    assert_eq!(homes, ["3", "5-1"]);
    let homes = [(11, "3-1-101"), (12, "3-2-402"), (15, "5-1-201")];
    let homes = homes.map(|(card, home)| Home { card, home: home.into() }).to_vec();
    world.give(Input::PeopleListed { round, homes: Some(homes) });
    round
}

fn call(world: &mut World, round: AlarmId, n: u32, card: i64, outcome: CallOutcome) -> Outcome {
    let at = wall(world.now);
    let call = CallTold { id: format!("phone-{n:04}"), card, outcome, at, note: None };
    ask(world, "u-7", DeskStep::Answering(AnsweringStep::Called { round, call }))
}

fn end(world: &mut World, round: AlarmId, reason: &str) -> Outcome {
    let end = AnsweringStep::End { round, reason: reason.into() };
    ask(world, "u-1", DeskStep::Answering(end))
}

/// `3-2-402 no_answer x2`, each home in a line; a mark where somebody must go there.
fn homes(world: &World, round: AlarmId) -> Vec<String> {
    let round = world.board.round(round).unwrap();
    let line = |one: &serde_json::Value| {
        let knock = if one["knock"] == true { " knock" } else { "" };
        let (home, outcome) = (one["home"].as_str().unwrap(), one["outcome"].as_str().unwrap_or("-"));
        format!("{home} {outcome} x{}{knock}", one["made"])
    };
    round["list"].as_array().unwrap().iter().map(line).collect()
}

fn log(world: &World) -> Vec<String> {
    let lines = world.log.iter().filter(|line| line.what.starts_with("answering"));
    lines.map(|line| format!("{} {} {}", line.by, line.what, line.new.clone().unwrap_or_default())).collect()
}

#[test]
fn a_line_calls_everybody_near_the_river_until_all_have_answered() {
    let mut world = village();
    assert_eq!(read(&mut world, 1, 3.86)["colour"], "orange");
    let round = list(&mut world);
    assert_eq!(world.listed.len(), 1, "one round, however many lines");
    let shown = world.rows().into_iter().find(|row| row["condition"] == "level_guarantee").unwrap();
    assert_eq!((&shown["answering"]["people"], &shown["answering"]["missing"]), (&3.into(), &3.into()));

    taken(call(&mut world, round, 1, 11, CallOutcome::Answered));
    for n in 2..5 {
        taken(call(&mut world, round, n, 12, CallOutcome::NoAnswer));
    }
    assert_eq!(taken(call(&mut world, round, 4, 12, CallOutcome::NoAnswer))["repeated"], true);
    taken(call(&mut world, round, 5, 15, CallOutcome::Moved));
    // A later call that nobody answers takes back nothing.
    taken(call(&mut world, round, 6, 15, CallOutcome::NoAnswer));
    assert_eq!(
        homes(&world, round),
        ["3-1-101 answered x1", "3-2-402 no_answer x3 knock", "5-1-201 moved x2"]
    );
    world.kill();
    assert_eq!(
        homes(&world, round),
        ["3-1-101 answered x1", "3-2-402 no_answer x3 knock", "5-1-201 moved x2"]
    );

    let told = taken(call(&mut world, round, 7, 12, CallOutcome::Visited));
    assert_eq!((&told["missing"], told["ended"].is_object()), (&0.into(), true));
    let shown = world.rows().into_iter().find(|row| row["condition"] == "level_guarantee").unwrap();
    assert_eq!(shown["answering"]["ended"], true);
    assert_eq!(
        log(&world),
        lines(
            "duty-1 answering.begin qingshi-bridge guarantee
             duty-1 answering.list qingshi-bridge 3
             u-7 answering.called qingshi-bridge 3-1-101 answered
             u-7 answering.called qingshi-bridge 3-2-402 no_answer
             u-7 answering.called qingshi-bridge 3-2-402 no_answer
             u-7 answering.called qingshi-bridge 3-2-402 no_answer
             u-7 answering.called qingshi-bridge 5-1-201 moved
             u-7 answering.called qingshi-bridge 5-1-201 no_answer
             u-7 answering.called qingshi-bridge 3-2-402 visited
             duty-1 answering.end qingshi-bridge 0 unanswered"
        )
    );
    // It was the wrong button: she has not answered, and the round goes on.
    taken(call(&mut world, round, 8, 12, CallOutcome::Mistaken));
    assert_eq!(world.board.rounds()[0]["ended"], serde_json::Value::Null);
    assert_eq!(world.board.rounds()[0]["missing"], 1);
}

#[test]
fn a_higher_line_joins_the_round_and_the_next_rise_begins_another() {
    let mut world = village();
    read(&mut world, 1, 3.86);
    let round = list(&mut world);
    world.pass(60);
    read(&mut world, 2, 4.25);
    assert_eq!((world.listed.len(), world.board.rounds()[0]["line"].as_str()), (1, Some("record")));
    assert_eq!(refused(end(&mut world, round, "  ")), "reason_missing");
    let told = taken(end(&mut world, round, "全村已由镇里转移"));
    assert_eq!((&told["missing"], &told["ended"]["reason"]), (&3.into(), &"全村已由镇里转移".into()));
    assert_eq!(log(&world).last().unwrap(), "u-1 answering.end qingshi-bridge 3 unanswered");
    assert_eq!(taken(end(&mut world, round, "再说一遍"))["ended"]["reason"], "全村已由镇里转移");
    // What was heard before that and arrives late is kept, and changes nothing else.
    taken(call(&mut world, round, 1, 11, CallOutcome::Answered));
    assert_eq!((world.board.rounds()[0]["missing"].as_u64(), world.board.rounds().len()), (Some(2), 1));
    world.kill();
    world.pass(1);
    assert_eq!(world.listed.len(), 1, "what was over is over after a restart too");

    read(&mut world, 3, 2.0);
    world.pass(3_600);
    read(&mut world, 4, 2.0);
    world.pass(60);
    read(&mut world, 5, 4.3);
    assert_eq!(world.listed.len(), 2, "the river rose again");
    let kept = world.kept.iter().find(|(key, _)| key.starts_with("called/")).unwrap().1;
    assert_eq!(ended_round(kept).unwrap()["list"][0]["outcome"], "answered");
    assert_eq!(ended_round("{}"), None);
}

#[test]
fn a_round_by_hand_needs_a_reason_and_homes_to_call() {
    let mut world = bridge(None);
    assert_eq!(refused(begin(&mut world, "镇里通知")), "no_homes");
    read(&mut world, 1, 3.86);
    assert_eq!(world.listed, [], "nobody has said who lives near it");
    let mut world = village();
    assert_eq!(refused(begin(&mut world, " ")), "reason_missing");
    let first = taken(begin(&mut world, "镇里通知"))["id"].clone();
    let round = list(&mut world);
    assert_eq!(first, round.to_string());
    // Once more: the same round, its list read again, and nothing of it lost.
    taken(call(&mut world, round, 1, 11, CallOutcome::Answered));
    assert_eq!(taken(begin(&mut world, "再来一次"))["id"], first);
    assert_eq!(list(&mut world), round);
    assert_eq!(homes(&world, round), ["3-1-101 answered x1", "3-2-402 - x0", "5-1-201 - x0"]);

    assert_eq!(refused(call(&mut world, round, 2, 99, CallOutcome::Answered)), "not_listed");
    assert_eq!(refused(call(&mut world, round, 3, 12, CallOutcome::Away)), "note_missing");
    let bad = CallTold {
        id: "x".into(),
        card: 11,
        outcome: CallOutcome::Answered,
        at: wall(world.now),
        note: None,
    };
    let bad = DeskStep::Answering(AnsweringStep::Called { round, call: bad });
    assert_eq!(refused(ask(&mut world, "u-7", bad)), "id");
    assert_eq!(call(&mut world, AlarmId::from_parts(1, 1), 4, 11, CallOutcome::Answered), Outcome::Unknown);
}

#[test]
fn who_has_not_answered_in_five_minutes_is_a_row_of_the_list_until_they_have() {
    let mut world = village();
    taken(begin(&mut world, "镇里通知"));
    let round = list(&mut world);
    taken(call(&mut world, round, 1, 11, CallOutcome::Answered));
    taken(call(&mut world, round, 2, 12, CallOutcome::Refuses));
    world.pass(299);
    let late = |world: &World| world.shown().iter().any(|row| row.contains("people_unanswered"));
    assert!(!late(&world));
    world.pass(2);
    assert!(late(&world), "{:?}", world.shown());
    world.kill();
    world.pass(1);
    assert!(late(&world), "also after a restart");
    taken(call(&mut world, round, 3, 12, CallOutcome::Moved));
    assert!(late(&world), "one is missing");
    taken(call(&mut world, round, 4, 15, CallOutcome::Visited));
    assert!(!late(&world), "{:?}", world.shown());
}

#[test]
fn a_list_that_the_disk_did_not_give_is_asked_for_again_and_an_empty_one_ends_nothing() {
    let mut world = village();
    taken(begin(&mut world, "镇里通知"));
    let round = world.listed[0].0;
    world.give(Input::PeopleListed { round, homes: None });
    world.pass(31);
    assert_eq!(world.listed.len(), 2);
    world.kill();
    world.pass(1);
    assert_eq!(world.listed.len(), 3, "after a restart too");
    world.give(Input::PeopleListed { round, homes: Some(vec![]) });
    world.pass(120);
    assert_eq!((world.listed.len(), world.board.rounds()[0]["ended"].is_null()), (3, true));
    let many = (0..600).map(|card| Home { card, home: format!("3-1-{card}") }).collect();
    world.give(Input::PeopleListed { round, homes: Some(many) });
    let told = &world.board.rounds()[0];
    assert_eq!(
        (&told["people"], &told["left_out"]),
        (&500.into(), &100.into()),
        "nobody is left out silently"
    );
}
