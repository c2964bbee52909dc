//! Reads a TOML file into a type and tells everything that is wrong with it at once.
//!
//! The type's own JSON schema is what the file is held against, so there is one description of a format:
//! unknown keys, wrong types, numbers out of range and missing keys are all found before serde sees it.
mod held;

use std::collections::BTreeMap;
use std::ops::Range;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use shouwang_message::Text;
use toml::de::DeTable;

use self::held::Held;
use crate::problem::Problem;

/// A file may be this long; the largest shipped profile has a tenth of it.
pub const MAX_BYTES: usize = 256 * 1024;
/// More problems than this in one file are not told.
const MAX_PROBLEMS: usize = 100;
/// No text in a file is longer than this, in characters.
const MAX_TEXT: usize = 2000;

/// One step into a document: a key of a table, or an index of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// What a file said, and where.
#[derive(Debug)]
pub struct Document {
    file: String,
    /// Byte offset at which each line begins, and the text for counting characters.
    text: String,
    /// Where each key and element stands, by its path.
    places: BTreeMap<String, Range<usize>>,
    problems: Vec<Problem>,
}

/// Reads `bytes` as TOML of type `T`. The value is there even when there were problems, if what is
/// left of the file without them still makes a `T`: then its meaning can be checked in the same go.
/// A byte order mark at the beginning is skipped.
pub fn read<T: DeserializeOwned + JsonSchema>(file: &str, bytes: &[u8]) -> (Document, Option<T>) {
    let mut document = Document {
        file: file.to_owned(),
        text: String::new(),
        places: BTreeMap::new(),
        problems: Vec::new(),
    };
    let Some(text) = document.accept(bytes) else { return (document, None) };
    let (tree, errors) = DeTable::parse_recoverable(&text);
    if !errors.is_empty() {
        for error in errors {
            document.syntax(&error);
        }
        return (document, None);
    }
    let schema = schemars::schema_for!(T).to_value();
    let mut held = Held { document: &mut document, root: &schema };
    let value = held.table("", tree.get_ref(), tree.span(), &schema);
    let value = value.map(|table| T::deserialize(toml::Value::Table(table)));
    let value = match value {
        Some(Ok(value)) => Some(value),
        Some(Err(error)) => {
            if document.problems.is_empty() {
                document.syntax(&error);
            }
            None
        }
        None => None,
    };
    (document, value)
}

impl Document {
    /// Notes a problem at a path of this document; the nearest part of the path that is in the file
    /// gives the place.
    pub fn problem(&mut self, path: &[Step<'_>], what: Text, remedy: Text) {
        let place = (0..=path.len())
            .rev()
            .find_map(|length| self.places.get(&joined(path.get(..length)?)))
            .cloned()
            .unwrap_or(0..0);
        self.note(place.start, what, remedy);
    }

    /// Whether the file itself has this path.
    pub fn has(&self, path: &[Step<'_>]) -> bool {
        self.places.contains_key(&joined(path))
    }

    /// Line and column of a path, from 1.
    pub fn place(&self, path: &[Step<'_>]) -> (usize, usize) {
        self.position(self.places.get(&joined(path)).map_or(0, |range| range.start))
    }

    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// All problems, from top to bottom.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.line, problem.column));
        self.problems.dedup();
        self.problems
    }

    fn note(&mut self, offset: usize, what: Text, remedy: Text) {
        if self.problems.len() >= MAX_PROBLEMS {
            return;
        }
        let (line, column) = self.position(offset);
        self.problems.push(Problem { file: self.file.clone(), line, column, what, remedy });
    }

    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset.min(self.text.len())).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// Size, encoding and characters that could mislead a reader.
    fn accept(&mut self, bytes: &[u8]) -> Option<String> {
        if bytes.len() > MAX_BYTES {
            let kib = bytes.len() / 1024;
            self.note(
                0,
                Text::new(format!("文件太大:{kib} KiB"), format!("the file is too large: {kib} KiB")),
                Text::new("最多 256 KiB,请拆开", "at most 256 KiB; split it"),
            );
            return None;
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text).to_owned(),
            Err(error) => {
                self.text =
                    String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or(&[])).into_owned();
                self.note(
                    error.valid_up_to(),
                    Text::new("不是 UTF-8 文本", "this is not UTF-8 text"),
                    Text::new("请用 UTF-8 编码保存文件", "save the file as UTF-8"),
                );
                return None;
            }
        };
        self.text.clone_from(&text);
        let bad = text.char_indices().find(|(_, c)| is_misleading(*c) && !matches!(c, '\n' | '\r' | '\t'));
        if let Some((offset, c)) = bad {
            let code = u32::from(c);
            self.note(
                offset,
                Text::new(
                    format!("有看不见的控制字符 U+{code:04X}"),
                    format!("there is an invisible control character, U+{code:04X}"),
                ),
                Text::new("请删除它", "delete it"),
            );
            return None;
        }
        Some(text)
    }

    fn syntax(&mut self, error: &toml::de::Error) {
        let message: String = error.message().chars().take(300).collect();
        self.note(
            error.span().map_or(0, |span| span.start),
            Text::new(format!("TOML 写法有误:{message}"), format!("this is not valid TOML: {message}")),
            Text::new("请改正这一处的写法", "correct the notation at this place"),
        );
    }
}

/// Control characters, and those that make text read in another order than it is stored.
pub fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{061c}' | '\u{feff}')
}

fn joined(path: &[Step<'_>]) -> String {
    path.iter().fold(String::new(), |so_far, step| match step {
        Step::Key(key) => child(&so_far, key),
        Step::Index(index) => element(&so_far, *index),
    })
}

fn child(path: &str, key: &str) -> String {
    format!("{path}\u{1}{key}")
}

fn element(path: &str, index: usize) -> String {
    format!("{path}\u{2}{index}")
}
