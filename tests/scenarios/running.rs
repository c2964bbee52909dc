//! Starting, beating, stopping.
use shouwang_core::input::Input;

use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn a_gateway_starts_and_beats_every_ten_seconds() {
    let mut stage = Stage::of(Site::new().smoke("smoke-402", 12).call("call-402", 13));
    stage.tape.shows_heartbeats = true;
    stage.start();
    stage.run(31.0);
    pin!(stage);
}

#[test]
fn a_gateway_that_is_asked_to_end_says_stopped() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("smoke, and SIGTERM in the same moment");
    stage.smoke("smoke-402", true);
    stage.run(0.08);
    stage.give(Input::Stopping);
    stage.run(3.0);
    assert!(stage.has_stopped);
    let state = stage.retained("gw-0007/state");
    assert!(state.iter().any(|state| state.contains(r#""state":"stopped""#)), "{state:?}");
    pin!(stage);
}

#[test]
fn a_gateway_that_is_killed_is_lost_by_its_will() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("kill -9");
    stage.kill();
    stage.run(5.0);
    stage.says("it comes back");
    stage.start();
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_gateway_that_ends_without_a_broker_ends_in_time() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.set_broker(false);
    stage.run(1.0);
    stage.says("SIGTERM without a broker");
    stage.give(Input::Stopping);
    stage.run(4.0);
    assert!(stage.has_stopped);
    pin!(stage);
}
