//! Where a line's client plugs in: a place that can be named, unplugged and plugged in again.
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How a client reaches a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A pseudo-terminal. Its path changes when the line is plugged in again, the link stays.
    Pty { path: PathBuf, link: Option<PathBuf> },
    /// A listening socket; the port stays when the line is plugged in again.
    Tcp(SocketAddr),
}

/// One line's connection to the world.
pub(crate) trait Port: Send + Sync {
    /// None while unplugged.
    fn place(&self) -> Option<Place>;
    fn unplug(&self) -> io::Result<()>;
    fn replug(&self) -> io::Result<()>;
    /// Something about the line's devices or faults has changed.
    fn wake(&self);
    /// Unplugs for good and waits until nothing of it runs any more.
    fn stop(&self);
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pty { link: Some(link), .. } => write!(f, "{}", link.display()),
            Self::Pty { path, link: None } => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}
