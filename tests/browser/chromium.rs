//! Debian's Chromium without a window, told what to do over a pair of pipes (`--remote-debugging-pipe`): JSON, each
//! message ending with a zero byte. No driver, no port, and it ends when the pipes do.
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::clock;
use tempfile::TempDir;

use crate::page::Page;

const LIMIT: Duration = Duration::from_secs(30);
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// A browser with a profile of its own. Dropping it kills it.
pub(crate) struct Chromium {
    wire: Rc<RefCell<Wire>>,
    child: Child,
    _profile: TempDir,
}

pub(crate) struct Wire {
    to: ChildStdin,
    from: Receiver<Value>,
    /// Where it says what troubles it.
    errors: PathBuf,
    next: u64,
    /// What was told without being asked for.
    events: Vec<Value>,
}

impl Chromium {
    pub(crate) fn start() -> Self {
        Self::start_by(Command::new("sh"))
    }

    /// By this shell, which may be on another network.
    pub(crate) fn start_by(mut command: Command) -> Self {
        let profile =
            TempDir::with_prefix("shouwang-chromium-").expect("a directory for the browser's profile");
        let said = profile.path().join("errors");
        let errors = std::fs::File::create(&said).expect("a file for what it says");
        // Its ends of the pipes are the descriptors 3 and 4. Root, as in a container, needs --no-sandbox; it only
        // ever loads our own pages. An audio context starts suspended, as on a desk.
        command
            .arg("-c")
            .arg("exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null")
            .arg("chromium")
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args([
                "--lang=zh-CN",
                "--accept-lang=zh-CN",
                "--autoplay-policy=document-user-activation-required",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("--remote-debugging-pipe");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
        let mut child = started.expect("sh starts");
        let to = child.stdin.take().expect("its standard input");
        let from = child.stdout.take().expect("its standard output");
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(from).split(0).map_while(Result::ok) {
                let unread =
                    || json!({ "method": "unreadable", "params": String::from_utf8_lossy(&message) });
                if tell.send(serde_json::from_slice(&message).unwrap_or_else(|_| unread())).is_err() {
                    return;
                }
            }
        });
        let wire = Rc::new(RefCell::new(Wire { to, from: told, errors: said, next: 0, events: Vec::new() }));
        Self { wire, child, _profile: profile }
    }

    /// A page with cookies of its own: another person at another desk.
    pub(crate) fn page(&self) -> Page {
        let ask = |method: &str, params: Value| self.wire.borrow_mut().ask(None, method, &params);
        let context = ask("Target.createBrowserContext", json!({}))["browserContextId"].take();
        let target = ask("Target.createTarget", json!({ "url": "about:blank", "browserContextId": context }));
        let session =
            ask("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        let session = session["sessionId"].as_str().expect("a session").to_owned();
        Page::new(Rc::clone(&self.wire), session)
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Asked to close, it takes its helpers along, who would still write into the profile.
        if let Ok(mut wire) = self.wire.try_borrow_mut() {
            let _ = wire.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        }
        let asked = clock::now();
        while asked.elapsed() < CLOSE_LIMIT && matches!(self.child.try_wait(), Ok(None)) {
            clock::pause(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Wire {
    /// Sends one message; the answer has this number.
    pub(crate) fn send(&mut self, session: Option<&str>, method: &str, params: &Value) -> u64 {
        self.next += 1;
        let mut message = json!({ "id": self.next, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to
            .write_all(&bytes)
            .expect("the browser reads: is Debian's chromium installed? `tests/run` does");
        self.next
    }

    pub(crate) fn wait(&mut self, number: u64, method: &str) -> Value {
        loop {
            let mut message = match self.from.recv_timeout(LIMIT) {
                Ok(message) => message,
                Err(error) => panic!(
                    "the browser does not answer {method} ({error}): is Debian's chromium installed? `tests/run` \
                     does. It says: {}",
                    std::fs::read_to_string(&self.errors).unwrap_or_default()
                ),
            };
            if message["id"] == number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            if message["id"].is_null() {
                self.events.push(message);
            }
        }
    }

    pub(crate) fn ask(&mut self, session: Option<&str>, method: &str, params: &Value) -> Value {
        let number = self.send(session, method, params);
        self.wait(number, method)
    }

    pub(crate) fn events(&self) -> &[Value] {
        &self.events
    }
}
