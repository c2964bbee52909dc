//! One round of 叫应: the homes that must be told, every call that was made, and who has not answered yet. Homes and card
//! numbers only: names stay with the residents' cards.
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{AlarmId, Id, Instant, Timestamp};

/// Calls of one home that are remembered, the newest; all of them are counted, and in the logbook.
const CALLS: usize = 8;
/// After so many calls that nobody answered somebody goes there.
const TRIES: u32 = 3;

/// What came of a call, or of going there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// 已叫应: they heard it, and said so.
    Answered,
    /// 上门叫应: somebody was at their door.
    Visited,
    /// 已转移.
    Moved,
    /// 不在家: somebody who knows says where they are.
    Away,
    /// 无人接.
    NoAnswer,
    /// 不肯转移: told, and still in danger.
    Refuses,
    /// 记错: what was written before is not so.
    Mistaken,
}

impl CallOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Visited => "visited",
            Self::Moved => "moved",
            Self::Away => "away",
            Self::NoAnswer => "no_answer",
            Self::Refuses => "refuses",
            Self::Mistaken => "mistaken",
        }
    }

    fn settles(self) -> bool {
        matches!(self, Self::Answered | Self::Visited | Self::Moved | Self::Away)
    }
}

/// What a person says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallTold {
    /// Made by whoever sends it, 8 to 64 of `[A-Za-z0-9-]`: the same id is the same call.
    pub id: String,
    /// The number of the resident's card.
    pub card: i64,
    pub outcome: CallOutcome,
    /// By the phone's clock.
    pub at: Timestamp,
    pub note: Option<String>,
}

/// A home that must be told, as the residents' cards have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    pub card: i64,
    /// 3-2-402.
    pub home: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) outcome: CallOutcome,
    /// Account id.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Called {
    pub(crate) card: i64,
    pub(crate) home: String,
    /// Oldest first by their own times, the newest [`CALLS`].
    calls: Vec<Call>,
    /// All of them.
    made: u32,
    /// Those in a row that nobody answered.
    unanswered: u32,
}

impl Called {
    fn new(home: Home) -> Self {
        Self { card: home.card, home: home.home, calls: Vec::new(), made: 0, unanswered: 0 }
    }

    /// What is known of them. A later call that nobody answers takes nothing back.
    fn outcome(&self) -> Option<CallOutcome> {
        let known = self.calls.iter().rev().map(|call| call.outcome);
        let said = known.clone().find(|outcome| *outcome != CallOutcome::NoAnswer);
        match said {
            Some(CallOutcome::Mistaken) => None,
            Some(said) => Some(said),
            None => known.into_iter().next(),
        }
    }

    fn is_settled(&self) -> bool {
        self.outcome().is_some_and(CallOutcome::settles)
    }

    fn take(&mut self, call: Call) {
        self.made = self.made.saturating_add(1);
        self.unanswered =
            if call.outcome == CallOutcome::NoAnswer { self.unanswered.saturating_add(1) } else { 0 };
        let place = self.calls.partition_point(|known| known.at <= call.at);
        self.calls.insert(place, call);
        if self.calls.len() > CALLS {
            // What is known of them stays, however often nobody answers after.
            let said = self.calls.iter().rposition(|call| call.outcome != CallOutcome::NoAnswer);
            self.calls.remove(usize::from(said == Some(0)));
        }
    }

    fn item(&self) -> Value {
        json!({ "card": self.card, "home": self.home, "outcome": self.outcome(), "settled": self.is_settled(),
            "made": self.made, "knock": !self.is_settled() && self.unanswered >= TRIES, "calls": self.calls })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) at: Timestamp,
    /// The lead who ended it; nobody if everybody had answered.
    pub(crate) by: Option<String>,
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) id: AlarmId,
    pub(crate) station: Id,
    pub(crate) name: String,
    pub(crate) simulated: bool,
    /// The highest line that was reached; none of a round that a person began.
    pub(crate) line: Option<String>,
    pub(crate) at: Timestamp,
    /// Account id, or this room itself.
    pub(crate) by: String,
    pub(crate) reason: Option<String>,
    /// The alarms it is about, each with its cry.
    pub(crate) alarms: Vec<(AlarmId, u32)>,
    pub(crate) people: Vec<Called>,
    /// Cards that there is no room for.
    pub(crate) left_out: usize,
    /// The residents' cards have been read.
    pub(crate) is_listed: bool,
    pub(crate) ended: Option<Ended>,
    /// People had not answered in time.
    pub(crate) is_late: bool,
    /// When to ask for the list again.
    #[serde(skip)]
    pub(crate) list_at: Instant,
    /// When it is late.
    #[serde(skip)]
    pub(crate) late_at: Instant,
    /// The row that says so.
    #[serde(skip)]
    pub(crate) late_row: Option<AlarmId>,
}

impl Round {
    /// The homes of the cards; those that are here stay as they are.
    pub(crate) fn list(&mut self, homes: &[Home], most: usize) {
        self.is_listed = true;
        for home in homes {
            if self.people.iter().any(|known| known.card == home.card) {
                continue;
            }
            self.people.push(Called::new(home.clone()));
        }
        self.left_out = self.people.len().saturating_sub(most);
        self.people.truncate(most);
    }

    /// None if this card is not in the list; false if the call is here already.
    pub(crate) fn take(&mut self, card: i64, call: Call) -> Option<bool> {
        let called = self.people.iter_mut().find(|called| called.card == card)?;
        let is_new = called.calls.iter().all(|known| known.id != call.id);
        if is_new {
            called.take(call);
        }
        Some(is_new)
    }

    pub(crate) fn home_of(&self, card: i64) -> Option<&str> {
        self.people.iter().find(|called| called.card == card).map(|called| called.home.as_str())
    }

    pub(crate) fn missing(&self) -> usize {
        self.people.iter().filter(|called| !called.is_settled()).count()
    }

    /// Everybody has answered; of an empty list nobody can say so.
    pub(crate) fn is_done(&self) -> bool {
        self.is_listed && self.left_out == 0 && !self.people.is_empty() && self.missing() == 0
    }

    pub(crate) fn summary(&self) -> Value {
        let missing = self.missing();
        json!({ "id": self.id, "station": self.station, "name": self.name, "simulated": self.simulated,
            "line": self.line, "at": self.at, "by": self.by, "by_hand": self.reason.is_some(), "reason": self.reason, "listed": self.is_listed,
            "people": self.people.len(), "answered": self.people.len() - missing, "missing": missing,
            "left_out": self.left_out, "late": self.is_late, "ended": self.ended })
    }

    pub(crate) fn item(&self) -> Value {
        let mut item = self.summary();
        if let Some(fields) = item.as_object_mut() {
            fields.insert("alarms".into(), json!(self.alarms.iter().map(|(id, _)| id).collect::<Vec<_>>()));
            fields.insert("list".into(), self.people.iter().map(Called::item).collect());
        }
        item
    }
}

/// A round that ended long ago, from what was kept below [`crate::ended_round_key`]; none if that is not one.
pub fn ended_round(kept: &str) -> Option<Value> {
    serde_json::from_str::<Round>(kept).ok().map(|round| round.item())
}
