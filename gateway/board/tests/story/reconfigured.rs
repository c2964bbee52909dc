//! Stories of another configuration for a board that runs: an open alarm climbs on from where it is, whoever was told is
//! not told again, and a file that cannot be used changes nothing.
use std::time::Duration;

use shouwang_board::organisation::Target;
use shouwang_board::{Escalation, Input, Night, Reach, Request, Settings, Step};
use shouwang_message::*;

use crate::ladder::burning;
use crate::people::*;
use crate::world::*;

impl World {
    fn reconfigure(&mut self, settings: &Settings) {
        self.settings = settings.clone();
        self.give(Input::Reconfigured { settings: Box::new(settings.clone()), from: "signal".into() });
    }

    fn refused(&self) -> Vec<String> {
        let rows = self.rows().into_iter().filter(|row| row["condition"] == "configuration");
        rows.map(|row| row["text"]["zh"].as_str().unwrap().to_owned()).collect()
    }
}

fn rung(after_s: u64, channel: &str, role: &str) -> Step {
    let to = vec![Target::Role(id(role))];
    Step { after: Duration::from_secs(after_s), channels: vec![id(channel)], to }
}

/// The ladder of these stories with other steps for emergencies.
fn with_steps(steps: Vec<Step>) -> Settings {
    let mut settings = settings();
    settings.escalation.steps.insert(Priority::Emergency, steps);
    settings
}

fn steps() -> Vec<Step> {
    settings().escalation.steps[&Priority::Emergency].clone()
}

#[test]
fn the_same_file_again_tells_nobody_again_and_moves_no_deadline() {
    let mut world = burning();
    assert_eq!(world.tells().len(), 2);
    world.pass(20);
    world.reconfigure(&settings());
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    world.pass(9);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells(), ["1 sms desk-1: 火警 · 待确认", "1 sms desk-2: 火警 · 待确认"]);
    assert_eq!(world.row()["escalation"]["step"], 2);
}

#[test]
fn another_ladder_goes_on_behind_the_step_taken_last() {
    let mut world = burning();
    world.tells();
    world.pass(30);
    assert_eq!(world.tells().len(), 2, "the desk, at 30 s");
    world.pass(5);
    // Two steps come before the one taken last and one behind it: what is past is not made up for, the rest is in time.
    let mut other = steps();
    other.insert(1, rung(10, "robot", "on-duty"));
    other.insert(2, rung(20, "robot", "on-duty"));
    other.insert(4, rung(45, "voice", "secretary"));
    world.reconfigure(&with_steps(other));
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    assert_eq!(world.row()["escalation"]["of"], 7);
    world.pass(10);
    assert_eq!(world.tells(), ["4 voice chen: 火警 · 待确认"]);
    world.pass(15);
    assert_eq!(world.tells(), ["5 voice desk-1: 火警 · 待确认", "5 voice desk-2: 火警 · 待确认"]);
    world.pass(120);
    assert_eq!(world.tells(), ["6 sms chen: 火警 · 待确认", "6 voice chen: 火警 · 待确认"]);
}

#[test]
fn steps_that_were_taken_away_and_come_back_are_not_taken_again() {
    let mut world = burning();
    world.tells();
    world.pass(60);
    assert_eq!(world.tells().len(), 4);
    world.reconfigure(&with_steps(Vec::new()));
    world.pass(10);
    // Killed in between, as a restart for another key would.
    world.kill();
    world.reconfigure(&settings());
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    world.pass(110);
    assert_eq!(world.tells(), ["3 sms chen: 火警 · 待确认", "3 voice chen: 火警 · 待确认"]);
}

#[test]
fn a_step_that_failed_under_its_old_number_does_not_hurry_the_next() {
    let mut world = burning();
    world.tells();
    world.pass(30);
    // The texts at 30 s fail twice: the call of the desk does not wait for its 60 s.
    world.fails();
    world.pass(10);
    world.fails();
    assert_eq!(world.tells().len(), 2, "the voice call");
    let without_texts = vec![steps()[0].clone(), steps()[2].clone(), steps()[3].clone()];
    world.reconfigure(&with_steps(without_texts));
    world.pass(139);
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    world.pass(1);
    assert_eq!(world.tells().len(), 2);
}

#[test]
fn who_was_to_be_told_of_nothing_is_told_now() {
    let quiet = Settings { escalation: Escalation::default(), ..settings() };
    let mut world = World::with(quiet);
    world.event(&raised(1, placed(smoke(1))));
    world.pass(60);
    assert!(world.tells().is_empty());
    world.reconfigure(&settings());
    assert_eq!(world.tells(), ["0 robot wang: 火警 · 待确认", "0 platform wang: 火警 · 待确认"]);
}

#[test]
fn other_people_are_told_by_the_next_step_and_an_acknowledgement_stays() {
    let mut world = burning();
    world.tells();
    let mut others = settings();
    others.organisation.persons.retain(|person| person.id != id("desk-2"));
    for person in &mut others.organisation.persons {
        if person.id == id("desk-1") {
            person.phone = Some("13900000001".into());
        }
    }
    world.reconfigure(&others);
    world.pass(30);
    let told = world.notices(true);
    let to: Vec<_> = told.iter().flat_map(|notice| &notice.to).collect();
    assert_eq!(to.iter().map(|to| to.phone.as_deref()).collect::<Vec<_>>(), [Some("13900000001")]);
    world.ask(1, "desk-1", Request::Acknowledge);
    world.reconfigure(&settings());
    world.pass(200);
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    assert!(!world.row()["acknowledged"].is_null());
}

#[test]
fn a_channel_that_is_no_more_leaves_no_fault_behind() {
    let mut world = burning();
    world.fails();
    world.pass(10);
    world.fails();
    assert!(world.is_channel_failing());
    let mut other = settings();
    other.escalation.channels = [(id("sms"), Reach::Person { answers: true })].into();
    other.escalation.steps.insert(Priority::Emergency, vec![rung(0, "sms", "on-duty")]);
    world.reconfigure(&other);
    assert!(!world.is_channel_failing(), "{:?}", world.shown());
}

#[test]
fn the_night_begins_when_the_new_file_says_so() {
    let mut world = World::with(settings());
    let is_night = |world: &World| world.board.situation()["night"] == true;
    // 16:00 in China.
    assert!(!is_night(&world));
    let all_day = Night { from: 15 * 60, to: 17 * 60, utc_offset: 8 * 60 };
    world.reconfigure(&Settings { night: all_day, ..settings() });
    assert!(is_night(&world));
    world.reconfigure(&settings());
    assert!(!is_night(&world));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing_and_says_so_until_one_can() {
    let mut world = burning();
    world.tells();
    let why = |words: &str| Text::new(words, words);
    let no = |words: &str| Input::NotReconfigured { why: why(words), from: "signal".into() };
    world.give(no("duty-room.toml:3:1: unknown key colour"));
    assert_eq!(world.refused(), ["新配置未生效:duty-room.toml:3:1: unknown key colour"]);
    let first = world.rows().into_iter().find(|row| row["condition"] == "configuration").unwrap();
    world.give(no("duty-room.toml:3:1: unknown key colour"));
    let again = world.rows().into_iter().find(|row| row["condition"] == "configuration").unwrap();
    assert_eq!(first["id"], again["id"], "one row, not two");
    world.give(no("duty-room.toml:4:1: name is missing"));
    assert_eq!(world.refused(), ["新配置未生效:duty-room.toml:4:1: name is missing"]);
    world.pass(30);
    assert_eq!(world.tells().len(), 2, "it climbs on");
    world.reconfigure(&settings());
    assert!(world.refused().is_empty());
    let logged: Vec<_> = world.log.iter().filter(|line| line.what.starts_with("configuration")).collect();
    assert_eq!(logged.len(), 4);
    assert_eq!(logged[3].what, "configuration.in_force");
}
