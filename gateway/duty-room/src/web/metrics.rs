//! `/metrics` for Prometheus: for programs on this machine, and for people with an account.
use axum::extract::State;
use axum::http::header::{self, HeaderMap};
use axum::response::IntoResponse;

use super::refusal::Refusal;
use super::{Desk, guard};
use crate::eventloop::Message;
use crate::metrics::Now;

/// The newer form is also the older one, but for words in comments: who asks for it gets its name.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn metrics(
    State(desk): State<Desk>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Refusal> {
    let (measures, counts) = desk.ask(|answer| Message::Measures { answer }).await?;
    let (pulse, boards) = (desk.pulse(), desk.boards());
    let now = Now {
        measures,
        counts,
        is_linked: pulse.linked,
        store_writes: !pulse.store_failing,
        boards_live: boards.live,
        boards_armed: boards.armed,
    };
    let asked = guard::text(&headers, &header::ACCEPT).unwrap_or_default();
    let kind = if asked.contains("application/openmetrics-text") { OPEN_METRICS } else { PLAIN };
    Ok(([(header::CONTENT_TYPE, kind)], desk.inner.metrics.text(&now)))
}
