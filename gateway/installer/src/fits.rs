//! Which profiles a device's answers agree with.
//!
//! Counted in reads that agree, never as a likelihood: one model has several maps, and several models share
//! one. Each register is asked once, whoever of the profiles wants it.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shouwang_core::configuration::{DeviceSettings, Installed, LineSettings, PollTimes};
use shouwang_core::decoder::{Answer, Decoder};
use shouwang_core::plan::{Block, Plan};
use shouwang_core::profile::{Profile, Table};
use shouwang_core::reading::NoData;
use shouwang_message::{Id, Place};

use crate::{Bus, Heard, Lost, Question, Setting};

/// A profile to compare with.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The profile file's name without its ending.
    pub name: String,
    pub profile: Arc<Profile>,
}

/// How well a profile fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fit {
    pub profile: String,
    /// Reads whose answers make sense by this profile.
    pub agreed: usize,
    /// Reads that were asked.
    pub asked: usize,
    /// Registers and bits in the reads that agree: of two profiles that agree wholly, the one that explains
    /// more is the likelier.
    pub explained: u32,
}

/// A device silent to so many questions is asked nothing further: it ignores what it does not know.
const SILENCES_MOST: usize = 3;

/// The profiles of which at least one read agrees, the best first; what another model's identity register
/// rules out is left out.
pub(crate) fn fits(
    bus: &mut impl Bus,
    unit_id: u8,
    setting: Setting,
    wait: Duration,
    candidates: &[Candidate],
) -> Result<Vec<Fit>, Lost> {
    let mut answers = Answers { unit_id, wait, known: BTreeMap::new(), silences: 0 };
    let mut fits = Vec::new();
    for candidate in candidates {
        let Some((device, plan)) = imagined(candidate, unit_id, setting) else { continue };
        if let Some(fit) = compare(bus, &mut answers, candidate, &device, &plan)? {
            fits.push(fit);
        }
    }
    fits.sort_by(|one, other| {
        let better = (other.agreed * one.asked).cmp(&(one.agreed * other.asked));
        better.then(other.explained.cmp(&one.explained)).then(one.profile.cmp(&other.profile))
    });
    Ok(fits)
}

fn compare(
    bus: &mut impl Bus,
    answers: &mut Answers,
    candidate: &Candidate,
    device: &DeviceSettings,
    plan: &Plan,
) -> Result<Option<Fit>, Lost> {
    let mut decoder = Decoder::new(device, &BTreeMap::new());
    // Whatever scales others is known in the second round.
    let blocks: Vec<&Block> = plan.identity.iter().chain(&plan.blocks).collect();
    let mut heard = Vec::new();
    for block in &blocks {
        let answer = answers.of(bus, block)?;
        decoder.answered(device, block, of(&answer));
        heard.push(answer);
        if decoder.is_wrong_identity() {
            return Ok(None);
        }
    }
    for (block, answer) in blocks.iter().zip(&heard) {
        decoder.answered(device, block, of(answer));
    }
    let mut fit = Fit { profile: candidate.name.clone(), agreed: 0, asked: blocks.len(), explained: 0 };
    for (block, answer) in blocks.iter().zip(&heard) {
        if agrees(candidate, &decoder, block, answer) {
            fit.agreed += 1;
            fit.explained += u32::from(block.count);
        }
    }
    Ok((fit.agreed > 0).then_some(fit))
}

/// An answer came, and nothing in it is what this model could not say.
fn agrees(candidate: &Candidate, decoder: &Decoder, block: &Block, answer: &Heard) -> bool {
    let impossible = |index: &usize| {
        matches!(
            decoder.reading(&candidate.profile, *index).why(),
            Some(NoData::OutOfRange | NoData::NotANumber | NoData::Infinite | NoData::WrongAnswer)
        )
    };
    matches!(answer, Heard::Words(..) | Heard::Bits(..)) && !block.points.iter().any(impossible)
}

pub(crate) fn of(heard: &Heard) -> Answer<'_> {
    match heard {
        Heard::Words(words, _) => Answer::Words(words),
        Heard::Bits(bits, _) => Answer::Bits(bits),
        Heard::Exception(code, _) => Answer::Nothing(NoData::Exception(*code)),
        Heard::Silence => Answer::Nothing(NoData::Timeout),
        Heard::Garbled => Answer::Nothing(NoData::Crc),
        Heard::Other(_) => Answer::Nothing(NoData::WrongUnitId),
    }
}

/// What one device said so far.
struct Answers {
    unit_id: u8,
    wait: Duration,
    known: BTreeMap<(Table, u16, u16), Heard>,
    silences: usize,
}

impl Answers {
    fn of(&mut self, bus: &mut impl Bus, block: &Block) -> Result<Heard, Lost> {
        let key = (block.table, block.address, block.count);
        if let Some(heard) = self.known.get(&key) {
            return Ok(heard.clone());
        }
        let heard = if self.silences < SILENCES_MOST {
            let (table, address, count) = key;
            let question =
                Question { unit_id: self.unit_id, table, address, count, wait: self.wait, known: true };
            bus.ask(&question)?
        } else {
            Heard::Silence
        };
        if heard == Heard::Silence {
            self.silences += 1;
        }
        self.known.insert(key, heard.clone());
        Ok(heard)
    }
}

/// This model at this unit id, and how it would be read.
pub(crate) fn imagined(
    candidate: &Candidate,
    unit_id: u8,
    setting: Setting,
) -> Option<(DeviceSettings, Plan)> {
    let id: Id = "found".parse().ok()?;
    let poll = PollTimes { alarm: Duration::ZERO, state: Duration::ZERO, slow: Duration::ZERO };
    // Only the line's kind matters to the plan.
    let line = LineSettings { name: id.clone(), kind: setting.kind(), timeout: Duration::ZERO, poll };
    let device = DeviceSettings {
        id,
        line: 0,
        unit_id,
        profile: Arc::clone(&candidate.profile),
        conditions: candidate.profile.conditions.clone(),
        place: Place::default(),
        installed: Installed::default(),
    };
    let plan = Plan::new(&device, &line);
    Some((device, plan))
}
