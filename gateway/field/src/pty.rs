//! A pseudo-terminal that stands for a serial port: raw, quiet, and with the manners of a real port.
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, QueueSelector, ioctl_tiocnxcl, tcflush, tcgetattr, tcsetattr};

/// Our end, and the path of the other one.
#[derive(Debug)]
pub(crate) struct Pty {
    ours: OwnedFd,
    /// Kept open so that a client that closes the port does not hang up our end.
    theirs: OwnedFd,
    closings: OwnedFd,
    path: PathBuf,
    link: Option<PathBuf>,
}

impl Pty {
    /// Opens a pair; `link`, if any, is made to point at the client's end until this is dropped.
    pub(crate) fn open(link: Option<&Path>) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        let mut settings = tcgetattr(&theirs)?;
        settings.make_raw();
        tcsetattr(&theirs, OptionalActions::Now, &settings)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let path = PathBuf::from(OsStr::from_bytes(ptsname(&ours, Vec::new())?.to_bytes()));
        let closings = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        inotify::add_watch(&closings, &path, inotify::WatchFlags::CLOSE_WRITE)?;
        if let Some(link) = link {
            point(link, &path)?;
        }
        Ok(Self { ours, theirs, closings, path, link: link.map(Path::to_path_buf) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn our_end(&self) -> BorrowedFd<'_> {
        self.ours.as_fd()
    }

    /// The speed that the client has set.
    pub(crate) fn client_baud(&self) -> Option<u32> {
        tcgetattr(&self.theirs).ok().map(|settings| settings.output_speed())
    }

    /// Readable when a client has closed the port.
    pub(crate) fn closings(&self) -> BorrowedFd<'_> {
        self.closings.as_fd()
    }

    /// A real port that is closed keeps neither unread bytes nor an exclusive lock (TIOCEXCL); with our
    /// second handle on it the pseudo-terminal would.
    pub(crate) fn forget_client_that_left(&self) {
        let mut buffer = [0; 1024];
        let mut left = false;
        while rustix::io::read(&self.closings, &mut buffer).is_ok_and(|count| count > 0) {
            left = true;
        }
        if left {
            // Best effort: both only fail on something that is no terminal.
            let _ = ioctl_tiocnxcl(&self.theirs);
            let _ = tcflush(&self.theirs, QueueSelector::IFlush);
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        if let Some(link) = &self.link
            && std::fs::read_link(link).is_ok_and(|target| target == self.path)
        {
            // Somebody else may have removed it in the meantime.
            let _ = std::fs::remove_file(link);
        }
    }
}

/// Replaces a link of an earlier run, but nothing that is not a link.
fn point(link: &Path, target: &Path) -> io::Result<()> {
    if link.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
        std::fs::remove_file(link)?;
    }
    std::os::unix::fs::symlink(target, link)
}

/// Writes what fits; a port that nobody reads loses characters, as a real one does.
pub(crate) fn write_lossy(end: BorrowedFd<'_>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(end, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
