//! An RS-485 pair: whatever one party says, all others hear. It can be cut, a unit can be taken off it, and
//! everything on it is on a tape.
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use modbus_wire::rtu;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shouwang_tests::{SerialLine, clock};

/// How soon the carrier notices that the bus is dropped.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Bytes of a frame are together; the next request comes much later if nobody answers.
const ONE_FRAME: Duration = Duration::from_millis(50);
/// Every request here is a read or the write of one register.
const REQUEST_BYTES: usize = 8;

/// Who spoke: the gateway's end, or the unit of this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Gateway,
    Unit(usize),
}

/// Bytes that belong together.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) at: Instant,
    pub(crate) by: Speaker,
    pub(crate) bytes: Vec<u8>,
    /// The line was cut: nobody heard it.
    pub(crate) lost: bool,
}

/// A request that was heard, and a whole answer to it, if any.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) at: Instant,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Option<Vec<u8>>,
}

/// The pair. Dropping it takes it away.
#[derive(Debug)]
pub(crate) struct Bus {
    shared: Arc<Shared>,
    carrier: Option<JoinHandle<()>>,
    line: SerialLine,
}

#[derive(Debug)]
struct Shared {
    cut: AtomicBool,
    /// By unit: whether its wires are in the terminals.
    attached: Vec<AtomicBool>,
    tape: Mutex<Vec<Frame>>,
    stop: AtomicBool,
}

impl Bus {
    /// Joins these units, all attached.
    pub(crate) fn join(units: Vec<UnixStream>) -> Self {
        let line = SerialLine::new();
        let far_end = OpenOptions::new().read(true).write(true).open(line.devices_path());
        let far_end = far_end.expect("the devices' end of the line");
        let shared = Arc::new(Shared {
            cut: AtomicBool::new(false),
            attached: units.iter().map(|_| AtomicBool::new(true)).collect(),
            tape: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let carrier = std::thread::spawn(move || Carrier { far_end, units, shared: theirs }.run());
        Self { shared, carrier: Some(carrier), line }
    }

    /// The path that the gateway opens.
    pub(crate) fn path(&self) -> &Path {
        self.line.gateway_path()
    }

    /// From now on, or no longer, what is said is lost.
    pub(crate) fn set_cut(&self, cut: bool) {
        self.shared.cut.store(cut, Ordering::SeqCst);
    }

    /// Leaves these units alone on the line.
    pub(crate) fn attach_only(&self, units: &[usize]) {
        for (index, attached) in self.shared.attached.iter().enumerate() {
            attached.store(units.contains(&index), Ordering::SeqCst);
        }
    }

    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.shared.tape().clone()
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let frames = self.frames();
        let mut exchanges: Vec<Exchange> = Vec::new();
        for frame in frames.into_iter().filter(|frame| !frame.lost) {
            match (frame.by, exchanges.last_mut()) {
                (Speaker::Gateway, _) => {
                    exchanges.push(Exchange { at: frame.at, request: frame.bytes, answer: None });
                }
                (Speaker::Unit(_), Some(exchange)) if rtu::decode(&frame.bytes).is_ok() => {
                    exchange.answer = Some(frame.bytes);
                }
                (Speaker::Unit(_), _) => {}
            }
        }
        exchanges
    }

    /// What was written to this holding register since then, and taken. Written again is written once.
    pub(crate) fn written(&self, unit_id: u8, address: u16, since: Instant) -> Vec<u16> {
        let [high, low] = address.to_be_bytes();
        let mut values = Vec::new();
        for exchange in self.exchanges().iter().filter(|exchange| exchange.at >= since) {
            // A write that is taken is answered by itself.
            if let (true, [unit, 6, a, b, c, d, ..]) =
                (exchange.answer.as_ref() == Some(&exchange.request), exchange.request.as_slice())
                && (*unit, *a, *b) == (unit_id, high, low)
            {
                values.push(u16::from_be_bytes([*c, *d]));
            }
        }
        values.dedup();
        values
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

impl Shared {
    fn tape(&self) -> MutexGuard<'_, Vec<Frame>> {
        self.tape.lock().expect("the carrier does not panic")
    }

    fn is_attached(&self, unit: usize) -> bool {
        self.attached.get(unit).is_some_and(|attached| attached.load(Ordering::SeqCst))
    }

    fn record(&self, by: Speaker, bytes: &[u8], lost: bool) {
        let at = clock::now();
        let mut tape = self.tape();
        if let Some(last) = tape.last_mut()
            && last.by == by
            && last.lost == lost
            && at.saturating_duration_since(last.at) < ONE_FRAME
            && (by != Speaker::Gateway || last.bytes.len() < REQUEST_BYTES)
        {
            last.bytes.extend_from_slice(bytes);
        } else {
            tape.push(Frame { at, by, bytes: bytes.to_vec(), lost });
        }
    }
}

struct Carrier {
    far_end: File,
    units: Vec<UnixStream>,
    shared: Arc<Shared>,
}

impl Carrier {
    fn run(mut self) {
        let mut bytes = [0; 512];
        while !self.shared.stop.load(Ordering::SeqCst) {
            for speaker in self.speaking() {
                let read = match speaker {
                    Speaker::Gateway => self.far_end.read(&mut bytes),
                    Speaker::Unit(unit) => {
                        self.units.get_mut(unit).map_or(Ok(0), |port| port.read(&mut bytes))
                    }
                };
                let said = read.ok().and_then(|read| bytes.get(..read)).unwrap_or_default();
                if said.is_empty() {
                    // An emulator has ended; the story will tell.
                    return;
                }
                self.carry(speaker, said);
            }
        }
    }

    fn speaking(&self) -> Vec<Speaker> {
        let units = self.units.iter().enumerate().map(|(index, port)| (Speaker::Unit(index), port.as_fd()));
        let (speakers, ends): (Vec<Speaker>, Vec<BorrowedFd<'_>>) =
            std::iter::once((Speaker::Gateway, self.far_end.as_fd())).chain(units).unzip();
        let mut ends: Vec<PollFd<'_>> =
            ends.iter().map(|end| PollFd::from_borrowed_fd(*end, PollFlags::IN)).collect();
        if poll(&mut ends, Some(&LOOK_UP)).is_err() {
            return Vec::new();
        }
        let ready = ends.iter().zip(speakers).filter(|(end, _)| !end.revents().is_empty());
        ready.map(|(_, speaker)| speaker).collect()
    }

    /// A full buffer drops bytes as a wire would; the stories never fill one.
    fn carry(&mut self, speaker: Speaker, said: &[u8]) {
        if let Speaker::Unit(unit) = speaker
            && !self.shared.is_attached(unit)
        {
            return;
        }
        let lost = self.shared.cut.load(Ordering::SeqCst);
        self.shared.record(speaker, said, lost);
        if lost {
            return;
        }
        if speaker != Speaker::Gateway {
            let _ = self.far_end.write_all(said);
        }
        for (index, port) in self.units.iter_mut().enumerate() {
            if speaker != Speaker::Unit(index) && self.shared.is_attached(index) {
                let _ = port.write_all(said);
            }
        }
    }
}
