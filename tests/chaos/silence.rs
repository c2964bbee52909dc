//! Invariant 9: either end's silence is shown at the other within 30 s, however it falls silent.
use std::time::Duration;

use shouwang_tests::clock;

use crate::desk::{Desk, ready};
use crate::proxy::Mode;
use crate::schedule::{Act, Link, Who};
use crate::world::World;

/// R5 and invariant 9; the second is for the harness's own looking.
const SHOWN_WITHIN: Duration = Duration::from_secs(30 + 1);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Who must show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// `/readyz` of the gateway: no connection to the broker.
    Gateway,
    /// The page has a row for a lost gateway.
    Page,
    /// `/readyz` of the duty room.
    DutyRoom,
}

const BOTH_WAYS: Mode = Mode::Lose { up: true, down: true };
const UP: Mode = Mode::Lose { up: true, down: false };
const DOWN: Mode = Mode::Lose { up: false, down: true };

const STORIES: &[(&str, Act, &[At])] = &[
    ("silence-frozen-gateway", Act::Freeze(Who::Gateway), &[At::Page]),
    ("silence-killed-gateway", Act::Kill(Who::Gateway), &[At::Page]),
    ("silence-half-open-gateway", Act::Network(Link::Gateway, BOTH_WAYS), &[At::Page, At::Gateway]),
    ("silence-gateway-unheard", Act::Network(Link::Gateway, UP), &[At::Page, At::Gateway]),
    ("silence-gateway-deaf", Act::Network(Link::Gateway, DOWN), &[At::Gateway]),
    ("silence-half-open-duty-room", Act::Network(Link::DutyRoom, BOTH_WAYS), &[At::DutyRoom]),
    ("silence-duty-room-deaf", Act::Network(Link::DutyRoom, DOWN), &[At::DutyRoom]),
    ("silence-frozen-broker", Act::Freeze(Who::Broker), &[At::Gateway, At::DutyRoom]),
];

#[test]
fn either_ends_silence_is_shown_within_30_s() {
    let late: Vec<String> = std::thread::scope(|scope| {
        let stories: Vec<_> = STORIES.iter().map(|story| scope.spawn(|| tell(story))).collect();
        stories.into_iter().flat_map(|story| story.join().expect("a story ends")).collect()
    });
    assert!(late.is_empty(), "{}", late.join("\n"));
}

/// What was not shown in time.
fn tell((name, act, shown_at): &(&str, Act, &[At])) -> Vec<String> {
    let mut world = World::start(name, true);
    let mut desk = Desk::at(world.duty_room_page);
    for at in *shown_at {
        assert!(!shows(&world, &mut desk, *at), "{name}: {at:?} shows a silence before there is one");
    }
    let began = clock::now();
    world.apply(*act);
    let mut left = shown_at.to_vec();
    while !left.is_empty() && began.elapsed() < SHOWN_WITHIN {
        left.retain(|at| {
            let shown = shows(&world, &mut desk, *at);
            if shown {
                println!("{name}: {at:?} shows it after {:.1} s", began.elapsed().as_secs_f64());
            }
            !shown
        });
        clock::pause(LOOK_EVERY);
    }
    if left.is_empty() {
        world.remove();
    }
    left.iter()
        .map(|at| format!("{name}: {at:?} does not show it within 30 s; logs in target/chaos"))
        .collect()
}

fn shows(world: &World, desk: &mut Desk, at: At) -> bool {
    match at {
        At::Gateway => ready(world.gateway_page).is_err_and(|why| why.contains("broker")),
        At::DutyRoom => ready(world.duty_room_page).is_err_and(|why| why.contains("disconnected")),
        At::Page => {
            let (words, _) = world.duty_room.words();
            let rows = desk.rows(&words).unwrap_or_default();
            rows.iter().any(|row| row["kind"] == "gateway" && row["active"] == true)
        }
    }
}
