//! The command line as people and scripts meet it: exit codes, and every bad file a readable error.
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{Configuration, DutyRoom, Mosquitto, clock};
use tempfile::TempDir;

/// No one-shot verb may take longer, whatever its input is.
const LIMIT: Duration = Duration::from_secs(60);

/// What a finished run left: its ending in words, and what it said.
pub(crate) struct Outcome {
    pub(crate) ending: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn shouwang(arguments: &[&str]) -> Outcome {
    let directory = TempDir::with_prefix("shouwang-cli-").expect("a directory for the output");
    let mut command = Command::new(binary());
    let mut program = Program::start("shouwang", command.args(arguments), directory.path());
    drop(program.take_stdin());
    let ending = ending(program.wait(LIMIT));
    Outcome { ending, stdout: program.stdout(), stderr: program.stderr() }
}

#[test]
fn help_and_version_are_told() {
    let help = shouwang(&["--help"]);
    assert_eq!(help.ending, "exit 0", "{}", help.stderr);
    for verb in [
        "demo",
        "run",
        "duty-room",
        "check",
        "doctor",
        "simulate",
        "scan",
        "read",
        "set-unit-id",
        "write",
        "bench",
        "line",
        "walk-test",
        "profile",
        "record",
        "replay",
        "logbook",
        "schema",
        "completions",
    ] {
        assert!(help.stdout.contains(verb), "--help names {verb}:\n{}", help.stdout);
    }
    let version = shouwang(&["--version"]);
    assert_eq!(
        (version.ending.as_str(), version.stdout.lines().count()),
        ("exit 0", 1),
        "{}",
        version.stdout
    );
}

#[test]
fn bad_arguments_exit_with_2() {
    for arguments in
        [&["watch"][..], &["run"], &["run", "--config"], &["demo", "--seconds", "soon"], &["profile"]]
    {
        let outcome = shouwang(arguments);
        assert_eq!(outcome.ending, "exit 2", "{arguments:?}: {}", outcome.stderr);
        assert!(!outcome.stderr.is_empty(), "{arguments:?} says why");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for verb in ["run", "check", "duty-room", "simulate"] {
        let outcome = shouwang(&[verb, "--config", "/nowhere/at-all.toml"]);
        assert_eq!(outcome.ending, "exit 2", "{verb}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("/nowhere/at-all.toml"), "{verb}: {}", outcome.stderr);
    }
}

#[test]
fn a_logbook_that_somebody_changed_names_the_line() {
    let broker = Mosquitto::start();
    // The first account, the operator's, and both log-ins are lines.
    let room = DutyRoom::start(&broker);
    let state = room.state_directory();
    let verify = |json: bool| {
        let mut arguments = vec!["logbook", "verify", "--state-dir", path(&state)];
        arguments.extend(json.then_some("--json"));
        shouwang(&arguments)
    };
    let sound = verify(true);
    assert!(sound.ending == "exit 0" && sound.stdout.contains("\"ok\":true"), "{}", sound.stdout);
    let database = rusqlite::Connection::open(state.join("duty-room.db")).expect("the store");
    let edit = "UPDATE logbook SET line = replace(line, 'operator', 'somebody') WHERE rowid = 2";
    assert_eq!(database.execute(edit, []).expect("an edited logbook"), 1);
    let broken = verify(false);
    assert_eq!(broken.ending, "exit 4", "{}", broken.stdout);
    assert!(broken.stderr.contains("line 2 of the logbook"), "{}", broken.stderr);
    let broken = verify(true);
    assert!(broken.ending == "exit 4" && broken.stdout.contains("\"line\":2"), "{}", broken.stdout);
    room.stop();
    assert_eq!(shouwang(&["logbook", "verify"]).ending, "exit 2");
    assert_eq!(shouwang(&["logbook", "verify", "--state-dir", "/nowhere"]).ending, "exit 2");
    assert_eq!(shouwang(&["account", "recover", "--state-dir", "/nowhere"]).ending, "exit 1");
}

#[test]
fn a_good_configuration_is_good_and_tells_its_latency() {
    let broker = Mosquitto::start();
    let configuration = good(&broker);
    let file = configuration.write();
    let outcome = shouwang(&["check", "--config", path(&file)]);
    assert_eq!(outcome.ending, "exit 0", "{}\n{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("line-1") && outcome.stdout.contains("ms"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("16 MiB are kept for alarms in"), "{}", outcome.stdout);
    let outcome = shouwang(&["check", "--json", "--config", path(&file)]);
    assert!(outcome.stdout.contains("\"wanted_bytes\":16777216"), "{}", outcome.stdout);
}

/// A duty room whose ladder begins with a group's robot and an SMS, and whose table leaves no hour out.
const LADDER: &str = r#"
name = "duty-1"
state_dir = "state"
[broker]
url = "mqtt://127.0.0.1:1883"
[web]
listen = "127.0.0.1:0"
[[channel]]
id = "group"
kind = "wecom"
key_file = "secret"
[[channel]]
id = "sms"
kind = "sms-http"
url = "https://sms.example.cn/send"
fields = { to = "{mobile}", content = "{text}" }
[[organisation]]
id = "hp-07"
kind = "grid"
[[person]]
id = "wang"
name = "王建国"
phone = "13800138000"
role = "on-duty"
[[responder]]
grid = "hp-07"
hours = ["08:00-20:00", "20:00-08:00"]
persons = ["wang"]
[escalation]
emergency = [
  { after_s = 0, tell = ["group", "sms"], to = "responder" },
  { after_s = 30, tell = "sms", to = "on-duty" },
]
"#;

#[test]
fn a_duty_rooms_ladder_must_wake_somebody_at_every_hour() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::with_prefix("shouwang-ladder-").expect("a directory");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "c2VjcmV0\n").expect("a secret");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("its rights");
    let check = |text: &str| {
        let file = directory.path().join("duty-room.toml");
        std::fs::write(&file, text).expect("the file");
        shouwang(&["check", "--config", path(&file)])
    };
    let good = check(LADDER);
    assert_eq!(good.ending, "exit 0", "{}", good.stderr);
    assert!(good.stdout.contains("emergency 30 s:sms → on-duty"), "{}", good.stdout);
    assert!(
        good.stdout.contains("hp-07 smoke, gas, co, call, water_level:全周 · all week:王建国"),
        "{}",
        good.stdout
    );
    for (from, to, why) in [
        ("[\"group\", \"sms\"]", "[\"group\"]", "duty-room.toml:31:3: 紧急报警第 0 秒这一步叫不醒人"),
        ("\"08:00-20:00\", ", "", "在 mon 08:00 - mon 20:00 (+6) 无人负责"),
        ("tell = \"sms\"", "tell = \"smss\"", "did you mean \"sms\""),
        ("phone = \"13800138000\"", "", "calls people without a phone: wang"),
    ] {
        let text = LADDER.replace(from, to);
        let bad = check(&text);
        assert_eq!(bad.ending, "exit 2", "{from}: {}", bad.stdout);
        assert!(bad.stderr.contains(why), "{from}: {}", bad.stderr);
    }
    let without = check(LADDER.split("[[channel]]").next().expect("what is before the channels"));
    assert!(without.ending == "exit 0" && without.stdout.contains("nobody is woken"), "{}", without.stdout);
}

#[test]
fn every_bad_configuration_is_refused_with_its_place() {
    let broker = Mosquitto::start();
    let configuration = good(&broker);
    let good = configuration.text();
    let directory = configuration.directory();
    for (name, bytes) in corpus(&good) {
        let file = directory.join("bad.toml");
        std::fs::write(&file, bytes).expect("the bad file");
        for verb in ["check", "run"] {
            let began = clock::now();
            let outcome = shouwang(&[verb, "--config", path(&file)]);
            assert_eq!(outcome.ending, "exit 2", "{verb}, {name}:\n{}\n{}", outcome.stdout, outcome.stderr);
            assert!(!outcome.stderr.contains("panicked"), "{verb}, {name}: {}", outcome.stderr);
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(has_place(&said), "{verb}, {name}: no bad.toml:LINE:COLUMN in\n{said}");
            assert!(said.len() < 64 * 1024, "{verb}, {name}: {} bytes of error", said.len());
            assert!(began.elapsed() < Duration::from_secs(20), "{verb}, {name} took {:?}", began.elapsed());
        }
    }
}

#[test]
fn a_refused_run_leaves_nothing_behind() {
    let broker = Mosquitto::start();
    let configuration = good(&broker).table("[[device]]\nid = \"nobody\"\n");
    let file = configuration.write();
    assert_eq!(shouwang(&["run", "--config", path(&file)]).ending, "exit 2");
    let left = std::fs::read_dir(configuration.state_directory()).expect("the state directory").count();
    assert_eq!(left, 0, "a bad file is never half applied");
}

#[test]
fn an_interrupted_run_ends_at_once() {
    let broker = Mosquitto::start();
    let configuration = good(&broker);
    let file = configuration.write();
    let mut command = Command::new(binary());
    command.args(["run", "--config", path(&file)]).stdin(Stdio::null());
    let mut program = Program::start("shouwang", &mut command, configuration.directory());
    shouwang_tests::wait_until(LIMIT, "the gateway should have made its store", || {
        std::fs::read_dir(configuration.state_directory()).is_ok_and(|entries| entries.count() > 0)
    });
    program.signal(rustix::process::Signal::INT);
    let ending = ending(program.wait(Duration::from_secs(10)));
    assert!(["exit 0", "exit 130"].contains(&ending.as_str()), "{ending}: {}", program.stderr());
}

fn good(broker: &Mosquitto) -> Configuration {
    Configuration::new(broker).tcp_line("line-1", "127.0.0.1:1", "").device(
        "smoke-1",
        "line-1",
        1,
        "renke-rs-yg-n01",
        "",
    )
}

/// rules.md's corpus for TOML, as changes of a good file; each is bad for one reason.
fn corpus(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let add = |text: &str| format!("{good}\n{text}\n").into_bytes();
    let change = |from: &str, to: &str| {
        assert!(good.contains(from), "the good file has {from}");
        good.replacen(from, to, 1).into_bytes()
    };
    let device = |id: &str, unit_id: &str| {
        format!(
            "[[device]]\nid = \"{id}\"\nline = \"line-1\"\nunit_id = {unit_id}\nprofile = \"renke-rs-yg-n01\"\n"
        )
    };
    let many: String = (0..100_000).map(|n| device(&format!("d-{n}"), &(n % 247 + 1).to_string())).collect();
    vec![
        ("an empty file", Vec::new()),
        ("a NUL", add("# \0")),
        ("bad UTF-8", [good.as_bytes(), b"\n# \xff\xfe\n"].concat()),
        ("a value cut off", change("site = \"heping\"", "site = \"hep")),
        ("a duplicate key", change("site = \"heping\"", "site = \"heping\"\nsite = \"heping\"")),
        ("an unknown key", change("site = \"heping\"", "site = \"heping\"\nsight = 1")),
        ("an unknown key in a table", add("[commands]\ntrusted_key = []")),
        ("an unknown table", add("[cloud]\nurl = \"x\"")),
        ("a wrong type", change("unit_id = 1", "unit_id = \"1\"")),
        ("unit id 0", change("unit_id = 1", "unit_id = 0")),
        ("unit id 256", change("unit_id = 1", "unit_id = 256")),
        ("unit id 2^63", change("unit_id = 1", "unit_id = 9223372036854775808")),
        ("unit id nan", change("unit_id = 1", "unit_id = nan")),
        ("a unit id twice on a line", add(&device("smoke-2", "1"))),
        ("an id twice", add(&device("smoke-1", "2"))),
        ("an id in capitals", change("id = \"smoke-1\"", "id = \"Smoke-1\"")),
        ("an id that climbs", change("id = \"smoke-1\"", "id = \"../smoke\"")),
        ("an id that turns around", change("id = \"smoke-1\"", "id = \"smoke\u{202e}1\"")),
        ("an id of 33 characters", change("id = \"smoke-1\"", "id = \"abcdefghijklmnopqrstuvwxyz0123456\"")),
        ("an unknown profile", change("renke-rs-yg-n01", "renke-rs-yg-n99")),
        ("a profile that climbs", change("renke-rs-yg-n01", "../../etc/passwd")),
        ("an unknown line", change("line = \"line-1\"", "line = \"line-9\"")),
        ("a line twice", add("[[line]]\nname = \"line-1\"\ntcp = { address = \"127.0.0.1:2\" }")),
        ("a line without a wire", add("[[line]]\nname = \"line-2\"")),
        (
            "a line with two wires",
            change("tcp = {", "serial = { path = \"/dev/ttyS0\", baud = 9600 }\ntcp = {"),
        ),
        ("an address without a port", change("127.0.0.1:1\"", "127.0.0.1\"")),
        ("a time-out of 10^9", change("tcp = {", "timeout_ms = 1000000000\ntcp = {")),
        ("plain MQTT to elsewhere", change("mqtt://127.0.0.1", "mqtt://192.0.2.1")),
        ("another scheme", change("mqtt://", "ftp://")),
        ("100,000 devices", add(&many)),
        ("depth 20,000", add(&format!("deep = {}", "[".repeat(20_000)))),
    ]
}

/// `bad.toml:LINE:COLUMN` somewhere in what was said.
fn has_place(said: &str) -> bool {
    said.match_indices("bad.toml:").any(|(at, name)| {
        let rest = said.get(at + name.len()..).unwrap_or("");
        let mut numbers =
            rest.splitn(3, ':').map(|part| part.chars().take_while(char::is_ascii_digit).count());
        numbers.next().is_some_and(|digits| digits > 0) && numbers.next().is_some_and(|digits| digits > 0)
    })
}

fn path(file: &Path) -> &str {
    file.to_str().expect("a temporary path is text")
}

#[test]
fn a_place_is_recognised() {
    assert!(has_place("x/bad.toml:3:14: unknown key"));
    assert!(!has_place("bad.toml: unknown key"));
    assert!(!has_place("bad.toml:3: unknown key"));
}
