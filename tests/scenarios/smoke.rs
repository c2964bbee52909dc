//! Smoke: the story that everything else exists for.
use modbus_wire::Table;
use shouwang_message::CommandName;

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
fn a_detector_that_latches_by_itself_is_reset_from_afar() {
    let mut stage = Stage::of(Site::new().device("duct-1", 12, "calectro-ug-3"));
    let inputs = |stage: &mut Stage, smoke| {
        stage.device("duct-1").set(Table::DiscreteInput, 0, 1);
        stage.device("duct-1").set(Table::DiscreteInput, 2, smoke);
    };
    inputs(&mut stage, 0);
    let mut stage = stage.settle();
    inputs(&mut stage, 1);
    stage.run(2.0);
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("u-7 resets while the detector still holds its alarm: it is told to reset itself");
    let reset = |stage: &mut Stage| {
        let mut payload = stage.payload("u-7");
        payload.alarm = Some(stage.alarm('A'));
        stage.commands(CommandName::Reset, &payload);
    };
    reset(&mut stage);
    stage.run(1.0);
    stage.says("it does");
    inputs(&mut stage, 0);
    stage.run(14.0);
    stage.says("now the alarm itself can be reset");
    reset(&mut stage);
    stage.run(2.0);
    let transcript = stage.finish();
    let (before, after) = transcript.split_once("-- it does").unwrap_or_else(|| panic!("{transcript}"));
    assert!(before.contains("> 0C 06 00 00 00 EA"), "{transcript}");
    assert!(before.contains("reply/reset ok") && !before.contains("alarm.finished"), "{transcript}");
    assert!(after.contains("alarm.finished"), "{transcript}");
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
