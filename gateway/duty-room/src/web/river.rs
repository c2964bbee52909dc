//! `/river/{station}`: one station for a phone on a bad network, made here and whole without any script. Public: a villager
//! has no account, and it says nothing of people. What its number is worth is the board's decision.
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shouwang_board::stations::{
    ManualReading, Sample, StationNow, Telling, age, gaps, hour_of, recent_of, whole_cm,
};
use shouwang_message::{Id, Quality, Text, Timestamp};
use shouwang_river::{Colour, Rates};

use super::hydrograph::{Drawing, River, gap_words, hydrograph, line_name, staff};
use super::paper::{Paper, page};
use super::refusal::{Refusal, unreadable};
use super::stations::unknown_station;
use super::words::Language;
use super::{Desk, access, from_disk, guard};
use crate::accounts::Role;
use crate::accounts::sessions::Standing as LogIn;
use crate::clock::{local, local_day};
use crate::eventloop::Message;

const DAY_MS: i64 = 24 * 3_600_000;
/// Gaps told below the graph; all of them are in it.
const GAPS: usize = 4;
/// Days of a spreadsheet that anybody may ask for.
const CSV_DAYS: i64 = 31;
/// Pages read from disk and drawn at a time, whoever asks: a crowd of strangers waits, alarms do not.
pub(super) const DRAWINGS: usize = 1;

#[derive(Template)]
#[template(path = "river.html")]
struct Page {
    paper: Paper,
    id: Id,
    name: String,
    colour: &'static str,
    colour_word: &'static str,
    sentence: String,
    digits: Option<String>,
    is_live: bool,
    age: String,
    /// When this page was made, for a phone without a network.
    saved: String,
    estimate: Option<String>,
    rates: [(&'static str, String); 3],
    staff: Drawing,
    graphs: [(&'static str, &'static str, Drawing); 3],
    gaps: Vec<String>,
    manual: Option<String>,
    /// Of an hour and of a day.
    rain: Option<String>,
    ladder: Vec<Rung>,
    upstream: Option<(Id, String)>,
    downstream: Option<(Id, String)>,
    datum: String,
    is_unchecked: bool,
    /// The person may write readings; and warn a group.
    may_act: bool,
    leads: bool,
    alarm: Option<String>,
    other: (&'static str, &'static str),
    script: String,
}

/// One row of the ladder of impacts; `now` is the river itself.
struct Rung {
    stage: String,
    text: String,
    class: &'static str,
}

/// Everything of a station that its page and its warning are made of.
pub(super) struct Seen {
    pub(super) now: StationNow,
    pub(super) samples: Vec<Sample>,
    pub(super) manual: Vec<ManualReading>,
    pub(super) wall: Timestamp,
}

pub(super) async fn seen(desk: &Desk, station: &str) -> Result<(Id, Seen), Refusal> {
    let id: Id = station.parse().map_err(|_| unknown_station())?;
    let asked = id.clone();
    let now =
        desk.ask(|answer| Message::StationNow { id: asked, answer }).await?.ok_or_else(unknown_station)?;
    let wall = desk.inner.clock.wall();
    let (series, records, station) = (desk.inner.series.clone(), desk.inner.records.clone(), id.clone());
    let from = Timestamp::from_unix_ms(wall.unix_ms() - 7 * DAY_MS);
    let to = Timestamp::from_unix_ms(wall.unix_ms() + DAY_MS);
    let reading = move || {
        let samples = series.between(station.as_str(), from, to)?;
        Ok::<_, rusqlite::Error>((samples, records.manual_readings(station.as_str(), from, to)?))
    };
    let (samples, manual) = from_disk(reading).await.ok_or_else(unreadable)?;
    Ok((id, Seen { now: *now, samples, manual, wall }))
}

impl Seen {
    pub(super) fn recent(&self) -> shouwang_river::Recent {
        let has_sensor = self.now.info.device.is_some();
        let from = self.wall.unix_ms() - 3 * 3_600_000;
        let first = self.samples.partition_point(|sample| sample.at.unix_ms() < from);
        recent_of(self.samples.get(first..).unwrap_or_default(), &self.manual, has_sensor)
    }

    pub(super) fn telling<'a>(&'a self, recent: &'a shouwang_river::Recent) -> Telling<'a> {
        Telling {
            name: &self.now.info.name,
            standing: &self.now.standing,
            newest: self.now.newest,
            clock_unset: self.now.clock_unset,
            simulated: self.now.simulated,
            lines: &self.now.lines,
            recent,
            wall: self.wall,
        }
    }

    pub(super) fn river(&self, language: Language) -> River<'_> {
        River {
            samples: &self.samples,
            manual: &self.manual,
            lines: &self.now.lines,
            interval_s: self.now.interval_s,
            wall: self.wall,
            language,
        }
    }

    fn highest_today(&self) -> Option<f64> {
        let today = local_day(self.wall);
        let good = self.samples.iter().filter(|sample| sample.quality == Quality::Good);
        let good = good.filter_map(|sample| Some((sample.at, sample.stage_m?)));
        let read = self.manual.iter().map(|reading| (reading.at, reading.stage_m));
        let todays = good.chain(read).filter(|(at, _)| today.contains(at));
        todays.map(|(_, stage)| stage).max_by(f64::total_cmp)
    }
}

fn said(text: &Text, language: Language) -> String {
    if language == Language::Chinese { text.zh.clone() } else { text.en.clone() }
}

fn in_words(pair: (String, String), language: Language) -> String {
    if language == Language::Chinese { pair.0 } else { pair.1 }
}

/// The page.
pub(super) async fn show(
    State(desk): State<Desk>,
    Path(station): Path<String>,
    headers: HeaderMap,
    language: Language,
    paper: Paper,
) -> Result<Response, Refusal> {
    // Held until it is drawn, also if the asker leaves before.
    let turn = Arc::clone(&desk.inner.drawings).acquire_owned().await.map_err(|_| unreadable())?;
    let (id, seen) = seen(&desk, &station).await?;
    let (standing, person) = guard::standing(&desk, &headers);
    let role = person.filter(|_| standing == LogIn::Valid).map(|person| person.role);
    let is_of = |roles: &[Role]| role.is_some_and(|role| roles.contains(&role));
    let (may_act, leads) = (is_of(access::WATCH), is_of(access::LEADS));
    let drawn = tokio::task::spawn_blocking(move || {
        let html = page(&made(id, &seen, language, paper, (may_act, leads)));
        drop(turn);
        html
    });
    Ok(drawn.await.map_err(|_| unreadable())??.into_response())
}

fn made(id: Id, seen: &Seen, language: Language, paper: Paper, (may_act, leads): (bool, bool)) -> Page {
    let recent = seen.recent();
    let telling = seen.telling(&recent);
    let (sentence, now) = (telling.sentence(), &seen.now);
    let river = seen.river(language);
    let rates = Rates::of(&recent, seen.wall.into());
    let rate = |rate: shouwang_river::Rate| match rate.rise_m().map(whole_cm) {
        Some(cm) => format!("{cm:+} {}", paper.say("river_cm")),
        None => "—".to_owned(),
    };
    let newest_age = now.newest.map(|newest| {
        let (hour, age) = (hour_of(newest.at, seen.wall), in_words(age(newest.at, seen.wall), language));
        format!("{age} · {hour}")
    });
    let missing = gaps(&seen.samples, seen.wall, now.interval_s);
    let colour_word = match now.colour {
        Colour::None => "river_none",
        Colour::Blue => "river_blue",
        Colour::Yellow => "river_yellow",
        Colour::Orange => "river_orange",
        Colour::Red => "river_red",
    };
    let manual = seen.manual.last().map(|reading| {
        let age = in_words(age(reading.at, seen.wall), language);
        format!("{:.2} {} · {age}", reading.stage_m, paper.say("river_metres"))
    });
    let rain = now.rain_mm.map(|(hour, day)| {
        let (words, mm) = (paper.say("river_rain"), paper.say("river_mm"));
        let (an_hour, a_day) = (paper.say("river_1h"), paper.say("river_24h"));
        format!("{words} {an_hour} {hour:.1} {mm} · {a_day} {day:.1} {mm}")
    });
    Page {
        name: now.info.name.clone(),
        colour: now.colour.word(),
        colour_word: paper.say(colour_word),
        sentence: said(&sentence.text, language),
        digits: sentence.stage_m.map(|stage| format!("{stage:.2}")),
        is_live: sentence.is_live,
        age: newest_age.unwrap_or_default(),
        saved: local(seen.wall, "%H:%M"),
        estimate: telling.estimate().map(|text| said(&text, language)),
        rates: [
            (paper.say("river_10min"), rate(rates.ten_minutes)),
            (paper.say("river_1h"), rate(rates.hour)),
            (paper.say("river_3h"), rate(rates.three_hours)),
        ],
        staff: staff(&river, sentence.stage_m, seen.highest_today(), sentence.is_live),
        graphs: [
            ("24", paper.say("river_24h"), hydrograph(&river, 24)),
            ("72", paper.say("river_3d"), hydrograph(&river, 72)),
            ("168", paper.say("river_7d"), hydrograph(&river, 168)),
        ],
        gaps: missing.iter().rev().take(GAPS).map(|(from, to)| gap_words(*from, *to, language)).collect(),
        manual,
        rain,
        ladder: ladder(now, sentence.stage_m, language, &paper),
        upstream: now.upstream.clone(),
        downstream: now.downstream.clone(),
        datum: now.info.datum.clone(),
        is_unchecked: now.is_unchecked,
        may_act,
        leads,
        alarm: now.alarm.map(|alarm| alarm.to_string()),
        other: if language == Language::Chinese { ("en", "English") } else { ("zh", "中文") },
        script: words_of_script(&paper),
        id,
        paper,
    }
}

/// The village's ladder and the station's lines, highest first, with the river at its place among them.
fn ladder(now: &StationNow, stage: Option<f64>, language: Language, paper: &Paper) -> Vec<Rung> {
    let impacts = now.about.impacts.iter().map(|impact| (impact.stage_m, impact.text.clone(), ""));
    let lines = now
        .lines
        .iter()
        .map(|(line, level)| (level, line_name(line, language).to_owned(), now.lines.colour(line).word()));
    let river = stage.map(|stage| (stage, paper.say("river_now").to_owned(), "now"));
    let mut rungs: Vec<_> = impacts.chain(lines).chain(river).collect();
    rungs.sort_by(|one, other| other.0.total_cmp(&one.0));
    let rung = |(stage, text, class)| Rung { stage: format!("{stage:.2}"), text, class };
    rungs.into_iter().map(rung).collect()
}

/// What the script says: as few words as it needs.
fn words_of_script(paper: &Paper) -> String {
    let names = [
        "waiting",
        "sent",
        "login",
        "no_network",
        "bad_number",
        "not_kept",
        "copied",
        "noted",
        "drop",
        "photo_refused",
        "open_in_browser",
    ];
    paper.for_script("river_say_", &names)
}

#[derive(Debug, Deserialize)]
pub(super) struct CsvQuery {
    days: Option<i64>,
}

/// `/river/{station}/readings.csv?days=7`, for everybody: time, stage, source, quality.
pub(super) async fn csv(
    State(desk): State<Desk>,
    Path(station): Path<String>,
    Query(CsvQuery { days }): Query<CsvQuery>,
) -> Result<Response, Refusal> {
    let (id, _) = super::stations::station_of(&desk, &station).await?;
    let wall = desk.inner.clock.wall();
    let days = days.unwrap_or(7).clamp(1, CSV_DAYS);
    let from = Timestamp::from_unix_ms(wall.unix_ms() - days * DAY_MS);
    let to = Timestamp::from_unix_ms(wall.unix_ms() + DAY_MS);
    let (series, records) = (desk.inner.series.clone(), desk.inner.records.clone());
    let name = id.clone();
    let reading = move || {
        let sensor = series.between(name.as_str(), from, to)?;
        let mut rows: Vec<(Timestamp, Option<f64>, &str, Quality)> =
            sensor.iter().map(|one| (one.at, one.stage_m, "sensor", one.quality)).collect();
        let manual = records.manual_readings(name.as_str(), from, to)?;
        rows.extend(manual.iter().map(|one| (one.at, Some(one.stage_m), "manual", Quality::Good)));
        rows.sort_by_key(|(at, ..)| *at);
        Ok::<_, rusqlite::Error>(rows)
    };
    let rows = from_disk(reading).await.ok_or_else(unreadable)?;
    // A spreadsheet program takes it for UTF-8 by its first bytes.
    let mut text = String::from("\u{feff}at,local,stage_m,source,quality\r\n");
    for (at, stage, source, quality) in rows {
        let stage = stage.map_or_else(String::new, |stage| format!("{stage:.3}"));
        let local = local(at, "%Y-%m-%d %H:%M:%S");
        text.push_str(&format!("{at},{local},{stage},{source},{}\r\n", quality.as_str()));
    }
    let name = format!("attachment; filename=\"{id}.csv\"");
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

/// The service worker of the river pages: the last page that was seen opens without a network.
pub(super) async fn worker() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, super::page::SCRIPT), (header::CACHE_CONTROL, "no-cache")];
    (headers, include_str!("../../assets/river-worker.js"))
}
