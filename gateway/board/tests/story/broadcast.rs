//! 谁能去?: as many go as are needed, two who press at once are settled, each who comes is counted, and it outlives a restart.
use serde_json::json;
use shouwang_board::{CaseStep, Conclusion, DeskStep, Outcome, ReportKind, report_case};
use shouwang_message::*;

use crate::report::report;
use crate::world::*;

/// A dyke that needs people, and its case.
fn dyke() -> (World, AlarmId) {
    let mut world = World::new();
    let told = report(&world, "phone-0001", ReportKind::Other);
    let id = report_case("u-7", &told.id, told.at);
    world.desk("u-7", DeskStep::Report(told));
    (world, id)
}

fn ask(needed: u16, names: &[&str]) -> CaseStep {
    CaseStep::Broadcast { needed, to: names.iter().map(ToString::to_string).collect() }
}

fn claim(name: &str) -> CaseStep {
    CaseStep::Claim { person: Some(name.into()) }
}

fn arrive(name: &str) -> CaseStep {
    CaseStep::Arrive { person: Some(name.into()) }
}

fn code(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Refused { code, .. } => code,
        Outcome::CaseTaken { .. } => "taken",
        Outcome::CaseAlready { .. } => "already",
        _ => "?",
    }
}

#[test]
fn as_many_go_as_are_needed_and_each_counts_once() {
    let (mut world, id) = dyke();
    let asked = world.step_of(id, "u-7", ask(2, &["王", "李", "赵", "王"]));
    let Outcome::CaseTaken { case } = asked else { panic!("{asked:?}") };
    let task = &case["broadcast"];
    assert_eq!((&task["needed"], &task["going"], &task["arrived"]), (&json!(2), &json!(0), &json!(0)));
    assert_eq!(task["asked"].as_array().unwrap().len(), 3);
    assert!(world.rows()[0]["acknowledged"].is_object(), "whoever asks has seen it");

    // Two press for the last place.
    for (name, became) in
        [("王", "taken"), ("李", "taken"), ("赵", "full"), ("王", "already"), ("路人", "not_asked")]
    {
        let outcome = world.step_of(id, name, claim(name));
        assert_eq!(code(&outcome), became, "{name}");
    }
    world.kill();
    let outcome = world.step_of(id, "赵", claim("赵"));
    let Outcome::Refused { code: "full", text } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(text.zh, "已有人认领,人已够(需 2 人),谢谢");

    // One who did not say so comes all the same; one more is needed, and there is a place again.
    for (name, became) in [("王", "taken"), ("王", "already"), ("赵", "taken")] {
        assert_eq!(code(&world.step_of(id, name, arrive(name))), became, "{name}");
    }
    let task = &world.board.case(id).unwrap()["broadcast"];
    assert_eq!((&task["going"], &task["arrived"]), (&json!(3), &json!(2)));
    assert_eq!(code(&world.step_of(id, "u-7", ask(4, &["孙"]))), "taken");
    assert_eq!(code(&world.step_of(id, "孙", claim("孙"))), "taken");

    let names: Vec<&str> = vec!["孙"];
    assert_eq!(world.board.cases_of(&names).len(), 1);
    assert!(world.board.cases_of(&["路人"]).is_empty());
    world.step_of(id, "u-7", CaseStep::Handle { conclusion: Conclusion::Real, of: None });
    assert_eq!(code(&world.step_of(id, "李", arrive("李"))), "concluded");
    assert_eq!(code(&world.step_of(id, "u-7", ask(9, &["周"]))), "concluded");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (mut world, id) = dyke();
    let many: Vec<String> = (0..129).map(|n| format!("p{n}")).collect();
    for (step, became) in [
        (ask(3, &[]), "people_missing"),
        (ask(0, &["王"]), "needed"),
        (ask(129, &["王"]), "needed"),
        (CaseStep::Broadcast { needed: 3, to: many }, "too_many"),
    ] {
        assert_eq!(code(&world.step_of(id, "u-7", step)), became);
    }
    assert!(world.board.case(id).unwrap()["broadcast"].is_null());
}
