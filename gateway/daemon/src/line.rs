//! One thread a line: it holds the port, carries out the core's asks one by one, and tells what came back.
//!
//! When to speak, what counts as an answer and when to give up is decided by `modbus_wire::Conversation`;
//! here are the file descriptor, the exact waiting, and opening the port again when it is gone.
mod exchange;
mod guest;
mod other_setting;
mod tcp;
mod translate;
pub mod wire;

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use modbus_wire::Failure;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use shouwang_core::Instant;
use shouwang_core::configuration::LineIndex;
use shouwang_core::input::{AskFailure, Input, Outcome};
use shouwang_core::output::Ask;

pub use crate::config::Link;
pub use exchange::{Exchange, WireTap};
pub use guest::Lender;
use guest::{Guest, Turns};
use wire::{Attention, End, Wire};

use crate::clock;
use crate::watchdog::{Alive, Pulse};

/// Two asks, and two from before a line went down that nobody has taken back yet.
const ASKS_MOST: usize = 4;
const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_MOST: Duration = Duration::from_secs(5);

/// With nothing to ask the thread shows this often that it lives.
const BREATH: Duration = Duration::from_secs(3);
/// Asking for a host's name, or a driver, may take this long before a port is open.
const OPEN_WITHIN: Duration = Duration::from_secs(45);

/// A running line. Dropping it ends the thread and closes the port.
#[derive(Debug)]
pub struct LineHandle {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// Ends the thread's wait.
    wake: OwnedFd,
    pulse: Pulse,
    heard: HeardBeside,
}

/// What the line heard that was no answer, since it was started.
#[derive(Debug, Default)]
struct HeardBeside {
    stray_bytes: AtomicU32,
    own_echoes: AtomicU32,
}

#[derive(Debug, Default)]
struct Queue {
    asks: VecDeque<Ask>,
    /// An installer's question, who borrows the line.
    guest: Option<Guest>,
    /// The thread has nothing to do and must be woken for an ask.
    idle: bool,
    stopping: bool,
}

/// Starts the thread that calls itself by this number. `told` is called on it with every `LineUp`, `LineDown` and `Answered`, in order
/// and with the time it happened; the line waits while it runs. Of asks that were with the line when it went
/// down nothing more is told.
///
/// # Errors
/// The system gives us no thread or no event descriptor.
pub fn spawn(
    line: LineIndex,
    link: Link,
    tap: WireTap,
    told: impl FnMut(Instant, Input) + Send + 'static,
) -> io::Result<LineHandle> {
    spawn_after(None, line, link, tap, told)
}

/// As [`spawn`]; the port is opened when the thread `before` has ended and closed it.
pub(crate) fn spawn_after(
    before: Option<JoinHandle<()>>,
    line: LineIndex,
    link: Link,
    tap: WireTap,
    told: impl FnMut(Instant, Input) + Send + 'static,
) -> io::Result<LineHandle> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        wake,
        pulse: Pulse::default(),
        heard: HeardBeside::default(),
    });
    let kind = wire::kind(&link);
    let hands = Hands {
        line,
        link,
        shared: Arc::clone(&shared),
        wire: Wire::new(kind, wire::timing(kind)),
        tap,
        told,
        values: Vec::new(),
        turns: Turns::default(),
        answered: false,
        _alive: shared.pulse.alive(),
    };
    let run = move || {
        if let Some(before) = before {
            hands.shared.pulse.beat_before(OPEN_WITHIN);
            // A panic of it was printed when it happened.
            let _ = before.join();
        }
        hands.run();
    };
    let thread = thread::Builder::new().name(thread_name(line)).spawn(run)?;
    Ok(LineHandle { shared, thread: Some(thread) })
}

/// As the system knows the line's thread.
pub fn thread_name(line: LineIndex) -> String {
    format!("line {line}")
}

impl LineHandle {
    /// Beats as long as the thread moves.
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse.clone()
    }

    /// A way to the line for an installer's questions.
    pub fn lender(&self, link: &Link) -> Lender {
        Lender::new(link.clone(), &self.shared)
    }

    /// Tells the thread to end and waits for nothing; whoever takes its port joins it first.
    pub(crate) fn end(mut self) -> Option<JoinHandle<()>> {
        self.stop();
        self.thread.take()
    }

    fn stop(&self) {
        self.shared.queue().stopping = true;
        self.shared.wake();
    }

    /// Hands over an ask; never waits. A line that is down drops it, as does one that holds four already.
    pub fn ask(&self, ask: Ask) {
        let mut queue = self.shared.queue();
        if queue.asks.len() < ASKS_MOST {
            queue.asks.push_back(ask);
            if std::mem::take(&mut queue.idle) {
                drop(queue);
                self.shared.wake();
            }
        }
    }
}

impl Drop for LineHandle {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say; a panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It can only fail when it is full: then a wake is due already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    fn drain_wake(&self) {
        // Empty is as good as read.
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }
}

impl Attention for Shared {
    fn wake(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    fn is_over(&self, woken: bool) -> bool {
        self.pulse.beat();
        if woken {
            self.drain_wake();
        }
        woken && self.queue().stopping
    }
}

fn not_modbus() -> End {
    End::Lost("what came in is not Modbus TCP".into())
}

/// What a line does next.
enum Next {
    Own(Ask),
    Guest(Guest),
    Nothing,
}

/// Everything the thread has.
struct Hands<T> {
    line: LineIndex,
    link: Link,
    shared: Arc<Shared>,
    wire: Wire,
    tap: WireTap,
    told: T,
    values: Vec<u8>,
    turns: Turns,
    /// The port has brought an answer since it was opened.
    answered: bool,
    _alive: Alive,
}

impl<T: FnMut(Instant, Input)> Hands<T> {
    fn run(mut self) {
        // The default of 50 us would be spent at every wait; a refusal only costs that.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let mut pause = REOPEN_FIRST;
        let mut said = None;
        loop {
            self.shared.pulse.beat_before(OPEN_WITHIN);
            let why = match wire::open(&self.link, self.shared.wake.as_fd()) {
                Ok(port) => match self.hold(&port) {
                    End::Stopped => return,
                    End::Lost(why) => {
                        said = None;
                        why
                    }
                },
                Err(error) => format!("opening {}: {error}", name(&self.link)),
            };
            let now = clock::now();
            if said.as_ref() != Some(&why) {
                (self.told)(now, Input::LineDown { line: self.line, why: why.clone() });
                said = Some(why);
            }
            pause = if std::mem::take(&mut self.answered) { REOPEN_FIRST } else { pause };
            if self.rest(now + pause) {
                return;
            }
            pause = (pause * 2).min(REOPEN_MOST);
        }
    }

    /// Works with an open port until it is gone.
    fn hold(&mut self, port: &OwnedFd) -> End {
        let now = clock::now();
        self.shared.pulse.beat();
        self.wire.conversation.reset(now.as_micros());
        {
            let mut queue = self.shared.queue();
            if queue.stopping {
                return End::Stopped;
            }
            queue.asks.clear();
            queue.guest = None;
        }
        (self.told)(now, Input::LineUp { line: self.line });
        let mut free_at = now;
        loop {
            let ended = match self.next() {
                Next::Own(ask) => self.carry_out(port.as_fd(), &ask, free_at),
                Next::Guest(guest) => self.serve(port.as_fd(), guest),
                Next::Nothing => self.wire.wait(port.as_fd(), &*self.shared, clock::now() + BREATH),
            };
            let counts = self.wire.conversation.counts();
            self.shared.heard.stray_bytes.store(counts.stray_bytes, Ordering::Relaxed);
            self.shared.heard.own_echoes.store(counts.own_echoes, Ordering::Relaxed);
            match ended {
                Ok(now) => free_at = now,
                Err(end) => return end,
            }
        }
    }

    /// What to do next; if there is nothing, what is handed over next will wake us.
    fn next(&self) -> Next {
        let mut queue = self.shared.queue();
        queue.idle = false;
        if self.turns.is_a_guests(queue.asks.is_empty())
            && let Some(guest) = queue.guest.take()
        {
            return Next::Guest(guest);
        }
        if let Some(ask) = queue.asks.pop_front() {
            return Next::Own(ask);
        }
        queue.idle = true;
        Next::Nothing
    }

    /// One exchange; says when it ended.
    fn carry_out(&mut self, port: BorrowedFd<'_>, ask: &Ask, free_at: Instant) -> Result<Instant, End> {
        let mut now = clock::now();
        while now < free_at + ask.turnaround && !ask.turnaround.is_zero() {
            now = self.wire.wait(port, &*self.shared, free_at + ask.turnaround)?;
        }
        let first_byte_us = u32::try_from(ask.timeout.as_micros()).unwrap_or(u32::MAX);
        let request = translate::request(&ask.request, &mut self.values);
        let wanted = modbus_wire::Ask { unit_id: ask.unit_id, request, first_byte_us };
        if self.wire.conversation.begin(now.as_micros(), &wanted).is_err() {
            // No device could carry it out.
            self.tell(now, ask, Outcome::Failed(AskFailure::WrongAnswer));
            return Ok(now);
        }
        let began = now;
        now = self.wire.carry_out(port, &*self.shared, now)?;
        self.turns.own(now.since(began));
        self.finish(now, ask)?;
        Ok(now)
    }

    /// One exchange of whoever borrows the line.
    fn serve(&mut self, port: BorrowedFd<'_>, guest: Guest) -> Result<Instant, End> {
        if let Some(at) = guest.at {
            return self.serve_at(port, guest, at);
        }
        let began = clock::now();
        if self.wire.conversation.begin(began.as_micros(), &guest.ask()).is_err() {
            // No device could carry it out; who asked sees that there is no answer.
            return Ok(began);
        }
        let now = self.wire.carry_out(port, &*self.shared, began)?;
        self.turns.guests(now.since(began));
        if guest.tell(&self.wire) { Ok(now) } else { Err(not_modbus()) }
    }

    fn finish(&mut self, now: Instant, ask: &Ask) -> Result<(), End> {
        let answer = self.wire.conversation.answer();
        let failure = answer.as_ref().err().copied();
        self.answered |= failure.is_none();
        let (line, device) = (self.line, ask.device);
        let answer_frame = answer.as_ref().map(|answer| answer.frame).unwrap_or_default();
        self.tap.show(|| Exchange {
            line,
            device,
            at: now,
            request: self.wire.conversation.request_frame().to_vec(),
            answer: answer_frame.to_vec(),
        });
        let outcome = translate::outcome(answer, self.wire.conversation.reply_delay_us());
        self.tell(now, ask, outcome);
        if failure == Some(Failure::Stream) {
            return Err(not_modbus());
        }
        Ok(())
    }

    fn tell(&mut self, now: Instant, ask: &Ask, outcome: Outcome) {
        (self.told)(now, Input::Answered { line: self.line, ask: ask.id, outcome });
    }

    /// Waits with a closed port; true if it is time to end. Asks that come meanwhile are not for this port.
    fn rest(&self, until: Instant) -> bool {
        loop {
            self.shared.pulse.beat();
            {
                let mut queue = self.shared.queue();
                queue.asks.clear();
                queue.guest = None;
                queue.idle = false;
                if queue.stopping {
                    return true;
                }
            }
            let now = clock::now();
            if now >= until {
                return false;
            }
            let mut fds = [PollFd::new(&self.shared.wake, PollFlags::IN)];
            if poll(&mut fds, clock::wait(now, until).as_ref()).is_ok_and(|ready| ready > 0) {
                self.shared.drain_wake();
            }
        }
    }
}

fn name(link: &Link) -> String {
    match link {
        Link::Serial { path, .. } => path.display().to_string(),
        Link::Tcp { address, .. } => address.clone(),
    }
}
