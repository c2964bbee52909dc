//! What a villager is told of a station: one sentence that is true now, also where there is nothing good to tell. No old
//! number is told as new: [`Sentence::is_live`] says whether the number may be large and coloured.
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;

use shouwang_message::{Clock, Mode, Text, Timestamp};
use shouwang_river::{Estimate, Line, Lines, Rate, Recent, Trend, estimate};

use super::{ManualReading, Sample, judging};
use crate::organisation::local_time;

/// A person's reading, at a station without a sensor, is the present for so long.
pub(crate) const READ_FOR_S: u32 = 7_200;

/// What the number on the page is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    Live,
    /// Two intervals without anything new.
    Stale,
    /// With the moment of the last reading, if there was one.
    DeviceLost(Option<Timestamp>),
    GatewayLost(Option<Timestamp>),
    /// The sensor and a person disagree. `again`: the person is asked to read once more.
    Uncertain {
        read_m: f64,
        sensor_m: f64,
        again: bool,
    },
    /// Something speaks against the sensor, and nobody has read the staff.
    Doubtful,
    Bad,
    OutOfService {
        reason: String,
        until: Option<Timestamp>,
        upstream: Option<String>,
    },
    /// Test, drill or simulation.
    Exercise(Mode),
    NoData,
    Closed,
}

/// A station as it is told: everything the sentence depends on.
#[derive(Clone, Debug)]
pub struct Telling<'a> {
    pub name: &'a str,
    pub standing: &'a Standing,
    pub newest: Option<Sample>,
    /// Its clock was never set: its times are those of arrival.
    pub clock_unset: bool,
    /// Its gateway plays.
    pub simulated: bool,
    pub lines: &'a Lines,
    pub recent: &'a Recent,
    pub wall: Timestamp,
}

/// What stands at the top of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    pub text: Text,
    /// The stage as digits, where one may be shown at all.
    pub stage_m: Option<f64>,
    /// These digits are the present: they may be large and have a colour.
    pub is_live: bool,
}

impl Telling<'_> {
    pub fn sentence(&self) -> Sentence {
        let stage_m = self.newest.and_then(|newest| newest.stage_m);
        let hidden = matches!(self.standing, Standing::Bad | Standing::NoData | Standing::Closed);
        let mut text = self.words(stage_m);
        if self.clock_unset && !hidden {
            text.zh.push_str("读数时间未校准,显示的是收到时间。");
            text.en.push_str(" Its clock is not set: the time shown is that of arrival.");
        }
        if self.simulated {
            text = Text::new(
                format!("{}{}", Mode::Simulated.mark(), text.zh),
                format!("[SIMULATED] {}", text.en),
            );
        }
        let is_live = *self.standing == Standing::Live && stage_m.is_some() && !self.clock_unset;
        Sentence { text, stage_m: stage_m.filter(|_| !hidden), is_live }
    }

    fn words(&self, stage_m: Option<f64>) -> Text {
        let at = |at: &Option<Timestamp>| at.map_or_else(|| "--:--".to_string(), |at| self.hour(at));
        let newest_at = self.newest.map(|newest| newest.at);
        match self.standing {
            Standing::Live => self.live(stage_m.unwrap_or_default()),
            Standing::Stale => {
                let (hour, stage) = (at(&newest_at), stage_m.unwrap_or_default());
                let (zh, en) = newest_at.map(|at| age(at, self.wall)).unwrap_or_default();
                Text::new(
                    format!(
                        "最近一次读数是 {hour}({zh})的 {stage:.2} 米,之后没有新数据,现在水位可能已不同。"
                    ),
                    format!(
                        "The last reading was {stage:.2} m at {hour} ({en}). Nothing since: the river may be different now."
                    ),
                )
            }
            Standing::DeviceLost(since) => {
                let hour = at(since);
                Text::new(
                    format!("水位计失联,{hour} 起没有读数。请到现场看水尺,或打值班电话。"),
                    format!(
                        "The gauge is lost: no reading since {hour}. Look at the staff, or call the duty phone."
                    ),
                )
            }
            Standing::GatewayLost(since) => {
                let hour = at(since);
                Text::new(
                    format!("站点通信中断,{hour} 起收不到数据;恢复后会补上中断期间的记录。"),
                    format!(
                        "The station is cut off since {hour}; what it recorded will be filled in when it is back."
                    ),
                )
            }
            Standing::Uncertain { read_m, sensor_m, again } => {
                let cm = (read_m - sensor_m).abs() * 100.0;
                let (zh, en) = if *again {
                    ("请再读一次水尺。", "Read the staff once more.")
                } else {
                    ("请以水尺为准。", "The staff counts.")
                };
                Text::new(
                    format!("传感器存疑:人工 {read_m:.2} 米,传感器 {sensor_m:.2} 米,相差 {cm:.0} 厘米。{zh}"),
                    format!(
                        "The sensor is doubted: read {read_m:.2} m, sensor {sensor_m:.2} m, {cm:.0} cm apart. {en}"
                    ),
                )
            }
            Standing::Doubtful => {
                Text::new("传感器存疑,请以水尺为准。", "The sensor is doubted: the staff counts.")
            }
            Standing::Bad => Text::new(
                "读数异常(超量程/长时间不变/跳变),不显示数值。",
                "The reading is wrong (out of range, stuck, or a jump): no number is shown.",
            ),
            Standing::OutOfService { reason, until, upstream } => {
                self.out_of_service(reason, *until, upstream.as_deref())
            }
            Standing::Exercise(mode) => {
                let mark = if mode.mark().is_empty() { Mode::Test.mark() } else { mode.mark() };
                Text::new(
                    format!("{mark}以下数字不是真实水位。"),
                    format!("[{}] The numbers below are not the real stage.", mode.as_str().to_uppercase()),
                )
            }
            Standing::NoData => Text::new("本站还没有数据。", "This station has no data yet."),
            Standing::Closed => Text::new("本站已撤销。", "This station is closed."),
        }
    }

    fn out_of_service(&self, reason: &str, until: Option<Timestamp>, upstream: Option<&str>) -> Text {
        let (mut zh, mut en) = (format!("本站检修停用:{reason}"), format!("Out of service: {reason}"));
        if let Some(until) = until {
            zh.push_str(&format!(",到 {}", self.hour(until)));
            en.push_str(&format!(", until {}", self.hour(until)));
        }
        zh.push('。');
        en.push('.');
        if let Some(upstream) = upstream {
            zh.push_str(&format!("请看上游 {upstream}。"));
            en.push_str(&format!(" See {upstream}, upstream."));
        }
        Text::new(zh, en)
    }

    /// 青石桥 3.41 米,高于警戒 0.11 米,1 小时涨 18 厘米,正在上涨
    fn live(&self, stage_m: f64) -> Text {
        let (mut zh, mut en) =
            (format!("{} {stage_m:.2} 米", self.name), format!("{} {stage_m:.2} m", self.name));
        if let Some((above, line, apart)) = self.beside(stage_m) {
            zh.push_str(&format!(",{}{} {apart:.2} 米", if above { "高于" } else { "低于" }, line.zh()));
            en.push_str(&format!(", {apart:.2} m {} {}", if above { "above" } else { "below" }, line.name()));
        }
        if let Some(cm) = self.hour_rate().rise_m().map(whole_cm) {
            let (how, how_en) = match cm {
                1.. => ("涨", "up"),
                0 => ("持平", "unchanged"),
                _ => ("落", "down"),
            };
            let moved = if cm == 0 { String::new() } else { format!(" {} 厘米", cm.abs()) };
            let moved_en = if cm == 0 { String::new() } else { format!(" {} cm", cm.abs()) };
            zh.push_str(&format!(",1 小时{how}{moved}"));
            en.push_str(&format!(", {how_en}{moved_en} in 1 h"));
        }
        if let Some(trend) = Trend::of(self.recent, self.wall.into()) {
            let (word, word_en) = trend_words(trend);
            zh.push_str(&format!(",{word}"));
            en.push_str(&format!(", {word_en}"));
        }
        zh.push('。');
        en.push('.');
        Text::new(zh, en)
    }

    fn hour_rate(&self) -> Rate {
        shouwang_river::Rates::of(self.recent, self.wall.into()).hour
    }

    /// The highest line reached, or else the warning line or the next one above, and how far away it is.
    fn beside(&self, stage_m: f64) -> Option<(bool, Line, f64)> {
        let own = || self.lines.iter().filter(|(line, _)| !line.is_of_the_pair());
        let reached =
            own().filter(|(_, level)| stage_m >= *level).max_by(|(_, one), (_, other)| one.total_cmp(other));
        let above = reached.map(|(line, level)| (true, line, stage_m - level));
        let warning = || self.lines.level_m(Line::Warning).map(|level| (Line::Warning, level));
        let next = || warning().or_else(|| self.lines.next_above(stage_m));
        above.or_else(|| next().map(|(line, level)| (false, line, level - stage_m)))
    }

    /// 照此速度约 1 小时 40 分到保证水位(估算,不是预报); only from a number that is live.
    pub fn estimate(&self) -> Option<Text> {
        let clock = if self.clock_unset { Clock::Unset } else { Clock::Synced };
        let live = *self.standing == Standing::Live;
        let Estimate { line, after, .. } =
            estimate(self.lines, self.recent, self.wall.into(), clock).filter(|_| live)?;
        let (zh, en) = span_words(after);
        Some(Text::new(
            format!("照此速度约 {zh}到{}水位(估算,不是预报)", line.zh()),
            format!("At this rate about {en} to the {} line (an estimate, not a forecast)", line.name()),
        ))
    }

    /// `07:52` local, with the day where it is another one.
    fn hour(&self, at: Timestamp) -> String {
        hour_of(at, self.wall)
    }
}

/// `07:52` local, `11-21 07:52` if that was not today.
pub fn hour_of(at: Timestamp, wall: Timestamp) -> String {
    let hour: String = local_time(at).chars().take(5).collect();
    let day = crate::organisation::local_day(at);
    if day == crate::organisation::local_day(wall) { hour } else { format!("{day} {hour}") }
}

/// Up, steady, down, in words.
pub fn trend_words(trend: Trend) -> (&'static str, &'static str) {
    match trend {
        Trend::Rising => ("正在上涨", "rising"),
        Trend::Steady => ("水位平稳", "steady"),
        Trend::Falling => ("正在回落", "falling"),
    }
}

/// A rise in whole centimetres.
pub fn whole_cm(metres: f64) -> i64 {
    let cm = metres.clamp(-1e6, 1e6) * 100.0;
    #[expect(clippy::cast_possible_truncation, reason = "clamped")]
    let whole = (cm + if cm < 0.0 { -0.5 } else { 0.5 }) as i64;
    whole
}

/// How long ago, in words: 刚刚, 2 分钟前, 3 小时前, 2 天前.
pub fn age(at: Timestamp, wall: Timestamp) -> (String, String) {
    let minutes = (wall.unix_ms() - at.unix_ms()).max(0) / 60_000;
    match minutes {
        0 => ("刚刚".to_string(), "just now".to_string()),
        1..=119 => (format!("{minutes} 分钟前"), format!("{minutes} min ago")),
        120..=2_879 => (format!("{} 小时前", minutes / 60), format!("{} h ago", minutes / 60)),
        _ => (format!("{} 天前", minutes / 1_440), format!("{} days ago", minutes / 1_440)),
    }
}

/// 1 小时 40 分, of whole minutes.
fn span_words(span: Duration) -> (String, String) {
    let minutes = span.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => (format!("{minutes} 分钟"), format!("{minutes} min")),
        (hours, 0) => (format!("{hours} 小时"), format!("{hours} h")),
        (hours, minutes) => (format!("{hours} 小时 {minutes} 分"), format!("{hours} h {minutes} min")),
    }
}

/// Three hours of readings for rates and trend: the sensor's, and where there is none people's.
pub fn recent_of(samples: &[Sample], manual: &[ManualReading], has_sensor: bool) -> Recent {
    let mut recent = Recent::default();
    for sample in samples {
        if let Some(stage_m) = sample.stage_m {
            recent.take(sample.at.into(), stage_m, judging::flags_of(sample.quality));
        }
    }
    for reading in manual.iter().filter(|_| !has_sensor) {
        recent.take(reading.at.into(), reading.stage_m, shouwang_river::Flags::NONE);
    }
    recent
}
