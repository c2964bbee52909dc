//! Being asked to end, to read the configuration anew, or to record.
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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

/// Every SIGHUP from the call on is a wish to reload.
pub(crate) fn reloads() -> io::Result<mpsc::Receiver<()>> {
    wishes(SignalKind::hangup())
}

/// Every SIGUSR1 from the call on is a wish to begin or to end a recording.
pub(crate) fn recordings() -> io::Result<mpsc::Receiver<()>> {
    wishes(SignalKind::user_defined1())
}

/// Those that come faster than they are taken are one.
fn wishes(kind: SignalKind) -> io::Result<mpsc::Receiver<()>> {
    let mut signals = signal(kind)?;
    let (wish, wishes) = mpsc::channel(1);
    tokio::spawn(async move {
        while signals.recv().await.is_some() {
            if let Err(mpsc::error::TrySendError::Closed(())) = wish.try_send(()) {
                return;
            }
        }
    });
    Ok(wishes)
}
