//! The disk fails: alarms are told at once, marked, and logged when the disk is well again.
use crate::pin;
use crate::site::Site;
use crate::stage::{Disk, Stage};

fn stage() -> Stage {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.tape.shows_heartbeats = true;
    stage
}

#[test]
fn a_disk_that_hangs_holds_no_alarm_back() {
    let mut stage = stage();
    stage.says("the disk hangs; smoke");
    stage.set_disk(Disk::Hangs);
    stage.smoke("smoke-402", true);
    stage.run(12.0);
    stage.says("the disk is well again");
    stage.set_disk(Disk::Fine);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_full_disk_holds_no_alarm_back() {
    let mut stage = stage();
    stage.says("the disk is full; smoke");
    stage.set_disk(Disk::Full);
    stage.smoke("smoke-402", true);
    stage.run(6.0);
    stage.says("there is room again");
    stage.set_disk(Disk::Fine);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn an_unlogged_alarm_that_died_with_the_gateway_is_told_again() {
    let mut stage = stage();
    stage.says("the disk hangs; smoke; the power is cut");
    stage.set_disk(Disk::Hangs);
    stage.smoke("smoke-402", true);
    stage.run(3.0);
    stage.kill();
    stage.run(2.0);
    stage.set_disk(Disk::Fine);
    stage.start();
    stage.run(5.0);
    // A is still retained, and on the board: the gateway's new start knows nothing of it.
    assert_eq!(stage.retained("/alarm/").len(), 2);
    stage.says("a person acknowledges A");
    stage.acknowledges("王芳", 'A');
    stage.run(12.0);
    assert_eq!(stage.retained("/alarm/").len(), 1, "what nobody knows is retained no longer");
    pin!(stage);
}
