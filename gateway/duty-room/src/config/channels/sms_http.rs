//! `kind = "sms-http"`: one provider's request, written as a template of fields and headers with a signature.
use std::ops::Range;

use hyper::header::HeaderName;
use toml::de::{DeTable, DeValue};

use super::{Address, Secret, Section};
use crate::config::reader::{Reader, Value};
use crate::config::template::Template;

/// A provider's request and how its answer is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmsHttp {
    pub(crate) url: Address,
    pub(crate) key: Option<Secret>,
    pub(crate) coding: Coding,
    pub(crate) fields: Field,
    pub(crate) headers: Vec<(HeaderName, Template)>,
    pub(crate) signature: Option<Signature>,
    pub(crate) success: Success,
    /// Messages in any minute.
    pub(crate) per_minute: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Json,
    Form,
}

/// What stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Text(Template),
    /// A number or true and false, as they are.
    Plain(serde_json::Value),
    List(Vec<Field>),
    Table(Vec<(String, Field)>),
}

/// HMAC-SHA256 with the secret over a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) secret: Secret,
    pub(crate) over: Template,
    /// Base64; else hexadecimal.
    pub(crate) base64: bool,
}

/// How an accepted message is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Success {
    /// 0: any of 200 to 299.
    pub(crate) status: u16,
    /// A place in the answer's JSON (RFC 6901), and what must stand there.
    pub(crate) value: Option<(String, String)>,
}

const KEYS: &[&str] = &[
    "id",
    "kind",
    "url",
    "ca_file",
    "body",
    "fields",
    "headers",
    "key_file",
    "secret_file",
    "signature",
    "success",
    "per_minute",
];
/// Usable in fields and headers.
const PLACES: &[&str] = &[
    "phone",
    "mobile",
    "text",
    "title",
    "place",
    "person",
    "time",
    "key",
    "timestamp",
    "timestamp_ms",
    "nonce",
    "signature",
];
/// What a signature may be over.
const SIGNED: &[&str] =
    &["phone", "mobile", "text", "key", "timestamp", "timestamp_ms", "nonce", "path", "body"];
/// The client writes these itself.
const OURS: &[&str] =
    &["host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"];
/// Fields and headers of one request; deep enough for any provider.
const FIELDS: usize = 64;
const DEPTH: usize = 8;
const DEFAULT_PER_MINUTE: u32 = 60;

impl Reader<'_> {
    pub(super) fn sms_http(&mut self, section: &Section<'_>) -> Option<SmsHttp> {
        let table = section.table;
        self.unknown_keys(table, "channel.", KEYS);
        let url = self.service(section);
        let coding = self.coding(table);
        let key =
            table.get("key_file").map(|_| self.needed_secret(section, "key_file", "the provider's key"));
        let signature = self.signature(section);
        let fields = self.fields(section, coding);
        let headers = self.headers(table);
        let success = self.success(table);
        let per_minute = self.number(table, "per_minute", 1, 6_000).unwrap_or(DEFAULT_PER_MINUTE);
        let (fields, headers) = (fields?, headers?);
        self.agrees(section.span.clone(), &fields, &headers, key.is_some(), signature.as_ref());
        Some(SmsHttp {
            url: url?,
            key: match key {
                Some(key) => Some(key?),
                None => None,
            },
            coding: coding?,
            fields,
            headers,
            signature: match signature {
                Some(signature) => Some(signature?),
                None => None,
            },
            success: success?,
            per_minute,
        })
    }

    fn coding(&mut self, table: &DeTable<'_>) -> Option<Coding> {
        let Some((span, word)) = self.text(table, "body") else {
            return table.get("body").is_none().then_some(Coding::Json);
        };
        match word.as_str() {
            "json" => Some(Coding::Json),
            "form" => Some(Coding::Form),
            _ => {
                self.problem(span, format!("body cannot be {word:?}"), r#"write "json" or "form""#);
                None
            }
        }
    }

    fn fields(&mut self, section: &Section<'_>, coding: Option<Coding>) -> Option<Field> {
        let remedy = r#"write for example fields = { phone = "{phone}", text = "{text}" }"#;
        let Some(value) = section.table.get("fields") else {
            self.problem(section.span.clone(), "fields is missing", remedy);
            return None;
        };
        if value.get_ref().as_table().is_none() {
            self.wrong_type(value, "fields", "a section");
            return None;
        }
        let field = self.field(value, 0)?;
        let Field::Table(named) = &field else { return None };
        let flat = named.iter().all(|(_, field)| matches!(field, Field::Text(_) | Field::Plain(_)));
        if coding == Some(Coding::Form) && !flat {
            self.problem(
                value.span(),
                "a form has no lists and sections",
                r#"write texts, or body = "json""#,
            );
            return None;
        }
        let count = count(&field);
        if count > FIELDS {
            self.problem(value.span(), format!("{count} fields"), format!("at most {FIELDS}"));
            return None;
        }
        let places = places(&field);
        if !places.contains(&"phone") && !places.contains(&"mobile") {
            self.problem(value.span(), "no field says whom the message is for", "put {phone} or {mobile} in");
        }
        Some(field)
    }

    fn field(&mut self, value: &Value<'_>, depth: usize) -> Option<Field> {
        if depth > DEPTH {
            self.problem(value.span(), "fields are nested too deep", format!("at most {DEPTH} levels"));
            return None;
        }
        match value.get_ref() {
            DeValue::String(text) => self.template(value.span(), text, PLACES).map(Field::Text),
            DeValue::Boolean(flag) => Some(Field::Plain((*flag).into())),
            DeValue::Integer(number) if number.radix() == 10 => match number.as_str().parse::<i64>() {
                Ok(number) => Some(Field::Plain(number.into())),
                Err(_) => {
                    self.problem(value.span(), "a number out of range", "write it as a text");
                    None
                }
            },
            DeValue::Array(items) => {
                items.iter().map(|item| self.field(item, depth + 1)).collect::<Option<_>>().map(Field::List)
            }
            DeValue::Table(table) => {
                let named = table.iter().map(|(key, item)| {
                    let key: &str = key.get_ref();
                    Some((key.to_owned(), self.field(item, depth + 1)?))
                });
                named.collect::<Option<_>>().map(Field::Table)
            }
            _ => {
                self.wrong_type(
                    value,
                    "a field",
                    "a text, a whole number, true or false, a list or a section",
                );
                None
            }
        }
    }

    fn headers(&mut self, table: &DeTable<'_>) -> Option<Vec<(HeaderName, Template)>> {
        let Some(value) = table.get("headers") else { return Some(Vec::new()) };
        let Some(named) = value.get_ref().as_table() else {
            self.wrong_type(value, "headers", "a section");
            return None;
        };
        let mut headers = Vec::new();
        for (key, value) in named {
            let name: &str = key.get_ref();
            let (Some((span, text)), Ok(header)) = (self.text(named, name), name.parse::<HeaderName>())
            else {
                self.problem(
                    value.span(),
                    format!("{name:?} is no header with a text"),
                    "name an HTTP header",
                );
                continue;
            };
            if OURS.contains(&header.as_str()) || headers.len() == FIELDS {
                self.problem(key.span(), format!("{name} is not for you to set"), "leave it out");
                continue;
            }
            if let Some(template) = self.template(span, &text, PLACES) {
                headers.push((header, template));
            }
        }
        Some(headers)
    }

    /// None: there is none. Some(None): there is one with a problem.
    fn signature(&mut self, section: &Section<'_>) -> Option<Option<Signature>> {
        let table = section.table;
        let Some(value) = table.get("signature") else {
            if let Some(unused) = table.get("secret_file") {
                self.problem(unused.span(), "secret_file signs nothing", "add signature, or use key_file");
            }
            return None;
        };
        let Some(inner) = value.get_ref().as_table() else {
            self.wrong_type(value, "signature", "a section");
            return Some(None);
        };
        self.unknown_keys(inner, "signature.", &["over", "encoding"]);
        let secret = self.needed_secret(section, "secret_file", "the provider's signing secret");
        let remedy = r#"write for example over = "{timestamp}\n{body}""#;
        let over = self.required(inner, value.span(), "over", remedy);
        let over = over.and_then(|(span, text)| self.template(span, &text, SIGNED));
        let base64 = match self.text(inner, "encoding") {
            None => inner.get("encoding").is_none().then_some(false),
            Some((_, word)) if word == "hex" => Some(false),
            Some((_, word)) if word == "base64" => Some(true),
            Some((span, word)) => {
                self.problem(span, format!("encoding cannot be {word:?}"), r#"write "hex" or "base64""#);
                None
            }
        };
        let signature = || Some(Signature { secret: secret?, over: over?, base64: base64? });
        Some(signature())
    }

    fn success(&mut self, table: &DeTable<'_>) -> Option<Success> {
        let Some(value) = table.get("success") else { return Some(Success { status: 0, value: None }) };
        let Some(inner) = value.get_ref().as_table() else {
            self.wrong_type(value, "success", "a section");
            return None;
        };
        self.unknown_keys(inner, "success.", &["status", "pointer", "equals"]);
        let status = self.number(inner, "status", 200, 599).unwrap_or(0);
        let status = u16::try_from(status).unwrap_or(0);
        let value = match (self.text(inner, "pointer"), self.text(inner, "equals")) {
            (None, None) => None,
            (Some((_, pointer)), Some((_, equals))) if pointer.starts_with('/') => Some((pointer, equals)),
            _ => {
                let remedy = r#"write for example pointer = "/code", equals = "OK""#;
                self.problem(value.span(), "pointer (beginning with /) and equals belong together", remedy);
                return None;
            }
        };
        Some(Success { status, value })
    }

    fn template(&mut self, span: Range<usize>, text: &str, known: &[&'static str]) -> Option<Template> {
        match Template::parse(text, known) {
            Ok(template) => Some(template),
            Err(what) => {
                self.problem(span, what, "a brace itself is written {{ or }}");
                None
            }
        }
    }

    /// Every place has its source, and no signature is over itself.
    fn agrees(
        &mut self,
        span: Range<usize>,
        fields: &Field,
        headers: &[(HeaderName, Template)],
        has_key: bool,
        signature: Option<&Option<Signature>>,
    ) {
        let in_fields = places(fields);
        let in_headers: Vec<_> = headers.iter().flat_map(|(_, template)| template.places()).collect();
        let over =
            signature.and_then(Option::as_ref).map(|signature| signature.over.places()).unwrap_or_default();
        let uses =
            |place: &str| in_fields.contains(&place) || in_headers.contains(&place) || over.contains(place);
        if uses("key") && !has_key {
            self.problem(span.clone(), "{key} is used and no key_file is named", "add key_file");
        }
        if uses("signature") && signature.is_none() {
            let remedy = r#"add for example signature = { over = "{timestamp}\n{body}" }"#;
            self.problem(span, "{signature} is used and not described", remedy);
        } else if signature.is_some() && !uses("signature") {
            self.problem(span, "the signature is not sent", "put {signature} into a header or a field");
        } else if in_fields.contains(&"signature") && over.contains("body") {
            let remedy = "put {signature} into a header, or leave {body} out of `over`";
            self.problem(span, "the signature would be over itself", remedy);
        }
    }
}

fn places(field: &Field) -> Vec<&'static str> {
    match field {
        Field::Text(template) => template.places().into_iter().collect(),
        Field::Plain(_) => Vec::new(),
        Field::List(items) => items.iter().flat_map(places).collect(),
        Field::Table(named) => named.iter().flat_map(|(_, field)| places(field)).collect(),
    }
}

fn count(field: &Field) -> usize {
    match field {
        Field::Text(_) | Field::Plain(_) => 1,
        Field::List(items) => items.iter().map(count).sum(),
        Field::Table(named) => named.iter().map(|(_, field)| count(field)).sum(),
    }
}
