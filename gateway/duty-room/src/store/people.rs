//! Accounts and sessions on disk. What is written was decided elsewhere; the logbook's lines about it come with it.
use rusqlite::{Connection, TransactionBehavior, params};
use shouwang_board::LogLine;
use shouwang_message::Timestamp;
use tokio::sync::oneshot;

use super::Store;
use crate::accounts::password::Hash;
use crate::accounts::sessions::{KEPT, SESSION, SESSIONS, TokenDigest};
use crate::accounts::{Account, Role};
use crate::logbook;

pub(super) const TABLES: &str = "
    CREATE TABLE account (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, password TEXT NOT NULL, disabled INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE session (token BLOB PRIMARY KEY, account TEXT NOT NULL, ends_ms INTEGER NOT NULL) WITHOUT ROWID;
";

/// Changes that belong together, with what the logbook says of them.
#[derive(Debug)]
pub(crate) struct People {
    pub(crate) changes: Vec<PersonChange>,
    pub(crate) log: Vec<LogLine>,
    /// Whether they are on disk. They are tried once: a person waits.
    pub(crate) answer: oneshot::Sender<bool>,
}

/// One change.
#[derive(Debug)]
pub(crate) enum PersonChange {
    /// As it is from now on.
    Account(Account),
    Session {
        digest: TokenDigest,
        account: String,
        at: Timestamp,
        ends: Timestamp,
    },
    EndSession(TokenDigest),
    /// By account id.
    EndSessionsOf(String),
}

/// What lay on disk.
#[derive(Debug, Default)]
pub(crate) struct KeptPeople {
    pub(crate) accounts: Vec<Account>,
    /// Whose each is, and when it ends; the last to end come first.
    pub(crate) sessions: Vec<(TokenDigest, String, Timestamp)>,
}

pub(super) fn read(connection: &Connection) -> rusqlite::Result<KeptPeople> {
    let mut query = connection.prepare("SELECT id, name, role, password, disabled FROM account")?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?, row.get(4)?))
    })?;
    let mut accounts = Vec::new();
    for row in rows {
        let (id, name, role, password, disabled) = row?;
        // What no version of ours wrote lets nobody in.
        let (Ok(id), Some(role)) = (id.parse(), Role::parse(&role)) else { continue };
        accounts.push(Account { id, name, role, password: Hash::from_text(password), disabled });
    }
    let mut query =
        connection.prepare("SELECT token, account, ends_ms FROM session ORDER BY ends_ms DESC LIMIT ?1")?;
    let limit = i64::try_from(SESSIONS).unwrap_or(i64::MAX);
    let rows = query.query_map([limit], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?)))?;
    let mut sessions = Vec::new();
    for row in rows {
        let (token, account, ends_ms) = row?;
        let Some(digest) = TokenDigest::from_bytes(&token) else { continue };
        sessions.push((digest, account, Timestamp::from_unix_ms(ends_ms)));
    }
    Ok(KeptPeople { accounts, sessions })
}

impl Store {
    /// All of these changes, or none.
    pub(super) fn keep_people(&mut self, changes: &[PersonChange], log: &[LogLine]) -> rusqlite::Result<()> {
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in changes {
            write(&writing, change)?;
        }
        logbook::add(&writing, log)?;
        writing.commit()
    }
}

fn write(writing: &Connection, change: &PersonChange) -> rusqlite::Result<()> {
    match change {
        PersonChange::Account(account) => {
            writing.execute(
                "INSERT INTO account (id, name, role, password, disabled) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role,
                 password = excluded.password, disabled = excluded.disabled",
                params![
                    account.id.as_str(),
                    account.name,
                    account.role.as_str(),
                    account.password.as_str(),
                    account.disabled
                ],
            )?;
        }
        PersonChange::Session { digest, account, at, ends } => {
            // What could not even look any more goes.
            let reading_ms = i64::try_from((KEPT - SESSION).as_millis()).unwrap_or(i64::MAX);
            writing.execute(
                "DELETE FROM session WHERE ends_ms < ?1",
                [at.unix_ms().saturating_sub(reading_ms)],
            )?;
            writing.execute(
                "INSERT OR REPLACE INTO session (token, account, ends_ms) VALUES (?1, ?2, ?3)",
                params![digest.as_bytes(), account, ends.unix_ms()],
            )?;
            writing.execute(
                "DELETE FROM session WHERE token NOT IN (SELECT token FROM session ORDER BY ends_ms DESC LIMIT ?1)",
                [i64::try_from(SESSIONS).unwrap_or(i64::MAX)],
            )?;
        }
        PersonChange::EndSession(digest) => {
            writing.execute("DELETE FROM session WHERE token = ?1", [digest.as_bytes()])?;
        }
        PersonChange::EndSessionsOf(account) => {
            writing.execute("DELETE FROM session WHERE account = ?1", [account])?;
        }
    }
    Ok(())
}
