//! Nobody on watch: a room in which no board can sound says so, sooner while an emergency waits.
use shouwang_board::{Input, Request};

use crate::world::*;

const NOBODY: &str = "fault nobody_on_watch r0 active";

fn is_told(world: &World) -> bool {
    world.shown().iter().any(|row| row == NOBODY)
}

#[test]
fn a_room_without_an_armed_board_says_so_after_a_minute() {
    let mut world = World::new();
    world.pass(600);
    assert!(!is_told(&world), "somebody listens");
    world.give(Input::Armed { boards: 0 });
    world.pass(59);
    assert!(!is_told(&world));
    world.pass(1);
    assert!(is_told(&world), "{:?}", world.shown());
    // Another report of the same changes nothing; it is one row.
    world.give(Input::Armed { boards: 0 });
    world.pass(600);
    assert_eq!(world.shown(), [NOBODY]);
    world.give(Input::Armed { boards: 1 });
    assert!(world.rows().is_empty());
}

#[test]
fn with_an_emergency_that_waits_it_says_so_after_half_a_minute() {
    let mut world = World::new();
    world.give(Input::Armed { boards: 0 });
    world.event(&raised(1, smoke(1)));
    world.pass(29);
    assert!(!is_told(&world));
    world.pass(1);
    assert!(is_told(&world), "{:?}", world.shown());
}

#[test]
fn an_emergency_after_half_a_minute_is_told_with_it_and_an_acknowledged_one_is_no_reason() {
    let mut world = World::new();
    world.give(Input::Armed { boards: 0 });
    world.pass(40);
    world.event(&raised(1, smoke(1)));
    assert!(is_told(&world), "{:?}", world.shown());

    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.give(Input::Armed { boards: 0 });
    world.pass(59);
    assert!(!is_told(&world), "{:?}", world.shown());
    world.pass(1);
    assert!(is_told(&world));
}

#[test]
fn the_minute_begins_anew_with_each_board_that_goes() {
    let mut world = World::new();
    for _ in 0..5 {
        world.give(Input::Armed { boards: 0 });
        world.pass(50);
        world.give(Input::Armed { boards: 2 });
        world.pass(1);
    }
    assert!(!is_told(&world));
}
