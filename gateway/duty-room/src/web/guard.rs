//! Who may ask at all: the right host, the same origin for changes; who it is by their session; and what browsers may do with answers.
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::refusal::{Refusal, refusal};
use super::seats::Seat;
use super::{Desk, Peer};
use crate::accounts::Person;
use crate::accounts::sessions::Standing;

pub(super) const COOKIE: &str = "shouwang_session";

const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For a page whose forms work without a script: they are sent here and nowhere else.
pub(super) fn policy_with_forms() -> HeaderValue {
    let policy = POLICY.replace("form-action 'none'", "form-action 'self'");
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(POLICY))
}

/// The `Host` must be ours, so that no other name can be pointed at us; a change must come from our own pages.
pub(super) async fn origin(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    let response = match objection(&desk, &request) {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    with_policy(&desk, response)
}

/// Whoever is being answered is not shown out of their place.
pub(super) async fn seated(request: Request, next: Next) -> Response {
    let _busy = request.extensions().get::<Seat>().map(Seat::busy);
    next.run(request).await
}

fn objection(desk: &Desk, request: &Request) -> Option<Refusal> {
    let (method, headers) = (request.method(), request.headers());
    if desk.inner.refuses_other_machines && !is_near(request) {
        return Some(refusal(
            StatusCode::FORBIDDEN,
            "plaintext",
            "这里没有加密,不能从别的机器打开:请在 duty-room.toml 的 [web] 写 certificate = \"generated\"",
            "Nothing is encrypted here, so no other machine is answered: write certificate = \"generated\" below [web] in \
             duty-room.toml",
        ));
    }
    // Two lengths of one body: whoever stands between us and the asker may take the other one (RFC 9112, 6.1).
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        let (zh, en) = ("请求写了两种长度", "The request has two lengths");
        return Some(refusal(StatusCode::BAD_REQUEST, "two_lengths", zh, en));
    }
    let host = text(headers, &header::HOST).unwrap_or_default();
    if !is_ours(desk, host) {
        return Some(refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "主机名不在 [web] hosts 中",
            "This host name is not in [web] hosts",
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return None;
    }
    let same_origin = match text(headers, &header::ORIGIN) {
        Some(origin) => {
            let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
        }
        None => text(headers, &HeaderName::from_static("sec-fetch-site")) == Some("same-origin"),
    };
    if same_origin {
        return None;
    }
    Some(refusal(
        StatusCode::FORBIDDEN,
        "origin",
        "请求必须来自本页面(Origin)",
        "A change must come from this duty room's own pages: send its Origin",
    ))
}

/// From this machine, or a sign of life that says nothing.
fn is_near(request: &Request) -> bool {
    let is_here = request.extensions().get::<Peer>().is_none_or(|peer| peer.0.to_canonical().is_loopback());
    is_here || matches!(request.uri().path(), "/healthz" | "/readyz")
}

/// What a browser is given reaches it over TLS, ours or that of a proxy in front.
pub(super) fn is_encrypted(desk: &Desk, headers: &HeaderMap) -> bool {
    let origin = text(headers, &header::ORIGIN).unwrap_or_default();
    let passed_on = text(headers, &HeaderName::from_static("x-forwarded-proto")).unwrap_or_default();
    desk.inner.is_encrypted || origin.starts_with("https://") || passed_on.eq_ignore_ascii_case("https")
}

/// The request was made on this machine for this machine. What a proxy here passes on names another host.
pub(super) fn is_local(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    let host = text(request.headers(), &header::HOST).unwrap_or_default();
    let name = host_name(host);
    let is_loopback = name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_passed_on =
        ["forwarded", "x-forwarded-for"].iter().any(|name| request.headers().contains_key(*name));
    !is_passed_on
        && peer.is_some_and(|peer| peer.0.to_canonical().is_loopback())
        && (is_loopback || name.eq_ignore_ascii_case("localhost"))
}

/// Plain addresses cannot be pointed elsewhere by DNS; names must be known.
pub(super) fn is_ours(desk: &Desk, host: &str) -> bool {
    let name = host_name(host);
    let lower = name.to_ascii_lowercase();
    lower == "localhost" || name.parse::<std::net::IpAddr>().is_ok() || desk.inner.hosts.contains(&lower)
}

/// A host without its port, an address without its brackets.
fn host_name(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    name.trim_start_matches('[').trim_end_matches(']')
}

/// Who asks by the best of a request's sessions, and what it is good for.
pub(super) fn standing(desk: &Desk, headers: &HeaderMap) -> (Standing, Option<Person>) {
    let found = sessions(headers).filter_map(|session| desk.inner.door.who(session));
    match found.max_by_key(|(standing, _)| *standing) {
        Some((standing, person)) => (standing, Some(person)),
        None => (Standing::Stranger, None),
    }
}

/// The sessions that a browser brings.
pub(super) fn sessions(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).map(|(_, session)| session)
}

pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn with_policy(desk: &Desk, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if desk.inner.is_trusted {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    // A page with forms says its own.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
