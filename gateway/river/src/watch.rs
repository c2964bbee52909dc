//! Which lines a stage holds: up at once, straight to the highest reached; down slowly, one line at a time.
//!
//! A line is reached after its on-delay, and with it every lower line: a jump shows all it crossed, the
//! highest first. It is left after readings that were good and lower by its deadband for its off-delay, and
//! then only does the next lower one begin to count. A missing or flagged reading leaves nothing.
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Quality;

use crate::{Colour, Flag, Flags, Line, Lines, Moment};

/// How far a reading may move the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Reaches after the on-delay, leaves after the off-delay.
    Good,
    /// Something speaks against it: it may reach, never leave.
    Doubted,
    /// Shown, and decides nothing until others agree with it: a spike.
    Rejected,
    /// A person read it from the staff gauge: it reaches at once, and leaves as a good one does.
    Read,
}

impl From<Flags> for Trust {
    fn from(flags: Flags) -> Self {
        if [Flag::Limit, Flag::Rate, Flag::Outlier].into_iter().any(|flag| flags.has(flag)) {
            Self::Rejected
        } else if flags.is_empty() {
            Self::Good
        } else {
            Self::Doubted
        }
    }
}

/// As documents tell it (`/history`, `/values`): `good`, `uncertain`, and `bad` for what decides nothing, with
/// its value or without. A person's reading is `good` too; who reads it knows that it is one.
impl From<Quality> for Trust {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::Good => Self::Good,
            Quality::Uncertain => Self::Doubted,
            Quality::Bad => Self::Rejected,
        }
    }
}

impl Trust {
    /// The word that a sample of this trust travels with.
    pub const fn quality(self) -> Quality {
        match self {
            Self::Good | Self::Read => Quality::Good,
            Self::Doubted => Quality::Uncertain,
            Self::Rejected => Quality::Bad,
        }
    }
}

/// One reading as the lines see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    pub at: Moment,
    /// Above the station's datum.
    pub stage_m: f64,
    pub trust: Trust,
    /// Standard deviation of the burst it is the median of, m; 0 if unknown. Two of them widen a deadband.
    pub sigma_m: f64,
}

impl Stage {
    pub const fn new(at: Moment, stage_m: f64, trust: Trust) -> Self {
        Self { at, stage_m, trust, sigma_m: 0.0 }
    }
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crossing {
    Reached { line: Line, level_m: f64, stage_m: f64 },
    Left { line: Line, level_m: f64, stage_m: f64 },
}

/// One station's lines and which of them are held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    lines: Lines,
    river: Ladder,
    pair: Ladder,
    /// The newest reading that counted.
    newest: Option<Moment>,
}

/// Lines that explain each other: the river's own, or the village's pair.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Ladder {
    /// By height, lowest first.
    rungs: Vec<Rung>,
    /// How long the highest held line has been undercut by good readings.
    lower_for: Duration,
    /// The last good reading, if nothing was missing since.
    good: Option<(Moment, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Rung {
    line: Line,
    level_m: f64,
    held: bool,
    /// Readings hold since then, with this stage newest.
    rising: Option<(Moment, f64)>,
}

impl Watch {
    pub fn new(lines: Lines) -> Self {
        let ladder = |of_the_pair: bool| {
            let of_it = lines.iter().filter(|(line, _)| line.is_of_the_pair() == of_the_pair);
            let mut rungs: Vec<Rung> =
                of_it.map(|(line, level_m)| Rung { line, level_m, held: false, rising: None }).collect();
            rungs.sort_by(|one, other| one.level_m.total_cmp(&other.level_m));
            Ladder { rungs, ..Ladder::default() }
        };
        Self { river: ladder(false), pair: ladder(true), newest: None, lines }
    }

    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// After a restart: this line was held before it. True if the station has it.
    pub fn restore(&mut self, line: Line) -> bool {
        let rung = self.river.rungs.iter_mut().chain(&mut self.pair.rungs).find(|rung| rung.line == line);
        rung.is_some_and(|rung| {
            rung.held = true;
            true
        })
    }

    /// What this reading changes, the highest line first. One that is not newer than the last changes nothing.
    pub fn take(&mut self, stage: Stage) -> Vec<Crossing> {
        if !stage.stage_m.is_finite() || self.newest.is_some_and(|newest| stage.at <= newest) {
            return Vec::new();
        }
        if stage.trust == Trust::Rejected {
            return Vec::new();
        }
        self.newest = Some(stage.at);
        let rules: BTreeMap<Line, crate::Rule> =
            self.lines.iter().map(|(line, _)| (line, self.lines.rule(line))).collect();
        let mut crossings = self.river.take(stage, &rules);
        crossings.extend(self.pair.take(stage, &rules));
        crossings
    }

    /// There was to be a reading and there is none: what was on its way up begins anew, what was on its way
    /// down stands still.
    pub fn missing(&mut self) {
        for ladder in [&mut self.river, &mut self.pair] {
            ladder.good = None;
            ladder.rungs.iter_mut().for_each(|rung| rung.rising = None);
        }
    }

    /// When to call [`Self::woke`]: reaching a line does not wait for the next reading, leaving does.
    pub fn next_deadline(&self) -> Option<Moment> {
        let rungs = self.river.rungs.iter().chain(&self.pair.rungs).filter(|rung| !rung.held);
        rungs.filter_map(|rung| Some(rung.rising?.0 + self.lines.rule(rung.line).on_delay)).min()
    }

    /// The time has come; early or repeated calls do no harm.
    pub fn woke(&mut self, now: Moment) -> Vec<Crossing> {
        let lines = &self.lines;
        let mut crossings = Vec::new();
        for ladder in [&mut self.river, &mut self.pair] {
            let ripe = ladder.rungs.iter().rposition(|rung| {
                !rung.held
                    && rung.rising.is_some_and(|(since, _)| since + lines.rule(rung.line).on_delay <= now)
            });
            if let Some(ripe) = ripe {
                let stage_m = ladder.rungs.get(ripe).and_then(|rung| rung.rising);
                crossings.extend(ladder.reach(ripe, stage_m.map_or(0.0, |(_, stage_m)| stage_m)));
            }
        }
        crossings
    }

    pub fn holds(&self, line: Line) -> bool {
        self.river.rungs.iter().chain(&self.pair.rungs).any(|rung| rung.line == line && rung.held)
    }

    pub fn colour(&self) -> Colour {
        let held = self.river.rungs.iter().filter(|rung| rung.held);
        held.map(|rung| self.lines.colour(rung.line)).max().unwrap_or_default()
    }

    /// The higher of the village's pair that is held.
    pub fn evacuation(&self) -> Option<Line> {
        self.pair.rungs.iter().rev().find(|rung| rung.held).map(|rung| rung.line)
    }
}

impl Ladder {
    fn take(&mut self, stage: Stage, rules: &BTreeMap<Line, crate::Rule>) -> Vec<Crossing> {
        let Stage { at, stage_m, trust, sigma_m } = stage;
        let rule = |line: &Line| rules.get(line).copied().unwrap_or_default();
        let mut ripe = None;
        for (index, rung) in self.rungs.iter_mut().enumerate() {
            if stage_m < rung.level_m {
                rung.rising = None;
                continue;
            }
            let since = rung.rising.map_or(at, |(since, _)| since);
            rung.rising = Some((since, stage_m));
            if trust == Trust::Read || at.since(since) >= rule(&rung.line).on_delay {
                ripe = Some(index);
            }
        }
        let mut crossings = ripe.map(|index| self.reach(index, stage_m)).unwrap_or_default();
        if trust == Trust::Doubted {
            self.good = None;
            return crossings;
        }
        let before = self.good.replace((at, stage_m));
        crossings.extend(self.fall(before, (at, stage_m), |rung| {
            let rule = rule(&rung.line);
            (rung.level_m - rule.deadband_m.max(2.0 * sigma_m), rule.off_delay)
        }));
        crossings
    }

    /// This line and all below it are held now; those that were not, the highest first.
    fn reach(&mut self, index: usize, stage_m: f64) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for rung in self.rungs.iter_mut().take(index + 1).rev().filter(|rung| !rung.held) {
            rung.held = true;
            crossings.push(Crossing::Reached { line: rung.line, level_m: rung.level_m, stage_m });
        }
        if !crossings.is_empty() {
            self.lower_for = Duration::ZERO;
        }
        crossings
    }

    /// The highest line is left once good readings in a row have undercut it for long enough; what is left of
    /// that time counts for the next one. `left_below` gives the stage and the time that leaving takes.
    fn fall(
        &mut self,
        before: Option<(Moment, f64)>,
        (at, stage_m): (Moment, f64),
        left_below: impl Fn(&Rung) -> (f64, Duration),
    ) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let mut passed = before.map_or(Duration::ZERO, |(before, _)| at.since(before));
        while let Some(rung) = self.rungs.iter_mut().rev().find(|rung| rung.held) {
            let (below_m, off_delay) = left_below(rung);
            if stage_m > below_m {
                self.lower_for = Duration::ZERO;
                break;
            }
            if before.is_some_and(|(_, before_m)| before_m > below_m) {
                passed = Duration::ZERO;
            }
            let missing = off_delay.saturating_sub(self.lower_for);
            if passed < missing {
                self.lower_for += passed;
                break;
            }
            passed -= missing;
            self.lower_for = Duration::ZERO;
            rung.held = false;
            rung.rising = None;
            crossings.push(Crossing::Left { line: rung.line, level_m: rung.level_m, stage_m });
        }
        crossings
    }
}

/// The colour after all these readings, whatever order they are given in: for what was back-filled, and for
/// what people read. Doubled readings count once.
pub fn colour_after(lines: &Lines, stages: impl IntoIterator<Item = Stage>) -> Colour {
    let mut stages: Vec<Stage> = stages.into_iter().collect();
    // Of two readings of one moment the higher counts: it sorts first, and the other is not newer.
    stages.sort_by(|one, other| one.at.cmp(&other.at).then(other.stage_m.total_cmp(&one.stage_m)));
    let mut watch = Watch::new(lines.clone());
    for stage in stages {
        watch.take(stage);
    }
    watch.colour()
}
