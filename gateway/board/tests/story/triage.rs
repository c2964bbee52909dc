//! 流动哨兵: what a courier saw waits for a person, never rings, is one however often it is sent, and becomes a case or is
//! dismissed with a reason; a link that is passed around fills no queue, and what waits is never dropped.
use shouwang_board::{DeskAsked, DeskStep, Outcome, ReportKind, Tip, TriageStep};
use shouwang_message::*;

use crate::world::*;

fn ask(world: &mut World, by: &str, step: TriageStep) -> Outcome {
    let asked = DeskAsked { by: by.into(), from: "192.0.2.7".into(), step: DeskStep::Triage(step) };
    world.give(shouwang_board::Input::DeskAsked { ticket: 5, asked });
    world.answers.pop().unwrap().1
}

fn tip(world: &World, n: u32) -> Tip {
    Tip {
        id: format!("phone-{n:04}"),
        words: "桥洞下积水".into(),
        place: "青石路口".into(),
        spot: Some((28.0, 120.7)),
        at: wall(world.now),
    }
}

fn tell(world: &mut World, by: &str, n: u32) -> Outcome {
    let tip = tip(world, n);
    ask(world, by, TriageStep::Tell(tip))
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

fn id_of(told: &serde_json::Value) -> AlarmId {
    told["id"].as_str().unwrap().parse().unwrap()
}

fn accept(id: AlarmId) -> TriageStep {
    let kind = ReportKind::FloodedRoad;
    TriageStep::Accept { tip: id, kind, place: None, grid: Some("HP-07".into()), is_dangerous: false }
}

fn waiting(world: &World) -> usize {
    world.board.triage()["waiting"].as_array().unwrap().len()
}

#[test]
fn a_tip_rings_nothing_until_a_person_makes_a_case_of_it() {
    let mut world = World::new();
    let first = tip(&world, 1);
    let told = taken(ask(&mut world, "美团小李", TriageStep::Tell(first.clone())));
    assert_eq!(
        (told["state"].as_str(), world.shown().len()),
        (Some("waiting"), 0),
        "never in the alarm list"
    );
    assert_eq!(world.told.len(), 0);
    let id = id_of(&told);
    taken(ask(
        &mut world,
        "美团小李",
        TriageStep::Photo { tip: id, photo: format!("{id}-0011223344556677") },
    ));
    let elses = TriageStep::Photo { tip: id, photo: "x".into() };
    assert_eq!(ask(&mut world, "别人", elses), Outcome::Unknown, "of another link");
    world.kill();
    world.pass(60);
    assert_eq!(taken(ask(&mut world, "美团小李", TriageStep::Tell(first.clone())))["repeated"], true);
    assert_eq!(waiting(&world), 1);

    let Outcome::CaseTaken { case } = ask(&mut world, "u-7", accept(id)) else { panic!("no case") };
    assert_eq!(
        (case["id"].as_str(), case["state"].as_str()),
        (Some(id.to_string().as_str()), Some("accepted"))
    );
    assert_eq!((&case["steps"][0]["by"], &case["accepted"]["by"]), (&"美团小李".into(), &"u-7".into()));
    assert_eq!(
        (case["photos"].as_array().unwrap().len(), case["place"]["grid"].as_str()),
        (1, Some("HP-07"))
    );
    assert_eq!(world.shown(), ["alarm report_flooded_road r2 active by u-7"]);
    assert_eq!(refused(ask(&mut world, "u-8", accept(id))), "decided");
    world.kill();
    assert_eq!(
        taken(ask(&mut world, "美团小李", TriageStep::Tell(first)))["state"],
        "case",
        "sent once more"
    );
    assert_eq!((waiting(&world), world.shown().len()), (0, 1));
}

#[test]
fn what_is_none_is_dismissed_with_a_reason_and_stays_so() {
    let mut world = World::new();
    let first = tip(&world, 1);
    let id = id_of(&taken(ask(&mut world, "小李", TriageStep::Tell(first.clone()))));
    let dismiss = |reason: &str| TriageStep::Dismiss { tip: id, reason: reason.into() };
    assert_eq!(refused(ask(&mut world, "u-7", dismiss(" "))), "reason_missing");
    assert_eq!(taken(ask(&mut world, "u-7", dismiss("已派人看过")))["state"], "dismissed");
    assert_eq!(
        world.log.last().map(|line| (line.what.as_str(), line.note.as_deref())),
        Some(("triage.dismiss", Some("已派人看过")))
    );
    assert_eq!(taken(ask(&mut world, "小李", TriageStep::Tell(first)))["state"], "dismissed");
    assert_eq!((waiting(&world), world.shown().len()), (0, 0));
    assert_eq!(ask(&mut world, "u-7", accept(AlarmId::from_parts(1, 1))), Outcome::Unknown);
    let blank = Tip { place: " ".into(), ..tip(&world, 2) };
    assert_eq!(refused(ask(&mut world, "小李", TriageStep::Tell(blank))), "place_missing");
    let ahead = Timestamp::from_unix_ms(wall(world.now).unix_ms() + 600_000);
    let ahead = Tip { at: ahead, ..tip(&world, 3) };
    assert_eq!(refused(ask(&mut world, "小李", TriageStep::Tell(ahead))), "future");
    let bad = Tip { id: "x".into(), ..tip(&world, 4) };
    assert_eq!(refused(ask(&mut world, "小李", TriageStep::Tell(bad))), "id");
}

#[test]
fn a_link_that_is_passed_around_fills_no_queue_and_nothing_that_waits_is_dropped() {
    let mut world = World::new();
    for n in 0..6 {
        taken(tell(&mut world, "小李", n));
    }
    assert_eq!(refused(tell(&mut world, "小李", 6)), "slow_down", "six in ten minutes");
    world.pass(600);
    for n in 6..10 {
        taken(tell(&mut world, "小李", n));
    }
    assert_eq!(refused(tell(&mut world, "小李", 10)), "slow_down", "ten wait");
    let mut n = 100;
    while waiting(&world) < 200 {
        taken(tell(&mut world, &format!("link-{}", n / 5), n));
        n += 1;
    }
    let oldest = id_of(&world.board.triage()["waiting"][0]);
    assert_eq!(refused(tell(&mut world, "fresh", n)), "busy");
    assert_eq!((waiting(&world), id_of(&world.board.triage()["waiting"][0])), (200, oldest));
    taken(ask(&mut world, "u-7", TriageStep::Dismiss { tip: oldest, reason: "看过".into() }));
    assert_eq!(taken(tell(&mut world, "fresh", n))["state"], "waiting", "there is room again");
    world.kill();
    assert_eq!(waiting(&world), 200);
}
