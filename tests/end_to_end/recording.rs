//! A running gateway records on demand, from the middle of an alarm, and the recording decides the same again.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::{Configuration, wait_until};

use crate::command_line::shouwang;
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street};

/// Stands in no file that leaves the box.
const PHONE: &str = "+8613800138000";

/// Two smoke alarms, a control socket, and a phone that the gateway would text.
fn street() -> (Street, String) {
    let mut street = Street::tcp(2);
    let directory = street.configuration.directory().to_owned();
    let socket = directory.join("control.sock").display().to_string();
    let modem = directory.join("no-modem");
    let tables = format!(
        "[control]\nsocket = \"{socket}\"\n[sms]\npath = \"{}\"\n[[sms.phone]]\nperson = \"u-7\"\nnumber = \"{PHONE}\"\n",
        modem.display()
    );
    street.configuration =
        std::mem::replace(&mut street.configuration, Configuration::new(&street.broker)).table(&tables);
    (street, socket)
}

fn last_line(text: &str) -> Value {
    let line = text.lines().last().expect("a last line");
    serde_json::from_str(line).expect("one object")
}

fn said(street: &Street, words: &str) -> bool {
    street.gateway.as_ref().expect("it runs").stderr().contains(words)
}

fn recordings(street: &Street) -> Vec<PathBuf> {
    let directory = street.configuration.state_directory().join("recordings");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn replay(path: &Path) -> (Option<i32>, String) {
    let output = Command::new(binary()).args(["replay", "--json"]).arg(path).output().expect("it replays");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_running_gateway_records_on_demand_and_the_recording_decides_the_same() {
    let (mut street, socket) = street();
    street.start();
    street.smoke(1, true);
    let raised = street.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-1");

    let begun = shouwang(&["record", "--control", &socket, "--minutes", "2", "--json"]);
    assert_eq!(begun.ending, "exit 0", "{}", begun.stderr);
    let begun = last_line(&begun.stdout);
    let path = PathBuf::from(begun["recording"].as_str().expect("a path"));
    assert_eq!(
        (&begun["minutes"], path.parent()),
        (&json!(2), Some(&*street.configuration.state_directory().join("recordings")))
    );
    let again = shouwang(&["record", "--control", &socket]);
    assert_eq!(again.ending, "exit 1", "one at a time");
    assert!(again.stderr.contains("正在录制"), "{}", again.stderr);

    // Another configuration comes in the middle of it.
    let file = street.configuration.directory().join("gateway.toml");
    let text = street.configuration.text().replace("name = \"3号楼2单元1\"", "name = \"5号楼\"");
    std::fs::write(&file, text).expect("the file can be written");
    let gateway = street.gateway.as_ref().expect("it runs");
    gateway.signal(Signal::HUP);
    wait_until(START_LIMIT, "the new configuration", || said(&street, "the new configuration is in force"));
    street.smoke(2, true);
    street.listener.wait_for_event(START_LIMIT, RAISED, "smoke-2");
    // The signal ends what the command began.
    street.gateway.as_ref().expect("it runs").signal(Signal::USR1);
    wait_until(START_LIMIT, "the recording's end", || said(&street, "the recording is complete"));

    assert_eq!(path.metadata().expect("the file").permissions().mode() & 0o777, 0o600);
    let (code, transcript) = replay(&path);
    assert_eq!(code, Some(0), "{transcript}");
    let end = last_line(&transcript);
    assert_eq!((&end["same"], end["inputs"].as_u64().is_some_and(|inputs| inputs > 3)), (&json!(true), true));
    let midway = transcript.lines().next().expect("a first line");
    assert!(midway.contains("\"device\":\"smoke-1\"") && midway.contains("\"connected\":true"), "{midway}");
    for shown in [RAISED, "smoke-2", "\"configured\"", "because somebody wished it"] {
        assert!(transcript.contains(shown), "{shown}:\n{transcript}");
    }
    assert!(
        !transcript.contains(raised.json["id"].as_str().expect("an id")),
        "what was before is not told again"
    );
    let whole = std::fs::read_to_string(&path).expect("the file");
    assert!(!whole.contains(PHONE), "no phone number is recorded");

    // Somebody changes what went in: it is found out.
    let forged = street.configuration.directory().join("forged");
    let changed = whole.replacen("{\"registers\":{\"words\":[1]", "{\"registers\":{\"words\":[0]", 1);
    assert_ne!(changed, whole, "a smoke alarm's answer is there");
    std::fs::write(&forged, changed).expect("written");
    let (code, transcript) = replay(&forged);
    assert_eq!((code, &last_line(&transcript)["same"]), (Some(4), &json!(false)), "{transcript}");
    street.stop();
}

#[test]
fn a_signal_begins_a_recording_and_the_oldest_make_way() {
    let (mut street, _) = street();
    street.start();
    for count in 1..=4 {
        street.gateway.as_ref().expect("it runs").signal(Signal::USR1);
        wait_until(START_LIMIT, "a recording", || recordings(&street).len() == count.min(3));
        let words = || street.gateway.as_ref().expect("it runs").stderr();
        wait_until(START_LIMIT, "that it records", || words().matches("a recording begins").count() == count);
        street.gateway.as_ref().expect("it runs").signal(Signal::USR1);
        wait_until(START_LIMIT, "its end", || words().matches("the recording is complete").count() == count);
    }
    for path in recordings(&street) {
        let (code, transcript) = replay(&path);
        assert_eq!(code, Some(0), "{transcript}");
    }
    street.stop();
}

#[test]
fn without_a_gateway_there_is_nobody_to_record() {
    let outcome = shouwang(&["record", "--control", "/nowhere/control.sock"]);
    assert_eq!(outcome.ending, "exit 3", "{}", outcome.stderr);
    assert!(outcome.stderr.contains("systemctl status"), "{}", outcome.stderr);
}
