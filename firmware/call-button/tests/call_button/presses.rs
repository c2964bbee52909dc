//! Rules 1, 2 and 5: what a press leaves behind, and what takes it away.

use call_button::{Counters, Display, Record, What};

use crate::world::{SECOND, world, world_after};

#[test]
fn rule_1_a_press_of_50_ms_counts_and_a_touch_does_not() {
    let mut world = world();
    world.press(25);
    assert_eq!((world.presses(), world.latched()), (0, false));
    world.press(50);
    assert_eq!((world.presses(), world.latched()), (1, true));
    assert!(!world.bit(0), "released");
    assert_eq!(world.input(8), 80, "ms since it was counted, 30 ms after it began");
}

#[test]
fn rule_1_a_press_survives_a_reset_between_press_and_read() {
    let mut world = world();
    world.press(50);
    let mut world = world.restart();
    assert_eq!((world.presses(), world.latched(), world.display()), (1, true, Display::Calling));
    assert_eq!((world.input(7), world.input(8)), (0xFFFF, 0xFFFF), "how long ago, nobody knows");
    assert_eq!(world.echo(1), "06 00 00 00 01");
    let world = world.restart();
    assert_eq!((world.presses(), world.latched()), (1, false));
}

#[test]
fn rule_2_pressed_twice_needs_the_second_count() {
    let mut world = world();
    world.press(60);
    world.press(60);
    assert_eq!(world.presses(), 2);
    assert_eq!(world.echo(1), "86 03");
    assert!(world.latched());
    assert_eq!(world.echo(2), "06 00 00 00 02");
    assert_eq!(world.echo(2), "06 00 00 00 02", "the answer to the first was lost");
    assert!(!world.latched());
    assert_eq!(world.holding(0), 2);
    world.press(60);
    assert_eq!(world.echo(2), "86 03", "late");
    assert!(world.latched());
}

#[test]
fn rule_5_held_for_a_minute_is_one_call_that_stays_with_a_fault_until_released() {
    let mut world = world();
    world.inputs.button = true;
    world.run(30_000);
    assert_eq!((world.presses(), world.input(10), world.bit(0)), (1, 0, true));
    world.run(30_000);
    assert_eq!((world.presses(), world.input(10), world.bit(5)), (1, 1, true));
    assert!(world.latched());
    assert_eq!(world.display(), Display::Calling, "a fault never covers a call");
    assert_eq!(world.echo(1), "06 00 00 00 01");
    assert!(!world.latched(), "committed, although it is still held");
    world.run(1000);
    assert_eq!(world.presses(), 1);
    world.inputs.button = false;
    world.run(100);
    assert_eq!((world.input(10), world.bit(0)), (0, false));
}

#[test]
fn rule_5_cancel_is_another_input() {
    let mut world = world();
    world.press(100);
    world.cancel();
    assert_eq!((world.latched(), world.presses(), world.input(5)), (false, 1, 1));
    assert_eq!(world.display(), Display::Idle);
    let mut world = world.restart();
    assert_eq!((world.latched(), world.presses(), world.input(5)), (false, 1, 1));
    world.press(100);
    assert!(world.latched(), "and a new press calls again");
}

#[test]
fn cancelled_and_pressed_in_one_moment_is_a_call() {
    let mut world = world();
    world.inputs.button = true;
    world.inputs.cancel = true;
    world.run(100);
    assert_eq!((world.latched(), world.presses(), world.input(5)), (true, 1, 1));
}

#[test]
fn the_counter_wraps() {
    let mut world = world_after(Counters { presses: 65534, cancels: 65535, ..Counters::default() });
    world.press(60);
    assert_eq!(world.echo(65535), "06 00 00 FF FF");
    world.press(60);
    assert_eq!(world.presses(), 0);
    assert_eq!(world.echo(65535), "86 03");
    assert_eq!(world.echo(0), "06 00 00 00 00");
    world.cancel();
    assert_eq!(world.input(5), 0);
    let world = world.restart();
    assert_eq!((world.presses(), world.latched()), (0, false));
}

#[test]
fn the_age_of_a_press_saturates() {
    let mut world = world();
    assert_eq!((world.input(7), world.input(8)), (0xFFFF, 0xFFFF), "never pressed");
    world.press(60);
    world.now += 70_000 * SECOND;
    assert_eq!(
        (world.input(7), world.input(8)),
        ((70_000_090_u32 >> 16) as u16, (70_000_090_u32 & 0xFFFF) as u16)
    );
    world.now += u64::from(u32::MAX) * 1000;
    assert_eq!((world.input(7), world.input(8)), (0xFFFF, 0xFFFF));
}

#[test]
fn the_log_tells_the_story() {
    let mut world = world();
    world.press(60);
    world.echo(1);
    world.indicate(1);
    world.cancel();
    let told: Vec<_> = world
        .unit
        .log()
        .since(0)
        .map(|record| match record {
            Record::Kept(entry) => entry.what,
            Record::Lost { count } => panic!("{count} lost"),
        })
        .collect();
    assert_eq!(
        told,
        [
            What::Started { boots: 1 },
            What::Shows(Display::Idle),
            What::Pressed { presses: 1 },
            What::Shows(Display::Calling),
            What::Echoed { presses: 1 },
            What::Shows(Display::Heard),
            What::Cancelled { cancels: 1 },
        ]
    );
}
