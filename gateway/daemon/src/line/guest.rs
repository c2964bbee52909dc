//! An installer borrows a running line: one question at a time, between the line's own.
//!
//! Alarms first: after a guest's exchange the line has its own for at least as long, so that its rounds take at
//! most twice their time; what is idle is the guest's at once.
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use shouwang_installer::{Heard, Question, Traffic};
use tokio::sync::oneshot;

use super::{Link, Shared};

/// A question, and where its answer goes. Dropped unanswered, who asked sees that the line is gone.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) question: Question,
    told: oneshot::Sender<Heard>,
}

impl Guest {
    pub(super) fn tell(self, heard: Heard) {
        // Who asked may have gone.
        let _ = self.told.send(heard);
    }
}

/// A way to a running line. It does not keep the line running.
#[derive(Clone, Debug)]
pub struct Lender {
    link: Link,
    shared: Weak<Shared>,
}

impl Lender {
    pub(super) fn new(link: Link, shared: &Arc<Shared>) -> Self {
        Self { link, shared: Arc::downgrade(shared) }
    }

    pub fn link(&self) -> &Link {
        &self.link
    }

    /// What the line heard that was no answer, since it was started; none if it is gone.
    pub fn traffic(&self) -> Option<Traffic> {
        let shared = self.shared.upgrade()?;
        Some(Traffic {
            stray_bytes: shared.heard.stray_bytes.load(Ordering::Relaxed),
            own_echoes: shared.heard.own_echoes.load(Ordering::Relaxed),
        })
    }

    /// Asks between the line's own questions; none if the line is down or gone, or another guest is asking.
    pub async fn ask(&self, question: Question) -> Option<Heard> {
        let (told, answer) = oneshot::channel();
        {
            let shared = self.shared.upgrade()?;
            let mut queue = shared.queue();
            if queue.guest.is_some() || queue.stopping {
                return None;
            }
            queue.guest = Some(Guest { question, told });
            let idle = std::mem::take(&mut queue.idle);
            drop(queue);
            if idle {
                shared.wake();
            }
        }
        answer.await.ok()
    }
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The line's own exchanges since the last guest's.
    own: Duration,
    /// How long that guest's took.
    guests: Duration,
}

impl Turns {
    pub(super) fn own(&mut self, took: Duration) {
        self.own = self.own.saturating_add(took);
    }

    pub(super) fn guests(&mut self, took: Duration) {
        (self.own, self.guests) = (Duration::ZERO, took);
    }

    /// Whether a guest may ask now.
    pub(super) fn is_a_guests(&self, idle: bool) -> bool {
        idle || self.own >= self.guests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_never_has_more_than_half() {
        let millis = Duration::from_millis;
        let mut turns = Turns::default();
        assert!(turns.is_a_guests(false), "nobody had a turn yet");
        turns.guests(millis(58));
        assert!(!turns.is_a_guests(false) && turns.is_a_guests(true));
        turns.own(millis(30));
        assert!(!turns.is_a_guests(false));
        turns.own(millis(30));
        assert!(turns.is_a_guests(false));
    }
}
