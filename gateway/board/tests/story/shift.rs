//! Shifts: who comes, who may go, what the two-hour line and 查岗 ask, and what a signed sheet holds.
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use shouwang_board::{Input, LogbookEnd, Outcome, Request, ShiftAsked, ShiftStep};
use shouwang_message::*;

use crate::world::*;

const HOUR: u64 = 3_600;

impl World {
    /// `ok`, or the code of the refusal.
    pub(crate) fn shift(&mut self, by: &str, step: ShiftStep) -> String {
        let asked = ShiftAsked { by: by.into(), from: "192.0.2.7".into(), step };
        self.give(Input::ShiftAsked { ticket: 9, asked });
        match self.answers.pop().unwrap() {
            (9, Outcome::ShiftTaken { .. }) => "ok".into(),
            (9, Outcome::Refused { code, text }) => {
                assert!(!text.zh.is_empty() && !text.en.is_empty());
                code.into()
            }
            other => format!("{other:?}"),
        }
    }

    fn hand_over(&mut self, by: &str, to: &str, leaving: &[&str]) -> String {
        let leaving = leaving.iter().map(ToString::to_string).collect();
        let logbook = LogbookEnd { number: 7, hash: "ab".into() };
        self.shift(by, ShiftStep::HandOver { to: to.into(), leaving, proven: true, logbook })
    }

    fn on_duty(&self) -> Vec<String> {
        let shift = self.board.shift();
        shift["on_duty"].as_array().unwrap().iter().map(|one| one["by"].as_str().unwrap().into()).collect()
    }

    fn warnings(&self) -> Vec<String> {
        let shift = self.board.shift();
        shift["warnings"].as_array().unwrap().iter().map(|text| text["en"].as_str().unwrap().into()).collect()
    }

    /// The logbook's words about shifts and roll calls since the last look.
    fn told(&mut self) -> Vec<String> {
        let lines = std::mem::take(&mut self.log);
        let ours =
            lines.iter().filter(|line| line.what.starts_with("shift") || line.what.starts_with("roll"));
        ours.map(|line| format!("{} {} {:?}->{:?}", line.what, line.by, line.old, line.new)).collect()
    }

    /// Lets time pass until it is this hour in China.
    fn until_hour(&mut self, hour: u64) {
        let local_s = wall(self.now).unix_ms().cast_unsigned() / 1_000 + 8 * HOUR;
        self.pass((hour * HOUR + 24 * HOUR - local_s % (24 * HOUR)) % (24 * HOUR));
    }
}

#[test]
fn nobody_leaves_an_empty_desk() {
    let mut world = World::new();
    assert_eq!(world.shift("li", ShiftStep::Leave), "not_on_duty");
    assert!(world.warnings().is_empty(), "no shift was ever begun here");
    assert_eq!(world.shift("li", ShiftStep::Begin), "ok");
    assert_eq!(world.shift("li", ShiftStep::Begin), "ok", "pressed twice");
    assert_eq!(world.warnings(), ["1 on duty, 2 are needed"]);
    assert_eq!(world.shift("li", ShiftStep::Leave), "not_relieved");
    for by in ["wang", "chen", "zhao"] {
        assert_eq!(world.shift(by, ShiftStep::Begin), "ok");
    }
    assert_eq!(world.shift("sun", ShiftStep::Begin), "too_many");
    assert!(world.warnings().is_empty());
    assert_eq!(world.shift("li", ShiftStep::Leave), "ok");
    // A restart forgets nobody.
    world.kill();
    assert_eq!(world.on_duty(), ["wang", "chen", "zhao"]);
    assert_eq!(world.told()[0], "shift.begin li None->Some(\"li\")");
    world.pass(8 * HOUR + 1);
    world.give(Input::Woke);
    assert_eq!(world.warnings().len(), 3, "{:?}", world.warnings());
    assert_eq!(world.warnings()[0], "wang has been on duty for 8 h, 8 are the limit");
    assert_eq!(world.shift("wang", ShiftStep::Begin), "ok", "a warning refuses nothing");
}

#[test]
fn every_two_hours_the_state_is_written_and_asks_one_key() {
    let mut world = World::new();
    world.pass(24 * HOUR);
    assert!(world.told().is_empty(), "nobody on duty, nobody to ask");
    world.until_hour(8);
    world.shift("li", ShiftStep::Begin);
    world.event(&raised(1, smoke(1)));
    world.told();
    world.pass(2 * HOUR - 1);
    assert!(world.told().is_empty());
    world.pass(1);
    // The alarm, and its gateway that has gone silent.
    let line = "online 100 % (0/0), open 2, boards 1, on duty 1";
    assert_eq!(world.told(), [format!("shift.line duty-1 None->Some({line:?})")]);
    assert_eq!(world.board.shift()["line"]["seen"], Json::Null);
    assert_eq!(world.shift("li", ShiftStep::SeeLine), "ok");
    assert_eq!(world.told(), ["shift.line_seen li None->Some(\"li\")"]);
    world.shift("li", ShiftStep::SeeLine);
    assert!(world.told().is_empty(), "seen once is seen");
    // Half an hour of the next two is spent in a restart.
    world.pass(HOUR);
    world.now = world.now + std::time::Duration::from_secs(HOUR / 2);
    world.kill();
    world.pass(HOUR / 2);
    assert_eq!(world.told().len(), 1);
    world.pass(2 * HOUR);
    assert!(world.told()[0].contains("the line before was not seen"));
}

#[test]
fn an_emergency_that_nobody_acknowledged_blocks_the_handover_and_is_named() {
    let mut world = World::new();
    world.shift("li", ShiftStep::Begin);
    world.event(&raised(1, smoke(1)));
    assert_eq!(world.hand_over("li", "wang", &[]), "emergency_waiting");
    assert_eq!(world.board.handover()["blocked"][0]["id"], SMOKE);
    world.ask(1, "li", Request::Acknowledge);
    assert_eq!(world.board.handover()["blocked"], json!([]));
    assert_eq!(world.hand_over("wang", "li", &[]), "not_on_duty");
    assert_eq!(world.hand_over("li", "li", &[]), "same_person");
    assert_eq!(world.hand_over("li", "wang", &["chen"]), "not_on_duty");
    assert_eq!(world.hand_over("li", "wang", &[]), "ok");
    assert_eq!(world.on_duty(), ["wang"]);
}

#[test]
fn a_signed_sheet_holds_what_the_next_shift_must_know_and_its_hash_is_in_the_logbook() {
    let mut world = World::new();
    world.shift("li", ShiftStep::Begin);
    world.shift("chen", ShiftStep::Begin);
    world.event(&raised(1, smoke(1)));
    world.pass(20);
    let acknowledged = Acknowledged { by: "li".into(), at: wall(world.now) };
    let raised_at = Timestamp::from_unix_ms(acknowledged.at.unix_ms() - 18_000);
    let document = AlarmDocument { acknowledged: Some(acknowledged), raised_at, ..smoke(2) };
    world.event(&event(2, EventData::Alarm(AlarmChange::Acknowledged, document.into())));
    world.shift("chen", ShiftStep::Note { text: "402 老人耳背,敲门要大声".into() });
    world.told();
    assert_eq!(world.hand_over("li", "wang", &["chen"]), "ok");

    let key = world.kept.keys().find(|key| key.starts_with("sheet/")).unwrap().clone();
    let text = world.kept[&key].clone();
    let sheet: Json = serde_json::from_str(&text).unwrap();
    assert_eq!(sheet["rows"]["alarms"]["items"][0]["id"], SMOKE);
    assert_eq!(sheet["notes"][0]["text"], "402 老人耳背,敲门要大声");
    let figures = &sheet["figures"];
    assert_eq!((&figures["alarms"], &figures["emergencies"]), (&1.into(), &1.into()));
    assert_eq!(figures["slowest_ms"], 18_000);
    assert_eq!(
        (&sheet["from"], &sheet["to"], &sheet["leaving"]),
        (&"li".into(), &"wang".into(), &json!(["chen"]))
    );
    assert_eq!(sheet["logbook"], json!({"number": 7, "hash": "ab"}));
    let line = world.log.iter().find(|line| line.what == "shift.handover").unwrap();
    let hash =
        Sha256::digest(text.as_bytes()).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(line.note, Some(format!("sha256 {hash}")));
    assert_eq!(format!("sheet/{}", line.about.clone().unwrap()), key);

    // The next shift begins with nothing of it, and knows its sheet.
    world.kill();
    let shift = world.board.shift();
    assert_eq!(
        (&shift["number"], &shift["notes"], &shift["figures"]["alarms"]),
        (&2.into(), &json!([]), &0.into())
    );
    assert_eq!(shift["sheets"][0]["sha256"], hash.as_str());
    assert_eq!(world.on_duty(), ["wang"]);
}

#[test]
fn once_or_twice_a_night_somebody_must_press_a_key() {
    let mut world = World::new();
    world.until_hour(12);
    world.shift("li", ShiftStep::Begin);
    let mut nights = Vec::new();
    let mut moments = Vec::new();
    for _ in 0..40 {
        let mut asked = 0;
        for _ in 0..24 * 60 {
            world.pass(60);
            if world.board.is_calling_roll() {
                asked += 1;
                let local_min = (wall(world.now).unix_ms() / 60_000 + 8 * 60) % (24 * 60);
                assert!(!(5 * 60 + 31..22 * 60 + 30).contains(&local_min), "asked by day: {local_min}");
                moments.push(local_min);
                assert_eq!(world.shift("li", ShiftStep::AnswerRoll), "ok");
                assert!(!world.board.is_calling_roll());
            }
        }
        nights.push(asked);
    }
    assert!(nights.iter().all(|asked| (1..=2).contains(asked)), "{nights:?}");
    assert!(nights.contains(&1) && nights.contains(&2), "{nights:?}");
    moments.sort_unstable();
    moments.dedup();
    assert!(moments.len() > 30, "they can be guessed: {moments:?}");
    assert!(world.rows().is_empty());
}

#[test]
fn a_roll_call_without_an_answer_is_a_row_until_somebody_answers() {
    let mut world = World::new();
    assert_eq!(world.shift("wang", ShiftStep::CallRoll), "nobody_on_duty");
    world.shift("li", ShiftStep::Begin);
    world.told();
    assert_eq!(world.shift("wang", ShiftStep::CallRoll), "ok");
    world.pass(299);
    assert!(world.rows().is_empty());
    world.pass(1);
    assert_eq!(world.shown(), ["fault roll_call_unanswered r0 active"]);
    assert_eq!(world.rows()[0]["priority"], "urgent");
    // Neither time nor a restart answers.
    world.kill();
    world.pass(600);
    assert_eq!(world.shown(), ["fault roll_call_unanswered r0 active"]);
    world.shift("li", ShiftStep::AnswerRoll);
    assert!(world.rows().is_empty());
    let told: Vec<String> = world.told().iter().map(|line| line.split(' ').next().unwrap().into()).collect();
    assert_eq!(told, ["roll_call.asked", "roll_call.unanswered", "roll_call.answered_late"]);
}

#[test]
fn what_was_not_watched_is_a_sheet_of_boxes_until_somebody_looked() {
    let mut world = World::new();
    world.shift("li", ShiftStep::Begin);
    info(&mut world, &[("smoke-401", "b3"), ("smoke-402", "b3")]);
    world.ready(1, 1);
    // Short: the gateway caught up with it.
    world.pass(40);
    assert!(world.shown()[0].starts_with("gateway gateway_lost r0 active"));
    world.heartbeat(1, 0);
    assert_eq!(world.board.shift()["outages"], json!([]));
    world.pass(600);
    world.heartbeat(1, 0);
    world.pass(600);
    world.heartbeat(1, 0);
    // Twice before anybody looked: one sheet, from the first to the last.
    let shift = world.board.shift();
    let outage = shift["outages"][0].clone();
    assert_eq!((shift["outages"].as_array().unwrap().len(), &outage["times"]), (1, &2.into()));
    let places: Vec<&Json> = outage["boxes"].as_array().unwrap().iter().map(|one| &one["place"]).collect();
    assert_eq!(json!(places), json!(["smoke-401", "smoke-402"]));
    let id: AlarmId = outage["id"].as_str().unwrap().parse().unwrap();
    world.kill();
    assert_eq!(world.shift("li", ShiftStep::LookedAt { outage: id, place: 2 }), "unknown_place");
    assert_eq!(world.shift("li", ShiftStep::LookedAt { outage: id, place: 1 }), "ok");
    assert_eq!(world.shift("li", ShiftStep::LookedAt { outage: id, place: 1 }), "ok", "pressed twice");
    let line = world.log.iter().rfind(|line| line.what == "outage.looked").unwrap();
    assert_eq!((line.new.as_deref(), line.note.as_deref()), (Some("smoke-402"), Some("1 left")));
    // What is not ticked is handed over.
    assert_eq!(world.hand_over("li", "wang", &[]), "ok");
    let sheet = world.kept.iter().find(|(key, _)| key.starts_with("sheet/")).unwrap().1;
    let sheet: Json = serde_json::from_str(sheet).unwrap();
    assert_eq!(
        (&sheet["outages"][0]["boxes"][0]["by"], &sheet["outages"][0]["boxes"][1]["by"]),
        (&Json::Null, &"li".into())
    );
    assert_eq!(world.shift("wang", ShiftStep::LookedAt { outage: id, place: 0 }), "ok");
    assert_eq!(world.board.shift()["outages"], json!([]));
    assert!(!world.kept.keys().any(|key| key.starts_with("outage/")));
    assert_eq!(world.log.iter().filter(|line| line.what == "outage.looked").count(), 2);
}
