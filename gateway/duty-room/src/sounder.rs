//! The desk sounder's hands: a thread that switches the relay's coil when the board says so, and says what became of
//! it. Only the newest order counts.
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use modbus_wire::{Ask, Conversation, Framing, Request, Step, Timing};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use shouwang_message::Instant;
use shouwang_serial::{Parity, Speech, open_port};

use crate::clock::Clock;
use crate::config::Sounder as Settings;

/// From the end of the request to the first byte of the answer.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
/// One order is over then, whatever the line does.
const OVER_WITHIN: Duration = Duration::from_secs(3);

/// A running sounder. Dropping it switches the siren off, if it can, and ends the thread.
#[derive(Debug)]
pub(crate) struct Sounder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    wake: OwnedFd,
}

#[derive(Debug, Default)]
struct Orders {
    newest: Option<bool>,
    is_stopping: bool,
}

impl Sounder {
    /// Starts the thread. `told` is called on it after each order: done, or why not.
    pub(crate) fn spawn(
        settings: Settings,
        clock: Clock,
        told: impl FnMut(Result<(), String>) + Send + 'static,
    ) -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { orders: Mutex::default(), wake });
        let bits = if settings.parity == Parity::None { 10 } else { 11 };
        let conversation = Conversation::new(Framing::Rtu, Timing::serial(settings.baud, bits));
        let hands = Hands {
            settings,
            clock,
            told,
            shared: Arc::clone(&shared),
            conversation,
            port: None,
            is_on: false,
        };
        let thread = thread::Builder::new().name("desk-sounder".into()).spawn(move || hands.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Never waits.
    pub(crate) fn sound(&self, on: bool) {
        self.shared.orders().newest = Some(on);
        self.shared.wake();
    }
}

impl Drop for Sounder {
    fn drop(&mut self) {
        self.shared.orders().is_stopping = true;
        self.shared.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        // It can only fail when it is full: then a wake is due already.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }
}

struct Hands<T> {
    settings: Settings,
    clock: Clock,
    told: T,
    shared: Arc<Shared>,
    conversation: Conversation,
    port: Option<OwnedFd>,
    is_on: bool,
}

impl<T: FnMut(Result<(), String>)> Hands<T> {
    fn run(mut self) {
        loop {
            let (order, is_stopping) = {
                let mut orders = self.shared.orders();
                (orders.newest.take(), orders.is_stopping)
            };
            if is_stopping {
                if self.is_on {
                    // Nobody is left to hear what came of it.
                    let _ = self.switch(false);
                }
                return;
            }
            match order {
                Some(on) => {
                    let became = self.switch(on);
                    if became.is_err() {
                        self.port = None;
                    }
                    (self.told)(became);
                }
                None => {
                    let mut fds = [PollFd::new(&self.shared.wake, PollFlags::IN)];
                    // Interrupted or not, the loop looks at everything again.
                    let _ = poll(&mut fds, None);
                    let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
                }
            }
        }
    }

    /// One request and its answer.
    fn switch(&mut self, on: bool) -> Result<(), String> {
        // Once asked for, it may be on, whatever comes back.
        self.is_on |= on;
        let port = match self.port.take() {
            Some(port) => port,
            None => self.open()?,
        };
        let request = Request::WriteCoil { address: self.settings.coil, on };
        let first_byte_us = u32::try_from(ANSWERS_WITHIN.as_micros()).unwrap_or(u32::MAX);
        let ask = Ask { unit_id: self.settings.unit_id, request, first_byte_us };
        let began = self.clock.now();
        self.conversation.begin(began.as_micros(), &ask).map_err(|error| error.to_string())?;
        self.converse(&port, began + OVER_WITHIN).map_err(|error| format!("串口出错 · port: {error}"))?;
        let exception = match self.conversation.answer() {
            Ok(answer) => match answer.response {
                modbus_wire::Response::Exception(code) => Some(code),
                _ => None,
            },
            Err(failure) => return Err(format!("继电器没有应答 · no answer of the relay: {failure:?}")),
        };
        self.port = Some(port);
        if let Some(code) = exception {
            return Err(format!("继电器拒绝 · the relay refuses: {code:?}"));
        }
        self.is_on = on;
        Ok(())
    }

    fn open(&mut self) -> Result<OwnedFd, String> {
        let Settings { path, baud, parity, .. } = &self.settings;
        let speech = Speech { baud: *baud, parity: *parity, stop_bits: 1 };
        let port = open_port(path, speech).map_err(|error| format!("{}: {error}", path.display()))?;
        self.conversation.reset(self.clock.now().as_micros());
        Ok(port)
    }

    fn converse(&mut self, port: &OwnedFd, give_up: Instant) -> Result<(), Errno> {
        loop {
            let now = self.clock.now();
            if now >= give_up {
                return Err(Errno::TIMEDOUT);
            }
            match self.conversation.step(now.as_micros()) {
                Step::Done | Step::Idle => return Ok(()),
                Step::Wait { until } => {
                    let until = Instant::from_micros(until).min(give_up);
                    self.wait(port, PollFlags::IN, until)?;
                    let mut bytes = [0; 256];
                    match rustix::io::read(port, &mut bytes) {
                        Ok(0) => return Err(Errno::PIPE),
                        Ok(count) => {
                            let bytes = bytes.get(..count).unwrap_or_default();
                            self.conversation.received(self.clock.now().as_micros(), bytes);
                        }
                        Err(Errno::AGAIN | Errno::INTR) => {}
                        Err(error) => return Err(error),
                    }
                }
                Step::Send => {
                    let characters = u64::try_from(self.conversation.outgoing().len()).unwrap_or(0);
                    let micros = characters * 11_000_000 / u64::from(self.settings.baud.max(1));
                    self.send(port, give_up)?;
                    // It leaves at the line's speed, whatever the write's return says.
                    let leaves = now + Duration::from_micros(micros);
                    self.conversation.sent(leaves.max(self.clock.now()).as_micros());
                }
            }
        }
    }

    fn send(&self, port: &OwnedFd, give_up: Instant) -> Result<(), Errno> {
        let mut left = self.conversation.outgoing();
        while !left.is_empty() {
            match rustix::io::write(port, left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.clock.now() < give_up => {
                    self.wait(port, PollFlags::OUT, give_up)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn wait(&self, port: &OwnedFd, what: PollFlags, until: Instant) -> Result<(), Errno> {
        let timeout = Timespec::try_from(until.since(self.clock.now())).ok();
        match poll(&mut [PollFd::new(port, what)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
