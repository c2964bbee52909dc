//! The box sounds by itself: when no duty room hears an emergency, or nobody acknowledges it.
use modbus_wire::Table;
use shouwang_message::CommandName;

use crate::devices::Manners;
use crate::pin;
use crate::site::Site;
use crate::stage::{Disk, Stage};

const BOX: &str = "siren-1";

fn site() -> Site {
    Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13).siren(BOX, 20)
}

fn stage() -> Stage {
    Stage::settled(site())
}

/// What the box does by its own coils: siren, lamp.
fn shown(stage: &mut Stage) -> (bool, bool) {
    let coil = |stage: &mut Stage, address| stage.device(BOX).get(Table::Coil, address) != 0;
    (coil(stage, 0), coil(stage, 1))
}

/// Somebody presses the box's button for a second.
fn presses_for_quiet(stage: &mut Stage) {
    stage.device(BOX).set(Table::DiscreteInput, 0, 1);
    stage.run(1.0);
    stage.device(BOX).set(Table::DiscreteInput, 0, 0);
    stage.run(1.0);
}

#[test]
fn smoke_that_no_duty_room_hears_sounds_here_after_half_a_minute() {
    let mut stage = stage();
    stage.says("the duty room is away; smoke");
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(29.0);
    assert_eq!(shown(&mut stage), (false, true), "the lamp shows that nobody hears; the siren waits");
    stage.run(2.0);
    assert_eq!(shown(&mut stage), (true, true));
    stage.says("the duty room is back, and hears it");
    stage.link_duty_room(true);
    stage.run(20.0);
    assert_eq!(shown(&mut stage), (false, false));
    pin!(stage);
}

#[test]
fn a_call_that_nobody_acknowledges_sounds_here_after_three_minutes() {
    let mut stage = Stage::settled(Site::new().call("call-402", 12).siren(BOX, 20));
    stage.says("a call; the duty room hears it, and nobody does anything");
    stage.press("call-402");
    stage.tape.is_off = true;
    stage.run(179.0);
    assert_eq!(shown(&mut stage), (false, false));
    stage.tape.is_off = false;
    stage.run(3.0);
    assert_eq!(shown(&mut stage), (true, false), "there is contact, but nobody comes");
    stage.says("u-7 acknowledges");
    stage.acknowledges("u-7", 'A');
    stage.run(6.0);
    assert_eq!(shown(&mut stage), (false, false));
    pin!(stage);
}

#[test]
fn a_broker_that_is_away_shows_on_the_box_within_fifteen_seconds_and_goes_out_by_itself() {
    let mut stage = stage();
    stage.says("the broker goes away");
    stage.set_broker(false);
    stage.run(9.0);
    assert_eq!(shown(&mut stage), (false, false), "a short outage shows nothing");
    stage.run(4.0);
    assert_eq!(shown(&mut stage), (false, true));
    stage.run(30.0);
    assert_eq!(shown(&mut stage), (false, true), "nothing is wrong in the field: no siren");
    stage.says("it is back");
    stage.set_broker(true);
    stage.run(70.0);
    assert_eq!(shown(&mut stage), (false, false));
    pin!(stage);
}

#[test]
fn a_broker_that_comes_and_goes_cannot_keep_the_box_quiet() {
    let mut stage = stage();
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    for _ in 0..3 {
        stage.run(6.0);
        stage.set_broker(false);
        stage.link_duty_room(false);
        stage.run(2.0);
        stage.set_broker(true);
        stage.link_duty_room(false);
    }
    stage.run(4.0);
    assert_eq!(shown(&mut stage), (false, true), "nobody has heard anything for 28 s");
    stage.run(4.0);
    assert_eq!(shown(&mut stage), (true, true));
    let transcript = stage.finish();
    assert!(transcript.contains("gw-0007 unheard"), "and it is a fault, too:\n{transcript}");
}

#[test]
fn the_button_silences_what_sounds_and_nothing_that_comes_after() {
    let mut stage = stage();
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(5.0);
    stage.says("the button is pressed before anything sounds: that silences nothing");
    presses_for_quiet(&mut stage);
    stage.run(26.0);
    assert_eq!(shown(&mut stage), (true, true));
    stage.says("it is pressed again");
    presses_for_quiet(&mut stage);
    assert_eq!(shown(&mut stage), (false, true), "quiet, and the lamp stays");
    stage.run(600.0);
    assert_eq!(shown(&mut stage), (false, true));
    stage.says("smoke next door");
    stage.smoke("smoke-403", true);
    stage.run(32.0);
    assert_eq!(shown(&mut stage), (true, true));
    stage.says("pressed, and then held down by somebody who wants it never to sound again");
    stage.device(BOX).set(Table::DiscreteInput, 0, 1);
    stage.run(2.0);
    assert_eq!(shown(&mut stage), (false, true));
    stage.smoke("smoke-402", false);
    stage.run(15.0);
    stage.smoke("smoke-402", true);
    stage.run(3.0);
    assert_eq!(shown(&mut stage), (true, true), "a second cry is not silent");
    let transcript = stage.finish();
    assert_eq!(transcript.matches("alarm.silenced").count(), 2, "it is on record:\n{transcript}");
}

#[test]
fn a_silence_from_the_duty_room_ends_the_siren_too() {
    let mut stage = stage();
    stage.smoke("smoke-402", true);
    stage.run(182.0);
    assert_eq!(shown(&mut stage), (true, false));
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    stage.commands(CommandName::Silence, &payload);
    stage.run(1.0);
    assert_eq!(shown(&mut stage), (false, false));
    stage.run(300.0);
    assert_eq!(shown(&mut stage), (false, false));
}

#[test]
fn ten_minutes_then_one_in_five() {
    let mut stage = stage();
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(31.0);
    let mut minutes = Vec::new();
    for _ in 0..25 {
        stage.run(30.0);
        minutes.push(shown(&mut stage).0);
        stage.run(30.0);
    }
    let on: Vec<usize> = (0..25).filter(|minute| minutes[*minute]).collect();
    assert_eq!(on, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 19, 24]);
}

#[test]
fn what_is_no_live_emergency_never_sounds() {
    let mut stage = Stage::settled(Site::new().gas("gas-1", 5).smoke("smoke-402", 12).siren(BOX, 20));
    stage.says("low gas (urgent), and smoke in a detector that is in test");
    stage.gas("gas-1", 12);
    let mut payload = stage.payload("u-7");
    payload.device = Some(crate::site::id("smoke-402"));
    payload.until = Some(stage.in_minutes(20));
    stage.commands(CommandName::Test, &payload);
    stage.run(1.0);
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(400.0);
    assert_eq!(shown(&mut stage), (false, true));
}

#[test]
fn a_restart_does_not_stop_the_siren_and_does_not_start_one_that_was_silenced() {
    let mut stage = stage();
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(33.0);
    stage.says("it sounds, and the gateway is killed");
    stage.restart();
    for _ in 0..20 {
        stage.run(0.5);
        assert!(shown(&mut stage).0, "it never stops");
    }
    presses_for_quiet(&mut stage);
    stage.run(2.0);
    assert!(!shown(&mut stage).0);
    stage.restart();
    stage.run(60.0);
    assert!(!shown(&mut stage).0, "silenced is silenced");
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_siren_quiet() {
    let mut stage = stage();
    stage.says("the disk hangs; smoke is told unlogged, but no duty room has heard it for good");
    stage.set_disk(Disk::Hangs);
    stage.smoke("smoke-402", true);
    stage.run(32.0);
    assert_eq!(shown(&mut stage), (true, false));
}

#[test]
fn a_siren_that_does_not_do_as_it_is_told_is_a_fault_and_sounds_as_soon_as_it_is_back() {
    let mut stage = stage();
    stage.says("nobody hears; the siren takes no writes");
    stage.link_duty_room(false);
    stage.behaves(BOX, Manners::LosesWrites);
    stage.smoke("smoke-402", true);
    stage.run(50.0);
    assert_eq!(shown(&mut stage), (false, false));
    stage.says("it is well again");
    stage.behaves(BOX, Manners::Good);
    stage.run(5.0);
    assert_eq!(shown(&mut stage), (true, true));
    stage.says("somebody switches it off at the module, then its power fails for a minute");
    stage.device(BOX).set(Table::Coil, 0, 0);
    stage.run(6.0);
    assert_eq!(shown(&mut stage), (true, true), "read back as off, and switched on again");
    stage.behaves(BOX, Manners::Dead);
    stage.device(BOX).set(Table::Coil, 0, 0);
    stage.device(BOX).set(Table::Coil, 1, 0);
    stage.run(60.0);
    stage.behaves(BOX, Manners::Good);
    stage.run(35.0);
    assert_eq!(shown(&mut stage), (true, true));
    stage.says("the cable is unplugged and plugged again; the module has forgotten everything");
    stage.set_line(false);
    stage.device(BOX).set(Table::Coil, 0, 0);
    stage.run(3.0);
    stage.set_line(true);
    stage.run(6.0);
    assert_eq!(shown(&mut stage), (true, true));
    let transcript = stage.finish();
    let raised = transcript.matches("siren-1 output, urgent").count();
    assert!(raised >= 1, "the silent siren is a fault:\n{transcript}");
}
