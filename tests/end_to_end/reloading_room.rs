//! A duty room is given another configuration while an alarm is open: by SIGHUP, by `--reload`, and when the file is bad.
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::{DutyRoom, wait_for, wait_until};

use crate::street::{ALARM_LIMIT, START_LIMIT, Street};

const LIMIT: Duration = Duration::from_secs(30);

/// An SMS provider on this machine: the bodies that it was sent.
struct Provider {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/send", listener.local_addr().expect("its address"));
        let bodies = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut said = Vec::new();
                let mut piece = [0; 4_096];
                let body = loop {
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break None,
                        Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
                    }
                    let text = String::from_utf8_lossy(&said).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.to_lowercase().split("content-length: ").nth(1).map(str::to_owned);
                    let length = length.and_then(|rest| rest.lines().next()?.parse::<usize>().ok());
                    if length.is_some_and(|length| body.len() >= length) {
                        break Some(body.to_owned());
                    }
                };
                if let Some(body) = body {
                    seen.lock().expect("nobody panics with it").push(body);
                    let _ = stream
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
                }
            }
        });
        Self { url, bodies }
    }

    fn count(&self, words: &str) -> usize {
        self.bodies.lock().expect("nobody panics with it").iter().filter(|body| body.contains(words)).count()
    }
}

/// The people of a small community, and the second step of their ladder.
fn people(provider: &Provider, title: &str, second: &str) -> String {
    format!(
        r#"
[[channel]]
id = "sms"
kind = "sms-http"
url = "{}"
fields = {{ to = "{{mobile}}", content = "{{text}}" }}
[[person]]
id = "wang"
name = "王建国"
phone = "+8613800138000"
[[person]]
id = "chen"
name = "{title}"
phone = "+8613900139000"
role = "on-duty"
[[responder]]
persons = ["wang"]
[escalation]
emergency = [
  {{ after_s = 0, tell = "sms", to = "responder" }},
  {{ after_s = {second}, tell = "sms", to = "on-duty" }},
]
"#,
        provider.url
    )
}

fn ask(room: &DutyRoom) -> Output {
    let mut command = Command::new(binary());
    command.arg("duty-room").arg("--config").arg(room.configuration()).args(["--reload", "--json"]);
    command.output().expect("the program runs")
}

fn refused(room: &DutyRoom) -> Vec<Value> {
    let rows = room.open_alarms().into_iter();
    rows.filter(|row| row["kind"] == "fault" && row["condition"] == "configuration").collect()
}

#[test]
fn people_and_ladder_change_while_an_alarm_is_open_and_a_bad_file_changes_nothing() {
    let provider = Provider::start();
    let mut street = Street::tcp(1);
    let room = DutyRoom::start(&street.broker);
    let plain = std::fs::read_to_string(room.configuration()).expect("its file");
    let write = |text: &str| std::fs::write(room.configuration(), text).expect("the file can be written");
    let in_force = || room.stderr().matches("the new configuration is in force").count();
    street.start();
    street.listener.wait_for_device(START_LIMIT, "smoke-1", "online");

    // Nobody is told of anything yet; the alarm is open when the people come.
    street.smoke(1, true);
    let row = wait_for(ALARM_LIMIT, "the duty room should show the alarm", || {
        room.open_alarms().into_iter().find(|row| row["device"] == "smoke-1" && row["kind"] == "alarm")
    });
    write(&(plain.clone() + &people(&provider, "陈值班", "3000")));
    room.signal(Signal::HUP);
    wait_until(LIMIT, "the grid worker is told", || provider.count("13800138000") == 1);
    assert_eq!(in_force(), 1);

    // The second step comes sooner, and nobody is told twice.
    write(&(plain.clone() + &people(&provider, "陈值班", "1")));
    let said = ask(&room);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&said.stdout).expect("JSON")["ok"], true);
    wait_until(LIMIT, "who is on duty is told", || provider.count("13900139000") == 1);

    // A bad file: the old one stays, and the reason stands on the board in the words of `check`.
    write(&(plain.clone() + "\ncolour = \"red\"\n"));
    room.signal(Signal::HUP);
    let rows = wait_for(LIMIT, "the board says why", || Some(refused(&room)).filter(|rows| !rows.is_empty()));
    let why = rows.first().and_then(|row| row["text"]["en"].as_str()).unwrap_or_default().to_owned();
    assert!(why.contains("duty-room.toml:") && why.contains("colour"), "{why}");
    // What only a restart can change is named.
    write(&(plain.replace("name = \"duty-1\"", "name = \"duty-2\"") + &people(&provider, "陈值班", "1")));
    let said = ask(&room);
    assert_eq!(said.status.code(), Some(2));
    let answer: Value = serde_json::from_slice(&said.stdout).expect("one JSON object");
    assert_eq!(answer["error"]["code"], "needs_restart", "{answer}");
    assert!(
        answer["error"]["text"]["zh"].as_str().is_some_and(|text| text.contains("name 只能在重启后更改"))
    );

    // A good one again: the row goes, the alarm is the same one, and nobody was told again.
    write(&(plain.replace("和平社区值班室", "和平社区二号值班室") + &people(&provider, "陈值班", "1")));
    room.signal(Signal::HUP);
    wait_until(LIMIT, "the row goes", || refused(&room).is_empty());
    assert!(room.read("/").contains("和平社区二号值班室"));
    let alarms = room.open_alarms();
    let same = alarms.iter().find(|known| known["id"] == row["id"]).expect("the alarm is still open");
    assert_eq!(same["raised_at"], row["raised_at"]);
    assert_eq!((provider.count("13800138000"), provider.count("13900139000")), (1, 1));
    street.stop();
    room.stop();
}

#[test]
fn without_a_duty_room_nobody_is_asked() {
    let directory = tempfile::TempDir::with_prefix("shouwang-nobody-").expect("a directory");
    let file = directory.path().join("duty-room.toml");
    let text = "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://127.0.0.1\"\n[web]\nlisten = \"127.0.0.1:0\"\n";
    std::fs::write(&file, text).expect("the file");
    let asked = Command::new(binary()).arg("duty-room").arg("--config").arg(&file).arg("--reload").output();
    let asked = asked.expect("the program runs");
    assert_eq!(asked.status.code(), Some(3));
    let why = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(why.contains("no duty room runs") && why.contains("state"), "{why}");
}
