//! The store's two threads: one writes, one reads.
//!
//! The writer commits at once; whatever was sent while it waited for the disk shares the next
//! transaction. It waits for no company: the core collects what is not urgent before it sends it. In idle
//! moments it lays by room for the day on which the disk is full.
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use shouwang_core::Instant;
use shouwang_core::input::{Input, StoreTrouble};
use shouwang_core::output::Commit;
use shouwang_message::Sequence;

use crate::clock;
use crate::watchdog::Alive;

use super::{Place, ROOM_EVENTS, Reader, Store, StoreError, Unsound};

/// Commits in one transaction at most: 39,000 rows/s were measured at 100 rows a transaction.
const BATCH: usize = 256;
/// Commits waiting for the disk at most; a stall longer than this is told as a failure.
const QUEUE: usize = 1024;
/// How often a disk that was full is asked for space again.
const SPACE_AGAIN: Duration = Duration::from_secs(10);
/// Looks into the log waiting at most.
const LOOKS: usize = 16;

/// The event loop's end: orders in, [`Input`]s out through the function given to [`StoreHandle::spawn`].
#[derive(Debug)]
pub struct StoreHandle {
    orders: Option<SyncSender<Order>>,
    looks: Option<SyncSender<Look>>,
    /// For the one look at every page.
    checker: Option<Reader>,
    threads: Vec<JoinHandle<()>>,
}

/// What the writer is told.
enum Order {
    Commit(Commit),
    /// The file was found damaged.
    Condemn {
        complaint: String,
    },
}

/// A look into the log.
struct Look {
    from: Sequence,
    limit: usize,
}

impl StoreHandle {
    /// Starts the threads, each with its own sign of life: the writer's, the reader's. `tell` is called from
    /// both and may block while the event loop is busy.
    pub fn spawn(
        store: Store,
        [writes, reads]: [Alive; 2],
        tell: impl Fn(Input) + Clone + Send + 'static,
    ) -> Result<Self, StoreError> {
        let place = store.place.clone();
        let (reader, checker) = match store.is_awaited() {
            // Read when it must be; what a disk in trouble answers to a look at every page is no damage.
            true => (None, None),
            false => (Some(store.reader()?), Some(store.reader()?)),
        };
        let path = store.place.path.clone();
        let failed = |source| StoreError::Place { path: path.clone(), source };
        let (orders, ordered) = sync_channel(QUEUE);
        let (looks, asked) = sync_channel(LOOKS);
        let told = tell.clone();
        let writer = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || {
                let _writes = writes;
                write_all(store, &ordered, &told);
            })
            .map_err(failed)?;
        let reader = thread::Builder::new()
            .name("store-reader".into())
            .spawn(move || {
                let _reads = reads;
                read_all(reader, &place, &asked, &tell);
            })
            .map_err(failed)?;
        let (orders, looks) = (Some(orders), Some(looks));
        Ok(Self { orders, looks, checker, threads: vec![writer, reader] })
    }

    /// Hands a commit over; never blocks. The error is the answer itself: the queue is full because the
    /// disk stands still, and the core must hear it.
    pub fn commit(&self, commit: Commit) -> Result<(), Input> {
        let refused = |commit: Commit| Input::CommitFailed { commit: commit.id, why: StoreTrouble::Io };
        let Some(orders) = &self.orders else { return Err(refused(commit)) };
        match orders.try_send(Order::Commit(commit)) {
            Err(
                TrySendError::Full(Order::Commit(commit)) | TrySendError::Disconnected(Order::Commit(commit)),
            ) => Err(refused(commit)),
            _ => Ok(()),
        }
    }

    /// Asks for committed events; the answer is [`Input::Fetched`]. The error is an empty answer, when
    /// more looks are waiting than a sound core asks for.
    pub fn fetch(&self, from: Sequence, limit: usize) -> Result<(), Input> {
        let sent = self.looks.as_ref().is_some_and(|looks| looks.try_send(Look { from, limit }).is_ok());
        if sent { Ok(()) } else { Err(Input::Fetched { from, events: Vec::new() }) }
    }

    /// Looks at every page once, on a thread of its own, so that no look into the log waits for it. A damaged
    /// file is put aside by the writer, and the next commit fails as [`StoreTrouble::Corrupt`]; a disk that could
    /// not be read is only told.
    pub fn quick_check(&mut self) {
        let (Some(checker), Some(orders)) = (self.checker.take(), self.orders.clone()) else { return };
        let check = move || match checker.quick_check() {
            Ok(()) => tracing::debug!("the store's check found nothing"),
            Err(Unsound::Unread(why)) => {
                tracing::error!(why, "the store's check could not read the whole file; check the disk");
            }
            Err(Unsound::Damaged(complaint)) => {
                tracing::error!(complaint, "the store's check found damage");
                // A writer that has ended has nothing to put aside.
                let _ = orders.send(Order::Condemn { complaint });
            }
        };
        match thread::Builder::new().name("store-check".into()).spawn(check) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::warn!(%error, "the store's check was not begun"),
        }
    }

    /// Writes what is still waiting, then ends the threads. Blocks until the disk has it.
    pub fn finish(mut self) {
        self.orders = None;
        self.looks = None;
        for thread in std::mem::take(&mut self.threads) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }
}

fn read_all(mut reader: Option<Reader>, place: &Place, asked: &Receiver<Look>, tell: &impl Fn(Input)) {
    while let Ok(Look { from, limit }) = asked.recv() {
        if reader.is_none() {
            match Reader::open(place) {
                Ok(opened) => reader = Some(opened),
                Err(error) => tracing::warn!(from, %error, "reading the log failed"),
            }
        }
        let read = reader.as_ref().map(|reader| reader.fetch(from, limit));
        let events = read.unwrap_or(Ok(Vec::new())).unwrap_or_else(|error| {
            tracing::warn!(from, %error, "reading the log failed");
            Vec::new()
        });
        tell(Input::Fetched { from, events });
    }
}

fn write_all(mut store: Store, orders: &Receiver<Order>, tell: &impl Fn(Input)) {
    let mut upkeep = Upkeep::default();
    while let Some(first) = next_order(&mut store, orders, &mut upkeep, tell) {
        let waiting = std::iter::from_fn(|| orders.try_recv().ok());
        let mut batch = Vec::new();
        for order in std::iter::once(first).chain(waiting.take(BATCH)) {
            match order {
                Order::Commit(commit) => batch.push(commit),
                Order::Condemn { complaint } => store.condemn(&complaint),
            }
        }
        match store.commit(&batch) {
            // One answer for each, because the core counts them; they come in order.
            Ok(()) => batch.iter().for_each(|commit| tell(Input::Committed { commit: commit.id })),
            Err(why) => refuse(batch, orders, why, tell),
        }
        tell_space(&store, &mut upkeep, tell);
    }
}

/// What waits behind a failed commit continues it and cannot go before it. What the core sends after it has
/// heard of the failure is none of that.
fn refuse(batch: Vec<Commit>, orders: &Receiver<Order>, why: StoreTrouble, tell: &impl Fn(Input)) {
    let behind = std::iter::from_fn(|| orders.try_recv().ok()).take(QUEUE);
    let behind = behind.filter_map(|order| match order {
        Order::Commit(commit) => Some(commit),
        Order::Condemn { .. } => None,
    });
    let behind: Vec<_> = behind.collect();
    for commit in batch.into_iter().chain(behind) {
        tell(Input::CommitFailed { commit: commit.id, why });
    }
}

/// What the writer does besides its orders.
#[derive(Default)]
struct Upkeep {
    told_short: bool,
    /// When the disk is asked for space again.
    again: Instant,
}

/// Waits for the next order; while there is none, room for alarms is laid by, a step at a time. None at the end.
fn next_order(
    store: &mut Store,
    orders: &Receiver<Order>,
    upkeep: &mut Upkeep,
    tell: &impl Fn(Input),
) -> Option<Order> {
    while store.wants_room() {
        match orders.recv_timeout(upkeep.again.since(clock::now())) {
            Ok(order) => return Some(order),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {
                let wait = if store.lay_by() { Duration::ZERO } else { SPACE_AGAIN };
                upkeep.again = clock::now() + wait;
                tell_space(store, upkeep, tell);
            }
        }
    }
    orders.recv().ok()
}

/// Says when the disk has no more space for what is no alarm, and when it has again.
fn tell_space(store: &Store, upkeep: &mut Upkeep, tell: &impl Fn(Input)) {
    let short = store.is_short();
    if short == upkeep.told_short {
        return;
    }
    upkeep.told_short = short;
    if short {
        tracing::error!(
            "the disk is full: from now on room is kept for alarms, {ROOM_EVENTS} of them at most; make space on it"
        );
    } else {
        tracing::info!("the disk has space again: everything is logged");
    }
    tell(Input::DiskSpace { short });
}
