//! What a shift had to do: alarms heard while somebody was on duty, and how soon they were acknowledged.
use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Mode, Priority, Text};

use crate::board::Board;
use crate::trust::shown;

/// Counted since the shift began; live alarms only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) alarms: u32,
    pub(crate) emergencies: u32,
    pub(crate) acknowledged: u32,
    /// The longest from raised to acknowledged of an alarm's first cry, and which alarm that was.
    pub(crate) slowest_ms: Option<i64>,
    pub(crate) slowest: Option<(AlarmId, Text)>,
}

impl Board {
    /// An alarm's event, heard once.
    pub(crate) fn shift_hears(&mut self, change: AlarmChange, document: &AlarmDocument) {
        if !self.shift.is_on() || document.mode != Mode::Live {
            return;
        }
        let figures = &mut self.shift.figures;
        match change {
            AlarmChange::Raised | AlarmChange::Repeated => {
                figures.alarms += 1;
                figures.emergencies += u32::from(document.priority == Priority::Emergency);
            }
            AlarmChange::Acknowledged => {
                figures.acknowledged += 1;
                let took = document.acknowledged.as_ref().filter(|_| document.occurrence == 1);
                let took = took.map(|by| by.at.unix_ms() - document.raised_at.unix_ms());
                if let Some(took) = took.filter(|took| *took >= 0 && Some(*took) > figures.slowest_ms) {
                    let place = document.place.name.as_deref().unwrap_or_else(|| document.device.as_str());
                    let text = |what: &str| shown(&alloc::format!("{place} {what}"));
                    let text = Text::new(text(&document.text.zh), text(&document.text.en));
                    figures.slowest_ms = Some(took);
                    figures.slowest = Some((document.id, text));
                }
            }
            _ => return,
        }
        self.keep_figures();
    }
}
