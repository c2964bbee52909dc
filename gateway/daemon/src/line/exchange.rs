//! The exchange as it was on the wire, shown to whoever listens: transcripts and recordings.
use shouwang_core::Instant;
use shouwang_core::configuration::{DeviceIndex, LineIndex};
use tokio::sync::broadcast;

/// One exchange as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub line: LineIndex,
    pub device: DeviceIndex,
    /// When it ended.
    pub at: Instant,
    /// The whole frames; the answer is empty if there was no valid one.
    pub request: Vec<u8>,
    pub answer: Vec<u8>,
}

/// Where lines show their exchanges. Nothing is copied while nobody listens; a listener that is slow misses
/// the oldest and is told how many.
#[derive(Clone, Debug)]
pub struct WireTap {
    listeners: broadcast::Sender<Exchange>,
}

/// Exchanges kept for a slow listener.
const KEPT: usize = 256;

impl WireTap {
    pub fn new() -> Self {
        Self { listeners: broadcast::Sender::new(KEPT) }
    }

    pub fn listen(&self) -> broadcast::Receiver<Exchange> {
        self.listeners.subscribe()
    }

    pub(super) fn show(&self, exchange: impl FnOnce() -> Exchange) {
        if self.listeners.receiver_count() > 0 {
            // It fails only if the last listener has just left.
            let _ = self.listeners.send(exchange());
        }
    }
}

impl Default for WireTap {
    fn default() -> Self {
        Self::new()
    }
}
