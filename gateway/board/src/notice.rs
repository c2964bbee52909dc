//! One telling on its way out of the house: to one channel, about one alarm, in words that are ready to be sent.
//! The hands choose the body that their channel wants and say what became of it; they decide nothing.
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use shouwang_message::{AlarmId, Class, Id, Mode, Priority, Timestamp};

/// The longest `short`, in UTF-16 units: one SMS.
pub const SHORT_UNITS: usize = 70;

/// What is told, once, through one channel. Every text is bounded and safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Comes back with [`crate::Input::Told`]; never twice in one run of the board.
    pub ticket: u64,
    /// The channel's id, as configured.
    pub channel: Id,
    pub alarm: AlarmId,
    pub class: Class,
    pub priority: Priority,
    /// What is not `live` says so in front of every text here.
    pub mode: Mode,
    /// The step of the ladder, from 0.
    pub step: u32,
    /// What is new since the alarm was told first: `第2次 · 已恢复 04:05 · 王某 已受理`; empty for the first word.
    pub revision_words: String,
    /// `火警 · 待确认`.
    pub title: String,
    /// Where, in full: for a person's own phone.
    pub place: String,
    /// Where, without words that may name a resident: for groups.
    pub place_masked: String,
    /// When it was raised.
    pub at: Timestamp,
    /// Label and value, fit for groups.
    pub lines: Vec<(String, String)>,
    /// All of it in [`SHORT_UNITS`].
    pub short: String,
    /// Whom it is for: one person on a channel that reaches persons; on a group's, whom to mention.
    pub to: Vec<Recipient>,
    /// Who is sent, as the case has them: for a channel that reaches persons, and nowhere else.
    pub sent_as: Option<String>,
    /// Their own way to the case; the hands make it.
    pub way: Option<Way>,
    /// Further alarms of one building may be joined by the hands.
    pub building: Option<String>,
    /// The alarm is over at its source.
    pub recovered: bool,
}

/// An address that opens one case for one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Way(pub String);

/// Whoever has it needs nothing else: no log shows it.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Way(..)")
    }
}

/// One person, and how to reach them.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    pub person: Id,
    pub name: String,
    pub phone: Option<String>,
    /// The user id in WeCom, for a mention.
    pub wecom: Option<String>,
}

/// A log shows nobody's whole number.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phone = self.phone.as_deref().map(masked_phone);
        f.debug_struct("Recipient")
            .field("person", &self.person)
            .field("phone", &phone)
            .finish_non_exhaustive()
    }
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryResult {
    /// The provider, the robot or the modem took it.
    Delivered { at: Timestamp },
    /// It did not, for good; the board decides whether it is told again.
    Failed {
        /// A stable word or the provider's number.
        code: String,
        text: String,
        at: Timestamp,
    },
    /// It will be part of a digest: the channel's rate allowed no message of its own.
    Digested,
}

/// `138****8000`; of a short number only its end.
pub fn masked_phone(phone: &str) -> String {
    let characters: Vec<char> = phone.chars().collect();
    let keep_first = if characters.len() >= 11 { characters.len() - 8 } else { 0 };
    let keep_last = characters.len().saturating_sub(4).max(characters.len() / 2);
    let hide = |(place, c): (usize, &char)| if place < keep_first || place >= keep_last { *c } else { '*' };
    characters.iter().enumerate().map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::masked_phone;

    #[test]
    fn numbers_are_masked() {
        assert_eq!(masked_phone("13800138000"), "138****8000");
        assert_eq!(masked_phone("+8613800138000"), "+86138****8000");
        assert_eq!(masked_phone("8000"), "**00");
        assert_eq!(masked_phone("62345678"), "****5678");
        assert_eq!(masked_phone(""), "");
    }
}
