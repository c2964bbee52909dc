//! What is wrong with a file, where, and what to write instead.
use std::fmt;

use shouwang_message::Text;

/// One mistake in a file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub what: Text,
    pub remedy: Text,
}

/// A mistake in a value whose place in a file only the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The key it is about.
    pub key: &'static str,
    pub what: Text,
    pub remedy: Text,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what, remedy } = self;
        write!(f, "{file}:{line}:{column}: {}; {}", what.en, remedy.en)?;
        write!(f, "\n    {};{}", what.zh, remedy.zh)
    }
}

impl std::error::Error for Problem {}

/// The known name that `wrong` was probably meant to be; none if nothing is near.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer names come from nobody's typing; comparing them costs the product of the lengths.
    if wrong.chars().count() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The remedy for a wrong word: `did you mean ...?` and all that is allowed.
pub fn instead<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Text {
    let all = known.clone().into_iter().collect::<Vec<_>>().join(", ");
    match closest(wrong, known) {
        Some(near) => Text::new(
            format!("是不是想写 `{near}`?可用的有:{all}"),
            format!("did you mean `{near}`? allowed here: {all}"),
        ),
        None => Text::new(format!("可用的有:{all}"), format!("allowed here: {all}")),
    }
}

/// How many letters to change, add, take away or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut least =
                (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            if i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) {
                least = least.min(at(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood() {
        let known = ["deadband", "limit", "on_delay_s", "off_delay_s"];
        assert_eq!(closest("dead_band", known), Some("deadband"));
        assert_eq!(closest("limti", known), Some("limit"));
        assert_eq!(closest("on_delay", known), Some("on_delay_s"));
        assert_eq!(closest("colour", known), None);
        assert_eq!(closest(&"x".repeat(100_000), known), None);
    }
}
