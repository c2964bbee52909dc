//! The door: every request passes here to learn who asks, and whoever wants to come in or to change an account asks
//! here. One change at a time, each decided on what the one before left, written to disk, and then true.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shouwang_board::LogLine;
use shouwang_message::{Instant, Timestamp};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::refusals::Refusals;
use super::sessions::{KEPT, Link, SESSION, Sessions, Sitter, Standing, Token, TokenDigest, is_same};
use super::throttle::Throttle;
use super::{Account, Accounts, GUEST, Person, Refused, Role};
use crate::clock::Clock;
use crate::store::{KeptPeople, People, PersonChange, Work};

/// A disk that takes longer is in trouble; the person is told so.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);

/// Cloned for whoever needs it.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// Held while a change is decided, written and taken.
    pub(super) changing: tokio::sync::Mutex<()>,
    /// One password at a time: each takes 19 MiB.
    pub(super) hashing: Arc<Semaphore>,
    /// Weak: the store ends with the loop, not with the last page.
    to_store: mpsc::WeakSender<Work>,
}

#[derive(Debug)]
pub(super) struct State {
    link: Link,
    pub(super) accounts: Accounts,
    pub(super) sessions: Sessions,
    pub(super) throttle: Throttle,
    pub(super) refusals: Refusals,
    /// Makes the first account; none once there is one.
    pub(super) setup: Option<SetupCode>,
}

/// Twelve digits of chance, typed once by whoever reads the console.
#[derive(Clone)]
pub(super) struct SetupCode(String);

impl std::fmt::Debug for SetupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupCode(..)")
    }
}

impl SetupCode {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{:012}", getrandom::u64()? % 1_000_000_000_000)))
    }

    pub(super) fn digits(&self) -> &str {
        &self.0
    }

    /// Whether this is it, however it was grouped.
    pub(super) fn is(&self, typed: &str) -> bool {
        is_same(&self.0, &Self::typed(typed))
    }

    /// The digits of what a person typed; an input method's wide ones count.
    pub(super) fn typed(typed: &str) -> String {
        typed
            .chars()
            .take(64)
            .map(|c| {
                if ('\u{ff10}'..='\u{ff19}').contains(&c) {
                    u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(c)
                } else {
                    c
                }
            })
            .filter(char::is_ascii_digit)
            .collect()
    }
}

impl std::fmt::Display for SetupCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, digit) in self.0.chars().enumerate() {
            let group = if n > 0 && n % 4 == 0 { "-" } else { "" };
            write!(f, "{group}{digit}")?;
        }
        Ok(())
    }
}

impl Door {
    /// With what lay on disk. Sessions go on where they were; a wall clock that stepped gives nobody more than a shift.
    pub(crate) fn open(
        clock: Clock,
        kept: KeptPeople,
        to_store: &mpsc::Sender<Work>,
    ) -> Result<Self, getrandom::Error> {
        let (now, wall) = (clock.now(), clock.wall());
        let accounts = Accounts::new(kept.accounts);
        let mut sessions = Sessions::default();
        for (digest, account, ends) in kept.sessions {
            if let Some(ends) = steady(now, wall, ends) {
                sessions.begin(now, digest, Sitter::Account(account), ends);
            }
        }
        let setup = if accounts.is_empty() { Some(SetupCode::random()?) } else { None };
        let state = State {
            link: Link::new(Token::random()?),
            accounts,
            sessions,
            throttle: Throttle::default(),
            refusals: Refusals::default(),
            setup,
        };
        let inner = Inner {
            clock,
            state: Mutex::new(state),
            changing: tokio::sync::Mutex::new(()),
            hashing: Arc::new(Semaphore::new(1)),
            to_store: to_store.downgrade(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret of the login link; from now on it works.
    pub(crate) fn show_link(&self) -> String {
        self.state().link.show()
    }

    /// The code that makes the first account, while there is none.
    pub(crate) fn setup_code(&self) -> Option<String> {
        self.state().setup.as_ref().map(ToString::to_string)
    }

    /// A new session for whoever holds the link; none if it is wrong or spent. It ends with this run.
    pub(crate) fn enter(&self, link: &str) -> Option<Token> {
        let now = self.inner.clock.now();
        let mut state = self.state();
        if !state.link.use_once(now, link) {
            return None;
        }
        let token = Token::random().ok()?;
        state.sessions.begin(now, token.digest(), Sitter::Guest, now + SESSION);
        Some(token)
    }

    /// Who holds this session, and what it is good for.
    pub(crate) fn who(&self, session: &str) -> Option<(Standing, Person)> {
        let state = self.state();
        let (standing, sitter) = state.sessions.find(self.inner.clock.now(), &TokenDigest::of(session))?;
        let person = match sitter {
            Sitter::Guest => guest(),
            Sitter::Account(id) => state.accounts.get(id).filter(|account| account.may_log_in())?.person(),
        };
        Some((standing, person))
    }

    /// Everybody whom a row or the logbook may name.
    pub(crate) fn people(&self) -> Vec<Person> {
        self.state().accounts.iter().map(Account::person).collect()
    }

    /// Writes these; good once they are on disk.
    pub(super) async fn keep(&self, changes: Vec<PersonChange>, log: Vec<LogLine>) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        let work = Work::People(People { changes, log, answer });
        let keeping = async {
            self.inner.to_store.upgrade()?.send(work).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(WRITTEN_WITHIN, keeping).await {
            Ok(Some(true)) => Ok(()),
            _ => Err(Refused::new("slow", "磁盘没有写成,请稍后再试", "Not written to disk: try again soon")),
        }
    }
}

/// When a session that is kept by the wall clock ends on the steady one; none if it may not even look any more.
fn steady(now: Instant, wall: Timestamp, ends: Timestamp) -> Option<Instant> {
    let left_ms = ends.unix_ms().saturating_sub(wall.unix_ms());
    let left = u64::try_from(left_ms).map_or(Duration::ZERO, Duration::from_millis).min(SESSION);
    let over = u64::try_from(left_ms.saturating_neg()).map_or(Duration::ZERO, Duration::from_millis);
    let ended = Instant::from_micros(now.as_micros().saturating_sub(u64::try_from(over.as_micros()).ok()?));
    (over + SESSION < KEPT).then_some(if left.is_zero() { ended } else { now + left })
}

fn guest() -> Person {
    Person { id: GUEST.into(), name: "值班员".into(), role: Role::Operator }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_typed_as_people_type() {
        let code = SetupCode("012345678901".into());
        assert_eq!(code.to_string(), "0123-4567-8901");
        for typed in [
            "0123-4567-8901",
            "012345678901",
            " 0123 4567 8901 ",
            "\u{ff10}\u{ff11}\u{ff12}\u{ff13}4567 8901",
        ] {
            assert!(code.is(typed), "{typed}");
        }
        for typed in ["", "0123-4567-8902", "0123-4567-890", "0123-4567-89012"] {
            assert!(!code.is(typed), "{typed}");
        }
        assert_eq!(format!("{code:?}"), "SetupCode(..)");
    }

    #[test]
    fn a_session_from_disk_ends_when_it_would_have() {
        let now = Instant::from_micros(3_600_000_000);
        let wall = Timestamp::from_unix_ms(1_800_000_000_000);
        let ends = |hours: i64| Timestamp::from_unix_ms(wall.unix_ms() + hours * 3_600_000);
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        assert_eq!(steady(now, wall, ends(5)), Some(now + hours(5)));
        assert_eq!(steady(now, wall, ends(5_000)), Some(now + SESSION), "the clock was set back");
        assert!(steady(now, wall, ends(-3)).is_some_and(|at| at < now), "it may look");
        assert_eq!(steady(now, wall, ends(-7 * 24 - 1)), None);
    }
}
