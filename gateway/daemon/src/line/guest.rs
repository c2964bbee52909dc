//! An installer borrows a running line: one question at a time, between the line's own.
//!
//! Alarms first: after a guest's exchange the line has its own for at least as long, so that its rounds take at
//! most twice their time; what is idle is the guest's at once.
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use shouwang_installer::{Heard, Order, Question, Setting, Traffic, Wrote};
use tokio::sync::oneshot;

use super::wire::{self, Wire};
use super::{Link, Shared};

/// What somebody borrows the line for. Dropped unanswered, who asked sees that the line is gone.
#[derive(Debug)]
pub(super) struct Guest {
    errand: Errand,
    /// At another setting than the line's own.
    pub(super) at: Option<Setting>,
}

/// A question or an order, and where its answer goes.
#[derive(Debug)]
enum Errand {
    Reads(Question, oneshot::Sender<Heard>),
    Writes(Order, oneshot::Sender<Wrote>),
}

impl Guest {
    pub(super) fn ask(&self) -> modbus_wire::Ask<'static> {
        match &self.errand {
            Errand::Reads(question, _) => wire::request(question),
            Errand::Writes(order, _) => wire::order(order),
        }
    }

    /// What came of the exchange that has just ended; false if the stream is no Modbus any more.
    pub(super) fn tell(self, wire: &Wire) -> bool {
        // Who asked may have gone.
        match (self.errand, wire.heard()) {
            (_, None) => return false,
            (Errand::Reads(_, told), Some(heard)) => drop(told.send(heard)),
            (Errand::Writes(_, told), Some(_)) => drop(told.send(wire.wrote())),
        }
        true
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
        self.ask_at(None, question).await
    }

    /// As [`Self::ask`], at another setting of a serial line; the control socket lends nobody this.
    pub(crate) async fn ask_at(&self, at: Option<Setting>, question: Question) -> Option<Heard> {
        let (told, answer) = oneshot::channel();
        self.enter(Guest { errand: Errand::Reads(question, told), at })?;
        answer.await.ok()
    }

    /// As [`Self::ask_at`], a write of a device's recipe.
    pub(crate) async fn write_at(&self, at: Option<Setting>, order: Order) -> Option<Wrote> {
        let (told, answer) = oneshot::channel();
        self.enter(Guest { errand: Errand::Writes(order, told), at })?;
        answer.await.ok()
    }

    fn enter(&self, guest: Guest) -> Option<()> {
        let shared = self.shared.upgrade()?;
        let mut queue = shared.queue();
        if queue.guest.is_some() || queue.stopping {
            return None;
        }
        queue.guest = Some(guest);
        let idle = std::mem::take(&mut queue.idle);
        drop(queue);
        if idle {
            shared.wake();
        }
        Some(())
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
