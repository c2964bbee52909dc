//! 谁能去?: as many go as are needed, two who press at once are settled, each who comes is counted, and it outlives a restart.
use serde_json::json;
use shouwang_board::{CaseStep, Conclusion, DeskStep, Input, Outcome, ReportKind, report_case};
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

/// Everybody's phone that was told since the last look, and the words.
fn asked_by_sms(world: &mut World) -> Vec<String> {
    let told = world.notices(true);
    let asks = told.iter().filter(|notice| notice.title.contains("谁能去") && notice.channel == id("sms"));
    asks.map(|notice| format!("{}: {}", notice.to[0].name, notice.short)).collect()
}

#[test]
fn everybody_who_is_asked_is_texted_once_in_the_order_they_were_named_and_a_reply_is_a_claim() {
    let mut world = World::with(crate::people::settings());
    let told = report(&world, "phone-0001", ReportKind::Other);
    let id = report_case("u-7", &told.id, told.at);
    world.desk("u-7", DeskStep::Report(told));
    let asked = world.step_of(id, "u-7", ask(1, &["zhao某", "wang某", "路人", "li某"]));
    assert_eq!(code(&asked), "taken");
    let texts = asked_by_sms(&mut world);
    let words = "【值班室】青石桥下穿其他情况:水到膝盖,谁能去?需1人,能去请回复1";
    assert_eq!(texts, ["zhao某", "wang某", "li某"].map(|name| format!("{name}: {words}")));
    let lines = world.escalation();
    assert!(lines.iter().any(|line| line == "tell.ask sms zhao某: waiting"), "{lines:#?}");
    assert!(
        world.log.iter().all(|line| !format!("{line:?}").contains("13800138002")),
        "no number in the log"
    );

    // Nobody is texted twice, over a restart too; who comes to it later is.
    world.kill();
    world.pass(3_000);
    assert_eq!(asked_by_sms(&mut world), Vec::<String>::new());
    assert_eq!(code(&world.step_of(id, "u-7", ask(1, &["desk-1某"]))), "taken");
    assert_eq!(asked_by_sms(&mut world).len(), 1);

    let reply = |phone: &str| Input::Replied { phone: phone.into(), text: "1".into(), sent_at: None };
    world.give(reply("13800138002"));
    let task = world.board.case(id).unwrap()["broadcast"].clone();
    assert_eq!((&task["going"], task["asked"][0]["going"].is_string()), (&json!(1), true), "{task}");
    world.give(reply("13800138000"));
    let line = world.log.iter().rfind(|line| line.what == "sms.reply").unwrap();
    assert_eq!(line.new.as_deref(), Some("full"));

    // Enough go: nobody else is woken for it.
    assert_eq!(code(&world.step_of(id, "u-7", ask(1, &["desk-2某"]))), "taken");
    assert_eq!(asked_by_sms(&mut world), Vec::<String>::new());
}
