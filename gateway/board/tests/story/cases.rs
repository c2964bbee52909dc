//! Stories of the cases: what people did about an alarm, who was first, what a conclusion needs, and that neither
//! an alarm nor a restart closes one.
use serde_json::{Value as Json, json};
use shouwang_board::{
    CallBack, CaseAsked, CaseStep, Conclusion, ListState, Outcome, Request, Service, bounds,
};
use shouwang_message::*;

use crate::world::*;

const FALSE_ALARM: CaseStep = CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None };
const REAL: CaseStep = CaseStep::Handle { conclusion: Conclusion::Real, of: None };

fn change(sequence: u64, change: AlarmChange, document: AlarmDocument) -> Event {
    event(sequence, EventData::Alarm(change, document.into()))
}

fn acknowledged(document: AlarmDocument) -> AlarmDocument {
    let at = wall(Instant::default());
    AlarmDocument { acknowledged: Some(Acknowledged { by: "u-7".into(), at }), ..document }
}

fn finished(revision: u32) -> AlarmDocument {
    let cleared_at = Some(wall(Instant::default()));
    AlarmDocument { active: false, latched: false, cleared_at, ..acknowledged(smoke(revision)) }
}

fn dispatch(to: &str) -> CaseStep {
    CaseStep::Dispatch { to: to.into() }
}

#[track_caller]
fn taken(outcome: Outcome) -> Json {
    let Outcome::CaseTaken { case } = outcome else { panic!("{outcome:?}") };
    *case
}

#[track_caller]
fn already(outcome: Outcome) -> Json {
    let Outcome::CaseAlready { already, .. } = outcome else { panic!("{outcome:?}") };
    *already
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "taken like the other outcomes")]
fn refused(outcome: Outcome) -> &'static str {
    let Outcome::Refused { code, .. } = outcome else { panic!("{outcome:?}") };
    code
}

/// A world with one smoke alarm, acknowledged by its gateway's word.
fn smoky() -> World {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(smoke(2))));
    world
}

#[test]
fn a_case_goes_from_new_to_closed() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let cases = world.board.cases(ListState::Open);
    assert_eq!((cases.len(), &cases[0]["state"], &cases[0]["id"]), (1, &"new".into(), &SMOKE.into()));
    world.ask(1, "u-7", Request::Acknowledge);
    assert_eq!(world.rows()[0]["case"], "accepted", "one key, two facts");
    taken(world.case("u-8", dispatch("网格员王"), "带钥匙"));
    taken(world.case("u-8", CaseStep::Receive { person: None }, ""));
    taken(world.case("u-8", CaseStep::Whistle { departments: vec!["消防".into(), "燃气".into()] }, ""));
    taken(world.case("u-8", CaseStep::ReportIn { department: "燃气".into() }, ""));
    taken(world.case("u-8", CaseStep::Arrive { person: Some("网格员王".into()) }, ""));
    taken(world.case("u-8", REAL, "油锅起火,已灭"));
    taken(world.case("u-9", CaseStep::Rate { stars: 5 }, ""));
    world.kill();
    let case = taken(world.case("u-9", CaseStep::Close { conclusion: None, of: None }, ""));
    assert_eq!((&case["state"], &case["conclusion"]), (&"closed".into(), &"real".into()));
    assert_eq!(case["accepted"]["by"], "u-7");
    assert_eq!(case["dispatched"][0]["answered"]["person"], "网格员王");
    assert_eq!(case["departments"][0]["name"], "消防");
    assert_eq!(case["departments"][0]["answered"], Json::Null, "who did not report is seen");
    assert_eq!(case["missing"], json!(["消防"]));
    let steps: Vec<_> = case["steps"].as_array().unwrap().iter().map(|step| &step["step"]).collect();
    let all = ["accept", "dispatch", "receive", "whistle", "report_in", "arrive", "handle", "rate", "close"];
    assert_eq!(json!(steps), json!(all));
    assert!(world.board.cases(ListState::Open).is_empty());
    assert_eq!(world.board.cases(ListState::All).len(), 1);
    // The alarm is as it was.
    let row = &world.rows()[0];
    assert_eq!(
        (&row["active"], &row["case"], &row["finished"]),
        (&true.into(), &"closed".into(), &false.into())
    );
}

#[test]
fn each_step_is_a_line_of_the_logbook_in_the_same_transaction() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.case("u-8", dispatch("网格员王"), "带钥匙");
    let log: Vec<String> = world
        .log
        .iter()
        .map(|line| {
            let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            let (old, new, note) = (text(&line.old), text(&line.new), text(&line.note));
            format!("{} {} {}: {old} -> {new}, {note}", line.from, line.by, line.what)
        })
        .collect();
    assert_eq!(
        log,
        [
            "192.0.2.7 u-7 alarm.acknowledge: unacknowledged -> acknowledged, -",
            "192.0.2.7 u-7 case.accept: new -> accepted, -",
            "192.0.2.7 u-8 case.dispatch: accepted -> dispatched (网格员王), 带钥匙",
        ]
    );
    assert!(world.log.iter().all(|line| line.about.as_deref() == Some(SMOKE)));
}

#[test]
fn nothing_is_answered_before_it_is_on_disk_and_a_kill_undoes_what_was_not() {
    let mut world = smoky();
    world.auto_commit = false;
    world.give(shouwang_board::Input::CaseAsked { ticket: 5, asked: case_asked("u-8", dispatch("王")) });
    assert!(world.answers.is_empty());
    assert_eq!(world.rows()[0]["case"], "dispatched", "shown at once");
    world.kill();
    assert_eq!(world.rows()[0]["case"], "accepted");
    world.give(shouwang_board::Input::CaseAsked { ticket: 6, asked: case_asked("u-8", dispatch("王")) });
    world.commit();
    assert!(matches!(&world.answers[..], [(6, Outcome::CaseTaken { .. })]));
}

#[test]
fn whoever_is_second_is_told_who_was_first() {
    let mut world = smoky();
    let second = |world: &mut World, step: CaseStep| already(world.case("u-9", step, ""));
    assert_eq!(second(&mut world, CaseStep::Accept)["by"], "u-7");
    taken(world.case("u-8", CaseStep::Claim { person: Some("王".into()) }, ""));
    let claimed = second(&mut world, CaseStep::Claim { person: Some("李".into()) });
    assert_eq!((&claimed["by"], &claimed["person"]), (&"u-8".into(), &"王".into()));
    taken(world.case("u-8", dispatch("王"), ""));
    assert_eq!(second(&mut world, dispatch("王"))["by"], "u-8");
    taken(world.case("u-8", CaseStep::Receive { person: Some("王".into()) }, ""));
    assert_eq!(second(&mut world, CaseStep::Receive { person: None })["by"], "u-8");
    taken(world.case("u-8", CaseStep::Arrive { person: None }, ""));
    assert_eq!(second(&mut world, CaseStep::Arrive { person: None })["by"], "u-8");
    taken(world.case("u-8", REAL, ""));
    assert_eq!(second(&mut world, REAL)["by"], "u-8");
    assert_eq!(refused(world.case("u-9", FALSE_ALARM, "看错")), "conclusion_stands");
    assert_eq!(refused(world.case("u-9", dispatch("李"), "")), "concluded");
    taken(world.case("u-8", CaseStep::Close { conclusion: None, of: None }, ""));
    assert_eq!(second(&mut world, CaseStep::Close { conclusion: None, of: None })["by"], "u-8");
    let written = world.log.len();
    second(&mut world, CaseStep::Accept);
    assert_eq!(world.log.len(), written, "a repeat writes nothing");
    assert_eq!(refused(world.case("u-9", CaseStep::Rate { stars: 1 }, "")), "closed");
}

#[test]
fn a_step_has_its_conditions() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    for step in [CaseStep::Arrive { person: None }, REAL, FALSE_ALARM, CaseStep::Rate { stars: 3 }] {
        assert_eq!(refused(world.case("u-8", step, "原因")), "not_accepted");
    }
    assert_eq!(refused(world.case("u-8", CaseStep::Whistle { departments: vec![] }, "")), "not_accepted");
    taken(world.case("u-8", CaseStep::Accept, ""));
    assert_eq!(refused(world.case("u-8", REAL, "")), "not_acknowledged", "accepting acknowledges nothing");
    assert_eq!(world.rows()[0]["acknowledged"], Json::Null);
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(smoke(2))));
    assert_eq!(refused(world.case("u-8", CaseStep::Receive { person: None }, "")), "not_dispatched");
    assert_eq!(
        refused(world.case("u-8", CaseStep::Whistle { departments: vec![] }, "")),
        "departments_missing"
    );
    assert_eq!(
        refused(world.case("u-8", CaseStep::ReportIn { department: "消防".into() }, "")),
        "not_called"
    );
    assert_eq!(refused(world.case("u-8", CaseStep::Close { conclusion: None, of: None }, "")), "not_handled");
    let real = CaseStep::Close { conclusion: Some(Conclusion::Real), of: None };
    assert_eq!(refused(world.case("u-8", real, "真的")), "not_handled", "what is real is handled first");
    assert_eq!(refused(world.case("u-8", FALSE_ALARM, "")), "reason_missing");
    let duplicate = |of| CaseStep::Close { conclusion: Some(Conclusion::Duplicate), of };
    assert_eq!(refused(world.case("u-8", duplicate(None), "同一起")), "of_missing");
    assert_eq!(refused(world.case("u-8", duplicate(SMOKE.parse().ok()), "同一起")), "of_missing");
    assert_eq!(refused(world.case("u-8", CaseStep::Rate { stars: 3 }, "")), "not_handled");
    for n in 0..16 {
        taken(world.case("u-8", dispatch(&format!("第{n}人")), ""));
    }
    assert_eq!(refused(world.case("u-8", dispatch("又一人"), "")), "too_many");
    let case = taken(world.case("u-8", duplicate(Some(AlarmId::from_parts(7, 7))), "同一起"));
    assert_eq!(
        (&case["state"], &case["duplicate_of"]),
        (&"closed".into(), &json!(AlarmId::from_parts(7, 7)))
    );
    let unknown = CaseAsked { case: AlarmId::from_parts(1, 1), ..case_asked("u-8", CaseStep::Accept) };
    assert_eq!(world.case_with(unknown), Outcome::Unknown);
}

#[test]
fn a_call_is_called_back_before_it_is_concluded() {
    let mut world = World::new();
    let call = |revision| AlarmDocument { class: Class::Call, condition: "call".into(), ..smoke(revision) };
    world.event(&raised(1, call(1)));
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(call(2))));
    assert_eq!(refused(world.case("u-8", REAL, "")), "call_back_missing");
    assert_eq!(refused(world.case("u-8", FALSE_ALARM, "误按")), "call_back_missing");
    let with = |step, result| CaseAsked { call_back: Some(result), ..case_asked("u-8", step) };
    let case = taken(world.case_with(with(CaseStep::Accept, CallBack::NoAnswer)));
    assert_eq!((&case["call_back"]["result"], &case["state"]), (&"no_answer".into(), &"accepted".into()));
    already(world.case_with(with(CaseStep::Accept, CallBack::NoAnswer)));
    // The next one on the list does not answer either: one more call, with its own line.
    let daughter = CaseAsked { note: Some("女儿".into()), ..with(CaseStep::Accept, CallBack::NoAnswer) };
    taken(world.case_with(daughter));
    let line = world.log.last().unwrap();
    assert_eq!((line.what.as_str(), line.note.as_deref()), ("case.call_back", Some("女儿")));
    assert_eq!(refused(world.case("u-8", REAL, "")), "on_site_missing", "no answer concludes nothing");
    taken(world.case("u-8", CaseStep::Arrive { person: None }, "敲门"));
    // It is pressed again: what was learnt before the press says nothing about it.
    world.event(&change(3, AlarmChange::Repeated, AlarmDocument { occurrence: 2, ..call(3) }));
    let second = AlarmDocument { occurrence: 2, ..acknowledged(call(4)) };
    world.event(&change(4, AlarmChange::Acknowledged, second));
    assert_eq!(refused(world.case("u-8", REAL, "")), "call_back_missing");
    let case = taken(world.case_with(with(REAL, CallBack::Safe)));
    assert_eq!((&case["state"], &case["call_back"]["by"]), (&"handled".into(), &"u-8".into()));
}

#[test]
fn life_safety_stays_until_finished_and_concluded_in_either_order() {
    let mut world = smoky();
    world.event(&change(3, AlarmChange::Finished, finished(3)));
    assert_eq!(world.rows()[0]["finished"], true);
    world.pass(86_400);
    world.kill();
    assert!(world.rows().iter().any(|row| row["id"] == SMOKE), "nothing closes by itself");
    taken(world.case("u-8", FALSE_ALARM, "炒菜"));
    assert!(!world.rows().iter().any(|row| row["id"] == SMOKE));

    let mut world = smoky();
    taken(world.case("u-8", REAL, ""));
    assert_eq!(world.rows()[0]["active"], true, "a case never changes an alarm");
    world.kill();
    world.event(&change(3, AlarmChange::Finished, finished(3)));
    assert!(world.rows().is_empty());
    assert_eq!(world.board.cases(ListState::Open)[0]["state"], "handled", "and no alarm closes a case");
    taken(world.case("u-8", CaseStep::Close { conclusion: None, of: None }, ""));
}

#[test]
fn a_conclusion_on_its_way_to_the_disk_takes_no_row_off_a_restarted_list() {
    let mut world = smoky();
    world.auto_commit = false;
    world.event(&change(3, AlarmChange::Finished, finished(3)));
    let asked = CaseAsked { note: Some("炒菜".into()), ..case_asked("u-8", FALSE_ALARM) };
    world.give(shouwang_board::Input::CaseAsked { ticket: 9, asked });
    let conclusion = world.uncommitted.pop().unwrap();
    world.commit();
    world.uncommitted.push(conclusion);
    world.kill();
    assert_eq!(world.rows()[0]["case"], "accepted");
}

#[test]
fn a_row_that_ended_and_was_concluded_in_one_breath_does_not_come_back() {
    let mut world = smoky();
    world.auto_commit = false;
    world.event(&change(3, AlarmChange::Finished, finished(3)));
    let asked = CaseAsked { note: Some("炒菜".into()), ..case_asked("u-8", FALSE_ALARM) };
    world.give(shouwang_board::Input::CaseAsked { ticket: 9, asked });
    assert_eq!(world.rows().len(), 1, "neither is on disk");
    world.commit();
    assert!(world.rows().is_empty());
    world.kill();
    assert!(world.rows().is_empty());
}

#[test]
fn what_is_no_life_safety_leaves_when_finished_and_its_case_stays() {
    let mut world = World::new();
    let level = |document: AlarmDocument| AlarmDocument { class: Class::WaterLevel, ..document };
    world.event(&raised(1, level(smoke(1))));
    world.event(&change(2, AlarmChange::Finished, level(finished(2))));
    assert!(world.rows().is_empty());
    world.kill();
    let cases = world.board.cases(ListState::Open);
    assert_eq!(
        (cases.len(), &cases[0]["state"], &cases[0]["alarm"]["finished"]),
        (1, &"accepted".into(), &true.into())
    );
    taken(world.case("u-8", REAL, "已疏散"));
}

#[test]
fn a_new_cry_opens_a_concluded_case_again() {
    let mut world = smoky();
    let stale = CaseAsked { occurrence: Some(1), ..case_asked("u-8", REAL) };
    let cry = |revision| AlarmDocument { occurrence: 2, ..smoke(revision) };
    world.alarm(&cry(3), false);
    assert_eq!(refused(world.case_with(stale)), "newer_cry", "nobody has seen the second cry yet");
    let mut world = smoky();
    taken(world.case("u-8", FALSE_ALARM, "炒菜"));
    world.event(&change(3, AlarmChange::Repeated, cry(3)));
    world.kill();
    assert_eq!((&world.rows()[0]["case"], &world.rows()[0]["conclusion"]), (&"new".into(), &Json::Null));
    let case = &world.board.cases(ListState::All)[0];
    assert_eq!((&case["closed"], &case["steps"][2]["step"]), (&Json::Null, &"cried_again".into()));
    world.event(&change(4, AlarmChange::Finished, AlarmDocument { occurrence: 2, ..finished(4) }));
    assert_eq!(world.rows().len(), 1, "the old conclusion was not about this cry");
    taken(world.case("u-8", FALSE_ALARM, "又炒菜"));
    assert!(world.rows().is_empty());
    assert_eq!(world.board.cases(ListState::All).len(), 1);
}

#[test]
fn an_acknowledgement_given_elsewhere_accepts_too() {
    let world = smoky();
    let accepted = &world.board.cases(ListState::Open)[0]["accepted"];
    assert_eq!(accepted["by"], "u-7");
    assert_eq!(world.log[0].from, "gateway heping/gw-1");
}

#[test]
fn closed_cases_leave_memory_and_stay_on_disk() {
    let mut world = World::new();
    let many = bounds::CLOSED_CASES as u64 + 3;
    for n in 1..=many {
        let id = AlarmId::from_parts(n, 1);
        world.event(&raised(n, acknowledged(AlarmDocument { id, ..smoke(1) })));
        let asked = CaseAsked { case: id, note: Some("演练".into()), ..case_asked("u-8", FALSE_ALARM) };
        taken(world.case_with(asked));
    }
    assert_eq!(world.board.cases(ListState::All).len(), bounds::CLOSED_CASES);
    let first = AlarmId::from_parts(1, 1);
    assert!(world.board.case(first).is_none());
    let kept = &world.kept[&shouwang_board::closed_case_key(first)];
    assert_eq!(shouwang_board::closed_case(kept).unwrap()["conclusion"], "false_alarm");
    let again = CaseAsked { case: first, ..case_asked("u-8", CaseStep::Accept) };
    assert_eq!(refused(world.case_with(again.clone())), "closed");
    world.kill();
    assert_eq!(refused(world.case_with(again)), "closed");
    let row = world.rows().into_iter().find(|row| row["id"] == json!(first)).unwrap();
    assert_eq!(row["case"], "closed", "its alarm is still open");
    // Its next cry makes a case of its own.
    let cry = AlarmDocument { id: first, occurrence: 2, ..smoke(2) };
    world.event(&change(many + 1, AlarmChange::Repeated, cry));
    assert_eq!(world.board.case(first).unwrap()["state"], "new");
}

#[test]
fn the_hash_tells_that_a_case_changed() {
    let mut world = smoky();
    let before = world.board.open_hash();
    world.case("u-8", dispatch("王"), "");
    let after = world.board.open_hash();
    assert_ne!(before, after);
    world.kill();
    assert_eq!(world.board.open_hash(), after);
}

#[test]
fn what_a_case_remembers_is_bounded() {
    let mut world = smoky();
    let mut sequence = 2;
    for occurrence in 2..=60 {
        taken(world.case("u-8", FALSE_ALARM, "炒菜"));
        sequence += 1;
        let cry = AlarmDocument { occurrence, ..acknowledged(smoke(occurrence + 2)) };
        world.event(&change(sequence, AlarmChange::Repeated, cry));
    }
    let case = &world.board.cases(ListState::Open)[0];
    assert_eq!(case["steps"].as_array().unwrap().len(), 64);
    assert_eq!(case["earlier_steps"].as_u64().unwrap() + 64, case["revision"].as_u64().unwrap());
}

#[test]
fn a_note_and_a_call_to_119_are_kept_and_move_nothing_but_acceptance() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    assert_eq!(refused(world.case("u-7", CaseStep::Note, "")), "note_missing");
    let case = taken(world.case("u-7", CaseStep::Note, "楼道有烟味"));
    assert_eq!(case["state"], "new", "words are no acceptance");
    let case = taken(world.case("u-7", CaseStep::Called { service: Service::Fire }, ""));
    assert_eq!(case["state"], "accepted", "whoever called 119 has taken it on");
    let steps: Vec<_> =
        case["steps"].as_array().unwrap().iter().map(|step| (&step["step"], &step["detail"])).collect();
    assert_eq!(
        steps,
        [(&json!("note"), &Json::Null), (&json!("accept"), &Json::Null), (&json!("called"), &json!("119"))]
    );

    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(smoke(2))));
    taken(world.case("u-7", FALSE_ALARM, "油烟"));
    assert_eq!(refused(world.case("u-7", CaseStep::Note, "再看一眼")), "closed");
}
