//! 统计: a month's figures as a page, drawn and in numbers, with the eleven months before it. A month, a grid or a column
//! that nothing was recorded of says so; it is never a nought.
use std::fmt::Write as _;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use shouwang_board::{DeviceFigures, Figures, Grid, Times};
use shouwang_message::Timestamp;

use super::charts::{Bars, Chart, Group, Kind, bars};
use super::figures::{month, no_month};
use super::paper::{Paper, page};
use super::refusal::{Refusal, unreadable};
use super::{Desk, from_disk};
use crate::clock::local;

/// Months beside each other in a chart.
const MONTHS: u32 = 12;
/// Grids in a chart, those that waited longest; the table has all of them.
const GRIDS_DRAWN: usize = 10;
/// Devices in the table; the CSV has all of them.
const DEVICES: usize = 50;
/// Devices that are called the worst.
const WORST: usize = 10;
/// Within this an emergency should be acknowledged: what the ladder and the board are measured by.
const ACKNOWLEDGE_WITHIN_S: u64 = 60;

#[derive(Debug, Deserialize)]
pub(super) struct FiguresQuery {
    month: Option<String>,
    grid: Option<String>,
    lang: Option<String>,
}

#[derive(Template)]
#[template(path = "figures.html")]
struct FiguresPage {
    paper: Paper,
    month: String,
    /// Until when, of a month that is not over.
    until: Option<String>,
    grid: Option<String>,
    /// The months before and after, and where their figures are.
    earlier: Option<(String, String)>,
    later: Option<(String, String)>,
    all_grids: String,
    csv: String,
    devices_csv: String,
    cases: u64,
    untouched: i64,
    not_live: u64,
    over_months: Vec<Picture>,
    months: Vec<Line>,
    by_grid: Vec<Picture>,
    grids_left_out: usize,
    grids: Vec<Line>,
    devices: Vec<Accused>,
    devices_left_out: usize,
}

/// A chart, or why there is none.
struct Picture {
    title: String,
    chart: Option<Chart>,
    /// What its bars are: their classes and their names.
    keys: Vec<(&'static str, &'static str)>,
}

/// A month, or a grid, in a table.
struct Line {
    name: String,
    link: String,
    is_shown: bool,
    cases: u64,
    /// 四个第一: found, accepted, on site, handled; half of them, 95 in 100, the slowest.
    timers: [[String; 3]; 4],
    /// 上报质量, 解决效率, 满意率; and how many were handled, and were false.
    rates: [String; 5],
    supervised: u64,
}

/// A device in the table.
struct Accused {
    /// Among the worst: which of them, from 1.
    rank: Option<usize>,
    place: String,
    device: String,
    numbers: [u64; 3],
    rate: String,
}

/// `/figures?month=2026-11&grid=HP-07`; without a month this one.
pub(super) async fn show(
    State(desk): State<Desk>,
    Query(query): Query<FiguresQuery>,
    paper: Paper,
) -> Result<Html<String>, Refusal> {
    let now = desk.inner.clock.wall();
    let this_month = local(now, "%Y-%m");
    let asked = query.month.clone().unwrap_or_else(|| this_month.clone());
    let names = months_until(&asked).ok_or_else(no_month)?;
    let (records, grid, shown) = (desk.inner.records.clone(), query.grid.clone(), month(&asked));
    let reading = move || {
        let spans = names.into_iter().filter_map(|name| month(&name).map(|span| (name, span)));
        let read = spans.map(|(name, (from, to))| Ok((name, records.figures(from, to, grid.as_deref())?)));
        let months = read.collect::<rusqlite::Result<Vec<(String, Figures)>>>()?;
        let untouched = shown.map_or(Ok(0), |(from, to)| records.untouched(from, to, grid.as_deref()))?;
        Ok::<_, rusqlite::Error>((months, untouched))
    };
    let (months, untouched) = from_disk(reading).await.ok_or_else(unreadable)?;
    let links = Links { grid: query.grid, lang: query.lang };
    page(&FiguresPage { untouched, ..FiguresPage::new(paper, &links, &months, (&this_month, now)) })
}

impl FiguresPage {
    fn new(
        paper: Paper,
        links: &Links,
        months: &[(String, Figures)],
        (this_month, now): (&str, Timestamp),
    ) -> Self {
        let nothing = Figures::default();
        let (name, shown) =
            months.last().map_or((this_month, &nothing), |(name, figures)| (name.as_str(), figures));
        let own = links.grid.as_deref();
        let beside = |by| step(name, by).map(|other| (links.to(&other, own), other));
        let (grids, devices) = (shown.grids(), shown.devices());
        let accused = devices.iter().take(DEVICES).zip(1..);
        Self {
            until: (name == this_month).then(|| local(now, "%m-%d %H:%M")),
            earlier: beside(-1),
            later: beside(1).filter(|(_, later)| later.as_str() <= this_month),
            all_grids: links.to(name, None),
            csv: links.csv("/api/v1/figures.csv", name),
            devices_csv: links.csv("/api/v1/figures/devices.csv", name),
            cases: shown.whole().cases,
            untouched: 0,
            not_live: shown.not_live(),
            over_months: over_months(&paper, months),
            months: months.iter().rev().map(|(of, month)| Line::of_month(links, of, name, month)).collect(),
            by_grid: by_grid(&paper, &grids),
            grids_left_out: grids.len().saturating_sub(GRIDS_DRAWN),
            grids: grids.iter().map(|grid| Line::of_grid(&paper, links, name, grid)).collect(),
            devices: accused.map(|(device, rank)| Accused::new(device, rank)).collect(),
            devices_left_out: devices.len().saturating_sub(DEVICES),
            month: name.to_owned(),
            grid: links.grid.clone(),
            paper,
        }
    }
}

/// The charts of the twelve months: times to acknowledge, times to arrive, and how many alarms were false.
fn over_months(paper: &Paper, months: &[(String, Figures)]) -> Vec<Picture> {
    let mut year = "";
    let mut named = Vec::new();
    for (name, figures) in months {
        let (of, number) = name.split_once('-').unwrap_or_default();
        let under = if of == year { String::new() } else { of.to_owned() };
        year = of;
        named.push((number.to_owned(), under, figures.whole()));
    }
    let of = |times: fn(&Grid) -> &Times| -> Vec<(String, String, Times)> {
        named.iter().map(|(label, under, whole)| (label.clone(), under.clone(), *times(whole))).collect()
    };
    let groups = |values: fn(&Grid) -> [Option<f64>; 2]| -> Vec<Group> {
        let group = |(label, under, whole): &(String, String, Grid)| Group {
            label: label.clone(),
            under: under.clone(),
            values: values(whole),
        };
        named.iter().map(group).collect()
    };
    let counts = groups(|whole| {
        let some = |count: u64| (whole.cases > 0).then_some(count as f64);
        [some(whole.cases), some(whole.false_alarms)]
    });
    let rates = groups(|whole| [None, whole.false_rate.map(|rate| rate * 100.0)]);
    let nothing = paper.say("none_short");
    let false_ones = Picture {
        title: paper.say("cases_and_false").to_owned(),
        chart: bars(&Bars { kind: Kind::Part, groups: &counts, limit: None, nothing }),
        keys: vec![("all", paper.say("cases")), ("false", paper.say("of_these_false"))],
    };
    let how_often = Picture {
        title: format!("{} · %", paper.say("false_rate")),
        chart: bars(&Bars { kind: Kind::Part, groups: &rates, limit: None, nothing }),
        keys: vec![],
    };
    let limit = Some(ACKNOWLEDGE_WITHIN_S);
    vec![
        times_picture(paper, "to_acknowledge", &of(|whole| &whole.to_acknowledge), limit),
        times_picture(paper, "to_arrive", &of(|whole| &whole.to_arrive), None),
        false_ones,
        how_often,
    ]
}

/// The charts of the month's grids, those that waited longest.
fn by_grid(paper: &Paper, grids: &[Grid]) -> Vec<Picture> {
    let slowest = |times: fn(&Grid) -> &Times| {
        let mut slowest: Vec<&Grid> = grids.iter().collect();
        slowest.sort_by_key(|grid| std::cmp::Reverse(times(grid).p95_s));
        slowest.truncate(GRIDS_DRAWN);
        let named = slowest.into_iter();
        named.map(|grid| (cut(&grid_name(paper, grid)), String::new(), *times(grid))).collect::<Vec<_>>()
    };
    let limit = Some(ACKNOWLEDGE_WITHIN_S);
    vec![
        times_picture(paper, "to_acknowledge", &slowest(|grid| &grid.to_acknowledge), limit),
        times_picture(paper, "to_arrive", &slowest(|grid| &grid.to_arrive), None),
    ]
}

/// Medians and 95th percentiles beside each other, in the unit that keeps their numbers short.
fn times_picture(
    paper: &Paper,
    what: &str,
    named: &[(String, String, Times)],
    limit_s: Option<u64>,
) -> Picture {
    let largest = named.iter().filter_map(|(_, _, times)| times.p95_s).max().unwrap_or_default();
    let (unit, word) = match largest {
        0..=600 => (1.0, "seconds"),
        601..=36_000 => (60.0, "minutes"),
        _ => (3_600.0, "hours"),
    };
    let scaled = |s: Option<u64>| s.map(|s| s as f64 / unit);
    let groups: Vec<Group> = named
        .iter()
        .map(|(label, under, times)| Group {
            label: label.clone(),
            under: under.clone(),
            values: [scaled(times.p50_s), scaled(times.p95_s)],
        })
        .collect();
    let limit = limit_s.map(|s| (s as f64 / unit, paper.say("limit_60")));
    Picture {
        title: format!("{} · {}", paper.say(what), paper.say(word)),
        chart: bars(&Bars { kind: Kind::Pair, groups: &groups, limit, nothing: paper.say("none_short") }),
        keys: vec![("first", paper.say("median")), ("second", "P95")],
    }
}

impl Line {
    fn of_month(links: &Links, of: &str, shown: &str, figures: &Figures) -> Self {
        let link = links.to(of, links.grid.as_deref());
        Self::new(of.to_owned(), link, of == shown, &figures.whole())
    }

    fn of_grid(paper: &Paper, links: &Links, month: &str, grid: &Grid) -> Self {
        let is_shown = links.grid.as_deref() == Some(grid.grid.as_str());
        Self::new(grid_name(paper, grid), links.to(month, Some(&grid.grid)), is_shown, grid)
    }

    fn new(name: String, link: String, is_shown: bool, figures: &Grid) -> Self {
        let times = |times: &Times| [times.p50_s, times.p95_s, times.slowest_s].map(spent);
        let rates = [
            figures.quality_rate,
            figures.in_time_rate,
            figures.satisfied_rate,
            figures.handled_rate,
            figures.false_rate,
        ];
        let timers = [&figures.to_find, &figures.to_acknowledge, &figures.to_arrive, &figures.to_handle];
        Self {
            name,
            link,
            is_shown,
            cases: figures.cases,
            timers: timers.map(times),
            rates: rates.map(percent),
            supervised: figures.supervised,
        }
    }
}

impl Accused {
    fn new(device: &DeviceFigures, rank: usize) -> Self {
        Self {
            rank: (rank <= WORST && device.false_alarms > 0).then_some(rank),
            place: device.place.clone(),
            device: device.device.clone(),
            numbers: [device.alarms, device.concluded, device.false_alarms],
            rate: percent(device.false_rate),
        }
    }
}

/// How this page is asked for again.
struct Links {
    grid: Option<String>,
    lang: Option<String>,
}

impl Links {
    fn to(&self, month: &str, grid: Option<&str>) -> String {
        self.with("/figures", month, grid)
    }

    fn csv(&self, path: &str, month: &str) -> String {
        self.with(path, month, self.grid.as_deref())
    }

    fn with(&self, path: &str, month: &str, grid: Option<&str>) -> String {
        let mut link = format!("{path}?month={month}");
        for (name, value) in [("grid", grid), ("lang", self.lang.as_deref())] {
            if let Some(value) = value {
                let _ = write!(link, "&{name}={}", escaped(value));
            }
        }
        link
    }
}

/// As a value in a query (RFC 3986).
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// The months that a chart ends with this one, the oldest first; none of what is no month.
fn months_until(last: &str) -> Option<Vec<String>> {
    let _ = month(last)?;
    (1 - i64::from(MONTHS)..=0).map(|back| step(last, back)).collect()
}

/// The month so many months later; none outside the years that there are figures of.
fn step(name: &str, by: i64) -> Option<String> {
    let (year, number) = name.split_once('-')?;
    let months = year.parse::<i64>().ok()? * 12 + number.parse::<i64>().ok()? - 1 + by;
    let other = format!("{:04}-{:02}", months.div_euclid(12), months.rem_euclid(12) + 1);
    month(&other).map(|_| other)
}

fn grid_name(paper: &Paper, grid: &Grid) -> String {
    if grid.grid.is_empty() { paper.say("no_grid").to_owned() } else { grid.grid.clone() }
}

/// What has room under a bar.
fn cut(name: &str) -> String {
    const ROOM: usize = 8;
    let width = |c: char| if c.is_ascii() { 1 } else { 2 };
    if name.chars().map(width).sum::<usize>() <= ROOM {
        return name.to_owned();
    }
    let mut taken = 1;
    let fits = |c: &char| {
        taken += width(*c);
        taken <= ROOM
    };
    name.chars().take_while(fits).chain(['…']).collect()
}

/// `45 s`, `1:05`, `2:05:00`; a dash where there is nothing to measure.
fn spent(s: Option<u64>) -> String {
    match s {
        None => "—".to_owned(),
        Some(s @ 0..60) => format!("{s} s"),
        Some(s @ 60..3_600) => format!("{}:{:02}", s / 60, s % 60),
        Some(s) => format!("{}:{:02}:{:02}", s / 3_600, s % 3_600 / 60, s % 60),
    }
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "—".to_owned(), |rate| format!("{:.1}%", rate * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_months_end_with_the_one_that_was_asked_for() {
        let months = months_until("2026-03").unwrap();
        assert_eq!((months[0].as_str(), months[9].as_str()), ("2025-04", "2026-01"));
        assert_eq!((months.len(), months[11].as_str()), (12, "2026-03"));
        assert_eq!(step("2026-12", 1).as_deref(), Some("2027-01"));
        for junk in ["2026-13", "", "x", "1971-01"] {
            assert_eq!(months_until(junk), None, "{junk}");
        }
    }

    #[test]
    fn a_grid_in_a_link_stays_a_grid() {
        let links = Links { grid: None, lang: Some("en".into()) };
        let link = links.to("2026-11", Some("东区&x=1"));
        assert_eq!(link, "/figures?month=2026-11&grid=%E4%B8%9C%E5%8C%BA%26x%3D1&lang=en");
    }

    #[test]
    fn a_long_name_is_cut_where_the_bar_ends() {
        for (name, said) in [
            ("HP-07", "HP-07"),
            ("HP-00071", "HP-00071"),
            ("HP-000712", "HP-0007…"),
            ("和平东街", "和平东街"),
        ] {
            assert_eq!(cut(name), said);
        }
        assert_eq!(cut("和平东街一"), "和平东…");
    }

    #[test]
    fn times_are_short_and_nothing_is_a_dash() {
        assert_eq!([None, Some(0), Some(65), Some(7_500)].map(spent), ["—", "0 s", "1:05", "2:05:00"]);
        assert_eq!((percent(None), percent(Some(0.0))), ("—".into(), "0.0%".into()));
    }
}
