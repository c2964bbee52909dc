//! A gateway is given another configuration while it watches: by SIGHUP, by command, and when the file is bad.
use std::path::PathBuf;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;
use shouwang_tests::command::{payload, reply, send};
use shouwang_tests::gateway::binary;
use shouwang_tests::wait_until;

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, assert_in_sequence, name};

const FAULT_RAISED: &str = "shouwang.fault.raised.v1";
const FAULT_CLEARED: &str = "shouwang.fault.cleared.v1";

/// Writes this text over the gateway's file; nobody is told.
fn write(street: &Street, text: &str) -> PathBuf {
    let path = street.configuration.directory().join("gateway.toml");
    std::fs::write(&path, text).expect("the file can be written");
    path
}

fn hang_up(street: &Street) {
    street.gateway.as_ref().expect("a running gateway").signal(Signal::HUP);
}

fn said(street: &Street, words: &str) -> usize {
    street.gateway.as_ref().expect("a running gateway").stderr().matches(words).count()
}

/// Asks by command and gives the answer.
fn ask(street: &Street, txn: &str) -> Value {
    let mut wish = payload(txn, txn, "", 30);
    wish.as_object_mut().expect("a payload").remove("alarm");
    send(&street.listener, "reload", &wish);
    reply(&street.listener, "reload", txn)
}

/// The file without the table of this device.
fn without(text: &str, device: &str) -> String {
    let tables: Vec<&str> = text.split("\n[[device]]").collect();
    let mine = format!("id = \"{device}\"");
    let kept: Vec<&str> = tables.into_iter().filter(|table| !table.contains(&mine)).collect();
    kept.join("\n[[device]]")
}

#[test]
fn one_edited_device_is_another_and_the_rest_go_on() {
    let mut street = Street::tcp(3);
    street.start();
    let before = street.listener.newest("info").expect("/info is retained");
    // A place is put right, a device goes, one comes, and the line waits a little longer for answers.
    let text = street.configuration.text();
    street.smoke(4, false);
    let more =
        "\n[[device]]\nid = \"smoke-4\"\nline = \"line-1\"\nunit_id = 4\nprofile = \"renke-rs-yg-n01\"\n";
    let edited = without(&text, "smoke-3").replace("name = \"3号楼2单元1\"", "name = \"5号楼\"") + more;
    write(&street, &edited);
    hang_up(&street);
    street.listener.wait_for_device(START_LIMIT, "smoke-4", "online");
    let info = street.listener.newest("info").expect("/info is retained");
    assert_ne!(info["configuration"], before["configuration"]);
    assert_eq!((&info["boot"], &info["log"]), (&before["boot"], &before["log"]), "the same run");
    let devices: Vec<_> = info["devices"].as_array().into_iter().flatten().collect();
    let ids: Vec<_> = devices.iter().filter_map(|device| device["id"].as_str()).collect();
    assert_eq!(ids, ["smoke-1", "smoke-2", "smoke-4"]);
    assert_eq!(devices.first().map(|device| &device["place"]["name"]), Some(&"5号楼".into()));
    let record = street.listener.wait_for_event(ALARM_LIMIT, "shouwang.command.v1", "gw-0007");
    assert_eq!((&record.json["data"]["name"], &record.json["data"]["ok"]), (&"reload".into(), &true.into()));
    let changes = |device: &str| {
        let states = street.listener.events_of("shouwang.device.state.v1").into_iter();
        states.filter(|event| event.subject() == device).count()
    };
    assert_eq!((changes("smoke-1"), changes("smoke-2")), (1, 1), "online once, and never anything else");

    // Another time-out: that line's port is opened anew, and everybody on it answers.
    write(&street, &edited.replace("name = \"line-1\"", "name = \"line-1\"\ntimeout_ms = 350"));
    hang_up(&street);
    wait_until(START_LIMIT, "the line is opened anew", || said(&street, "line is open") == 2);
    for unit_id in [1, 2, 4] {
        street.smoke(unit_id, true);
        street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(unit_id));
    }
    assert_in_sequence(&street.listener);
    assert!(street.listener.events_of(FAULT_RAISED).is_empty(), "nobody was taken for lost");
    street.stop();
}

#[test]
fn a_bad_file_keeps_the_old_one_and_an_open_alarm_keeps_its_device() {
    let mut street = Street::tcp(2);
    street.start();
    let text = street.configuration.text();
    let bad = text.replace("unit_id = 2", "unit_id = 2\ncolour = \"red\"");
    let path = write(&street, &bad);
    hang_up(&street);
    let fault = street.listener.wait_for_event(ALARM_LIMIT, FAULT_RAISED, "gw-0007");
    assert_eq!(fault.json["data"]["code"], "configuration", "{}", fault.json);
    // In the very words of `shouwang check`.
    let check = Command::new(binary()).arg("check").arg("--config").arg(&path).output().expect("check runs");
    assert_eq!(check.status.code(), Some(2));
    let words = String::from_utf8_lossy(&check.stderr).into_owned();
    let first = words.lines().find(|line| line.contains("gateway.toml:")).expect("check says where");
    wait_until(ALARM_LIMIT, "the log says why, as check does", || said(&street, first) > 0);
    let refused = ask(&street, "t-bad");
    assert_eq!(refused["error"]["code"], "bad_configuration", "{refused}");
    let why = refused["error"]["text"]["en"].as_str().unwrap_or_default();
    assert!(why.contains("colour") && first.contains(why.split(" (and").next().unwrap_or("?")), "{why}");

    // It watches on, with both devices; and the one that burns cannot be taken away.
    street.smoke(2, true);
    let raised = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(2));
    write(&street, &without(&text, "smoke-2"));
    let refused = ask(&street, "t-open");
    assert_eq!(refused["error"]["code"], "open_alarm", "{refused}");
    assert!(refused["error"]["text"]["zh"].as_str().is_some_and(|text| text.contains("smoke-2")));
    // Who it is, and where it keeps its log, is for life.
    write(&street, &text.replace("gateway = \"gw-0007\"", "gateway = \"gw-0008\""));
    let refused = ask(&street, "t-name");
    assert_eq!(refused["error"]["code"], "needs_restart", "{refused}");
    let sections =
        "[web]\nlisten = \"127.0.0.1:0\"\n\n[control]\nsocket = \"elsewhere.sock\"\n\n[broker]\n\n[uplink]";
    write(&street, &text.replace("[uplink]", sections));
    let refused = ask(&street, "t-web");
    assert_eq!(refused["error"]["code"], "needs_restart", "{refused}");
    for language in ["zh", "en"] {
        let why = refused["error"]["text"][language].as_str().unwrap_or_default();
        assert!(["[web]", "[control]", "[broker]"].iter().all(|key| why.contains(key)), "{refused}");
    }
    let alarm = format!("alarm/{}", raised.json["data"]["id"].as_str().unwrap_or_default());
    assert_eq!(street.listener.newest(&alarm).expect("it stands")["active"], true);

    write(&street, &text);
    assert_eq!(ask(&street, "t-good")["ok"], true);
    street.listener.wait_for_event(ALARM_LIMIT, FAULT_CLEARED, "gw-0007");
    assert_in_sequence(&street.listener);
    street.stop();
}
