//! How a gateway's end looks from outside: `stopped` when asked to end, `lost` when it was killed.
use shouwang_tests::Listener;

use crate::street::{ALARM_LIMIT, Street};

#[test]
fn a_gateway_that_is_asked_to_end_says_stopped() {
    let mut street = Street::tcp(1);
    street.start();
    let ready = street.listener.newest("state").expect("a state");
    street.stop();
    street.listener.wait_for_state(ALARM_LIMIT, "stopped");

    // Whoever comes later is told the same, and of the same run.
    let later = Listener::start(&street.broker);
    later.wait_for_state(ALARM_LIMIT, "stopped");
    let stopped = later.newest("state").expect("a state");
    assert_eq!((&stopped["boot"], &stopped["connection"]), (&ready["boot"], &ready["connection"]));
    let message = later.messages().into_iter().find(|message| message.leaf == "state");
    assert!(message.is_some_and(|message| message.retained), "the state is retained");
}

#[test]
fn a_gateway_that_is_killed_leaves_its_will() {
    let mut street = Street::tcp(1);
    street.start();
    let ready = street.listener.newest("state").expect("a state");
    street.kill();
    street.listener.wait_for_state(ALARM_LIMIT, "lost");
    let lost = street.listener.newest("state").expect("a state");
    assert_eq!((&lost["boot"], &lost["connection"]), (&ready["boot"], &ready["connection"]));

    street.launch();
    street.listener.wait_for_state(ALARM_LIMIT, "ready");
    let again = street.listener.newest("state").expect("a state");
    assert_eq!(again["boot"].as_u64(), ready["boot"].as_u64().map(|boot| boot + 1), "boots are counted");
    street.stop();
}
