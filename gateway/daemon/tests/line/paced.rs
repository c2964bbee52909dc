//! A serial line on a pty, paced like a real one: every byte takes its time, and devices answer as told.
#![expect(clippy::unwrap_used, reason = "a test's own line: it ends where it fails")]

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use modbus_wire::{Bits, ExceptionCode, Registers, Request, Response, rtu, server};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use shouwang_gateway::clock;

/// What the devices on a line do with a request.
pub(crate) type Devices = dyn Fn(u8, &Request<'_>) -> Reply + Send;

pub(crate) enum Reply {
    /// Every register holds its own address, every third bit is set, every write is done.
    Normal {
        after: Duration,
    },
    Exception {
        code: u8,
    },
    Silence,
}

/// A line with devices on it; dropped, it hangs up.
pub(crate) struct PacedLine {
    pub(crate) path: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PacedLine {
    /// 10 bits a character.
    pub(crate) fn start(baud: u32, devices: Box<Devices>) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let path = PathBuf::from(ptsname(&controller, Vec::new()).unwrap().into_string().unwrap());
        // Held open, so that nothing is lost while nobody else has it open.
        let terminal = open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let character = Duration::from_nanos(10_000_000_000 / u64::from(baud));
        let thread = thread::spawn(move || {
            let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
            serve(&controller, character, &devices, &stopping);
            drop(terminal);
        });
        Self { path, stop, thread: Some(thread) }
    }
}

impl Drop for PacedLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(controller: &OwnedFd, character: Duration, devices: &Devices, stop: &AtomicBool) {
    let mut came = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if !readable(controller, Duration::from_millis(20)) {
            continue;
        }
        let mut bytes = [0; 256];
        let began = clock::now();
        let Ok(count) = rustix::io::read(controller, &mut bytes) else { return };
        came.extend_from_slice(&bytes[..count]);
        while let Some(len) = rtu::request_frame_len(&came).filter(|len| *len <= came.len()) {
            let frame: Vec<u8> = came.drain(..len).collect();
            let received = began + character * u32::try_from(len).unwrap();
            answer(controller, character, devices, &frame, received);
        }
    }
}

fn answer(
    controller: &OwnedFd,
    character: Duration,
    devices: &Devices,
    frame: &[u8],
    received: shouwang_core::Instant,
) {
    let (unit_id, Ok(request)) = server::decode(frame).unwrap() else { return };
    let mut out = [0; 256];
    let (after, len) = match devices(unit_id, &request) {
        Reply::Silence => return,
        Reply::Exception { code } => (
            Duration::ZERO,
            server::exception(unit_id, request.function(), ExceptionCode(code), &mut out).unwrap(),
        ),
        Reply::Normal { after } => (after, normal(unit_id, &request, &mut out)),
    };
    let mut at = received + character * 7 / 2 + after;
    for byte in &out[..len] {
        at = at + character;
        until(at);
        rustix::io::write(controller, std::slice::from_ref(byte)).unwrap();
    }
}

fn normal(unit_id: u8, request: &Request<'_>, out: &mut [u8]) -> usize {
    let mut values = Vec::new();
    let response = match *request {
        Request::Read { table, address, count } if table.is_bits() => {
            values.extend((0..count.div_ceil(8)).map(|_| 0b0100_1001_u8));
            let _ = address;
            Response::Bits(Bits::new(&values, count).unwrap())
        }
        Request::Read { address, count, .. } => {
            values.extend((address..address + count).flat_map(u16::to_be_bytes));
            Response::Registers(Registers::from_bytes(&values).unwrap())
        }
        ref write => Response::confirming(write).unwrap(),
    };
    server::answer(unit_id, request, &response, out).unwrap()
}

fn readable(fd: &OwnedFd, within: Duration) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(within).unwrap())).unwrap_or(0) > 0
}

fn until(at: shouwang_core::Instant) {
    loop {
        let left = at.since(clock::now());
        if left.is_zero() {
            return;
        }
        let _ = poll(&mut [], Some(&Timespec::try_from(left).unwrap()));
    }
}
