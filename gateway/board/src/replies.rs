//! What somebody answers by SMS: what is no answer to anything is a line of the logbook.
use crate::board::Board;
use crate::logbook::LogLine;
use crate::notice::masked_phone;
use crate::trust::shown;

impl Board {
    pub(crate) fn replied(&mut self, phone: &str, text: &str) {
        let phone = masked_phone(&shown(phone));
        self.log.push(LogLine {
            at: self.wall,
            by: phone.clone(),
            from: alloc::format!("sms {phone}"),
            what: "sms.reply".into(),
            about: None,
            old: None,
            new: None,
            note: Some(shown(text)),
        });
    }
}
