//! A station's lines, each with its own deadband and delays, and the colour that each stands for.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{LineRule, Priority, StationInfo, Text};

use crate::Colour;

/// A line's condition is called this and the line's name.
const CONDITION: &str = "level_";

/// What a stage can reach. In the order of a river's ladder; the last two are the village's own pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Line {
    /// Near the warning line, by the station's own value.
    Near,
    /// 设防: people begin to look after the dykes.
    Design,
    /// 警戒.
    Warning,
    /// 保证.
    Guarantee,
    /// 历史最高.
    Record,
    /// 准备转移: people make ready to leave.
    Prepare,
    /// 立即转移: they leave.
    Evacuate,
}

impl Line {
    pub const ALL: [Self; 7] = [
        Self::Near,
        Self::Design,
        Self::Warning,
        Self::Guarantee,
        Self::Record,
        Self::Prepare,
        Self::Evacuate,
    ];

    /// As the configuration and `/info` call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Design => "design",
            Self::Warning => "warning",
            Self::Guarantee => "guarantee",
            Self::Record => "record",
            Self::Prepare => "prepare",
            Self::Evacuate => "evacuate",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|line| line.name() == name)
    }

    pub const fn zh(self) -> &'static str {
        match self {
            Self::Near => "接近警戒",
            Self::Design => "设防",
            Self::Warning => "警戒",
            Self::Guarantee => "保证",
            Self::Record => "历史最高",
            Self::Prepare => "准备转移",
            Self::Evacuate => "立即转移",
        }
    }

    /// The name of this line's condition, at both ends.
    pub fn condition(self) -> String {
        format!("{CONDITION}{}", self.name())
    }

    /// The line that a condition of this name is of.
    pub fn of_condition(condition: &str) -> Option<Self> {
        Self::from_name(condition.strip_prefix(CONDITION)?)
    }

    /// The colour's (rules.md, section 3); people are to leave, or to make ready for it.
    pub const fn priority(self) -> Priority {
        match self {
            Self::Near | Self::Design => Priority::Ordinary,
            Self::Warning | Self::Prepare => Priority::Urgent,
            Self::Guarantee | Self::Record | Self::Evacuate => Priority::Emergency,
        }
    }

    /// What its alarm says.
    pub fn words(self) -> Text {
        let (zh, en) = match self {
            Self::Near => ("水位接近警戒", "River near its warning line"),
            Self::Design => ("水位超设防", "River over its design line"),
            Self::Warning => ("水位超警戒", "River over its warning line"),
            Self::Guarantee => ("水位超保证", "River over its guarantee line"),
            Self::Record => ("水位超历史最高", "River over its record"),
            Self::Prepare => ("水位到准备转移线", "River at the line to make ready to leave"),
            Self::Evacuate => ("水位到立即转移线", "River at the line to leave at once"),
        };
        Text::new(zh, en)
    }

    /// The pair for flash floods is judged beside the river's own lines and has no colour.
    pub const fn is_of_the_pair(self) -> bool {
        matches!(self, Self::Prepare | Self::Evacuate)
    }
}

/// How a line is held and left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// How far below the line the stage must fall, m; at least two standard deviations of the burst count.
    pub deadband_m: f64,
    /// How long a stage must hold before the line is reached.
    pub on_delay: Duration,
    /// How long it must be lower before the line is left.
    pub off_delay: Duration,
}

impl Default for Rule {
    /// The filter table of rules.md, section 3: 3 cm, a minute, ten minutes.
    fn default() -> Self {
        Self { deadband_m: 0.03, on_delay: Duration::from_secs(60), off_delay: Duration::from_secs(600) }
    }
}

impl From<LineRule> for Rule {
    fn from(told: LineRule) -> Self {
        Self {
            deadband_m: told.deadband_m,
            on_delay: Duration::from_secs(told.on_delay_s.into()),
            off_delay: Duration::from_secs(told.off_delay_s.into()),
        }
    }
}

/// The lines of one station, m above its datum.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lines {
    lines: BTreeMap<Line, (f64, Rule)>,
}

impl Lines {
    pub fn with(mut self, line: Line, level_m: f64, rule: Rule) -> Self {
        if level_m.is_finite() {
            self.lines.insert(line, (level_m, rule));
        }
        self
    }

    /// As a gateway told them in `/info`; names that this version does not know are left out.
    pub fn of(station: &StationInfo) -> Self {
        station.lines.iter().fold(Self::default(), |lines, (name, level_m)| match Line::from_name(name) {
            Some(line) => {
                let rule = station.rules.get(name).map_or_else(Rule::default, |told| Rule::from(*told));
                lines.with(line, *level_m, rule)
            }
            None => lines,
        })
    }

    pub fn level_m(&self, line: Line) -> Option<f64> {
        self.lines.get(&line).map(|(level_m, _)| *level_m)
    }

    pub fn rule(&self, line: Line) -> Rule {
        self.lines.get(&line).map(|(_, rule)| *rule).unwrap_or_default()
    }

    /// What there is, in the order of [`Line`].
    pub fn iter(&self) -> impl Iterator<Item = (Line, f64)> {
        self.lines.iter().map(|(line, (level_m, _))| (*line, *level_m))
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The colour that holding this line gives. Where the station says what is near, its design line has none.
    pub fn colour(&self, line: Line) -> Colour {
        match line {
            Line::Near => Colour::Blue,
            Line::Design if self.lines.contains_key(&Line::Near) => Colour::None,
            Line::Design => Colour::Blue,
            Line::Warning => Colour::Yellow,
            Line::Guarantee => Colour::Orange,
            Line::Record => Colour::Red,
            Line::Prepare | Line::Evacuate => Colour::None,
        }
    }

    /// The colour of this stage by itself, without delays: for a reading that nothing precedes.
    pub fn colour_at(&self, stage_m: f64) -> Colour {
        let held = self.iter().filter(|(_, level_m)| stage_m >= *level_m);
        held.map(|(line, _)| self.colour(line)).max().unwrap_or_default()
    }

    /// The next of the river's own lines above this stage.
    pub fn next_above(&self, stage_m: f64) -> Option<(Line, f64)> {
        let above = self.iter().filter(|(line, level_m)| !line.is_of_the_pair() && *level_m > stage_m);
        above.min_by(|(_, one), (_, other)| one.total_cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Lines {
        [(Line::Design, 3.0), (Line::Warning, 3.3), (Line::Guarantee, 3.8), (Line::Record, 4.2)]
            .into_iter()
            .fold(Lines::default(), |lines, (line, level_m)| lines.with(line, level_m, Rule::default()))
    }

    #[test]
    fn a_stage_has_the_colour_of_the_highest_line_it_reaches() {
        let colours = [2.99, 3.0, 3.3, 3.79, 3.8, 4.2, 9.0].map(|stage_m| bridge().colour_at(stage_m).zh());
        assert_eq!(colours, ["无", "蓝", "黄", "黄", "橙", "红", "红"]);
    }

    #[test]
    fn blue_is_what_the_station_says_is_near() {
        let lines = bridge().with(Line::Near, 3.2, Rule::default());
        assert_eq!(lines.colour_at(3.1), Colour::None, "over its design line only");
        assert_eq!(lines.colour_at(3.2), Colour::Blue);
    }

    #[test]
    fn the_next_line_is_the_rivers_own() {
        let lines = bridge().with(Line::Prepare, 3.5, Rule::default());
        assert_eq!(lines.next_above(3.41), Some((Line::Guarantee, 3.8)));
        assert_eq!(lines.next_above(4.2), None);
    }
}
