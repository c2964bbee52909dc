//! The frames printed in the map's description, to the byte.

use call_button::Counters;

use crate::world::{World, world_after};

fn pressed_for_the_seventh_time() -> World {
    let mut world = world_after(Counters { presses: 6, boots: 2, cancels: 2, ..Counters::default() });
    world.press(200);
    world
}

#[test]
fn latched() {
    let mut world = pressed_for_the_seventh_time();
    assert_eq!(world.frame("0C 02 00 00 00 06 F9 15"), "0C 02 01 02 22 E5");
}

#[test]
fn the_status_in_one_read() {
    let mut world = pressed_for_the_seventh_time();
    world.inputs.battery_mv = Some(2950);
    world.run(974);
    let answer = world.frame("0C 04 00 00 00 0D 30 D2");
    // Counted 30 ms into the press of 200 ms, 60 ms of release, 974 ms after it; up for 1.25 s.
    assert_eq!(
        &answer[..answer.len() - 6],
        "0C 04 1A 00 01 00 01 00 01 E2 40 00 07 00 02 00 03 00 00 04 B4 0B 86 00 00 00 00 00 01"
    );
}

#[test]
fn an_echo_is_answered_with_itself_and_again() {
    let mut world = pressed_for_the_seventh_time();
    let echo = "0C 06 00 00 00 07 C9 15";
    assert_eq!(world.frame(echo), echo);
    assert!(!world.latched());
    assert_eq!(world.frame(echo), echo);
    assert_eq!(world.frame("0C 02 00 00 00 06 F9 15"), "0C 02 01 00 A3 24");
}

#[test]
fn an_echo_is_refused_when_another_press_came() {
    let mut world = pressed_for_the_seventh_time();
    world.press(200);
    assert_eq!(world.frame("0C 06 00 00 00 07 C9 15"), "0C 86 03 93 A2");
    assert!(world.latched());
    assert_eq!(world.presses(), 8);
}

#[test]
fn acknowledged() {
    let mut world = pressed_for_the_seventh_time();
    let acknowledged = "0C 06 00 01 00 02 58 D6";
    assert_eq!(world.frame(acknowledged), acknowledged);
    assert_eq!(world.holding(1), 2);
}
