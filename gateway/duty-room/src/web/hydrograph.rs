//! A river's stages as SVG inside a page: the line of a sensor with its gaps as gaps, what people read as diamonds, the
//! station's lines labelled; and the staff, with the water standing at it. Classes, no styles: the policy forbids those.
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use shouwang_board::stations::{ManualReading, Sample, gaps};
use shouwang_message::{Quality, Timestamp};
use shouwang_river::{Line, Lines};

use super::words::Language;
use crate::clock::local;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 250.0;
/// Of the drawing's edges: left, right, top, bottom.
const EDGES: (f64, f64, f64, f64) = (40.0, 92.0, 8.0, 22.0);
/// Points of a line: of each so many the lowest and the highest are drawn.
const COLUMNS: i64 = 160;
const HOUR_MS: i64 = 3_600_000;
/// Metres from the datum, up or down: a stage or a line beyond is a mistake of whoever told it, and no drawing's scale
/// follows it.
const FARTHEST_M: f64 = shouwang_board::bounds::STAGE_M;
/// Steps of the scale beside a graph and beside the staff, at most.
const GRAPH_STEPS: u8 = 5;
const STAFF_STEPS: u8 = 40;
/// Gaps of a graph that say their times, the longest first; of further ones one is drawn for every so many pixels.
const TOLD_GAPS: usize = 12;
const GAP_PIXELS: f64 = 8.0;
/// What people read: of so many parts of a graph's time the newest each.
const DIAMONDS: i64 = 24;

/// Markup of our own making: every text in it is escaped here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawing(String);

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Drawing {}

/// What is drawn, and of which time.
#[derive(Clone, Copy, Debug)]
pub(super) struct River<'a> {
    pub(super) samples: &'a [Sample],
    pub(super) manual: &'a [ManualReading],
    pub(super) lines: &'a Lines,
    pub(super) interval_s: u32,
    pub(super) wall: Timestamp,
    pub(super) language: Language,
}

/// Whether it can be drawn at all.
fn is_stage(stage_m: f64) -> bool {
    stage_m.is_finite() && stage_m.abs() <= FARTHEST_M
}

/// The station's lines that can be drawn.
fn drawn_lines(lines: &Lines) -> impl Iterator<Item = (Line, f64)> {
    lines.iter().filter(|(_, level)| is_stage(*level))
}

/// From what to what stage a drawing reaches.
fn range(river: &River<'_>) -> (f64, f64) {
    let good = river.samples.iter().filter(|sample| sample.quality != Quality::Bad);
    let stages = good.filter_map(|sample| sample.stage_m);
    let stages = stages.chain(river.manual.iter().map(|reading| reading.stage_m));
    let (mut low, mut high) = stages
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), stage| (low.min(stage), high.max(stage)));
    if low > high {
        let warning = drawn_lines(river.lines).next().map_or(0.0, |(_, level)| level);
        (low, high) = (warning - 1.0, warning);
    }
    // With the next line above, and the lowest one, as far as they are near.
    if let Some((_, next)) = river.lines.next_above(high).filter(|(_, next)| next - high < 3.0) {
        high = high.max(next);
    }
    let margin = ((high - low) * 0.06).max(0.05);
    (low - margin, high + margin)
}

/// Where a moment and a stage are on the drawing.
struct Scale {
    from_ms: i64,
    to_ms: i64,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, at_ms: i64) -> f64 {
        let part = (at_ms - self.from_ms) as f64 / (self.to_ms - self.from_ms) as f64;
        EDGES.0 + part * (WIDTH - EDGES.0 - EDGES.1)
    }

    fn y(&self, stage_m: f64) -> f64 {
        let part = (stage_m - self.low) / (self.high - self.low);
        HEIGHT - EDGES.3 - part * (HEIGHT - EDGES.2 - EDGES.3)
    }
}

/// The last hours, up to now.
pub(super) fn hydrograph(river: &River<'_>, hours: i64) -> Drawing {
    let to_ms = river.wall.unix_ms();
    let from_ms = to_ms - hours * HOUR_MS;
    let is_shown = |at: Timestamp| at.unix_ms() >= from_ms && at.unix_ms() <= to_ms;
    let is_drawn = |sample: &Sample| is_shown(sample.at) && sample.stage_m.is_none_or(is_stage);
    let samples: Vec<Sample> = river.samples.iter().copied().filter(is_drawn).collect();
    let read = river.manual.iter().filter(|reading| is_shown(reading.at) && is_stage(reading.stage_m));
    let manual = newest_of_parts(read, (to_ms - from_ms) / DIAMONDS);
    let shown = River { samples: &samples, manual: &manual, ..*river };
    let (low, high) = range(&shown);
    let scale = Scale { from_ms, to_ms, low, high };
    let mut svg = format!(
        "<svg class=\"hydrograph\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        if river.language == Language::Chinese { "水位过程线" } else { "Hydrograph" }
    );
    // Writing to a String cannot fail.
    let _ = grid(&mut svg, &scale, hours);
    let _ = lines(&mut svg, &scale, river);
    let missing = gaps(&samples, river.wall, river.interval_s);
    let _ = holes(&mut svg, &scale, &missing, river.language);
    let _ = curve(&mut svg, &scale, &samples, &missing);
    for reading in &manual {
        let (x, y) = (scale.x(reading.at.unix_ms()), scale.y(reading.stage_m));
        let at = local(reading.at, "%m-%d %H:%M");
        let _ = write!(
            svg,
            "<path class=\"read\" d=\"M{x:.0} {:.0}l5 6l-5 6l-5-6z\"><title>{at} {:.2} m</title></path>",
            y - 6.0,
            reading.stage_m
        );
    }
    svg.push_str("</svg>");
    Drawing(svg)
}

/// Of each part of the time the newest, in their order.
fn newest_of_parts<'a>(
    readings: impl Iterator<Item = &'a ManualReading>,
    part_ms: i64,
) -> Vec<ManualReading> {
    let parts = readings.map(|reading| (reading.at.unix_ms().div_euclid(part_ms.max(1)), reading));
    let newest: BTreeMap<i64, &ManualReading> = parts.collect();
    newest.into_values().cloned().collect()
}

/// Stages at the left, hours or days below.
fn grid(svg: &mut String, scale: &Scale, hours: i64) -> fmt::Result {
    for (_, stage) in marks(scale.low, scale.high, GRAPH_STEPS) {
        let y = scale.y(stage);
        let (left, right) = (EDGES.0, WIDTH - EDGES.1);
        write!(svg, "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>")?;
        write!(svg, "<text class=\"tick\" x=\"{}\" y=\"{:.0}\">{stage:.1}</text>", left - 4.0, y + 4.0)?;
    }
    let (every, form) = if hours <= 24 { (4, "%H:%M") } else { (24, "%m-%d") };
    // Local hours: China is eight ahead of UTC all year.
    let mut at =
        ((scale.from_ms + 8 * HOUR_MS).div_euclid(every * HOUR_MS) + 1) * every * HOUR_MS - 8 * HOUR_MS;
    while at <= scale.to_ms {
        let label = local(Timestamp::from_unix_ms(at), form);
        write!(svg, "<text class=\"hour\" x=\"{:.0}\" y=\"{}\">{label}</text>", scale.x(at), HEIGHT - 6.0)?;
        at += every * HOUR_MS;
    }
    Ok(())
}

/// The round stages of a scale, each with its number from zero: so many steps at most, whatever the scale.
fn marks(low: f64, high: f64, steps: u8) -> impl Iterator<Item = (f64, f64)> {
    let step = nice((high - low) / f64::from(steps));
    let first = (low / step).ceil();
    let numbers = (0..=steps).map(move |further| first + f64::from(further));
    numbers.map(move |number| (number, number * step)).take_while(move |(_, stage)| *stage <= high)
}

/// 0.1, 0.2, 0.5, 1, 2, 5... up to what a fifth of the farthest scale takes.
fn nice(step: f64) -> f64 {
    let decades = [0.1, 1.0, 10.0, 100.0, 1_000.0].into_iter();
    let steps = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|times| times * decade));
    steps.into_iter().find(|nice| *nice >= step).unwrap_or(10_000.0)
}

fn lines(svg: &mut String, scale: &Scale, river: &River<'_>) -> fmt::Result {
    let mut last = f64::INFINITY;
    for (line, level) in
        drawn_lines(river.lines).filter(|(_, level)| (scale.low..=scale.high).contains(level))
    {
        let y = scale.y(level);
        let (left, right) = (EDGES.0, WIDTH - EDGES.1);
        let class = river.lines.colour(line).word();
        write!(svg, "<path class=\"line {class}\" d=\"M{left} {y:.1}H{right}\"/>")?;
        // Two lines close together do not write over each other.
        let label_y = (y + 4.0).min(last - 13.0);
        last = label_y;
        let name = line_name(line, river.language);
        write!(
            svg,
            "<text class=\"name\" x=\"{}\" y=\"{label_y:.0}\">{name} {level:.2}</text>",
            right + 4.0
        )?;
    }
    Ok(())
}

/// Short: it stands beside the graph.
pub(super) fn line_name(line: Line, language: Language) -> &'static str {
    if language == Language::Chinese { line.zh() } else { line.name() }
}

fn holes(
    svg: &mut String,
    scale: &Scale,
    missing: &[(Timestamp, Timestamp)],
    language: Language,
) -> fmt::Result {
    let height = HEIGHT - EDGES.2 - EDGES.3;
    let mut longest_first: Vec<_> = missing.iter().collect();
    longest_first.sort_by_key(|(from, to)| from.unix_ms() - to.unix_ms());
    let (told, short) = longest_first.split_at(TOLD_GAPS.min(missing.len()));
    for (from, to) in told {
        let (left, right) = (scale.x(from.unix_ms()), scale.x(to.unix_ms()));
        let said = gap_words(*from, *to, language);
        write!(
            svg,
            "<rect class=\"gap\" x=\"{left:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{height}\"><title>{said}</title></rect>",
            EDGES.2,
            (right - left).max(1.0)
        )?;
    }
    let place = |from: &Timestamp| (scale.x(from.unix_ms()) / GAP_PIXELS).floor();
    let mut starts: Vec<f64> = short.iter().map(|(from, _)| place(from)).collect();
    starts.sort_by(f64::total_cmp);
    starts.dedup();
    if !starts.is_empty() {
        svg.push_str("<path class=\"gap\" d=\"");
        for start in starts {
            write!(svg, "M{:.0} {}h4v{height}h-4z", start * GAP_PIXELS, EDGES.2)?;
        }
        svg.push_str("\"/>");
    }
    Ok(())
}

/// 03:10–04:02 无数据。
pub(super) fn gap_words(from: Timestamp, to: Timestamp, language: Language) -> String {
    let form = if local(from, "%m-%d") == local(to, "%m-%d") { "%H:%M" } else { "%m-%d %H:%M" };
    let (from, to) = (local(from, form), local(to, form));
    if language == Language::Chinese {
        format!("{from}–{to} 无数据。")
    } else {
        format!("{from}–{to}: no data.")
    }
}

/// The sensor's line, broken where readings are missing; what is doubted stands beside it as dots.
fn curve(
    svg: &mut String,
    scale: &Scale,
    samples: &[Sample],
    missing: &[(Timestamp, Timestamp)],
) -> fmt::Result {
    let column_ms = ((scale.to_ms - scale.from_ms) / COLUMNS).max(1);
    let mut path = String::new();
    let mut column: Option<(i64, Vec<(i64, f64)>)> = None;
    let mut broken = true;
    let mut flush = |column: &mut Option<(i64, Vec<(i64, f64)>)>, broken: &mut bool| -> fmt::Result {
        let Some((_, points)) = column.take() else { return Ok(()) };
        for (at, stage) in thinned(&points) {
            write!(path, "{}{:.0} {:.1}", if *broken { "M" } else { "L" }, scale.x(at), scale.y(stage))?;
            *broken = false;
        }
        Ok(())
    };
    for sample in samples {
        let Some(stage) = sample.stage_m.filter(|_| sample.quality != Quality::Bad) else { continue };
        let at = sample.at.unix_ms();
        let number = at.div_euclid(column_ms);
        let after_gap = missing.binary_search_by_key(&sample.at, |(_, to)| *to).is_ok();
        // A gap within a column is narrower than what can be seen, and does not make the page longer.
        if column.as_ref().is_some_and(|(known, _)| *known != number) {
            flush(&mut column, &mut broken)?;
        }
        broken |= after_gap;
        column.get_or_insert_with(|| (number, Vec::new())).1.push((at, stage));
    }
    flush(&mut column, &mut broken)?;
    write!(svg, "<path class=\"stage\" d=\"{path}\"/>")
}

/// The lowest and the highest of a column, in their order.
fn thinned(points: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let low = points.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1));
    let high = points.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    let mut kept: Vec<(i64, f64)> = low.into_iter().chain(high).collect();
    kept.sort_by_key(|(at, _)| *at);
    kept.dedup();
    kept
}

/// The staff with the water at it: lines, the highest of today, and the stage if it is the present.
pub(super) fn staff(
    river: &River<'_>,
    stage_m: Option<f64>,
    highest_today: Option<f64>,
    is_live: bool,
) -> Drawing {
    const TALL: f64 = 260.0;
    let (stage_m, highest_today) =
        (stage_m.filter(|stage| is_stage(*stage)), highest_today.filter(|stage| is_stage(*stage)));
    let levels = drawn_lines(river.lines).map(|(_, level)| level);
    let all: Vec<f64> = levels.chain(stage_m).chain(highest_today).collect();
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (low, high) = if low > high { (0.0, 1.0) } else { ((low - 0.6).floor(), high + 0.3) };
    let y = |stage: f64| TALL - 6.0 - (stage - low) / (high - low) * (TALL - 16.0);
    let mut svg = format!(
        "<svg class=\"staff\" viewBox=\"0 0 230 {TALL}\" role=\"img\" aria-label=\"{}\">",
        if river.language == Language::Chinese { "水尺" } else { "Staff gauge" }
    );
    if let Some(stage) = stage_m {
        let (top, class) = (y(stage), if is_live { "water" } else { "water old" });
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"0\" y=\"{top:.1}\" width=\"230\" height=\"{:.1}\"/>",
            TALL - top
        );
    }
    svg.push_str(&format!("<rect class=\"board\" x=\"44\" y=\"4\" width=\"26\" height=\"{}\"/>", TALL - 8.0));
    for (number, stage) in marks(low, high, STAFF_STEPS) {
        let is_half = number.rem_euclid(5.0) < 0.5;
        let width = if is_half { 26.0 } else { 13.0 };
        let _ = write!(
            svg,
            "<rect class=\"mark\" x=\"44\" y=\"{:.1}\" width=\"{width}\" height=\"2\"/>",
            y(stage) - 1.0
        );
        if is_half {
            let _ =
                write!(svg, "<text class=\"tick\" x=\"38\" y=\"{:.0}\">{stage:.1}</text>", y(stage) + 4.0);
        }
    }
    let mut last = f64::INFINITY;
    for (line, level) in drawn_lines(river.lines) {
        let (at, class) = (y(level), river.lines.colour(line).word());
        let label_y = (at + 4.0).min(last - 13.0);
        last = label_y;
        let name = line_name(line, river.language);
        let _ = write!(
            svg,
            "<path class=\"line {class}\" d=\"M44 {at:.1}H112\"/><text class=\"name\" x=\"116\" y=\"{label_y:.0}\">{name} {level:.2}</text>"
        );
    }
    if let Some(highest) = highest_today {
        let at = y(highest);
        let said = if river.language == Language::Chinese { "今日最高" } else { "today's highest" };
        let _ = write!(
            svg,
            "<path class=\"highest\" d=\"M44 {at:.1}l-8-5v10z\"><title>{said} {highest:.2} m</title></path>"
        );
    }
    svg.push_str("</svg>");
    Drawing(svg)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shouwang_river::Rule;

    use super::*;

    const WALL_MS: i64 = 1_790_000_000_000;
    /// Of the page's 50 KB what its three graphs and the staff may take.
    const HEAVIEST: usize = 38 * 1_024;

    fn sample(back_ms: i64, stage_m: f64) -> Sample {
        let at = Timestamp::from_unix_ms(WALL_MS - back_ms);
        Sample { at, stage_m: Some(stage_m), quality: Quality::Good }
    }

    fn read(back_ms: i64, stage_m: f64) -> ManualReading {
        let at = Timestamp::from_unix_ms(WALL_MS - back_ms);
        let (station, by) = ("ford".parse().unwrap(), "ops".to_owned());
        ManualReading { id: "phone-0001".into(), station, stage_m, at, by, received_at: at, sensor_m: None }
    }

    fn lines(levels: &[f64]) -> Lines {
        let names = [Line::Design, Line::Warning, Line::Guarantee, Line::Record];
        names
            .into_iter()
            .zip(levels)
            .fold(Lines::default(), |lines, (line, level)| lines.with(line, *level, Rule::default()))
    }

    fn drawn(samples: &[Sample], manual: &[ManualReading], lines: &Lines) -> [String; 4] {
        let wall = Timestamp::from_unix_ms(WALL_MS);
        let river = River { samples, manual, lines, interval_s: 300, wall, language: Language::Chinese };
        let newest = samples.last().and_then(|sample| sample.stage_m);
        let graphs = [24, 72, 168].map(|hours| hydrograph(&river, hours).to_string());
        let [day, three, week] = graphs;
        [day, three, week, staff(&river, newest, newest, true).to_string()]
    }

    fn any_finite() -> impl Strategy<Value = f64> {
        let bits = any::<f64>().prop_filter("finite", |stage| stage.is_finite());
        prop_oneof![bits, -20_000.0..20_000.0, 0.0..5.0, Just(9e15), Just(1e300), Just(f64::MAX)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
        /// A stranger's visit costs the same whatever a gateway told of its river.
        #[test]
        fn whatever_was_told_the_drawings_end_and_are_small(
            stages in proptest::collection::vec(any_finite(), 0..200),
            every_s in 30_i64..3_600,
            people in proptest::collection::vec(any_finite(), 0..60),
            levels in proptest::collection::vec(any_finite(), 0..=4),
        ) {
            let back = |n: usize| i64::try_from(n).unwrap_or_default() * every_s * 1_000;
            let samples: Vec<Sample> =
                stages.iter().enumerate().rev().map(|(n, stage)| sample(back(n), *stage)).collect();
            let manual: Vec<ManualReading> =
                people.iter().enumerate().rev().map(|(n, stage)| read(back(n), *stage)).collect();
            let drawings = drawn(&samples, &manual, &lines(&levels));
            let bytes: usize = drawings.iter().map(String::len).sum();
            prop_assert!(bytes <= HEAVIEST, "{bytes} bytes");
            for drawing in &drawings {
                prop_assert!(!drawing.contains("NaN") && !drawing.contains("inf"), "{drawing}");
            }
        }
    }

    #[test]
    fn a_week_of_gaps_and_of_peoples_readings_is_small_too() {
        // Each reading stands alone between two gaps, and the stage jumps as far as it may.
        let jump = |n: i64| if n % 2 == 0 { FARTHEST_M } else { -FARTHEST_M };
        let samples: Vec<Sample> = (0..960).rev().map(|n| sample(n * 630_000, jump(n))).collect();
        let manual: Vec<ManualReading> = (0..5_000).rev().map(|n| read(n * 120_000, 1.0)).collect();
        let lines = lines(&[-FARTHEST_M, 3.3, 3.8, FARTHEST_M]);
        let drawings = drawn(&samples, &manual, &lines);
        let bytes: usize = drawings.iter().map(String::len).sum();
        assert!(bytes <= HEAVIEST, "{bytes} bytes");
        assert!(drawings[2].contains("<path class=\"gap\"") && drawings[2].contains("class=\"read\""));
    }

    #[test]
    fn a_stage_that_no_river_has_is_not_drawn_and_the_others_are() {
        let samples = [sample(600_000, 3.1), sample(300_000, 1e9), sample(0, 3.2)];
        let [day, .., staff] = drawn(&samples, &[], &lines(&[3.3, 9e15]));
        assert!(day.contains(">3.1<") && day.contains("3.30</text>"), "{day}");
        assert!(staff.contains(">3.0<") && !staff.contains("9000000000000000"), "{staff}");
    }
}
