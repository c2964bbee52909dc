//! Stories of the siren on the desk, which sounds with every browser closed.
use shouwang_board::{Input, Request, Settings};
use shouwang_message::*;

use crate::world::*;

/// A desk with a siren.
fn world() -> World {
    World::with(Settings { has_sounder: true, ..Settings::new(id("duty-1")) })
}

fn other(revision: u32) -> AlarmDocument {
    AlarmDocument { id: "01KANEXAMP0000000000000002".parse().unwrap(), ..smoke(revision) }
}

/// What the siren is told from now on, without repetitions.
fn heard_in(world: &mut World, seconds: u64) -> Vec<(u64, bool)> {
    let (began, mut was) = (world.now, *world.sounds.last().unwrap());
    let mut heard = Vec::new();
    world.sounds.clear();
    let end = began + std::time::Duration::from_secs(seconds);
    while let Some(next) = world.board.next_deadline().filter(|next| *next <= end) {
        world.now = world.now.max(next);
        world.give(Input::Woke);
        for on in world.sounds.drain(..) {
            if on != was {
                heard.push((world.now.since(began).as_secs(), on));
            }
            was = on;
        }
    }
    world.now = end;
    world.sounds.push(was);
    heard
}

fn sounds(world: &mut World) -> bool {
    world.pass(1);
    *world.sounds.last().unwrap()
}

#[test]
fn an_emergency_sounds_until_somebody_acknowledges_it() {
    let mut world = world();
    assert!(!sounds(&mut world));
    world.event(&raised(1, smoke(1)));
    assert!(sounds(&mut world));
    world.ask(1, "u-7", Request::Acknowledge);
    assert!(!sounds(&mut world), "before its gateway has confirmed it");
}

#[test]
fn what_is_no_emergency_or_not_live_leaves_the_siren_alone() {
    let mut world = world();
    world.event(&raised(1, AlarmDocument { priority: Priority::Urgent, ..smoke(1) }));
    world.event(&raised(2, AlarmDocument { mode: Mode::Drill, ..other(1) }));
    assert!(!sounds(&mut world));
}

#[test]
fn ten_minutes_then_one_in_five() {
    let mut world = world();
    world.event(&raised(1, smoke(1)));
    assert!(sounds(&mut world));
    let minutes: Vec<(u64, bool)> =
        heard_in(&mut world, 26 * 60).into_iter().map(|(second, on)| ((second + 1) / 60, on)).collect();
    assert_eq!(
        minutes,
        [(10, false), (14, true), (15, false), (19, true), (20, false), (24, true), (25, false)]
    );
}

#[test]
fn a_minute_of_quiet_for_who_asks_but_not_from_the_next_emergency() {
    let mut world = world();
    world.event(&raised(1, smoke(1)));
    assert!(sounds(&mut world));
    world.give(Input::Hushed { by: "u-7".into(), from: "10.0.0.7".into() });
    assert!(!sounds(&mut world));
    assert_eq!(world.log.last().unwrap().what, "sounder.silence");
    assert_eq!(heard_in(&mut world, 100), [(59, true)]);
    world.ask(1, "u-7", Request::Silence);
    assert!(!sounds(&mut world), "silencing the alarm quiets the desk too");
    world.event(&raised(2, other(1)));
    assert!(sounds(&mut world));
    world.give(Input::Hushed { by: "u-7".into(), from: "10.0.0.7".into() });
    assert!(!sounds(&mut world));
    world.alarm(&AlarmDocument { occurrence: 2, ..other(2) }, false);
    assert!(sounds(&mut world), "a second cry is not silent");
}

#[test]
fn hushing_a_silent_siren_does_not_delay_the_next_emergency() {
    let mut world = world();
    world.give(Input::Hushed { by: "u-7".into(), from: "10.0.0.7".into() });
    world.event(&raised(1, smoke(1)));
    assert!(sounds(&mut world));
}

#[test]
fn it_sounds_again_after_a_restart_and_is_told_so_all_the_time() {
    let mut world = world();
    world.event(&raised(1, smoke(1)));
    world.kill();
    assert!(sounds(&mut world));
    world.sounds.clear();
    world.pass(60);
    assert_eq!(world.sounds, [true; 12], "every 5 s: a relay that lost its power has forgotten it");
}

#[test]
fn a_siren_that_does_not_obey_is_a_row_until_it_does() {
    for answer in [Some(Some("no answer".to_owned())), None] {
        let mut world = world();
        world.pass(10);
        world.siren = answer;
        world.pass(30);
        let rows = world.rows();
        assert_eq!((rows.len(), rows[0]["condition"].as_str()), (1, Some("sounder_failing")), "{rows:?}");
        world.siren = Some(None);
        world.pass(6);
        assert_eq!(world.rows(), Vec::<serde_json::Value>::new());
    }
}
