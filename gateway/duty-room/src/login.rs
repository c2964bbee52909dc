//! Who sits at the desk: a login link that is as good as once, and sessions in memory.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shouwang_message::Instant;

/// The link goes on working this long after its first use: a page opened twice by a preview or a slow finger
/// is no lock-out, and a link found later is worthless.
const LINK_AFTER_FIRST_USE: Duration = Duration::from_secs(600);
/// A session ends after one shift.
pub(crate) const SESSION: Duration = Duration::from_secs(12 * 3_600);
/// Afterwards it still shows the board for this long, so that no alarm disappears with a shift; it does nothing.
const READING: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How long a browser keeps it.
pub(crate) const KEPT: Duration = SESSION.saturating_add(READING);
/// Sessions at a time; the oldest ends.
const SESSIONS: usize = 256;

/// 128 bits of chance as 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let (high, low) = (getrandom::u64()?, getrandom::u64()?);
        Ok(Self(format!("{high:016x}{low:016x}")))
    }

    /// Compares every byte, so that the time says nothing about where they differ.
    fn is(&self, other: &str) -> bool {
        let other = other.as_bytes();
        self.0.len() == other.len() && self.0.bytes().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a session is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// No session, or a forgotten one.
    Stranger,
    /// May look, may not act.
    Expired,
    Valid,
}

/// The one link and the sessions it made.
#[derive(Clone, Debug)]
pub(crate) struct Logins {
    inner: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    link: Token,
    used_first: Option<Instant>,
    sessions: BTreeMap<Token, Instant>,
}

impl Logins {
    pub(crate) fn new(link: Token) -> Self {
        let state = State { link, used_first: None, sessions: BTreeMap::new() };
        Self { inner: Arc::new(Mutex::new(state)) }
    }

    /// A new session for whoever holds the link; none if it is wrong or spent.
    pub(crate) fn enter(&self, now: Instant, link: &str) -> Option<Token> {
        let mut state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.link.is(link) || state.used_first.is_some_and(|first| first + LINK_AFTER_FIRST_USE <= now) {
            return None;
        }
        let session = Token::random().ok()?;
        state.used_first.get_or_insert(now);
        state.sessions.retain(|_, ends| *ends + READING > now);
        if state.sessions.len() >= SESSIONS {
            let oldest = state.sessions.iter().min_by_key(|(_, ends)| **ends).map(|(token, _)| token.clone());
            if let Some(oldest) = oldest {
                state.sessions.remove(&oldest);
            }
        }
        state.sessions.insert(session.clone(), now + SESSION);
        Some(session)
    }

    pub(crate) fn standing(&self, now: Instant, session: &str) -> Standing {
        let state = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = state.sessions.iter().find(|(token, _)| token.is(session)).map(|(_, ends)| *ends);
        match ends {
            Some(ends) if now < ends => Standing::Valid,
            Some(ends) if now < ends + READING => Standing::Expired,
            _ => Standing::Stranger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_spent_ten_minutes_after_its_first_use() {
        let link = Token::random().unwrap();
        let logins = Logins::new(link.clone());
        let day = Instant::default() + Duration::from_secs(86_400);
        assert!(logins.enter(day, "0".repeat(32).as_str()).is_none());
        let session = logins.enter(day, &link.to_string()).unwrap();
        assert!(logins.enter(day + Duration::from_secs(599), &link.to_string()).is_some());
        assert!(logins.enter(day + Duration::from_secs(600), &link.to_string()).is_none());
        let session = session.to_string();
        assert_eq!(logins.standing(day, &session), Standing::Valid);
        assert_eq!(logins.standing(day + SESSION, &session), Standing::Expired, "it may still look");
        assert_eq!(logins.standing(day + KEPT, &session), Standing::Stranger);
        assert_eq!(logins.standing(day, ""), Standing::Stranger);
    }
}
