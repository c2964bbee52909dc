//! The field as a person at a terminal meets it.
use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::made;

const TEXT: &str = r#"
line = [{ name = "b3", pty = {} }, { name = "pump", tcp = { listen = "127.0.0.1:0" } }]
device = [
    { id = "smoke-1", line = "b3", unit_id = 1, profile = "smoke" },
    { id = "call-1", line = "b3", unit_id = 2, profile = "call" },
]
"#;

fn told(input: &'static str, told: Told) -> Vec<String> {
    let config = FieldConfig::from_toml(TEXT, "field.toml").unwrap();
    let profiles: BTreeMap<_, _> =
        [made::smoke(), made::call()].map(|one| (one.name.clone(), Arc::clone(&one))).into();
    let (_shutdown, stopping) = channel();
    let mut output = Vec::new();
    simulate(&config, &profiles, input.as_bytes(), &mut output, told, stopping).unwrap();
    String::from_utf8(output).unwrap().lines().map(Into::into).collect()
}

/// Without what the lamps say, which comes in its own time.
fn told_of_changes(input: &'static str, form: Told) -> Vec<String> {
    let mut lines = told(input, form);
    lines.retain(|line| !line.contains("lamp"));
    lines
}

#[test]
fn a_person_types_and_is_told() {
    let lines = told_of_changes(
        "set smoke-1 smoke true\n\npress call-1\nfault b3 slow 30 on\npress smoke-1\nunplug b3\nreplug b3\nquit\nunplug b3\n",
        Told::Text,
    );
    assert!(lines[0].starts_with("line b3 /dev/pts/"), "{lines:?}");
    assert!(lines[1].starts_with("line pump 127.0.0.1:"));
    assert_eq!(
        lines[2..5],
        ["typed: set smoke-1 smoke true", "typed: press call-1 200", "typed: fault b3 slow 30 on"]
    );
    assert!(lines[5].starts_with("typed: error: smoke is not a call unit"));
    assert_eq!(lines[6..8], ["typed: unplug b3", "typed: replug b3"]);
    assert!(lines[8].starts_with("line b3 /dev/pts/"), "the new path is told");
    assert_eq!(lines.len(), 9);
}

#[test]
fn a_program_types_and_is_told_in_json() {
    let lines = told_of_changes("dance\nset call-1 tamper true\nquit\n", Told::Json);
    let parsed: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(parsed[0]["path"].as_str().unwrap().starts_with("/dev/pts/"));
    assert!(parsed[1]["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(parsed[2]["error"].as_str().unwrap().contains("quit"), "the commands are named");
    assert_eq!(parsed[3], serde_json::json!({"by": "typed", "done": "set call-1 tamper true"}));
}

#[test]
fn the_lamp_of_a_call_unit_is_told_from_the_start() {
    let lines = told("quit\n", Told::Text);
    assert_eq!(
        lines[2],
        "lamp call-1 idle: 待命(灯每 3 秒闪 1 次,每次 0.05 秒;无声) · at rest (1 flash of 0.05 s every 3 s; silent)"
    );
    let lines = told("quit\n", Told::Json);
    let line: serde_json::Value = serde_json::from_str(&lines[2]).unwrap();
    assert_eq!((&line["lamp"], &line["device"]), (&"idle".into(), &"call-1".into()));
}

#[test]
fn the_end_of_the_input_ends_nothing_but_a_shutdown_does() {
    let config = FieldConfig::from_toml("line = [{ name = \"b3\", pty = {} }]", "field.toml").unwrap();
    let (shutdown, stopping) = channel();
    // Never blocks: the channel holds it until the field looks.
    shutdown.send(()).unwrap();
    let profiles: BTreeMap<String, Arc<shouwang_core::profile::Profile>> = BTreeMap::new();
    let mut output = Vec::new();
    simulate(&config, &profiles, std::io::empty(), &mut output, Told::Text, stopping).unwrap();
    assert_eq!(String::from_utf8(output).unwrap().lines().count(), 1);
}
