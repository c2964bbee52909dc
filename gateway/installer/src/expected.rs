//! What registers mean, from what a person reads beside them: every type, word order and scale is tried, and those
//! that come within 5 % of the expected reading are kept. A second, different reading settles it.
use std::fmt;

use shouwang_core::decode::bare_number;
use shouwang_core::profile::{Kind, WordOrder};

/// One way to take one or two registers: the number, times ten to a power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub kind: Kind,
    /// Of ten: -2 divides by 100.
    pub exponent: i8,
}

/// Registers as read, and what a person read at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    pub words: Vec<u16>,
    pub expected: f64,
}

/// A reading as a person takes it: off a display, a ruler, another instrument.
const TOLERANCE: f64 = 0.05;
/// The least different that a second reading may be, so that one raw value cannot agree with both.
const APART: f64 = 2.0 * TOLERANCE + 0.01;
/// Nearer to zero than this every type agrees with every other.
const LEAST: f64 = 1e-3;
const EXPONENTS: std::ops::RangeInclusive<i8> = -4..=3;
const ORDERS: [WordOrder; 4] = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Dcba, WordOrder::Badc];

/// Every type and word order, the plainest first: of two that agree with all that was seen the first is meant.
pub fn kinds() -> Vec<Kind> {
    let mut kinds = vec![Kind::U16, Kind::I16];
    kinds.extend(ORDERS.map(Kind::F32));
    kinds.extend(ORDERS.map(Kind::U32));
    kinds.extend(ORDERS.map(Kind::I32));
    kinds.extend([Kind::LowByte, Kind::HighByte, Kind::Bcd]);
    kinds
}

/// Why a reading settles nothing, in words for a person; none if it can.
pub fn is_useless(expected: f64, before: &[Sighting]) -> Option<&'static str> {
    if !expected.is_finite() || expected.abs() < LEAST {
        return Some(
            "读数为零什么也说明不了:等它不是零 · a reading of zero tells nothing: wait until it is not zero",
        );
    }
    let near =
        |seen: &Sighting| (seen.expected - expected).abs() < APART * expected.abs().max(seen.expected.abs());
    if before.iter().any(near) {
        return Some(
            "和前一个太接近:等读数变化一成以上 · too near to the one before: wait until the reading has moved by a tenth or more",
        );
    }
    None
}

/// All meanings that agree with all sightings, the plainest first. Of those that gave the same numbers every time
/// only the plainest is kept.
pub fn meanings(sightings: &[Sighting]) -> Vec<Meaning> {
    let mut kept: Vec<(Meaning, Vec<f64>)> = Vec::new();
    if sightings.is_empty() {
        return Vec::new();
    }
    for exponent in plain_first() {
        for kind in kinds() {
            let meaning = Meaning { kind, exponent };
            let values: Option<Vec<f64>> = sightings.iter().map(|seen| meaning.agreeing(seen)).collect();
            if let Some(values) = values
                && !kept.iter().any(|(_, same)| *same == values)
            {
                kept.push((meaning, values));
            }
        }
    }
    kept.into_iter().map(|(meaning, _)| meaning).collect()
}

/// Unscaled, then by how much is scaled.
fn plain_first() -> Vec<i8> {
    let mut exponents: Vec<i8> = EXPONENTS.collect();
    exponents.sort_by_key(|exponent| exponent.abs());
    exponents
}

impl Meaning {
    /// The value that these registers have then.
    pub fn value(self, words: &[u16]) -> Option<f64> {
        let number = bare_number(self.kind, words)?;
        let (numerator, denominator) = self.scale();
        Some(number * f64::from(numerator) / f64::from(denominator))
    }

    /// As a fraction.
    pub fn scale(self) -> (u32, u32) {
        let power = 10_u32.saturating_pow(self.exponent.unsigned_abs().into());
        if self.exponent < 0 { (1, power) } else { (power, 1) }
    }

    /// Decimals that are worth showing.
    pub fn decimals(self) -> u8 {
        let fraction = matches!(self.kind, Kind::F32(_));
        self.exponent.min(0).unsigned_abs().max(if fraction { 3 } else { 0 })
    }

    fn agreeing(self, seen: &Sighting) -> Option<f64> {
        let value = self.value(&seen.words)?;
        ((value - seen.expected).abs() <= TOLERANCE * seen.expected.abs()).then_some(value)
    }
}

/// A type's and an order's names in a profile.
pub fn names(kind: Kind) -> (&'static str, Option<&'static str>) {
    let order = |order| {
        Some(match order {
            WordOrder::Abcd => "ABCD",
            WordOrder::Cdab => "CDAB",
            WordOrder::Dcba => "DCBA",
            WordOrder::Badc => "BADC",
        })
    };
    match kind {
        Kind::U16 => ("u16", None),
        Kind::I16 => ("i16", None),
        Kind::U32(words) => ("u32", order(words)),
        Kind::I32(words) => ("i32", order(words)),
        Kind::F32(words) => ("f32", order(words)),
        Kind::HighByte => ("high_byte", None),
        Kind::LowByte => ("low_byte", None),
        Kind::Bcd => ("bcd", None),
        Kind::Bool { .. } => ("bool", None),
        Kind::Bits { .. } => ("bits", None),
        Kind::Ascii { .. } => ("string", None),
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, order) = names(self.kind);
        f.write_str(kind)?;
        if let Some(order) = order {
            write!(f, " {order}")?;
        }
        match self.scale() {
            (1, 1) => Ok(()),
            (1, denominator) => write!(f, " / {denominator}"),
            (numerator, _) => write!(f, " x {numerator}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(words: &[u16], expected: f64) -> Sighting {
        Sighting { words: words.to_vec(), expected }
    }

    fn told(sightings: &[Sighting]) -> Vec<String> {
        meanings(sightings).iter().map(Meaning::to_string).collect()
    }

    /// The design's own vector: 3D71 405A is 3.41 in one order only.
    #[test]
    fn a_swapped_float_is_settled_by_one_reading() {
        let words = [0x3D71, 0x405A];
        assert_eq!(told(&[seen(&words, 3.4)]), ["f32 CDAB"]);
        let value = |order| Meaning { kind: Kind::F32(order), exponent: 0 }.value(&words).expect("a number");
        assert_eq!(format!("{:.2}", value(WordOrder::Cdab)), "3.41");
        assert_eq!(format!("{:.3}", value(WordOrder::Abcd)), "0.059");
        assert_eq!(format!("{:.1e}", value(WordOrder::Dcba)), "1.4e16");
        assert_eq!(format!("{:.1e}", value(WordOrder::Badc)), "9.4e29");
    }

    #[test]
    fn a_second_reading_settles_what_one_leaves_open() {
        // 5.12 in hundredths; its high byte is 2, its low byte 0, and the word behind it is 0x0033.
        let first = seen(&[512, 0x0033], 5.1);
        assert!(told(std::slice::from_ref(&first)).contains(&"u16 / 100".to_owned()));
        let second = seen(&[233, 0x0007], 2.33);
        assert_eq!(told(&[first, second]), ["u16 / 100"]);
    }

    #[test]
    fn a_reading_that_says_nothing_is_refused() {
        assert!(is_useless(0.0, &[]).is_some() && is_useless(f64::NAN, &[]).is_some());
        let before = [seen(&[340], 3.4)];
        assert!(is_useless(3.5, &before).is_some());
        assert!(is_useless(2.0, &before).is_none() && is_useless(-3.4, &before).is_none());
        assert_eq!(meanings(&[]), []);
    }

    fn any_kind() -> impl Strategy<Value = Kind> {
        proptest::sample::select(kinds())
    }

    proptest! {
        /// Whatever the device means is among what is kept, or something that gives the same numbers.
        #[test]
        fn the_truth_is_never_thrown_away(
            kind in any_kind(), exponent in EXPONENTS, one: [u16; 2], two: [u16; 2], off in -0.04_f64..0.04,
        ) {
            let truth = Meaning { kind, exponent };
            let sightings: Vec<Sighting> = [one, two]
                .iter()
                .filter_map(|words| {
                    let value = truth.value(words)?;
                    Some(seen(words, value * (1.0 + off))).filter(|seen| seen.expected.abs() >= LEAST)
                })
                .collect();
            prop_assume!(!sightings.is_empty());
            let values = |meaning: Meaning| -> Vec<Option<f64>> {
                sightings.iter().map(|seen| meaning.value(&seen.words)).collect()
            };
            prop_assert!(meanings(&sightings).iter().any(|kept| values(*kept) == values(truth)));
        }

        /// Nothing that is kept is further off than allowed, and each says something else.
        #[test]
        fn what_is_kept_agrees(words: [u16; 2], expected in -1e6_f64..1e6) {
            prop_assume!(expected.abs() >= LEAST);
            let kept = meanings(&[seen(&words, expected)]);
            for meaning in &kept {
                let value = meaning.value(&words).expect("a number");
                prop_assert!((value - expected).abs() <= TOLERANCE * expected.abs());
            }
        }
    }
}
