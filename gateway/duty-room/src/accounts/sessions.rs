//! Who is logged in: sessions known by the hash of their token, so that what lies on disk opens no door; and a login
//! link that is as good as once.
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
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
/// Sessions at a time; the one that ends first goes.
pub(crate) const SESSIONS: usize = 256;

/// 128 bits of chance as 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let (high, low) = (getrandom::u64()?, getrandom::u64()?);
        Ok(Self(format!("{high:016x}{low:016x}")))
    }

    pub(crate) fn is(&self, other: &str) -> bool {
        is_same(&self.0, other)
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }
}

/// Compares every byte, so that the time says nothing about where they differ.
pub(crate) fn is_same(secret: &str, other: &str) -> bool {
    let other = other.as_bytes();
    secret.len() == other.len() && secret.bytes().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
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

/// The SHA-256 of a token: 128 bits of chance need no slower hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As it lies on disk.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
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

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sitter {
    /// Came by the link.
    Guest,
    /// By account id.
    Account(String),
}

#[derive(Debug)]
struct Session {
    sitter: Sitter,
    ends: Instant,
}

/// The sessions of all browsers.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<TokenDigest, Session>,
}

impl Sessions {
    /// A session that ends then; one too many pushes out the one that ends first.
    pub(crate) fn begin(&mut self, now: Instant, digest: TokenDigest, sitter: Sitter, ends: Instant) {
        self.sessions.retain(|_, session| session.ends + READING > now);
        if self.sessions.len() >= SESSIONS {
            let first = self.sessions.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(digest, _)| digest.clone()) {
                self.sessions.remove(&first);
            }
        }
        self.sessions.insert(digest, Session { sitter, ends });
    }

    pub(crate) fn end(&mut self, digest: &TokenDigest) {
        self.sessions.remove(digest);
    }

    pub(crate) fn end_all_of(&mut self, account: &str) {
        self.sessions.retain(|_, session| !matches!(&session.sitter, Sitter::Account(id) if id == account));
    }

    /// Whose it is, and for what it is good.
    pub(crate) fn find(&self, now: Instant, digest: &TokenDigest) -> Option<(Standing, &Sitter)> {
        let session = self.sessions.get(digest)?;
        match session.ends {
            ends if now < ends => Some((Standing::Valid, &session.sitter)),
            ends if now < ends + READING => Some((Standing::Expired, &session.sitter)),
            _ => None,
        }
    }
}

/// A link that signs the guest in.
#[derive(Debug)]
pub(crate) struct Link {
    token: Token,
    /// Nobody holds a link that was never shown.
    is_shown: bool,
    used_first: Option<Instant>,
}

impl Link {
    pub(crate) fn new(token: Token) -> Self {
        Self { token, is_shown: false, used_first: None }
    }

    /// The link's secret; from now on it works.
    pub(crate) fn show(&mut self) -> String {
        self.is_shown = true;
        self.token.to_string()
    }

    /// Whether this opens; false if it is wrong or spent.
    pub(crate) fn use_once(&mut self, now: Instant, token: &str) -> bool {
        let spent = self.used_first.is_some_and(|first| first + LINK_AFTER_FIRST_USE <= now);
        let opens = self.is_shown && self.token.is(token) && !spent;
        if opens {
            self.used_first.get_or_insert(now);
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_link_is_spent_ten_minutes_after_its_first_use() {
        let mut link = Link::new(Token::random().unwrap());
        let day = Instant::default() + DAY;
        let token = link.token.to_string();
        assert!(!link.use_once(day, &token), "nobody was shown it");
        assert_eq!(link.show(), token);
        assert!(!link.use_once(day, &"0".repeat(32)));
        assert!(link.use_once(day, &token));
        assert!(link.use_once(day + Duration::from_secs(599), &token));
        assert!(!link.use_once(day + Duration::from_secs(600), &token));
    }

    #[test]
    fn a_session_lasts_a_shift_and_may_then_look_for_a_week() {
        let mut sessions = Sessions::default();
        let (day, digest) = (Instant::default() + DAY, TokenDigest::of("one"));
        sessions.begin(day, digest.clone(), Sitter::Account("lead".into()), day + SESSION);
        let standing = |sessions: &Sessions, at| sessions.find(at, &digest).map(|(standing, _)| standing);
        assert_eq!(standing(&sessions, day), Some(Standing::Valid));
        assert_eq!(standing(&sessions, day + SESSION), Some(Standing::Expired), "it may still look");
        assert_eq!(standing(&sessions, day + KEPT), None);
        assert_eq!(sessions.find(day, &TokenDigest::of("")), None);
        sessions.end_all_of("operator");
        assert_eq!(standing(&sessions, day), Some(Standing::Valid), "another's");
        sessions.end_all_of("lead");
        assert_eq!(standing(&sessions, day), None);
    }

    #[test]
    fn sessions_are_bounded_and_the_first_to_end_goes() {
        let mut sessions = Sessions::default();
        let day = Instant::default() + DAY;
        for n in 0..=SESSIONS {
            let ends = day + SESSION + Duration::from_secs(u64::try_from(n).unwrap());
            sessions.begin(day, TokenDigest::of(&n.to_string()), Sitter::Guest, ends);
        }
        assert_eq!(sessions.sessions.len(), SESSIONS);
        assert_eq!(sessions.find(day, &TokenDigest::of("0")), None);
        assert!(sessions.find(day, &TokenDigest::of("1")).is_some());
    }
}
