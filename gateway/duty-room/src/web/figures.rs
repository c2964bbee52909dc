//! A month's figures, as JSON and as CSV: how fast alarms were seen and reached, by grid; how often they were false.
use axum::Json;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use shouwang_board::{DeviceFigures, Figures, Grid};
use shouwang_message::Timestamp;

use super::logbook::{BYTE_ORDER_MARK, cell};
use super::refusal::{Refusal, mistake, unreadable};
use super::{Desk, from_disk};

/// The duty room's day: its people live eight hours ahead of UTC.
const AHEAD_MS: i64 = 8 * 3_600_000;
const COLUMNS: &str = "网格 grid,处置数 cases,确认中位秒 ack_p50_s,确认P95秒 ack_p95_s,确认最慢秒 ack_slowest_s,\
                       到场中位秒 arrive_p50_s,到场P95秒 arrive_p95_s,到场最慢秒 arrive_slowest_s,\
                       办结率 handled_rate,满意率 satisfied_rate,误报率 false_rate,首次发现 found,首次受理 accepted,\
                       首次到场 arrived,首次办结 handled,发现中位秒 find_p50_s,发现P95秒 find_p95_s,发现最慢秒 find_slowest_s,\
                       办结中位秒 handle_p50_s,办结P95秒 handle_p95_s,办结最慢秒 handle_slowest_s,上报质量 quality_rate,\
                       解决效率 in_time_rate,督办数 supervised\r\n";

const DEVICE_COLUMNS: &str =
    "设备 device,地点 place,处置数 cases,已结论 concluded,误报数 false_alarms,误报率 false_rate\r\n";

#[derive(Debug, Deserialize)]
pub(super) struct MonthQuery {
    /// `2026-11`.
    #[serde(default)]
    month: String,
    grid: Option<String>,
}

/// `?month=2026-11&grid=HP-07`.
pub(super) async fn json(
    State(desk): State<Desk>,
    Query(query): Query<MonthQuery>,
) -> Result<impl IntoResponse, Refusal> {
    let (records, span, grid) = (desk.inner.records.clone(), month(&query.month), query.grid.clone());
    let mut item = read(&desk, query).await?.item();
    let counting = move || span.map_or(Ok(0), |(from, to)| records.untouched(from, to, grid.as_deref()));
    item["untouched"] = from_disk(counting).await.ok_or_else(unreadable)?.into();
    Ok(Json(item))
}

/// The same, one line a grid.
pub(super) async fn csv(
    State(desk): State<Desk>,
    Query(query): Query<MonthQuery>,
) -> Result<impl IntoResponse, Refusal> {
    let name = format!("figures-{}", query.month);
    Ok(attached(&name, COLUMNS, &read(&desk, query).await?.grids().iter().map(line).collect::<String>()))
}

/// Every device that told of something, those that were most often wrong first.
pub(super) async fn devices_csv(
    State(desk): State<Desk>,
    Query(query): Query<MonthQuery>,
) -> Result<impl IntoResponse, Refusal> {
    let name = format!("devices-{}", query.month);
    Ok(attached(
        &name,
        DEVICE_COLUMNS,
        &read(&desk, query).await?.devices().iter().map(device_line).collect::<String>(),
    ))
}

fn attached(name: &str, columns: &str, lines: &str) -> impl IntoResponse + use<> {
    let attachment = format!("attachment; filename=\"{name}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, attachment),
    ];
    (headers, format!("{BYTE_ORDER_MARK}{columns}{lines}"))
}

async fn read(desk: &Desk, query: MonthQuery) -> Result<Figures, Refusal> {
    let (from, to) = month(&query.month).ok_or_else(no_month)?;
    let records = desk.inner.records.clone();
    from_disk(move || records.figures(from, to, query.grid.as_deref())).await.ok_or_else(unreadable)
}

pub(super) fn no_month() -> Refusal {
    let en = "`month` is a year and a month such as 2026-11";
    mistake("month", "month 应为年和月,如 2026-11", en)
}

/// A month's first moment and the next one's.
pub(super) fn month(text: &str) -> Option<(Timestamp, Timestamp)> {
    let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    if !(year.bytes().chain(month.bytes()).all(|digit| digit.is_ascii_digit())) {
        return None;
    }
    let (year, month): (u16, u16) = (year.parse().ok()?, month.parse().ok()?);
    if !(1971..=9998).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let first = |year: u16, month: u16| {
        let midnight: Timestamp = format!("{year:04}-{month:02}-01T00:00:00.000Z").parse().ok()?;
        Some(Timestamp::from_unix_ms(midnight.unix_ms() - AHEAD_MS))
    };
    let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some((first(year, month)?, first(next.0, next.1)?))
}

/// What there is nothing to measure of is a dash.
fn line(grid: &Grid) -> String {
    let dash = || "—".to_owned();
    let seconds = |s: Option<u64>| s.map_or_else(dash, |s| s.to_string());
    let rate = |rate: Option<f64>| rate.map_or_else(dash, |rate| format!("{:.1}%", rate * 100.0));
    let first = |what: &str| grid.firsts.get(what).map_or_else(dash, Timestamp::to_string);
    let (seen, reached) = (&grid.to_acknowledge, &grid.to_arrive);
    let cells = [
        if grid.grid.is_empty() { dash() } else { cell(&grid.grid) },
        grid.cases.to_string(),
        seconds(seen.p50_s),
        seconds(seen.p95_s),
        seconds(seen.slowest_s),
        seconds(reached.p50_s),
        seconds(reached.p95_s),
        seconds(reached.slowest_s),
        rate(grid.handled_rate),
        rate(grid.satisfied_rate),
        rate(grid.false_rate),
        first("found"),
        first("accepted"),
        first("arrived"),
        first("handled"),
        seconds(grid.to_find.p50_s),
        seconds(grid.to_find.p95_s),
        seconds(grid.to_find.slowest_s),
        seconds(grid.to_handle.p50_s),
        seconds(grid.to_handle.p95_s),
        seconds(grid.to_handle.slowest_s),
        rate(grid.quality_rate),
        rate(grid.in_time_rate),
        grid.supervised.to_string(),
    ];
    cells.join(",") + "\r\n"
}

fn device_line(device: &DeviceFigures) -> String {
    let cells = [
        cell(&device.device),
        cell(&device.place),
        device.alarms.to_string(),
        device.concluded.to_string(),
        device.false_alarms.to_string(),
        device.false_rate.map_or_else(|| "—".to_owned(), |rate| format!("{:.1}%", rate * 100.0)),
    ];
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_the_duty_rooms_midnight() {
        let (from, to) = month("2026-11").unwrap();
        assert_eq!(
            (from.to_string().as_str(), to.to_string().as_str()),
            ("2026-10-31T16:00:00.000Z", "2026-11-30T16:00:00.000Z")
        );
        let (_, to) = month("2026-12").unwrap();
        assert_eq!(to.to_string(), "2026-12-31T16:00:00.000Z");
        for junk in ["", "2026", "2026-1", "2026-13", "2026-00", "-026-11", "99999-01", "2026-+1", "1970-01"]
        {
            assert!(month(junk).is_none(), "{junk}");
        }
    }
}
