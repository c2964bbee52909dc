//! An installer's first minutes with a line: `scan` and `read` against a Modbus server that is not ours, on TCP
//! and on a pty, and against the simulated field at its own pace.
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{Configuration, ModbusServer, SerialLine, wait_until};
use tempfile::TempDir;

use crate::command_line::shouwang;
use crate::street::{ALARM_LIMIT, RAISED, Street};

const LIMIT: Duration = Duration::from_secs(60);
/// The machines that run tests are busy: 50 ms, which is enough for devices, is not for processes there.
const PATIENT: &str = "--timeout-ms=400";

pub(crate) fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect()
}

/// Unit ids that were found, and the last object.
pub(crate) fn found(text: &str) -> (Vec<u64>, Value) {
    let mut objects = objects(text);
    let last = objects.pop().expect("a last object");
    let ids = objects.iter().filter_map(|object| object["unit_id"].as_u64()).collect();
    (ids, last)
}

/// A smoke alarm's register, and who else wants to be found.
fn furnish(server: &mut ModbusServer) {
    server.set(3, Table::Holding, 3, &[0]);
    server.set(12, Table::Holding, 0, &[1, 2, 3, 4]);
}

#[test]
fn scan_finds_who_answers_on_tcp() {
    let mut server = ModbusServer::tcp();
    furnish(&mut server);
    let place = format!("tcp://{}", server.address());
    let outcome = shouwang(&["scan", &place, "--units", "1-20", "--json"]);
    assert_eq!(outcome.ending, "exit 0", "{}", outcome.stderr);
    let (ids, last) = found(&outcome.stdout);
    assert_eq!((ids, &last["requests"], &last["interrupted"]), (vec![3, 12], &json!(20), &json!(false)));
    let smoke = &objects(&outcome.stdout)[0];
    let fits = smoke["fits"].as_array().expect("fits");
    let fit = fits.iter().find(|fit| fit["profile"] == "renke-rs-yg-n01").expect("the smoke alarm's profile");
    assert_eq!((&fit["agreed"], &fit["asked"], &smoke["setting"]), (&json!(1), &json!(1), &json!("tcp")));
    assert!(smoke["rtt_ms"].is_number(), "{smoke}");
}

#[test]
fn scan_and_read_a_serial_line() {
    let line = SerialLine::new();
    let mut server = ModbusServer::serial(line.devices_path());
    furnish(&mut server);
    let place = line.gateway_path().display().to_string();
    let outcome = shouwang(&["scan", &place, "--units", "1-16", "--baud", "9600", PATIENT, "--json"]);
    assert_eq!(outcome.ending, "exit 0", "{}", outcome.stderr);
    let (ids, last) = found(&outcome.stdout);
    assert_eq!((ids, &last["requests"]), (vec![3, 12], &json!(16)));

    // The words a person gets, and what they are told to type next, which works as it stands.
    let outcome = shouwang(&["scan", &place, "--units", "1-4", "--baud", "9600", PATIENT]);
    let next =
        outcome.stdout.lines().last().and_then(|line| line.split_once("shouwang ")).expect("a next step");
    let words: Vec<_> = next.1.split(' ').collect();
    assert_eq!((words[0], words[1], &words[2..4]), ("read", place.as_str(), &["--unit", "3"][..]));
    let read = shouwang(&words);
    assert_eq!(read.ending, "exit 0", "{next:?}: {}{}", read.stdout, read.stderr);

    let read = shouwang(&["read", &place, "--unit", "12", "--address", "0", "--count", "4", "--json"]);
    let values: Vec<_> =
        objects(&read.stdout).iter().map(|object| object["reading"]["value"].clone()).collect();
    assert_eq!(values, [1, 2, 3, 4]);
    let read = shouwang(&["read", &place, "--unit", "3", "--profile", "renke-rs-yg-n01", "--json"]);
    assert_eq!(objects(&read.stdout)[0]["reading"], json!({"value": false, "quality": "good"}));
}

#[test]
fn nobody_and_nothing_are_told_apart() {
    let mut server = ModbusServer::tcp();
    server.set(200, Table::Holding, 0, &[0]);
    let place = format!("tcp://{}", server.address());
    let outcome = shouwang(&["scan", &place, "--units", "1-3", "--json"]);
    assert_eq!((outcome.ending.as_str(), found(&outcome.stdout).0), ("exit 3", vec![]));

    for (place, remedy) in [("/dev/ttyRS485-none", "ls /dev/ttyRS485-*"), ("tcp://127.0.0.1:1", "连不上")]
    {
        let outcome = shouwang(&["scan", place]);
        assert_eq!((outcome.ending.as_str(), outcome.stdout.as_str()), ("exit 3", ""), "{place}");
        assert!(outcome.stderr.contains(remedy), "{}", outcome.stderr);
    }
    for bad in [
        &["scan", "tcp://nowhere"][..],
        &["scan", "/dev/null", "--units", "0-3"],
        &["scan", "/dev/null", "--units", "9-3"],
        &["read", "/dev/null", "--unit", "0", "--address", "0"],
        &["read", "/dev/null", "--unit", "1"],
        &["read", "/dev/null", "--unit", "1", "--profile", "no-such"],
    ] {
        let outcome = shouwang(bad);
        assert_eq!(outcome.ending, "exit 2", "{bad:?}: {}{}", outcome.stdout, outcome.stderr);
    }
}

/// `simulate` with devices on a paced serial line, and where that line is.
pub(crate) fn field(devices: &str) -> (Program, String, TempDir) {
    let (program, [place], directory) = lines(["b3"], devices);
    (program, place, directory)
}

/// The same with these lines.
pub(crate) fn lines<const N: usize>(names: [&str; N], devices: &str) -> (Program, [String; N], TempDir) {
    let directory = TempDir::with_prefix("shouwang-field-").expect("a directory for the field");
    let file = directory.path().join("field.toml");
    let links = names.map(|name| directory.path().join(name).display().to_string());
    let tables = names.iter().zip(&links).map(|(name, link)| {
        format!("[[line]]\nname = \"{name}\"\npty = {{ baud = 9600, link = \"{link}\" }}\n")
    });
    std::fs::write(&file, format!("{}{devices}", tables.collect::<String>())).expect("the field's file");
    let mut simulate = Command::new(binary());
    let simulate = simulate.arg("simulate").arg("--config").arg(&file);
    let program = Program::start("field", simulate, directory.path());
    let are_up = || links.iter().all(|link| program.stdout().contains(link));
    wait_until(LIMIT, "the field should be up", are_up);
    (program, links, directory)
}

const SMOKE_7: &str =
    "[[device]]\nid = \"smoke-7\"\nline = \"b3\"\nunit_id = 7\nprofile = \"renke-rs-yg-n01\"\n";

#[test]
fn an_interrupted_scan_keeps_what_it_found() {
    let (_field, place, directory) = field(SMOKE_7);
    let mut command = Command::new(binary());
    let command = command.args(["scan", &place, "--timeout-ms=150", "--json"]);
    let mut program = Program::start("scan", command, directory.path());
    wait_until(LIMIT, "the smoke alarm should be found", || program.stdout().contains("\"unit_id\":7"));
    program.signal(Signal::INT);
    assert_eq!(ending(program.wait(LIMIT)), "exit 130");
    let (ids, last) = found(&program.stdout());
    assert_eq!((ids, &last["interrupted"]), (vec![7], &json!(true)));
}

#[test]
fn an_answer_full_of_errors_is_told_as_a_conflict() {
    let (_field, place, _directory) = field(&format!("{SMOKE_7}faults = [\"noisy 100\"]\n"));
    let outcome = shouwang(&["scan", &place, "--units", "5-9", "--baud", "9600", PATIENT]);
    assert_eq!(outcome.ending, "exit 4", "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("两台设备同一地址"), "{}", outcome.stdout);
}

#[test]
fn watching_tells_which_device_was_touched() {
    let (mut field, place, directory) = field(&format!(
        "{SMOKE_7}[[device]]\nid = \"smoke-8\"\nline = \"b3\"\nunit_id = 8\nprofile = \"renke-rs-yg-n01\"\n"
    ));
    let mut orders = field.take_stdin();
    let mut command = Command::new(binary());
    let wanted = ["--unit", "7,8", "--profile", "renke-rs-yg-n01", "--watch", "--timeout-ms=5000", "--json"];
    let command = command.args(["read", &place]).args(wanted);
    let mut program = Program::start("watch", command, directory.path());
    wait_until(LIMIT, "both should be read", || program.stdout().lines().count() == 2);
    orders.write_all(b"set smoke-8 smoke true\n").expect("the field takes orders");
    wait_until(LIMIT, "a change should be told", || program.stdout().lines().count() == 3);
    let told = objects(&program.stdout()).pop().expect("the change");
    assert_eq!(
        (&told["unit_id"], &told["changed"], &told["reading"]["value"]),
        (&json!(8), &json!(true), &json!(true))
    );
    program.signal(Signal::INT);
    assert_eq!(ending(program.wait(LIMIT)), "exit 130");
}

#[test]
fn a_line_that_is_held_says_by_whom() {
    let (_field, place, directory) = field(SMOKE_7);
    let mut command = Command::new(binary());
    let command = command.args(["read", &place, "--unit", "7", "--profile", "renke-rs-yg-n01", "--watch"]);
    let holder = Program::start("holder", command, directory.path());
    wait_until(LIMIT, "the line should be held", || !holder.stdout().is_empty());
    let outcome = shouwang(&["scan", &place, "--units", "7-7"]);
    assert_eq!(outcome.ending, "exit 3", "{}", outcome.stdout);
    assert!(outcome.stderr.contains("systemctl stop shouwang-gateway"), "{}", outcome.stderr);
}

/// A gateway that watches three smoke alarms on a serial line, and the socket by which it lends that line.
pub(crate) fn watching_gateway() -> (Street, String, String) {
    let mut street = Street::serial(3);
    let socket = street.configuration.directory().join("control.sock").display().to_string();
    let control = format!("[control]\nsocket = \"{socket}\"\n");
    street.configuration =
        std::mem::replace(&mut street.configuration, Configuration::new(&street.broker)).table(&control);
    street.start();
    let place = street.port().display().to_string();
    (street, place, socket)
}

#[test]
fn a_running_gateway_lends_its_line_and_its_alarms_go_first() {
    let (mut street, place, socket) = watching_gateway();
    let directory = TempDir::with_prefix("shouwang-scan-").expect("a directory");
    let mut command = Command::new(binary());
    let command = command.args(["scan", &place, "--control", &socket, "--units", "1-247"]);
    let mut scan = Program::start("scan", command, directory.path());
    wait_until(LIMIT, "the line should be lent", || scan.stdout().contains("借出"));
    // While somebody searches, smoke is told.
    street.smoke(2, true);
    street.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-2");
    assert!(scan.is_running(), "the search goes on while the alarm is told");
    scan.signal(Signal::INT);
    assert_eq!(ending(scan.wait(LIMIT)), "exit 130");

    let outcome = shouwang(&["scan", &place, "--control", &socket, "--units", "1-8", PATIENT, "--json"]);
    assert_eq!(outcome.ending, "exit 0", "{}", outcome.stderr);
    assert_eq!(found(&outcome.stdout).0, [1, 2, 3]);
    let read =
        ["read", &place, "--control", &socket, "--unit", "2", "--profile", "renke-rs-yg-n01", "--json"];
    assert_eq!(objects(&shouwang(&read).stdout)[0]["reading"]["value"], json!(true));
    let other = shouwang(&["scan", &place, "--control", &socket, "--units", "1-8", "--baud", "4800"]);
    assert_eq!(other.ending, "exit 3");
    assert!(other.stderr.contains("9600 8N1"), "it says how the line is set: {}", other.stderr);
}

#[test]
fn a_tcp_line_of_a_running_gateway_is_lent_and_not_opened_twice() {
    let mut street = Street::tcp(2);
    let socket = street.configuration.directory().join("control.sock").display().to_string();
    let control = format!("[control]\nsocket = \"{socket}\"\n");
    street.configuration =
        std::mem::replace(&mut street.configuration, Configuration::new(&street.broker)).table(&control);
    street.start();
    let place = format!("tcp://{}", street.devices.address());
    let outcome = shouwang(&["scan", &place, "--control", &socket, "--units", "1-4", PATIENT]);
    assert_eq!(outcome.ending, "exit 0", "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("借出"), "it says that the line is lent: {}", outcome.stdout);
}

#[test]
fn what_stands_where_the_socket_should_be_is_left_alone() {
    let mut street = Street::serial(1);
    let file = street.configuration.directory().join("precious");
    std::fs::write(&file, "kept").expect("a file");
    let control = format!("[control]\nsocket = \"{}\"\n", file.display());
    street.configuration =
        std::mem::replace(&mut street.configuration, Configuration::new(&street.broker)).table(&control);
    street.start();
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "kept");
}

#[test]
fn the_control_socket_only_reads_and_survives_nonsense() {
    let (street, place, socket) = watching_gateway();
    let ask = |lines: &[&str]| -> Vec<String> {
        let mut stream = UnixStream::connect(&socket).expect("the control socket");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        for line in lines {
            // Who says too much is cut off while speaking.
            if writeln!(stream, "{line}").is_err() {
                break;
            }
        }
        // Who was cut off has no more to say.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        BufReader::new(stream).lines().map_while(Result::ok).collect()
    };
    let wish = json!({"line": place}).to_string();
    let asked = |unit_id: u8, function: u8| {
        json!({"unit_id": unit_id, "function": function, "address": 3, "count": 1, "wait_ms": 400})
            .to_string()
    };
    let told = ask(&[&wish, &asked(1, 3), &asked(1, 6), &asked(0, 3), "{", &asked(3, 3)]);
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(told[0].contains("\"serial\""), "{}", told[0]);
    assert!(told[1].starts_with("{\"words\"") && told[5].starts_with("{\"words\""), "{told:#?}");
    assert!(told[2..5].iter().all(|told| told.contains("refused")), "{told:#?}");
    for nonsense in ["", "[]", "{\"line\":\"/dev/nothing\"}", &"x".repeat(100_000)] {
        let told = ask(&[nonsense]);
        assert!(told.iter().all(|told| told.contains("refused")), "{told:?}");
    }
    street.gateway.as_ref().expect("it runs").assert_no_errors();
}

/// The unit ids 1 to 16 that answer.
fn answering(place: &str) -> Vec<u64> {
    found(&shouwang(&["scan", place, "--units", "1-16", "--baud", "9600", PATIENT, "--json"]).stdout).0
}

#[test]
fn a_device_gets_another_unit_id_only_if_nothing_can_go_wrong() {
    let level = "[[device]]\nid = \"level-1\"\nline = \"b3\"\nunit_id = 1\nprofile = \"generic-qdy30a\"\nunit = \"mm\"\n";
    let (_field, place, _directory) = field(&format!("{SMOKE_7}{level}"));
    let set = |from: &str, to: &str, profile: &str| {
        shouwang(&["set-unit-id", &place, "--from", from, "--to", to, "--profile", profile])
    };
    for (from, to, profile, ending, word) in [
        ("5", "9", "renke-rs-yg-n01", "exit 3", "没有设备应答"),
        ("7", "1", "renke-rs-yg-n01", "exit 4", "已有设备"),
        ("7", "9", "wirenboard-wb-mcm8", "exit 2", "没有改地址的步骤"),
        ("7", "7", "renke-rs-yg-n01", "exit 2", "不同于旧地址"),
        ("7", "250", "renke-rs-yg-n01", "exit 2", "1 到 247"),
        ("1", "9", "shouwang-call-button", "exit 4", "不是这个型号"),
    ] {
        let outcome = set(from, to, profile);
        assert_eq!(outcome.ending, ending, "{from} {to} {profile}: {}{}", outcome.stdout, outcome.stderr);
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
    assert_eq!(answering(&place), [1, 7], "nothing was changed");

    // One whose recipe is one write, and one that must be told to keep it at its new id.
    assert_eq!(set("7", "12", "renke-rs-yg-n01").ending, "exit 0");
    assert_eq!(set("1", "5", "generic-qdy30a").ending, "exit 0");
    assert_eq!(answering(&place), [5, 12]);
}

#[test]
fn write_takes_what_a_profile_lists_or_force() {
    let relay =
        "[[device]]\nid = \"relay\"\nline = \"b3\"\nunit_id = 2\nprofile = \"waveshare-rtu-relay-8ch\"\n";
    let (_field, place, _directory) = field(relay);
    let write =
        |more: &[&str]| shouwang(&[&["write", place.as_str(), "--unit", "2", "--json"][..], more].concat());
    let by_name = ["--profile", "waveshare-rtu-relay-8ch", "--point"];
    let outcome = write(&[&by_name[..], &["relay_0", "--value", "1"]].concat());
    assert_eq!(outcome.ending, "exit 0", "{}", outcome.stderr);
    let told = &objects(&outcome.stdout)[0];
    assert_eq!((&told["result"], &told["now"]), (&json!("confirmed"), &json!(1)));

    let outcome = write(&[&by_name[..], &["no-such", "--value", "1"]].concat());
    assert_eq!(outcome.ending, "exit 2");
    assert!(outcome.stderr.contains("relay_0"), "what is writable is listed: {}", outcome.stderr);
    assert_eq!(
        write(&["--address", "0", "--value", "0"]).ending,
        "exit 2",
        "without a profile only with --force"
    );
    let outcome = write(&["--force", "--table", "coil", "--address", "0", "--value", "0"]);
    assert_eq!((outcome.ending.as_str(), &objects(&outcome.stdout)[0]["now"]), ("exit 0", &json!(0)));
    let outcome = write(&["--force", "--address", "9999", "--value", "0"]);
    assert_eq!(
        (outcome.ending.as_str(), &objects(&outcome.stdout)[0]["result"]),
        ("exit 4", &json!("refused"))
    );
}

/// Debian's own client reads one holding register, counted from 0.
pub(crate) fn mbpoll(how: &[&str], unit_id: u8, address: u16, place: &str) -> String {
    let mbpoll = Path::new("/usr/bin/mbpoll");
    assert!(mbpoll.exists(), "mbpoll is not installed: run `tests/run`");
    let directory = TempDir::with_prefix("shouwang-mbpoll-").expect("a directory");
    let (unit_id, address) = (unit_id.to_string(), address.to_string());
    let mut command = Command::new(mbpoll);
    let command = command.args(how).args(["-a", &unit_id, "-0", "-r", &address, "-1", place]);
    let mut program = Program::start("mbpoll", command, directory.path());
    let ending = ending(program.wait(LIMIT));
    format!("{ending}: {}{}", program.stdout(), program.stderr())
}

#[test]
fn mbpoll_reads_what_set_unit_id_wrote() {
    let (_field, place, _directory) = field(SMOKE_7);
    let outcome =
        shouwang(&["set-unit-id", &place, "--from", "7", "--to", "21", "--profile", "renke-rs-yg-n01"]);
    assert_eq!(outcome.ending, "exit 0", "{}", outcome.stderr);
    let read = mbpoll(&["-m", "rtu", "-b", "9600", "-P", "none"], 21, 2000, &place);
    assert!(read.contains("[2000]: \t21"), "{read}");
}
