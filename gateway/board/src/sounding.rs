//! What sounds: the board says it for each row, and a page plays it.
use serde_json::{Value, json};
use shouwang_message::{Mode, Priority};

use crate::board::Board;
use crate::row::Row;

/// A row's sound on a page that can sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Sound {
    /// Three tones without a pause: a life.
    Sweep,
    /// Two beeps every 10 s.
    Double,
    /// One beep a minute.
    Single,
    #[default]
    None,
}

impl Sound {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Double => "double",
            Self::Single => "single",
            Self::None => "none",
        }
    }

    pub(crate) fn of(priority: Priority, mode: Mode) -> Self {
        match (priority, mode) {
            (Priority::Emergency, Mode::Live) => Self::Sweep,
            // An exercise is never as loud as what is real.
            (Priority::Emergency | Priority::Urgent, _) => Self::Double,
            (Priority::Ordinary, _) => Self::Single,
            (Priority::Advisory, _) => Self::None,
        }
    }
}

impl Board {
    /// What this row sounds like now; `quiet`: something of the list says that it needs no sound of its own.
    pub(crate) fn sound_of(&self, row: &Row, quiet: bool) -> Sound {
        let mode = row.alarm_document().map_or(Mode::Live, |document| document.mode);
        let sound = Sound::of(row.priority(), mode);
        if quiet || self.is_acknowledged(row) {
            return Sound::None;
        }
        self.at_night(sound)
    }

    /// At night only what may be a life sounds.
    pub(crate) fn at_night(&self, sound: Sound) -> Sound {
        if self.night.is_night && sound != Sound::Sweep { Sound::None } else { sound }
    }

    /// What pages show beside the list: whether it is night, a flood, what is in test, and a drill.
    pub fn situation(&self) -> Value {
        json!({ "night": self.night.is_night, "flood": self.flood_words(), "tests": self.tests_words(),
            "walks": self.walks_words(), "triage": self.waiting.len(), "welfare": self.welfare_words(),
            "drill": self.drill_since() })
    }
}
