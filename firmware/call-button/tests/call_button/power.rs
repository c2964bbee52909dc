//! The power fails at every flash word, in every way: what is kept is the old or the new, never a mixture,
//! and the unit goes on.

use call_button::{CallButton, Counters, Display, Flash, FlashError, Inputs, PAGES, Settings};

use crate::world::{Chance, MS, bytes, framed};

/// Two records a page, so that pages turn all the time.
const PAGE_WORDS: usize = 4;
const BLANK: u64 = u64::MAX;

/// How a double word or a page looks that the power failed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// It was not begun.
    Before,
    /// Programming: an ECC fault. Erasing: every word an ECC fault.
    Torn,
    /// Programming: bits that are not what was meant. Erasing: only the first words are erased.
    Partial,
    /// It was complete, but nothing after it.
    After,
    /// It reads as if it were complete and was not: a read between both levels.
    Weak,
}

const CUTS: [Cut; 5] = [Cut::Before, Cut::Torn, Cut::Partial, Cut::After, Cut::Weak];

#[derive(Clone, Debug)]
struct Cell {
    words: [Result<u64, FlashError>; PAGES * PAGE_WORDS],
    /// Words that read as erased and cannot be programmed.
    weak: [bool; PAGES * PAGE_WORDS],
    /// So many operations until the power fails.
    left: Option<(usize, Cut)>,
    off: bool,
    operations: usize,
}

impl Cell {
    fn new() -> Self {
        Self {
            words: [Ok(BLANK); PAGES * PAGE_WORDS],
            weak: [false; PAGES * PAGE_WORDS],
            left: None,
            off: false,
            operations: 0,
        }
    }

    /// What happens to this operation: `None` if it is a normal one.
    fn step(&mut self) -> Result<Option<Cut>, FlashError> {
        if self.off {
            return Err(FlashError::Failed);
        }
        self.operations += 1;
        if let Some((left, cut)) = &mut self.left {
            if *left == 0 {
                self.off = true;
                return Ok(Some(*cut));
            }
            *left -= 1;
        }
        Ok(None)
    }

    fn powered(&self) -> Self {
        Self { left: None, off: false, operations: 0, ..self.clone() }
    }
}

impl Flash for Cell {
    const PAGE_WORDS: usize = PAGE_WORDS;

    fn read(&self, word: usize) -> Result<u64, FlashError> {
        self.words[word]
    }

    fn program(&mut self, word: usize, value: u64) -> Result<(), FlashError> {
        let cut = self.step()?;
        if cut == Some(Cut::Before) {
            return Err(FlashError::Failed);
        }
        // The real one refuses a word that was programmed, and so does a weak one after the fact.
        if self.words[word] != Ok(BLANK) {
            return Err(FlashError::Failed);
        }
        self.words[word] = match cut {
            Some(Cut::Torn) => Err(FlashError::Ecc),
            Some(Cut::Partial) => Ok(value | 0x0000_FFFF_0F0F_0000),
            Some(Cut::Weak) => {
                self.weak[word] = true;
                Ok(BLANK)
            }
            _ if self.weak[word] => Ok(value & 0x00FF_00FF_FF00_FF00),
            _ => Ok(value),
        };
        if cut.is_some() { Err(FlashError::Failed) } else { Ok(()) }
    }

    fn erase(&mut self, page: usize) -> Result<(), FlashError> {
        let cut = self.step()?;
        let all = page * PAGE_WORDS..(page + 1) * PAGE_WORDS;
        match cut {
            Some(Cut::Before) => {}
            Some(Cut::Torn) => self.words[all].fill(Err(FlashError::Ecc)),
            Some(Cut::Partial) => self.words[all.start..all.start + PAGE_WORDS / 2 + 1].fill(Ok(BLANK)),
            Some(Cut::Weak) => {
                self.words[all.clone()].fill(Ok(BLANK));
                self.weak[all].fill(true);
            }
            Some(Cut::After) | None => {
                self.words[all.clone()].fill(Ok(BLANK));
                self.weak[all].fill(false);
            }
        }
        if cut.is_some() { Err(FlashError::Failed) } else { Ok(()) }
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Press,
    Cancel,
    Echo,
    UnitId(u8),
    Baud(u8),
}

const STORY: [Act; 14] = [
    Act::Press,
    Act::UnitId(12),
    Act::Echo,
    Act::Press,
    Act::Press,
    Act::Baud(0),
    Act::Cancel,
    Act::UnitId(247),
    Act::Press,
    Act::Echo,
    Act::Baud(1),
    Act::Press,
    Act::UnitId(1),
    Act::Press,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    settings: Settings,
    counters: Counters,
}

fn kept(unit: &CallButton<Cell>) -> Kept {
    Kept { settings: unit.settings(), counters: unit.counters() }
}

struct Run {
    unit: CallButton<Cell>,
    now: u64,
    shown: (Display, u16),
}

impl Run {
    fn start(flash: Cell) -> Self {
        let unit = CallButton::start(flash, 1, 0);
        let shown = (unit.display(), unit.counters().presses);
        let mut run = Self { unit, now: 0, shown };
        run.hold(Inputs::default(), 5);
        run
    }

    fn hold(&mut self, inputs: Inputs, ms: u64) {
        for _ in 0..ms {
            self.now += MS;
            self.unit.tick(self.now, inputs);
            let shows = (self.unit.display(), self.unit.counters().presses);
            if shows != self.shown && !self.unit.flash().off {
                self.shown = shows;
                self.assert_the_lamp_is_true();
            }
        }
    }

    /// The power may go now: what the lamp says is kept.
    fn assert_the_lamp_is_true(&self) {
        let counters = self.unit.counters();
        if self.unit.display() == Display::Calling && counters.latched {
            let after_a_cut = CallButton::start(self.unit.flash().powered(), 1, 0).counters();
            assert!(after_a_cut.latched && after_a_cut.presses == counters.presses, "{after_a_cut:?}");
        }
    }

    fn act(&mut self, act: Act) {
        let write = |address: [u8; 2], value: u16| {
            let [high, low] = value.to_be_bytes();
            [6, address[0], address[1], high, low]
        };
        let pdu = match act {
            Act::Press | Act::Cancel => {
                let press = matches!(act, Act::Press);
                self.hold(Inputs { button: press, cancel: !press, ..Inputs::default() }, 40);
                self.hold(Inputs::default(), 40);
                return;
            }
            Act::Echo => write([0, 0], self.unit.counters().presses),
            Act::UnitId(id) => write([7, 0xD0], id.into()),
            Act::Baud(code) => write([7, 0xD1], code.into()),
        };
        let frame = framed(self.unit.settings().unit_id(), &pdu);
        self.unit.request(self.now, &frame);
        self.unit.sent();
    }
}

/// What is kept before and after each act without any cut, beginning with an unused unit.
fn history() -> (Vec<Kept>, usize) {
    let mut run = Run::start(Cell::new());
    let mut history = vec![kept(&run.unit)];
    for act in STORY {
        run.act(act);
        history.push(kept(&run.unit));
    }
    (history, run.unit.flash().operations)
}

/// Runs the story until the power fails at operation `at`, and starts again; which act it was in.
fn until_the_cut(at: usize, cut: Cut) -> (usize, Cell) {
    let mut flash = Cell::new();
    flash.left = Some((at, cut));
    let mut run = Run::start(flash);
    let mut acts = 0;
    while !run.unit.flash().off {
        run.act(STORY[acts]);
        acts += 1;
    }
    (acts, run.unit.flash().powered())
}

fn assert_old_or_new(found: Kept, history: &[Kept], acts: usize, boots: u16, story: &str) {
    let was = |state: &Kept| {
        found.settings == state.settings
            && Counters { boots: 0, ..found.counters } == Counters { boots: 0, ..state.counters }
    };
    let old = acts.checked_sub(1).map(|before| &history[before]);
    let new = &history[acts.min(history.len() - 1)];
    assert!(
        was(new) || old.is_some_and(was) || (acts == 0 && found.settings == Settings::default()),
        "{story}: {found:?} is neither {old:?} nor {new:?}"
    );
    assert!(found.counters.boots <= boots && found.counters.boots >= 1, "{story}: {found:?}");
}

#[test]
fn a_cut_at_every_flash_operation_leaves_the_old_or_the_new() {
    let (history, operations) = history();
    assert!(operations >= 40, "{operations}");
    for cut in CUTS {
        for at in 0..operations {
            let story = format!("{cut:?} at operation {at}");
            let (acts, flash) = until_the_cut(at, cut);
            let run = Run::start(flash);
            assert_old_or_new(kept(&run.unit), &history, acts, 2, &story);
            // And it goes on: everything can be kept again.
            let mut run = run;
            run.act(Act::Press);
            run.act(Act::UnitId(77));
            let after = kept(&run.unit);
            assert_eq!(run.unit.register(run.now, modbus_wire::Table::DiscreteInput, 1), Some(1), "{story}");
            assert_eq!(after.settings.unit_id(), 77, "{story}");
            let again = kept(&Run::start(run.unit.flash().powered()).unit);
            assert_eq!(again.settings, after.settings, "{story}");
            assert_eq!(
                again.counters,
                Counters { boots: after.counters.boots + 1, ..after.counters },
                "{story}"
            );
        }
    }
}

#[test]
fn a_second_cut_while_starting_after_the_first_changes_nothing() {
    let (history, operations) = history();
    for first in CUTS {
        for second in CUTS {
            for at in 0..operations {
                let (acts, flash) = until_the_cut(at, first);
                for again in 0..4 {
                    let story = format!("{first:?} at operation {at}, then {second:?} at {again}");
                    let mut flash = flash.clone();
                    flash.left = Some((again, second));
                    let flash = Run::start(flash).unit.flash().powered();
                    let run = Run::start(flash);
                    assert_old_or_new(kept(&run.unit), &history, acts, 3, &story);
                }
            }
        }
    }
}

/// A random story with a cut at a random place, against what the same act does without one.
fn random_cut(seed: u64) {
    let mut chance = Chance(seed);
    let cut = CUTS[chance.below(CUTS.len())];
    let mut flash = Cell::new();
    flash.left = Some((chance.below(60), cut));
    let mut run = Run::start(flash);
    // A cut in the very first start: the unit was never used.
    let unused = Kept { settings: Settings::default(), counters: Counters::default() };
    let (mut old, mut new) = (unused, unused);
    while !run.unit.flash().off {
        let act = match chance.below(5) {
            0 | 1 => Act::Press,
            2 => Act::Echo,
            3 => Act::Cancel,
            _ if chance.below(2) == 0 => Act::Baud(chance.below(3) as u8),
            _ => Act::UnitId(chance.below(247) as u8 + 1),
        };
        old = kept(&run.unit);
        let mut uncut = Run::start(run.unit.flash().powered());
        uncut.act(act);
        new = kept(&uncut.unit);
        run.act(act);
    }
    let mut found = kept(&Run::start(run.unit.flash().powered()).unit);
    for one in [&mut found, &mut old, &mut new] {
        one.counters.boots = 0;
    }
    assert!(found == old || found == new, "seed {seed}, {cut:?}: {found:?}, not {old:?} nor {new:?}");
}

#[test]
fn a_thousand_random_cuts() {
    (0..1_000).for_each(random_cut);
}

#[test]
#[ignore = "takes minutes: for the long tests, in release"]
fn a_million_random_cuts() {
    (0..1_000_000).for_each(random_cut);
}

#[test]
fn the_oracle_is_not_asleep() {
    let (history, _) = history();
    let mixed = Kept { settings: history[2].settings, counters: history[0].counters };
    let caught = std::panic::catch_unwind(|| assert_old_or_new(mixed, &history, 2, 2, "planted"));
    assert!(caught.is_err());
}

#[test]
fn lost_settings_are_told_and_the_default_ones_act() {
    let mut run = Run::start(Cell::new());
    run.act(Act::UnitId(12));
    let mut flash = run.unit.flash().powered();
    for word in 0..2 * PAGE_WORDS {
        flash.words[word] = Err(FlashError::Ecc);
    }
    let mut run = Run::start(flash);
    assert_eq!(run.unit.settings(), Settings::default());
    let faults = |run: &Run| run.unit.register(run.now, modbus_wire::Table::InputRegister, 10).unwrap();
    assert_eq!(faults(&run), 0b1000);
    let frame = framed(1, &bytes("06 07 D0 00 01"));
    assert_eq!(run.unit.request(run.now, &frame), Some(&frame[..]));
    run.unit.sent();
    assert_eq!(faults(&run), 0, "set again, if only to what it is");
    assert_eq!(faults(&Run::start(run.unit.flash().powered())), 0);
}
