//! Bars as SVG inside a page: two values of each group, and a line that they should stay under. What there is nothing
//! to measure of is written as a word, never drawn as a bar of height nought.
use std::fmt;

use askama::filters::HtmlSafe;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: u32 = 620;
const HEIGHT: u32 = 270;
/// Of the palette in every page; the first is dark and the second light, so that a grey print tells them apart.
const FIRST: RGBColor = RGBColor(0x0b, 0x5c, 0xad);
const SECOND: RGBColor = RGBColor(0x8f, 0xc1, 0xea);
const FALSE: RGBColor = RGBColor(0xf2, 0x8c, 0x00);
const ALL: RGBColor = RGBColor(0xc3, 0xcc, 0xd6);
const LIMIT: RGBColor = RGBColor(0xc8, 0x10, 0x2e);
const INK: RGBColor = RGBColor(0x16, 0x20, 0x2c);
const SOFT: RGBColor = RGBColor(0x52, 0x60, 0x70);
const GRID: RGBColor = RGBColor(0xdd, 0xe3, 0xea);

/// What belongs together under one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) label: String,
    /// Under the label, where it is new: the year.
    pub(super) under: String,
    pub(super) values: [Option<f64>; 2],
}

/// How the two values stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Side by side.
    Pair,
    /// The second is a part of the first.
    Part,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Bars<'a> {
    pub(super) kind: Kind,
    pub(super) groups: &'a [Group],
    /// A line to stay under, and its name.
    pub(super) limit: Option<(f64, &'a str)>,
    /// The word for a group without any value.
    pub(super) nothing: &'a str,
}

/// Markup of our own making: every text in it was escaped when it was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chart(String);

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Chart {}

/// None if no group has a value: an empty chart tells nobody anything.
pub(super) fn bars(bars: &Bars<'_>) -> Option<Chart> {
    let largest = bars.groups.iter().flat_map(|group| group.values).flatten().reduce(f64::max)?;
    let mut svg = String::new();
    if let Err(error) = draw(bars, largest, &mut svg) {
        tracing::error!(%error, "a chart could not be drawn");
        return None;
    }
    // Its figure names it, and the table beneath has its numbers.
    Some(Chart(svg.replacen("<svg ", "<svg class=\"chart\" aria-hidden=\"true\" ", 1)))
}

fn draw(bars: &Bars<'_>, largest: f64, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    // A few bars are not made as wide as a wall.
    let count = (bars.groups.len() as f64).max(5.0);
    let indent = (count - bars.groups.len() as f64) / 2.0;
    let limit = bars.limit.map_or(0.0, |(at, _)| at);
    let top = (largest.max(limit) * 1.12).max(1.0);
    let whole = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    let mut chart = ChartBuilder::on(&whole)
        .margin_top(10)
        .margin_right(if bars.limit.is_some() { 40 } else { 6 })
        .x_label_area_size(38)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..count, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(5)
        .set_all_tick_mark_size(0)
        .label_style(font(14, &SOFT))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    let shown = bars.groups.iter().zip(0_u32..).map(|(group, place)| (group, indent + f64::from(place)));
    for (group, left) in shown.clone() {
        chart.draw_series(
            rectangles(bars.kind, left, group)
                .into_iter()
                .map(|(from, to, height, color)| Rectangle::new([(from, 0.0), (to, height)], color.filled())),
        )?;
    }
    // Under the numbers, which have an edge of their own to be read on it.
    if let Some((at, name)) = bars.limit {
        chart.draw_series([PathElement::new([(0.0, at), (count, at)], LIMIT.stroke_width(1))])?;
        let (x, y) = chart.backend_coord(&(count, at));
        let beside = font(13, &LIMIT).pos(Pos::new(HPos::Left, VPos::Center));
        whole.draw(&Text::new(name.to_owned(), (x + 4, y), beside))?;
    }
    let at = |x: f64, y: f64| chart.backend_coord(&(x, y));
    for (group, left) in shown {
        for (from, to, height, color) in rectangles(bars.kind, left, group) {
            // Inside the bar of all there is no room for a second number.
            if color != FALSE || group.values.contains(&None) {
                write(&whole, at(f64::midpoint(from, to), height), -2, &short(height), &font(13, &INK))?;
            }
        }
        let below = at(left + 0.5, 0.0);
        if group.values == [None, None] {
            write(&whole, below, -4, bars.nothing, &font(14, &SOFT))?;
        }
        write(&whole, below, 18, &group.label, &font(14, &INK))?;
        write(&whole, below, 34, &group.under, &font(13, &SOFT))?;
    }
    whole.present()?;
    Ok(())
}

/// The bars of one group: from, to, height, colour.
fn rectangles(kind: Kind, left: f64, group: &Group) -> Vec<(f64, f64, f64, RGBColor)> {
    let [first, second] = group.values;
    let bar = |from: f64, to: f64, value: Option<f64>, color| {
        value.map(|value| (left + from, left + to, value, color))
    };
    let both = match kind {
        Kind::Pair => [bar(0.1, 0.49, first, FIRST), bar(0.51, 0.9, second, SECOND)],
        Kind::Part => [bar(0.2, 0.8, first, ALL), bar(0.2, 0.8, second.filter(|part| *part > 0.0), FALSE)],
    };
    both.into_iter().flatten().collect()
}

type Drawing<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A text whose foot is this far below a place.
fn write(
    whole: &Drawing<'_>,
    (x, y): (i32, i32),
    down: i32,
    text: &str,
    style: &TextStyle<'_>,
) -> Result<(), Box<dyn std::error::Error>> {
    if !text.is_empty() {
        let style = style.clone().pos(Pos::new(HPos::Center, VPos::Bottom));
        // The backend keeps its error's type to itself.
        whole.draw(&Text::new(text.to_owned(), (x, y + down), style)).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// In pixels of its em by 1.24, as the library has it.
fn font(size: i32, color: &RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(color)
}

/// At most three characters below 1,000: what a bar has room for.
fn short(value: f64) -> String {
    if value < 9.95 && value.fract().abs() > 0.049 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(label: &str, values: [Option<f64>; 2]) -> Group {
        Group { label: label.into(), under: String::new(), values }
    }

    fn drawn(kind: Kind, groups: &[Group]) -> String {
        let limit = Some((60.0, "60 秒"));
        bars(&Bars { kind, groups, limit, nothing: "无" }).unwrap().to_string()
    }

    #[test]
    fn a_chart_is_text_and_bars_and_needs_no_style_and_no_font() {
        let svg = drawn(Kind::Pair, &[group("10", [Some(12.0), Some(48.0)]), group("11", [None, None])]);
        assert!(svg.starts_with("<svg class=\"chart\" aria-hidden=\"true\" width=\"620\""), "{svg}");
        for said in ["12", "48", "10", "11", "无", "60 秒"] {
            assert!(svg.contains(&format!(">\n{said}\n</text>")), "{said} in {svg}");
        }
        for bar in ["#0B5CAD", "#8FC1EA"] {
            assert_eq!(svg.matches(bar).count(), 1, "nothing is drawn of nothing: {svg}");
        }
        for forbidden in ["style=", "<style", "<script", "href", "url("] {
            assert!(!svg.contains(forbidden), "{forbidden} in {svg}");
        }
    }

    #[test]
    fn a_name_stays_text() {
        let svg = drawn(Kind::Part, &[group("<script>&\"", [Some(4.0), Some(1.0)])]);
        assert!(svg.contains("&lt;script&gt;&amp;") && !svg.contains("<script"), "{svg}");
        assert!(svg.contains("#F28C00") && svg.contains("#C3CCD6"));
    }

    #[test]
    fn without_a_value_there_is_no_chart() {
        let groups = [group("10", [None, None]), group("11", [None, None])];
        assert_eq!(bars(&Bars { kind: Kind::Pair, groups: &groups, limit: None, nothing: "无" }), None);
    }

    #[test]
    fn a_bar_has_room_for_its_number() {
        for (value, said) in
            [(0.0, "0"), (0.52, "0.5"), (3.04, "3"), (9.96, "10"), (12.4, "12"), (599.9, "600")]
        {
            assert_eq!(short(value), said);
        }
    }
}
