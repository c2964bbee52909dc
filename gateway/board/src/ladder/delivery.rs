//! One telling of an alarm and what came of it, as it goes to the disk and as its case shows it.
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{Id, Instant, Timestamp};

use super::Ladder;

/// One telling and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) channel: Id,
    /// For people to read.
    pub(crate) to: String,
    pub(crate) persons: Vec<Id>,
    pub(crate) step: u32,
    pub(crate) climb: u32,
    pub(crate) cry: u32,
    pub(crate) purpose: Purpose,
    pub(crate) at: Timestamp,
    pub(crate) result: Became,
    /// From the telling to its result.
    pub(super) took_ms: Option<u32>,
    pub(crate) tries: u8,
    /// Cases that this word is for too.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) others: usize,
    /// While its result is awaited, in this process.
    #[serde(skip)]
    pub(crate) ticket: Option<u64>,
    /// Its channel took it under this one, and may yet say that it is lost.
    #[serde(skip)]
    pub(super) taken: Option<u64>,
    #[serde(skip)]
    pub(super) told_at: Instant,
    #[serde(skip)]
    pub(crate) again_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    Step,
    Recovered,
    /// Somebody is sent.
    Dispatch,
    /// 督办, to whoever leads.
    Supervise,
    /// 谁能去?, to everybody who is asked.
    Ask,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Became {
    Waiting,
    Delivered,
    Digested,
    Failed { code: String, text: String },
}

impl Delivery {
    pub(crate) fn new(ladder: &Ladder, channel: Id, purpose: Purpose, step: u32, at: Timestamp) -> Self {
        Self {
            channel,
            to: String::new(),
            persons: Vec::new(),
            step,
            climb: ladder.climb,
            cry: ladder.cry,
            purpose,
            at,
            result: Became::Waiting,
            took_ms: None,
            tries: 1,
            others: 0,
            ticket: None,
            taken: None,
            told_at: Instant::default(),
            again_at: None,
        }
    }

    pub(crate) fn told(&mut self, now: Instant, ticket: u64) {
        (self.ticket, self.told_at, self.again_at) = (Some(ticket), now, None);
        (self.result, self.took_ms, self.taken) = (Became::Waiting, None, None);
    }

    /// As the case shows it.
    pub(crate) fn item(&self) -> Value {
        let (result, why) = self.words();
        json!({"channel": self.channel, "to": self.to, "step": self.step, "occurrence": self.cry,
            "purpose": self.purpose, "at": self.at, "result": result, "code": why.map(|(code, _)| code),
            "text": why.map(|(_, text)| text), "seconds": self.seconds(), "tries": self.tries})
    }

    /// `delivered 1.2 s`, for the logbook.
    pub(crate) fn result_words(&self) -> String {
        let (result, why) = self.words();
        let code = why.map(|(code, _)| alloc::format!(" ({code})")).unwrap_or_default();
        let seconds = self.seconds().map(|seconds| alloc::format!(" {seconds:.1} s")).unwrap_or_default();
        alloc::format!("{result}{code}{seconds}")
    }

    fn seconds(&self) -> Option<f64> {
        self.took_ms.map(|ms| f64::from(ms) / 1_000.0)
    }

    fn words(&self) -> (&'static str, Option<(&str, &str)>) {
        match &self.result {
            Became::Waiting => ("waiting", None),
            Became::Delivered => ("delivered", None),
            Became::Digested => ("digested", None),
            Became::Failed { code, text } => ("failed", Some((code.as_str(), text.as_str()))),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}
