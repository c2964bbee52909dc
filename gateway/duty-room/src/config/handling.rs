//! `[[handling]]`: by when cases of a kind, grid or priority are accepted and handled, and in which loop they go.
use std::time::Duration;

use shouwang_board::{Handling, Loop, Organisation};
use shouwang_message::{Id, Priority};
use toml::de::DeTable;

use super::near::instead;
use super::reader::Reader;

const KEYS: &[&str] =
    &["class", "priority", "grid", "accept_within_min", "handle_within_h", "loop", "departments"];
/// Lines of the table.
const MOST: usize = 100;
/// Nobody sets a longer time: a week to accept, 90 days to handle.
const ACCEPT_MIN: u32 = 7 * 24 * 60;
const HANDLE_H: u32 = 90 * 24;
/// As many as one case can call.
const DEPARTMENTS: usize = 16;
const LOOPS: [(&str, Loop); 2] = [("small", Loop::Small), ("large", Loop::Large)];

impl Reader<'_> {
    pub(super) fn handling(&mut self, top: &DeTable<'_>, organisation: &Organisation) -> Vec<Handling> {
        let mut lines = Vec::new();
        let mut tables = self.tables(top, "handling");
        if let Some((span, _)) = tables.get(MOST) {
            self.problem(span.clone(), format!("more than {MOST} [[handling]]"), "leave some out");
        }
        tables.truncate(MOST);
        for (span, table) in tables {
            self.unknown_keys(table, "handling.", KEYS);
            let before = self.problems.len();
            let minutes = |count: u32| Duration::from_secs(u64::from(count) * 60);
            let line = Handling {
                classes: self.classes(table),
                priorities: self.priorities(table),
                grid: self.its_grid(table, organisation),
                accept_within: self.number(table, "accept_within_min", 1, ACCEPT_MIN).map(minutes),
                handle_within: self.number(table, "handle_within_h", 1, HANDLE_H).map(|h| minutes(h * 60)),
                way: self.way(table),
                departments: self.departments(table),
            };
            if self.problems.len() > before {
                continue;
            }
            let says = line.accept_within.is_some() || line.handle_within.is_some() || line.way.is_some();
            if !says {
                let what = "这一条什么也没有规定 · this line sets nothing";
                self.problem(span, what, "write accept_within_min, handle_within_h or loop");
            } else if !line.departments.is_empty() && line.way.is_none() {
                let what = "写了部门,没有写走哪个循环 · departments without a loop";
                self.problem(
                    span,
                    what,
                    r#"write loop = "large", or "small": then they are called when it goes up"#,
                );
            } else if line.way == Some(Loop::Large) && line.departments.is_empty() {
                let what = "大循环没有写叫哪些部门 · the large loop calls nobody";
                self.problem(span, what, r#"write departments = ["水务", "物业"]"#);
            } else if line
                .accept_within
                .zip(line.handle_within)
                .is_some_and(|(accept, handle)| accept > handle)
            {
                let what = "受理时限比办结时限还长 · accepted later than it is handled";
                self.problem(span, what, "write a shorter accept_within_min, or a longer handle_within_h");
            }
            lines.push(line);
        }
        lines
    }

    fn priorities(&mut self, table: &DeTable<'_>) -> Vec<Priority> {
        let known: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
        let mut found = Vec::new();
        for (span, word) in self.words(table, "priority") {
            match Priority::ALL.iter().find(|priority| priority.as_str() == word) {
                Some(priority) => found.push(*priority),
                None => {
                    self.problem(
                        span,
                        format!("没有级别 {word:?} · no such priority"),
                        instead(&word, &known),
                    );
                }
            }
        }
        found
    }

    fn its_grid(&mut self, table: &DeTable<'_>, organisation: &Organisation) -> Option<Id> {
        let (span, word) = self.text(table, "grid")?;
        self.unit(span, &word, &organisation.units)
    }

    fn way(&mut self, table: &DeTable<'_>) -> Option<Loop> {
        let (span, word) = self.text(table, "loop")?;
        let way = LOOPS.iter().find(|(name, _)| *name == word).map(|(_, way)| *way);
        if way.is_none() {
            let names = LOOPS.map(|(name, _)| name);
            self.problem(span, format!("没有这种循环 {word:?} · no such loop"), instead(&word, &names));
        }
        way
    }

    fn departments(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let words = self.words(table, "departments");
        if let Some((span, _)) = words.get(DEPARTMENTS) {
            self.problem(span.clone(), format!("more than {DEPARTMENTS} departments"), "leave some out");
        }
        words.into_iter().map(|(_, word)| word.trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use shouwang_board::Loop;
    use shouwang_message::{Class, Priority};

    use crate::Config;

    const BEFORE: &str = "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \"127.0.0.1:0\"\n[[organisation]]\nid = \"hp-07\"\nkind = \"grid\"\n";

    fn read(text: &str) -> Result<Config, String> {
        Config::parse(Path::new("d.toml"), &format!("{BEFORE}{text}")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_of_times_and_loops() {
        let config = read(
            "[[handling]]\nclass = [\"leak\"]\ngrid = \"hp-07\"\nloop = \"small\"\ndepartments = [\"水务\", \"物业\"]\n\
             [[handling]]\npriority = \"urgent\"\naccept_within_min = 20\nhandle_within_h = 12\n",
        )
        .unwrap();
        let [leak, urgent] = &config.handling[..] else { panic!("{:?}", config.handling) };
        assert_eq!((&leak.classes[..], leak.way), (&[Class::Leak][..], Some(Loop::Small)));
        assert_eq!(leak.departments, ["水务", "物业"]);
        assert_eq!(urgent.priorities, [Priority::Urgent]);
        assert_eq!(urgent.accept_within, Some(Duration::from_secs(1_200)));
        assert_eq!(urgent.handle_within, Some(Duration::from_secs(12 * 3_600)));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (text, wanted) in [
            ("class = \"leak\"", "this line sets nothing"),
            ("departments = \"a\"\nhandle_within_h = 2", "departments without a loop"),
            ("loop = \"large\"", "the large loop calls nobody"),
            ("loop = \"big\"", "no such loop"),
            ("handle_within_h = 0", "handle_within_h must be from 1 to 2160"),
            ("accept_within_min = 180\nhandle_within_h = 2", "accepted later than it is handled"),
            ("grid = \"hp-99\"\nhandle_within_h = 2", "no such unit"),
            ("priority = \"high\"\nhandle_within_h = 2", "no such priority"),
            ("within = 2\nhandle_within_h = 2", "unknown key handling.within"),
        ] {
            let problem = read(&format!("[[handling]]\n{text}\n")).unwrap_err();
            assert!(problem.contains(wanted) && problem.lines().count() == 1, "{wanted}: {problem}");
        }
    }
}
