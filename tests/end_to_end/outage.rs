//! The broker is away for 20 s while ten alarms come and go; then all are told, in order.
use std::time::Duration;

use shouwang_tests::{clock, wait_until};

use crate::committed::{events, is_raised};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, assert_in_sequence, name};

const OUTAGE: Duration = Duration::from_secs(20);
const ALARMS: u8 = 10;
/// Longer than an alarm point's 500 ms poll and its confirming re-read.
const PULSE: Duration = Duration::from_millis(1300);
/// The design wants 1 s, which `tests/bench` measures; a machine that runs tests is busy.
const FIRST_WITHIN: Duration = Duration::from_secs(3);

#[test]
fn ten_alarms_in_an_outage_arrive_in_order() {
    ten_alarms_in_an_outage(false);
}

#[test]
fn ten_alarms_in_an_outage_with_a_kill_arrive_in_order() {
    ten_alarms_in_an_outage(true);
}

fn ten_alarms_in_an_outage(kill: bool) {
    let mut street = Street::tcp(ALARMS);
    street.start();
    let connections = street.listener.subscriptions();
    street.broker.stop();
    let away = clock::now();
    for unit_id in 1..=ALARMS {
        street.smoke(unit_id, true);
        clock::pause(PULSE);
        street.smoke(unit_id, false);
        if kill && unit_id == ALARMS / 2 {
            kill_and_launch(&mut street);
        }
    }
    let directory = street.configuration.state_directory();
    wait_until(ALARM_LIMIT, "all ten alarms should be committed", || {
        (1..=ALARMS).all(|unit_id| events(&directory).iter().any(|event| is_raised(event, &name(unit_id))))
    });
    clock::pause(OUTAGE.saturating_sub(away.elapsed()));
    assert!(street.listener.events_of(RAISED).is_empty(), "nobody can have heard anything yet");

    street.broker.restart();
    let back = clock::now();
    wait_until(START_LIMIT, "all ten alarms should arrive", || {
        street.listener.events_of(RAISED).len() >= usize::from(ALARMS)
    });
    let raised = street.listener.events_of(RAISED);
    let order: Vec<&str> = raised.iter().map(shouwang_tests::listener::Heard::subject).collect();
    let expected: Vec<String> = (1..=ALARMS).map(name).collect();
    assert_eq!(order, expected, "each alarm once, in the order in which they were raised");
    assert_in_sequence(&street.listener);
    // Its session brings it the alarms before the broker has answered its subscription.
    wait_until(START_LIMIT, "the listener should have had to reconnect too", || {
        street.listener.subscriptions() > connections
    });

    let first = raised[0].at.duration_since(back);
    println!("first alarm {} ms after the broker's return (kill: {kill})", first.as_millis());
    assert!(first <= FIRST_WITHIN, "the first alarm took {first:?} after the broker's return");
    street.stop();
}

/// `kill -9` and a new start between two alarms; goes on when the new process has counted its boot.
fn kill_and_launch(street: &mut Street) {
    let directory = street.configuration.state_directory();
    let boots = || events(&directory).iter().filter(|event| event["type"] == "shouwang.boot.v1").count();
    let before = boots();
    let last = name(ALARMS / 2);
    wait_until(ALARM_LIMIT, "the alarm before the kill should be committed", || {
        events(&directory).iter().any(|event| is_raised(event, &last))
    });
    street.kill();
    street.launch();
    wait_until(START_LIMIT, "the new process should have started", || boots() > before);
}
