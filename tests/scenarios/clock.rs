//! The wall clock stamps and decides nothing.
use shouwang_message::Clock;

use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn a_gateway_without_a_clock_works_and_says_so() {
    let mut stage = Stage::of(Site::new().smoke("smoke-402", 12));
    stage.says("the box starts in 1970");
    stage.set_clock(-1_795_330_800_000, Clock::Unset);
    stage.start();
    stage.run(3.0);
    stage.says("smoke; u-7 acknowledges by a right clock");
    stage.smoke("smoke-402", true);
    stage.run(1.0);
    stage.acknowledges("u-7", 'B');
    stage.run(1.0);
    stage.says("the time comes");
    stage.set_clock(1_795_330_800_000, Clock::Synced);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn a_step_of_the_clock_changes_nothing_but_the_stamps() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).gas("gas-kitchen", 5));
    stage.says("smoke; gas at 12 %LEL, half through its delay; the clock steps an hour back");
    stage.smoke("smoke-402", true);
    stage.gas("gas-kitchen", 12);
    stage.run(3.0);
    stage.set_clock(-3_600_000, Clock::Synced);
    stage.run(4.0);
    stage.says("and two hours forward");
    stage.set_clock(7_200_000, Clock::Synced);
    stage.run(20.0);
    stage.says("half a second is no step");
    stage.set_clock(500, Clock::Synced);
    stage.run(1.0);
    pin!(stage);
}
