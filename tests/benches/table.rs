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
    /// The design's upper bound, where it has one.
    bound: Option<f64>,
}

impl Table {
    /// A figure with an upper bound.
    pub(crate) fn bounded(&mut self, key: &str, what: &str, value: f64, unit: &'static str, bound: f64) {
        self.add(key, what, value, unit, Some(bound));
    }

    /// A figure to compare with.
    pub(crate) fn plain(&mut self, key: &str, what: &str, value: f64, unit: &'static str) {
        self.add(key, what, value, unit, None);
    }

    /// Prints everything; the JSON is the last line.
    pub(crate) fn print(&self) {
        println!("\n{:<66} {:>10} {:<6} {:>10}", "measured", "value", "", "at most");
        for figure in &self.figures {
            let bound = figure.bound.map_or(String::new(), |bound| format!("{bound:.2}"));
            let missed = figure.bound.is_some_and(|bound| figure.value > bound);
            let mark = if missed { "  MISSED" } else { "" };
            println!("{:<66} {:>10.3} {:<6} {bound:>10}{mark}", figure.what, figure.value, figure.unit);
        }
        let json: Map<String, Value> = self
            .figures
            .iter()
            .map(|figure| (figure.key.clone(), Value::from((figure.value * 1000.0).round() / 1000.0)))
            .collect();
        println!("{}", Value::Object(json));
    }

    fn add(&mut self, key: &str, what: &str, value: f64, unit: &'static str, bound: Option<f64>) {
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
