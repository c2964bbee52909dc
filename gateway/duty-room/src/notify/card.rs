//! The words of one message as a group or a person may read them: one notice, a follow-up or a digest; bounded,
//! without anything that a robot could take for markup, and for groups without whole phone numbers.
use std::collections::BTreeMap;
use std::sync::Arc;

use shouwang_board::{Notice, Recipient, SHORT_UNITS, masked_phone};
use shouwang_message::{AlarmId, Class, Mode, Priority};

use super::queue::{Message, is_emergency};

/// Alarms listed in one message; the rest is counted.
const LISTED: usize = 10;
/// Characters of one value.
const VALUE: usize = 80;

/// One message for a group.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    /// `🔥 火警 · 待确认`, the sign apart.
    pub(crate) sign: &'static str,
    pub(crate) title: String,
    /// Of one alarm: where.
    pub(crate) place: Option<String>,
    /// Of one alarm: label and value.
    pub(crate) lines: Vec<(String, String)>,
    /// Of several: one line each.
    pub(crate) rows: Vec<String>,
    /// What else must be said.
    pub(crate) remarks: Vec<String>,
    pub(crate) link: Option<String>,
    pub(crate) priority: Priority,
    pub(crate) recovered: bool,
    /// Somebody must wake: mention everybody.
    pub(crate) wakes_all: bool,
    pub(crate) mentioned: Vec<Recipient>,
}

impl Card {
    /// `page`: where the duty room's board is, without the last slash.
    pub(crate) fn of(message: &Message, missed: u32, page: Option<&str>) -> Self {
        let shown = newest_of_each(message);
        let worst = shown.iter().map(|notice| notice.priority).min().unwrap_or(Priority::Advisory);
        let wakes_all = shown
            .iter()
            .any(|notice| is_emergency(notice) && matches!(notice.mode, Mode::Live | Mode::Drill));
        let mut card = Self {
            sign: "●",
            title: String::new(),
            place: None,
            lines: Vec::new(),
            rows: Vec::new(),
            remarks: Vec::new(),
            link: page.map(|page| format!("{page}/")),
            priority: worst,
            recovered: shown.iter().all(|notice| notice.recovered),
            wakes_all,
            mentioned: mentioned(&shown),
        };
        match shown.as_slice() {
            [notice] => card.tell_one(notice, page),
            _ => card.tell_several(message, &shown),
        }
        if missed > 0 {
            card.remarks.push(format!("此前另有 {missed} 条未能发出,见值班页"));
        }
        card
    }

    fn tell_one(&mut self, notice: &Notice, page: Option<&str>) {
        self.sign = sign(notice);
        self.title = plain(&notice.title);
        self.place = Some(plain(&notice.place_masked));
        self.lines = notice.lines.iter().map(|(label, value)| (plain(label), plain(value))).collect();
        if !notice.revision_words.is_empty() {
            self.lines.push(("变化".into(), plain(&notice.revision_words)));
        }
        self.link = page.map(|page| format!("{page}/#{}", notice.alarm));
    }

    fn tell_several(&mut self, message: &Message, shown: &[Arc<Notice>]) {
        let emergencies = shown.iter().filter(|notice| is_emergency(notice)).count();
        self.sign = if emergencies > 0 { "🔔" } else { "●" };
        self.title = plain(heading(message, shown, emergencies));
        for notice in shown.iter().take(LISTED) {
            let time =
                notice.lines.iter().find(|(label, _)| label == "时间").map(|(_, value)| value.as_str());
            let words =
                [time.unwrap_or_default(), &notice.place_masked, &notice.title, &notice.revision_words];
            let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).map(plain).collect();
            self.rows.push(words.join(" "));
        }
        if let Some(more) = shown.len().checked_sub(LISTED).filter(|more| *more > 0) {
            self.remarks.push(format!("另有 {more} 起,见值班页"));
        }
    }

    /// One line that says it all, for a mention.
    pub(crate) fn call(&self) -> String {
        let word = if self.priority == Priority::Emergency && !self.recovered { "【紧急】" } else { "" };
        let what = match &self.place {
            Some(place) => format!("{} {place}", self.title),
            None => {
                std::iter::once(&self.title).chain(self.rows.first()).cloned().collect::<Vec<_>>().join(":")
            }
        };
        format!("{word}{what},请立即处理")
    }
}

/// What a person's phone shows, in one SMS; whoever is sent finds their own way to the case behind it.
pub(crate) fn short(message: &Message) -> String {
    let shown = newest_of_each(message);
    if let [notice] = shown.as_slice() {
        let way = notice.way.as_ref().map(|way| format!(" {}", way.0)).unwrap_or_default();
        return bounded(&one_line(&notice.short)) + &way;
    }
    let emergencies = shown.iter().filter(|notice| is_emergency(notice)).count();
    let mut text = format!("【值班室】{}:", heading(message, &shown, emergencies));
    for (number, notice) in shown.iter().enumerate() {
        let comma = if number == 0 { "" } else { ";" };
        text.push_str(&format!("{comma}{}{}", notice.place, notice.title));
    }
    bounded(&one_line(&text))
}

/// `【演练】续报 3 起(紧急 2)`.
fn heading(message: &Message, shown: &[Arc<Notice>], emergencies: usize) -> String {
    let modes = || shown.iter().map(|notice| notice.mode);
    // A live alarm is never told under the heading of an exercise.
    let mark = match modes().next() {
        Some(mode) if modes().all(|other| other == mode) => mode.mark(),
        _ => "",
    };
    let word = if matches!(message, Message::FollowUp(_)) { "同楼续报" } else { "汇总" };
    let urgent = if emergencies > 0 { format!("(紧急 {emergencies})") } else { String::new() };
    format!("{mark}{word} {} 起{urgent}", shown.len())
}

/// The last word on each alarm, emergencies first.
fn newest_of_each(message: &Message) -> Vec<Arc<Notice>> {
    let mut newest: BTreeMap<AlarmId, (usize, &Arc<Notice>)> = BTreeMap::new();
    for (place, notice) in message.notices().iter().enumerate() {
        newest.entry(notice.alarm).and_modify(|known| known.1 = notice).or_insert((place, notice));
    }
    let mut newest: Vec<_> = newest.into_values().collect();
    newest.sort_by_key(|(place, notice)| (!is_emergency(notice), notice.priority, *place));
    newest.into_iter().map(|(_, notice)| Arc::clone(notice)).collect()
}

fn mentioned(shown: &[Arc<Notice>]) -> Vec<Recipient> {
    let mut mentioned: Vec<Recipient> = Vec::new();
    for recipient in shown.iter().flat_map(|notice| &notice.to) {
        if !mentioned.iter().any(|known| known.person == recipient.person) {
            mentioned.push(recipient.clone());
        }
    }
    mentioned
}

fn sign(notice: &Notice) -> &'static str {
    if notice.recovered {
        return "✅";
    }
    match notice.class {
        Class::Smoke => "🔥",
        Class::Gas | Class::Co => "☠",
        Class::Call => "🆘",
        Class::WaterLevel | Class::Leak => "🌊",
        Class::Electrical => "⚡",
        _ => "🔔",
    }
}

/// A number as Chinese robots want it: without the country.
pub(crate) fn mobile(phone: &str) -> String {
    let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("86") {
        Some(rest) if rest.len() == 11 => rest.to_owned(),
        _ => digits,
    }
}

/// A text that no robot reads as markup, on one line, with its phone numbers masked.
pub(crate) fn plain(text: impl AsRef<str>) -> String {
    let text: String = one_line(text.as_ref())
        .chars()
        .take(VALUE)
        .map(|c| match c {
            '<' => '‹',
            '>' => '›',
            '[' => '\u{ff3b}',
            ']' => '\u{ff3d}',
            '*' => '\u{ff0a}',
            '`' => '\'',
            '\\' => '/',
            c => c,
        })
        .collect();
    masked(&text)
}

pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '\u{2028}' || c == '\u{2029}' { ' ' } else { c }).collect()
}

/// Mobile numbers, written together or with single spaces or hyphens between.
fn masked(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut rest = characters.as_slice();
    while let Some((first, after)) = rest.split_first() {
        if digit(*first).is_none() {
            masked.push(*first);
            rest = after;
            continue;
        }
        let (run, digits) = number_at(rest);
        let own = digits.strip_prefix("86").unwrap_or(&digits);
        if own.len() == 11 && own.starts_with('1') {
            masked.push_str(&masked_phone(own));
        } else {
            masked.extend(rest.iter().take(run));
        }
        rest = rest.get(run..).unwrap_or_default();
    }
    masked
}

/// How many characters the number at the beginning takes, and its digits.
fn number_at(text: &[char]) -> (usize, String) {
    let (mut run, mut digits) = (0, String::new());
    for (place, c) in text.iter().enumerate() {
        let next_is_digit = || text.get(place + 1).is_some_and(|next| digit(*next).is_some());
        match digit(*c) {
            Some(digit) => digits.push(digit),
            None if matches!(c, ' ' | '-') && next_is_digit() => {}
            None => break,
        }
        run = place + 1;
    }
    (run, digits)
}

fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        // Full width.
        '\u{ff10}'..='\u{ff19}' => char::from_digit(u32::from(c) - 0xff10, 10),
        _ => None,
    }
}

/// Lines that together, with newlines, stay within `bytes`; `last` always stays.
pub(crate) fn fitting(mut lines: Vec<String>, last: Option<&str>, bytes: usize) -> String {
    let room = bytes.saturating_sub(last.map_or(0, |last| last.len() + 1));
    let length = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    if length(&lines) > room {
        while lines.len() > 1 && length(&lines) + "> ……\n".len() > room {
            lines.pop();
        }
        lines.push("> ……".into());
    }
    lines.extend(last.map(str::to_owned));
    lines.join("\n")
}

fn bounded(text: &str) -> String {
    if text.encode_utf16().count() <= SHORT_UNITS {
        return text.to_owned();
    }
    let mut room = SHORT_UNITS - 1;
    let fits = |c: &char| match room.checked_sub(c.len_utf16()) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    let mut text: String = text.chars().take_while(fits).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_masked_however_they_are_written() {
        for (text, wanted) in [
            ("回拨 13800138000 王", "回拨 138****8000 王"),
            ("+8613800138000", "+138****8000"),
            ("138-0013-8000", "138****8000"),
            ("138 0013 8000。", "138****8000。"),
            ("\u{ff11}\u{ff13}800138000", "138****8000"),
            ("时间 2026-11-22 03:12:07", "时间 2026-11-22 03:12:07"),
            ("3号楼2单元402", "3号楼2单元402"),
            ("0571-87654321", "0571-87654321"),
            ("- 1 -", "- 1 -"),
        ] {
            assert_eq!(masked(text), wanted);
        }
    }

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            plain("<@all> [点](http://x) **\n# `"),
            "‹@all› \u{ff3b}点\u{ff3d}(http://x) \u{ff0a}\u{ff0a} # '"
        );
        assert_eq!(plain("长".repeat(200)).chars().count(), VALUE);
    }

    #[test]
    fn lines_that_do_not_fit_are_left_out_and_the_last_stays() {
        let lines: Vec<_> = (0..9).map(|n| format!("> line {n}")).collect();
        let text = fitting(lines.clone(), Some("[link]"), 40);
        assert_eq!(text, "> line 0\n> line 1\n> ……\n[link]");
        assert!(text.len() <= 40);
        assert_eq!(fitting(lines, None, 4_096).lines().count(), 9);
    }
}
