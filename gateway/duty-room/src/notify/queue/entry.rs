//! What waits in a queue: one notice, one building's follow-up, or a digest of what had to wait.
use std::sync::Arc;

use shouwang_board::Notice;
use shouwang_message::{Id, Instant};

use super::{audience, is_emergency};

/// What goes out together.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    Single(Arc<Notice>),
    /// Further alarms of one building.
    FollowUp(Vec<Arc<Notice>>),
    /// What had to wait.
    Digest(Vec<Arc<Notice>>),
}

/// The requests that one message takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    One,
    /// An emergency takes two: what wakes people comes first, the card after it.
    CardAndMention,
    /// One a person.
    EachRecipient,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) since: Instant,
    pub(super) emergency: bool,
    pub(super) parts: usize,
    /// The part that is next, from 0.
    pub(super) part: usize,
    /// Parts that were taken.
    pub(super) taken: usize,
    /// Of this part.
    pub(super) tries: u32,
    /// It could not go when it was its turn.
    pub(super) waited: bool,
    /// Of a part that was refused.
    pub(super) failure: Option<Failure>,
    /// Notices of which it tells only the number.
    pub(super) missed: u32,
    kind: Parts,
}

impl Entry {
    pub(super) fn new(since: Instant, message: Message, kind: Parts) -> Self {
        let emergency = message.is_emergency();
        let parts = message.parts(kind);
        Self {
            message,
            since,
            emergency,
            parts,
            part: 0,
            taken: 0,
            tries: 0,
            waited: false,
            failure: None,
            missed: 0,
            kind,
        }
    }

    pub(super) fn is_fresh_emergency(&self) -> bool {
        self.emergency && self.tries == 0
    }

    pub(super) fn audience(&self) -> Vec<Id> {
        self.message.notices().first().map(|notice| audience(notice, self.kind)).unwrap_or_default()
    }

    /// Takes the others in, oldest first, as one digest.
    pub(super) fn merge(&mut self, others: Vec<Self>, kind: Parts) {
        let mut notices = self.message.notices().to_vec();
        for other in others {
            notices.extend_from_slice(other.message.notices());
            self.since = self.since.min(other.since);
            self.missed = self.missed.saturating_add(other.missed);
        }
        notices.sort_by_key(|notice| notice.ticket);
        self.message = Message::Digest(notices);
        self.emergency = self.message.is_emergency();
        self.parts = self.message.parts(kind);
    }

    pub(super) fn lose_oldest(&mut self) -> Option<Arc<Notice>> {
        match &mut self.message {
            Message::Single(notice) => {
                let lost = Arc::clone(notice);
                self.message = Message::FollowUp(Vec::new());
                Some(lost)
            }
            Message::FollowUp(notices) | Message::Digest(notices) if !notices.is_empty() => {
                Some(notices.remove(0))
            }
            Message::FollowUp(_) | Message::Digest(_) => None,
        }
    }
}

impl Message {
    pub(super) fn joined(mut notices: Vec<Arc<Notice>>) -> Self {
        match (notices.pop(), notices.is_empty()) {
            (Some(only), true) => Self::Single(only),
            (last, _) => {
                notices.extend(last);
                Self::FollowUp(notices)
            }
        }
    }

    /// Oldest first.
    pub(crate) fn notices(&self) -> &[Arc<Notice>] {
        match self {
            Self::Single(notice) => std::slice::from_ref(notice),
            Self::FollowUp(notices) | Self::Digest(notices) => notices,
        }
    }

    pub(crate) fn is_emergency(&self) -> bool {
        self.notices().iter().any(|notice| is_emergency(notice))
    }

    pub(super) fn tickets(&self) -> impl Iterator<Item = u64> + '_ {
        self.notices().iter().map(|notice| notice.ticket)
    }

    pub(crate) fn parts(&self, kind: Parts) -> usize {
        match kind {
            Parts::One => 1,
            Parts::CardAndMention => 1 + usize::from(self.is_emergency()),
            Parts::EachRecipient => self.notices().first().map_or(1, |notice| notice.to.len().max(1)),
        }
    }
}
