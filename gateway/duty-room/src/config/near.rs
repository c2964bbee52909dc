//! The word that somebody probably meant.

/// The nearest of the known words, if one is near enough to be meant.
pub(super) fn nearest<'k>(wrong: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let near = known.into_iter().map(|word| (distance(wrong, word), word));
    let (distance, word) = near.min()?;
    (distance <= 1 + wrong.chars().count() / 4).then_some(word)
}

/// What to write instead of a word that is not known.
pub(super) fn instead(wrong: &str, known: &[&str]) -> String {
    let all = if known.is_empty() { "-".to_owned() } else { known.join(", ") };
    match nearest(wrong, known.iter().copied()) {
        Some(word) => format!("是不是 {word:?}? · did you mean {word:?}? known: {all}"),
        None => format!("可写 · known: {all}"),
    }
}

/// Insertions, deletions and replacements from one to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (place, c) in one.chars().enumerate() {
        let mut left = place + 1;
        let mut next = vec![left];
        for ((above_left, above), d) in row.iter().zip(row.iter().skip(1)).zip(&other) {
            left = (above_left + usize::from(c != *d)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let known = ["on-duty", "secretary", "leader"];
        assert_eq!(nearest("on_duty", known), Some("on-duty"));
        assert_eq!(nearest("secretry", known), Some("secretary"));
        assert_eq!(nearest("mayor", known), None);
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
