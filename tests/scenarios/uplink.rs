//! The way to the duty room: away, back, mute, and what goes first.
use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn a_broker_that_is_away_is_a_fault_and_tried_fast_while_an_alarm_waits() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("the broker goes away");
    stage.set_broker(false);
    stage.run(40.0);
    stage.says("smoke in 402: from now on every 0.3 to 0.7 s");
    stage.smoke("smoke-402", true);
    stage.run(4.0);
    stage.smoke("smoke-403", true);
    stage.run(1.0);
    stage.says("the broker is back: the alarms' documents first, then the events in sequence");
    stage.set_broker(true);
    stage.run(4.0);
    pin!(stage);
}

#[test]
fn a_connection_without_receipts_is_made_anew() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("the broker takes and delivers, but gives no receipts, and the duty room is away; smoke");
    stage.broker.is_mute = true;
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(20.0);
    stage.says("both are well again");
    stage.broker.is_mute = false;
    stage.link_duty_room(true);
    stage.run(20.0);
    pin!(stage);
}

#[test]
fn what_nobody_has_heard_is_told_again() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("the duty room is away; the broker receipts everything; smoke");
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(35.0);
    stage.says("the duty room is back");
    stage.link_duty_room(true);
    stage.run(35.0);
    pin!(stage);
}

#[test]
fn one_receipt_that_never_comes_is_not_hidden_by_others() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("smoke in 402, and the receipts of that moment get lost");
    stage.smoke("smoke-402", true);
    stage.run(0.1);
    stage.broker.is_mute = true;
    stage.run(0.2);
    stage.broker.is_mute = false;
    stage.says("afterwards others come: 403 smokes, clears, smokes");
    for is_smoking in [true, false, true] {
        stage.smoke("smoke-403", is_smoking);
        stage.run(12.0);
    }
    pin!(stage);
}

#[test]
fn who_is_thrown_out_again_and_again_backs_off_and_says_so_but_an_alarm_waits_for_nothing() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.run(20.0);
    stage.says("another machine takes its place whenever it is back, for three minutes");
    let mut thrown_out = 0;
    for _ in 0..1_800 {
        stage.run(0.1);
        thrown_out += u32::from(stage.throw_out_gateway());
    }
    assert!((8..16).contains(&thrown_out), "it backs off: {thrown_out} times in three minutes");
    stage.says("smoke: it does not wait for its turn, and a tenth of a second is enough to be heard");
    stage.smoke("smoke-402", true);
    let back = (1..=30).find(|_| {
        stage.run(0.1);
        stage.throw_out_gateway()
    });
    assert!(back.is_some_and(|tenths| tenths <= 25), "back for the alarm after {back:?} tenths of a second");
    stage.says("the other machine is switched off");
    stage.run(40.0);
    pin!(stage);
}
