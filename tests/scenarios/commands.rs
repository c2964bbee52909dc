//! Commands are checked: once, in time, never retained, signed where keys are named.
use shouwang_message::CommandName;

use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

fn smoking(site: Site) -> Stage {
    let mut stage = Stage::settled(site.smoke("smoke-402", 12));
    stage.smoke("smoke-402", true);
    stage.run(1.0);
    stage
}

#[test]
fn expired_repeated_and_retained_commands_are_refused() {
    let mut stage = smoking(Site::new());
    let alarm = stage.alarm('A');
    stage.says("a command that expired a minute ago");
    let mut expired = stage.payload("u-7");
    expired.alarm = Some(alarm);
    expired.at = stage.in_minutes(-10);
    expired.expires = stage.in_minutes(-1);
    stage.commands(CommandName::Acknowledge, &expired);
    stage.run(0.5);
    stage.says("one that would live for two days");
    let mut long = stage.payload("u-7");
    long.alarm = Some(alarm);
    long.expires = stage.in_minutes(2 * 24 * 60);
    stage.commands(CommandName::Acknowledge, &long);
    stage.run(0.5);
    stage.says("a sound one, twice");
    let mut sound = stage.payload("u-7");
    sound.alarm = Some(alarm);
    stage.commands(CommandName::Silence, &sound);
    stage.run(0.5);
    stage.commands(CommandName::Silence, &sound);
    stage.run(0.5);
    stage.says("its nonce is remembered over a restart");
    stage.restart();
    stage.run(0.5);
    stage.commands(CommandName::Silence, &sound);
    stage.run(0.5);
    stage.says("one that somebody retains at the broker, and that comes again with each connection");
    let mut retained = stage.payload("u-7");
    retained.alarm = Some(alarm);
    stage.publishes(CommandName::Reset, &retained, None, true);
    stage.run(0.5);
    stage.set_broker(false);
    stage.set_broker(true);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn unsigned_commands_are_refused_as_soon_as_a_key_is_named() {
    let mut stage = smoking(Site::new().signed_commands_only());
    stage.says("unsigned");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    stage.commands(CommandName::Acknowledge, &payload);
    stage.run(0.5);
    stage.says("signed by duty-1, whose key is trusted");
    stage.publishes(CommandName::Acknowledge, &payload, Some("duty-1"), false);
    stage.run(0.5);
    pin!(stage);
}

#[test]
fn unknown_things_are_refused_by_name() {
    let mut stage = smoking(Site::new());
    stage.says("an alarm that does not exist, a device that does not exist, an output there is not");
    let payload = stage.payload("u-7");
    stage.commands(CommandName::Acknowledge, &payload);
    let mut payload = stage.payload("u-7");
    payload.device = Some(id("smoke-999"));
    payload.until = Some(stage.in_minutes(5));
    stage.commands(CommandName::Test, &payload);
    let mut payload = stage.payload("u-7");
    payload.output = Some(id("siren"));
    stage.commands(CommandName::WriteOutput, &payload);
    stage.run(0.5);
    stage.says("somebody is coming to a smoke alarm: only calls have that");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    stage.commands(CommandName::Coming, &payload);
    stage.run(0.5);
    pin!(stage);
}

#[test]
fn an_acknowledgement_is_idempotent_and_keeps_the_first_name() {
    let mut stage = smoking(Site::new());
    stage.says("u-7, then u-9");
    for by in ["u-7", "u-9"] {
        let mut payload = stage.payload(by);
        payload.alarm = Some(stage.alarm('A'));
        stage.commands(CommandName::Acknowledge, &payload);
        stage.run(0.5);
    }
    pin!(stage);
}

#[test]
fn a_resend_tells_the_log_again_and_says_what_is_gone() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.tape.is_off = true;
    // The simulated log keeps the newest eight events that were heard.
    for _ in 0..4 {
        stage.smoke("smoke-402", true);
        stage.run(2.0);
        stage.smoke("smoke-402", false);
        stage.run(14.0);
    }
    stage.restart();
    stage.run(3.0);
    stage.tape.begin(stage.now);
    stage.says("a duty room lacks events from 8 on");
    let mut payload = stage.payload("duty-1");
    payload.from = Some(8);
    stage.commands(CommandName::Resend, &payload);
    stage.run(0.5);
    stage.says("and from 1 on");
    let mut payload = stage.payload("duty-1");
    payload.from = Some(1);
    stage.commands(CommandName::Resend, &payload);
    stage.run(0.5);
    pin!(stage);
}

#[test]
fn a_resend_of_what_was_pruned_meanwhile_says_so_once_the_log_has_shown_it() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.tape.is_off = true;
    // More than the 256 events that are in memory; the simulated log keeps the newest eight.
    for _ in 0..140 {
        stage.smoke("smoke-402", true);
        stage.run(2.0);
        stage.smoke("smoke-402", false);
        stage.run(14.0);
    }
    stage.tape.begin(stage.now);
    for request in ["first", "second"] {
        stage.says(request);
        let mut payload = stage.payload("duty-1");
        payload.from = Some(1);
        stage.commands(CommandName::Resend, &payload);
        stage.run(1.0);
    }
    let transcript = stage.finish();
    let replies: Vec<_> = transcript.lines().filter(|line| line.contains("reply/resend")).collect();
    assert_eq!(replies.len(), 2, "{transcript}");
    assert!(replies[1].contains("too_old"), "{transcript}");
}

#[test]
fn who_saw_an_older_cry_does_not_answer_a_newer_one() {
    let mut stage = smoking(Site::new());
    stage.smoke("smoke-402", false);
    stage.run(20.0);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("it was cried twice; u-7 saw the first cry, u-9 both");
    for (by, seen) in [("u-7", 1), ("u-9", 2)] {
        let mut payload = stage.payload(by);
        payload.alarm = Some(stage.alarm('A'));
        payload.occurrence = Some(seen);
        stage.commands(CommandName::Acknowledge, &payload);
        stage.run(0.5);
    }
    let transcript = stage.finish();
    let refused = transcript.find("newer_cry").unwrap_or_else(|| panic!("{transcript}"));
    assert!(transcript[refused..].contains("acknowledged by u-9"), "{transcript}");
    assert!(!transcript.contains("acknowledged by u-7"), "{transcript}");
}

#[test]
fn a_read_tells_the_values_again() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("u-7 wants to see the newest values");
    let mut payload = stage.payload("u-7");
    payload.device = Some(id("smoke-402"));
    stage.tape.forget_values();
    stage.commands(CommandName::Read, &payload);
    stage.run(1.0);
    pin!(stage);
}
