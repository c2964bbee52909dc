//! A text with named places in it, `{phone}`; `{{` and `}}` are braces. There are no expressions.
use std::collections::BTreeSet;

/// A text that is read and checked once and filled many times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(&'static str),
}

impl Template {
    /// The places must be among `known`.
    pub(crate) fn parse(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((name, after)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) {
                let Some(place) = known.iter().find(|known| **known == name) else {
                    let known: Vec<_> = known.iter().map(|known| format!("{{{known}}}")).collect();
                    let name: String = name.chars().take(40).collect();
                    return Err(format!("there is no {{{name}}} here, only {}", known.join(" ")));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Place(place));
                rest = after;
            } else {
                return Err("a brace without its other half; a brace itself is written {{ or }}".into());
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    pub(crate) fn fill(&self, value: &dyn Fn(&str) -> String) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Place(name) => value(name),
            })
            .collect()
    }

    /// The places that occur.
    pub(crate) fn places(&self) -> BTreeSet<&'static str> {
        let place = |piece: &Piece| match piece {
            Piece::Place(name) => Some(*name),
            Piece::Text(_) => None,
        };
        self.pieces.iter().filter_map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["phone", "text"];

    #[test]
    fn places_are_filled_once_and_braces_stay() {
        let template = Template::parse("{{\"to\":{phone},{text}}}", KNOWN).unwrap();
        let filled = template.fill(&|name| format!("<{name}{{phone}}>"));
        assert_eq!(filled, "{\"to\":<phone{phone}>,<text{phone}>}");
        assert_eq!(template.places(), BTreeSet::from(["phone", "text"]));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["{fone}", "{phone", "phone}", "{}", "{ phone }", "{{phone}"] {
            assert!(Template::parse(text, KNOWN).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}a-z]*", value in "[{}a-z]*") {
            if let Ok(template) = Template::parse(&text, KNOWN) {
                let _ = template.fill(&|_| value.clone());
            }
        }

        #[test]
        fn without_braces_a_text_is_itself(text in "[^{}]*") {
            let same = Template::parse(&text, KNOWN).unwrap().fill(&|_| String::new());
            proptest::prop_assert_eq!(same, text);
        }
    }
}
