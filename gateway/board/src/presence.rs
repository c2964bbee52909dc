//! Whether a gateway is there: by its birth and will, and by its heartbeat. Decided on steady time only.
use core::time::Duration;

use shouwang_message::{GatewayState, Instant, StateDocument};

use crate::planted::{self, Bug};

/// A gateway whose heartbeat (every 10 s) is missing for this long is lost.
pub(crate) const LOST_AFTER: Duration = Duration::from_secs(30);

/// What the board believes about a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Not heard of since our own connection began; decided within 30 s.
    Unknown,
    Present,
    /// The will came, or 30 s passed without a heartbeat.
    Lost,
    /// It said goodbye; it watches nothing now.
    Stopped,
}

#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) presence: Presence,
    /// The newest boot and connection seen.
    newest: Option<(u32, u32)>,
    /// The last sign of life, or the moment from which one may be expected; none while our own link is down.
    since: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(now: Option<Instant>) -> Self {
        Self { presence: Presence::Unknown, newest: None, since: now }
    }

    /// The newest boot seen of its log.
    pub(crate) fn boot(&self) -> Option<u32> {
        self.newest.map(|(boot, _)| boot)
    }

    /// A `/state` document; true if it counts. A stale one (a retained leftover, a will of an earlier
    /// connection) does not.
    pub(crate) fn state(&mut self, now: Instant, document: &StateDocument, retained: bool) -> bool {
        let seen = (document.boot, document.connection);
        let stale = self.newest.is_some_and(|newest| seen < newest);
        // A live `ready` counts even if its numbers are lower: a new log starts them again.
        if stale && !planted::has(Bug::BelievesOldWill) && (retained || document.state != GatewayState::Ready)
        {
            return false;
        }
        self.newest = Some(seen);
        match document.state {
            GatewayState::Ready => {
                self.since = Some(now);
                // What the broker kept proves little: the heartbeat decides within 30 s.
                if !retained {
                    self.presence = Presence::Present;
                } else if self.presence != Presence::Present {
                    self.presence = Presence::Unknown;
                }
            }
            GatewayState::Lost => self.presence = Presence::Lost,
            GatewayState::Stopped => self.presence = Presence::Stopped,
        }
        true
    }

    /// A live heartbeat of this boot; one of an earlier boot is an echo.
    pub(crate) fn heartbeat(&mut self, now: Instant, boot: u32) -> bool {
        if self.newest.is_some_and(|(newest, _)| boot < newest) {
            return false;
        }
        if self.newest.is_none_or(|(newest, _)| boot > newest) {
            self.newest = Some((boot, 0));
        }
        self.since = Some(now);
        self.presence = Presence::Present;
        true
    }

    /// A new log counts boots from 1 again.
    pub(crate) fn new_log(&mut self) {
        self.newest = None;
    }

    /// While our own link is down nobody can be judged; when it is back everyone has 30 s again.
    pub(crate) fn link(&mut self, up_at: Option<Instant>) {
        self.since = up_at;
    }

    pub(crate) fn woke(&mut self, now: Instant) {
        if self.next_deadline().is_some_and(|at| at <= now) {
            self.presence = Presence::Lost;
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        match self.presence {
            Presence::Unknown | Presence::Present => self.since.map(|since| since + LOST_AFTER),
            Presence::Lost | Presence::Stopped => None,
        }
    }
}
