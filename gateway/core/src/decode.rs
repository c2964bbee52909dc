//! From a point's registers or bits to a reading, for the unit that is installed.
//!
//! Nothing is guessed: a raw value outside the map is the named reason why there is no value, and a
//! quantity is multiplied and divided exactly once, then rounded to the point's decimals.
use alloc::string::String;

use shouwang_message::{Class, Value};

use crate::configuration::{DeviceSettings, Installed};
use crate::plan::Block;
use crate::profile::{Kind, Measures, Point, WordOrder};
use crate::reading::{NoData, Reading};
use crate::units;

/// What the wire said about one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw<'a> {
    Bit(bool),
    /// As many words as the point is wide.
    Words(&'a [u16]),
}

impl<'a> Raw<'a> {
    /// The point's part of a block of registers; none if the block does not hold all of it.
    pub fn in_words(point: &Point, block: &Block, words: &'a [u16]) -> Option<Self> {
        let start = usize::from(point.address.checked_sub(block.address)?);
        let end = start.checked_add(usize::from(point.kind.width()))?;
        words.get(start..end).map(Self::Words)
    }

    /// The point's bit of a block of bits.
    pub fn in_bits(point: &Point, block: &Block, bits: &[bool]) -> Option<Self> {
        let index = usize::from(point.address.checked_sub(block.address)?);
        bits.get(index).copied().map(Self::Bit)
    }
}

/// The largest count of decimals that a device may announce.
pub const MAX_DECIMALS: u32 = 6;

/// What the raw bits say. `decimals` is the value of the point's `decimals_from`, if it has one and it
/// was read. Beyond the upper end of a gas, CO or smoke range the reading is the range's end and
/// uncertain, so that it can still raise; any other value out of range is bad.
pub fn decode(point: &Point, device: &DeviceSettings, raw: &Raw<'_>, decimals: Option<u32>) -> Reading {
    let decoded = match (raw, point.kind) {
        (Raw::Bit(bit), Kind::Bool { active_when, .. }) => Ok(Value::Bool(*bit == active_when)),
        (Raw::Bit(_), _) => Err(NoData::WrongAnswer),
        (Raw::Words(words), kind) => decode_words(point, kind, words, device, decimals),
    };
    match decoded {
        Ok(Value::Number(number)) => in_range(point, device, number),
        Ok(value) => Reading::Good(value),
        Err(why) => Reading::Bad(why),
    }
}

/// The unscaled bits of a point of at most 32 bits: what counters, frozen values and error values are
/// compared by. Signed values are given as their two's complement.
pub fn raw_u32(point: &Point, raw: &Raw<'_>) -> Option<u32> {
    match raw {
        Raw::Bit(bit) => Some(u32::from(*bit)),
        Raw::Words(words) => bits_of(point.kind, words),
    }
}

/// The number that these registers hold when they are taken so, without any scale; none if there are too few, or
/// what they hold is no number.
pub fn bare_number(kind: Kind, words: &[u16]) -> Option<f64> {
    number(kind, bits_of(kind, words)?).ok()
}

fn bits_of(kind: Kind, words: &[u16]) -> Option<u32> {
    let first = *words.first()?;
    let last_two = || words.get(1).map(|second| (first, *second));
    Some(match kind {
        Kind::U16 | Kind::I16 | Kind::Bcd => u32::from(first),
        Kind::Bool { bit: None, .. } => u32::from(first),
        Kind::Bool { bit: Some(bit), .. } => u32::from(first.checked_shr(u32::from(bit))? & 1),
        Kind::HighByte => u32::from(first >> 8),
        Kind::LowByte => u32::from(first & 0xFF),
        Kind::Bits { shift, width } => {
            u32::from(first).checked_shr(u32::from(shift))?
                & 1u32.checked_shl(u32::from(width))?.wrapping_sub(1)
        }
        Kind::U32(order) | Kind::I32(order) | Kind::F32(order) => {
            last_two().map(|(first, second)| join(first, second, order))?
        }
        Kind::Ascii { .. } => return None,
    })
}

/// `value` rounded half away from zero to `decimals` (at most 9) places, without `std`.
pub fn round_to(value: f64, decimals: u8) -> f64 {
    let scale = power_of_ten(u32::from(decimals.min(9)));
    let scaled = value * scale;
    // Beyond 2^53 an f64 has no fraction left to round.
    if !(-EXACT..=EXACT).contains(&scaled) {
        return value;
    }
    #[expect(clippy::cast_possible_truncation, reason = "within +-2^53; truncation is the point")]
    let nearest = (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i64;
    nearest as f64 / scale
}

const EXACT: f64 = 9_007_199_254_740_992.0;

fn power_of_ten(exponent: u32) -> f64 {
    const POWERS: [f64; 10] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    POWERS.get(exponent as usize).copied().unwrap_or(1e9)
}

fn decode_words(
    point: &Point,
    kind: Kind,
    words: &[u16],
    device: &DeviceSettings,
    decimals: Option<u32>,
) -> Result<Value, NoData> {
    if let Kind::Ascii { .. } = kind {
        return ascii(words).map(Value::Text);
    }
    let bits = raw_u32(point, &Raw::Words(words)).ok_or(NoData::WrongAnswer)?;
    if let Some((_, why)) = point.error_values.iter().find(|(value, _)| *value == bits) {
        return Err(*why);
    }
    if let Kind::Bool { active_when, .. } = kind {
        return match bits {
            0 | 1 => Ok(Value::Bool((bits == 1) == active_when)),
            _ => Err(NoData::ErrorValue),
        };
    }
    if !point.meanings.is_empty() {
        return point.meaning(bits).map(|_| Value::Number(f64::from(bits))).ok_or(NoData::ErrorValue);
    }
    let raw = number(kind, bits)?;
    quantity(point, raw, &device.installed, decimals).map(Value::Number)
}

#[expect(clippy::cast_possible_truncation, reason = "reading the low bits is what these kinds mean")]
#[expect(clippy::cast_possible_wrap, reason = "two's complement is what the signed kinds mean")]
fn number(kind: Kind, bits: u32) -> Result<f64, NoData> {
    Ok(match kind {
        Kind::I16 => f64::from(bits as u16 as i16),
        Kind::I32(_) => f64::from(bits as i32),
        Kind::F32(_) => match f32::from_bits(bits) {
            value if value.is_nan() => return Err(NoData::NotANumber),
            value if value.is_infinite() => return Err(NoData::Infinite),
            value => f64::from(value),
        },
        Kind::Bcd => f64::from(packed_decimal(bits).ok_or(NoData::ErrorValue)?),
        _ => f64::from(bits),
    })
}

/// Scale, announced decimals and unit in one multiplication and one division, then the installation.
fn quantity(point: &Point, raw: f64, installed: &Installed, decimals: Option<u32>) -> Result<f64, NoData> {
    let scale = &point.scale;
    let mut denominator = scale.denominator as f64;
    if scale.decimals_from.is_some() {
        let decimals = decimals.ok_or(NoData::NotYet)?;
        if decimals > MAX_DECIMALS {
            return Err(NoData::ErrorValue);
        }
        denominator *= power_of_ten(decimals);
    }
    let (up, down) = if scale.unit_from_device {
        let (from, to) =
            installed.unit.as_deref().zip(point.unit.as_deref()).ok_or(NoData::ConfigMismatch)?;
        units::factor(from, to).ok_or(NoData::ConfigMismatch)?
    } else {
        (1.0, 1.0)
    };
    let value = raw * (scale.numerator as f64 * up) / (denominator * down) + scale.offset * up / down;
    if value.is_finite() { Ok(value) } else { Err(NoData::Infinite) }
}

/// The range is about what the sensor itself can say, so it is checked before datum and offset.
fn in_range(point: &Point, device: &DeviceSettings, value: f64) -> Reading {
    if !point.meanings.is_empty() {
        return Reading::Good(Value::Number(value));
    }
    let placed = |value| place(point, &device.installed, value);
    let rounded = round_to(value, point.decimals);
    match point.range {
        Some((low, _)) if rounded < low => Reading::Bad(NoData::OutOfRange),
        Some((_, high)) if rounded > high => match placed(high) {
            Some(end) if dangerous_above(device.profile.class) => {
                Reading::Uncertain(Value::Number(end), NoData::OutOfRange)
            }
            _ => Reading::Bad(NoData::OutOfRange),
        },
        _ => placed(value)
            .map_or(Reading::Bad(NoData::ConfigMismatch), |value| Reading::Good(Value::Number(value))),
    }
}

/// Where more than the sensor can tell means more danger, doubt raises.
fn dangerous_above(class: Class) -> bool {
    matches!(class, Class::Gas | Class::Co | Class::Smoke)
}

fn place(point: &Point, installed: &Installed, value: f64) -> Option<f64> {
    let value = match point.measures {
        Measures::Itself => value,
        Measures::Depth => value - installed.dry_offset_m.unwrap_or(0.0) + installed.datum_m.unwrap_or(0.0),
        Measures::Distance => installed.mounting_height_m? - value,
    };
    Some(round_to(value, point.decimals)).filter(|value| value.is_finite())
}

fn join(first: u16, second: u16, order: WordOrder) -> u32 {
    let [a, b] = first.to_be_bytes();
    let [c, d] = second.to_be_bytes();
    u32::from_be_bytes(match order {
        WordOrder::Abcd => [a, b, c, d],
        WordOrder::Cdab => [c, d, a, b],
        WordOrder::Dcba => [d, c, b, a],
        WordOrder::Badc => [b, a, d, c],
    })
}

/// 0x0209 is 209; a digit above 9 makes it no number.
fn packed_decimal(bits: u32) -> Option<u32> {
    (0..4).rev().try_fold(0, |number, digit| {
        let digit = (bits >> (4 * digit)) & 0xF;
        (digit <= 9).then_some(number * 10 + digit)
    })
}

/// Printable ASCII only: these bytes come from a wire and end on a person's screen.
fn ascii(words: &[u16]) -> Result<String, NoData> {
    let mut text = String::new();
    for byte in words.iter().flat_map(|word| word.to_be_bytes()) {
        match byte {
            0 => break,
            b' '..=b'~' => text.push(char::from(byte)),
            _ => return Err(NoData::ErrorValue),
        }
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}
