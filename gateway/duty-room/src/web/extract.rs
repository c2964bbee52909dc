//! What a handler takes out of a request: who asks and from where, and the JSON of a change.
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{Extension, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use shouwang_message::Text;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::refusal::{Refusal, mistake, refusal};
use super::{Desk, Peer, guard};
use crate::accounts::Person;
use crate::accounts::changes::Asker;

/// A change's JSON must be complete within this.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// An upload of which nothing came for so long broke off: a slow one may take its time.
const SILENT_FOR: Duration = Duration::from_secs(30);
/// And must be here by then: 14 kB/s for the largest.
const UPLOADED_WITHIN: Duration = Duration::from_secs(600);
/// Bytes of uploads in memory at a time, of all who send: many at once, and much more than a night brings.
const UPLOADS: usize = 64 * 1_024 * 1_024;
/// In which the room is counted.
const ROOM_UNIT: usize = 1_024;
/// Characters of a reason or a person's name.
pub(super) const LONGEST_TEXT: usize = 200;

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Extension::from_request_parts(parts, state).await.map(|Extension(peer)| peer)
    }
}

/// Of the browser that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Browser {
    /// What it is given reaches it over TLS.
    pub(super) is_encrypted: bool,
}

impl FromRequestParts<Desk> for Browser {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        Ok(Self { is_encrypted: guard::is_encrypted(desk, &parts.headers) })
    }
}

/// This room's pages as telephones reach them, without the last slash: as somebody has said, or as the asker came.
#[derive(Clone, Debug)]
pub(super) struct OwnAddress(pub(super) String);

impl FromRequestParts<Desk> for OwnAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Infallible> {
        let host = guard::text(&parts.headers, &header::HOST).unwrap_or_default();
        let scheme = if guard::is_encrypted(desk, &parts.headers) { "https" } else { "http" };
        let own = desk.inner.public_url.clone().unwrap_or_else(|| format!("{scheme}://{host}"));
        Ok(Self(own.trim_end_matches('/').to_owned()))
    }
}

/// Of a route that is not for anybody: the check in front of it knows who they are.
impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = ExtensionRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Peer(from) = Peer::from_request_parts(parts, state).await?;
        let Extension(person) = Extension::<Person>::from_request_parts(parts, state).await?;
        Ok(Self { person, from })
    }
}

/// A change: its JSON, all of it understood.
#[derive(Debug)]
pub(super) struct Change<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Change<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        Unread::from_request(request, state).await?.read().map(Self)
    }
}

/// A change's JSON before anybody knows what it should say.
#[derive(Debug)]
pub(super) struct Unread(Bytes);

impl<S: Send + Sync> FromRequest<S> for Unread {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind = guard::text(request.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
            return Err(refusal(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content_type",
                "请使用 Content-Type: application/json",
                "Send Content-Type: application/json",
            ));
        }
        let late = || {
            let (zh, en) = ("请求内容 10 秒内没有到齐", "The body was not complete within 10 s");
            refusal(StatusCode::REQUEST_TIMEOUT, "late", zh, en)
        };
        let body = timeout(BODY_WITHIN, Bytes::from_request(request, state)).await.map_err(|_| late())?;
        body.map(Self).map_err(|rejection| {
            refusal(rejection.status(), "body", "请求内容过长或中断", "The body is too long or broken")
        })
    }
}

impl Unread {
    /// The same outside a handler's arguments.
    pub(super) async fn whole(request: Request) -> Result<Self, Refusal> {
        Self::from_request(request, &()).await
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.0).map_err(|error| {
            let status =
                if error.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            let text =
                Text::new(format!("JSON 无效:{error}"), format!("Not the JSON expected here: {error}"));
            Refusal::new(status, "json", &text)
        })
    }
}

/// An upload, whole: a picture or a spreadsheet of at most so many bytes.
///
/// # Errors
/// 413 for a longer one, 400 for one that broke, 408 if nothing of it came for 30 s or it is not here within 10 min, 503
/// while others fill the room for uploads; what had come is let go.
pub(super) async fn upload(desk: &Desk, request: Request, largest: usize) -> Result<Upload, Refusal> {
    let room = &desk.inner.upload_room;
    timeout(UPLOADED_WITHIN, whole(request.into_body(), largest, SILENT_FOR, room))
        .await
        .map_err(|_| late())?
}

/// The bytes of an upload, and their part of the room for uploads until they are dropped.
#[derive(Debug)]
pub(super) struct Upload {
    bytes: Bytes,
    room: Arc<OwnedSemaphorePermit>,
}

impl Upload {
    /// Some of them, which are not written twice.
    pub(super) fn part(&self, bytes: &[u8]) -> Self {
        Self { bytes: self.bytes.slice_ref(bytes), room: Arc::clone(&self.room) }
    }
}

impl Deref for Upload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

fn late() -> Refusal {
    let (zh, en) =
        ("上传中断:太久没有收到数据,请重新上传", "The upload came too slowly or not at all: send it again");
    refusal(StatusCode::REQUEST_TIMEOUT, "late", zh, en)
}

async fn whole(
    mut body: Body,
    largest: usize,
    silent_for: Duration,
    room: &Arc<Semaphore>,
) -> Result<Upload, Refusal> {
    let full = || {
        let (zh, en) = ("上传的人太多,请稍后再传", "Too many send pictures just now: send it again soon");
        refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", zh, en)
    };
    let mut read = Vec::new();
    let mut held = Arc::clone(room).try_acquire_owned().map_err(|_| full())?;
    while let Some(frame) = timeout(silent_for, body.frame()).await.map_err(|_| late())? {
        let frame = frame.map_err(|_| {
            let (zh, en) = ("上传中断,请重新上传", "The upload broke off: send it again");
            refusal(StatusCode::BAD_REQUEST, "broken", zh, en)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > largest - read.len() {
            let (zh, en) = ("文件过大", "The file is too large");
            return Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, "body", zh, en));
        }
        let needed = (read.len() + data.len()).div_ceil(ROOM_UNIT).saturating_sub(held.num_permits());
        if needed > 0 {
            let needed = u32::try_from(needed).map_err(|_| full())?;
            held.merge(Arc::clone(room).try_acquire_many_owned(needed).map_err(|_| full())?);
        }
        read.extend_from_slice(&data);
    }
    Ok(Upload { bytes: read.into(), room: Arc::new(held) })
}

/// The room for uploads of one duty room.
pub(super) fn upload_room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(UPLOADS / ROOM_UNIT))
}

/// A change of which its address says everything: `{}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Whether people's words are no longer than [`LONGEST_TEXT`].
pub(super) fn are_short<'t>(texts: impl IntoIterator<Item = &'t String>) -> Result<(), Refusal> {
    if texts.into_iter().any(|text| text.chars().count() > LONGEST_TEXT) {
        return Err(mistake("too_long_text", "文字最长 200 字", "A text has at most 200 characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// A megabyte in four parts, and then what this is.
    fn megabyte(
        then: impl futures_util::Stream<Item = Result<Bytes, &'static str>> + Send + 'static,
    ) -> Body {
        let part = || Ok(Bytes::from(vec![7; 256 * 1_024]));
        Body::from_stream(stream::iter([part(), part(), part(), part()]).chain(then))
    }

    async fn refused(body: Body, largest: usize) -> StatusCode {
        whole(body, largest, SOON, &upload_room()).await.unwrap_err().into_response().status()
    }

    #[tokio::test]
    async fn an_upload_is_read_whole_and_one_that_falls_silent_breaks_or_is_too_long_is_let_go() {
        let all = whole(megabyte(stream::empty()), 1_024 * 1_024, SOON, &upload_room()).await.unwrap();
        assert_eq!(all.len(), 1_024 * 1_024);
        assert_eq!(
            refused(megabyte(stream::empty()), 1_024 * 1_024 - 1).await,
            StatusCode::PAYLOAD_TOO_LARGE
        );
        assert_eq!(refused(megabyte(stream::pending()), 8 << 20).await, StatusCode::REQUEST_TIMEOUT);
        let broken = stream::iter([Err("the network went away")]);
        assert_eq!(refused(megabyte(broken), 8 << 20).await, StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn many_uploads_at_once_have_one_room_and_give_it_back() {
        let room = Arc::new(Semaphore::new(2_048));
        let send = async || whole(megabyte(stream::empty()), 8 << 20, SOON, &room).await;
        let (first, second) = (send().await.unwrap(), send().await.unwrap());
        let status = send().await.unwrap_err().into_response().status();
        assert_eq!((status, room.available_permits()), (StatusCode::SERVICE_UNAVAILABLE, 0));
        let picture = first.part(&first[..10]);
        drop(first);
        assert_eq!(room.available_permits(), 0, "a part of it is still there");
        drop((picture, second));
        assert_eq!(room.available_permits(), 2_048);
        assert!(send().await.is_ok());
    }
}
