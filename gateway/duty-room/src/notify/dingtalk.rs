//! A DingTalk group's robot, signed in its address. A mention works only if the number stands in the text too,
//! where the group sees the person's name in its place.
use serde::Serialize;
use shouwang_message::Timestamp;

use super::card::{Card, fitting, mobile};
use super::http::Post;
use super::signed::{base64, hmac, percent};
use crate::config::Secret;
use crate::config::channels::Address;

/// Bytes of the text; the whole message may have 20,000.
const TEXT_BYTES: usize = 16_000;
/// People mentioned in one message.
const MENTIONED: usize = 20;

#[derive(Serialize)]
struct Body {
    msgtype: &'static str,
    markdown: Markdown,
    at: At,
}

#[derive(Serialize)]
struct Markdown {
    title: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct At {
    at_mobiles: Vec<String>,
    is_at_all: bool,
}

pub(crate) fn post(base: &Address, token: &Secret, secret: &Secret, card: &Card, wall: Timestamp) -> Post {
    let phones = card.mentioned.iter().filter_map(|person| person.phone.as_deref()).map(mobile);
    let phones: Vec<String> = phones.take(MENTIONED).collect();
    let body = Body {
        msgtype: "markdown",
        markdown: Markdown { title: title(card), text: text(card, &phones) },
        at: At { is_at_all: card.wakes_all && phones.is_empty(), at_mobiles: phones },
    };
    let (ms, path) = (wall.unix_ms(), base.below("/robot/send"));
    let (token, sign) = (token.reveal(), sign(ms, secret.reveal()));
    Post {
        path_and_query: format!("{path}?access_token={token}&timestamp={ms}&sign={sign}"),
        content_type: "application/json",
        headers: Vec::new(),
        // Texts always serialise.
        body: serde_json::to_vec(&body).unwrap_or_default(),
    }
}

/// `urlencode(base64(HMAC-SHA256(key = secret, message = "MS\nsecret")))`.
fn sign(ms: i64, secret: &str) -> String {
    percent(&base64(&hmac(secret.as_bytes(), format!("{ms}\n{secret}").as_bytes())))
}

/// What the phone's notification shows.
fn title(card: &Card) -> String {
    match &card.place {
        Some(place) => format!("{} {place}", card.title),
        None => card.title.clone(),
    }
}

fn text(card: &Card, phones: &[String]) -> String {
    let mut lines = vec![format!("#### {} {}", card.sign, card.title)];
    let quoted = card.place.iter().cloned();
    let quoted = quoted.chain(card.lines.iter().map(|(label, value)| format!("{label}:{value}")));
    // A single newline is none in its markdown.
    lines.extend(
        quoted.chain(card.rows.iter().chain(&card.remarks).cloned()).map(|line| format!("> {line}\n")),
    );
    let link = card.link.iter().map(|link| format!("[处置]({link})"));
    let last: Vec<_> = link.chain(phones.iter().map(|phone| format!("@{phone}"))).collect();
    let last = (!last.is_empty()).then(|| last.join(" "));
    fitting(lines, last.as_deref(), TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_published_example() {
        let sign = sign(1_700_000_000_000, "SEC0123456789abcdef");
        assert_eq!(sign, "TSZbRFUuvaSQaRKUpF970OPCb2%2FLcQAP3wOvwZIzBZk%3D");
    }
}
