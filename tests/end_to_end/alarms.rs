//! A register turns at a device that is not ours, and an event says so.
use shouwang_tests::clock;

use crate::street::{ALARM_LIMIT, RAISED, Street, assert_in_sequence, name};

#[test]
fn a_flipped_register_arrives_as_an_event_over_tcp() {
    a_flipped_register_arrives(Street::tcp(2));
}

#[test]
fn a_flipped_register_arrives_as_an_event_over_a_serial_line() {
    a_flipped_register_arrives(Street::serial(2));
}

fn a_flipped_register_arrives(mut street: Street) {
    street.start();
    assert!(street.listener.events_of(RAISED).is_empty(), "all is quiet");

    let flipped = clock::now();
    street.smoke(2, true);
    let event = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(2));
    println!("from the register to the event: {} ms", event.at.duration_since(flipped).as_millis());

    let alarm = &event.json["data"];
    assert_eq!(event.json["specversion"], "1.0");
    assert_eq!(event.json["source"], "shouwang/v1/heping/gw-0007");
    for (key, expected) in [
        ("device", "smoke-2"),
        ("gateway", "gw-0007"),
        ("class", "smoke"),
        ("priority", "emergency"),
        ("mode", "live"),
    ] {
        assert_eq!(alarm[key], expected, "{key} of {alarm}");
    }
    assert_eq!(alarm["active"], true);
    assert_eq!(alarm["acknowledged"], serde_json::Value::Null);
    assert_eq!(alarm["unlogged"], false);
    assert_eq!(alarm["place"]["room"], "2");

    // The retained document says the same to whoever comes later.
    let leaf = format!("alarm/{}", alarm["id"].as_str().unwrap_or_default());
    assert_eq!(street.listener.newest(&leaf).as_ref(), Some(alarm));
    assert_eq!(street.listener.events_of(RAISED).len(), 1, "the other device is quiet");
    assert_in_sequence(&street.listener);
    street.stop();
}

#[test]
fn a_lost_device_keeps_its_alarm() {
    let mut street = Street::tcp(2);
    street.start();
    street.smoke(1, true);
    let raised = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
    street.devices.lose(1);
    // Contract: a lost life-safety device is a fault within 30 s.
    let limit = std::time::Duration::from_secs(30);
    let fault = street.listener.wait_for_event(limit, "shouwang.fault.raised.v1", &name(1));
    assert_eq!(fault.json["data"]["code"], "timeout", "{}", fault.json);
    street.listener.wait_for_device(ALARM_LIMIT, &name(1), "lost");

    assert!(street.listener.events_of("shouwang.alarm.cleared.v1").is_empty(), "silence never clears");
    let leaf = format!("alarm/{}", raised.json["data"]["id"].as_str().unwrap_or_default());
    let alarm = street.listener.newest(&leaf).expect("the retained document");
    assert_eq!(alarm["active"], true, "silence never clears: {alarm}");

    street.devices.bring_back(1);
    street.listener.wait_for_event(limit, "shouwang.fault.cleared.v1", &name(1));
    street.listener.wait_for_device(ALARM_LIMIT, &name(1), "online");
    assert_in_sequence(&street.listener);
    street.stop();
}
