//! Signed commands between the real duty room and the real gateway, which trusts that duty room's key and no other.
use std::process::Command;

use serde_json::{Value, json};
use shouwang_tests::command::{payload, reply, send};
use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Configuration, DutyRoom, Gateway, Listener, ModbusServer, Mosquitto, wait_for};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, name};

const SMOKE: u16 = 3;

/// What `shouwang duty-room --show-key` prints.
fn trusted_key(room: &DutyRoom) -> String {
    let mut command = Command::new(shouwang_tests::gateway::binary());
    let asked =
        command.arg("duty-room").arg("--config").arg(room.configuration()).args(["--show-key", "--json"]);
    let said = asked.output().expect("the program runs");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let said: Value = serde_json::from_slice(&said.stdout).expect("one JSON object");
    said["trusted_key"].as_str().expect("a key").to_owned()
}

#[test]
fn a_duty_room_acknowledges_by_its_signature_and_nobody_without_one() {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    let key = trusted_key(&room);
    assert!(key.starts_with("duty-1:"), "{key}");
    let mut devices = ModbusServer::tcp();
    devices.set(1, Table::Holding, SMOKE, &[0]);
    let address = devices.address().to_owned();
    let configuration = Configuration::new(&broker)
        .tcp_line("line-1", &address, "")
        .device(&name(1), "line-1", 1, "renke-rs-yg-n01", "")
        .table(&format!("[commands]\ntrusted_keys = [\"{key}\"]"));
    let gateway = Gateway::start(&configuration);
    listener.wait_for_state(START_LIMIT, "ready");
    listener.wait_for_device(START_LIMIT, &name(1), "online");
    devices.set(1, Table::Holding, SMOKE, &[1]);
    let raised = listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
    let alarm = raised.json["data"]["id"].as_str().expect("an alarm's id").to_owned();
    wait_for(ALARM_LIMIT, "the duty room should show it", || {
        room.open_alarms().into_iter().find(|row| row["id"] == *alarm)
    });

    send(&listener, "acknowledge", &payload("t-1", "n-1", &alarm, 30));
    let refused = reply(&listener, "acknowledge", "t-1");
    assert_eq!((&refused["ok"], &refused["error"]["code"]), (&json!(false), &json!("unsigned")), "{refused}");

    room.ask(&alarm, "acknowledge", &json!({}));
    let acknowledged = listener.wait_for_event(ALARM_LIMIT, "shouwang.alarm.acknowledged.v1", &name(1));
    assert_eq!(acknowledged.json["data"]["acknowledged"]["by"], "operator");

    // What crossed the broker, sent again by somebody who read it: as it was, and as another command.
    let heard = listener.messages();
    let sent = heard.iter().find(|message| {
        message.leaf == "command/acknowledge"
            && String::from_utf8_lossy(&message.payload).contains("signature")
    });
    let sent = sent.expect("the duty room's command crossed the broker").payload.clone();
    let envelope: Value = serde_json::from_slice(&sent).expect("a command is JSON");
    let inside: Value = serde_json::from_str(envelope["payload"].as_str().expect("a text")).expect("JSON");
    assert_eq!(inside["to"], "heping/gw-0007/acknowledge");
    let replayed = |leaf: &str, code: &str| {
        listener.publish(&format!("command/{leaf}"), false, sent.clone());
        wait_for(ALARM_LIMIT, &format!("{leaf} again should be refused as {code}"), || {
            let replies = shouwang_tests::command::replies(&listener, leaf);
            replies.into_iter().find(|reply| reply["txn"] == inside["txn"] && reply["error"]["code"] == code)
        });
    };
    replayed("acknowledge", "repeated");
    replayed("reset", "target");
    room.stop();
    gateway.stop();
}
