//! Stories of second cries: what a person says about the cry they saw never answers one that they did not see.
use shouwang_board::{Asked, Input, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

fn cry(revision: u32, occurrence: u32) -> AlarmDocument {
    AlarmDocument { occurrence, ..smoke(revision) }
}

fn acknowledged(document: AlarmDocument) -> AlarmDocument {
    let acknowledged = Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) });
    AlarmDocument { acknowledged, ..document }
}

fn change(sequence: u64, change: AlarmChange, document: AlarmDocument) -> Event {
    event(sequence, EventData::Alarm(change, document.into()))
}

fn asked(world: &World) -> usize {
    world.kept.keys().filter(|key| key.starts_with("asked/")).count()
}

#[test]
fn a_request_says_which_cry_the_person_saw_also_after_a_kill() {
    let mut world = World::new();
    world.event(&raised(1, cry(3, 2)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.ask(2, "u-7", Request::Reset);
    world.ask(3, "u-7", Request::Silence);
    world.kill();
    let mut said: Vec<_> = world
        .commands
        .iter()
        .filter(|(name, _)| *name != CommandName::Resend)
        .map(|(name, payload)| (name.as_str(), payload.occurrence))
        .collect();
    said.sort_unstable();
    let twice = |said: (&'static str, Option<u32>)| [said, said];
    let expected = [("acknowledge", Some(2)), ("reset", Some(2)), ("silence", None)].map(twice).concat();
    assert_eq!(said, expected, "each once before and once after the kill");
}

#[test]
fn a_second_cry_ends_the_acknowledgement_and_the_reset_of_the_first() {
    let mut world = World::new();
    world.event(&raised(1, cry(1, 1)));
    world.give(Input::LinkDown);
    world.ask(1, "u-7", Request::Acknowledge);
    world.ask(2, "u-7", Request::Reset);
    assert_eq!(asked(&world), 2);
    world.give(Input::LinkUp);
    world.event(&change(2, AlarmChange::Repeated, cry(2, 2)));
    assert_eq!((world.shown(), asked(&world)), (lines("alarm smoke r2 active"), 0));
    let before = world.commands.len();
    world.ready(1, 2);
    world.pass(16);
    assert_eq!(world.commands.len(), before, "nothing is sent about the first cry any more");
}

#[test]
fn a_document_that_overtakes_its_event_ends_them_too() {
    let mut world = World::new();
    world.event(&raised(1, cry(1, 1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.ask(2, "u-7", Request::Silence);
    world.alarm(&cry(2, 2), false);
    assert_eq!(world.shown(), lines("alarm smoke r2 active pending provisional"));
    assert_eq!(asked(&world), 1, "silencing is about the alarm, not about a cry");
    // What is asked now is about the second cry: neither its late event nor those before it end it.
    world.ask(3, "u-8", Request::Acknowledge);
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(cry(1, 1))));
    world.event(&change(3, AlarmChange::Repeated, cry(2, 2)));
    assert_eq!(world.shown(), lines("alarm smoke r2 active pending by u-8"));
}

#[test]
fn the_gateway_knows_of_a_newer_cry_than_the_board() {
    let mut world = World::new();
    world.event(&raised(1, cry(1, 1)));
    world.ask(1, "u-7", Request::Acknowledge);
    assert_eq!(world.shown(), lines("alarm smoke r1 active pending by u-7"));
    world.refuse_newest("newer_cry");
    assert_eq!(world.shown(), lines("alarm smoke r1 active refused newer_cry"));
    assert_eq!(asked(&world), 0);

    // The first cry was acknowledged, then its reset is refused: the newer one is not acknowledged by anybody.
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(cry(2, 1))));
    world.ask(2, "u-7", Request::Reset);
    world.refuse_newest("newer_cry");
    assert_eq!(world.shown(), lines("alarm smoke r2 active refused newer_cry"));
    world.kill();
    assert_eq!(world.shown(), lines("alarm smoke r2 active"));
}

#[test]
fn what_was_said_of_a_cry_that_died_with_its_gateway_does_not_answer_it_when_it_is_read_again() {
    let mut world = World::new();
    world.ready(1, 1);
    world.event(&raised(1, cry(1, 1)));
    world.alarm(&AlarmDocument { unlogged: true, ..cry(2, 2) }, false);
    world.ask(1, "u-7", Request::Acknowledge);
    let payload = world.commands.last().unwrap().1.clone();
    // Killed; the next process knows the first cry only, and takes the acknowledgement for that one.
    world.ready(2, 1);
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(cry(2, 1))));
    world.reply("acknowledge", &Reply { txn: payload.txn.clone(), ok: true, error: None });
    let record = CommandRecord {
        name: CommandName::Acknowledge,
        txn: payload.txn,
        by: payload.by,
        at: payload.at,
        ok: true,
        code: None,
        reason: None,
    };
    world.event(&Event { subject: SMOKE.into(), ..event(3, EventData::Command(record)) });
    world.event(&change(4, AlarmChange::Repeated, cry(3, 2)));
    assert_eq!((world.shown(), asked(&world)), (lines("alarm smoke r3 active"), 0));
}

#[test]
fn a_late_refusal_takes_nothing_from_the_newer_cry() {
    let mut world = World::new();
    world.event(&raised(1, cry(1, 1)));
    world.ask(1, "u-7", Request::Silence);
    world.event(&change(2, AlarmChange::Repeated, cry(2, 2)));
    world.event(&change(3, AlarmChange::Acknowledged, acknowledged(cry(3, 2))));
    world.refuse_newest("newer_cry");
    assert_eq!(world.shown(), lines("alarm smoke r3 active by u-7 refused newer_cry"));
}

#[test]
fn a_person_who_looks_at_an_old_page_is_told_to_look_again() {
    let mut world = World::new();
    world.event(&raised(1, cry(2, 2)));
    let mut ask = |request, seen| {
        let asked = Asked { occurrence: Some(seen), ..asked_about(SMOKE.parse().unwrap(), request) };
        world.give(Input::Asked { ticket: 1, asked });
        match world.answers.pop() {
            Some((1, Outcome::Taken { .. })) => "taken",
            Some((1, Outcome::Refused { code, .. })) => code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(Request::Acknowledge, 1), "newer_cry");
    assert_eq!(ask(Request::Reset, 1), "newer_cry");
    assert_eq!(ask(Request::Silence, 1), "taken", "silencing is about the alarm, not about a cry");
    assert_eq!(ask(Request::Acknowledge, 2), "taken");
    assert_eq!(asked(&world), 2);
}
