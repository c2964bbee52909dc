//! The figures, as a table and as JSON.
use serde_json::{Map, Value};

/// All figures in the order in which they were measured.
#[derive(Debug, Default)]
pub(crate) struct Table {
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    key: String,
    what: String,
    value: f64,
    unit: &'static str,
    bound: Bound,
}

/// What the design asks for, where it does.
#[derive(Clone, Copy, Debug)]
enum Bound {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Table {
    /// A figure with an upper bound.
    pub(crate) fn bounded(&mut self, key: &str, what: &str, value: f64, unit: &'static str, bound: f64) {
        self.add(key, what, value, unit, Bound::AtMost(bound));
    }

    /// A figure with a lower bound.
    pub(crate) fn at_least(&mut self, key: &str, what: &str, value: f64, unit: &'static str, bound: f64) {
        self.add(key, what, value, unit, Bound::AtLeast(bound));
    }

    /// A figure to compare with.
    pub(crate) fn plain(&mut self, key: &str, what: &str, value: f64, unit: &'static str) {
        self.add(key, what, value, unit, Bound::None);
    }

    /// Prints everything; the JSON is the last line.
    pub(crate) fn print(&self) {
        println!("\n{:<76} {:>10} {:<10} {:>13}", "measured", "value", "", "wanted");
        for figure in &self.figures {
            // What cannot be measured is not kept either.
            let (wanted, kept) = match figure.bound {
                Bound::None => (String::new(), true),
                Bound::AtMost(bound) => (format!("<= {bound:.2}"), figure.value <= bound),
                Bound::AtLeast(bound) => (format!(">= {bound:.2}"), figure.value >= bound),
            };
            let mark = if kept { "" } else { "  MISSED" };
            println!("{:<76} {:>10.3} {:<10} {wanted:>13}{mark}", figure.what, figure.value, figure.unit);
        }
        let json: Map<String, Value> = self
            .figures
            .iter()
            .map(|figure| (figure.key.clone(), Value::from((figure.value * 1000.0).round() / 1000.0)))
            .collect();
        println!("{}", Value::Object(json));
    }

    fn add(&mut self, key: &str, what: &str, value: f64, unit: &'static str, bound: Bound) {
        eprintln!("{what}: {value:.3} {unit}");
        self.figures.push(Figure { key: key.into(), what: what.into(), value, unit, bound });
    }
}

/// The smallest value that `percent` of the values do not exceed.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or(f64::NAN)
}
