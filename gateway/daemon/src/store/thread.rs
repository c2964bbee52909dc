//! The store's two threads: one writes, one reads.
//!
//! The writer commits at once; whatever was sent while it waited for the disk shares the next
//! transaction. It waits for no company: the core collects what is not urgent before it sends it.
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use shouwang_core::input::{Input, StoreTrouble};
use shouwang_core::output::Commit;
use shouwang_message::Sequence;

use super::{Reader, Store, StoreError};

/// Commits in one transaction at most: 39,000 rows/s were measured at 100 rows a transaction.
const BATCH: usize = 256;
/// Commits waiting for the disk at most; a stall longer than this is told as a failure.
const QUEUE: usize = 1024;
/// Looks into the log waiting at most.
const LOOKS: usize = 16;

/// The event loop's end: orders in, [`Input`]s out through the function given to [`StoreHandle::spawn`].
#[derive(Debug)]
pub struct StoreHandle {
    commits: Option<SyncSender<Commit>>,
    looks: Option<SyncSender<Look>>,
    writer: Option<JoinHandle<()>>,
    reader: Option<JoinHandle<()>>,
}

enum Look {
    Fetch { from: Sequence, limit: usize },
    Check { tell: Box<dyn FnOnce(Result<(), String>) + Send> },
}

impl StoreHandle {
    /// Starts the threads. `tell` is called from both and may block while the event loop is busy.
    pub fn spawn(store: Store, tell: impl Fn(Input) + Clone + Send + 'static) -> Result<Self, StoreError> {
        let reader = store.reader()?;
        let path = store.place.path.clone();
        let failed = |source| StoreError::Place { path: path.clone(), source };
        let (commits, orders) = sync_channel(QUEUE);
        let (looks, asked) = sync_channel(LOOKS);
        let told = tell.clone();
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_all(store, &orders, &told))
            .map_err(failed)?;
        let reader = thread::Builder::new()
            .name("store-reader".into())
            .spawn(move || read_all(&reader, &asked, &tell))
            .map_err(failed)?;
        Ok(Self { commits: Some(commits), looks: Some(looks), writer: Some(writer), reader: Some(reader) })
    }

    /// Hands a commit over; never blocks. The error is the answer itself: the queue is full because the
    /// disk stands still, and the core must hear it.
    pub fn commit(&self, commit: Commit) -> Result<(), Input> {
        let refused = |commit: Commit| Input::CommitFailed { commit: commit.id, why: StoreTrouble::Io };
        match &self.commits {
            Some(sender) => sender.try_send(commit).map_err(|error| match error {
                TrySendError::Full(commit) | TrySendError::Disconnected(commit) => refused(commit),
            }),
            None => Err(refused(commit)),
        }
    }

    /// Asks for committed events; the answer is [`Input::Fetched`]. The error is an empty answer, when
    /// more looks are waiting than a sound core asks for.
    pub fn fetch(&self, from: Sequence, limit: usize) -> Result<(), Input> {
        self.look(Look::Fetch { from, limit }).map_err(|_| Input::Fetched { from, events: Vec::new() })
    }

    /// Looks at every page once, on the reader's thread; `tell` gets the first complaint.
    pub fn quick_check(&self, tell: impl FnOnce(Result<(), String>) + Send + 'static) {
        if self.look(Look::Check { tell: Box::new(tell) }).is_err() {
            tracing::warn!("the store's check was not begun: its reader is busy");
        }
    }

    /// Writes what is still waiting, then ends both threads. Blocks until the disk has it.
    pub fn finish(mut self) {
        self.commits = None;
        self.looks = None;
        for thread in [self.writer.take(), self.reader.take()].into_iter().flatten() {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }

    fn look(&self, look: Look) -> Result<(), ()> {
        self.looks.as_ref().ok_or(())?.try_send(look).map_err(|_| ())
    }
}

fn read_all(reader: &Reader, asked: &Receiver<Look>, tell: &impl Fn(Input)) {
    while let Ok(look) = asked.recv() {
        match look {
            Look::Fetch { from, limit } => {
                let events = reader.fetch(from, limit).unwrap_or_else(|error| {
                    tracing::warn!(from, %error, "reading the log failed");
                    Vec::new()
                });
                tell(Input::Fetched { from, events });
            }
            Look::Check { tell } => tell(reader.quick_check()),
        }
    }
}

fn write_all(mut store: Store, orders: &Receiver<Commit>, tell: &impl Fn(Input)) {
    while let Ok(first) = orders.recv() {
        let waiting = std::iter::from_fn(|| orders.try_recv().ok());
        let batch: Vec<_> = std::iter::once(first).chain(waiting).take(BATCH).collect();
        match store.commit(&batch) {
            // One answer for each, because the core counts them; they come in order.
            Ok(()) => batch.iter().for_each(|commit| tell(Input::Committed { commit: commit.id })),
            Err(why) => {
                // What waits behind a failed commit continues it and cannot go before it. What the core
                // sends after it has heard of the failure is none of that.
                let behind: Vec<_> = std::iter::from_fn(|| orders.try_recv().ok()).take(QUEUE).collect();
                for commit in batch.into_iter().chain(behind) {
                    tell(Input::CommitFailed { commit: commit.id, why });
                }
            }
        }
    }
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fetch { .. } => "Fetch",
            Self::Check { .. } => "Check",
        })
    }
}
