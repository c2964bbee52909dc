//! What a device reads when nothing is the matter: the values that a simulated device begins with.
use shouwang_core::profile::{Kind, Point, Profile, Test};
use shouwang_message::Value;

/// Five years: what a device that counts its life may claim (CJJ/T 146, gas detectors at home).
const LIFE_DAYS: f64 = 1825.0;

/// A value of this point that raises nothing. Conditions of the profile decide what that is; `unit_factor` is
/// that of [`crate::Scaling`], for any point of the profile.
pub(crate) fn healthy(
    profile: &Profile,
    index: usize,
    point: &Point,
    unit_factor: &dyn Fn(&Point) -> f64,
) -> Value {
    match point.kind {
        Kind::Bool { .. } => Value::Bool(false),
        Kind::Ascii { .. } => Value::Text("SIM".into()),
        _ if !point.meanings.is_empty() => Value::Number(meaning(profile, index, point)),
        _ if profile.end_of_life.is_some_and(|life| life.days_allowed == index) => Value::Number(LIFE_DAYS),
        _ => match decimals_wanted(profile, index, unit_factor) {
            Some(decimals) => Value::Number(decimals),
            None => Value::Number(number(profile, index, point)),
        },
    }
}

fn meaning(profile: &Profile, index: usize, point: &Point) -> f64 {
    let mut meanings = point.meanings.iter().map(|(raw, _)| f64::from(*raw));
    meanings.clone().find(|raw| !is_judged(profile, index, *raw)).or_else(|| meanings.next()).unwrap_or(0.0)
}

fn is_judged(profile: &Profile, index: usize, raw: f64) -> bool {
    tests(profile, index).any(|(test, _)| matches!(test, Test::Equal { values } if values.contains(&raw)))
}

fn tests(profile: &Profile, index: usize) -> impl Iterator<Item = (&Test, f64)> {
    profile
        .conditions
        .iter()
        .filter(move |condition| condition.point == index)
        .map(|condition| (&condition.test, condition.deadband))
}

/// A register that says how many decimals others have begins with what their resolution asks for.
fn decimals_wanted(profile: &Profile, index: usize, unit_factor: &dyn Fn(&Point) -> f64) -> Option<f64> {
    let served = profile.points.iter().find(|point| point.scale.decimals_from == Some(index))?;
    let factor = if served.scale.unit_from_device { unit_factor(served) } else { 1.0 };
    Some((f64::from(served.decimals) + factor.log10()).round().clamp(0.0, 4.0))
}

/// Zero where that is in range and below every alarm, else the middle of what is left.
fn number(profile: &Profile, index: usize, point: &Point) -> f64 {
    let (mut low, mut high) = point.range.unwrap_or((0.0, f64::MAX));
    let mut floor = None;
    for (test, deadband) in tests(profile, index) {
        match test {
            Test::Low { limit } => {
                low = low.max(limit + deadband);
                floor = Some(limit.abs() + deadband);
            }
            Test::High { limit } => high = high.min(limit - deadband),
            _ => {}
        }
    }
    let zero_is_fine = floor.is_none() && low <= 0.0 && 0.0 <= high || low < 0.0 && 0.0 < high;
    if zero_is_fine {
        return 0.0;
    }
    let above = low + floor.unwrap_or_default().max(1.0) / 4.0;
    if above < high { above } else { f64::midpoint(low, high) }
}
