//! A serial line between two programs: two ptys and a thread that carries bytes from one to the other.
//!
//! Neither program sees a pty's controlling side, so both may open, close and reopen their end at will, as
//! with two USB adapters wired together. Nothing is paced here; `shouwang-field` has lines that are.
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};

/// How soon the carrier notices that the line is dropped.
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Both ends of a line. Dropping it takes the line away: what still has an end open sees a hang-up.
#[derive(Debug)]
pub struct SerialLine {
    gateway: End,
    devices: End,
    stop: Arc<AtomicBool>,
    carrier: Option<JoinHandle<()>>,
}

/// One pty: the path that a program opens, and a file that keeps its settings while nobody has it open.
#[derive(Debug)]
struct End {
    path: PathBuf,
    keep: File,
}

impl SerialLine {
    pub fn new() -> Self {
        let (gateway, to_gateway) = End::open();
        let (devices, to_devices) = End::open();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let carrier = std::thread::spawn(move || carry(to_gateway, to_devices, &stopped));
        Self { gateway, devices, stop, carrier: Some(carrier) }
    }

    /// The path for the gateway's configuration.
    pub fn gateway_path(&self) -> &Path {
        &self.gateway.path
    }

    /// The path for whoever answers.
    pub fn devices_path(&self) -> &Path {
        &self.devices.path
    }

    /// A program that was killed cannot give up its exclusive use of the line; with a real adapter the
    /// system does it when the last file is closed, but here the harness keeps one open.
    pub fn release(&self) {
        for end in [&self.gateway, &self.devices] {
            ioctl_tiocnxcl(&end.keep).expect("a pty knows exclusive use");
        }
    }
}

impl Default for SerialLine {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for SerialLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(carrier) = self.carrier.take() {
            let _ = carrier.join();
        }
    }
}

impl End {
    fn open() -> (Self, File) {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&control).expect("granting a pty");
        unlockpt(&control).expect("unlocking a pty");
        let name = ptsname(&control, Vec::new()).expect("a pty's name");
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let keep = open_without_control(&path);
        let mut settings = tcgetattr(&keep).expect("a pty's settings");
        settings.make_raw();
        tcsetattr(&keep, OptionalActions::Now, &settings).expect("raw bytes on a pty");
        (Self { path, keep }, File::from(control))
    }
}

fn open_without_control(path: &Path) -> File {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOCTTY.bits();
    let flags = i32::try_from(flags).expect("open flags are small");
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).expect("opening a pty")
}

fn carry(mut one: File, mut other: File, stop: &AtomicBool) {
    let mut bytes = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        let mut ends = [PollFd::new(&one, PollFlags::IN), PollFd::new(&other, PollFlags::IN)];
        if poll(&mut ends, Some(&LOOK_UP)).is_err() {
            continue;
        }
        let [from_one, from_other] = ends.map(|end| end.revents().contains(PollFlags::IN));
        if from_one {
            pass_on(&mut one, &mut other, &mut bytes);
        }
        if from_other {
            pass_on(&mut other, &mut one, &mut bytes);
        }
    }
}

fn pass_on(from: &mut File, to: &mut File, bytes: &mut [u8]) {
    let read = from.read(bytes).unwrap_or(0);
    // A full pty drops bytes as a wire would; the tests' lines never fill one.
    let _ = bytes.get(..read).map(|bytes| to.write_all(bytes));
}
