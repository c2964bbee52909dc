//! What is answered in the clear where the pages are shown over TLS: where to find them, and nothing else.
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};

use super::refusal::refusal;
use super::{Desk, guard};

pub(super) fn router(desk: Desk) -> Router {
    Router::new().fallback(answer).layer(from_fn(guard::seated)).with_state(desk)
}

/// A page is at the same address with `https`; a program must call it there itself, as what it sent has been read on its way.
async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    let host = guard::text(request.headers(), &header::HOST).unwrap_or_default();
    let is_look = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_look && guard::is_ours(&desk, host) {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let place = format!("https://{host}{path}");
        return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, place)]).into_response();
    }
    let (zh, en) = ("这里只用 https:// 访问", "Only https:// is spoken here");
    refusal(StatusCode::BAD_REQUEST, "plaintext", zh, en).into_response()
}
