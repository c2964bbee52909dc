//! Board pages without a screen: each keeps the server's stream open, reads the list whole once and then what changed,
//! as the page's script does and no more often, and remembers when it first had each alarm.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use shouwang_tests::{DutyRoom, clock};

/// The script reads the list no more often.
const READ_EVERY: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

/// Pages of one duty room. Dropping them closes them.
pub(crate) struct Pages {
    pages: Vec<Arc<Page>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Page {
    address: String,
    cookie: String,
    state: Mutex<State>,
    wanted: Condvar,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    wanted: bool,
    version: Option<String>,
    /// The open rows by id.
    rows: BTreeMap<String, ()>,
    /// When it first had each alarm: by device and condition.
    seen: BTreeMap<(String, String), Instant>,
    whole: u32,
    changes: u32,
    bytes: u64,
    slowest: Duration,
}

impl Pages {
    pub(crate) fn open(room: &DutyRoom, count: usize) -> Self {
        let page = || {
            Arc::new(Page {
                address: room.address().to_owned(),
                cookie: room.cookie().to_owned(),
                state: Mutex::new(State { wanted: true, ..State::default() }),
                wanted: Condvar::new(),
                stop: AtomicBool::new(false),
            })
        };
        let pages: Vec<_> = (0..count).map(|_| page()).collect();
        let mut threads = Vec::new();
        for page in &pages {
            let (one, other) = (Arc::clone(page), Arc::clone(page));
            threads.push(std::thread::spawn(move || one.listen()));
            threads.push(std::thread::spawn(move || other.read()));
        }
        Self { pages, threads }
    }

    /// For each of these alarms when the last of all pages had it; none while one has not.
    pub(crate) fn shown(&self, device: &str, condition: &str) -> Option<Instant> {
        let key = (device.to_owned(), condition.to_owned());
        let mut last = None;
        for page in &self.pages {
            last = last.max(Some(*page.lock().seen.get(&key)?));
        }
        last
    }

    /// The fewest open rows that a page has.
    pub(crate) fn fewest(&self) -> usize {
        self.pages.iter().map(|page| page.lock().rows.len()).min().unwrap_or_default()
    }

    /// Bytes of lists read by all pages, lists read whole, changes read, and the slowest of them.
    pub(crate) fn cost(&self) -> (u64, u32, u32, Duration) {
        self.pages.iter().fold((0, 0, 0, Duration::ZERO), |(bytes, whole, changes, slowest), page| {
            let state = page.lock();
            (bytes + state.bytes, whole + state.whole, changes + state.changes, slowest.max(state.slowest))
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for page in &self.pages {
            page.stop.store(true, Ordering::Relaxed);
            page.wanted.notify_all();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Page {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("the duty room listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit for an answer");
        stream.set_nodelay(true).expect("a socket of ours");
        stream
    }

    fn ask(&self, stream: &mut TcpStream, path: &str) {
        let (address, cookie) = (&self.address, &self.cookie);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n")
            .expect("the duty room takes a request");
    }

    /// The stream: whatever is new makes the list wanted.
    fn listen(&self) {
        let mut stream = self.connect();
        self.ask(&mut stream, "/api/v1/stream");
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while !self.stop.load(Ordering::Relaxed) {
            line.clear();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.starts_with("event: alarms") {
                self.lock().wanted = true;
                self.wanted.notify_all();
            }
        }
    }

    fn read(&self) {
        let mut stream = BufReader::new(self.connect());
        while !self.stop.load(Ordering::Relaxed) {
            let state = self.lock();
            let (mut state, _) = self
                .wanted
                .wait_timeout_while(state, Duration::from_millis(500), |state| !state.wanted)
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if !state.wanted {
                continue;
            }
            state.wanted = false;
            let since = state.version.as_ref().map(|version| format!("&since={version}")).unwrap_or_default();
            drop(state);
            let began = clock::now();
            self.ask(stream.get_mut(), &format!("/api/v1/alarms?state=open{since}"));
            let body = body(&mut stream);
            self.lock().take_over(&body, began.elapsed());
            clock::pause(READ_EVERY.saturating_sub(began.elapsed()));
        }
    }
}

impl State {
    fn take_over(&mut self, body: &[u8], took: Duration) {
        let answer: Value = serde_json::from_slice(body).expect("a list is JSON");
        let now = clock::now();
        self.bytes += body.len() as u64;
        self.slowest = self.slowest.max(took);
        self.version = answer["version"].as_str().map(str::to_owned);
        match answer["gone"].as_array() {
            Some(gone) => {
                self.changes += 1;
                for id in gone.iter().filter_map(Value::as_str) {
                    self.rows.remove(id);
                }
            }
            None => {
                self.whole += 1;
                self.rows.clear();
            }
        }
        for row in answer["items"].as_array().expect("a list has items") {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            self.rows.insert(text("id"), ());
            self.seen.entry((text("device"), text("condition"))).or_insert(now);
        }
        assert_eq!(
            self.rows.len() as u64,
            answer["count"].as_u64().unwrap_or_default(),
            "a page's list fits"
        );
    }
}

/// One answer's body: it says how long it is.
fn body(stream: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).expect("the duty room answers");
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(text) = line.strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the whole answer");
    body
}
