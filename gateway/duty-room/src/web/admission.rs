//! Who comes by a link of their own: the link is looked up, one that is over says so, and an address that tries links that
//! nobody has is told to wait.
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::PoisonError;
use std::time::Duration;

use axum::http::StatusCode;
use shouwang_message::{Instant, Text};

use super::{Desk, from_disk};
use crate::tickets::{Over, Purpose, Ticket};

/// Links that nobody has, of one address within [`FORGOTTEN_AFTER`], before it must wait.
const FREE: u32 = 20;
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// Addresses remembered; the one that guessed longest ago goes first.
const REMEMBERED: usize = 512;
/// Hexadecimal digits of a link.
const DIGITS: usize = 32;

/// Why a link opens nothing: one sentence, and its status.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) text: Text,
}

impl Closed {
    pub(super) fn new(status: StatusCode, code: &'static str, zh: &str, en: &str) -> Self {
        Self { status, code, text: Text::new(zh, en) }
    }

    fn unknown() -> Self {
        let en = "This link is not one of ours: open it again from the message, or ring the duty desk";
        Self::new(StatusCode::NOT_FOUND, "unknown_link", "链接无效,请从短信里重新打开,或打值班电话", en)
    }
}

/// The ticket with this token, if it is for this purpose and not over.
pub(super) async fn admitted(
    desk: &Desk,
    from: IpAddr,
    token: &str,
    purpose: Purpose,
) -> Result<Ticket, Closed> {
    let is_one = token.len() == DIGITS && token.bytes().all(|digit| digit.is_ascii_hexdigit());
    let (tickets, token) = (desk.inner.tickets.clone(), token.to_owned());
    let found = if is_one {
        from_disk(move || tickets.find(&token, purpose)).await.ok_or_else(|| {
            let en = "The links cannot be read just now: try again soon";
            Closed::new(StatusCode::SERVICE_UNAVAILABLE, "store", "暂时打不开,请稍后再试", en)
        })?
    } else {
        None
    };
    let Some(ticket) = found else {
        let now = desk.inner.clock.now();
        let mut guesses = desk.inner.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if guesses.missed(now, from) {
            return Err(Closed::unknown());
        }
        let en = "Too many links that are not ours came from here: wait five minutes";
        return Err(Closed::new(
            StatusCode::TOO_MANY_REQUESTS,
            "slow_down",
            "无效链接试得太多,请过 5 分钟再试",
            en,
        ));
    };
    match ticket.over(desk.inner.clock.wall()) {
        None => Ok(ticket),
        Some(Over::Expired) => {
            let en = "This link has expired: ask the duty desk for a new one";
            Err(Closed::new(StatusCode::GONE, "expired", "链接已过期,请向值班室要新的链接", en))
        }
        Some(Over::Revoked) => {
            let en = "This link was taken back: ask the duty desk for a new one";
            Err(Closed::new(StatusCode::GONE, "revoked", "链接已停用,请向值班室要新的链接", en))
        }
    }
}

/// Links that nobody has, by where they were asked from. Whoever holds a good one is never held up by them.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    of: BTreeMap<IpAddr, (u32, Instant)>,
}

impl Guesses {
    /// One more; false if there were too many of them lately.
    fn missed(&mut self, now: Instant, from: IpAddr) -> bool {
        self.of.retain(|_, (_, last)| now.since(*last) < FORGOTTEN_AFTER);
        if self.of.len() >= REMEMBERED && !self.of.contains_key(&from) {
            let oldest = self.of.iter().min_by_key(|(_, (_, last))| *last).map(|(address, _)| *address);
            oldest.map(|address| self.of.remove(&address));
        }
        let (count, last) = self.of.entry(from).or_insert((0, now));
        (*count, *last) = (count.saturating_add(1), now);
        *count <= FREE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_few_and_their_memory_bounded() {
        let mut guesses = Guesses::default();
        let at = |seconds: u64| Instant::from_micros(seconds * 1_000_000);
        let from = |n: u32| IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        assert!((0..FREE).all(|_| guesses.missed(at(1), from(1))));
        assert!(!guesses.missed(at(2), from(1)));
        assert!(guesses.missed(at(2), from(2)), "another address");
        assert!(guesses.missed(at(303), from(1)), "forgotten");
        for n in 0..2_000 {
            guesses.missed(at(400), from(n));
        }
        assert!(guesses.of.len() <= REMEMBERED);
    }
}
