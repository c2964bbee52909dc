//! A restart in the middle: every state of an alarm is on disk and comes back as it was.
use shouwang_board::Request;
use shouwang_message::CommandName;

use crate::devices::{Device, Manners};
use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

fn site() -> Site {
    Site::new().smoke("smoke-402", 12)
}

#[test]
fn an_active_alarm_survives() {
    let mut stage = Stage::settled(site());
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("the gateway restarts while it smokes: the same alarm, not told twice");
    stage.restart();
    stage.run(3.0);
    stage.says("the smoke goes");
    stage.smoke("smoke-402", false);
    stage.run(14.0);
    pin!(stage);
}

#[test]
fn an_acknowledged_alarm_survives() {
    let mut stage = Stage::settled(site());
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("the gateway restarts, and meanwhile the smoke goes");
    stage.kill();
    stage.smoke("smoke-402", false);
    stage.run(1.0);
    stage.start();
    stage.run(14.0);
    pin!(stage);
}

#[test]
fn a_latched_alarm_survives_until_its_reset() {
    let mut stage = Stage::settled(site());
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.smoke("smoke-402", false);
    stage.run(14.0);
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("cleared, acknowledged, latched; the gateway restarts; u-7 resets");
    stage.restart();
    stage.run(2.0);
    stage.resets("u-7", 'A');
    stage.run(2.0);
    assert!(stage.retained("/alarm/").is_empty());
    pin!(stage);
}

#[test]
fn an_alarm_that_finished_just_before_is_taken_from_the_broker_after() {
    let mut stage = Stage::settled(site());
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.smoke("smoke-402", false);
    stage.run(14.0);
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.says("u-7 resets; the gateway dies after the commit, before anything is published");
    stage.resets("u-7", 'A');
    stage.run(0.010);
    stage.set_broker(false);
    stage.run(0.050);
    stage.kill();
    stage.run(1.0);
    stage.set_broker(true);
    stage.start();
    stage.run(3.0);
    assert!(stage.retained("/alarm/").is_empty(), "{:?}", stage.retained("/alarm/"));
    pin!(stage);
}

#[test]
fn a_shelved_alarm_survives_and_still_ends_in_time() {
    let mut stage = Stage::of(Site::new().river("level-1", 7));
    stage.level_mm("level-1", 3_100);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage.run(120.0);
    stage.tape.begin(stage.now);
    stage.says("u-7 shelves for 30 min; the gateway restarts after 10");
    let until = stage.in_minutes(30);
    stage.asks_because("u-7", 'A', Request::Shelve { until, second: None }, Some("sluice works"));
    stage.run(600.0);
    stage.restart();
    stage.run(3.0);
    stage.says("30 min are over");
    stage.run(1_200.0);
    pin!(stage);
}

#[test]
fn out_of_service_survives() {
    let mut stage = Stage::settled(site());
    let mut payload = stage.payload("u-3");
    payload.device = Some(id("smoke-402"));
    payload.until = Some(stage.in_minutes(10));
    payload.reason = Some("renovation".into());
    stage.commands(CommandName::OutOfService, &payload);
    stage.run(2.0);
    stage.says("the gateway restarts; smoke");
    stage.restart();
    stage.run(2.0);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("the 10 min are over");
    stage.run(600.0);
    pin!(stage);
}

#[test]
fn a_test_survives() {
    let mut stage = Stage::settled(site());
    let mut payload = stage.payload("u-3");
    payload.device = Some(id("smoke-402"));
    payload.until = Some(stage.in_minutes(10));
    stage.commands(CommandName::Test, &payload);
    stage.run(2.0);
    stage.says("the gateway restarts in the middle of the test; smoke");
    stage.restart();
    stage.run(2.0);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("the 10 min are over, and it still smokes");
    stage.run(600.0);
    pin!(stage);
}

#[test]
fn a_lost_device_stays_lost_over_a_restart() {
    let mut stage =
        Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13).smoke("smoke-404", 14));
    stage.behaves("smoke-402", Manners::Dead);
    stage.run(20.0);
    stage.says("the gateway restarts; the device is still silent");
    stage.restart();
    stage.run(40.0);
    stage.says("it answers");
    stage.behaves("smoke-402", Manners::Good);
    stage.run(40.0);
    pin!(stage);
}

#[test]
fn a_fault_that_a_device_told_can_clear_after_a_restart() {
    let mut stage = Stage::settled(Site::new().call("call-402", 12));
    stage.device("call-402").set_inputs(|inputs| inputs.battery_mv = Some(2_500));
    stage.run(15.0);
    stage.says("the gateway is away while somebody changes the battery");
    stage.kill();
    stage.device("call-402").set_inputs(|inputs| inputs.battery_mv = Some(3_000));
    stage.run(2.0);
    stage.start();
    stage.run(70.0);
    pin!(stage);
}

#[test]
fn a_stranger_that_left_while_the_gateway_was_away_is_no_fault() {
    let mut stage = Stage::settled(Site::new().call("call-402", 12));
    stage.says("a stranger at the unit id");
    *stage.device("call-402") = Device::registers(12);
    stage.run(3.0);
    stage.says("the gateway is away while the call unit is put back");
    stage.kill();
    let now = stage.now;
    *stage.device("call-402") = Device::call(12, 123_456, 6, now);
    stage.run(2.0);
    stage.start();
    stage.run(5.0);
    pin!(stage);
}

#[test]
fn what_is_no_longer_configured_is_no_longer_at_fault() {
    let mut stage =
        Stage::settled(Site::new().smoke("smoke-401", 11).smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("403 is lost, and taken out of the configuration");
    stage.behaves("smoke-403", Manners::Dead);
    stage.run(20.0);
    stage.kill();
    stage.run(1.0);
    stage.reconfigure(Site::new().smoke("smoke-401", 11).smoke("smoke-402", 12));
    stage.start();
    stage.run(5.0);
    pin!(stage);
}

#[test]
fn an_alarm_of_what_is_no_longer_configured_ends_by_a_person() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    stage.says("403 is taken out of the configuration while it smokes");
    stage.kill();
    stage.run(1.0);
    stage.reconfigure(Site::new().smoke("smoke-402", 12));
    stage.start();
    stage.run(5.0);
    stage.says("u-7 acknowledges and resets");
    stage.acknowledges("u-7", 'A');
    stage.run(2.0);
    stage.resets("u-7", 'A');
    stage.run(2.0);
    assert!(stage.retained("/alarm/").is_empty());
    pin!(stage);
}

#[test]
fn an_uplink_fault_stays_over_a_restart_until_there_is_a_connection() {
    let mut stage = Stage::settled(site());
    stage.says("the broker is away; the gateway restarts");
    stage.set_broker(false);
    stage.run(40.0);
    stage.restart();
    stage.run(10.0);
    stage.says("the broker is back");
    stage.set_broker(true);
    stage.run(20.0);
    pin!(stage);
}
