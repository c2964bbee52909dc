//! The walk test at the box itself: `walk-test` asks by way of the running gateway, the duty room agrees, real triggers
//! pass with their milliseconds, and what passed is proven.
use std::process::Command;

use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::Program;
use shouwang_tests::{
    Configuration, DutyRoom, Gateway, Listener, ModbusServer, Mosquitto, wait_for, wait_until,
};

use crate::command_line::shouwang;
use crate::street::{ALARM_LIMIT, START_LIMIT, name};

const SMOKE: u16 = 3;

fn info(listener: &Listener) -> Value {
    listener.newest("info").unwrap_or_default()
}

#[test]
fn who_stands_at_the_box_is_told_when_each_device_has_passed() {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    let mut devices = ModbusServer::tcp();
    for unit_id in [1, 2] {
        devices.set(unit_id, Table::Holding, SMOKE, &[0]);
    }
    let address = devices.address().to_owned();
    let configuration = Configuration::new(&broker)
        .tcp_line("line-1", &address, "poll = { alarm_ms = 100 }")
        .device(&name(1), "line-1", 1, "renke-rs-yg-n01", "")
        .device(&name(2), "line-1", 2, "renke-rs-yg-n01", "");
    let socket = configuration.directory().join("control.sock").display().to_string();
    let nobody = shouwang(&["walk-test", "--control", &socket]);
    assert_eq!(nobody.ending, "exit 3", "{}", nobody.stderr);
    let configuration = configuration.table(&format!("[control]\nsocket = \"{socket}\""));
    let gateway = Gateway::start(&configuration);
    for unit_id in [1, 2] {
        listener.wait_for_device(START_LIMIT, &name(unit_id), "online");
    }
    let unknown = shouwang(&["walk-test", "--control", &socket, "--by", "老张", "smoke-99"]);
    assert_eq!(unknown.ending, "exit 4", "{}", unknown.stdout);
    assert!(unknown.stderr.contains("smoke-99"), "{}", unknown.stderr);

    let mut command = Command::new(binary());
    let command = command.args(["walk-test", "--control", &socket, "--by", "老张", "--json", &name(1)]);
    let mut walk = Program::start("walk-test", command, configuration.directory());
    let asked = wait_for(START_LIMIT, "the duty room should be asked", || {
        info(&listener)["walk"]["id"].as_str().map(str::to_owned)
    });
    room.answer_walk(&asked, true);
    listener.wait_for_device(START_LIMIT, &name(1), "test");
    devices.set(1, Table::Holding, SMOKE, &[1]);
    listener.wait_for_device(ALARM_LIMIT, &name(1), "online");
    devices.set(1, Table::Holding, SMOKE, &[0]);
    let ended = walk.wait(START_LIMIT);
    let said = walk.stdout();
    assert_eq!(ended.code(), Some(0), "{said}");
    let objects: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let passed = objects.iter().find(|row| row["state"] == "passed").expect("a device that passed");
    let total = passed["total_ms"].as_u64().expect("how long it took");
    assert!(total < 10_000 && passed["broker_ms"].is_u64() && passed["gateway_ms"].is_u64(), "{passed}");
    let last = objects.last().expect("a last object");
    assert_eq!((&last["state"], &last["missing"]), (&json!("finished"), &json!([])), "{last}");
    wait_until(ALARM_LIMIT, "what passed should be proven, and nothing else", || {
        let told = info(&listener);
        told["walk"].is_null()
            && told["devices"][0]["proven_at"].is_string()
            && told["devices"][1]["proven_at"].is_null()
    });
    let over = shouwang(&["walk-test", "--control", &socket, "--again", &name(1)]);
    assert_eq!(over.ending, "exit 4", "{}", over.stdout);
    gateway.stop();
}
