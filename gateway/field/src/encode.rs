//! The way back: a point's value becomes the raw words its device would hold.
use shouwang_core::profile::{Kind, Point, WordOrder};
use shouwang_message::Value;

/// What a value is in the memory of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// All of these registers (or one bit) from the point's address on.
    Words(Vec<u16>),
    /// Only the bits of the mask; the rest of the register belongs to other points.
    Part { mask: u16, word: u16 },
}

/// What a point's raw value depends on besides its profile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// The device's own count of decimals, for points that take theirs from another register.
    pub decimals: u32,
    /// How many of the point's unit are one of the device's unit: 0.001 for a probe in mm and a point in m.
    pub unit_factor: f64,
}

/// The raw words that a decoder must read as `value` again.
///
/// # Errors
/// The point cannot have this value; in words.
pub fn encode(point: &Point, value: &Value, scaling: Scaling) -> Result<Encoded, String> {
    let register = |word| Ok(Encoded::Words(vec![word]));
    match (point.kind, value) {
        (Kind::Bool { bit, active_when }, Value::Bool(state)) => {
            let raw = u16::from(*state == active_when);
            match bit {
                None => register(raw),
                Some(bit) => Ok(part(raw, bit, 1)),
            }
        }
        (Kind::Bool { .. }, _) => Err(format!("{} is true or false, not {value:?}", point.name)),
        (Kind::Ascii { registers }, Value::Text(text)) => ascii(point, text, usize::from(registers)),
        (Kind::F32(order), _) => Ok(two_words((real(point, value, scaling)? as f32).to_bits(), order)),
        _ => {
            let raw = whole(point, value, scaling)?;
            let encoded = place(point.kind, raw).ok_or_else(|| does_not_fit(point, value))?;
            match u32::try_from(raw & 0xFFFF_FFFF) {
                Ok(bits) if is_error_value(point, bits) => Err(format!(
                    "{}: {value:?} would be the raw value {bits}, which this model uses to say that there is \
                     no value; choose another, or set the register itself",
                    point.name
                )),
                _ => Ok(encoded),
            }
        }
    }
}

fn is_error_value(point: &Point, bits: u32) -> bool {
    let bits = if point.kind.width() == 1 { bits & 0xFFFF } else { bits };
    point.error_values.iter().any(|(raw, _)| *raw == bits)
}

/// Puts a whole raw value where its kind keeps it; `None` if it does not fit there.
fn place(kind: Kind, raw: i64) -> Option<Encoded> {
    let word = |word: u16| Encoded::Words(vec![word]);
    Some(match kind {
        Kind::U16 => word(u16::try_from(raw).ok()?),
        Kind::I16 => word(i16::try_from(raw).ok()?.cast_unsigned()),
        Kind::U32(order) => two_words(u32::try_from(raw).ok()?, order),
        Kind::I32(order) => two_words(i32::try_from(raw).ok()?.cast_unsigned(), order),
        Kind::HighByte => part(u16::from(u8::try_from(raw).ok()?), 8, 8),
        Kind::LowByte => part(u16::from(u8::try_from(raw).ok()?), 0, 8),
        Kind::Bits { shift, width } => {
            let raw = u16::try_from(raw).ok()?;
            if u32::from(raw) >> width != 0 {
                return None;
            }
            part(raw, shift, width)
        }
        Kind::Bcd => word(packed_decimal(u16::try_from(raw).ok()?)?),
        Kind::Bool { .. } | Kind::F32(_) | Kind::Ascii { .. } => return None,
    })
}

fn part(raw: u16, shift: u8, width: u8) -> Encoded {
    let ones = if width >= 16 { u16::MAX } else { (1 << width) - 1 };
    let shift = u32::from(shift);
    Encoded::Part { mask: ones.unbounded_shl(shift), word: raw.unbounded_shl(shift) }
}

fn two_words(bits: u32, order: WordOrder) -> Encoded {
    let [a, b, c, d] = bits.to_be_bytes();
    let pairs = match order {
        WordOrder::Abcd => [[a, b], [c, d]],
        WordOrder::Cdab => [[c, d], [a, b]],
        WordOrder::Dcba => [[d, c], [b, a]],
        WordOrder::Badc => [[b, a], [d, c]],
    };
    Encoded::Words(pairs.map(u16::from_be_bytes).to_vec())
}

fn packed_decimal(number: u16) -> Option<u16> {
    let digit = |place: u16| (number / place) % 10;
    (number <= 9999).then(|| digit(1000) << 12 | digit(100) << 8 | digit(10) << 4 | digit(1))
}

fn ascii(point: &Point, text: &str, registers: usize) -> Result<Encoded, String> {
    if !text.is_ascii() || text.len() > registers * 2 {
        return Err(format!("{} holds at most {} ASCII characters, not {text:?}", point.name, registers * 2));
    }
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(registers * 2, 0);
    Ok(Encoded::Words(bytes.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()))
}

/// The raw value before it is rounded: value = raw x numerator / denominator / 10^decimals + offset, then
/// converted from the device's unit.
fn real(point: &Point, value: &Value, scaling: Scaling) -> Result<f64, String> {
    let value = match value {
        Value::Number(number) if point.meanings.is_empty() => *number,
        Value::Number(number) => return meaning(point, *number),
        Value::Text(text) => return in_words(point, text),
        Value::Bool(_) => return Err(format!("{} is a number, not {value:?}", point.name)),
    };
    let scale = &point.scale;
    let decimals = if scale.decimals_from.is_some() { scaling.decimals } else { 0 };
    let unit_factor = if scale.unit_from_device { scaling.unit_factor } else { 1.0 };
    let unscaled = (value / unit_factor - scale.offset) * 10_f64.powi(decimals.min(9).cast_signed());
    Ok(unscaled * scale.denominator as f64 / scale.numerator as f64)
}

/// An enumeration reads as its raw number, unscaled.
fn meaning(point: &Point, number: f64) -> Result<f64, String> {
    let known = point.meanings.iter().any(|(raw, _)| f64::from(*raw) == number);
    let raws = || point.meanings.iter().map(|(raw, text)| format!("{raw} ({})", text.en)).collect::<Vec<_>>();
    known
        .then_some(number)
        .ok_or_else(|| format!("{} is one of {}, not {number}", point.name, raws().join(", ")))
}

/// `nan`, `inf` and `-inf` for IEEE values, and the meanings of an enumeration.
fn in_words(point: &Point, text: &str) -> Result<f64, String> {
    let meaning = point.meanings.iter().find(|(_, meaning)| meaning.zh == text || meaning.en == text);
    if let Some((raw, _)) = meaning {
        return Ok(f64::from(*raw));
    }
    match (point.kind, text) {
        (Kind::F32(_), "nan") => Ok(f64::NAN),
        (Kind::F32(_), "inf") => Ok(f64::INFINITY),
        (Kind::F32(_), "-inf") => Ok(f64::NEG_INFINITY),
        _ => {
            let known: Vec<&str> = point.meanings.iter().map(|(_, meaning)| meaning.en.as_str()).collect();
            Err(format!("{} is a number, not {text:?}{}", point.name, list(&known)))
        }
    }
}

fn list(known: &[&str]) -> String {
    if known.is_empty() { String::new() } else { format!("; it can also be {}", known.join(", ")) }
}

fn whole(point: &Point, value: &Value, scaling: Scaling) -> Result<i64, String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let raw = real(point, value, scaling)?.round();
    if (-EXACT..=EXACT).contains(&raw) {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within +-2^53")]
        let raw = raw as i64;
        Ok(raw)
    } else {
        Err(does_not_fit(point, value))
    }
}

fn does_not_fit(point: &Point, value: &Value) -> String {
    format!("{}: {value:?} does not fit into its {:?}", point.name, point.kind)
}

#[cfg(test)]
mod tests;
