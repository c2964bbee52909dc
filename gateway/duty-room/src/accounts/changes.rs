//! Changes of accounts, as a lead asks for them, and of a password, as its owner does. Accounts are disabled, never
//! removed.
use std::net::IpAddr;

use shouwang_board::LogLine;

use super::door::Door;
use super::log_in::Wanted;
use super::{Account, Person, Refused, Role, password, written};
use crate::store::PersonChange;

/// Who asks, and from where.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) person: Person,
    pub(crate) from: IpAddr,
}

impl Asker {
    /// From where, as the logbook writes it.
    pub(crate) fn address(&self) -> String {
        written(self.from)
    }
}

impl Door {
    /// All accounts, without their passwords.
    pub(crate) fn accounts(&self) -> Vec<(Person, bool)> {
        self.state().accounts.iter().map(|account| (account.person(), account.disabled)).collect()
    }

    pub(crate) async fn add(&self, asker: &Asker, wanted: Wanted) -> Result<Account, Refused> {
        self.fits(&wanted)?;
        let password = self.hashed(wanted.password).await?;
        let _changing = self.inner.changing.lock().await;
        let (id, name) = self.state().accounts.may_add(&wanted.id, &wanted.name)?;
        let account = Account { id, name, role: wanted.role, password, disabled: false };
        let line = LogLine {
            new: Some(format!("{} ({})", account.id, account.role.as_str())),
            note: Some(account.name.clone()),
            ..self.line(&asker.person.id, asker.from, "account.added")
        };
        self.change(account, false, line).await
    }

    /// A new password ends every session of the account. Who changes their own must know the one they have; only a lead
    /// gives others a new one.
    pub(crate) async fn set_password(
        &self,
        asker: &Asker,
        id: &str,
        current: Option<&str>,
        wanted: &str,
    ) -> Result<Account, Refused> {
        let is_own = asker.person.id == id;
        if !is_own && asker.person.role != Role::Lead {
            return Err(Refused::new(
                "role",
                "只有班长能改别人的密码",
                "Only a lead sets another's password",
            ));
        }
        if let Some((code, text)) = password::objection(wanted, id) {
            return Err(Refused { code, text });
        }
        if is_own {
            self.is_own_password(asker, id, current.unwrap_or_default()).await?;
        }
        let hash = self.hashed(wanted.to_owned()).await?;
        let _changing = self.inner.changing.lock().await;
        let account = self.state().accounts.with_password(id, hash)?;
        let line = self.about(asker, "account.password", id);
        self.change(account, true, line).await
    }

    /// The account can log in no more, and is out at once.
    pub(crate) async fn disable(&self, asker: &Asker, id: &str) -> Result<Account, Refused> {
        let _changing = self.inner.changing.lock().await;
        let account = self.state().accounts.disabled(id)?;
        let line = self.about(asker, "account.disabled", id);
        self.change(account, true, line).await
    }

    pub(crate) async fn enable(&self, asker: &Asker, id: &str) -> Result<Account, Refused> {
        let _changing = self.inner.changing.lock().await;
        let account = self.state().accounts.enabled(id)?;
        let line = self.about(asker, "account.enabled", id);
        self.change(account, false, line).await
    }

    /// Guessing here is as slow as at the door.
    async fn is_own_password(&self, asker: &Asker, id: &str, typed: &str) -> Result<(), Refused> {
        self.is_password_of(asker.from, id, typed).await.map(|_| ()).map_err(|refused| match refused.code {
            "wrong" => Refused::new("wrong_current", "现在的密码不对", "Your present password is wrong"),
            _ => refused,
        })
    }

    async fn change(&self, account: Account, ends_sessions: bool, line: LogLine) -> Result<Account, Refused> {
        let id = account.id.to_string();
        let mut changes = vec![PersonChange::Account(account.clone())];
        if ends_sessions {
            changes.push(PersonChange::EndSessionsOf(id.clone()));
        }
        self.keep(changes, vec![line]).await?;
        let mut state = self.state();
        state.accounts.put(account.clone());
        if ends_sessions {
            state.sessions.end_all_of(&id);
        }
        Ok(account)
    }

    fn about(&self, asker: &Asker, what: &str, id: &str) -> LogLine {
        LogLine { new: Some(id.to_owned()), ..self.line(&asker.person.id, asker.from, what) }
    }
}
