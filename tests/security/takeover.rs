//! Two boxes with one gateway id, as after a stolen password or a copied card: the duty room raises a security alarm, each
//! box says that it is thrown out and backs off, and when one is switched off the other works as if nothing had been.
use serde_json::Value;
use shouwang_tests::{Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, wait_for, wait_until};

use crate::house::{ALARM_LIMIT, START_LIMIT};

/// They need a few turns, each of half a second to two.
const NOTICED: std::time::Duration = std::time::Duration::from_secs(40);

#[test]
fn one_gateway_id_on_two_machines_is_a_security_alarm_and_both_back_off() {
    let broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    let listener = Listener::start(&broker);
    let row = |room: &DutyRoom| -> Option<Value> {
        room.open_alarms().into_iter().find(|row| row["condition"] == "two_machines")
    };
    // Nobody is at home on its line: who speaks as the gateway is the story.
    let configuration = || {
        let line = Configuration::new(&broker).tcp_line("line-1", "127.0.0.1:9", "");
        line.device("smoke-1", "line-1", 1, "renke-rs-yg-n01", "")
    };
    let (right, wrong) = (configuration(), configuration());
    let first = Gateway::start(&right);
    listener.wait_for_state(START_LIMIT, "ready");
    // An ordinary restart is none.
    first.stop();
    let first = Gateway::start(&right);
    wait_until(START_LIMIT, "the restarted gateway should be there", || {
        listener.newest("state").is_some_and(|state| state["state"] == "ready" && state["boot"] == 2)
    });
    assert_eq!(row(&room), None);

    let second = Gateway::start(&wrong);
    let began = clock::now();
    let shown = wait_for(NOTICED, "the duty room should raise the alarm", || row(&room));
    println!("two machines: on the board after {:.1} s: {}", began.elapsed().as_secs_f64(), shown["text"]);
    assert_eq!((&shown["kind"], &shown["priority"]), (&"fault".into(), &"urgent".into()));
    assert!(room.read("/api/v1/logbook").contains("security.two_machines"), "the logbook has it");

    let faults = || listener.events_of("shouwang.fault.raised.v1");
    wait_until(NOTICED, "both boxes should say that they are thrown out", || {
        let logs: std::collections::BTreeSet<String> = faults()
            .iter()
            .filter(|fault| fault.json["data"]["code"] == "thrown_out")
            .filter_map(|fault| Some(fault.json["id"].as_str()?.split('/').nth(1)?.to_owned()))
            .collect();
        logs.len() == 2
    });
    let births = || listener.messages().iter().filter(|message| message.leaf == "info").count();
    let before = births();
    clock::pause(std::time::Duration::from_secs(10));
    let turns = births() - before;
    println!("{turns} turns in ten seconds");
    assert!(turns <= 12, "they back off: {turns} turns in ten seconds");

    second.stop();
    wait_until(NOTICED * 2, "the right one should be there again, and stay", || {
        listener
            .events_of("shouwang.fault.cleared.v1")
            .iter()
            .any(|fault| fault.json["data"]["code"] == "thrown_out")
    });
    listener.wait_for_state(ALARM_LIMIT, "ready");
    assert!(row(&room).is_some(), "the alarm stays until a person has seen it");
    first.stop();
    room.stop();
}
