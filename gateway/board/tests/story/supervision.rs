//! 督办 and the two loops: what nobody accepts or handles in its time is marked, told to whoever leads and counted; the
//! table sends the small loop to its grid and calls departments for the large one; and it all outlives a restart.
use std::time::Duration;

use serde_json::json;
use shouwang_board::organisation::Target;
use shouwang_board::{CaseStep, Conclusion, Figures, Handling, Loop, Outcome, Request, Settings, Step};
use shouwang_message::*;

use crate::people::{placed, settings};
use crate::world::*;

const HOUR: u64 = 3_600;

fn with_leader() -> Settings {
    let mut settings = settings();
    let to = vec![Target::Role(id("secretary"))];
    settings.escalation.supervise = Some(Step { after: Duration::ZERO, channels: vec![id("sms")], to });
    settings
}

/// A wet cellar: no emergency, and nobody's life.
fn cellar() -> AlarmDocument {
    let place = placed(smoke(1)).place;
    AlarmDocument {
        revision: 1,
        place,
        text: Text::new("地下室进水", "Water in the cellar"),
        ..AlarmDocument::new(
            SMOKE.parse().unwrap(),
            id("gw-1"),
            id("leak-3"),
            "leak".into(),
            Class::Leak,
            Priority::Urgent,
            wall(Instant::default()),
        )
    }
}

fn world(settings: Settings) -> World {
    let mut world = World::with(settings);
    world.ready(1, 1);
    info(&mut world, &[]);
    world.alarm(&cellar(), false);
    world.event(&raised(1, cellar()));
    world
}

/// What the lead was texted since the last look.
fn texts(world: &mut World) -> Vec<String> {
    let told = world.notices(true);
    told.iter().filter(|notice| notice.title.contains("督办")).map(|notice| notice.short.clone()).collect()
}

/// A person acknowledges, and the gateway says so.
fn acknowledge(world: &mut World) {
    world.ask(1, "u-7", Request::Acknowledge);
    let acknowledged = Some(Acknowledged { by: "u-7".into(), at: wall(world.now) });
    let document = AlarmDocument { revision: 2, acknowledged, ..cellar() };
    world.alarm(&document, false);
    world.event(&event(2, EventData::Alarm(AlarmChange::Acknowledged, document.into())));
}

fn case(world: &World) -> serde_json::Value {
    world.board.case(SMOKE.parse().unwrap()).unwrap()
}

fn steps(world: &World) -> Vec<String> {
    let case = case(world);
    let steps = case["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            let words = ["step", "detail", "note", "by"].map(|part| step[part].as_str().unwrap_or("-"));
            words.join(" ")
        })
        .collect()
}

#[test]
fn what_nobody_accepts_or_handles_in_its_time_is_urged_once_each() {
    let mut world = world(with_leader());
    world.pass(30 * 60 - 2);
    assert_eq!((texts(&mut world).len(), world.rows()[0]["overdue"].is_null()), (0, true));
    world.pass(3);
    assert_eq!(texts(&mut world), ["【值班室】3号楼2单元402地下室进水,督办:超时未受理"]);
    assert_eq!(world.rows()[0]["overdue"], "accept");
    assert_eq!(steps(&world), ["supervise accept - duty-1"]);
    let line = world.log.iter().find(|line| line.what == "case.supervise").unwrap();
    assert_eq!((line.from.as_str(), line.new.as_deref()), ("supervision", Some("new (accept)")));
    assert!(world.escalation().iter().any(|line| line == "tell.supervise sms chen某: waiting"));

    // Accepted late: it is overdue no longer, until it is not handled either.
    acknowledge(&mut world);
    assert!(world.rows()[0]["overdue"].is_null());
    world.kill();
    world.pass(24 * HOUR - 30 * 60 - 10);
    assert_eq!(texts(&mut world).len(), 0);
    world.pass(20);
    assert_eq!(texts(&mut world), ["【值班室】3号楼2单元402地下室进水,督办:超时未办结"]);
    assert_eq!(case(&world)["overdue"], "handle");
    world.kill();
    world.pass(100 * HOUR);
    assert_eq!(texts(&mut world).len(), 0, "once each, over restarts too");

    let outcome = world.case("u-7", CaseStep::Handle { conclusion: Conclusion::Real, of: None }, "");
    assert!(matches!(outcome, Outcome::CaseTaken { .. }), "{outcome:?}");
    assert!(case(&world)["overdue"].is_null());
    let mut figures = Figures::default();
    assert!(figures.add(&world.kept[&format!("case/{SMOKE}")]));
    let whole = figures.whole();
    assert_eq!((whole.in_time_rate, whole.supervised), (Some(0.0), 1));
}

#[test]
fn what_is_done_in_its_time_is_urged_by_nobody() {
    let mut world = world(with_leader());
    world.pass(600);
    acknowledge(&mut world);
    world.pass(20 * HOUR);
    world.case("u-7", CaseStep::Handle { conclusion: Conclusion::Real, of: None }, "");
    world.pass(100 * HOUR);
    assert_eq!(texts(&mut world).len(), 0);
    let mut figures = Figures::default();
    assert!(figures.add(&world.kept[&format!("case/{SMOKE}")]));
    assert_eq!((figures.whole().in_time_rate, figures.whole().supervised), (Some(1.0), 0));
}

#[test]
fn a_room_that_was_off_meanwhile_says_the_later_one_only_and_a_drill_has_no_time() {
    let mut over = world(with_leader());
    over.now = over.now + Duration::from_secs(28 * HOUR);
    over.kill();
    over.pass(2);
    assert_eq!(texts(&mut over), ["【值班室】3号楼2单元402地下室进水,督办:超时未办结"]);

    let mut world = World::with(with_leader());
    world.ready(1, 1);
    let drill = AlarmDocument { mode: Mode::Drill, ..cellar() };
    world.alarm(&drill, false);
    world.event(&raised(1, drill));
    world.pass(200 * HOUR);
    assert_eq!((texts(&mut world).len(), case(&world)["handle_by"].is_null()), (0, true));
}

#[test]
fn by_night_the_lead_sleeps_unless_it_is_an_emergency() {
    // The story's clock begins at 16:00 local time: due at midnight.
    let mut settings = with_leader();
    let eight = Some(Duration::from_secs(8 * HOUR));
    settings.handling = vec![Handling { handle_within: eight, ..Handling::default() }];
    let mut world = world(settings);
    acknowledge(&mut world);
    world.pass(9 * HOUR);
    assert_eq!((texts(&mut world).len(), case(&world)["overdue"].clone()), (0, json!("handle")), "01:00");
    world.pass(5 * HOUR + 10);
    assert_eq!(texts(&mut world).len(), 1, "told in the morning");
}

#[test]
fn many_at_once_are_told_one_by_one_up_to_a_bound_and_then_counted() {
    let mut world = World::with(with_leader());
    world.ready(1, 1);
    for n in 0..10_u64 {
        let document = AlarmDocument { id: AlarmId::from_parts(1_800_000_000_000 + n, 9), ..cellar() };
        world.alarm(&document, false);
        world.event(&raised(n + 1, document));
    }
    world.pass(31 * 60);
    assert_eq!(texts(&mut world).len(), 4);
    let joined = world.escalation().iter().filter(|line| line.starts_with("supervise.joined")).count();
    assert_eq!(joined, 6);
    world.pass(24 * HOUR);
    let texts = texts(&mut world);
    assert!(texts[0].ends_with("督办:超时未办结,另6件"), "{texts:?}");
}

#[test]
fn the_small_loop_goes_to_the_grid_and_up_to_departments_when_it_is_not_handled() {
    let mut settings = with_leader();
    settings.handling = vec![
        Handling {
            classes: vec![Class::Leak],
            grid: Some(id("heping")),
            handle_within: Some(Duration::from_secs(2 * HOUR)),
            way: Some(Loop::Small),
            departments: vec!["水务".into(), "物业".into()],
            ..Handling::default()
        },
        Handling { accept_within: Some(Duration::from_secs(600)), ..Handling::default() },
    ];
    let mut world = world(settings);
    assert_eq!(case(&world)["loop"], "small");
    world.pass(60);
    acknowledge(&mut world);
    assert_eq!(
        steps(&world),
        ["accept - - u-7", "dispatch wang某 小循环 duty-1"],
        "straight to whoever answers for the grid"
    );
    world.case("u-7", CaseStep::Receive { person: None }, "");
    world.pass(2 * HOUR);
    let case = case(&world);
    assert_eq!((&case["loop"], &case["missing"]), (&json!("large"), &json!(["水务", "物业"])));
    let steps = steps(&world);
    assert_eq!(steps[3..], ["supervise handle - duty-1", "go_up 水务、物业 超时未办结,转大循环 duty-1"]);
}

#[test]
fn a_person_takes_it_up_with_a_reason_and_the_large_loop_calls_its_departments_by_itself() {
    let mut small = world(with_leader());
    let up = |departments: &[&str]| CaseStep::GoUp {
        departments: departments.iter().map(ToString::to_string).collect(),
    };
    let code = |outcome: Outcome| match outcome {
        Outcome::Refused { code, .. } => code,
        Outcome::CaseTaken { .. } => "taken",
        Outcome::CaseAlready { .. } => "already",
        _ => "?",
    };
    assert_eq!(code(small.case("u-7", up(&["水务"]), "")), "reason_missing");
    assert_eq!(code(small.case("u-7", up(&[]), "网格处理不了")), "departments_missing");
    assert_eq!(code(small.case("u-7", up(&["水务"]), "网格处理不了")), "taken");
    assert_eq!(code(small.case("u-8", up(&["水务"]), "我也这么看")), "already");
    assert_eq!(case(&small)["gone_up"]["by"], "u-7");

    let mut settings = with_leader();
    let departments = vec!["应急".to_owned()];
    settings.handling = vec![Handling { way: Some(Loop::Large), departments, ..Handling::default() }];
    let mut large = world(settings);
    acknowledge(&mut large);
    assert_eq!(case(&large)["missing"], json!(["应急"]));
    assert!(case(&large)["dispatched"].as_array().unwrap().is_empty());
}
