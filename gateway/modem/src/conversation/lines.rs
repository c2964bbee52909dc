//! A modem's bytes as lines, and the prompt that is no line.

/// A PDU in hexadecimal digits is the longest line that means anything.
const LINE_MOST: usize = 512;
const PROMPT: u8 = b'>';

/// What a modem said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Line(String),
    /// It waits for a text's octets.
    Prompt,
}

/// A line that has begun. Longer ones are thrown away to their end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    /// One more byte. The prompt is one only where it is waited for and at a line's start.
    pub(super) fn take(&mut self, byte: u8, awaits_prompt: bool) -> Option<Said> {
        match byte {
            b'\r' | b'\n' => self.end(),
            PROMPT if awaits_prompt && self.begun.is_empty() && !self.is_too_long => Some(Said::Prompt),
            b' ' if self.begun.is_empty() => None,
            _ if self.begun.len() == LINE_MOST => {
                self.is_too_long = true;
                None
            }
            _ => {
                self.begun.push(byte);
                None
            }
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn end(&mut self) -> Option<Said> {
        let line = std::mem::take(&mut self.begun);
        let whole = !std::mem::take(&mut self.is_too_long) && !line.is_empty();
        whole.then(|| Said::Line(String::from_utf8_lossy(&line).trim().to_owned()))
    }
}
