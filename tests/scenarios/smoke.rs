//! Smoke: the story that everything else exists for.
use crate::devices::Manners;
use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn smoke_is_raised_cleared_acknowledged_reset_and_finished() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("smoke in room 402");
    stage.smoke("smoke-402", true);
    stage.run(5.0);
    stage.says("the smoke is gone");
    stage.smoke("smoke-402", false);
    stage.run(14.0);
    stage.says("somebody wants to reset it before anybody has acknowledged");
    stage.resets("u-7", 'A');
    stage.run(2.0);
    stage.says("u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("u-7 resets");
    stage.resets("u-7", 'A');
    stage.run(3.0);
    assert!(stage.retained("/alarm/").is_empty(), "a finished alarm is not retained");
    pin!(stage);
}

#[test]
fn a_reread_that_says_no_raises_nothing() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("one reading of smoke, by a disturbance; the re-read says no");
    stage.smoke("smoke-402", true);
    stage.run(0.038);
    stage.smoke("smoke-402", false);
    stage.run(5.0);
    pin!(stage);
}

#[test]
fn a_reread_that_fails_raises_all_the_same() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("smoke, and the detector dies before it can be asked again");
    stage.smoke("smoke-402", true);
    stage.run(0.04);
    stage.behaves("smoke-402", Manners::Dead);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_second_cry_is_not_silent() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("smoke, and u-7 acknowledges");
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("it clears");
    stage.smoke("smoke-402", false);
    stage.run(14.0);
    stage.says("and comes back before anybody has reset it");
    stage.smoke("smoke-402", true);
    stage.run(3.0);
    stage.says("u-9 acknowledges the second cry");
    stage.acknowledges("u-9", 'A');
    stage.run(2.0);
    pin!(stage);
}
