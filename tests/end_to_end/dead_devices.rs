//! The dead do not slow the living: one or three of sixteen on a serial line stop answering.
use std::time::Duration;

use crate::street::{ALARM_LIMIT, RAISED, Street, assert_in_sequence, name};

/// Contract: a lost life-safety device is a fault within 30 s.
const LOST_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn the_living_are_read_beside_one_dead_device() {
    the_living_are_read_beside(&[7]);
}

#[test]
fn the_living_are_read_beside_three_dead_devices() {
    the_living_are_read_beside(&[1, 8, 16]);
}

fn the_living_are_read_beside(dead: &[u8]) {
    let mut street = Street::serial(16);
    street.start();
    for unit_id in dead {
        street.devices.lose(*unit_id);
    }
    // At once, while the gateway still takes them for late...
    street.smoke(2, true);
    street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(2));
    // ...and when it knows.
    for unit_id in dead {
        let fault = street.listener.wait_for_event(LOST_LIMIT, "shouwang.fault.raised.v1", &name(*unit_id));
        assert_eq!(fault.json["data"]["code"], "timeout", "{}", fault.json);
        street.listener.wait_for_device(ALARM_LIMIT, &name(*unit_id), "lost");
    }
    for unit_id in (3..=16).filter(|unit_id| !dead.contains(unit_id)) {
        street.smoke(unit_id, true);
    }
    for unit_id in (3..=16).filter(|unit_id| !dead.contains(unit_id)) {
        street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(unit_id));
    }
    let raised = street.listener.events_of(RAISED);
    assert!(raised.iter().all(|event| dead.iter().all(|unit_id| event.subject() != name(*unit_id))));
    assert_in_sequence(&street.listener);
    street.stop();
}
