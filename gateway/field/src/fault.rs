//! What can be wrong with a device or a line, and what that does to an answer.
//!
//! Faults are written the same way everywhere: `dead`, `slow 300`, `noisy 20`.
use std::fmt;
use std::str::FromStr;

use modbus_wire::{ExceptionCode, rtu};

use crate::chance::Chance;
use crate::clock::{Nanos, millis};

/// One thing that is wrong. A target has at most one of a kind; a second one replaces the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither hears nor answers.
    Dead,
    /// Dead and alive in turn, for this many ms each.
    Flapping { ms: u32 },
    /// Answers this many ms later than usual.
    Slow { ms: u32 },
    /// Answers this many ms after the request; without a number 100 ms later than a gateway waits
    /// (200 ms, or the profile's longest delay).
    Late { ms: Option<u32> },
    /// So many answers of a hundred have noise before or behind them, or a wrong byte inside.
    Noisy { percent: u8 },
    /// Answers in the name of the next unit id.
    WrongUnitId,
    /// Refuses every request with this code.
    Exception { code: u8 },
    /// The end of each answer is missing.
    Truncated,
    /// Each answer comes twice without a pause between.
    Joined,
    /// Each request comes back: on a line while it is sent (a half-duplex adapter), from a device just
    /// before its answer.
    Echo,
    /// Sends noise unasked, about every so many ms.
    Babble { every_ms: u32 },
    /// TCP: the connection is closed instead of an answer.
    Close,
}

/// All faults, with their arguments, for error messages and help.
pub const FAULT_WORDS: &str = "dead, flapping [MS], slow [MS], late [MS], noisy [PERCENT], wrong_unit_id, \
     exception [CODE], truncated, joined, echo, babble [MS], close";

const FLAPPING_MS: u32 = 5_000;
const SLOW_MS: u32 = 100;
const NOISY_PERCENT: u8 = 20;
const BABBLE_MS: u32 = 300;
/// What a line's configuration waits for a first byte unless it says otherwise (contract.md).
const USUAL_TIMEOUT: Nanos = millis(200);
const BEYOND_TIMEOUT: Nanos = millis(100);

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let word = words.next().unwrap_or_default();
        let argument = words.next();
        if words.next().is_some() {
            return Err(format!("{text:?} has too many words; a fault is a word and at most one number"));
        }
        let fault = match word {
            "dead" => Self::Dead,
            "flapping" => Self::Flapping { ms: number(argument, 10, 600_000)?.unwrap_or(FLAPPING_MS) },
            "slow" => Self::Slow { ms: number(argument, 1, 60_000)?.unwrap_or(SLOW_MS) },
            "late" => Self::Late { ms: number(argument, 1, 60_000)? },
            "noisy" => Self::Noisy { percent: number(argument, 1, 100)?.unwrap_or(NOISY_PERCENT) },
            "wrong_unit_id" => Self::WrongUnitId,
            "exception" => Self::Exception {
                code: number(argument, 0, 255)?.unwrap_or(ExceptionCode::SERVER_DEVICE_FAILURE.0),
            },
            "truncated" => Self::Truncated,
            "joined" => Self::Joined,
            "echo" => Self::Echo,
            "babble" => Self::Babble { every_ms: number(argument, 10, 60_000)?.unwrap_or(BABBLE_MS) },
            "close" => Self::Close,
            _ => return Err(format!("no fault is called {word:?}; faults are {FAULT_WORDS}")),
        };
        let bare = matches!(
            fault,
            Self::Dead | Self::WrongUnitId | Self::Truncated | Self::Joined | Self::Echo | Self::Close
        );
        match argument {
            Some(argument) if bare => Err(format!("{word} takes no number, but {argument:?} follows it")),
            _ => Ok(fault),
        }
    }
}

fn number<N: TryFrom<u32>>(argument: Option<&str>, least: u32, most: u32) -> Result<Option<N>, String> {
    let Some(argument) = argument else { return Ok(None) };
    let number = argument.parse().ok().filter(|number| (least..=most).contains(number));
    let number = number.and_then(|number| N::try_from(number).ok());
    number.map(Some).ok_or_else(|| format!("{argument:?} must be a whole number from {least} to {most}"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("dead"),
            Self::Flapping { ms } => write!(f, "flapping {ms}"),
            Self::Slow { ms } => write!(f, "slow {ms}"),
            Self::Late { ms: Some(ms) } => write!(f, "late {ms}"),
            Self::Late { ms: None } => f.write_str("late"),
            Self::Noisy { percent } => write!(f, "noisy {percent}"),
            Self::WrongUnitId => f.write_str("wrong_unit_id"),
            Self::Exception { code } => write!(f, "exception {code}"),
            Self::Truncated => f.write_str("truncated"),
            Self::Joined => f.write_str("joined"),
            Self::Echo => f.write_str("echo"),
            Self::Babble { every_ms } => write!(f, "babble {every_ms}"),
            Self::Close => f.write_str("close"),
        }
    }
}

impl Fault {
    /// Modbus TCP has no bytes to spoil: the framing is the server library's.
    pub(crate) fn fits_modbus_tcp(self) -> bool {
        matches!(
            self,
            Self::Dead
                | Self::Flapping { .. }
                | Self::Slow { .. }
                | Self::Late { .. }
                | Self::Exception { .. }
                | Self::Close
        )
    }

    pub(crate) fn fits_rtu(self) -> bool {
        self != Self::Close
    }
}

/// The faults of one device or line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn switch(&mut self, fault: Fault, on: bool) {
        self.0.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&fault));
        if on {
            self.0.push(fault);
        }
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// A line's echo is heard while the request is sent, not before an answer.
    pub(crate) fn without_echo(&self) -> Self {
        Self(self.0.iter().copied().filter(|fault| *fault != Fault::Echo).collect())
    }

    pub(crate) fn is_deaf(&self, now: Nanos) -> bool {
        self.0.iter().any(|fault| match fault {
            Fault::Dead => true,
            Fault::Flapping { ms } => (now / millis(*ms)) % 2 == 1,
            _ => false,
        })
    }

    pub(crate) fn exception(&self) -> Option<ExceptionCode> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Exception { code } => Some(ExceptionCode(*code)),
            _ => None,
        })
    }

    pub(crate) fn babble(&self) -> Option<Nanos> {
        self.0.iter().find_map(|fault| match fault {
            Fault::Babble { every_ms } => Some(millis(*every_ms)),
            _ => None,
        })
    }

    /// From the end of the request to the first byte of the answer.
    pub(crate) fn delay(&self, usual: Nanos, longest: Nanos) -> Nanos {
        self.0.iter().fold(usual, |delay, fault| match fault {
            Fault::Slow { ms } => delay + millis(*ms),
            Fault::Late { ms: Some(ms) } => delay.max(millis(*ms)),
            Fault::Late { ms: None } => delay.max(longest.max(USUAL_TIMEOUT) + BEYOND_TIMEOUT),
            _ => delay,
        })
    }

    /// What really goes on the wire instead of this answer.
    pub(crate) fn spoil(&self, request: &[u8], answer: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
        self.0.iter().fold(answer, |answer, fault| match fault {
            Fault::Noisy { percent } if chance.percent(*percent) => add_noise(answer, chance),
            Fault::WrongUnitId => in_the_name_of_the_next(answer),
            Fault::Truncated => truncate(answer, chance),
            Fault::Joined => answer.repeat(2),
            Fault::Echo => [request, &answer].concat(),
            _ => answer,
        })
    }
}

fn add_noise(mut answer: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    match chance.below(3) {
        0 => [chance.noise(1, 4), answer].concat(),
        1 => [answer, chance.noise(1, 4)].concat(),
        _ => {
            let at = usize::try_from(chance.below(answer.len() as u64)).unwrap_or(0);
            let flip = 1 << chance.below(8);
            if let Some(byte) = answer.get_mut(at) {
                *byte ^= flip;
            }
            answer
        }
    }
}

fn in_the_name_of_the_next(answer: Vec<u8>) -> Vec<u8> {
    let mut frame = [0; modbus_wire::MAX_RTU_FRAME];
    let Ok((unit_id, pdu)) = rtu::decode(&answer) else { return answer };
    let other = if unit_id >= 247 { 1 } else { unit_id + 1 };
    let len = rtu::encode(other, pdu, &mut frame).unwrap_or(0);
    frame.get(..len).map_or_else(Vec::new, <[u8]>::to_vec)
}

/// At least one byte stays, at least one is missing.
fn truncate(mut answer: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    let keep = 1 + chance.below((answer.len() as u64).saturating_sub(1));
    answer.truncate(usize::try_from(keep).unwrap_or(1));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = &[1, 3, 0, 3, 0, 1, 0x74, 0x0A];
    const ANSWER: &[u8] = &[1, 3, 2, 0, 1, 0x79, 0x84];

    fn spoilt(fault: &str, seed: u64) -> Vec<u8> {
        let mut faults = Faults::default();
        faults.switch(fault.parse().unwrap(), true);
        faults.spoil(REQUEST, ANSWER.to_vec(), &mut Chance::new(seed, "smoke"))
    }

    #[test]
    fn every_fault_reads_back_as_it_is_written() {
        for text in [
            "dead",
            "flapping 50",
            "slow 300",
            "late",
            "late 900",
            "noisy 7",
            "wrong_unit_id",
            "exception 6",
            "truncated",
            "joined",
            "echo",
            "babble 40",
            "close",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_bad_fault_says_what_would_be_good() {
        assert!("slwo 300".parse::<Fault>().unwrap_err().contains("slow [MS]"));
        assert!("noisy 101".parse::<Fault>().unwrap_err().contains("1 to 100"));
        assert!("dead 5".parse::<Fault>().unwrap_err().contains("no number"));
        assert!("slow 1 2".parse::<Fault>().unwrap_err().contains("too many"));
        assert!("".parse::<Fault>().is_err());
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed_and_never_leaves_the_frame_alone() {
        for seed in 0..50 {
            assert_eq!(spoilt("noisy 100", seed), spoilt("noisy 100", seed));
            assert_ne!(spoilt("noisy 100", seed), ANSWER);
        }
        let whole = (0..1000).filter(|seed| spoilt("noisy 20", *seed) == ANSWER).count();
        assert!((740..860).contains(&whole), "{whole} of 1000 answers were left alone at 20 %");
    }

    #[test]
    fn byte_faults_are_what_their_names_say() {
        let (unit_id, pdu) = rtu::decode(&spoilt("wrong_unit_id", 1)).map(|(u, p)| (u, p.to_vec())).unwrap();
        assert_eq!((unit_id, pdu), (2, ANSWER[1..5].to_vec()));
        assert_eq!(spoilt("joined", 1), [ANSWER, ANSWER].concat());
        assert_eq!(spoilt("echo", 1), [REQUEST, ANSWER].concat());
        for seed in 0..50 {
            let cut = spoilt("truncated", seed);
            assert!(!cut.is_empty() && cut.len() < ANSWER.len() && ANSWER.starts_with(&cut));
        }
    }

    #[test]
    fn a_late_answer_comes_after_any_honest_time_out() {
        let mut faults = Faults::default();
        faults.switch(Fault::Late { ms: None }, true);
        assert_eq!(faults.delay(millis(20), millis(0)), millis(300));
        assert_eq!(faults.delay(millis(20), millis(350)), millis(450));
        faults.switch(Fault::Late { ms: Some(900) }, true);
        assert_eq!(faults.delay(millis(20), millis(350)), millis(900), "a second one replaces the first");
        faults.switch(Fault::Late { ms: None }, false);
        assert_eq!(faults.delay(millis(20), 0), millis(20));
    }
}
