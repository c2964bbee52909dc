//! A WeCom group's robot: for an emergency first a text that mentions people, then the card in markdown. A robot
//! answers HTTP 200 also to what it refuses; its `errcode` counts.
use serde::Serialize;
use shouwang_message::Priority;

use super::card::{Card, fitting, mobile};
use super::http::Post;
use crate::config::Secret;
use crate::config::channels::Address;

/// Bytes of a text and of a markdown message.
const TEXT_BYTES: usize = 2_048;
const MARKDOWN_BYTES: usize = 4_096;

#[derive(Serialize)]
struct Markdown {
    msgtype: &'static str,
    markdown: Content,
}

#[derive(Serialize)]
struct Content {
    content: String,
}

#[derive(Serialize)]
struct Text {
    msgtype: &'static str,
    text: Mention,
}

#[derive(Serialize)]
struct Mention {
    content: String,
    mentioned_list: Vec<String>,
    mentioned_mobile_list: Vec<String>,
}

/// `part`: of an emergency 0 is the mention and 1 the card.
pub(crate) fn post(base: &Address, key: &Secret, card: &Card, (part, parts): (usize, usize)) -> Post {
    let body = if parts > 1 && part == 0 {
        serde_json::to_vec(&mention(card))
    } else {
        let content = Content { content: markdown(card) };
        serde_json::to_vec(&Markdown { msgtype: "markdown", markdown: content })
    };
    Post {
        path_and_query: format!("{}?key={}", base.below("/cgi-bin/webhook/send"), key.reveal()),
        content_type: "application/json",
        headers: Vec::new(),
        // Texts always serialise.
        body: body.unwrap_or_default(),
    }
}

fn mention(card: &Card) -> Text {
    let by_id = card.mentioned.iter().filter_map(|person| person.wecom.clone());
    let by_phone = card.mentioned.iter().filter(|person| person.wecom.is_none());
    let everybody = card.wakes_all.then(|| "@all".to_owned());
    Text {
        msgtype: "text",
        text: Mention {
            content: fitting(vec![card.call()], None, TEXT_BYTES),
            mentioned_list: everybody.into_iter().chain(by_id).collect(),
            mentioned_mobile_list: by_phone
                .filter_map(|person| person.phone.as_deref())
                .map(mobile)
                .collect(),
        },
    }
}

fn markdown(card: &Card) -> String {
    let mut lines = vec![format!("**{} {}**", card.sign, card.title)];
    let colour = match card.priority {
        _ if card.recovered => "info",
        Priority::Emergency | Priority::Urgent => "warning",
        Priority::Ordinary | Priority::Advisory => "comment",
    };
    lines.extend(card.place.iter().map(|place| format!("> 位置:<font color=\"{colour}\">{place}</font>")));
    lines.extend(card.lines.iter().map(|(label, value)| format!("> {label}:{value}")));
    lines.extend(card.rows.iter().chain(&card.remarks).map(|row| format!("> {row}")));
    let link = card.link.as_ref().map(|link| format!("[打开处置页]({link})"));
    fitting(lines, link.as_deref(), MARKDOWN_BYTES)
}
