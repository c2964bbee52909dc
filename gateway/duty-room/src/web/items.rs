//! Long lists as they go out: in pieces, from texts that all pages share, so that twenty pages that read ten thousand
//! rows at once do not need the memory of twenty lists.
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::json;

use crate::lists::Answer;

/// Bytes of one piece, or one row if that is longer.
const PIECE: usize = 64 * 1_024;

/// The list of alarms, with what a page needs to keep it.
pub(super) fn list(answer: Answer) -> Response {
    let mut fields = json!({
        "version": answer.version.to_string(), "hash": answer.hash, "count": answer.count,
    });
    if let (Some(since), Some(fields)) = (answer.since, fields.as_object_mut()) {
        fields.insert("after".into(), json!(since.after));
        fields.insert("gone".into(), json!(since.gone));
    }
    let fields = fields.to_string();
    answered(answer.rows, format!(",{}", fields.trim_start_matches('{')))
}

/// `{"items":[ROW,ROW..]` and `end`.
pub(super) fn answered(rows: Vec<Arc<str>>, end: String) -> Response {
    let length =
        rows.iter().map(|row| row.len()).sum::<usize>() + rows.len().saturating_sub(1) + START.len() + 1;
    let length = length + end.len();
    let pieces = Pieces { rows: rows.into_iter(), is_first: true, end: Some(end) };
    let pieces = stream::iter(pieces.map(Ok::<String, Infallible>));
    let headers =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    (headers, Body::from_stream(pieces)).into_response()
}

const START: &str = "{\"items\":[";

struct Pieces {
    rows: std::vec::IntoIter<Arc<str>>,
    is_first: bool,
    end: Option<String>,
}

impl Iterator for Pieces {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.end.as_ref()?;
        let mut piece = String::new();
        if self.is_first {
            piece.push_str(START);
        }
        while piece.len() < PIECE {
            let Some(row) = self.rows.next() else {
                piece.push(']');
                piece.push_str(&self.end.take()?);
                break;
            };
            if !self.is_first || piece.len() > START.len() {
                piece.push(',');
            }
            piece.push_str(&row);
        }
        self.is_first = false;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rows: &[&str]) -> Vec<String> {
        let rows: Vec<Arc<str>> = rows.iter().map(|row| Arc::from(*row)).collect();
        Pieces { rows: rows.into_iter(), is_first: true, end: Some("}".into()) }.collect()
    }

    #[test]
    fn the_pieces_are_one_list() {
        assert_eq!(told(&[]).concat(), "{\"items\":[]}");
        assert_eq!(told(&["1"]).concat(), "{\"items\":[1]}");
        let row = format!("\"{}\"", "x".repeat(1_000));
        let pieces = told(&vec![row.as_str(); 500]);
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.len() <= PIECE + 1_002 + 1));
        let list: serde_json::Value = serde_json::from_str(&pieces.concat()).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 500);
        // One row that fills a piece by itself.
        let row = format!("\"{}\"", "x".repeat(PIECE));
        let list: serde_json::Value = serde_json::from_str(&told(&[&row, "2", &row]).concat()).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 3);
    }
}
