//! An SMS or voice provider's request from its template: fields and headers with the message in their places, and
//! an HMAC-SHA256 over what the provider wants signed.
use hyper::header::HeaderValue;
use serde_json::{Map, Value};
use shouwang_board::Recipient;
use shouwang_message::Timestamp;

use super::card::{mobile, one_line};
use super::http::Post;
use super::signed::{base64, hex, hmac, percent};
use crate::config::channels::{Coding, Field, SmsHttp};

/// What fills the places.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// At most 70 UTF-16 units.
    pub(crate) text: String,
    pub(crate) title: String,
    pub(crate) place: String,
    pub(crate) time: String,
}

/// None: there is no phone to send to, or a value fits in no header.
pub(crate) fn post(
    sms: &SmsHttp,
    to: &Recipient,
    words: &Words,
    wall: Timestamp,
    nonce: &str,
) -> Option<Post> {
    let phone = to.phone.as_deref()?;
    let value = |place: &str| match place {
        "phone" => phone.to_owned(),
        "mobile" => mobile(phone),
        "text" => words.text.clone(),
        "title" => words.title.clone(),
        "place" => words.place.clone(),
        "person" => one_line(&to.name),
        "time" => words.time.clone(),
        "key" => sms.key.as_ref().map(|key| key.reveal().to_owned()).unwrap_or_default(),
        "timestamp" => (wall.unix_ms() / 1_000).to_string(),
        "timestamp_ms" => wall.unix_ms().to_string(),
        "nonce" => nonce.to_owned(),
        "path" => sms.url.path_and_query.clone(),
        // The configuration has checked the names; the two others are known later.
        _ => String::new(),
    };
    let sign = |body: &str| {
        let Some(signature) = &sms.signature else { return String::new() };
        let over = signature.over.fill(&|place| if place == "body" { body.to_owned() } else { value(place) });
        let tag = hmac(signature.secret.reveal().as_bytes(), over.as_bytes());
        if signature.base64 { base64(&tag) } else { hex(&tag) }
    };
    // A signature in a field is not over the body, one in a header may be.
    let in_body = sign("");
    let body = body(sms, &|place| if place == "signature" { in_body.clone() } else { value(place) });
    let in_header = sign(&body);
    let mut headers = Vec::new();
    for (name, template) in &sms.headers {
        let text =
            template.fill(&|place| if place == "signature" { in_header.clone() } else { value(place) });
        headers.push((name.clone(), HeaderValue::from_bytes(text.as_bytes()).ok()?));
    }
    Some(Post {
        path_and_query: sms.url.path_and_query.clone(),
        content_type: match sms.coding {
            Coding::Json => "application/json",
            Coding::Form => "application/x-www-form-urlencoded",
        },
        headers,
        body: body.into_bytes(),
    })
}

fn body(sms: &SmsHttp, value: &dyn Fn(&str) -> String) -> String {
    match (sms.coding, &sms.fields) {
        (Coding::Form, Field::Table(named)) => {
            let pair = |(name, field): &(String, Field)| {
                let text = match field {
                    Field::Text(template) => template.fill(value),
                    Field::Plain(plain) => plain.to_string(),
                    // The configuration has refused them.
                    Field::List(_) | Field::Table(_) => String::new(),
                };
                format!("{}={}", percent(name), percent(&text))
            };
            named.iter().map(pair).collect::<Vec<_>>().join("&")
        }
        (_, fields) => json(fields, value).to_string(),
    }
}

fn json(field: &Field, value: &dyn Fn(&str) -> String) -> Value {
    match field {
        Field::Text(template) => Value::String(template.fill(value)),
        Field::Plain(plain) => plain.clone(),
        Field::List(items) => items.iter().map(|item| json(item, value)).collect(),
        Field::Table(named) => Value::Object(
            named.iter().map(|(name, field)| (name.clone(), json(field, value))).collect::<Map<_, _>>(),
        ),
    }
}
