//! The real duty room: `shouwang duty-room` as a child process, and a browser without a screen in front of it.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::binary;
use crate::program::Program;
use crate::{Mosquitto, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The running duty room `duty-1`, with an operator logged in. Dropping it kills it.
#[derive(Debug)]
pub struct DutyRoom {
    program: Program,
    /// HOST:PORT of its pages.
    address: String,
    cookie: String,
    /// Removed last, when nobody writes there any more.
    directory: TempDir,
}

/// What a page or the API answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl DutyRoom {
    /// Starts it at this broker; returns when it hears the broker.
    pub fn start(broker: &Mosquitto) -> Self {
        let directory = TempDir::with_prefix("shouwang-duty-room-").expect("a directory for the duty room");
        let file = directory.path().join("duty-room.toml");
        let state = directory.path().join("state");
        let text = format!(
            "name = \"duty-1\"\ntitle = \"和平社区值班室\"\nstate_dir = \"{}\"\n\n[broker]\nurl = \"{}\"\n\n\
             [web]\nlisten = \"127.0.0.1:0\"\n",
            state.display(),
            broker.url()
        );
        std::fs::write(&file, text).expect("the duty room's configuration");
        let mut command = Command::new(binary());
        let program =
            Program::start("duty-room", command.arg("duty-room").arg("--config").arg(file), directory.path());
        let link = wait_for(LIMIT, "the duty room should print its log-in link", || login_link(&program));
        let (address, path) = link.split_once('/').expect("a link has a path");
        let mut room = Self { program, address: address.to_owned(), cookie: String::new(), directory };
        let answer = room.get(&format!("/{path}"));
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|cookie| cookie.split(';').next());
        room.cookie = cookie.expect("the log-in link gives a session").to_owned();
        wait_until(LIMIT, "the duty room should be connected to the broker", || {
            room.get("/readyz").status == 200
        });
        room
    }

    /// The log-in link: signs an operator in and leads to the board.
    pub fn link(&self) -> String {
        let link = login_link(&self.program).expect("it printed its link");
        format!("http://{link}")
    }

    /// The address of one of its pages.
    pub fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        self.program.signal(signal);
    }

    /// Where its database is.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The rows of all alarms that are not finished, or wait for a conclusion.
    pub fn open_alarms(&self) -> Vec<Value> {
        let answer = self.get("/api/v1/alarms?state=open");
        assert_eq!(answer.status, 200, "the list of alarms: {}", answer.body);
        let list: Value = serde_json::from_str(&answer.body).expect("a list is JSON");
        list["items"].as_array().expect("a list has items").clone()
    }

    /// The operator asks for something about an alarm (`acknowledge`, `reset`..) and the page takes it.
    pub fn ask(&self, alarm: &str, request: &str, body: &Value) {
        let head = format!(
            "POST /api/v1/alarms/{alarm}/{request} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n\
             Content-Type: application/json\r\n",
            self.address
        );
        let answer = self.exchange(&head, &body.to_string());
        assert_eq!(answer.status, 200, "{request} of {alarm}: {}", answer.body);
    }

    /// SIGTERM; the test fails unless it ends by itself and well.
    pub fn stop(mut self) {
        let status = self.program.stop(STOP_LIMIT);
        assert!(status.success(), "a stopped duty room ended with {status}: {}", self.program.stderr());
        let words = self.program.stderr();
        assert!(!words.contains("panicked at"), "the duty room panicked:\n{words}");
    }

    fn get(&self, path: &str) -> Answer {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address), "")
    }

    fn exchange(&self, head: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).expect("the duty room listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit for an answer");
        let (cookie, length) = (&self.cookie, body.len());
        write!(
            stream,
            "{head}Cookie: {cookie}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .expect("the duty room takes a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the duty room answers");
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// Without the scheme: HOST:PORT/login/TOKEN.
fn login_link(program: &Program) -> Option<String> {
    let said = program.stdout();
    let line = said.lines().next().filter(|_| said.contains('\n'))?;
    Some(line.split_once("http://")?.1.trim().to_owned())
}
