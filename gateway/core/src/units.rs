//! Units that an installer may state for a level or for methane, and their exact factors to the point's own unit.
//!
//! Lengths are exact by definition (international yard and pound, 1959). Pressures become metres of
//! water by the conventional metre of water, 9806.65 Pa: water of 1000 kg/m3 under standard gravity,
//! 9.80665 m/s2 (CGPM 1901). Warm or salty water differs by up to 3 %; the ruler check shows it.

/// A unit is `numerator / denominator` of its dimension's base: metres, or pascals.
struct Unit {
    name: &'static str,
    dimension: Dimension,
    numerator: f64,
    denominator: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Dimension {
    Length,
    Pressure,
    Methane,
}

/// Methane's lower explosive limit in % by volume (IEC 60079-20-1). Some tables say 5.0; the stricter
/// number is taken.
const METHANE_LEL: f64 = 4.4;

/// Pascals in a conventional metre of water.
const METRE_OF_WATER_PA: f64 = 9806.65;

const fn length(name: &'static str, numerator: f64, denominator: f64) -> Unit {
    Unit { name, dimension: Dimension::Length, numerator, denominator }
}

const fn pressure(name: &'static str, numerator: f64, denominator: f64) -> Unit {
    Unit { name, dimension: Dimension::Pressure, numerator, denominator }
}

const fn methane(name: &'static str, numerator: f64, denominator: f64) -> Unit {
    Unit { name, dimension: Dimension::Methane, numerator, denominator }
}

const UNITS: &[Unit] = &[
    length("mm", 1.0, 1000.0),
    length("cm", 1.0, 100.0),
    length("dm", 1.0, 10.0),
    length("m", 1.0, 1.0),
    length("in", 254.0, 10_000.0),
    length("ft", 3048.0, 10_000.0),
    pressure("Pa", 1.0, 1.0),
    pressure("hPa", 100.0, 1.0),
    pressure("kPa", 1000.0, 1.0),
    pressure("MPa", 1_000_000.0, 1.0),
    pressure("mbar", 100.0, 1.0),
    pressure("bar", 100_000.0, 1.0),
    pressure("mmH2O", METRE_OF_WATER_PA, 1000.0),
    pressure("cmH2O", METRE_OF_WATER_PA, 100.0),
    pressure("mH2O", METRE_OF_WATER_PA, 1.0),
    methane("%LEL", METHANE_LEL, 100.0),
    methane("%VOL", 1.0, 1.0),
];

/// Every unit an installer may state, for messages and suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|unit| unit.name)
}

/// `value in to = value in from x numerator / denominator`; none if the two do not fit together.
/// Pressures fit lengths as columns of water.
pub fn factor(from: &str, to: &str) -> Option<(f64, f64)> {
    if from == to {
        return Some((1.0, 1.0));
    }
    let find = |name: &str| UNITS.iter().find(|unit| unit.name == name);
    let (from, to) = (find(from)?, find(to)?);
    let (mut numerator, mut denominator) = (from.numerator * to.denominator, from.denominator * to.numerator);
    match (from.dimension, to.dimension) {
        (Dimension::Pressure, Dimension::Length) => denominator *= METRE_OF_WATER_PA,
        (Dimension::Length, Dimension::Pressure) => numerator *= METRE_OF_WATER_PA,
        (from, to) if from != to => return None,
        _ => {}
    }
    Some((numerator, denominator))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_water_columns_become_metres() {
        let metres = |value: f64, unit: &str| {
            let (numerator, denominator) = factor(unit, "m").unwrap();
            value * numerator / denominator
        };
        for (value, unit, expected) in [
            (153.0, "mm", 0.153),
            (341.0, "cm", 3.41),
            (1.0, "ft", 0.3048),
            (1.0, "in", 0.0254),
            (98.0665, "kPa", 10.0),
            (980.665, "mbar", 10.0),
            (980.665, "hPa", 10.0),
            (0.980665, "bar", 10.0),
            (1500.0, "mmH2O", 1.5),
            (2.5, "mH2O", 2.5),
        ] {
            let got = metres(value, unit);
            assert!((got - expected).abs() < 1e-12, "{value} {unit} = {got} m, expected {expected}");
        }
    }

    #[test]
    fn strangers_do_not_convert() {
        assert_eq!(factor("degC", "m"), None);
        assert_eq!(factor("furlong", "m"), None);
        assert_eq!(factor("%LEL", "%LEL"), Some((1.0, 1.0)));
        assert_eq!(factor("%VOL", "m"), None);
        let (numerator, denominator) = factor("%VOL", "%LEL").unwrap();
        assert!((1.1 * numerator / denominator - 25.0).abs() < 1e-9);
    }
}
