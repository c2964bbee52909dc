//! Commands over MQTT: a good one acts and is answered, a bad one does nothing.
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::command::{envelope, payload, replies, reply, send};
use shouwang_tests::{clock, wait_until};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, name};

const ACKNOWLEDGED: &str = "shouwang.alarm.acknowledged.v1";

#[test]
fn a_person_acknowledges_an_alarm() {
    let (mut street, alarm) = street_with_smoke();
    send(&street.listener, "acknowledge", &payload("t-1", "n-1", &alarm, 30));
    let reply = reply(&street.listener, "acknowledge", "t-1");
    assert_eq!(reply["ok"], true, "{reply}");
    let event = street.listener.wait_for_event(ALARM_LIMIT, ACKNOWLEDGED, &name(1));
    assert_eq!(event.json["data"]["acknowledged"]["by"], "u-7");
    street.stop();
}

#[test]
fn an_expired_command_is_refused() {
    let (mut street, alarm) = street_with_smoke();
    send(&street.listener, "acknowledge", &payload("t-1", "n-1", &alarm, -30));
    let reply = reply(&street.listener, "acknowledge", "t-1");
    assert_eq!((&reply["ok"], &reply["error"]["code"]), (&json!(false), &json!("expired")), "{reply}");
    assert!(reply["error"]["text"]["zh"].is_string() && reply["error"]["text"]["en"].is_string(), "{reply}");
    assert!(street.listener.events_of(ACKNOWLEDGED).is_empty());
    street.stop();
}

#[test]
fn a_nonce_is_accepted_once_also_after_a_restart() {
    let (mut street, alarm) = street_with_smoke();
    send(&street.listener, "acknowledge", &payload("t-1", "n-1", &alarm, 60));
    assert_eq!(reply(&street.listener, "acknowledge", "t-1")["ok"], true);
    send(&street.listener, "acknowledge", &payload("t-2", "n-1", &alarm, 60));
    let repeated = reply(&street.listener, "acknowledge", "t-2");
    assert_eq!(repeated["ok"], false, "{repeated}");

    street.kill();
    // Else its former word is taken for the new process's.
    street.listener.wait_for_state(START_LIMIT, "lost");
    street.launch();
    street.listener.wait_for_state(START_LIMIT, "ready");
    send(&street.listener, "acknowledge", &payload("t-3", "n-1", &alarm, 60));
    let repeated = reply(&street.listener, "acknowledge", "t-3");
    assert_eq!(repeated["ok"], false, "{repeated}");
    assert_eq!(street.listener.events_of(ACKNOWLEDGED).len(), 1);
    street.stop();
}

#[test]
fn a_retained_command_does_nothing() {
    let (mut street, alarm) = street_with_smoke();
    street.stop();
    let command = envelope(&payload("t-retained", "n-1", &alarm, 300));
    street.listener.publish("command/acknowledge", true, command);
    // Only once the broker has it is it retained for the gateway, and not a live one.
    wait_until(START_LIMIT, "the broker should have the command", || {
        street.listener.newest("command/acknowledge").is_some()
    });
    street.start();
    // A live command comes after the retained one; when it is answered, that one was dealt with.
    send(&street.listener, "silence", &payload("t-live", "n-2", &alarm, 30));
    reply(&street.listener, "silence", "t-live");
    assert!(street.listener.events_of(ACKNOWLEDGED).is_empty(), "a retained command must not act");
    let replies = replies(&street.listener, "acknowledge");
    assert!(replies.iter().all(|reply| reply["ok"] == false), "{replies:?}");
    street.stop();
}

#[test]
fn garbage_does_nothing_and_stops_nothing() {
    let (mut street, alarm) = street_with_smoke();
    let deep = "[".repeat(100_000);
    let good = payload("t", "n", &alarm, 30);
    let corpus: Vec<(&str, Vec<u8>)> = vec![
        ("command/acknowledge", Vec::new()),
        ("command/acknowledge", b"\0\xff\xfe".to_vec()),
        ("command/acknowledge", b"{}".to_vec()),
        ("command/acknowledge", b"[]".to_vec()),
        ("command/acknowledge", b"{\"payload\":7}".to_vec()),
        ("command/acknowledge", b"{\"payload\":\"{}\"}".to_vec()),
        ("command/acknowledge", envelope(&json!("not an object"))),
        ("command/acknowledge", envelope(&changed(&good, "txn", json!({})))),
        ("command/acknowledge", envelope(&changed(&good, "alarm", json!("../../etc")))),
        ("command/acknowledge", envelope(&changed(&good, "expires", json!("tomorrow")))),
        ("command/acknowledge", envelope(&changed(&good, "expires", json!("9999-12-31T23:59:59.999Z")))),
        ("command/acknowledge", envelope(&changed(&good, "nonce", json!("n".repeat(100_000))))),
        ("command/acknowledge", envelope(&changed(&good, "by", Value::Null))),
        ("command/acknowledge", deep.into_bytes()),
        ("command/acknowledge", vec![b' '; 1024 * 1024]),
        ("command/explode", envelope(&good)),
        ("command/acknowledge/now", envelope(&good)),
        ("command/", envelope(&good)),
        ("heard/duty-1", b"{\"up_to\":-1}".to_vec()),
        ("heard/duty-1", b"garbage".to_vec()),
        ("heard/DUTY 1", b"{}".to_vec()),
    ];
    for (leaf, bytes) in corpus {
        street.listener.publish(leaf, false, bytes);
    }
    // It still reads, tells and answers.
    street.smoke(2, true);
    street.listener.wait_for_event(START_LIMIT, RAISED, &name(2));
    // One of the messages above may have cost the gateway its connection: then a command can be lost, and
    // whoever asked asks again.
    let answered = (1..=5).any(|attempt| {
        let txn = format!("t-good-{attempt}");
        send(&street.listener, "acknowledge", &payload(&txn, &txn, &alarm, 30));
        let answer =
            || replies(&street.listener, "acknowledge").into_iter().find(|reply| reply["txn"] == txn);
        let asked = clock::now();
        while answer().is_none() && asked.elapsed() < Duration::from_secs(3) {
            clock::pause(Duration::from_millis(20));
        }
        answer().is_some_and(|answer| answer["ok"] == true)
    });
    assert!(answered, "a good command after the garbage should be answered");
    assert!(street.gateway.as_mut().is_some_and(shouwang_tests::Gateway::is_running));
    street.stop();
}

/// A street of two in which `smoke-1` has raised its alarm; and that alarm's id.
fn street_with_smoke() -> (Street, String) {
    let mut street = Street::tcp(2);
    street.start();
    street.smoke(1, true);
    let raised = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
    let alarm = raised.json["data"]["id"].as_str().expect("an alarm's id").to_owned();
    (street, alarm)
}

fn changed(payload: &Value, key: &str, value: Value) -> Value {
    let mut payload = payload.clone();
    payload[key] = value;
    payload
}
