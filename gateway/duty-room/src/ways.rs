//! Who is sent gets their own way to the case, with the text that tells them: made here, on disk as a hash before it is
//! told, and never in a group.
use shouwang_board::{Input, Notice, Way};
use shouwang_message::{AlarmId, Timestamp};
use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::eventloop::Message;
use crate::notify::Notifier;
use crate::tickets::{Purpose, Tickets, Wanted};

/// A link to a case is good for so long, or until the case is closed.
const LASTS_MS: i64 = 24 * 3_600_000;

/// A link of one person to one case, from now on.
pub(crate) fn link_to(case: AlarmId, person: String, made_by: String, wall: Timestamp) -> Wanted {
    let ends = Timestamp::from_unix_ms(wall.unix_ms() + LASTS_MS);
    Wanted { purpose: Purpose::Link, person, about: case.to_string(), made_by, ends }
}

/// Makes ways for those who are told.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    pub(crate) tickets: Tickets,
    pub(crate) clock: Clock,
    /// This room's name.
    pub(crate) made_by: String,
    /// Where its pages are, as telephones reach them.
    pub(crate) page: String,
    pub(crate) inputs: mpsc::Sender<Message>,
}

impl Ways {
    /// Tells somebody who is sent, with their way; without one if the disk makes none.
    pub(crate) fn tell(&self, notifier: &Notifier, notice: Notice, sent_as: String) {
        let (ways, mailbox) = (self.clone(), notifier.mailbox(&notice.channel));
        tokio::spawn(async move {
            let wall = ways.clock.wall();
            let wanted = link_to(notice.alarm, sent_as, ways.made_by, wall);
            let making = tokio::task::spawn_blocking(move || ways.tickets.make(&wanted, wall)).await;
            if let Ok(Err(error)) = &making {
                tracing::warn!(%error, "somebody is sent without a link: it could not be written");
            }
            let token = making.ok().and_then(Result::ok).flatten();
            let way = token.map(|token| Way(format!("{}/link/{token}", ways.page.trim_end_matches('/'))));
            let ticket = notice.ticket;
            if let Err(result) = mailbox.tell(Notice { way, ..notice }) {
                // A loop that has ended hears nothing more.
                let _ = ways.inputs.send(Message::Input(Input::Told { ticket, result })).await;
            }
        });
    }
}
