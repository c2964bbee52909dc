//! `[night]`: from when to when nothing but emergencies sounds.
use shouwang_board::Night;
use toml::de::DeTable;

use super::reader::Reader;

const KEYS: &[&str] = &["from", "to"];
/// A longer night is a day by mistake: minutes.
const LONGEST: i32 = 12 * 60;
const DAY: i32 = 24 * 60;

impl Reader<'_> {
    /// What is left out is as usual: from 22:00 to 06:00.
    pub(super) fn night(&mut self, table: &DeTable<'_>) -> Night {
        self.unknown_keys(table, "night.", KEYS);
        let usual = Night::default();
        let from = self.time_of_day(table, "from", usual.from);
        let to = self.time_of_day(table, "to", usual.to);
        let (Some(from), Some(to)) = (from, to) else { return usual };
        let night = Night { from, to, ..usual };
        let minutes = (i32::from(to) - i32::from(from)).rem_euclid(DAY);
        if minutes > LONGEST {
            let key = if table.contains_key("to") { "to" } else { "from" };
            let span = table.get(key).map_or(0..0, toml::Spanned::span);
            let (from, to) = (words(from), words(to));
            let what = format!(
                "夜间 {from} 至 {to} 有 {} 小时,除紧急报警外都不出声 · a night of {} h, from {from} to {to}: all but \
                 emergencies would be silent",
                minutes / 60,
                minutes / 60
            );
            self.problem(
                span,
                what,
                format!("a night has 12 h at most; from = {to:?}, to = {from:?} is the other way round"),
            );
        }
        night
    }

    /// `HH:MM`; none if it is wrong.
    fn time_of_day(&mut self, table: &DeTable<'_>, key: &str, usual: u16) -> Option<u16> {
        if !table.contains_key(key) {
            return Some(usual);
        }
        let (span, text) = self.text(table, key)?;
        let minute = minute_of_day(&text);
        if minute.is_none() {
            let what = format!("{key}: {text:?} 不是时刻 · {text:?} is no time of day");
            self.problem(span, what, format!("write for example {key} = {:?}", words(usual)));
        }
        minute
    }
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str, below: u16| {
        let digits = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60).filter(|_| minute.len() == 2)?)
}

fn words(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Config;

    const BEFORE: &str = "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \"127.0.0.1:0\"\n";

    fn read(text: &str) -> Result<(u16, u16), String> {
        let config = Config::parse(Path::new("d.toml"), &format!("{BEFORE}{text}"));
        config.map(|config| (config.night.from, config.night.to)).map_err(|error| error.to_string())
    }

    #[test]
    fn hours_of_the_night() {
        assert_eq!(read(""), Ok((22 * 60, 6 * 60)));
        assert_eq!(read("[night]\n"), Ok((22 * 60, 6 * 60)));
        assert_eq!(read("[night]\nfrom = \"23:30\"\nto = \"5:45\""), Ok((23 * 60 + 30, 5 * 60 + 45)));
        assert_eq!(read("[night]\nfrom = \"00:00\"\nto = \"00:00\""), Ok((0, 0)), "no night at all");
    }

    #[test]
    fn what_is_no_night_is_refused_with_its_place() {
        for (text, wanted) in [
            ("from = \"24:00\"", "d.toml:8:8: from: \"24:00\" 不是时刻"),
            ("to = \"6\"", "is no time of day; write for example to = \"06:00\""),
            ("to = \"6:5\"", "d.toml:8:6"),
            ("to = \"+6:05\"", "d.toml:8:6"),
            ("to = 6", "to must be a text, not integer"),
            ("until = \"06:00\"", "unknown key night.until; known here: from, to"),
            ("from = \"06:00\"\nto = \"22:00\"", "d.toml:9:6: 夜间 06:00 至 22:00 有 16 小时"),
            ("from = \"08:00\"", "d.toml:8:8: 夜间 08:00 至 06:00 有 22 小时"),
        ] {
            let problem = read(&format!("[night]\n{text}")).unwrap_err();
            assert!(problem.contains(wanted) && problem.lines().count() == 1, "{wanted}: {problem}");
        }
        let both = read("[night]\nfrom = \"x\"\nto = \"y\"").unwrap_err();
        assert_eq!(both.lines().count(), 2, "{both}");
    }
}
