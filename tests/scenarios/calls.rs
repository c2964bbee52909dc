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
    let alarm = stage.alarm('A');
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(alarm);
    stage.commands(CommandName::Coming, &payload);
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
fn a_second_press_asks_again() {
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
fn a_press_during_a_power_cut_of_the_unit_survives() {
    let mut stage = stage();
    stage.says("the line is cut; a press; the unit loses its power; the line is back");
    stage.set_line(false);
    stage.press("call-402");
    stage.run(1.0);
    let now = stage.now;
    stage.device("call-402").power_cut(now);
    stage.run(1.0);
    stage.set_line(true);
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
fn a_held_button_is_one_call_and_a_stuck_button() {
    let mut stage = stage();
    stage.says("the button is held for 40 s");
    let now = stage.now;
    stage.device("call-402").press(now, 40 * SECOND);
    stage.run(60.0);
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
