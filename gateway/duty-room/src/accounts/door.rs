//! The door: every request passes here to learn who asks.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shouwang_message::Instant;

use super::sessions::{Link, SESSION, Sessions, Sitter, Standing, Token, TokenDigest};
use super::{GUEST, Person, Role};

/// Cloned for whoever needs it.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    link: Link,
    sessions: Sessions,
}

impl Door {
    pub(crate) fn new(link: Link) -> Self {
        let state = State { link, sessions: Sessions::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secret of the login link; from now on it works.
    pub(crate) fn show_link(&self) -> String {
        self.state().link.show()
    }

    /// A new session for whoever holds the link; none if it is wrong or spent.
    pub(crate) fn enter(&self, now: Instant, link: &str) -> Option<Token> {
        let mut state = self.state();
        if !state.link.use_once(now, link) {
            return None;
        }
        let token = Token::random().ok()?;
        state.sessions.begin(now, token.digest(), Sitter::Guest(guest()), now + SESSION);
        Some(token)
    }

    /// Who holds this session, and what it is good for.
    pub(crate) fn who(&self, now: Instant, session: &str) -> Option<(Standing, Person)> {
        let state = self.state();
        let (standing, sitter) = state.sessions.find(now, &TokenDigest::of(session))?;
        let Sitter::Guest(person) = sitter;
        Some((standing, person.clone()))
    }

    /// A session for the test of who may call what.
    #[cfg(test)]
    pub(crate) fn seat(&self, now: Instant, person: Person, ends: Instant) -> Option<Token> {
        let token = Token::random().ok()?;
        self.state().sessions.begin(now, token.digest(), Sitter::Guest(person), ends);
        Some(token)
    }
}

fn guest() -> Person {
    Person { id: GUEST.into(), name: "值班员".into(), role: Role::Operator }
}
