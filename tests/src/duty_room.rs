//! The real duty room: `shouwang duty-room` as a child process, and a browser without a screen in front of it.
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::gateway::binary;
use crate::program::Program;
use crate::visitor::Answer;
use crate::{Mosquitto, Visitor, clock, wait_for, wait_until};

const LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Of everybody who has an account.
pub const PASSWORD: &str = "三号楼二单元四零二";

/// The running duty room `duty-1`, with an operator logged in. Dropping it kills it.
#[derive(Debug)]
pub struct DutyRoom {
    program: Program,
    operator: Visitor,
    /// Removed last, when nobody writes there any more.
    directory: TempDir,
}

/// An address, and the session to bring there.
#[derive(Debug)]
pub struct SignedIn {
    pub address: String,
    /// `NAME=VALUE`
    pub cookie: String,
}

impl DutyRoom {
    /// Starts it at this broker; returns when it hears the broker. It is day there, at whatever hour the test runs.
    pub fn start(broker: &Mosquitto) -> Self {
        Self::start_for_the_first_time(broker).signed_in()
    }

    /// The same in the middle of the night.
    pub fn start_at_night(broker: &Mosquitto) -> Self {
        const HOUR_MS: i64 = 3_600_000;
        // China's time is eight hours ahead of UTC; from an hour ago until two or three hours from now.
        let hour = clock::wall().unix_ms() / HOUR_MS + 8;
        let [from, to] = [hour - 1, hour + 3].map(|hour| hour.rem_euclid(24));
        Self::start_anew(broker, [from, to]).signed_in()
    }

    /// Starts it with no account yet, and nobody logged in.
    pub fn start_for_the_first_time(broker: &Mosquitto) -> Self {
        Self::start_anew(broker, [0, 0])
    }

    /// With these keys of `[broker]` and this environment, and an operator logged in.
    pub fn start_by(keys: &str, environment: &[(&str, String)]) -> Self {
        Self::start_keyed(keys, environment, [0, 0]).signed_in()
    }

    /// The same with no account, and not waiting until it hears the broker.
    pub fn launch_by(keys: &str, environment: &[(&str, String)]) -> Self {
        Self::start_keyed(keys, environment, [0, 0])
    }

    fn start_anew(broker: &Mosquitto, night: [i64; 2]) -> Self {
        Self::start_keyed(&format!("url = \"{}\"", broker.url()), &[], night)
    }

    /// `night` is from this hour to that one.
    fn start_keyed(keys: &str, environment: &[(&str, String)], [from, to]: [i64; 2]) -> Self {
        let directory = TempDir::with_prefix("shouwang-duty-room-").expect("a directory for the duty room");
        let file = directory.path().join("duty-room.toml");
        let state = directory.path().join("state");
        let text = format!(
            "name = \"duty-1\"\ntitle = \"和平社区值班室\"\nstate_dir = \"{}\"\n\n[broker]\n{keys}\n\n\
             [web]\nlisten = \"127.0.0.1:0\"\n\n[night]\nfrom = \"{from:02}:00\"\nto = \"{to:02}:00\"\n",
            state.display(),
        );
        std::fs::write(&file, text).expect("the duty room's configuration");
        let mut command = Command::new(binary());
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        // As in its unit.
        command.env("MALLOC_TRIM_THRESHOLD_", "131072").arg("duty-room").arg("--config").arg(file);
        let program = Program::start("duty-room", &mut command, directory.path());
        let address = wait_for(LIMIT, "the duty room should print its address", || address(&program));
        Self { program, operator: Visitor::new(address, LIMIT), directory }
    }

    /// Makes a lead's account and an operator's, logs the operator in, and waits until it hears the broker.
    fn signed_in(mut self) -> Self {
        let operator = &mut self.operator;
        let said = || self.program.stdout().contains("one-time code ").then(|| self.program.stdout());
        let words = wait_for(LIMIT, "the duty room should print its one-time code", said);
        operator.set_up(&words, "lead", PASSWORD).expect("the code makes the first account");
        let wanted = json!({"id": "operator", "name": "值班员", "role": "operator", "password": PASSWORD});
        let made = operator.post("/api/v1/accounts", &wanted).expect("the duty room answers");
        assert_eq!(made.status, 201, "an account for the operator: {}", made.body);
        operator.log_in("operator", PASSWORD).expect("the operator logs in");
        wait_until(LIMIT, "the duty room should be connected to the broker", || {
            operator.get("/readyz").is_ok_and(|answer| answer.status == 200)
        });
        self
    }

    /// One more operator, who has the same password.
    pub fn add_operator(&self, account: &str, name: &str) {
        let mut lead = Visitor::new(self.operator.address(), LIMIT);
        lead.log_in("lead", PASSWORD).expect("the lead logs in");
        let wanted = json!({"id": account, "name": name, "role": "operator", "password": PASSWORD});
        let made = lead.post("/api/v1/accounts", &wanted).expect("the duty room answers");
        assert_eq!(made.status, 201, "an account for {name}: {}", made.body);
    }

    /// The board, for a browser that brings the operator's session.
    pub fn link(&self) -> SignedIn {
        let cookie = self.operator.cookie().expect("the operator is logged in").to_owned();
        SignedIn { address: self.page("/"), cookie }
    }

    /// The same, with the session of the one who leads the watch.
    pub fn lead(&self) -> SignedIn {
        let mut lead = Visitor::new(self.operator.address(), LIMIT);
        lead.log_in("lead", PASSWORD).expect("the lead logs in");
        SignedIn { address: self.page("/"), cookie: lead.cookie().expect("the lead is logged in").to_owned() }
    }

    /// What it logged.
    pub fn stderr(&self) -> String {
        self.program.stderr()
    }

    /// Whether it hears the broker.
    pub fn is_ready(&self) -> bool {
        self.operator.get("/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// What it printed.
    pub fn words(&self) -> String {
        self.program.stdout()
    }

    /// The address of one of its pages.
    pub fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.operator.address())
    }

    /// HOST:PORT of its pages.
    pub fn address(&self) -> &str {
        self.operator.address()
    }

    /// The operator's session, as a cookie's name and value.
    pub fn cookie(&self) -> &str {
        self.operator.cookie().unwrap_or_default()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// A page or a list as the operator reads it.
    pub fn read(&self, path: &str) -> String {
        let answer = self.operator.get(path).expect("the duty room answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        self.program.signal(signal);
    }

    /// Its duty-room.toml.
    pub fn configuration(&self) -> PathBuf {
        self.directory.path().join("duty-room.toml")
    }

    /// Where its database is.
    pub fn state_directory(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The rows of all alarms that are not finished, or wait for a conclusion.
    pub fn open_alarms(&self) -> Vec<Value> {
        self.operator.open_alarms().expect("the duty room lists its alarms")
    }

    /// The operator asks for something about an alarm (`acknowledge`, `reset`..) and the page takes it.
    pub fn ask(&self, alarm: &str, request: &str, body: &Value) {
        let answer = self.operator.post(&format!("/api/v1/alarms/{alarm}/{request}"), body);
        answer.and_then(Answer::ok).expect("the duty room takes it");
    }

    /// The operator agrees to an installer's walk test, or does not.
    pub fn answer_walk(&self, walk: &str, agreed: bool) {
        let answer = self.operator.post(&format!("/api/v1/walks/{walk}"), &json!({ "agreed": agreed }));
        answer.and_then(Answer::ok).expect("the duty room takes it");
    }

    /// SIGTERM; the test fails unless it ends by itself and well.
    pub fn stop(mut self) {
        let status = self.program.stop(STOP_LIMIT);
        assert!(status.success(), "a stopped duty room ended with {status}: {}", self.program.stderr());
        let words = self.program.stderr();
        assert!(!words.contains("panicked at"), "the duty room panicked:\n{words}");
    }
}

/// HOST:PORT.
fn address(program: &Program) -> Option<String> {
    let said = program.stdout();
    let line = said.lines().next().filter(|_| said.contains('\n'))?;
    Some(line.split_once("http://")?.1.split('/').next()?.to_owned())
}
