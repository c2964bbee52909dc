//! The logbook as people read it: page by page as JSON, and whole as CSV.
use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::refusal::{Refusal, mistake, refusal};
use super::{Desk, from_disk};
use crate::logbook::{Line, Reader, Written};

const LINES: u32 = 100;
const LINES_AT_MOST: u32 = 1_000;
/// Excel knows UTF-8 by it.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";
const COLUMNS: &str =
    "编号 number,时间 at,何人 by,来自 from,何事 what,关于 about,原 old,新 new,备注 note,哈希 hash\r\n";

#[derive(Debug, Deserialize)]
pub(super) struct PageQuery {
    before: Option<u64>,
    limit: Option<u32>,
}

/// `?before=NUMBER&limit=1..1000`: the newest first; `next` is the `before` of the next page.
pub(super) async fn page(
    State(desk): State<Desk>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Value>, Refusal> {
    let limit = query.limit.unwrap_or(LINES);
    if !(1..=LINES_AT_MOST).contains(&limit) {
        return Err(mistake("limit", "limit 为 1 到 1000", "`limit` is 1 to 1000"));
    }
    let (reader, before) = (desk.inner.logbook.clone(), query.before.unwrap_or(u64::MAX));
    let (lines, head) = from_disk(move || reader.before(before, limit)).await.ok_or_else(unreadable)?;
    let items: Vec<Value> = lines.iter().filter_map(item).collect();
    let next = items.last().and_then(|line| line["number"].as_u64()).filter(|number| *number > 1);
    Ok(Json(json!({ "items": items, "next": next, "head": head })))
}

fn item((line, hash): &Written) -> Option<Value> {
    let mut item: Value = serde_json::from_str(line).ok()?;
    item.as_object_mut()?.insert("hash".into(), hash.as_str().into());
    Some(item)
}

/// The whole logbook, oldest first, read in pieces while it is sent.
pub(super) async fn csv(State(desk): State<Desk>) -> Response {
    let start = Some((desk.inner.logbook.clone(), None));
    let pieces = stream::try_unfold(start, |state: Option<(Reader, Option<u64>)>| async move {
        let Some((reader, after)) = state else { return Ok::<_, std::io::Error>(None) };
        let Some(number) = after else {
            return Ok(Some((format!("{BYTE_ORDER_MARK}{COLUMNS}"), Some((reader, Some(0))))));
        };
        let again = reader.clone();
        let read = tokio::task::spawn_blocking(move || again.after(number, LINES_AT_MOST)).await;
        let lines = read.map_err(std::io::Error::other)?.map_err(std::io::Error::other)?;
        let mut text = String::new();
        let mut last = None;
        for (line, hash) in &lines {
            let line: Line = serde_json::from_str(line).map_err(std::io::Error::other)?;
            last = Some(line.number);
            text.push_str(&row(&line, hash));
        }
        Ok(last.map(|last| (text, Some((reader, Some(last))))))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"logbook.csv\""),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

fn row(line: &Line, hash: &str) -> String {
    let number = line.number.to_string();
    let at = line.at.to_string();
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        number,
        at,
        line.by.clone(),
        line.from.clone(),
        line.what.clone(),
        optional(&line.about),
        optional(&line.old),
        optional(&line.new),
        optional(&line.note),
        hash.to_owned(),
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    cells.join(",") + "\r\n"
}

/// RFC 4180; and what a spreadsheet would take for a formula is made a text.
pub(super) fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn unreadable() -> Refusal {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "store",
        "日志暂时读不出来,请稍后再试",
        "The logbook cannot be read just now: try again soon",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_never_breaks_its_row() {
        assert_eq!(cell("王师傅"), "王师傅");
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@a,b"), "\"'@a,b\"");
        assert_eq!(cell("说\"好\"\n走"), "\"说\"\"好\"\"\n走\"");
    }
}
