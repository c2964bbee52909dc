//! What a person's last texts named: an answer means the last of them that its sender can have seen.
//!
//! Kept apart from the alarms, which may be over before anybody answers, and in the order the texts left: the wall
//! clock may be set in between.
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmId, Instant, Timestamp};

use crate::input::TextId;

/// Texts remembered: an answer that the network held back means an older one.
const REMEMBERED: usize = 4;
/// The network's clock and ours may differ by so much.
const CLOCKS_DIFFER_MS: i64 = 120_000;

/// One person's last texts, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Named {
    texts: Vec<NamedText>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NamedText {
    /// By the clock as it was then.
    at: Timestamp,
    /// And their cries.
    alarms: Vec<(AlarmId, u32)>,
    /// In this run.
    #[serde(skip)]
    left: Option<(TextId, Instant)>,
}

/// Everybody's texts with what is not kept over a restart.
pub(super) mod snapshot {
    use alloc::collections::BTreeMap;

    use serde::{Deserializer, Serializer};
    use shouwang_message::Id;

    use super::*;

    type Left = Vec<Option<(TextId, Instant)>>;

    pub(in super::super) fn serialize<S: Serializer>(
        named: &BTreeMap<Id, Named>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(named.iter().map(|(id, named)| {
            let left: Left = named.texts.iter().map(|text| text.left).collect();
            (id, named, left)
        }))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Id, Named>, D::Error> {
        let read = Vec::<(Id, Named, Left)>::deserialize(from)?;
        let whole = read.into_iter().map(|(id, mut named, left)| {
            named.texts.iter_mut().zip(left).for_each(|(text, left)| text.left = left);
            (id, named)
        });
        Ok(whole.collect())
    }
}

impl Named {
    pub(super) fn add(&mut self, text: TextId, left: Instant, at: Timestamp, alarms: Vec<(AlarmId, u32)>) {
        if self.texts.len() >= REMEMBERED {
            self.texts.remove(0);
        }
        self.texts.push(NamedText { at, alarms, left: Some((text, left)) });
    }

    /// Nobody has seen this one.
    pub(super) fn remove(&mut self, text: TextId) {
        self.texts.retain(|known| known.left.is_none_or(|(id, _)| id != text));
    }

    /// What an answer of this time means; without one, the last text.
    pub(super) fn meant(
        &self,
        now: Instant,
        wall: Timestamp,
        sent_at: Option<Timestamp>,
    ) -> &[(AlarmId, u32)] {
        let latest = sent_at.map(|at| at.unix_ms().saturating_add(CLOCKS_DIFFER_MS));
        let was_seen = |text: &&NamedText| latest.is_none_or(|latest| text.at_ms(now, wall) <= latest);
        self.texts.iter().rev().find(was_seen).map(|text| text.alarms.as_slice()).unwrap_or_default()
    }
}

impl NamedText {
    /// When it left, by the clock as it is now.
    fn at_ms(&self, now: Instant, wall: Timestamp) -> i64 {
        let ago = self.left.and_then(|(_, left)| i64::try_from(now.since(left).as_millis()).ok());
        ago.map_or(self.at.unix_ms(), |ago| wall.unix_ms() - ago)
    }
}
