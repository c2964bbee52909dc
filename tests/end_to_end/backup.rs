//! `backup` and `restore`: of a service that runs, into one that goes on from another day.
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::Program;
use shouwang_tests::{DutyRoom, Mosquitto, Visitor, duty_room, wait_for, wait_until};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, name};

fn shouwang(verb: &[&str], config: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(verb).arg("--config").arg(config).output().expect("the program runs")
}

fn code_of(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The log that an event is in.
fn log_of(event: &Value) -> String {
    event["id"].as_str().and_then(|id| id.split('/').nth(1)).unwrap_or_default().to_owned()
}

#[test]
fn a_restored_gateway_begins_a_new_log_and_tells_the_gap() {
    let mut street = Street::tcp(2);
    street.start();
    street.smoke(1, true);
    let raised = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
    let config = street.configuration.directory().join("gateway.toml");
    let to = street.configuration.directory().join("monday.tar");

    let made = shouwang(&["backup", "--json", "--to", text(&to)], &config);
    assert!(made.status.success(), "{made:?}");
    let said: Value = serde_json::from_slice(&made.stdout).expect("one JSON object");
    assert_eq!(
        (&said["manifest"]["of"], &said["manifest"]["name"]),
        (&"gateway".into(), &"heping/gw-0007".into())
    );
    let mode = std::fs::metadata(&to).expect("the backup").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner alone");
    let again = shouwang(&["backup", "--to", text(&to)], &config);
    assert_eq!(again.status.code(), Some(1), "an older backup is not overwritten: {again:?}");
    let listed = Command::new("tar").arg("tf").arg(&to).output().expect("tar");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(listed, "manifest.json\nconfig/gateway.toml\nstate/gateway.db\n");

    // Its life goes on: more events, under numbers that nobody may use again.
    street.smoke(2, true);
    let later = street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(2));
    assert_eq!(log_of(&raised.json), log_of(&later.json));
    let restored = shouwang(&["restore", text(&to)], &config);
    let (code, why) = code_of(&restored);
    assert!(code == Some(2) && why.contains("systemctl stop"), "it runs: {why}");
    street.stop();
    street.smoke(2, false);

    // One byte that is another, and nothing is restored.
    let mut bytes = std::fs::read(&to).expect("the backup");
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle).expect("a byte") ^= 1;
    let spoilt = street.configuration.directory().join("spoilt.tar");
    std::fs::write(&spoilt, bytes).expect("a spoilt backup");
    let (code, why) = code_of(&shouwang(&["restore", text(&spoilt)], &config));
    assert!(code == Some(4) && why.contains("nothing was restored"), "{code:?} {why}");
    // Nor into another gateway.
    let file = std::fs::read_to_string(&config).expect("the configuration");
    let other = street.configuration.directory().join("other.toml");
    std::fs::write(&other, file.replace("gw-0007", "gw-0008")).expect("another configuration");
    let (code, why) = code_of(&shouwang(&["restore", text(&to)], &other));
    assert!(code == Some(2) && why.contains("gw-0008"), "{code:?} {why}");

    let restored = shouwang(&["restore", "--json", text(&to)], &config);
    assert!(restored.status.success(), "{restored:?}");
    let said: Value = serde_json::from_slice(&restored.stdout).expect("one JSON object");
    let aside = said["aside"].as_str().expect("what was there is named");
    assert!(Path::new(aside).join("gateway.db").exists(), "nothing is lost: {said}");

    street.listener.wait_for_state(START_LIMIT, "stopped");
    street.launch();
    let again = wait_for(START_LIMIT, "the smoke that still is there should be told in the new log", || {
        let events = street.listener.events_of(RAISED).into_iter();
        events
            .filter(|event| event.subject() == name(1))
            .find(|event| log_of(&event.json) != log_of(&raised.json))
    });
    let log = log_of(&again.json);
    assert_ne!(again.json["data"]["id"], raised.json["data"]["id"], "another alarm");
    let events = street.listener.events();
    let fresh: Vec<_> = events.iter().filter(|event| log_of(&event.json) == log).collect();
    let numbers: Vec<u64> = fresh.iter().map(|event| event.sequence()).collect();
    assert_eq!(numbers, (1..).take(numbers.len()).collect::<Vec<u64>>(), "a log of its own, from 1");
    let gap = fresh.iter().find(|event| event.kind() == "shouwang.gap.v1").expect("the gap is told");
    assert!(gap.json["data"]["why"]["zh"].as_str().is_some_and(|why| why.contains("备份")), "{}", gap.json);
    assert_eq!(gap.json["data"]["from"], said["made_at"], "since the backup");
    let mut ids: Vec<String> = events.iter().map(|event| event.json["id"].to_string()).collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no id twice");
    assert!(street.listener.newest("info").is_some_and(|info| info["log"] == log.as_str()));
    street.stop();

    // Told once.
    street.listener.wait_for_state(START_LIMIT, "stopped");
    street.launch();
    street.listener.wait_for_state(START_LIMIT, "ready");
    street.listener.wait_for_device(START_LIMIT, &name(2), "online");
    let gaps = street.listener.events_of("shouwang.gap.v1");
    assert_eq!(gaps.iter().filter(|event| log_of(&event.json) == log).count(), 1);
    street.stop();
}

#[test]
fn a_restored_duty_room_knows_its_people_and_nobody_is_logged_in() {
    let broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    let state = room.state_directory();
    let home = state.parent().expect("a directory").to_owned();
    let config = home.join("duty-room.toml");
    let to = home.join("monday.tar");
    let made = shouwang(&["backup", "--to", text(&to)], &config);
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(said.contains("住户") && said.contains("passwords, keys"), "{said}");
    let (code, why) = code_of(&shouwang(&["restore", text(&to)], &config));
    assert!(code == Some(2) && why.contains("shouwang-duty-room"), "it runs: {code:?} {why}");

    // Another machine: nothing but the configuration.
    let other = tempfile::TempDir::with_prefix("shouwang-restored-").expect("a directory");
    let there = other.path().join("duty-room.toml");
    let file = std::fs::read_to_string(&config).expect("the configuration");
    let moved = file.replace(text(&state), text(&other.path().join("state")));
    std::fs::write(&there, moved).expect("the configuration elsewhere");
    let copy = other.path().join("monday.tar");
    std::fs::copy(&to, &copy).expect("the backup elsewhere");
    let old = (room.cookie().to_owned(), room.address().to_owned());
    room.stop();
    let restored = shouwang(&["restore", text(&copy)], &there);
    assert!(restored.status.success(), "{restored:?}");
    let verified = shouwang(&["logbook", "verify"], &there);
    assert!(verified.status.success(), "the logbook's chain is whole: {verified:?}");

    let mut command = Command::new(binary());
    command.arg("duty-room").arg("--config").arg(&there);
    let mut running = Program::start("duty-room", &mut command, other.path());
    let address = wait_for(START_LIMIT, "the duty room should print its address", || {
        let said = running.stdout();
        Some(said.split_once("http://")?.1.split_once('/')?.0.to_owned())
    });
    let mut visitor = Visitor::new(address.clone(), START_LIMIT);
    wait_until(START_LIMIT, "the duty room answers", || visitor.get("/healthz").is_ok());
    assert!(!running.stdout().contains("one-time code"), "it knows its lead");
    let request = format!(
        "GET /api/v1/alarms HTTP/1.1\r\nHost: {address}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
        old.0
    );
    let mut stream = std::net::TcpStream::connect(&address).expect("the duty room listens");
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("it takes a request");
    let answer = std::io::read_to_string(stream).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 401"), "the old session is over: {answer}");
    visitor.log_in("operator", duty_room::PASSWORD).expect("the operator is known");
    running.stop(START_LIMIT);
}
