//! The alarms of before: of a device, of a time, the newest first, as they were raised and with what became of them.
use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};
use shouwang_message::Timestamp;

use super::refusal::{Refusal, mistake, unreadable};
use super::{Desk, from_disk};
use crate::records::{ROWS_AT_MOST, Span};

const ROWS: u32 = 50;

/// `device=&from=&to=&limit=`, each as far as it is asked for. `to` of the next page is this one's `next`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PastQuery {
    device: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: Option<String>,
}

impl PastQuery {
    /// Anything of it makes this a question about the past.
    pub(super) fn is_asked(&self) -> bool {
        self.device.is_some() || self.from.is_some() || self.to.is_some() || self.limit.is_some()
    }
}

/// `{"items":[..],"next":..}`, and of one device also how often it was right: `reputation`.
pub(super) async fn list(desk: &Desk, query: PastQuery) -> Result<Json<Value>, Refusal> {
    let limit = query.limit.as_deref().map_or(Ok(ROWS), str::parse).ok();
    let Some(limit) = limit.filter(|limit| (1..=ROWS_AT_MOST).contains(limit)) else {
        return Err(mistake("limit", "limit 为 1 到 200", "`limit` is 1 to 200"));
    };
    let (records, device) = (desk.inner.records.clone(), query.device);
    let span = Span { from: query.from, to: query.to };
    let reading = move || {
        let (alarms, next) = records.alarms(device.as_deref(), span, limit)?;
        let reputation = device.map(|device| records.reputation(&device)).transpose()?;
        Ok::<_, rusqlite::Error>((alarms, next, reputation))
    };
    let (alarms, next, reputation) = from_disk(reading).await.ok_or_else(unreadable)?;
    Ok(Json(json!({ "items": alarms, "next": next, "reputation": reputation })))
}
