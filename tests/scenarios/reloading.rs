//! Another configuration while the gateway runs: whole or not at all, and nobody else notices.
#[expect(clippy::unwrap_used, reason = "a property fails by panicking")]
mod world;

use std::time::Duration;

use shouwang_board::Request;
use shouwang_core::input::Input;
use shouwang_message::CommandName;

use crate::pin;
use crate::site::Site;
use crate::stage::{SECOND, Stage};

/// Two smoke alarms, a gas detector and a call unit.
fn street() -> Site {
    Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13).gas("gas-1", 21).call("call-5", 31)
}

/// The exchanges with these units since a moment, us.
fn polls(stage: &Stage, since: u64, units: &[u8]) -> Vec<(u64, u8)> {
    stage.polls.iter().filter(|(at, unit)| *at >= since && units.contains(unit)).copied().collect()
}

#[test]
fn who_is_edited_disturbs_nobody_and_nobody_misses_a_cycle() {
    let run = |edit: Option<Site>| {
        let mut stage = Stage::settled(street());
        let from = stage.now;
        stage.run(4.321);
        if let Some(site) = edit {
            stage.edits(site);
            stage.give(Input::ReloadWanted);
        }
        stage.run(30.0);
        (polls(&stage, from, &[12, 13, 21, 31]), stage)
    };
    let (undisturbed, _) = run(None);
    // Words and limits: every device is asked at the very moments at which it would have been, the edited too.
    let edited = Site::new()
        .smoke("smoke-402", 12)
        .smoke("smoke-403", 13)
        .building("9")
        .gas("gas-1", 21)
        .judged(|condition| condition.on_delay += Duration::from_secs(3))
        .call("call-5", 31);
    let (after, mut stage) = run(Some(edited));
    assert_eq!(after, undisturbed, "the same exchanges at the same moments");
    assert!(stage.retained("/info")[0].contains(r#""building":"9""#));
    // And it is judged as the file says now.
    stage.gas("gas-1", 30);
    stage.run(2.5);
    assert!(stage.tape.names.alarm('A').is_none(), "not yet: three seconds were added");
    stage.run(5.0);
    assert!(stage.tape.names.alarm('A').is_some());

    // One more device, in front of the others; and one less.
    let longest = |stage: &Stage, unit: u8| {
        let mine = polls(stage, 9 * SECOND, &[unit]);
        mine.windows(2).map(|two| two[1].0 - two[0].0).max().unwrap_or(u64::MAX)
    };
    let more = Site::new().smoke("smoke-401", 11).smoke("smoke-402", 12).smoke("smoke-403", 13);
    let more = more.gas("gas-1", 21).call("call-5", 31);
    let less = Site::new().smoke("smoke-402", 12).gas("gas-1", 21).call("call-5", 31);
    for (site, gone) in [(more, None), (less, Some(13))] {
        let (_, stage) = run(Some(site));
        for unit in [12, 13, 21, 31].into_iter().filter(|unit| Some(*unit) != gone) {
            let longest = longest(&stage, unit);
            assert!(longest < 700_000, "unit {unit} waited {longest} us for its 500 ms");
        }
        let last = polls(&stage, 0, &[13]).last().map_or(0, |(at, _)| *at);
        assert_eq!(last < stage.now - 20 * SECOND, gone == Some(13), "who is gone is asked no more");
    }
}

#[test]
fn what_people_did_survives_a_reload() {
    let mut stage = Stage::settled(street());
    stage.says("smoke in 402, acknowledged; gas, high and low; a call, heard");
    stage.smoke("smoke-402", true);
    stage.gas("gas-1", 30);
    stage.press("call-5");
    stage.run(12.0);
    stage.acknowledges("u-7", 'A');
    stage.run(1.0);
    let open = stage.retained("/alarm/");
    assert_eq!(open.len(), 4, "{open:#?}");
    stage.says("the place of 403 is put right, a device is added, another limit is tuned");
    let site = Site::new()
        .smoke("smoke-401", 11)
        .smoke("smoke-402", 12)
        .smoke("smoke-403", 13)
        .building("9")
        .gas("gas-1", 21)
        .call("call-5", 31)
        .judged(|condition| condition.off_delay += Duration::from_secs(1));
    stage.edits(site);
    stage.give(Input::ReloadWanted);
    stage.run(10.0);
    assert_eq!(stage.retained("/alarm/"), open, "told as before, and not once more");
    stage.says("it still burns, and is not cried again; then the smoke clears and the alarm is reset");
    stage.run(20.0);
    stage.smoke("smoke-402", false);
    stage.run(11.0);
    stage.resets("u-7", 'A');
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_device_with_an_open_alarm_cannot_vanish() {
    let mut stage = Stage::settled(street());
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    let without = || Site::new().smoke("smoke-402", 12).gas("gas-1", 21).call("call-5", 31);
    stage.says("the burning device is deleted from the file, and a limit is changed with it");
    stage.edits(without());
    let wish = stage.payload("u-7");
    stage.commands(CommandName::Reload, &wish);
    stage.run(3.0);
    stage.says("the alarm is finished first");
    stage.smoke("smoke-403", false);
    stage.run(11.0);
    stage.acknowledges("u-7", 'A');
    stage.run(1.0);
    stage.asks("u-7", 'A', Request::Reset);
    stage.run(2.0);
    stage.says("and then it may go");
    let wish = stage.payload("u-7");
    stage.commands(CommandName::Reload, &wish);
    stage.run(5.0);
    let left = stage.retained("smoke-403");
    pin!(stage);
    assert_eq!(left, Vec::<String>::new(), "nothing is said of it any more");
}

#[test]
fn a_bad_file_keeps_the_old_one_and_says_why() {
    let mut stage = Stage::settled(street());
    stage.says("at the box, then by command");
    stage.spoils();
    stage.give(Input::ReloadWanted);
    stage.run(1.0);
    let wish = stage.payload("u-7");
    stage.commands(CommandName::Reload, &wish);
    stage.run(2.0);
    stage.says("it watches on with what it had");
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("the file is mended");
    stage.edits(street());
    stage.give(Input::ReloadWanted);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn a_siren_that_sounds_cannot_be_forgotten() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).siren("siren-gate", 40));
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(40.0);
    stage.says("the siren is taken out of the file while it sounds");
    stage.edits(Site::new().smoke("smoke-402", 12));
    stage.give(Input::ReloadWanted);
    stage.run(2.0);
    stage.says("silenced, it may go");
    stage.link_duty_room(true);
    stage.run(5.0);
    stage.give(Input::QuietWanted);
    stage.run(5.0);
    stage.give(Input::ReloadWanted);
    stage.run(3.0);
    pin!(stage);
}
