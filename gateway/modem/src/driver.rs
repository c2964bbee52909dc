//! The modem's hands: a thread that holds the port, carries bytes both ways, and opens the port again when it has
//! gone. What to say and what it means is the conversation's.
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::termios::{QueueSelector, tcflush};
use shouwang_message::Instant;
use shouwang_serial::{Parity, Speech, open_port};

use crate::clock;
use crate::conversation::{Conversation, Event, ORDERS_MOST, Order, OrderId, Output, What};
use crate::number::Number;

const REOPEN_AFTER: Duration = Duration::from_secs(2);
/// A port that takes no byte for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(1);
/// Even with nothing to do the thread shows this often that it lives.
const BREATH: Duration = Duration::from_secs(3);
const THREAD: &str = "modem";

/// Where the modem is. A name that stays with the device, as in `/dev/serial/by-id`, survives a replug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub path: PathBuf,
    pub baud: u32,
}

/// A running modem. Dropping it ends the thread and closes the port; what was under way is not told any more.
#[derive(Debug)]
pub struct Modem {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// As many texts and calls wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{ORDERS_MOST} texts and calls wait for the modem already")]
pub struct Full;

#[derive(Debug)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// Ends the thread's wait.
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Inbox {
    orders: VecDeque<Order>,
    is_stopping: bool,
}

impl Modem {
    /// Starts the thread. `told` is called on it with every event; `beats` at least every few seconds, for whoever
    /// watches over threads. Neither may wait for long.
    ///
    /// # Errors
    /// The system gives us no thread or no event descriptor.
    pub fn spawn(
        settings: Settings,
        beats: impl FnMut() + Send + 'static,
        told: impl FnMut(Event) + Send + 'static,
    ) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { inbox: Mutex::default(), wake });
        let conversation = Conversation::new(clock::now());
        let hands = Hands { settings, shared: Arc::clone(&shared), conversation, port: None, beats, told };
        let thread = thread::Builder::new().name(THREAD.into()).spawn(move || hands.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// As the system knows the thread.
    pub const fn thread_name() -> &'static str {
        THREAD
    }

    /// Hands over a text; never waits. Its end is told as `Sent` or `Failed`.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn text(&self, id: OrderId, to: Number, text: String) -> Result<(), Full> {
        self.order(Order { id, to, what: What::Text(text) })
    }

    /// Lets a phone ring; never waits. Its end is told as `Rang` or `Failed`.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn ring(&self, id: OrderId, to: Number) -> Result<(), Full> {
        self.order(Order { id, to, what: What::Ring })
    }

    /// The thread has ended by itself, which it never should: nothing is sent any more.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn order(&self, order: Order) -> Result<(), Full> {
        let mut inbox = self.shared.inbox();
        if inbox.orders.len() >= ORDERS_MOST {
            return Err(Full);
        }
        inbox.orders.push_back(order);
        drop(inbox);
        self.shared.wake();
        Ok(())
    }
}

impl Drop for Modem {
    fn drop(&mut self) {
        self.shared.inbox().is_stopping = true;
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say; a panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn inbox(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It can only fail when it is full: then a wake is due already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

struct Hands<B, T> {
    settings: Settings,
    shared: Arc<Shared>,
    conversation: Conversation,
    port: Option<OwnedFd>,
    beats: B,
    told: T,
}

impl<B: FnMut(), T: FnMut(Event)> Hands<B, T> {
    fn run(mut self) {
        let mut open_at = clock::now();
        loop {
            (self.beats)();
            let now = clock::now();
            if !self.take_orders(now) {
                return;
            }
            if self.port.is_none() && now >= open_at {
                open_at = now + REOPEN_AFTER;
                self.open(now);
            }
            self.conversation.woke(now);
            self.carry_out(now);
            let reopening = if self.port.is_none() { open_at } else { Instant::NEVER };
            self.wait(self.conversation.next_deadline().min(reopening).min(now + BREATH));
        }
    }

    fn open(&mut self, now: Instant) {
        let speech = Speech { baud: self.settings.baud, parity: Parity::None, stop_bits: 1 };
        match open_port(&self.settings.path, speech) {
            Ok(port) => {
                self.port = Some(port);
                self.conversation.opened(now);
            }
            Err(error) => {
                self.conversation.closed(now, &format!("{}: {error}", self.settings.path.display()));
            }
        }
    }

    /// What a dead modem did not take is thrown away: closing would wait half a minute for it.
    fn close(&mut self) {
        if let Some(port) = self.port.take() {
            let _ = tcflush(&port, QueueSelector::IOFlush);
        }
    }

    fn lose(&mut self, why: &str) {
        self.close();
        self.conversation.closed(clock::now(), why);
    }

    /// False when it is time to end. What the conversation has no room for stays in the inbox.
    fn take_orders(&mut self, now: Instant) -> bool {
        let mut inbox = self.shared.inbox();
        while let Some(order) = inbox.orders.pop_front() {
            if let Err(order) = self.conversation.order(now, order) {
                inbox.orders.push_front(order);
                break;
            }
        }
        !inbox.is_stopping
    }

    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.conversation.output() {
            match output {
                Output::Tell(event) => (self.told)(event),
                Output::Reopen => self.close(),
                Output::Write(bytes) => {
                    if let Some(port) = &self.port
                        && let Err(error) = write(port, &bytes, now)
                    {
                        self.lose(&error.to_string());
                    }
                }
            }
        }
    }

    /// Waits for bytes, an order or `until`, and hands over what came.
    fn wait(&mut self, until: Instant) {
        let mut fds = vec![PollFd::new(&self.shared.wake, PollFlags::IN)];
        fds.extend(self.port.iter().map(|port| PollFd::new(port, PollFlags::IN)));
        // Interrupted or not, the loop looks at everything again.
        let _ = poll(&mut fds, clock::wait(clock::now(), until).as_ref());
        let came = fds.get(1).is_some_and(|port| !port.revents().is_empty());
        let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
        if came {
            self.receive();
        }
    }

    fn receive(&mut self) {
        let Some(port) = &self.port else { return };
        let mut bytes = [0; 512];
        match rustix::io::read(port, &mut bytes) {
            Ok(0) => self.lose("the other end hung up"),
            Ok(count) => self.conversation.received(clock::now(), bytes.get(..count).unwrap_or_default()),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => self.lose(&error.to_string()),
        }
    }
}

fn write(port: &OwnedFd, mut left: &[u8], now: Instant) -> Result<(), Errno> {
    let give_up = now + WRITE_WITHIN;
    while !left.is_empty() {
        match rustix::io::write(port, left) {
            Ok(written) => left = left.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if clock::now() < give_up => {
                let mut fds = [PollFd::new(port, PollFlags::OUT)];
                poll(&mut fds, clock::wait(clock::now(), give_up).as_ref())?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
