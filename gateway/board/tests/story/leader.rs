//! Stories of the leader: who is told that nobody is on watch or that a roll call has no answer, how often, and what
//! is told when somebody is there again.
use std::time::Duration;

use shouwang_board::organisation::{Person, Target};
use shouwang_board::{Input, Notice, Settings, ShiftStep, Step};

use crate::people::*;
use crate::world::*;

/// The leader at once; the secretary too after five minutes.
fn led() -> Settings {
    let mut settings = settings();
    let leader = Some(id("leader"));
    let phone = Some("13800138009".into());
    settings.organisation.persons.push(Person {
        id: id("zhou"),
        name: "周班长".into(),
        phone,
        wecom: None,
        role: leader,
        of: None,
    });
    let step = |after_s, to: &str| Step {
        after: Duration::from_secs(after_s),
        channels: vec![id("sms")],
        to: vec![Target::Role(id(to))],
    };
    settings.escalation.watch = vec![step(0, "leader"), step(300, "secretary")];
    settings
}

impl World {
    /// Who is told what since the last look; the channel takes it, or not.
    fn texts_and(&mut self, is_taken: bool) -> Vec<String> {
        let text = |notice: &Notice| format!("{}: {}", notice.to[0].person, notice.short);
        self.notices(is_taken).iter().map(text).collect()
    }

    fn texts(&mut self) -> Vec<String> {
        self.texts_and(true)
    }

    fn boards(&mut self, boards: u32) {
        self.give(Input::Armed { boards });
    }
}

const NOBODY: &str = "zhou: 【值班室】duty-1无人值守(没有能发声的值守页),请派人到岗并回复1";
const SECRETARY: &str = "chen: 【值班室】duty-1无人值守(没有能发声的值守页),请派人到岗并回复1";
const ROLL_CALL: &str = "zhou: 【值班室】duty-1查岗 5 分钟无人应答,请派人到岗并回复1";

#[test]
fn nobody_on_watch_is_told_to_the_leader_and_then_to_the_secretary_and_its_end_to_both() {
    let mut world = World::with(led());
    world.boards(0);
    world.pass(59);
    assert!(world.texts().is_empty());
    world.pass(1);
    assert_eq!(world.texts(), [NOBODY]);
    let row = world.rows()[0].clone();
    assert_eq!(row["condition"], "nobody_on_watch");
    assert_eq!((&row["escalation"]["step"], &row["escalation"]["of"]), (&1.into(), &2.into()));
    world.pass(299);
    assert!(world.texts().is_empty(), "that nobody watches is no reason to hurry past the leader");
    world.pass(1);
    assert_eq!(world.texts(), [SECRETARY]);
    world.pass(7_200);
    assert!(world.texts().is_empty(), "{:?}", world.escalation());
    world.boards(1);
    let over = world.texts();
    assert_eq!(over.len(), 2, "{over:?}");
    assert!(over.iter().all(|told| told.contains("duty-1无人值守") && told.contains("已恢复")), "{over:?}");
    assert!(world.rows().is_empty());
    assert_eq!(
        world.escalation(),
        [
            "escalation.step step 0, 0 s",
            "tell.step sms zhou: waiting",
            "tell.step sms zhou: delivered 0.0 s",
            "escalation.step step 1, 300 s",
            "tell.step sms chen某: waiting",
            "tell.step sms chen某: delivered 0.0 s",
            "tell.recovered sms zhou: waiting",
            "tell.recovered sms chen某: waiting",
            "tell.recovered sms zhou: delivered 0.0 s",
            "tell.recovered sms chen某: delivered 0.0 s",
        ]
        .map(|line| line.replace("zhou", "周班长"))
    );
    assert!(world.kept.keys().all(|key| !key.starts_with("ladder/")), "{:?}", world.kept);
}

#[test]
fn with_an_emergency_that_waits_the_leader_hears_it_sooner_and_with_the_second_path() {
    let mut world = World::with(led());
    world.event(&raised(1, placed(smoke(1))));
    world.texts();
    world.boards(0);
    world.pass(30);
    let told = world.texts();
    assert!(told.contains(&NOBODY.to_owned()), "{told:?}");
    assert_eq!(told.len(), 3, "and both on duty of the smoke: {told:?}");
}

#[test]
fn a_roll_call_without_an_answer_is_told_once_and_its_late_answer_too() {
    let mut world = World::with(led());
    assert_eq!(world.shift("u-1", ShiftStep::Begin), "ok");
    assert_eq!(world.shift("u-1", ShiftStep::CallRoll), "ok");
    world.pass(299);
    assert!(world.texts().is_empty());
    world.pass(1);
    assert_eq!(world.texts(), [ROLL_CALL]);
    assert_eq!(world.shift("u-1", ShiftStep::AnswerRoll), "ok");
    let over = world.texts();
    assert!(matches!(&over[..], [told] if told.starts_with("zhou") && told.contains("已恢复")), "{over:?}");
    assert_eq!(world.shift("u-1", ShiftStep::CallRoll), "ok");
    world.pass(60);
    assert_eq!(world.shift("u-1", ShiftStep::AnswerRoll), "ok");
    world.pass(600);
    assert!(world.texts().is_empty(), "who answers in time wakes nobody");
}

#[test]
fn a_page_that_comes_and_goes_wakes_the_leader_once_in_a_quarter_of_an_hour() {
    let mut world = World::with(led());
    for round in 0..14 {
        world.boards(0);
        world.pass(61);
        let told = world.texts();
        assert_eq!(told.len(), usize::from(round == 0 || round == 13), "round {round}: {told:?}");
        world.boards(1);
        world.texts();
        world.pass(10);
    }
    // And one that stays away is told when the quarter is over.
    world.boards(0);
    world.pass(880);
    assert!(world.texts().is_empty());
    world.pass(60);
    assert_eq!(world.texts(), [NOBODY]);
}

#[test]
fn an_answer_from_the_leaders_phone_acknowledges_it_and_stops_the_climb() {
    let mut world = World::with(led());
    world.boards(0);
    world.pass(60);
    world.texts();
    world.give(Input::Replied { phone: "+8613800138009".into(), text: "1".into(), sent_at: None });
    assert_eq!(world.rows()[0]["acknowledged"]["by"], "zhou");
    world.pass(7_200);
    assert!(world.texts().is_empty(), "{:?}", world.escalation());
}

#[test]
fn a_text_that_nobody_took_is_tried_again_and_then_the_next_person_is_told() {
    let mut world = World::with(led());
    world.boards(0);
    world.pass(60);
    assert_eq!(world.texts_and(false), [NOBODY]);
    world.pass(10);
    assert_eq!(world.texts_and(false).len(), 1);
    world.pass(1);
    assert_eq!(world.texts(), [SECRETARY]);
}

#[test]
fn a_restart_tells_the_leader_nothing_twice_and_still_tells_the_end() {
    let mut world = World::with(led());
    world.boards(0);
    world.pass(60);
    assert_eq!(world.texts(), [NOBODY]);
    // The pages come back a moment after the duty room does.
    world.kill_unwatched();
    world.pass(4);
    assert!(world.texts().is_empty(), "{:?}", world.escalation());
    assert_eq!(world.rows()[0]["condition"], "nobody_on_watch");
    world.kill_unwatched();
    world.pass(100);
    assert!(world.texts().is_empty());
    world.pass(200);
    assert_eq!(world.texts(), [SECRETARY], "the minutes in which no process ran count too");
    world.boards(1);
    assert_eq!(world.texts().len(), 2);
    world.kill();
    world.pass(1_000);
    assert!(world.texts().is_empty() && world.rows().is_empty());
}
