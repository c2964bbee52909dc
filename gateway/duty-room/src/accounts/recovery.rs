//! The way back in for a lead who forgot the password and has no colleague: a code made on the machine itself by whoever
//! may write into the state directory, good once and for half an hour. What lies on disk is its digest.
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shouwang_message::Timestamp;

use super::door::{Door, SetupCode};
use super::sessions::{Token, is_same};
use super::{Account, Person, Refused, password};
use crate::logbook;
use crate::store::PersonChange;

/// A code is good for so long.
const LASTS_MS: i64 = 30 * 60_000;
/// What attempts are counted under; no account's id has a space.
const ATTEMPTS: &str = "way back";
const FILE: &str = "recovery.json";

/// What the machine's console says once.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Whose password may be set with it.
    pub account: String,
    /// Twelve digits in groups.
    pub code: String,
    /// Of no use after this.
    pub ends: Timestamp,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(
        "cannot read the accounts in {path}: {source}; name the state_dir of a duty room, as its user or root"
    )]
    Accounts { path: PathBuf, source: rusqlite::Error },
    #[error("no lead's account is called {0}; leads here: {1}")]
    NoLead(String, String),
    #[error("no lead has an account yet: start the duty room and use the code that it prints")]
    NoAccount,
    #[error(
        "several leads have accounts: name one with --account ({0}); or let another one set the password"
    )]
    Several(String),
    #[error("cannot write {path}: {source}; run this as the duty room's user or root")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    account: String,
    /// SHA-256 of the twelve digits, hexadecimal.
    digest: String,
    ends_ms: i64,
}

/// Makes a code for a lead's account, the only one's if none is named; the one before is of no use any more.
pub fn issue(state_dir: &Path, account: Option<&str>, wall: Timestamp) -> Result<Issued, RecoverError> {
    let leads = leads(state_dir)?;
    let account = match (account, leads.as_slice()) {
        (_, []) => return Err(RecoverError::NoAccount),
        (Some(wanted), known) if known.iter().any(|id| id == wanted) => wanted.to_owned(),
        (Some(wanted), known) => return Err(RecoverError::NoLead(wanted.to_owned(), known.join(", "))),
        (None, [only]) => only.clone(),
        (None, several) => return Err(RecoverError::Several(several.join(", "))),
    };
    let code = SetupCode::random().map_err(RecoverError::Randomness)?;
    let ends_ms = wall.unix_ms().saturating_add(LASTS_MS);
    let kept = Kept { account: account.clone(), digest: digest(code.digits()), ends_ms };
    let path = state_dir.join(FILE);
    write(state_dir, &path, &kept).map_err(|source| RecoverError::Write { path, source })?;
    Ok(Issued { account, code: code.to_string(), ends: Timestamp::from_unix_ms(ends_ms) })
}

fn leads(state_dir: &Path) -> Result<Vec<String>, RecoverError> {
    let path = logbook::database(state_dir);
    let read = || {
        let connection = logbook::open(&path)?;
        let mut query = connection.prepare("SELECT id FROM account WHERE role = 'lead' ORDER BY id")?;
        query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
    };
    read().map_err(|source| RecoverError::Accounts { path: path.clone(), source })
}

/// Whole or not at all, readable by whoever owns the directory: root may be who asks.
fn write(state_dir: &Path, path: &Path, kept: &Kept) -> std::io::Result<()> {
    let text = serde_json::to_vec(kept)?;
    let new = state_dir.join(".recovery.json.new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(&text)?;
    file.sync_all()?;
    let owner = std::fs::metadata(state_dir)?;
    if owner.uid() != std::fs::metadata(&new)?.uid() {
        chown(&new, Some(owner.uid()), Some(owner.gid()))?;
    }
    std::fs::rename(&new, path)
}

fn digest(digits: &str) -> String {
    Sha256::digest(digits.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a running duty room finds the code.
#[derive(Clone, Debug)]
pub(crate) struct Recovery {
    path: PathBuf,
}

impl Recovery {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join(FILE) }
    }

    /// Whether this code is good for this account now.
    fn is(&self, account: &str, typed: &str, wall: Timestamp) -> bool {
        let kept = std::fs::read(&self.path).ok();
        let Some(kept) = kept.and_then(|kept| serde_json::from_slice::<Kept>(&kept).ok()) else {
            return false;
        };
        let left_ms = kept.ends_ms.saturating_sub(wall.unix_ms());
        // A clock that was set back makes it no better.
        kept.account == account
            && (1..=LASTS_MS).contains(&left_ms)
            && is_same(&kept.digest, &digest(&SetupCode::typed(typed)))
    }

    fn spend(&self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)
    }
}

impl Door {
    /// A new password for the lead whose code this is, who may log in again; every other session of theirs ends.
    pub(crate) async fn recover(
        &self,
        from: IpAddr,
        recovery: &Recovery,
        (id, code, wanted): (&str, &str, &str),
    ) -> Result<(Token, Person), Refused> {
        if let Some((code, text)) = password::objection(wanted, id) {
            return Err(Refused { code, text });
        }
        let _attempt = self.wait_for_turn(from, ATTEMPTS).await?;
        let hash = self.hashed(wanted.to_owned()).await?;
        let _changing = self.inner.changing.lock().await;
        let known = self.state().accounts.with_password(id, hash).ok();
        let Some(account) = known.filter(|_| recovery.is(id, code, self.inner.clock.wall())) else {
            self.refused(Some(id), from);
            let zh = "账号或恢复码不对,或已过 30 分钟;在值班室的机器上重新生成";
            let en =
                "Not this account's code, or older than 30 min: make a new one on the duty room's machine";
            return Err(Refused::new("code", zh, en));
        };
        // Good once: what cannot be taken away is not given.
        if let Err(error) = recovery.spend() {
            tracing::error!(%error, "the recovery code cannot be removed, so it is refused");
            return Err(Refused::new(
                "slow",
                "磁盘没有写成,请稍后再试",
                "Not written to disk: try again soon",
            ));
        }
        self.state().throttle.proved(self.inner.clock.now(), ATTEMPTS, from);
        let account = Account { disabled: false, ..account };
        let changes =
            vec![PersonChange::Account(account.clone()), PersonChange::EndSessionsOf(id.to_owned())];
        self.state().sessions.end_all_of(id);
        let token = self.begin_session(from, &account, changes, "account.recovered").await?;
        self.state().accounts.put(account.clone());
        Ok((token, account.person()))
    }
}
