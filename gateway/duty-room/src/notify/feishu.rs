//! A Feishu group's robot, signed in its body: for an emergency first a text to everybody, then the card.
use serde::Serialize;
use shouwang_message::{Priority, Timestamp};

use super::card::{Card, fitting};
use super::http::Post;
use super::signed::{base64, hmac};
use crate::config::Secret;
use crate::config::channels::Address;

/// Bytes of the card's text; the whole body may have 20 KB.
const TEXT_BYTES: usize = 14_000;

#[derive(Serialize)]
struct Interactive {
    timestamp: String,
    sign: String,
    msg_type: &'static str,
    card: Shown,
}

#[derive(Serialize)]
struct Text {
    timestamp: String,
    sign: String,
    msg_type: &'static str,
    content: Content,
}

#[derive(Serialize)]
struct Content {
    text: String,
}

#[derive(Serialize)]
struct Shown {
    config: Config,
    header: Header,
    elements: Vec<Element>,
}

#[derive(Serialize)]
struct Config {
    wide_screen_mode: bool,
}

#[derive(Serialize)]
struct Header {
    template: &'static str,
    title: Tagged,
}

#[derive(Serialize)]
struct Tagged {
    tag: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Element {
    Words { tag: &'static str, text: Tagged },
    Actions { tag: &'static str, actions: Vec<Button> },
}

#[derive(Serialize)]
struct Button {
    tag: &'static str,
    text: Tagged,
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

/// `part`: of an emergency 0 is the mention and 1 the card.
pub(crate) fn post(
    base: &Address,
    hook: &Secret,
    secret: &Secret,
    card: &Card,
    (part, parts): (usize, usize),
    wall: Timestamp,
) -> Post {
    let seconds = wall.unix_ms() / 1_000;
    let (timestamp, sign) = (seconds.to_string(), sign(seconds, secret.reveal()));
    let body = if parts > 1 && part == 0 {
        let everybody = if card.wakes_all { "<at user_id=\"all\">所有人</at> " } else { "" };
        let content = Content { text: format!("{everybody}{}", card.call()) };
        serde_json::to_vec(&Text { timestamp, sign, msg_type: "text", content })
    } else {
        serde_json::to_vec(&Interactive { timestamp, sign, msg_type: "interactive", card: shown(card) })
    };
    Post {
        path_and_query: format!("{}/{}", base.below("/open-apis/bot/v2/hook"), hook.reveal()),
        content_type: "application/json",
        headers: Vec::new(),
        // Texts always serialise.
        body: body.unwrap_or_default(),
    }
}

/// `base64(HMAC-SHA256(key = "SECONDS\nsecret", message = ""))`.
fn sign(seconds: i64, secret: &str) -> String {
    base64(&hmac(format!("{seconds}\n{secret}").as_bytes(), b""))
}

fn shown(card: &Card) -> Shown {
    let title = match &card.place {
        Some(place) => format!("{} · {place}", card.title),
        None => card.title.clone(),
    };
    let lines = card.lines.iter().map(|(label, value)| format!("**{label}** {value}"));
    let lines = lines.chain(card.rows.iter().chain(&card.remarks).cloned()).collect();
    let words = Tagged { tag: "lark_md", content: fitting(lines, None, TEXT_BYTES) };
    let mut elements = vec![Element::Words { tag: "div", text: words }];
    if let Some(url) = card.link.clone() {
        let kind = if card.recovered { "default" } else { "danger" };
        let text = Tagged { tag: "plain_text", content: "打开处置页".into() };
        elements.push(Element::Actions {
            tag: "action",
            actions: vec![Button { tag: "button", text, kind, url }],
        });
    }
    Shown {
        config: Config { wide_screen_mode: true },
        header: Header { template: colour(card), title: Tagged { tag: "plain_text", content: title } },
        elements,
    }
}

fn colour(card: &Card) -> &'static str {
    match card.priority {
        _ if card.recovered => "green",
        Priority::Emergency => "red",
        Priority::Urgent => "orange",
        Priority::Ordinary => "yellow",
        Priority::Advisory => "blue",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_the_published_example() {
        assert_eq!(sign(1_700_000_000, "demo"), "8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=");
    }
}
