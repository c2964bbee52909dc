//! A closer look at somebody who answered: which model, and whether it is one device at all.
use std::time::Duration;

use crate::fits::{Candidate, Fit, fits};
use crate::{Bus, Heard, Lost, Question, Setting};

/// The same question so often, the first time included (the design: bad in 3 of 6 is two devices).
const TRIES: usize = 6;
const GARBLED_MOST: usize = 2;
/// A device that answered may be this much slower another time; and the slowest devices known take 350 ms.
const SLOWER: u32 = 4;
const WAIT_LEAST: Duration = Duration::from_millis(100);
const WAIT_MOST: Duration = Duration::from_millis(400);

/// Somebody at a unit id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub unit_id: u8,
    pub setting: Setting,
    /// From the end of a request to the first byte of the answer, the median of those that came; none if no
    /// valid answer came.
    pub reply: Option<Duration>,
    /// The best first.
    pub fits: Vec<Fit>,
    pub doubts: Vec<Doubt>,
}

/// What speaks against this being one healthy device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// So many of so many answers were no valid frames: two devices talk at once, or the line is bad.
    Garbled { bad: usize, of: usize },
    /// The same register said two things in turn, again and again: two devices, each with its own.
    TwoMinds,
    /// It answered after the wait was over.
    Late,
    /// Modbus TCP: whatever id is asked, it answers. A server without unit ids behind it.
    EveryId,
    /// The installer ended the search before this one was looked at.
    NotExamined,
}

impl Doubt {
    /// Two devices at one unit id, most likely.
    pub fn is_conflict(self) -> bool {
        matches!(self, Self::Garbled { .. } | Self::TwoMinds)
    }
}

/// Someone was heard at this id, valid or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    pub unit_id: u8,
    pub setting: Setting,
    pub late: bool,
    pub every_id: bool,
}

impl Sign {
    /// As far as it was seen, without a closer look.
    pub(crate) fn unexamined(self) -> Device {
        let Self { unit_id, setting, .. } = self;
        Device { unit_id, setting, reply: None, fits: Vec::new(), doubts: vec![Doubt::NotExamined] }
    }
}

/// None if nobody answers any more: it was noise.
pub(crate) fn examine(
    bus: &mut impl Bus,
    sign: Sign,
    candidates: &[Candidate],
) -> Result<Option<Device>, Lost> {
    let Sign { unit_id, setting, late, every_id } = sign;
    let who = Question { known: true, ..Question::who(unit_id, WAIT_MOST) };
    let mut heard = Vec::new();
    for _ in 0..TRIES {
        heard.push(bus.ask(&who)?);
        if heard.len() == 2 && heard.iter().all(|heard| *heard == Heard::Silence) {
            return Ok(None);
        }
    }
    let mut doubts = Vec::new();
    let bad = heard.iter().filter(|heard| matches!(heard, Heard::Garbled | Heard::Other(_))).count();
    if bad > GARBLED_MOST {
        doubts.push(Doubt::Garbled { bad, of: TRIES });
    } else if is_of_two_minds(&heard) {
        doubts.push(Doubt::TwoMinds);
    }
    if late {
        doubts.push(Doubt::Late);
    }
    if every_id {
        doubts.push(Doubt::EveryId);
    }
    let reply = median(&heard);
    let fits = match reply {
        Some(reply) if !doubts.iter().any(|doubt| doubt.is_conflict()) => {
            let wait = (reply * SLOWER).clamp(WAIT_LEAST, WAIT_MOST);
            fits(bus, unit_id, setting, wait, candidates)?
        }
        _ => Vec::new(),
    };
    let is_noise = reply.is_none() && bad <= GARBLED_MOST;
    Ok((!is_noise).then_some(Device { unit_id, setting, reply, fits, doubts }))
}

fn median(heard: &[Heard]) -> Option<Duration> {
    let mut delays: Vec<_> = heard.iter().filter_map(Heard::delay).collect();
    delays.sort_unstable();
    delays.get(delays.len() / 2).copied()
}

/// Exactly two values, each at least twice, and going back to the first: a quantity that moves does not.
fn is_of_two_minds(heard: &[Heard]) -> bool {
    let contents: Vec<_> = heard
        .iter()
        .filter_map(|heard| match heard {
            Heard::Words(words, _) => words.first().copied(),
            _ => None,
        })
        .collect();
    let Some(first) = contents.first() else { return false };
    let Some(second) = contents.iter().find(|value| *value != first) else { return false };
    let count = |value: &u16| contents.iter().filter(|other| *other == value).count();
    let only_two = count(first) + count(second) == contents.len();
    let changes = contents.windows(2).filter(|pair| pair[0] != pair[1]).count();
    only_two && count(first) >= 2 && count(second) >= 2 && changes >= 3 && first.abs_diff(*second) > 1
}
