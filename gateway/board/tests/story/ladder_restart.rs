//! Stories of the ladder over a restart: nothing that had a result is told again, and nothing that became due is left out.
use std::time::Duration;

use shouwang_board::{Input, Request};
use shouwang_message::*;

use crate::ladder::*;
use crate::people::*;
use crate::world::*;

#[test]
fn a_restart_repeats_nothing_and_does_at_once_what_became_due() {
    let mut world = burning();
    world.tells();
    world.pass(20);
    world.kill();
    assert!(world.tells().is_empty());
    world.pass(9);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells().len(), 2, "the second step at its time");
    // Away from 35 s to 200 s.
    world.pass(5);
    world.now = world.now + Duration::from_secs(165);
    world.kill();
    let steps: Vec<_> = world.tells().iter().map(|told| told[..7].to_owned()).collect();
    assert_eq!(steps, ["2 voice", "2 voice", "3 sms c", "3 voice"]);
    world.kill();
    world.pass(600);
    assert!(world.tells().is_empty());
}

#[test]
fn what_has_no_result_when_the_process_ends_is_told_again_and_says_so() {
    let mut world = burning();
    assert_eq!(world.told.len(), 2);
    world.told.clear();
    world.kill();
    let again = "火警 · 待确认 / 重发";
    assert_eq!(world.tells(), [format!("0 robot wang: {again}"), format!("0 platform wang: {again}")]);
    world.kill();
    assert!(world.tells().is_empty());
}

#[test]
fn an_acknowledged_alarm_is_not_told_again_after_a_restart() {
    let mut world = burning();
    world.told.clear();
    world.ask(1, "desk-1", Request::Acknowledge);
    world.kill();
    world.pass(100);
    assert!(world.tells().is_empty());
    assert_eq!(world.deliveries()[0], "robot wang某 failed null");
}

#[test]
fn an_alarm_that_only_its_document_told_survives_a_restart_without_being_told_twice() {
    let mut world = World::with(settings());
    world.alarm(&placed(smoke(1)), false);
    assert_eq!(world.tells().len(), 2);
    world.kill();
    assert!(world.tells().is_empty());
    world.alarm(&placed(smoke(1)), true);
    assert!(world.tells().is_empty());
    world.pass(30);
    assert_eq!(world.tells().len(), 2);
}

#[test]
fn what_an_old_log_tells_may_be_long_over_and_is_told_only_if_it_is_not() {
    let mut world = burning();
    world.ask(1, "desk-1", Request::Acknowledge);
    world.tells();
    world.give(Input::LinkDown);
    world.pass(200);
    world.give(Input::LinkUp);
    // A log of the time between: a second cry that somebody had acknowledged at the gateway.
    let again = AlarmDocument { occurrence: 2, ..placed(smoke(3)) };
    world.event(&change(2, AlarmChange::Repeated, again.clone()));
    world.pass(2);
    let by = Some(Acknowledged { by: "desk-1".into(), at: wall(world.now) });
    world.event(&change(
        3,
        AlarmChange::Acknowledged,
        AlarmDocument { acknowledged: by, revision: 4, ..again.clone() },
    ));
    world.pass(60);
    assert!(world.tells().is_empty());
    // A third one, of which the log says nothing more.
    world.give(Input::LinkUp);
    let third = AlarmDocument { occurrence: 3, revision: 5, ..again.clone() };
    world.event(&change(4, AlarmChange::Repeated, third));
    world.pass(9);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells().len(), 2);
    // A fourth one that its topic tells too waits for nothing.
    world.give(Input::LinkUp);
    let fourth = AlarmDocument { occurrence: 4, revision: 6, ..again };
    world.event(&change(5, AlarmChange::Repeated, fourth.clone()));
    world.alarm(&fourth, false);
    assert_eq!(world.tells().len(), 2);
}
