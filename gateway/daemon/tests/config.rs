//! The configuration: the default loads, every mistake is told where it stands, and no file does harm.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use shouwang_core::configuration::LineKind;
use shouwang_gateway::config::{self, Config, Link, Problem, Security};
use shouwang_trust::Files;

const GOOD: &str = r#"
site = "heping"
gateway = "gw-0007"
name = "和平社区 7 号网关"
state_dir = "state"
[uplink]
url = "mqtt://127.0.0.1"
[[line]]
name = "b3"
serial = { path = "/dev/ttyS1", parity = "even" }
[[device]]
id = "smoke-1"
line = "b3"
unit_id = 12
profile = "renke-rs-yg-n01"
place = { building = "3" }
installed = 2026-05-01
"#;

fn load(text: &str) -> Result<Config, Vec<Problem>> {
    Config::from_bytes(Path::new("/etc/shouwang/gateway.toml"), text.as_bytes())
}

#[test]
fn the_default_file_loads_and_says_what_its_comments_say() {
    let config = load(config::example()).unwrap();
    assert_eq!(config.core.lines.len(), 2);
    assert_eq!(config.core.stations[0].lines["guarantee"], 3.8);
    assert!(matches!(config.broker.security, Security::Tls(ref files) if *files == Files::default()));
    assert!(config.core.digest.starts_with("sha256:") && config.core.digest.len() == 71);
    assert_eq!(config.alarm_rounds().len(), 2);
    // Every key that is commented out is a key all the same.
    let keys = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/draft.rs")).unwrap();
    for line in config::example().lines().filter_map(|line| line.strip_prefix("# ")) {
        if let Some((key, _)) = line.split_once(" = ")
            && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        {
            assert!(keys.contains(&format!(" {key}:")) || key == "off_delay_s", "{key}");
        }
    }
}

#[test]
fn defaults_are_filled_in_and_paths_start_at_the_files_directory() {
    let config = load(GOOD).unwrap();
    let line = &config.core.lines[0];
    assert_eq!(line.kind, LineKind::Serial { baud: 9600, bits: 11 });
    assert_eq!((line.timeout.as_millis(), line.poll.alarm.as_millis()), (200, 500));
    assert_eq!(config.state_dir, Path::new("/etc/shouwang/state"));
    assert_eq!((config.broker.host.as_str(), config.broker.port), ("127.0.0.1", 1883));
    assert!(matches!(&config.links[0], Link::Serial { stop_bits: 1, .. }));
    assert_eq!((config.web, config.embedded_broker), (None, None));
    assert_eq!(config.core.devices[0].installed.installed.as_deref(), Some("2026-05-01"));
    let marked = format!("\u{feff}{GOOD}[web]\n[broker]\n");
    let config = load(&marked).unwrap();
    assert_eq!(config.web.unwrap().to_string(), "127.0.0.1:8081");
    assert_eq!(config.embedded_broker.unwrap().to_string(), "127.0.0.1:1883");
}

#[test]
fn the_installers_pages_are_for_one_network_that_may_be_named() {
    let with = |keys: &str| load(&format!("{GOOD}[install]\n{keys}\n"));
    let install = with("listen = \"192.168.1.7:8083\"\ninterface = \"eth0\"").unwrap().install.unwrap();
    assert_eq!((install.listen.port(), install.interface.as_deref()), (8083, Some("eth0")));
    for bad in ["listen = \"0.0.0.0:8083\"", "listen = \"192.168.1.7:8083\"\ninterface = \"eth 0\""] {
        assert_eq!(with(bad).unwrap_err().len(), 1, "{bad}");
    }
}

#[test]
fn outputs_find_their_points_and_the_silencing_button_is_no_alarm() {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/profiles");
    let dirs = format!("profile_dirs = [\"{}\"]\n[uplink]", profiles.display());
    let text = GOOD.replace("[uplink]", &dirs)
        + r#"
[[device]]
id = "box-1"
line = "b3"
unit_id = 20
profile = "acme-siren-1"
[[output]]
name = "siren-gate"
device = "box-1"
point = "siren"
[[output]]
name = "door"
device = "box-1"
point = "relay"
[local_alarm]
output = "siren-gate"
silence = { device = "box-1", point = "quiet" }
"#;
    let config = load(&text).unwrap().core;
    let points: Vec<_> = config.outputs.iter().map(|output| (output.device, output.point)).collect();
    assert_eq!(points, [(1, 0), (1, 3)]);
    let local = config.local_alarm.unwrap();
    assert_eq!((local.unheard.as_secs(), local.unacknowledged.as_secs()), (30, 180));
    assert_eq!((local.output, local.no_contact, local.silence), (0, None, Some((1, 2))));
    assert!(config.devices[1].conditions.is_empty(), "to press the button is no alarm");
}

#[test]
fn who_lives_alone_is_watched_by_pulses_and_contacts_with_the_designs_thresholds() {
    let text = GOOD.to_owned()
        + r#"
[[device]]
id = "inputs-1"
line = "b3"
unit_id = 21
profile = "wirenboard-wb-mcm8"
place = { building = "3" }
[[meter]]
id = "water-402"
name = "402 水表"
device = "inputs-1"
point = "pulse_count_0"
measures = "water"
per_pulse = 0.001
[[meter]]
id = "rain"
name = "雨量"
device = "inputs-1"
point = "press_count_1"
measures = "rain"
per_pulse = 0.2
[[welfare]]
id = "flat-402"
name = "402"
sign = "water"
meter = "water-402"
place = { building = "3", room = "402" }
[[welfare]]
id = "flat-403"
name = "403"
sign = "door"
device = "inputs-1"
point = "input_3"
day = { from = "07:30", to = "24:00", utc_offset = "+06:00" }
"#;
    let config = load(&text).unwrap().core;
    let [water, door] = &config.welfare[..] else { panic!("{:?}", config.welfare) };
    assert_eq!((water.least, water.window.as_secs(), water.per_pulse), (10, 12 * 3600, Some(0.001)));
    assert_eq!((water.day.from, water.day.to, water.day.utc_offset), (360, 1_320, 480));
    assert_eq!((water.place.room.as_deref(), door.place.room.as_deref()), (Some("402"), None));
    assert_eq!((door.least, door.window.as_secs(), door.per_pulse), (1, 24 * 3600, None));
    assert_eq!((door.day.from, door.day.to, door.day.utc_offset), (450, 1_440, 360));
    let inputs = &config.devices[1];
    assert!(inputs.condition("input_3").is_none(), "an opened door is no alarm of its own");
    assert!(inputs.condition("input_2").is_some() && inputs.condition("no_activity_flat-403").is_some());
    assert_eq!(config.meters.len(), 2);
}

#[test]
fn phones_are_texted_with_the_contracts_time_and_their_numbers_are_the_hands_to_know() {
    let text = format!(
        r#"{GOOD}
[sms]
path = "/dev/serial/by-id/modem"
[[sms.phone]]
person = "u-7"
number = "138 0013 8000"
[[sms.phone]]
person = "u-9"
number = "+8613900139000"
after_s = 180
classes = ["smoke"]
"#
    );
    let config = load(&text).unwrap();
    let sms = config.core.sms.as_ref().unwrap();
    let after: Vec<_> =
        sms.phones.iter().map(|phone| (phone.person.as_str(), phone.after.as_secs())).collect();
    assert_eq!((after, sms.rings), (vec![("u-7", 30), ("u-9", 180)], false));
    let modem = config.modem.unwrap();
    assert_eq!((modem.port.baud, modem.numbers[0].to_string()), (115_200, "13800138000".into()));
    assert!(!format!("{:?}", config.core).contains("13800138000"), "no recording and no log has them");
}

#[test]
fn the_same_texts_make_the_same_configuration_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let profiles = home.path().join("profiles");
    fs::create_dir(&profiles).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../device-profiles/renke-rs-yg-n01.toml");
    let own = fs::read_to_string(shipped).unwrap();
    fs::write(profiles.join("our-own.toml"), own).unwrap();
    let secret = home.path().join("password");
    fs::write(&secret, "hunter2").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let text = GOOD.replace("renke-rs-yg-n01", "our-own").replace(
        "[uplink]",
        "profile_dirs = [\"profiles\"]\n[uplink]\nusername = \"gw\"\npassword_file = \"password\"",
    );
    let path = home.path().join("gateway.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.sources.len(), 2);
    assert!(!format!("{config:?}").contains("hunter2"));

    fs::set_permissions(&secret, fs::Permissions::from_mode(0o604)).unwrap();
    let problems = Config::load(&path).unwrap_err();
    assert!(problems[0].what.en.contains("open to everybody"), "{problems:?}");
    drop(home);
    let again = Config::from_sources(&config.sources).unwrap();
    assert_eq!(again.core.digest, config.core.digest);
    assert_eq!(format!("{:?}", again.core), format!("{:?}", config.core));
}

/// Each `NAME.toml` has its `NAME.expected`; `UPDATE_EXPECTED=1` writes them anew.
#[test]
fn every_bad_file_is_refused_with_all_that_is_wrong_in_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-config");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(files.len() > 15);
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let problems = Config::from_bytes(&path, &bytes).unwrap_err();
        let here = format!("{}/", directory.display());
        let told: String = problems
            .iter()
            .map(|problem| {
                let Problem { line, column, what, remedy, .. } = problem;
                assert!(!what.zh.is_empty() && !remedy.zh.is_empty() && !remedy.en.is_empty());
                format!("{line}:{column}: {}; {}\n  {}；{}\n", what.en, remedy.en, what.zh, remedy.zh)
            })
            .collect::<String>()
            .replace(&here, "");
        let expected = path.with_extension("expected");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        assert_eq!(told, fs::read_to_string(&expected).unwrap_or_default(), "{}", path.display());
    }
}

#[test]
fn huge_and_deep_files_are_refused_quickly() {
    let deep = format!("{GOOD}x = {}{}", "[".repeat(20_000), "]".repeat(20_000));
    let long = format!("{GOOD}# {}", "x".repeat(300_000));
    let many = format!("{GOOD}{}", "[[device]]\n".repeat(20_000));
    let hundred_thousand = format!("{GOOD}{}", "[[device]]\n".repeat(100_000));
    for (text, says) in
        [(deep, "recursion"), (long, "too large"), (many, "4096"), (hundred_thousand, "too large")]
    {
        let problems = load(&text).unwrap_err();
        assert!(problems.len() <= 110, "{}", problems.len());
        let all = problems.iter().map(|problem| format!("{} {}\n", problem.what.en, problem.remedy.en));
        let all: String = all.collect();
        assert!(all.contains(says), "{all}");
    }
    assert!(
        Config::load(Path::new("/nowhere/gateway.toml")).unwrap_err()[0].what.en.contains("cannot be read")
    );
}

#[test]
fn a_stations_rules_reach_its_conditions_and_its_device_is_read_in_its_datum() {
    let station = r#"
[[device]]
id = "level-1"
line = "b3"
unit_id = 13
profile = "generic-qdy30a"
unit = "m"
datum = "黄海"
datum_m = 2.0
[[station]]
id = "bridge"
name = "桥"
device = "level-1"
point = "level_m"
datum = "1985 国家高程"
datum_offset_m = 0.5
lines = { near = 3.1, warning = 3.3, prepare = 3.5, evacuate = 3.9 }
rule = { warning = { on_delay_s = 5 } }
interval_s = 60
range_m = { low = 0.5, high = 8.0 }
"#;
    let config = load(&format!("{GOOD}{station}")).unwrap();
    let device = &config.core.devices[1];
    let names: Vec<&str> = device.conditions.iter().map(|condition| condition.name.as_str()).collect();
    let ours: Vec<&str> = names.into_iter().filter(|name| name.starts_with("level_")).collect();
    assert_eq!(ours, ["level_warning", "level_near", "level_evacuate", "level_prepare"]);
    let warning = &device.conditions[device.condition("level_warning").unwrap()];
    assert_eq!((warning.on_delay.as_secs(), warning.off_delay.as_secs(), warning.deadband), (5, 600, 0.03));
    assert_eq!(
        (device.installed.datum_m, device.installed.datum.as_deref()),
        (Some(2.5), Some("1985 国家高程"))
    );
    let told = &config.core.stations[0];
    assert_eq!((told.interval_s, told.range_m, told.rules.len()), (Some(60), Some((0.5, 8.0)), 1));
}

#[test]
fn the_schema_has_the_keys_of_the_contract_and_none_of_later_issues() {
    let schema = config::schema();
    let properties = schema["properties"].as_object().unwrap();
    let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
    let expected = [
        "broker",
        "commands",
        "control",
        "device",
        "gateway",
        "install",
        "line",
        "local_alarm",
        "meter",
        "name",
        "output",
        "profile_dirs",
        "site",
        "sms",
        "state_dir",
        "station",
        "uplink",
        "web",
        "welfare",
    ];
    assert_eq!(keys, expected);
    assert_eq!(schema["additionalProperties"], false);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever is typed into a good file, loading ends with a configuration or with complaints.
    #[test]
    fn no_edit_of_a_good_file_does_harm(at in 0..GOOD.len(), cut in 0..20_usize, typed in ".{0,12}") {
        let mut bytes = GOOD.as_bytes().to_vec();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, typed.into_bytes());
        match Config::from_bytes(Path::new("gateway.toml"), &bytes) {
            Ok(config) => prop_assert!(!config.core.lines.is_empty()),
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|p| p.line >= 1)),
        }
    }
}
