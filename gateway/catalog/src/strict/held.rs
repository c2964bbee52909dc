//! Holding a document's tree against a JSON schema, place by place.
use std::ops::Range;

use serde_json::Value as Schema;
use shouwang_message::Text;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Document, MAX_TEXT, child, element, is_misleading};
use crate::problem::instead;

/// A document held against a schema.
pub(super) struct Held<'a> {
    pub(super) document: &'a mut Document,
    pub(super) root: &'a Schema,
}

impl<'a> Held<'a> {
    /// The table without what is wrong in it.
    pub(super) fn table(
        &mut self,
        path: &str,
        table: &DeTable<'_>,
        span: Range<usize>,
        schema: &'a Schema,
    ) -> Option<toml::Table> {
        let properties = schema.get("properties").and_then(Schema::as_object);
        let any = schema.get("additionalProperties").filter(|any| any.is_object());
        let mut kept = toml::Table::new();
        for (key, value) in table {
            let name: &str = key.get_ref();
            let at = child(path, name);
            let known = properties.and_then(|properties| properties.get(name)).or(any);
            let Some(known) = known else {
                self.unknown(name, key.span(), properties);
                continue;
            };
            self.document.places.insert(at.clone(), key.span());
            if any.is_some() {
                self.text(name, &key.span());
            }
            if let Some(value) = self.value(&at, name, value, known) {
                kept.insert(name.to_owned(), value);
            }
        }
        let required = schema.get("required").and_then(Schema::as_array).into_iter().flatten();
        for name in required.filter_map(Schema::as_str) {
            if !table.iter().any(|(key, _)| key.get_ref().as_ref() == name) {
                let meaning = properties
                    .and_then(|properties| properties.get(name))
                    .and_then(|schema| schema.get("description"))
                    .and_then(Schema::as_str)
                    .unwrap_or("");
                self.document.note(
                    span.start,
                    Text::new(format!("缺少 `{name}`"), format!("`{name}` is missing")),
                    Text::new(format!("请写上 `{name}`"), format!("add `{name}`: {meaning}")),
                );
            }
        }
        Some(kept)
    }

    fn unknown(
        &mut self,
        name: &str,
        span: Range<usize>,
        properties: Option<&serde_json::Map<String, Schema>>,
    ) {
        let shown: String = name.chars().take(64).filter(|c| !is_misleading(*c)).collect();
        let known: Vec<&str> =
            properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect();
        self.document.note(
            span.start,
            Text::new(format!("不认识的键 `{shown}`"), format!("unknown key `{shown}`")),
            instead(&shown, known.iter().copied()),
        );
    }

    fn value(
        &mut self,
        path: &str,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        schema: &'a Schema,
    ) -> Option<toml::Value> {
        let Some(schema) = self.alternative(schema, value.get_ref()) else {
            return self.wrong(name, value, schema);
        };
        let span = value.span();
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table, span, schema).map(toml::Value::Table),
            DeValue::Array(array) => {
                self.bounds(name, array.len(), "Items", &span, schema)?;
                let items = schema.get("items")?;
                let mut kept = Vec::new();
                for (index, item) in array.iter().enumerate() {
                    let at = element(path, index);
                    self.document.places.insert(at.clone(), item.span());
                    kept.extend(self.value(&at, name, item, items));
                }
                Some(toml::Value::Array(kept))
            }
            DeValue::String(text) => {
                self.text(text, &span)?;
                self.bounds(name, text.chars().count(), "Length", &span, schema)?;
                let words = words(schema);
                if !words.is_empty() && !words.contains(&text.as_ref()) {
                    let shown: String = text.chars().take(64).collect();
                    self.document.note(
                        span.start,
                        Text::new(
                            format!("`{name}` 不能是 \"{shown}\""),
                            format!("`{name}` cannot be \"{shown}\""),
                        ),
                        instead(&shown, words.iter().copied()),
                    );
                    return None;
                }
                Some(toml::Value::String(text.to_string()))
            }
            DeValue::Integer(integer) => {
                let digits = integer.as_str().replace('_', "");
                match i64::from_str_radix(&digits, integer.radix()) {
                    Ok(number) if kind(schema) == Some("number") => {
                        self.number(name, number as f64, &span, schema).map(toml::Value::Float)
                    }
                    Ok(number) => self.whole(name, number, &span, schema).map(toml::Value::Integer),
                    Err(_) => self.out_of_bounds(name, &digits, &span, schema),
                }
            }
            DeValue::Float(float) => {
                let number = float.as_str().replace('_', "").parse().unwrap_or(f64::NAN);
                self.number(name, number, &span, schema).map(toml::Value::Float)
            }
            DeValue::Boolean(state) => Some(toml::Value::Boolean(*state)),
            DeValue::Datetime(at) => Some(toml::Value::Datetime(*at)),
        }
    }

    /// The part of the schema that speaks of values of this TOML type; references are followed.
    fn alternative(&self, schema: &'a Schema, value: &DeValue<'_>) -> Option<&'a Schema> {
        let mut schema = schema;
        // References of references: each step is one of a finite, acyclic schema of our own.
        while let Some(name) = schema.get("$ref").and_then(Schema::as_str) {
            schema = self.root.get("$defs")?.get(name.strip_prefix("#/$defs/")?)?;
        }
        if let Some(options) = schema.get("anyOf").and_then(Schema::as_array) {
            return options.iter().find_map(|option| self.alternative(option, value));
        }
        if !words(schema).is_empty() {
            return matches!(value, DeValue::String(_)).then_some(schema);
        }
        let date = schema.get("format").and_then(Schema::as_str) == Some("date");
        let fits = match (value, kind(schema)?) {
            (DeValue::Table(_), "object")
            | (DeValue::Array(_), "array")
            | (DeValue::Integer(_), "integer" | "number")
            | (DeValue::Float(_), "number")
            | (DeValue::Boolean(_), "boolean") => true,
            (DeValue::String(_), "string") => !date,
            (DeValue::Datetime(_), "string") => date,
            _ => false,
        };
        fits.then_some(schema)
    }

    fn wrong(&mut self, name: &str, value: &Spanned<DeValue<'_>>, schema: &'a Schema) -> Option<toml::Value> {
        let (zh, en) = match value.get_ref() {
            DeValue::String(_) => ("文字", "a text"),
            DeValue::Integer(_) => ("整数", "a whole number"),
            DeValue::Float(_) => ("小数", "a decimal number"),
            DeValue::Boolean(_) => ("true 或 false", "true or false"),
            DeValue::Datetime(_) => ("日期", "a date"),
            DeValue::Array(_) => ("列表", "a list"),
            DeValue::Table(_) => ("一组键", "a table"),
        };
        let (wanted_zh, wanted_en) = self.wanted(schema);
        self.document.note(
            value.span().start,
            Text::new(format!("`{name}` 不能是{zh}"), format!("`{name}` cannot be {en}")),
            Text::new(format!("请写{wanted_zh}"), format!("write {wanted_en}")),
        );
        None
    }

    fn wanted(&self, schema: &Schema) -> (String, String) {
        let mut schema = schema;
        while let Some(name) = schema.get("$ref").and_then(Schema::as_str) {
            let name = name.strip_prefix("#/$defs/").unwrap_or(name);
            match self.root.get("$defs").and_then(|defs| defs.get(name)) {
                Some(next) => schema = next,
                None => break,
            }
        }
        if let Some(first) = schema.get("anyOf").and_then(Schema::as_array).and_then(|all| all.first()) {
            return self.wanted(first);
        }
        let words = words(schema);
        if !words.is_empty() {
            let all = words.join(", ");
            return (format!("其中之一:{all}"), format!("one of {all}"));
        }
        let date = schema.get("format").and_then(Schema::as_str) == Some("date");
        let (zh, en) = match kind(schema) {
            Some("string") if date => ("日期,如 2026-05-01", "a date like 2026-05-01, without quotes"),
            Some("string") => ("带引号的文字", "a text in quotes"),
            Some("integer") => ("整数", "a whole number"),
            Some("number") => ("数", "a number"),
            Some("boolean") => ("true 或 false", "true or false"),
            Some("array") => ("列表,如 [ ... ]", "a list like [ ... ]"),
            _ => ("一组键,如 { 键 = 值 }", "a table like { key = value }"),
        };
        (zh.to_owned(), en.to_owned())
    }

    fn whole(&mut self, name: &str, number: i64, span: &Range<usize>, schema: &Schema) -> Option<i64> {
        let least = schema.get("minimum").and_then(Schema::as_i64);
        let most = schema.get("maximum").and_then(Schema::as_i64);
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            return self.out_of_bounds(name, &number.to_string(), span, schema);
        }
        Some(number)
    }

    fn number(&mut self, name: &str, number: f64, span: &Range<usize>, schema: &Schema) -> Option<f64> {
        let least = schema.get("minimum").and_then(Schema::as_f64).unwrap_or(f64::MIN);
        let most = schema.get("maximum").and_then(Schema::as_f64).unwrap_or(f64::MAX);
        // Infinities and NaN are in no range.
        if !(least..=most).contains(&number) {
            return self.out_of_bounds(name, &number.to_string(), span, schema);
        }
        Some(number)
    }

    fn out_of_bounds<T>(
        &mut self,
        name: &str,
        shown: &str,
        span: &Range<usize>,
        schema: &Schema,
    ) -> Option<T> {
        let shown: String = shown.chars().take(40).collect();
        let bound = |key: &str| schema.get(key).map_or_else(String::new, ToString::to_string);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let remedy = match (least.is_empty(), most.is_empty()) {
            (false, false) => {
                Text::new(format!("请写 {least} 到 {most}"), format!("write {least} to {most}"))
            }
            (false, true) => Text::new(format!("至少 {least}"), format!("write at least {least}")),
            (true, false) => Text::new(format!("至多 {most}"), format!("write at most {most}")),
            (true, true) => Text::new("请写一个有限的数", "write a finite number"),
        };
        self.document.note(
            span.start,
            Text::new(format!("`{name}` 不能是 {shown}"), format!("`{name}` cannot be {shown}")),
            remedy,
        );
        None
    }

    /// `minItems`, `maxItems`, `minLength`, `maxLength`.
    fn bounds(
        &mut self,
        name: &str,
        size: usize,
        of: &str,
        span: &Range<usize>,
        schema: &Schema,
    ) -> Option<()> {
        let bound = |key: &str| schema.get(format!("{key}{of}")).and_then(Schema::as_u64);
        let least = bound("min").unwrap_or(0);
        let most = bound("max").unwrap_or(u64::MAX);
        if (least..=most).contains(&(size as u64)) {
            return Some(());
        }
        let (zh, en) = if of == "Items" { ("项", "items") } else { ("个字", "characters") };
        self.document.note(
            span.start,
            Text::new(format!("`{name}` 有 {size} {zh}"), format!("`{name}` has {size} {en}")),
            match most {
                u64::MAX => Text::new(format!("至少 {least} {zh}"), format!("write at least {least} {en}")),
                _ => {
                    Text::new(format!("请写 {least} 到 {most} {zh}"), format!("write {least} to {most} {en}"))
                }
            },
        );
        None
    }

    /// Escapes can bring in what [`Document::accept`] refused in the file itself.
    fn text(&mut self, text: &str, span: &Range<usize>) -> Option<()> {
        if let Some(c) = text.chars().find(|c| is_misleading(*c)) {
            let code = u32::from(c);
            self.document.note(
                span.start,
                Text::new(
                    format!("文字里有控制字符 U+{code:04X}"),
                    format!("the text has a control character, U+{code:04X}"),
                ),
                Text::new("请删除它", "delete it"),
            );
            return None;
        }
        if text.chars().count() > MAX_TEXT {
            self.document.note(
                span.start,
                Text::new("文字太长", "the text is too long"),
                Text::new(format!("最多 {MAX_TEXT} 字"), format!("at most {MAX_TEXT} characters")),
            );
            return None;
        }
        Some(())
    }
}

/// The JSON type a schema asks for, without the `null` of an optional one.
fn kind(schema: &Schema) -> Option<&str> {
    match schema.get("type")? {
        Schema::String(kind) => Some(kind),
        Schema::Array(kinds) => kinds.iter().filter_map(Schema::as_str).find(|kind| *kind != "null"),
        _ => None,
    }
}

/// The words of an enumeration; empty for other schemas.
fn words(schema: &Schema) -> Vec<&str> {
    let listed = schema.get("enum").and_then(Schema::as_array).into_iter().flatten();
    let described = schema.get("oneOf").and_then(Schema::as_array).into_iter().flatten().flat_map(|one| {
        one.get("const").into_iter().chain(one.get("enum").and_then(Schema::as_array).into_iter().flatten())
    });
    listed.chain(described).filter_map(Schema::as_str).collect()
}
