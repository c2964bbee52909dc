//! The README's first command: within seconds a person sees the whole path work.
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{clock, port, wait_for, wait_until};
use tempfile::TempDir;

/// Contract: the first alarm within 10 s, all four classes within 45 s.
const FIRST_ALARM: Duration = Duration::from_secs(10);
const ALL_CLASSES: Duration = Duration::from_secs(45);
/// What a key brings about takes seconds at most, a lost device ten of them.
const SOON: Duration = Duration::from_secs(40);
const RAISED: &str = "shouwang.alarm.raised.v1";

#[test]
fn the_demo_tells_its_story() {
    let directory = TempDir::with_prefix("shouwang-demo-").expect("a directory for the demo");
    let listen = format!("127.0.0.1:{}", port::free());
    let mut command = Command::new(binary());
    command.args(["demo", "--json", "--seconds", "50", "--listen", &listen]);
    command.arg("--state").arg(directory.path().join("state"));
    let began = clock::now();
    let mut demo = Program::start("demo", &mut command, directory.path());

    let first = wait_for(FIRST_ALARM, "the demo should print its link", || lines(&demo).into_iter().next());
    let link = first["link"].as_str().unwrap_or_default();
    assert!(link.starts_with(&format!("http://{listen}/")), "the first line is the link: {first}");

    wait_until(FIRST_ALARM, "the first alarm should arrive within 10 s of the start", || {
        began.elapsed() > FIRST_ALARM || !alarms(&demo).is_empty()
    });
    assert!(!alarms(&demo).is_empty(), "no alarm in the first 10 s");
    for class in ["smoke", "gas", "water_level", "call"] {
        let left = ALL_CLASSES.saturating_sub(began.elapsed());
        wait_until(left, &format!("a {class} alarm should arrive within 45 s of the start"), || {
            alarms(&demo).iter().any(|line| line["class"] == class)
        });
    }
    assert!(alarms(&demo).iter().all(|line| line["device"].is_string()), "every line names its device");

    // The first cry is answered by the simulated duty person, the second by whoever is at the page.
    wait_for_lamp(&demo, &["idle", "calling", "heard", "seen", "coming", "calling", "heard"]);
    acknowledge_call(link);
    wait_for_lamp(&demo, &["idle", "calling", "heard", "seen", "coming", "calling", "heard", "seen"]);
    let done: Vec<Value> = lines(&demo).into_iter().filter(|line| line["type"] == "person").collect();
    assert_eq!(done.iter().filter(|line| line["does"] == "acknowledge").count(), 1, "{done:?}");
    for line in lamps(&demo) {
        assert_eq!((&line["class"], &line["device"]), (&"call".into(), &"call-3-2-401".into()), "{line}");
        assert!(line["lamp"]["en"].is_string() && line["buzzer"]["zh"].is_string(), "{line}");
    }
    let seen = lamps(&demo).pop().expect("a lamp");
    assert_eq!(seen["request"], "0F 06 00 01 00 02 58 E5", "the write that moved it: {seen}");

    // The broker goes at 34 s and is back at 44: what happened meanwhile is late, and nothing is missing or there twice.
    let status = demo.wait(Duration::from_secs(60));
    assert_eq!(ending(status), "exit 0", "{}", demo.stderr());
    assert!(!demo.stderr().contains("panicked"), "{}", demo.stderr());
    let late =
        alarms(&demo).into_iter().find(|line| line["device"] == "smoke-3-2-403").expect("smoke in 403");
    assert!((5000.0..20_000.0).contains(&late["heard_ms"].as_f64().expect("ms")), "{late}");
    assert!(late["answer"].is_string(), "the bytes that brought it: {late}");
    // The river crossed design and warning together, then guarantee, then its record; a false spike crossed nothing.
    let river: Vec<String> = alarms(&demo)
        .into_iter()
        .filter(|line| line["class"] == "water_level")
        .map(|line| line["text"]["en"].as_str().unwrap_or_default().to_owned())
        .collect();
    let crossed = ["warning line", "design line", "guarantee line", "record"];
    assert_eq!(river, crossed.map(|line| format!("River over its {line} raised")), "the highest first");
    // Nobody in 103 has drawn water for half a minute: told once.
    let quiet: Vec<Value> = alarms(&demo).into_iter().filter(|line| line["class"] == "welfare").collect();
    assert_eq!(quiet.len(), 1, "{quiet:?}");
    assert_eq!(quiet[0]["device"], "inputs-3-1");
    let end = lines(&demo).pop().expect("a last line");
    assert_eq!(
        (&end["type"], &end["heard"], &end["twice"]),
        (&"end".into(), &end["wire"], &0.into()),
        "both databases agree: {end}"
    );
    assert!(end["wire"].as_u64() >= Some(7), "{end}");
}

#[test]
fn the_demo_answers_its_viewers_keys_and_leaves_the_terminal_as_it_was() {
    let directory = TempDir::with_prefix("shouwang-demo-").expect("a directory for the demo");
    let (mut hand, terminal) = terminal();
    let mut demo = start_at(&terminal, directory.path(), "120");
    wait_until(SOON, "the demo should take single keys", || modes(&terminal) == (false, false));
    let is_told = |kind: &str, device: &str| {
        lines(&demo).iter().any(|line| line["type"] == kind && line["device"] == device)
    };
    wait_until(SOON, "the gateway should be heard", || is_told("shouwang.device.state.v1", "call-3-2-401"));

    let mut press = |key: &[u8], does: &str| {
        hand.write_all(key).expect("a key");
        wait_until(SOON, &format!("{does} should be told"), || {
            lines(&demo).iter().any(|line| {
                line["type"] == "key" && line["text"]["en"].as_str().is_some_and(|text| text.contains(does))
            })
        });
    };
    press(b"b", "the broker is gone");
    press(b"c", "pressed");
    press(b"b", "the broker is back");
    wait_until(SOON, "the call should be heard, late", || is_told(RAISED, "call-3-2-401"));
    press(b"u", "unplugged");
    wait_until(SOON, "the unplugged device should be lost", || {
        is_told("shouwang.fault.raised.v1", "smoke-3-1-102")
    });
    press(b"u", "plugged in again");
    press(b"k", "kill -9");
    wait_until(SOON, "the gateway should be back", || {
        lines(&demo).iter().any(|line| line["text"]["en"] == "gateway started, boot 2")
    });

    // Ctrl-C is the terminal's own.
    hand.write_all(&[3]).expect("Ctrl-C");
    assert_eq!(ending(demo.wait(SOON)), "exit 130", "{}", demo.stderr());
    assert_eq!(modes(&terminal), (true, true), "the terminal is as it was");
    let end = lines(&demo).pop().expect("a last line");
    assert_eq!(
        (&end["type"], &end["heard"], &end["twice"]),
        (&"end".into(), &end["wire"], &0.into()),
        "{end}"
    );

    let again = TempDir::with_prefix("shouwang-demo-").expect("a directory for the demo");
    let mut demo = start_at(&terminal, again.path(), "1");
    assert_eq!(ending(demo.wait(SOON)), "exit 0", "{}", demo.stderr());
    assert_eq!(modes(&terminal), (true, true), "also when its time is over");
}

/// A viewer's hand, and the terminal that it types at.
fn terminal() -> (File, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let hand = openpt(flags).expect("a pty");
    grantpt(&hand).expect("granting a pty");
    unlockpt(&hand).expect("unlocking a pty");
    let terminal = ioctl_tiocgptpeer(&hand, flags).expect("its other end");
    (hand.into(), terminal.into())
}

/// In a session of its own, with the terminal as its own.
fn start_at(terminal: &File, directory: &std::path::Path, seconds: &str) -> Program {
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait"]).arg(binary()).args(["demo", "--json", "--seconds", seconds]);
    command.args(["--listen", &format!("127.0.0.1:{}", port::free())]);
    let input = Stdio::from(terminal.try_clone().expect("the terminal once more"));
    Program::start_reading("demo", &mut command, directory, input)
}

/// Whether lines are edited, and whether keys are echoed.
fn modes(terminal: &File) -> (bool, bool) {
    let modes = tcgetattr(terminal).expect("a terminal's settings").local_modes;
    (modes.contains(LocalModes::ICANON), modes.contains(LocalModes::ECHO))
}

/// Waits until everything that the lamp has said is this.
fn wait_for_lamp(demo: &Program, said: &[&str]) {
    wait_until(ALL_CLASSES, &format!("the lamp should say {said:?}"), || {
        let shown: Vec<Value> = lamps(demo).into_iter().map(|mut line| line["shows"].take()).collect();
        shown.iter().eq(said)
    });
}

fn lamps(demo: &Program) -> Vec<Value> {
    lines(demo).into_iter().filter(|line| line["type"] == "lamp").collect()
}

/// What the button on the page does.
fn acknowledge_call(link: &str) {
    let (address, path) = link.trim_start_matches("http://").split_once('/').expect("a link has a path");
    let (head, _) = exchange(address, &format!("GET /{path}"), "", "");
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
    let cookie = cookie.split(';').next().unwrap_or_default();
    let (_, list) = exchange(address, "GET /api/v1/alarms?state=open", cookie, "");
    let list: Value = serde_json::from_str(&list).expect("a list is JSON");
    let calls = list["items"].as_array().into_iter().flatten().find(|row| row["condition"] == "call");
    let id = calls.and_then(|row| row["id"].as_str()).expect("the call is on the board");
    let (head, body) = exchange(address, &format!("POST /api/v1/alarms/{id}/acknowledge"), cookie, "{}");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{body}");
}

/// Head and body of an answer.
fn exchange(address: &str, asks: &str, cookie: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("the duty room listens");
    let length = body.len();
    write!(
        stream,
        "{asks} HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nCookie: {cookie}\r\n\
         Content-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the duty room takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the duty room answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_owned(), body.to_owned())
}

fn alarms(demo: &Program) -> Vec<Value> {
    lines(demo).into_iter().filter(|line| line["type"] == RAISED).collect()
}

/// Whole lines so far; each is JSON.
fn lines(demo: &Program) -> Vec<Value> {
    let said = demo.stdout();
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("a line of the demo is JSON")).collect()
}
