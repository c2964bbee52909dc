//! Being asked to end.
use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// By whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C at the terminal.
    Interrupt,
    /// SIGTERM, as a service manager does.
    Terminate,
}

/// Waits until somebody asks. Signals count from the call on.
pub(crate) fn asked() -> io::Result<impl Future<Output = Asked>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => Asked::Interrupt,
            _ = terminate.recv() => Asked::Terminate,
        }
    })
}
