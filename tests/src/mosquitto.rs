//! Debian's mosquitto as a test's own broker, which can go away and come back.
//!
//! It keeps sessions and retained messages over a clean stop, so a subscriber with a session misses nothing
//! that was published while it was away itself; one that is told to forget keeps nothing.
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::program::Program;
use crate::{port, wait_until};

const LIMIT: Duration = Duration::from_secs(10);
/// Another program may take a port between our look and mosquitto's start.
const ATTEMPTS: u32 = 5;

/// A broker on a loopback port of its own. Dropping it ends it and removes what it stored.
#[derive(Debug)]
pub struct Mosquitto {
    port: u16,
    /// A second listener, by its port and its lines of the configuration.
    further: Option<(u16, String)>,
    /// Of the program.
    environment: Vec<(String, String)>,
    program: Option<Program>,
    keeps: bool,
    directory: PathBuf,
    /// Removed with it, unless the test has a place of its own for what the broker says.
    _temporary: Option<TempDir>,
}

impl Mosquitto {
    pub fn start() -> Self {
        let temporary = TempDir::with_prefix("shouwang-broker-").expect("a directory for the broker");
        let directory = temporary.path().to_owned();
        Self::anew(directory, Some(temporary)).started()
    }

    /// With a second listener, by these lines of mosquitto's configuration; the first still takes everybody.
    pub fn start_with_listener(lines: &str) -> Self {
        Self::start_with_listener_in(lines, &[])
    }

    /// As [`Mosquitto::start_with_listener`], with these variables in its environment.
    pub fn start_with_listener_in(lines: &str, environment: &[(&str, String)]) -> Self {
        let temporary = TempDir::with_prefix("shouwang-broker-").expect("a directory for the broker");
        let directory = temporary.path().to_owned();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Self {
            further: Some((0, lines.to_owned())),
            environment: environment.collect(),
            ..Self::anew(directory, Some(temporary))
        }
        .started()
    }

    fn anew(directory: PathBuf, temporary: Option<TempDir>) -> Self {
        let environment = Vec::new();
        Self {
            port: 0,
            further: None,
            environment,
            program: None,
            keeps: true,
            directory,
            _temporary: temporary,
        }
    }

    /// With its words and what it stores in `directory`; one that does not keep forgets its sessions and
    /// retained messages whenever it goes away.
    pub fn start_in(directory: &Path, keeps: bool) -> Self {
        Self { keeps, ..Self::anew(directory.to_owned(), None) }.started()
    }

    fn started(mut self) -> Self {
        let broker = &mut self;
        for _ in 0..ATTEMPTS {
            broker.port = port::free();
            if let Some((further, _)) = &mut broker.further {
                *further = port::free();
            }
            if broker.try_run() {
                return self;
            }
        }
        panic!("mosquitto did not start {ATTEMPTS} times: {}", self.words());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Of its second listener; 0 without one.
    pub fn further_port(&self) -> u16 {
        self.further.as_ref().map_or(0, |(port, _)| *port)
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// The broker goes away, having saved its sessions; connections are refused from now on.
    pub fn stop(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.stop(LIMIT);
        }
    }

    /// `kill -9`: what it had not saved is gone.
    pub fn kill(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.kill();
        }
    }

    /// SIGSTOP, SIGCONT and the like.
    pub fn signal(&self, signal: Signal) {
        if let Some(program) = &self.program {
            program.signal(signal);
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::is_running)
    }

    /// The broker comes back on the same port.
    pub fn restart(&mut self) {
        self.stop();
        assert!(self.try_run(), "mosquitto did not come back on port {}: {}", self.port, self.words());
    }

    /// Whether it now listens; false if it ended at once, for example because the port was taken.
    fn try_run(&mut self) -> bool {
        let file = self.directory.join("mosquitto.conf");
        std::fs::write(&file, self.configuration()).expect("the broker's configuration");
        let mut command = Command::new(program_file());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut program = Program::start("mosquitto", command.arg("-c").arg(file), &self.directory);
        let address = ("127.0.0.1", self.port);
        let mut up = false;
        wait_until(LIMIT, "mosquitto should listen or end", || {
            up = TcpStream::connect(address).is_ok();
            up || !program.is_running()
        });
        // Somebody else may be listening there while ours has ended.
        up = up && program.is_running();
        self.program = up.then_some(program);
        up
    }

    fn configuration(&self) -> String {
        let (port, directory) = (self.port, self.directory.display());
        let keeps = self.keeps;
        let (mut apart, mut further) = ("", String::new());
        if let Some((port, lines)) = &self.further {
            apart = "per_listener_settings true\n";
            further = format!("listener {port} 127.0.0.1\n{lines}\n");
        }
        // As root it would become the user `mosquitto`, who may not write here.
        format!(
            "{apart}listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nset_tcp_nodelay true\n\
             persistence {keeps}\npersistence_location {directory}/\nmax_queued_messages 0\n\
             max_inflight_messages 0\nlog_dest stderr\nlog_type error\nlog_type warning\n\
             {further}"
        )
    }

    /// What it said on standard error.
    pub fn words(&self) -> String {
        std::fs::read_to_string(self.directory.join("mosquitto.err")).unwrap_or_default()
    }
}

/// Debian puts it where only root's path looks.
fn program_file() -> PathBuf {
    let debian = Path::new("/usr/sbin/mosquitto");
    if debian.exists() { debian.to_path_buf() } else { PathBuf::from("mosquitto") }
}
