//! Rust source with everything taken out that the compiler does not act on.

/// The code of a source file: comments, the contents of texts, and test modules become spaces, line breaks
/// stay, so that line numbers hold.
pub(crate) fn code(text: &str) -> String {
    without_tests(&without_comments_and_texts(text))
}

/// The number of the line (from 1) in which byte `at` of `text` lies.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Where `word` stands in `code` as a whole word or path: not inside a longer name.
pub(crate) fn find_word(code: &str, word: &str) -> Option<usize> {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = code.get(..*at).and_then(|text| text.chars().next_back());
        let after = code.get(at + word.len()..).and_then(|text| text.chars().next());
        let starts_open = !word.starts_with(name) || !before.is_some_and(name);
        let ends_open = !word.ends_with(name) || !after.is_some_and(name);
        starts_open && ends_open
    })
}

fn without_comments_and_texts(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_text(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let inside = hashes + 2;
            rest.get(inside..).and_then(|r| r.find(&end)).map_or(rest.len(), |at| inside + at + end.len())
        } else if c == '"' {
            text_length(rest)
        } else if c == '\'' {
            character_length(rest)
        } else {
            0
        };
        let (skipped, kept) = if skip == 0 { (0, c.len_utf8()) } else { (skip, 0) };
        out.push_str(rest.get(..kept).unwrap_or(""));
        out.extend(rest.get(..skipped).unwrap_or("").chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = rest.get(skipped + kept..).unwrap_or("");
    }
    out
}

/// The number of hashes if a raw text begins here.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.chars().take_while(|c| *c == '#').count();
    after.get(hashes..)?.starts_with('"').then_some(hashes)
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The length of a character literal, 0 if this is a lifetime.
fn character_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(rest.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Removes `#[cfg(test)] mod NAME { ... }`; braces can be counted, as texts are gone.
fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, attribute) = rest.split_at(at);
        out.push_str(before);
        let item = attribute.get("#[cfg(test)]".len()..).unwrap_or("");
        let end = if item.trim_start().starts_with("mod ") { end_of_item(item) } else { 0 };
        out.extend(item.get(..end).unwrap_or("").chars().filter(|c| *c == '\n'));
        rest = item.get(end..).unwrap_or("");
    }
    out + rest
}

fn end_of_item(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    item.len()
}

#[test]
fn only_code_is_left() {
    let text = "use a; // std::x\nlet s = \"std::\\\"y\"; let c = '\"'; /* tokio\n*/ fn f<'a>() {}\n\
                #[cfg(test)]\nmod tests { use std::z; mod m { } }\nlet r = r#\"std::\"w\"#; end";
    let code = code(text);
    assert!(!code.contains("std") && !code.contains("tokio"), "{code}");
    assert!(code.contains("use a;") && code.contains("fn f<'a>() {}") && code.ends_with("; end"), "{code}");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn a_word_is_not_part_of_a_longer_name() {
    assert_eq!(find_word("no_std; my_std::x", "std::"), None);
    assert_eq!(find_word("use std::x", "std::"), Some(4));
    assert_eq!(find_word("masterpiece", "master"), None);
}
