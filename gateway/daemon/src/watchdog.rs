//! The watch over the gateway's own threads. Each shows that it moves; a process in which one does not, or one
//! panicked, is ended with the cause on record, so that it is started anew: never a silent stop.
//!
//! Only a thread that waits in the kernel for a device is left alone: it cannot be ended, so a restart would
//! not come, and the others still watch. What depends on it is told by the core (line down, store failing).
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_core::Instant;

use crate::clock;
use crate::systemd::Notifier;

/// A thread that shows no life for this long hangs. With [`LOOK`] and [`LAST_WORDS`] the process is gone within
/// the 20 s of the design's invariant I12.
pub const HUNG_AFTER: Duration = Duration::from_secs(15);
/// Opening a database may take long: its log is replayed, or a damaged one is put aside.
pub const START_WITHIN: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_secs(1);
/// If we ourselves did not run for this long, the machine slept or the process was stopped as a whole.
const SLEPT: Duration = Duration::from_secs(5);
/// Writing down the cause may hang on the same disk.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Nobody has beaten yet, or nothing is expected now.
const RESTS: u64 = 0;
const FILE: &str = "ended.json";

/// A thread's sign of life. It rests until its first beat.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When it last beat, us; or [`RESTS`].
    at: AtomicU64,
    has_panicked: AtomicBool,
}

/// Belongs to a thread, or to what it runs: when it is dropped by a panic, the thread has ended.
#[derive(Clone, Debug)]
pub struct Alive(Pulse);

/// The watching thread. It ends when this is dropped.
#[derive(Debug)]
pub struct Watchdog {
    shared: Arc<Shared>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    parts: Mutex<Vec<Part>>,
    /// The watching thread's own sign of life.
    looked: Pulse,
    directory: PathBuf,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    /// The thread as the kernel knows it, to see what it waits for.
    thread: Option<String>,
    pulse: Pulse,
    limit: Duration,
}

/// Why a process ended itself, for the next one to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    pub part: String,
    /// How long it hung; none if it ended by itself.
    pub hung_ms: Option<u64>,
}

/// What one look at the parts showed.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// Why the process must end.
    cause: Option<Cause>,
    /// The parts that hang in the kernel, where no new start would end them.
    excused: Vec<String>,
}

impl Pulse {
    pub fn beat(&self) {
        self.state.at.store(clock::now().as_micros().max(1), Relaxed);
    }

    /// Something begins that may take this long, and is no hanging before.
    pub fn beat_before(&self, may_take: Duration) {
        self.state.at.store((clock::now() + may_take).as_micros(), Relaxed);
    }

    /// Nothing is expected until the next beat.
    pub fn rest(&self) {
        self.state.at.store(RESTS, Relaxed);
    }

    pub fn is_resting(&self) -> bool {
        self.state.at.load(Relaxed) == RESTS
    }

    /// For the thread to keep as long as it lives.
    pub fn alive(&self) -> Alive {
        Alive(self.clone())
    }

    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        match self.state.at.load(Relaxed) {
            RESTS => Duration::ZERO,
            at => now.since(Instant::from_micros(at)),
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state.has_panicked.store(true, Relaxed);
        }
    }
}

impl Cause {
    /// What the process before us left behind; it stays until [`Cause::forget`].
    pub fn of_the_last_end(directory: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(directory.join(FILE)).ok()?).ok()
    }

    /// It is told and on disk.
    pub fn forget(directory: &Path) {
        if let Err(error) = fs::remove_file(directory.join(FILE)) {
            tracing::warn!(%error, "the cause of the last end is told again at the next start");
        }
    }

    fn keep(&self, directory: &Path) {
        // Whoever reads it next copes with half a file; there is no time for more.
        let _ = serde_json::to_vec(self).map(|text| fs::write(directory.join(FILE), text));
    }
}

impl Watchdog {
    /// Starts watching; causes are kept in `directory`. systemd's own watchdog is fed as long as all is well.
    pub fn start(directory: &Path, notifier: Option<Arc<Notifier>>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            parts: Mutex::default(),
            looked: Pulse::default(),
            directory: directory.to_owned(),
        });
        #[cfg(panic = "abort")]
        tell_of_panics(&shared);
        let watched = Arc::clone(&shared);
        let (stop, stopped) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watch(&watched, notifier.as_deref(), &stopped))?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Watches one more part. `thread` is the name of the thread it runs on, where that is its own.
    pub fn watch(&self, name: impl Into<String>, thread: Option<&str>, limit: Duration) -> Pulse {
        let pulse = Pulse::default();
        self.watch_pulse(name, thread, limit, pulse.clone());
        pulse
    }

    /// As [`Watchdog::watch`], of a pulse that beats already.
    pub fn watch_pulse(&self, name: impl Into<String>, thread: Option<&str>, limit: Duration, pulse: Pulse) {
        let part = Part { name: name.into(), thread: thread.map(Into::into), pulse, limit };
        self.shared.parts().push(part);
    }

    /// This part was ended on purpose.
    pub fn unwatch(&self, pulse: &Pulse) {
        self.shared.parts().retain(|part| !Arc::ptr_eq(&part.pulse.state, &pulse.state));
    }

    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// From now on threads end because they are told to; but it must not take for ever.
    pub fn expect_the_end(&self) {
        let ending = Part { name: "ending".into(), thread: None, pulse: Pulse::default(), limit: HUNG_AFTER };
        ending.pulse.beat();
        *self.shared.parts() = vec![ending];
    }

    /// The watching thread hangs or is gone: whoever notices must end the process itself.
    pub fn is_blind(&self) -> bool {
        let silent = self.shared.looked.silent_for(clock::now()) >= HUNG_AFTER;
        silent || self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Ends the process now, with the cause on record.
    pub fn end_because(&self, cause: Cause) -> ! {
        self.shared.end_because(cause)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn parts(&self) -> std::sync::MutexGuard<'_, Vec<Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part that has panicked, or the one that hangs longest over its limit of those that a new start would
    /// help. `waits_for_device` says of a thread by its name whether none would: one such must not hide others.
    fn find(&self, now: Instant, waits_for_device: impl Fn(&str) -> bool) -> Found {
        let parts = self.parts();
        if let Some(part) = parts.iter().find(|part| part.pulse.state.has_panicked.load(Relaxed)) {
            return Found {
                cause: Some(Cause { part: part.name.clone(), hung_ms: None }),
                excused: Vec::new(),
            };
        }
        let mut hung: Vec<_> = parts.iter().filter(|part| part.pulse.silent_for(now) >= part.limit).collect();
        hung.sort_by_key(|part| part.pulse.silent_for(now));
        let is_excused = |part: &&Part| part.thread.as_deref().is_some_and(&waits_for_device);
        let (excused, guilty): (Vec<&Part>, Vec<&Part>) = hung.into_iter().partition(is_excused);
        let cause = guilty.last().map(|part| Cause {
            part: part.name.clone(),
            hung_ms: u64::try_from(part.pulse.silent_for(now).as_millis()).ok(),
        });
        Found { cause, excused: excused.into_iter().map(|part| part.name.clone()).collect() }
    }

    /// The cause, by the name of the thread that panicked: a part's, or another's.
    #[cfg(any(panic = "abort", test))]
    fn panicked_on(&self, thread: Option<&str>) -> Cause {
        let parts = self.parts();
        let part = parts.iter().find(|part| thread.is_some() && part.thread.as_deref() == thread);
        let name = part.map(|part| part.name.as_str()).or(thread);
        Cause { part: name.unwrap_or("a thread without a name").into(), hung_ms: None }
    }

    /// Nobody had a chance to beat.
    fn forgive(&self) {
        for part in self.parts().iter().filter(|part| !part.pulse.is_resting()) {
            part.pulse.beat();
        }
    }

    fn end_because(&self, cause: Cause) -> ! {
        let directory = self.directory.clone();
        let (said, done) = sync_channel(1);
        // Whatever hangs may hold the disk or the standard error, too.
        let speak = move || {
            cause.keep(&directory);
            let Cause { part, hung_ms } = cause;
            tracing::error!(%part, hung_ms, "a part of the gateway hangs or ended; the process ends itself to be started anew");
            let _ = said.send(());
        };
        if thread::Builder::new().name("last-words".into()).spawn(speak).is_ok() {
            let _ = done.recv_timeout(LAST_WORDS);
        }
        std::process::abort();
    }
}

/// Where a panic ends the process at once, as on boxes, nothing is dropped that could tell: the thread puts its part on
/// record itself. There a panic of a page's thread is an end, too.
#[cfg(panic = "abort")]
fn tell_of_panics(shared: &Arc<Shared>) {
    let (before, watched) = (std::panic::take_hook(), Arc::downgrade(shared));
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        if let Some(shared) = watched.upgrade() {
            shared.end_because(shared.panicked_on(thread::current().name()));
        }
    }));
}

fn watch(shared: &Shared, notifier: Option<&Notifier>, stopped: &Receiver<()>) {
    let fed = notifier.and_then(Notifier::watchdog);
    let every = fed.map_or(LOOK, |within| LOOK.min(within / 2));
    let mut looked_at = clock::now();
    let mut excused = Vec::new();
    shared.looked.beat();
    while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let now = clock::now();
        if now.since(looked_at) >= every + SLEPT {
            shared.forgive();
        }
        looked_at = now;
        shared.looked.beat();
        let found = shared.find(now, waits_for_device);
        if let Some(cause) = found.cause {
            if let Some(notifier) = notifier {
                notifier.status(&format!("{} hangs", cause.part));
            }
            shared.end_because(cause);
        }
        for part in found.excused.iter().filter(|part| !excused.contains(*part)) {
            tracing::warn!(%part, "a thread waits in the kernel for its device; no restart could end it");
        }
        excused = found.excused;
        if let Some(notifier) = notifier {
            notifier.alive();
        }
    }
}

/// Whether the thread of this name is in the kernel's uninterruptible sleep.
fn waits_for_device(name: &str) -> bool {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return false };
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        is_in_device_wait(&stat, name)
    })
}

/// By a line of `/proc/PID/task/TID/stat`: `tid (name) state ...`; the kernel keeps 15 bytes of a name.
fn is_in_device_wait(stat: &str, name: &str) -> bool {
    let Some((head, tail)) = stat.rsplit_once(") ") else { return false };
    let Some((_, known)) = head.split_once(" (") else { return false };
    let kept = name.get(..name.len().min(15)).unwrap_or(name);
    known == kept && tail.starts_with('D')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(parts: Vec<Part>) -> Shared {
        Shared { parts: Mutex::new(parts), looked: Pulse::default(), directory: PathBuf::new() }
    }

    fn part(name: &str) -> Part {
        Part { name: name.into(), thread: None, pulse: Pulse::default(), limit: HUNG_AFTER }
    }

    #[test]
    fn who_is_silent_too_long_hangs_and_who_rests_does_not() {
        let (line, store) = (part("line b3"), part("store"));
        let shared = shared(vec![line.clone(), store.clone()]);
        let now = clock::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let find = |seconds| shared.find(later(seconds), |_| false).cause;
        assert!(find(1000).is_none(), "nobody has begun");
        line.pulse.beat();
        assert!(find(14).is_none());
        let cause = find(17).unwrap();
        assert_eq!(cause.part, "line b3");
        assert!(cause.hung_ms.is_some_and(|hung_ms| (15_000..=17_000).contains(&hung_ms)), "{cause:?}");
        line.pulse.rest();
        assert!(find(17).is_none());
    }

    #[test]
    fn who_waits_for_a_device_hides_nobody() {
        let on_thread = |name: &str| Part { thread: Some(name.into()), ..part(name) };
        let (store, line) = (on_thread("store-writer"), on_thread("line-0"));
        let shared = shared(vec![store.clone(), line.clone()]);
        let later = clock::now() + Duration::from_secs(60);
        let in_the_kernel = |name: &str| name == "store-writer";
        store.pulse.beat();
        let found = shared.find(later, in_the_kernel);
        assert_eq!(found, Found { cause: None, excused: vec!["store-writer".into()] });
        line.pulse.beat_before(Duration::from_secs(5));
        let found = shared.find(later, in_the_kernel);
        assert_eq!(found.excused, ["store-writer"]);
        assert_eq!(found.cause.unwrap().part, "line-0", "though the other is silent for longer");
        drop(std::panic::catch_unwind(|| {
            let _alive = store.pulse.alive();
            std::panic::resume_unwind(Box::new("a bug"));
        }));
        let panicked = Cause { part: "store-writer".into(), hung_ms: None };
        assert_eq!(shared.find(later, in_the_kernel).cause, Some(panicked), "a panic has no excuse");
    }

    #[test]
    fn a_panic_is_an_end_and_an_orderly_end_is_none() {
        let line = part("line b3");
        let shared = shared(vec![line.clone()]);
        let alive = line.pulse.alive();
        thread::spawn(move || drop(alive)).join().unwrap();
        assert_eq!(shared.find(clock::now(), |_| false), Found::default());
        let alive = line.pulse.alive();
        let panics = thread::spawn(move || {
            let _alive = alive;
            std::panic::resume_unwind(Box::new("a bug"));
        });
        assert!(panics.join().is_err());
        let cause = shared.find(clock::now(), |_| false).cause;
        assert_eq!(cause, Some(Cause { part: "line b3".into(), hung_ms: None }));
    }

    #[test]
    fn a_panic_is_of_the_part_whose_thread_it_was() {
        let shared =
            shared(vec![part("event loop"), Part { thread: Some("line-0".into()), ..part("line b3") }]);
        let of = |thread| shared.panicked_on(thread).part;
        assert_eq!(of(Some("line-0")), "line b3");
        assert_eq!(of(Some("web")), "web");
        assert_eq!(of(None), "a thread without a name");
    }

    #[test]
    fn a_cause_is_kept_until_it_is_told() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Cause::of_the_last_end(directory.path()), None);
        let cause = Cause { part: "line b3".into(), hung_ms: Some(15_300) };
        cause.keep(directory.path());
        assert_eq!(Cause::of_the_last_end(directory.path()), Some(cause));
        Cause::forget(directory.path());
        assert_eq!(Cause::of_the_last_end(directory.path()), None);
        fs::write(directory.path().join(FILE), "{\"part\":").unwrap();
        assert_eq!(Cause::of_the_last_end(directory.path()), None, "half a file is none");
    }

    #[test]
    fn the_kernel_says_who_waits_for_a_device() {
        let stat = |state| format!("4711 (store-writer) {state} 1 2 3");
        assert!(is_in_device_wait(&stat('D'), "store-writer"));
        assert!(!is_in_device_wait(&stat('S'), "store-writer"));
        assert!(!is_in_device_wait(&stat('D'), "store-reader"));
        assert!(is_in_device_wait("1 (a) D b) D 1", "a) D b"));
        assert!(!waits_for_device("store-writer"), "there is none in this process");
    }
}
