//! The certificate of the pages: people hear 30 days ahead that it ends, while somebody who can get a new one is at work,
//! and at once that a new one cannot be used.
use alloc::format;
use alloc::string::String;

use shouwang_message::{AlarmId, Priority, Text, Timestamp};

use crate::board::Board;
use crate::row::RowKind;
use crate::trust::shown;

const DAY_MS: i64 = 24 * 3_600_000;
/// As for SIM cards: time enough to order a new one.
const WARNED_AHEAD_MS: i64 = 30 * DAY_MS;

/// What the board shows of it.
#[derive(Debug, Default)]
pub(crate) struct Certificate {
    row: Option<(AlarmId, State)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// A new one cannot be used, for this reason.
    Unusable(String),
    /// So many days are left.
    Ends(i64),
    Ended,
}

impl Board {
    /// The certificate in use ends then; a newer one could not be used because of `trouble`.
    pub(crate) fn certified(&mut self, ends: Timestamp, trouble: Option<&str>) {
        let left_ms = ends.unix_ms().saturating_sub(self.wall.unix_ms());
        let state = match trouble {
            _ if left_ms <= 0 => Some(State::Ended),
            Some(why) => Some(State::Unusable(why.into())),
            None => (left_ms <= WARNED_AHEAD_MS).then_some(State::Ends(left_ms / DAY_MS)),
        };
        let before = self.certificate.row.take();
        if let Some((id, was)) = before {
            // The days that are left are no news.
            let same = match (&was, &state) {
                (State::Ends(_), Some(State::Ends(_))) => true,
                (was, now) => Some(was) == now.as_ref(),
            };
            if same && self.rows.get(&id).is_some() {
                self.certificate.row = Some((id, was));
                return;
            }
            self.close(id);
        }
        let Some(state) = state else { return };
        let own = self.own_name();
        let (code, priority, text) = words(&state, ends);
        if let Some(id) = self.own_row(RowKind::Fault, &own, code, priority, text) {
            self.certificate.row = Some((id, state));
        }
    }
}

fn words(state: &State, ends: Timestamp) -> (&'static str, Priority, Text) {
    let date = format!("{ends}");
    let date = date.get(..10).unwrap_or_default();
    match state {
        State::Unusable(why) => {
            let why = shown(why);
            let zh = format!("值班室网页的新证书不能用({why}),仍用旧的,到 {date} 为止");
            let en =
                format!("The pages' new certificate cannot be used ({why}): the old one stays, until {date}");
            ("certificate_unusable", Priority::Ordinary, Text::new(zh, en))
        }
        State::Ends(days) => {
            let zh = format!(
                "值班室网页的证书还有 {days} 天到期({date}),请更换 [web] certificate;自动生成的重启即换新"
            );
            let en = format!(
                "The pages' certificate ends in {days} days ({date}): replace [web] certificate; a generated one is \
                 made anew at a restart"
            );
            ("certificate_ends", Priority::Ordinary, Text::new(zh, en))
        }
        State::Ended => {
            let zh = format!("值班室网页的证书已到期({date}),浏览器会拒绝打开:请立即更换 [web] certificate");
            let en = format!(
                "The pages' certificate ended on {date}, browsers refuse it: replace [web] certificate now"
            );
            ("certificate_ended", Priority::Urgent, Text::new(zh, en))
        }
    }
}
