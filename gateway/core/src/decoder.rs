//! One device's answers, put together: who it is, what its frozen registers say, which status bits
//! spoil what, and from all that a reading for every point.
//!
//! Blocks arrive one by one, so the last raw values are kept here; being lost forgets them, because
//! another unit may be there when somebody answers again.
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::Value;

use crate::configuration::DeviceSettings;
use crate::decode::{Raw, decode, raw_u32};
use crate::input::Outcome;
use crate::plan::Block;
use crate::profile::{IdentityCheck, Kind, Point, Profile, Raises, WarmUp};
use crate::reading::{self, NoData, Reading};

/// How many polls in a row a value out of range shows the last good one, as uncertain.
const HELD_POLLS: u8 = 3;

/// The readings of one device; one entry a point, so its memory is fixed by the profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decoder {
    points: Vec<Known>,
    /// Per identity check: what the device answered, if it did since it was last lost.
    identity: Vec<Option<bool>>,
    frozen: BTreeMap<usize, u32>,
    newly_frozen: Vec<(String, u32)>,
    warming: bool,
}

/// What came of reading a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    Words(&'a [u16]),
    Bits(&'a [bool]),
    Nothing(NoData),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    /// As decoded from the last answer, before status, warm-up and identity are looked at.
    reading: Reading,
    raw: Option<u32>,
    last_good: Option<Value>,
    out_of_range_polls: u8,
}

impl Decoder {
    /// `stored` are raw values frozen in earlier runs, by point name; the configuration's win over them.
    pub fn new(device: &DeviceSettings, stored: &BTreeMap<String, u32>) -> Self {
        let profile = &device.profile;
        let frozen = profile
            .points
            .iter()
            .enumerate()
            .filter(|(_, point)| point.frozen)
            .filter_map(|(index, point)| {
                let raw = device.installed.frozen.get(&point.name).or_else(|| stored.get(&point.name))?;
                Some((index, *raw))
            })
            .collect();
        Self {
            points: profile.points.iter().map(|_| Known::unknown(NoData::NotYet)).collect(),
            identity: vec![None; profile.identity.len()],
            frozen,
            newly_frozen: Vec::new(),
            warming: false,
        }
    }

    /// Takes one answer (or its absence) of a block of this device's plan, its identity reads included.
    /// Gives the points that have news: those of the block, and those that a status bit, the frozen
    /// values or the identity have just spoiled.
    pub fn answered<'a>(
        &mut self,
        device: &DeviceSettings,
        block: &Block,
        answer: impl Into<Answer<'a>>,
    ) -> Vec<usize> {
        let answer = answer.into();
        let profile = &device.profile;
        let before: Vec<bool> = (0..self.points.len()).map(|index| self.is_spoiled(profile, index)).collect();
        self.check_identity(profile, block, answer);
        // Frozen values and counts of decimals come first: others in the same block are scaled by them.
        let mut order = block.points.clone();
        order.sort_by_key(|index| {
            let frozen = profile.points.get(*index).is_some_and(|point| point.frozen);
            !(frozen || is_scale(profile, *index))
        });
        for index in order {
            let Some(point) = profile.points.get(index) else { continue };
            let raw = raw_of(point, block, answer);
            let decimals = point.scale.decimals_from.and_then(|from| self.raw(from));
            if let (Ok(raw), Some(known)) = (&raw, self.points.get_mut(index)) {
                known.raw = raw_u32(point, raw);
            }
            let reading = match &raw {
                Ok(raw) => decode(point, device, raw, decimals),
                Err(why) => Reading::Bad(*why),
            };
            if point.frozen && matches!(reading, Reading::Good(_)) {
                self.freeze(point, index);
            }
            if let Some(known) = self.points.get_mut(index) {
                known.take(reading);
            }
        }
        (0..self.points.len())
            .filter(|index| {
                block.points.contains(index)
                    || (self.is_spoiled(profile, *index) && before.get(*index) == Some(&false))
            })
            .collect()
    }

    /// What is known of this point now, everything considered.
    pub fn reading(&self, profile: &Profile, index: usize) -> Reading {
        match self.points.get(index) {
            None => Reading::Bad(NoData::NotYet),
            Some(known) => match self.spoiled(profile, index) {
                Some(why) => Reading::Bad(why),
                None => match (&known.reading, self.doubted(profile, index)) {
                    (Reading::Good(value), Some(why)) => Reading::Uncertain(value.clone(), why),
                    (reading, _) => reading.clone(),
                },
            },
        }
    }

    /// The unscaled bits of the last answer that had any, for counters and call units; none since it
    /// was lost.
    pub fn raw(&self, index: usize) -> Option<u32> {
        self.points.get(index)?.raw
    }

    /// Why this point's values cannot be believed although the device answers: a fault to be told. At
    /// once beyond the range of a gas, CO or smoke sensor, otherwise after three polls.
    pub fn implausible(&self, profile: &Profile, index: usize) -> Option<NoData> {
        let known = self.points.get(index)?;
        match self.reading(profile, index).why()? {
            NoData::OutOfRange if (1..HELD_POLLS).contains(&known.out_of_range_polls) => None,
            why @ (NoData::OutOfRange
            | NoData::ErrorValue
            | NoData::NotANumber
            | NoData::Infinite
            | NoData::ConfigMismatch) => Some(why),
            _ => None,
        }
    }

    /// The answers taken here have proven the identity since it was last lost (at once, if the profile
    /// checks none). Whom to ask for it, and whether to write, is the line's to decide.
    pub fn is_trusted(&self) -> bool {
        self.identity.iter().all(|seen| *seen == Some(true))
    }

    /// Another model answers at this unit id: none of its values count.
    pub fn is_wrong_identity(&self) -> bool {
        self.identity.contains(&Some(false))
    }

    /// A frozen register no longer says what it said at commissioning.
    pub fn is_mismatched(&self) -> bool {
        self.frozen.iter().any(|(index, frozen)| self.raw(*index).is_some_and(|raw| raw != *frozen))
    }

    /// The device is warming up after its own return; see [`WarmUp::AfterReturn`].
    pub fn set_warming(&mut self, warming: bool) {
        self.warming = warming;
    }

    /// The device is lost: nothing it said counts until it says it again. Gives all points.
    pub fn lost(&mut self, why: NoData) -> Vec<usize> {
        self.identity.fill(None);
        for known in &mut self.points {
            *known = Known::unknown(why);
        }
        (0..self.points.len()).collect()
    }

    /// Raw values frozen since the last call, by point name: keep them, and give them to [`Self::new`].
    pub fn take_newly_frozen(&mut self) -> Vec<(String, u32)> {
        core::mem::take(&mut self.newly_frozen)
    }

    fn freeze(&mut self, point: &Point, index: usize) {
        if self.is_wrong_identity() {
            return;
        }
        if let (Some(raw), false) = (self.raw(index), self.frozen.contains_key(&index)) {
            self.frozen.insert(index, raw);
            self.newly_frozen.push((point.name.clone(), raw));
        }
    }

    fn check_identity(&mut self, profile: &Profile, block: &Block, answer: Answer<'_>) {
        for (check, seen) in profile.identity.iter().zip(&mut self.identity) {
            if let Some(matches) = identity(check, block, answer) {
                *seen = Some(matches);
            }
        }
    }

    fn is_spoiled(&self, profile: &Profile, index: usize) -> bool {
        self.spoiled(profile, index).is_some()
    }

    /// Why the point is not to be believed for reasons outside its own registers.
    fn spoiled(&self, profile: &Profile, index: usize) -> Option<NoData> {
        if self.is_wrong_identity() {
            return Some(NoData::WrongIdentity);
        }
        if self.is_mismatched() && profile.points.get(index).is_some_and(is_scaled) {
            return Some(NoData::ConfigMismatch);
        }
        let status = profile
            .status_bits
            .iter()
            .find(|status| status.spoils.contains(&index) && self.holds(status.point));
        if let Some(status) = status {
            return Some(status.why);
        }
        (self.is_warming(profile) && is_measured(profile, index)).then_some(NoData::Warmup)
    }

    /// Why it is not known whether the point is to be believed: what would say so could not be read. Such a value
    /// may raise, but never clear.
    fn doubted(&self, profile: &Profile, index: usize) -> Option<NoData> {
        let unknown = |point: usize| match self.points.get(point).map(|known| &known.reading) {
            Some(Reading::Bad(why)) => Some(*why),
            _ => None,
        };
        let spoils = profile.status_bits.iter().filter(|status| status.spoils.contains(&index));
        let warm_up = match profile.warm_up {
            Some(WarmUp::Flag(point) | WarmUp::SecondsLeft(point)) if is_measured(profile, index) => {
                Some(point)
            }
            _ => None,
        };
        spoils.map(|status| status.point).chain(warm_up).find_map(unknown)
    }

    fn is_warming(&self, profile: &Profile) -> bool {
        match profile.warm_up {
            Some(WarmUp::AfterReturn(_)) => self.warming,
            Some(WarmUp::Flag(flag)) => self.holds(flag),
            Some(WarmUp::SecondsLeft(left)) => self.raw(left).is_some_and(|seconds| seconds > 0),
            None => false,
        }
    }

    fn holds(&self, index: usize) -> bool {
        self.points
            .get(index)
            .and_then(|known| known.reading.value())
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }
}

impl Known {
    fn unknown(why: NoData) -> Self {
        Self { reading: Reading::Bad(why), raw: None, last_good: None, out_of_range_polls: 0 }
    }

    fn take(&mut self, reading: Reading) {
        self.reading = match reading {
            Reading::Good(value) => {
                self.out_of_range_polls = 0;
                self.last_good = Some(value.clone());
                Reading::Good(value)
            }
            Reading::Bad(NoData::OutOfRange) => {
                self.out_of_range_polls = self.out_of_range_polls.saturating_add(1);
                match &self.last_good {
                    Some(value) if self.out_of_range_polls < HELD_POLLS => {
                        Reading::Uncertain(value.clone(), NoData::OutOfRange)
                    }
                    _ => Reading::Bad(NoData::OutOfRange),
                }
            }
            other => {
                self.out_of_range_polls = 0;
                other
            }
        };
    }
}

impl<'a> From<&'a Outcome> for Answer<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Registers { words, .. } => Self::Words(words),
            Outcome::Bits { bits, .. } => Self::Bits(bits),
            Outcome::Exception { code, .. } => Self::Nothing(NoData::Exception(*code)),
            Outcome::Failed(failure) => Self::Nothing(NoData::from(*failure)),
            Outcome::Written { .. } => Self::Nothing(NoData::WrongAnswer),
        }
    }
}

impl<'a> From<&'a Result<reading::Raw, NoData>> for Answer<'a> {
    fn from(read: &'a Result<reading::Raw, NoData>) -> Self {
        match read {
            Ok(reading::Raw::Words(words)) => Self::Words(words),
            Ok(reading::Raw::Bits(bits)) => Self::Bits(bits),
            Err(why) => Self::Nothing(*why),
        }
    }
}

fn raw_of<'a>(point: &Point, block: &Block, answer: Answer<'a>) -> Result<Raw<'a>, NoData> {
    let raw = match answer {
        Answer::Words(words) => Raw::in_words(point, block, words),
        Answer::Bits(bits) => Raw::in_bits(point, block, bits),
        Answer::Nothing(why) => return Err(why),
    };
    raw.ok_or(NoData::WrongAnswer)
}

/// Whether this answer proves or disproves the check; none if it says nothing about it. A device that
/// does not know the address (exception 2) is another model.
fn identity(check: &IdentityCheck, block: &Block, answer: Answer<'_>) -> Option<bool> {
    if check.table != block.table {
        return None;
    }
    let index = usize::from(check.address.checked_sub(block.address)?);
    if index >= usize::from(block.count) {
        return None;
    }
    match answer {
        Answer::Words(words) => words.get(index).map(|word| check.expected.contains(word)),
        Answer::Bits(bits) => bits.get(index).map(|bit| check.expected.contains(&u16::from(*bit))),
        Answer::Nothing(NoData::Exception(2) | NoData::WrongIdentity) => Some(false),
        Answer::Nothing(_) => None,
    }
}

/// The point only tells how others are scaled.
fn is_scale(profile: &Profile, index: usize) -> bool {
    profile.points.iter().any(|point| point.scale.decimals_from == Some(index))
}

/// A quantity, which a changed unit or scale would falsify; states and texts stay what they are.
fn is_scaled(point: &Point) -> bool {
    let quantity = match point.kind {
        Kind::Bool { .. } | Kind::Ascii { .. } => false,
        Kind::U16
        | Kind::I16
        | Kind::U32(_)
        | Kind::I32(_)
        | Kind::F32(_)
        | Kind::HighByte
        | Kind::LowByte
        | Kind::Bits { .. }
        | Kind::Bcd => point.meanings.is_empty(),
    };
    point.frozen || quantity
}

/// What a warm-up inhibits: everything but the device's word about itself, which is always told.
fn is_measured(profile: &Profile, index: usize) -> bool {
    let about_itself = profile
        .conditions
        .iter()
        .any(|condition| condition.point == index && matches!(condition.raises, Raises::Fault(_)));
    let warm_up = match profile.warm_up {
        Some(WarmUp::Flag(point) | WarmUp::SecondsLeft(point)) => point == index,
        _ => false,
    };
    let frozen = profile.points.get(index).is_none_or(|point| point.frozen);
    !(about_itself || warm_up || frozen || is_scale(profile, index))
}
