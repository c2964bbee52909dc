//! A tap on a serial line: carries bytes between whoever asks and a field's pty, and notes when which unit
//! was asked. The bytes keep their pace: each is passed on as it comes.
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, ioctl_tiocnxcl, tcgetattr, tcsetattr};
use shouwang_tests::clock;

/// One request as it began to cross the line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) unit_id: u8,
    /// Something came back before the next request.
    pub(crate) answered: bool,
}

/// Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Tap {
    path: PathBuf,
    keep: File,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// Onto the field's end of a line.
    pub(crate) fn on(field: &Path) -> Self {
        let asking = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&asking).expect("granting a pty");
        unlockpt(&asking).expect("unlocking a pty");
        let name = ptsname(&asking, Vec::new()).expect("a pty's name");
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let keep = open_raw(&path);
        let answering = open_raw(field);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || carry(File::from(asking), answering, &noted, &stopped));
        Self { path, keep, asked, stop, thread: Some(thread) }
    }

    /// Where the gateway or the peer plugs in.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the line back after a program that took it for itself was killed.
    pub(crate) fn release(&self) {
        ioctl_tiocnxcl(&self.keep).expect("a pty knows exclusive use");
    }

    /// The last request.
    pub(crate) fn last(&self) -> Option<Asked> {
        self.asked.lock().expect("the tap's thread does not panic").last().copied()
    }

    /// All requests since the last call.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().expect("the tap's thread does not panic"))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open_raw(path: &Path) -> File {
    let flags = i32::try_from(OFlags::NOCTTY.bits()).expect("open flags are small");
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    let file = file.expect("opening a pty");
    let mut settings = tcgetattr(&file).expect("a pty's settings");
    settings.make_raw();
    tcsetattr(&file, OptionalActions::Now, &settings).expect("raw bytes on a pty");
    file
}

fn carry(mut asking: File, mut answering: File, asked: &Mutex<Vec<Asked>>, stop: &AtomicBool) {
    let look_up = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    let mut bytes = [0; 512];
    while !stop.load(Ordering::Relaxed) {
        let mut ends = [PollFd::new(&asking, PollFlags::IN), PollFd::new(&answering, PollFlags::IN)];
        if poll(&mut ends, Some(&look_up)).is_err() {
            continue;
        }
        let [from_asking, from_answering] = ends.map(|end| end.revents().contains(PollFlags::IN));
        if from_asking && let Ok(n) = asking.read(&mut bytes) {
            let request = bytes.get(..n).unwrap_or(&[]);
            // Both programs hand a request over in one write.
            if let Some(unit_id) = request.first() {
                let at = clock::now();
                asked.lock().expect("measuring only takes").push(Asked {
                    at,
                    unit_id: *unit_id,
                    answered: false,
                });
            }
            let _ = answering.write_all(request);
        }
        if from_answering && let Ok(n) = answering.read(&mut bytes) {
            if let Some(asked) = asked.lock().expect("measuring only takes").last_mut() {
                asked.answered = true;
            }
            let _ = asking.write_all(bytes.get(..n).unwrap_or(&[]));
        }
    }
}
