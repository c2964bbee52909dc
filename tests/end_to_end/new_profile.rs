//! A device that nobody has a profile for: `profile new --from-scan` finds out how its registers are meant.
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{ModbusServer, SerialLine, wait_until};
use tempfile::TempDir;

use crate::command_line::shouwang;
use crate::search::objects;

const LIMIT: Duration = Duration::from_secs(60);

/// A radar sensor whose words come the other way round, on a pty; and where its new profile goes.
struct Unknown {
    _line: SerialLine,
    server: ModbusServer,
    place: String,
    directory: TempDir,
}

impl Unknown {
    fn new(words: &[u16]) -> Self {
        let line = SerialLine::new();
        let mut server = ModbusServer::serial(line.devices_path());
        server.set(7, Table::Input, 2002, words);
        let place = line.gateway_path().display().to_string();
        let directory = TempDir::with_prefix("shouwang-new-").expect("a directory");
        Self { _line: line, server, place, directory }
    }

    fn file(&self) -> String {
        self.directory.path().join("acme-radar.toml").display().to_string()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let file = self.file();
        let usual = [
            "profile",
            "new",
            "acme-radar",
            "--from-scan",
            &self.place,
            "--unit",
            "7",
            "--table",
            "input",
            "--register",
            "2002",
            "--class",
            "water_level",
            "--point",
            "level_m",
            "--measured-in",
            "m",
            "--to",
            &file,
        ];
        usual.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    fn new_profile(&self, more: &[&str]) -> crate::command_line::Outcome {
        let arguments = self.arguments(more);
        shouwang(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn one_expected_reading_finds_the_swapped_words() {
    let unknown = Unknown::new(&[0x3D71, 0x405A]);
    let outcome = unknown.new_profile(&["--expect", "3.4", "--json"]);
    assert_eq!(outcome.ending, "exit 0", "{}{}", outcome.stdout, outcome.stderr);
    let told = &objects(&outcome.stdout)[0];
    assert_eq!((&told["type"], &told["word_order"]), (&json!("f32"), &json!("CDAB")));
    let check = shouwang(&["profile", "check", &unknown.file()]);
    assert_eq!(check.ending, "exit 0", "{}{}", check.stdout, check.stderr);
    let directory = unknown.directory.path().display().to_string();
    let read = shouwang(&[
        "read",
        &unknown.place,
        "--unit",
        "7",
        "--profile",
        "acme-radar",
        "--dir",
        &directory,
        "--json",
    ]);
    assert_eq!(
        objects(&read.stdout)[0]["reading"],
        json!({"value": 3.41, "unit": "m", "quality": "good"}),
        "{}",
        read.stderr
    );
    let again = unknown.new_profile(&["--expect", "3.4"]);
    assert_eq!(again.ending, "exit 2", "nothing is overwritten");
}

#[test]
fn a_second_reading_is_waited_for_and_settles_it() {
    let mut unknown = Unknown::new(&[3102, 0]);
    let outcome = unknown.new_profile(&["--expect", "3.05"]);
    assert_eq!(outcome.ending, "exit 4", "one reading leaves several: {}", outcome.stdout);
    assert!(
        outcome.stderr.contains("low_byte / 10, u16 / 1000") && outcome.stderr.contains("--expect"),
        "{}",
        outcome.stderr
    );

    let mut command = Command::new(binary());
    let command = command.args(unknown.arguments(&["--expect", "3.05", "--expect", "1.5", "--json"]));
    let mut program = Program::start("new", command, unknown.directory.path());
    wait_until(LIMIT, "the second reading should be waited for", || program.stderr().contains("1.5"));
    unknown.server.set(7, Table::Input, 2002, &[1500, 0]);
    assert_eq!(ending(program.wait(LIMIT)), "exit 0", "{}", program.stderr());
    let told = &objects(&program.stdout())[0];
    assert_eq!(
        (&told["type"], &told["denominator"], &told["readings"]),
        (&json!("u16"), &json!(1000), &json!([3.102, 1.5]))
    );
    assert_eq!(shouwang(&["profile", "check", &unknown.file()]).ending, "exit 0");
}

#[test]
fn a_person_types_what_it_should_read() {
    let unknown = Unknown::new(&[0x3D71, 0x405A]);
    let mut command = Command::new(binary());
    let command = command.args(unknown.arguments(&[]));
    let mut program = Program::start("new", command, unknown.directory.path());
    let mut typed = program.take_stdin();
    typed.write_all("不知道\n0\n9999\n3.4\n".as_bytes()).expect("it reads what is typed");
    assert_eq!(ending(program.wait(LIMIT)), "exit 0", "{}{}", program.stdout(), program.stderr());
    let said = program.stdout();
    for line in
        ["f32 CDAB   3.41", "f32 ABCD   0.0589", "f32 DCBA   1.4e16", "f32 BADC   9.4e29", "f32 CDAB:写好了"]
    {
        assert!(said.contains(line), "{line}: {said}");
    }
    for remark in ["写一个数", "零什么也说明不了", "没有一种对得上"] {
        assert!(program.stderr().contains(remark), "{remark}: {}", program.stderr());
    }
}

#[test]
fn what_cannot_be_settled_is_said_and_nothing_is_written() {
    let unknown = Unknown::new(&[0x3D71, 0x405A]);
    for (more, ending) in [
        (&["--expect", "777"][..], "exit 4"),
        (&["--expect", "0"], "exit 2"),
        (&["--expect", "3.4", "--expect", "3.5"], "exit 2"),
    ] {
        let outcome = unknown.new_profile(more);
        assert_eq!(outcome.ending, ending, "{more:?}: {}{}", outcome.stdout, outcome.stderr);
    }
    let arguments = unknown.arguments(&["--expect", "3.4"]);
    let with = |from: &str, to: &str| -> crate::command_line::Outcome {
        let words: Vec<_> = arguments.iter().map(|word| if word == from { to } else { word }).collect();
        shouwang(&words)
    };
    assert_eq!(with("water_level", "sea_level").ending, "exit 2", "no such class");
    assert_eq!(with("acme-radar", "Acme Radar").ending, "exit 2", "no such name");
    assert_eq!(with("2002", "9").ending, "exit 4", "no such register");
    assert_eq!(with("7", "9").ending, "exit 3", "nobody there");
    assert!(!std::path::Path::new(&unknown.file()).exists());
}
