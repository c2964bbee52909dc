//! What a wrong configuration is told, and where.
use proptest::prelude::*;

use super::*;

const GOOD: &str = r#"
[[line]]
name = "b3"
pty = { baud = 9600 }
[[device]]
id = "smoke-1"
line = "b3"
unit_id = 1
profile = "smoke"
"#;

fn problems(text: &str) -> String {
    match FieldConfig::from_toml(text, "f.toml") {
        Err(FieldError::Config(problems)) => problems.iter().map(|one| format!("{one}\n")).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_configuration_is_read_with_its_defaults() {
    let config = FieldConfig::from_toml(&format!("\u{FEFF}{GOOD}"), "f.toml").unwrap();
    assert_eq!((config.seed, config.lines.len(), config.devices.len(), config.steps.len()), (1, 1, 1, 0));
    assert_eq!(config.lines[0].baud(), Some(9600));
    assert!(!config.lines[0].is_modbus_tcp());
}

#[test]
fn unknown_keys_and_broken_toml_are_told_with_their_place() {
    assert!(problems(&GOOD.replace("unit_id", "unitid")).starts_with("f.toml:8:1: unknown field `unitid`"));
    assert!(problems("line = [").starts_with("f.toml:1:"));
    assert!(problems(&GOOD.replace("unit_id = 1", "unit_id = 256")).starts_with("f.toml:8:11: "));
    assert!(problems(&GOOD.replace("smoke-1", "Rauchmelder 1")).starts_with("f.toml:6:6: an id has 1 to 32"));
    assert!(problems("").contains("at least one [[line]]"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let text = format!(
        r#"{GOOD}
faults = ["dead", "slwo 3", "close"]
[[line]]
name = "b3"
tcp = {{ listen = "localhost" , baud = 9600 }}
[[line]]
name = "nothing"
[[line]]
name = "fast"
pty = {{ baud = 100, bits = 13 }}
[[device]]
id = "smoke-2"
line = "b4"
unit_id = 0
profile = "smoke"
[[step]]
at_s = -1.0
device = "smoke-3"
press = true
cancel = true
[[step]]
at_s = 1.0
line = "b3"
set = {{ smoke = true }}
[[step]]
at_s = 1.0
device = "smoke-1"
hold_ms = 5
unplug = true
[[step]]
at_s = 1.0
press = true
"#
    );
    let told = problems(&text);
    for expected in [
        "f.toml:11:19: no fault is called \"slwo\"",
        "f.toml:11:29: close is for Modbus TCP",
        "f.toml:13:8: b3 is used twice",
        "f.toml:14:18: \"localhost\" is not an address",
        "f.toml:14:39: only framing",
        "f.toml:16:8: a line is either",
        "f.toml:19:28: a character has 9 to 12 bits",
        "f.toml:19:16: 100 baud",
        "f.toml:22:8: there is no line \"b4\"",
        "f.toml:26:8: at_s is seconds",
        "f.toml:27:10: there is no device \"smoke-3\"",
        "f.toml:26:8: a step does one thing",
        "f.toml:31:8: set, press, cancel and restart are for a device",
        "f.toml:35:8: unplug and replug are for a line",
        "f.toml:35:8: hold_ms says",
        "f.toml:40:8: a step is about one device or one line",
    ] {
        assert!(told.contains(expected), "{expected} is missing in\n{told}");
    }
    assert_eq!(told.lines().count(), 16, "{told}");
}

#[test]
fn a_device_has_a_speed_of_its_own_only_where_speed_matters() {
    let text = "[[line]]\nname = \"b\"\npty = {}\n[[device]]\nid = \"a\"\nline = \"b\"\nunit_id = 1\nprofile = \"smoke\"\nbaud = 4800\n";
    assert!(
        problems(text).contains("f.toml:9:8: a device has a speed of its own only"),
        "{}",
        problems(text)
    );
    let heeds = text.replace("pty = {}", "pty = { heeds_baud = true }");
    assert!(FieldConfig::from_toml(&heeds, "f.toml").is_ok());
    assert!(FieldConfig::training(Path::new("/tmp/bag")).is_ok(), "the shipped bag is sound");
}

#[test]
fn a_file_has_bounds() {
    assert!(problems(&"#".repeat(MOST_BYTES + 1)).contains("larger than 1 MiB"));
    let many: String = (0..=MOST_LINES).map(|n| format!("[[line]]\nname = \"l{n}\"\npty = {{}}\n")).collect();
    assert!(problems(&many).contains("65 lines are too many"));
    let missing = FieldConfig::load(Path::new("/nonexistent/field.toml")).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/field.toml"));
}

proptest! {
    #[test]
    fn no_text_panics_the_reader(cut in 0..GOOD.len(), junk in "\\PC{0,20}") {
        let at = (0..=cut).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap();
        let text = format!("{}{junk}{}", &GOOD[..at], &GOOD[at..]);
        let _ = FieldConfig::from_toml(&text, "f.toml");
    }
}
