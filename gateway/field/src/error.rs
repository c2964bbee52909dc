//! What can go wrong with a field, and what to do about it.
use std::fmt;
use std::io;
use std::path::PathBuf;

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// Why a field cannot be built, or not be changed.
#[derive(Debug, thiserror::Error)]
pub enum FieldError {
    /// The configuration cannot be read.
    #[error("reading the field's configuration {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// The configuration is wrong; all mistakes at once.
    #[error("{}", Mistake::list(.0))]
    Config(Vec<Mistake>),
    /// A line's pty or socket cannot be made.
    #[error("opening the simulated line {line}")]
    Line { line: String, source: io::Error },
    /// The system gave no thread.
    #[error("starting a thread of the simulated field")]
    Thread(#[source] io::Error),
    /// A device, line or point of this name, or a change it cannot take.
    #[error("{0}")]
    Change(String),
    /// What is told could not be written.
    #[error("writing what the field does")]
    Output(#[source] io::Error),
}

impl Mistake {
    fn list(mistakes: &[Self]) -> String {
        mistakes.iter().map(Self::to_string).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)
    }
}
