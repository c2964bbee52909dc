//! Calls: an old person presses, and the unit's lamp says truthfully how far it has come. The unit is the
//! shipped firmware.
use shouwang_board::Request;
use shouwang_message::CommandName;

use crate::devices::{Device, Manners};
use crate::pin;
use crate::site::Site;
use crate::stage::{Disk, SECOND, Stage};

fn stage() -> Stage {
    Stage::settled(Site::new().call("call-402", 12))
}

#[test]
fn a_press_is_committed_echoed_heard_acknowledged_and_finished() {
    let mut stage = stage();
    stage.says("a press");
    stage.press("call-402");
    stage.run(3.0);
    stage.says("u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("u-7 says that somebody is coming");
    comes(&mut stage, "u-7");
    stage.run(2.0);
    stage.says("u-7 resets");
    stage.asks("u-7", 'A', Request::Reset);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn the_echo_waits_for_the_disk() {
    let mut stage = stage();
    stage.says("a press while the disk hangs for 2 s");
    stage.set_disk(Disk::Hangs);
    stage.press("call-402");
    stage.run(2.0);
    stage.says("the disk is well again");
    stage.set_disk(Disk::Fine);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn a_lost_echo_is_given_again() {
    let mut stage = stage();
    stage.says("a press, and the line swallows what is written");
    stage.behaves("call-402", Manners::LosesWrites);
    stage.press("call-402");
    stage.run(2.0);
    stage.says("writes get through again");
    stage.behaves("call-402", Manners::Good);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn a_local_cancel_clears_and_a_person_still_acknowledges() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(1.0);
    stage.says("a neighbour cancels at the unit");
    let now = stage.now;
    stage.device("call-402").cancel(now);
    stage.run(2.0);
    stage.says("u-7 acknowledges, then resets");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.resets("u-7", 'A');
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn a_press_while_the_gateway_is_down_is_not_lost() {
    let mut stage = stage();
    stage.says("the gateway dies; two presses; it comes back");
    stage.kill();
    stage.run(2.0);
    stage.press("call-402");
    stage.run(1.0);
    stage.press("call-402");
    stage.run(1.0);
    stage.start();
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_press_before_the_gateway_ever_knew_the_unit_is_a_call() {
    let mut stage = Stage::of(Site::new().call("call-402", 12));
    stage.run(1.0);
    stage.press("call-402");
    stage.run(1.0);
    stage.says("the gateway starts for the first time; the unit was pressed before");
    stage.start();
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_counter_that_went_back_is_a_fault() {
    let mut stage = stage();
    stage.says("the unit's memory was wiped: its counter says 0, nothing is latched");
    let now = stage.now;
    *stage.device("call-402") = Device::call(12, 123_456, 0, now);
    stage.run(3.0);
    stage.says("a press on it");
    stage.press("call-402");
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn another_serial_number_is_another_unit() {
    let mut stage = stage();
    stage.says("a new unit with 40 presses behind it is put up in its place");
    let now = stage.now;
    *stage.device("call-402") = Device::call(12, 777, 40, now);
    stage.run(3.0);
    stage.says("a press on it");
    stage.press("call-402");
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_low_battery_is_a_fault_and_no_alarm() {
    let mut stage = stage();
    stage.says("the battery falls to 2.5 V");
    stage.device("call-402").set_inputs(|inputs| inputs.battery_mv = Some(2_500));
    stage.run(15.0);
    stage.says("a press is a call all the same");
    stage.press("call-402");
    stage.run(2.0);
    pin!(stage);
}

// Held too long.

#[test]
fn held_too_long_is_one_call_that_stays_and_a_stuck_button() {
    let mut stage = stage();
    stage.says("the button is held for 45 s");
    let now = stage.now;
    stage.device("call-402").press(now, 45 * SECOND);
    stage.run(35.0);
    stage.says("still held; u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(25.0);
    pin!(stage);
}

// Pressed twice.

#[test]
fn pressed_twice_before_anyone_acknowledges_is_one_call_of_two() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(2.0);
    stage.says("heard, and nobody has acknowledged; a second press");
    stage.press("call-402");
    stage.run(2.0);
    stage.says("u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn pressed_twice_between_two_readings_is_one_call_of_two() {
    let mut stage = stage();
    stage.run(0.1);
    stage.says("two presses in 0.4 s");
    let now = stage.now;
    stage.device("call-402").press(now, 100_000);
    stage.run(0.2);
    let now = stage.now;
    stage.device("call-402").press(now, 100_000);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn pressed_again_after_the_acknowledgement_asks_again() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(1.0);
    stage.acknowledges("u-7", 'A');
    stage.run(1.0);
    stage.says("acknowledged; a second and a third press");
    stage.press("call-402");
    stage.run(0.4);
    stage.press("call-402");
    stage.run(3.0);
    stage.says("u-8 acknowledges and says that somebody is coming");
    stage.acknowledges("u-8", 'A');
    stage.run(1.0);
    comes(&mut stage, "u-8");
    stage.run(1.0);
    stage.says("somebody is on the way; a fourth press");
    stage.press("call-402");
    stage.run(2.0);
    pin!(stage);
}

// Through a power cut.

#[test]
fn through_a_power_cut_of_the_unit_the_press_and_the_answer_survive() {
    let mut stage = stage();
    stage.says("a press, and the unit loses its power before it was read");
    stage.press("call-402");
    stage.run(0.3);
    cut_power(&mut stage);
    stage.run(2.0);
    stage.says("u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("the unit loses its power again: it does not know how its call stands until it is told");
    cut_power(&mut stage);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn through_a_power_cut_of_the_unit_while_the_line_is_down_too() {
    let mut stage = stage();
    stage.says("the line is cut; a press; the unit loses its power; the line is back");
    stage.set_line(false);
    stage.press("call-402");
    stage.run(1.0);
    cut_power(&mut stage);
    stage.run(1.0);
    stage.set_line(true);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn through_a_death_of_the_gateway_between_commit_and_echo() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(0.57);
    stage.says("committed and heard, not echoed: the gateway dies");
    stage.kill();
    stage.run(2.0);
    stage.start();
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn through_a_death_of_the_gateway_between_echo_and_lamp() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(0.61);
    stage.says("echoed, and the lamp not yet told: the gateway dies");
    stage.kill();
    stage.run(2.0);
    stage.start();
    stage.run(2.0);
    pin!(stage);
}

// With the line down.

#[test]
fn with_the_line_down_the_press_waits_and_comes_with_its_age() {
    let mut stage = stage();
    stage.says("the line is cut");
    stage.set_line(false);
    stage.run(35.0);
    stage.says("a press");
    stage.press("call-402");
    stage.run(5.0);
    stage.says("the line is back");
    stage.set_line(true);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn with_a_silent_line_the_press_waits_until_the_unit_is_found_again() {
    let mut stage = stage();
    stage.says("the cable is cut, which nobody is told: the unit does not answer");
    stage.behaves("call-402", Manners::Dead);
    stage.run(12.0);
    stage.says("a press");
    stage.press("call-402");
    stage.run(8.0);
    stage.says("the cable is mended");
    stage.behaves("call-402", Manners::Good);
    stage.run(13.0);
    pin!(stage);
}

#[test]
fn with_the_line_gone_under_the_echo_it_is_given_again() {
    let mut stage = stage();
    stage.press("call-402");
    stage.run(0.581);
    stage.says("the echo is with the line's hands, which have not sent it: the line is cut");
    stage.set_line(false);
    stage.run(2.0);
    stage.says("the line is back");
    stage.set_line(true);
    stage.run(2.0);
    pin!(stage);
}

/// A person says that somebody is coming.
fn comes(stage: &mut Stage, by: &str) {
    let mut payload = stage.payload(by);
    payload.alarm = Some(stage.alarm('A'));
    stage.commands(CommandName::Coming, &payload);
}

fn cut_power(stage: &mut Stage) {
    let now = stage.now;
    stage.device("call-402").power_cut(now);
}
