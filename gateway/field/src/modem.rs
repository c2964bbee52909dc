//! A mobile modem on a pty, with a network behind it that shows what it was given and lets people answer.
//!
//! It is written from the modem's side and shares no code with the program that talks to it: it refuses what a
//! real one would refuse. It forgets everything when it is unplugged, and begins in text mode with its echo on.
mod octets;
mod talk;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use shouwang_message::Timestamp;

use crate::clock::{Clock, Nanos, wall};
use crate::pty::{Pty, write_lossy};
use talk::Talk;

/// What reached the network, or the phones behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnAir {
    /// One message; `part` is the reference, the number of parts and which it is.
    Text {
        to: String,
        text: String,
        part: Option<(u8, u8, u8)>,
    },
    Ringing {
        to: String,
    },
    HungUp,
}

/// How it behaves, beside being a modem.
#[derive(Clone, Debug)]
pub struct Manners {
    /// It says nothing at all.
    pub is_silent: bool,
    pub has_sim: bool,
    pub is_registered: bool,
    /// As `AT+CSQ` says it, 0 to 31, or 99.
    pub strength: u8,
    /// So many of the next texts are refused with `+CMS ERROR: 500`.
    pub refuses_texts: u32,
    /// Before the prompt.
    pub thinks_ms: u32,
    /// It goes on echoing when it is told not to.
    pub insists_on_echo: bool,
    /// Whoever is called takes the call.
    pub answers_calls: bool,
}

/// A running modem; it ends when this is dropped.
#[derive(Debug)]
pub struct EmulatedModem {
    shared: Arc<Shared>,
    on_air: Mutex<Receiver<OnAir>>,
    link: PathBuf,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    wishes: Mutex<Wishes>,
    bell: OwnedFd,
}

#[derive(Debug)]
struct Wishes {
    manners: Manners,
    is_unplugged: bool,
    is_stopping: bool,
    /// PDUs of texts that people sent and the modem has not handed over.
    incoming: Vec<String>,
    /// When the last one was sent: each has a second of its own.
    last_sent_at: Timestamp,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            is_silent: false,
            has_sim: true,
            is_registered: true,
            strength: 20,
            refuses_texts: 0,
            thinks_ms: 0,
            insists_on_echo: false,
            answers_calls: false,
        }
    }
}

impl EmulatedModem {
    /// Plugs a modem in; `link` is the name of its serial port, also after a replug.
    ///
    /// # Errors
    /// The system gives us no pty or thread, or `link` cannot be made.
    pub fn start(link: &Path) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wishes = Wishes {
            manners: Manners::default(),
            is_unplugged: false,
            is_stopping: false,
            incoming: Vec::new(),
            last_sent_at: Timestamp::from_unix_ms(0),
        };
        let shared = Arc::new(Shared { wishes: Mutex::new(wishes), bell });
        let (seen, on_air) = sync_channel(1024);
        let pty = Some(Pty::open(Some(link))?);
        let hands = Hands {
            shared: Arc::clone(&shared),
            link: link.to_owned(),
            pty,
            talk: Talk::default(),
            seen,
            clock: Clock::start(),
        };
        let thread = std::thread::Builder::new().name("field-modem".into()).spawn(|| hands.run())?;
        Ok(Self { shared, on_air: Mutex::new(on_air), link: link.to_owned(), thread: Some(thread) })
    }

    pub fn path(&self) -> &Path {
        &self.link
    }

    /// The next thing that reaches the network; none if nothing does in this time.
    pub fn on_air(&self, within: Duration) -> Option<OnAir> {
        self.on_air.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(within).ok()
    }

    pub fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.shared.wishes().manners);
        self.shared.ring();
    }

    /// Somebody sends a text, now: in 7 bits if it is plain English, in UCS-2 if not. It is kept until the modem is
    /// told to hand texts over.
    pub fn receive(&self, from: &str, text: &str) {
        {
            let mut wishes = self.shared.wishes();
            let next = Timestamp::from_unix_ms(wishes.last_sent_at.unix_ms() + 1_000);
            wishes.last_sent_at = wall().max(next);
            let pdu = octets::delivery(from, text, wishes.last_sent_at);
            wishes.incoming.push(pdu);
        }
        self.shared.ring();
    }

    pub fn unplug(&self) {
        self.shared.wishes().is_unplugged = true;
        self.shared.ring();
    }

    pub fn replug(&self) {
        self.shared.wishes().is_unplugged = false;
        self.shared.ring();
    }
}

impl Drop for EmulatedModem {
    fn drop(&mut self) {
        self.shared.wishes().is_stopping = true;
        self.shared.ring();
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        // The bell can only fail to ring when it is ringing already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

struct Hands {
    shared: Arc<Shared>,
    link: PathBuf,
    pty: Option<Pty>,
    talk: Talk,
    seen: SyncSender<OnAir>,
    clock: Clock,
}

impl Hands {
    fn run(mut self) {
        loop {
            if !self.follow_wishes() {
                return;
            }
            let now = self.clock.now();
            if let Some(pty) = &self.pty {
                write_lossy(pty.our_end(), &self.talk.due(now));
            }
            for seen in self.talk.take_seen() {
                // Whoever looked may have gone.
                let _ = self.seen.try_send(seen);
            }
            self.wait(now);
            self.read();
        }
    }

    /// False when it is time to end.
    fn follow_wishes(&mut self) -> bool {
        let mut wishes = self.shared.wishes();
        match (wishes.is_unplugged, self.pty.is_some()) {
            (true, true) => (self.pty, self.talk) = (None, Talk::default()),
            (false, false) => self.pty = Pty::open(Some(&self.link)).ok(),
            _ => {}
        }
        self.talk.manners.clone_from(&wishes.manners);
        if self.pty.is_some() && self.talk.hands_over() {
            for pdu in wishes.incoming.drain(..) {
                self.talk.hand_over("+CMT: ,", &pdu);
            }
        }
        !wishes.is_stopping
    }

    fn wait(&self, now: Nanos) {
        let mut fds = vec![PollFd::new(&self.shared.bell, PollFlags::IN)];
        let ends = self.pty.iter().flat_map(|pty| [pty.our_end(), pty.closings()]);
        let ends: Vec<_> = ends.collect();
        fds.extend(ends.iter().map(|end| PollFd::from_borrowed_fd(end.as_fd(), PollFlags::IN)));
        let timeout = self.talk.next().map(|at| {
            let left = i64::try_from(at.saturating_sub(now)).unwrap_or(i64::MAX);
            Timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 }
        });
        // Interrupted or not, the loop looks at everything again.
        let _ = poll(&mut fds, timeout.as_ref());
        let _ = rustix::io::read(&self.shared.bell, &mut [0; 8]);
    }

    fn read(&mut self) {
        let Some(pty) = &self.pty else { return };
        pty.forget_client_that_left();
        let mut buffer = [0; 1024];
        let count = rustix::io::read(pty.our_end(), &mut buffer).unwrap_or(0);
        let refused = self.talk.heard(self.clock.now(), buffer.get(..count).unwrap_or_default());
        self.shared.wishes().manners.refuses_texts -= refused;
    }
}
