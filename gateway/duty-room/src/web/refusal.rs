//! What is answered to a request that cannot be granted: a stable code, and words in two languages.
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use shouwang_message::Text;

use crate::accounts::Refused;

/// An answer that ends a handler early.
#[derive(Debug)]
pub(super) struct Refusal(Box<(StatusCode, serde_json::Value)>);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &str, text: &Text) -> Self {
        Self::with_body(status, json!({ "error": { "code": code, "text": text } }))
    }

    /// Its status and its words, for a page that says them.
    pub(super) fn told(self) -> (StatusCode, Text) {
        let (status, body) = *self.0;
        let said = body.pointer("/error/text").cloned().unwrap_or_default();
        (status, serde_json::from_value(said).unwrap_or_else(|_| Text::new("", "")))
    }

    /// For a refusal that says more than a code and a text.
    pub(super) fn with_body(status: StatusCode, body: serde_json::Value) -> Self {
        Self(Box::new((status, body)))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, body) = *self.0;
        (status, Json(body)).into_response()
    }
}

/// What is about accounts, as the API says it.
impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused.code {
            "wrong" => StatusCode::UNAUTHORIZED,
            "wrong_current" | "code" | "disabled" | "links_only" | "role" => StatusCode::FORBIDDEN,
            "unknown_account" => StatusCode::NOT_FOUND,
            "set_up" | "account_taken" | "accounts_full" | "last_lead" => StatusCode::CONFLICT,
            "busy" | "slow" | "stopping" | "hash" | "chance" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, refused.code, &refused.text)
    }
}

pub(super) fn refusal(status: StatusCode, code: &str, zh: &str, en: &str) -> Refusal {
    Refusal::new(status, code, &Text::new(zh, en))
}

/// The request itself is wrong.
pub(super) fn mistake(code: &str, zh: &str, en: &str) -> Refusal {
    refusal(StatusCode::UNPROCESSABLE_ENTITY, code, zh, en)
}

pub(super) fn not_found() -> Refusal {
    refusal(StatusCode::NOT_FOUND, "not_found", "没有这个地址", "There is nothing here")
}

pub(super) fn method_not_allowed() -> Refusal {
    refusal(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "不支持这种请求方式;报警不能删除",
        "This method is not offered here; no alarm can be deleted",
    )
}

pub(super) fn unknown_alarm() -> Refusal {
    refusal(StatusCode::NOT_FOUND, "unknown_alarm", "没有这条报警", "There is no such alarm")
}

pub(super) fn too_slow() -> Refusal {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "slow",
        "值班室 5 秒内没有写完,请查看列表",
        "Not written to disk within 5 s: look at the list before you try again",
    )
}

/// What was kept of earlier days cannot be read.
pub(super) fn unreadable() -> Refusal {
    refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "store",
        "记录暂时读不出来,请稍后再试",
        "The records cannot be read just now: try again soon",
    )
}
