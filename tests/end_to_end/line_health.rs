//! `line health` on lines that carry well and lines that do not: the simulated field at its own pace, pymodbus, and
//! the line of a running gateway.
use serde_json::{Value, json};
use shouwang_tests::modbus_server::Table;
use shouwang_tests::{ModbusServer, SerialLine};

use crate::command_line::{Outcome, shouwang};
use crate::search::{field, objects, watching_gateway};

/// The machines that run tests are busy: devices there are slower than any on a wall.
const PATIENT: &str = "3000";

const TWO: &str = "[[device]]\nid = \"smoke-7\"\nline = \"b3\"\nunit_id = 7\nprofile = \"renke-rs-yg-n01\"\n\
    [[device]]\nid = \"smoke-8\"\nline = \"b3\"\nunit_id = 8\nprofile = \"renke-rs-yg-n01\"\n";

fn health(place: &str, more: &[&str]) -> (Outcome, Value) {
    health_waiting(PATIENT, place, more)
}

fn health_waiting(timeout_ms: &str, place: &str, more: &[&str]) -> (Outcome, Value) {
    let usual = ["line", "health", place, "--timeout-ms", timeout_ms, "--json"];
    let outcome = shouwang(&[&usual, more].concat());
    let told = objects(&outcome.stdout).pop().unwrap_or_else(|| json!({"stderr": outcome.stderr}));
    (outcome, told)
}

/// What was found, but for times: a busy machine is uneven by itself.
fn findings(told: &Value) -> Vec<(String, Option<u64>)> {
    let found = told["findings"].as_array().expect("findings").iter();
    let named = found.map(|one| (one["finding"].as_str().unwrap_or("").to_owned(), one["unit_id"].as_u64()));
    named.filter(|(name, _)| name != "uneven").collect()
}

/// Nothing else is found; a machine that was held up in the middle of an answer looks like a bad line, and tries again.
fn finds_only(expected: &[(&str, Option<u64>)], measure: impl Fn() -> (Outcome, Value)) -> (Outcome, Value) {
    let expected: Vec<_> = expected.iter().map(|(name, unit_id)| ((*name).to_owned(), *unit_id)).collect();
    let mut measured = measure();
    for _ in 0..4 {
        if measured.1["findings"].is_array() && findings(&measured.1) == expected {
            return measured;
        }
        measured = measure();
    }
    assert_eq!(findings(&measured.1), expected, "{:#}", measured.1);
    measured
}

#[test]
fn a_line_that_carries_well_has_nothing_found() {
    let (_field, place, _directory) = field(TWO);
    let (outcome, told) = finds_only(&[], || health(&place, &["--units", "7,8", "--seconds", "3"]));
    let units = told["units"].as_array().expect("units");
    assert_eq!(units.len(), 2);
    for unit in units {
        assert_ne!(unit["good"], json!(0), "{told:#}");
        let least = unit["rtt_ms"]["least"].as_f64().expect("a time");
        assert!(least >= 15.0, "no device answers faster than its profile says: {told:#}");
    }
    let not = json!(false);
    assert_eq!((&told["echo"], &told["swapped"], &told["no_bias"]), (&not, &not, &not));
    assert!(["exit 0", "exit 4"].contains(&outcome.ending.as_str()));
    assert!(told["next"].as_str().is_some_and(|next| next.starts_with("shouwang ")), "{told:#}");
}

#[test]
fn noise_on_a_quiet_line_points_at_the_bias() {
    let (_field, place, _directory) = field(&format!("faults = [\"babble 150\"]\n{TWO}"));
    let (outcome, told) = health(&place, &["--units", "7", "--seconds", "6"]);
    assert_eq!(outcome.ending, "exit 4", "{told:#}");
    assert_eq!(
        (&told["findings"][0]["finding"], &told["no_bias"]),
        (&json!("noise"), &json!(true)),
        "{told:#}"
    );
    assert!(told["quiet"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{told:#}");
    let text =
        shouwang(&["line", "health", &place, "--units", "7", "--seconds", "4", "--timeout-ms", PATIENT])
            .stdout;
    assert!(text.contains("偏置") && text.contains("下一步"), "{text}");
}

#[test]
fn an_adapter_that_hears_itself_is_told() {
    let (_field, place, _directory) = field(&format!("faults = [\"echo\"]\n{TWO}"));
    let (outcome, told) =
        finds_only(&[("echo", None)], || health(&place, &["--units", "7", "--seconds", "2"]));
    assert_eq!((outcome.ending.as_str(), &told["echo"]), ("exit 4", &json!(true)), "{told:#}");
}

#[test]
fn one_bad_joint_is_told_from_a_bad_line() {
    let (_field, place, _directory) = field(&format!("{TWO}faults = [\"noisy 100\"]\n"));
    let (outcome, told) = health(&place, &["--units", "7,8", "--seconds", "4"]);
    assert_eq!(outcome.ending, "exit 4", "{told:#}");
    let garbled: Vec<_> = findings(&told).into_iter().filter(|(name, _)| name == "garbled").collect();
    assert_eq!(garbled, [("garbled".to_owned(), Some(8))], "{told:#}");
    assert!(told["crc_rate"].as_f64().is_some_and(|rate| rate > 0.0), "{told:#}");

    let (_field, place, _directory) = field(
        "[[device]]\nid = \"smoke-8\"\nline = \"b3\"\nunit_id = 8\nprofile = \"renke-rs-yg-n01\"\nfaults = [\"truncated\"]\n",
    );
    let (_, told) = health(&place, &["--units", "8", "--seconds", "3"]);
    assert_eq!(told["swapped"], json!(true), "never a valid frame: {told:#}");
}

#[test]
fn who_is_silent_is_named() {
    let line = SerialLine::new();
    let mut server = ModbusServer::serial(line.devices_path());
    server.set(3, Table::Holding, 0, &[7]);
    let place = line.gateway_path().display().to_string();
    let named = || health_waiting("400", &place, &["--units", "3,4", "--seconds", "4"]);
    let (outcome, told) = finds_only(&[("nobody", Some(4))], named);
    assert_eq!(outcome.ending, "exit 4", "{told:#}");
    // Without names those who answer are found, and nobody is missed.
    let (_, told) = finds_only(&[], || health(&place, &["--seconds", "5"]));
    assert_eq!(told["units"].as_array().map(Vec::len), Some(1), "{told:#}");

    let empty = SerialLine::new();
    let (outcome, told) = health(&empty.gateway_path().display().to_string(), &["--seconds", "2"]);
    assert_eq!(outcome.ending, "exit 3", "{told:#}");
}

#[test]
fn the_line_of_a_running_gateway_is_examined_while_it_works() {
    let (street, place, socket) = watching_gateway();
    let named = || health(&place, &["--control", &socket, "--units", "1,2,3", "--seconds", "4"]);
    let (outcome, told) = finds_only(&[], named);
    assert!(["exit 0", "exit 4"].contains(&outcome.ending.as_str()), "{}", outcome.stderr);
    assert_eq!((&told["setting"], &told["quiet"]), (&json!("9600 8N1"), &Value::Null), "{told:#}");
    let units = told["units"].as_array().expect("units");
    assert!(units.iter().all(|unit| unit["good"] != 0), "{told:#}");
    drop(street);
}
