//! Stories of a drill: played here by a script, answered here, told to nobody, and below everything that is real.
use shouwang_board::{DeskAsked, DeskStep, DrillStep, Input, ListState, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

fn ask(world: &mut World, step: DeskStep) -> Outcome {
    let asked = DeskAsked { by: "lead".into(), from: "192.0.2.7".into(), step };
    world.give(Input::DeskAsked { ticket: 9, asked });
    world.answers.pop().unwrap().1
}

fn script(steps: &[(u32, &str)]) -> DeskStep {
    let step = |(after_s, device): &(u32, &str)| DrillStep {
        after_s: *after_s,
        device: id(device),
        condition: "smoke".into(),
    };
    DeskStep::StartDrill(steps.iter().map(step).collect())
}

fn started(steps: &[(u32, &str)]) -> World {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3"), ("smoke-2", "b3")]);
    let outcome = ask(&mut world, script(steps));
    assert!(matches!(&outcome, Outcome::Taken { row } if row["running"] == true), "{outcome:?}");
    world
}

fn drilled(world: &World) -> Vec<serde_json::Value> {
    world.rows().into_iter().filter(|row| row["mode"] == "drill").collect()
}

fn acknowledge(world: &mut World, row: &serde_json::Value, request: Request) -> Outcome {
    let alarm = row["id"].as_str().unwrap().parse().unwrap();
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    world.answers.pop().unwrap().1
}

fn code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Refused { code, .. } => code,
        _ => "none",
    }
}

#[test]
fn a_script_is_played_answered_here_and_read_as_a_table() {
    let mut world = started(&[(90, "smoke-2"), (30, "smoke-1")]);
    assert!(drilled(&world).is_empty());
    world.pass(29);
    assert!(drilled(&world).is_empty());
    world.pass(1);
    let first = drilled(&world).remove(0);
    assert_eq!((&first["device"], &first["sound"]), (&"smoke-1".into(), &"double".into()));
    assert!(!world.board.situation()["drill"].is_null());

    world.pass(12);
    assert_eq!(code(&acknowledge(&mut world, &first, Request::Silence)), "drill");
    assert!(matches!(acknowledge(&mut world, &first, Request::Acknowledge), Outcome::Taken { .. }));
    assert_eq!(drilled(&world)[0]["sound"], "none");
    let is_resend = |(name, _): &(CommandName, CommandPayload)| *name == CommandName::Resend;
    assert!(world.commands.iter().all(is_resend), "no gateway hears of it");
    world.pass(60);
    let table = world.board.drill_words();
    let items = table["items"].as_array().unwrap();
    let told = (&items[0]["acknowledged"]["by"], &items[0]["seconds"]);
    assert_eq!(told, (&"u-7".into(), &12.into()));
    assert!(items[1]["acknowledged"].is_null() && !items[1]["raised_at"].is_null());
    assert_eq!(code(&ask(&mut world, script(&[(0, "smoke-1")]))), "drill_runs");

    ask(&mut world, DeskStep::StopDrill);
    assert!(drilled(&world).is_empty());
    let finished = world.board.list(ListState::All);
    assert_eq!(finished.iter().filter(|row| row["mode"] == "drill").count(), 2, "not forgotten");
    let ends = world.log.iter().filter(|line| line.what.starts_with("drill."));
    let ends: Vec<_> = ends.map(|line| line.new.as_deref().unwrap()).collect();
    assert_eq!(ends, ["2 alarms", "1 of 2 acknowledged"]);
    assert_eq!(code(&ask(&mut world, DeskStep::StopDrill)), "no_drill");
}

#[test]
fn what_is_real_stands_above_a_drill_and_sounds_louder() {
    let mut world = started(&[(0, "smoke-1")]);
    assert_eq!(drilled(&world).len(), 1, "at once");
    let live = AlarmDocument { priority: Priority::Ordinary, class: Class::Air, ..smoke(1) };
    world.event(&raised(1, live));
    assert_eq!(world.rows()[0]["mode"], "live");
    let emergency = AlarmDocument { id: AlarmId::from_parts(2, 2), device: id("smoke-1"), ..smoke(1) };
    world.event(&raised(2, emergency));
    assert_eq!((&world.rows()[0]["sound"], &world.rows()[0]["mode"]), (&"sweep".into(), &"live".into()));
    assert_eq!(drilled(&world).len(), 1, "both are there, of the same device");
}

#[test]
fn a_drill_ends_after_two_hours_or_with_the_process() {
    let mut world = started(&[(0, "smoke-1")]);
    world.pass(7_199);
    assert_eq!(drilled(&world).len(), 1);
    world.pass(1);
    assert!(drilled(&world).is_empty());
    assert_eq!(world.board.drill_words()["running"], false);

    let mut world = started(&[(0, "smoke-1"), (60, "smoke-2")]);
    let row = drilled(&world).remove(0);
    acknowledge(&mut world, &row, Request::Acknowledge);
    world.kill();
    world.pass(120);
    assert!(drilled(&world).is_empty());
    let table = world.board.drill_words();
    assert_eq!((&table["running"], &table["items"][0]["acknowledged"]["by"]), (&false.into(), &"u-7".into()));
}

#[test]
fn a_script_that_cannot_be_played_is_refused_whole() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3")]);
    assert_eq!(code(&ask(&mut world, script(&[]))), "script");
    assert_eq!(code(&ask(&mut world, script(&[(0, "smoke-1"), (1, "smoke-9")]))), "unknown_device");
    assert_eq!(code(&ask(&mut world, script(&[(7_200, "smoke-1")]))), "too_long");
    assert!(world.rows().is_empty());
}
