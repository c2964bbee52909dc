//! What goes wrong and when: made from the seed alone, before anything starts.
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::proxy::Mode;
use crate::shim::Trouble;
use shouwang_tests::chance::Chance;

/// A program of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Gateway,
    Broker,
    DutyRoom,
}

/// Between the broker and whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Link {
    Gateway,
    DutyRoom,
}

/// One thing that is done to the world. `None` ends what an earlier act of the same kind began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `kill -9`.
    Kill(Who),
    /// SIGTERM.
    End(Who),
    Start(Who),
    /// SIGSTOP.
    Freeze(Who),
    /// SIGCONT.
    Thaw(Who),
    Network(Link, Mode),
    Reset(Link),
    Disk(Who, Option<Trouble>),
    /// Seconds off.
    Clock(Who, i64),
    Unplug(&'static str),
    Replug(&'static str),
    /// A device's smoke register.
    Smoke(usize, bool),
}

/// An act and its moment after the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) act: Act,
}

/// The lines of the field, and on which of them each device lies.
pub(crate) const SERIAL: &str = "rs485";
pub(crate) const TCP: &str = "pumps";
pub(crate) const DEVICES: &[(&str, &str)] = &[
    ("smoke-1", TCP),
    ("smoke-2", TCP),
    ("smoke-3", TCP),
    ("smoke-4", TCP),
    ("smoke-5", TCP),
    ("smoke-6", TCP),
    ("smoke-7", SERIAL),
    ("smoke-8", SERIAL),
    ("smoke-9", SERIAL),
    ("smoke-10", SERIAL),
];

/// Every kind of fault, sorted.
pub(crate) const ALL_FAULTS: &[&str] = &[
    "SIGTERM Broker",
    "SIGTERM DutyRoom",
    "SIGTERM Gateway",
    "clock",
    "disk of DutyRoom Full",
    "disk of DutyRoom SlowSync",
    "disk of DutyRoom SyncError",
    "disk of DutyRoom WriteError",
    "disk of Gateway Full",
    "disk of Gateway SlowSync",
    "disk of Gateway SyncError",
    "disk of Gateway WriteError",
    "freeze Broker",
    "freeze DutyRoom",
    "freeze Gateway",
    "kill Broker",
    "kill DutyRoom",
    "kill Gateway",
    "network Cut",
    "network Delay",
    "network Lose",
    "network Reset",
    "network Stall",
    "network Throttle",
    "unplug pumps",
    "unplug rs485",
];

/// Faults that do not overlap: each begins after the one before has ended.
type Track = fn(&mut Chance) -> (Act, Act, u64);

/// What hinders the gateway neither from reading nor from writing.
const OUTSIDE: &[Track] = &[
    |chance| process(chance, Who::Broker),
    |chance| process(chance, Who::DutyRoom),
    |chance| network(chance, Link::Gateway),
    |chance| network(chance, Link::DutyRoom),
    |chance| disk(chance, Who::DutyRoom),
    |chance| clock(chance, Who::Gateway),
    |chance| clock(chance, Who::DutyRoom),
];
const INSIDE: &[Track] = &[
    |chance| process(chance, Who::Gateway),
    |chance| disk(chance, Who::Gateway),
    |chance| (Act::Unplug(SERIAL), Act::Replug(SERIAL), chance.between(300, 5_000)),
    |chance| (Act::Unplug(TCP), Act::Replug(TCP), chance.between(300, 5_000)),
];

/// Everything for `length`. Each seed has a handful of the kinds of fault, so that some seeds are about few
/// things, and each of those happens again and again.
pub(crate) fn make(seed: u64, length: Duration) -> Vec<Step> {
    let mut chance = Chance::new(seed);
    let end_ms = u64::try_from(length.as_millis()).expect("a run is short");
    let mut steps = Vec::new();
    // In every third seed the gateway itself is well: then nothing excuses an alarm that it does not log.
    let inside = if chance.one_in(3) { 0 } else { chance.between(1, 3) };
    let outside = chance.between(2, 5);
    for number in 0..inside + outside {
        // A kind may be drawn twice; its acts then overlap, which the world bears.
        let track = chance.pick(if number < inside { INSIDE } else { OUTSIDE });
        let mut at = chance.between(1_500, 6_000);
        while at < end_ms {
            let (begin, end, lasts) = track(&mut chance);
            steps.push(step(at, begin));
            steps.push(step((at + lasts).min(end_ms), end));
            at += lasts + chance.between(1_000, 7_000);
        }
    }
    for (device, _) in DEVICES.iter().enumerate() {
        let mut smoke = false;
        let mut at = chance.between(500, 5_000);
        while at < end_ms {
            smoke = !smoke;
            steps.push(step(at, Act::Smoke(device, smoke)));
            // Mostly short; sometimes long enough that its event must be on disk before the next.
            at += if chance.one_in(3) { chance.between(8_000, 15_000) } else { chance.between(200, 4_000) };
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

impl Act {
    /// The kind of fault that this begins; none if it only ends one.
    pub(crate) fn fault(self) -> Option<String> {
        Some(match self {
            Self::Kill(who) => format!("kill {who:?}"),
            Self::End(who) => format!("SIGTERM {who:?}"),
            Self::Freeze(who) => format!("freeze {who:?}"),
            Self::Network(_, Mode::Pass) | Self::Disk(_, None) | Self::Clock(_, 0) => return None,
            Self::Network(_, mode) => {
                let mode = format!("{mode:?}");
                format!("network {}", mode.split(' ').next().unwrap_or_default())
            }
            Self::Reset(_) => "network Reset".to_owned(),
            Self::Disk(who, Some(trouble)) => {
                let trouble = format!("{trouble:?}");
                format!("disk of {who:?} {}", trouble.split(' ').next().unwrap_or_default())
            }
            Self::Clock(..) => "clock".to_owned(),
            Self::Unplug(line) => format!("unplug {line}"),
            Self::Start(_) | Self::Thaw(_) | Self::Replug(_) | Self::Smoke(..) => return None,
        })
    }
}

fn step(at_ms: u64, act: Act) -> Step {
    Step { at: Duration::from_millis(at_ms), act }
}

fn process(chance: &mut Chance, who: Who) -> (Act, Act, u64) {
    match chance.between(1, 4) {
        1 => (Act::Freeze(who), Act::Thaw(who), chance.between(300, 8_000)),
        2 => (Act::End(who), Act::Start(who), chance.between(200, 3_000)),
        _ => (Act::Kill(who), Act::Start(who), chance.between(100, 5_000)),
    }
}

fn network(chance: &mut Chance, link: Link) -> (Act, Act, u64) {
    let lasts = chance.between(300, 8_000);
    let mode = match chance.between(1, 9) {
        1 => Mode::Delay { ms: chance.between(5, 300) },
        2 => Mode::Stall,
        3 => Mode::Lose { up: true, down: true },
        4 => Mode::Lose { up: true, down: false },
        5 => Mode::Lose { up: false, down: true },
        6 => Mode::Throttle { bytes_per_s: chance.pick(&[1, 20, 400]) },
        7 => Mode::Cut,
        _ => return (Act::Reset(link), Act::Reset(link), lasts),
    };
    (Act::Network(link, mode), Act::Network(link, Mode::Pass), lasts)
}

fn disk(chance: &mut Chance, who: Who) -> (Act, Act, u64) {
    let every = chance.pick(&[1, 2, 7]);
    let trouble = match chance.between(1, 4) {
        1 => Trouble::Full { every },
        2 => Trouble::WriteError { every },
        3 => Trouble::SyncError { every },
        _ => Trouble::SlowSync { ms: chance.pick(&[10, 50, 500]) },
    };
    (Act::Disk(who, Some(trouble)), Act::Disk(who, None), chance.between(300, 7_000))
}

fn clock(chance: &mut Chance, who: Who) -> (Act, Act, u64) {
    const YEAR_S: i64 = 31_536_000;
    let off = [-30, 30, -3_600, 3_600, 86_400, -YEAR_S, 10 * YEAR_S, -56 * YEAR_S];
    (Act::Clock(who, chance.pick(&off)), Act::Clock(who, 0), chance.between(300, 9_000))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Kill(who) => write!(f, "kill -9 {who:?}"),
            Self::End(who) => write!(f, "SIGTERM {who:?}"),
            Self::Start(who) => write!(f, "start {who:?}"),
            Self::Freeze(who) => write!(f, "SIGSTOP {who:?}"),
            Self::Thaw(who) => write!(f, "SIGCONT {who:?}"),
            Self::Network(link, mode) => write!(f, "network of {link:?}: {mode:?}"),
            Self::Reset(link) => write!(f, "reset the connections of {link:?}"),
            Self::Disk(who, Some(trouble)) => write!(f, "disk of {who:?}: {trouble:?}"),
            Self::Disk(who, None) => write!(f, "disk of {who:?}: well"),
            Self::Clock(who, off) => write!(f, "clock of {who:?}: {off:+} s"),
            Self::Unplug(line) => write!(f, "unplug {line}"),
            Self::Replug(line) => write!(f, "replug {line}"),
            Self::Smoke(device, smoke) => {
                write!(f, "{} {}", DEVICES[device].0, if smoke { "smokes" } else { "is clear" })
            }
        }
    }
}

#[test]
fn a_seed_makes_one_schedule_and_every_fault_comes_to_its_turn() {
    let text = |seed| format!("{:?}", make(seed, Duration::from_secs(30)));
    assert_eq!(text(7), text(7));
    assert_ne!(text(7), text(8));
    let kinds: BTreeSet<String> = (0..200)
        .flat_map(|seed| make(seed, Duration::from_secs(30)))
        .filter_map(|step| step.act.fault())
        .collect();
    assert!(ALL_FAULTS.iter().copied().eq(kinds.iter().map(String::as_str)), "{kinds:?}");
}
