//! Coming in and going out: the password after its wait, the first account by the console's code, the end of a session.
use std::net::IpAddr;
use std::time::Duration;

use shouwang_board::LogLine;
use shouwang_message::Timestamp;

use super::door::Door;
use super::password::{self, Hash};
use super::refusals;
use super::sessions::{SESSION, Sitter, Token, TokenDigest};
use super::{Account, Person, Refused, Role, written};
use crate::store::PersonChange;

/// What attempts at the first account are counted under; no account's id has a space.
const SETUP: &str = "first run";
/// Bytes of a password that are looked at.
const LONGEST_TYPED: usize = 1_024;

/// What a new account is made of.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: String,
}

/// An attempt that waits or is judged; dropping it makes room for the next.
pub(super) struct Attempt<'d> {
    door: &'d Door,
    from: IpAddr,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.door.state().throttle.ended(self.from);
    }
}

impl Door {
    /// A session for whoever knows the password, after the wait that earlier failures cost.
    pub(crate) async fn log_in(
        &self,
        from: IpAddr,
        id: &str,
        typed: &str,
    ) -> Result<(Token, Person), Refused> {
        let account = self.is_password_of(from, id, typed).await?;
        let _changing = self.inner.changing.lock().await;
        // Disabled meanwhile, or given another password: what is true now counts.
        let account = self.state().accounts.get(id).filter(|now| now.password == account.password).cloned();
        let Some(account) = account else { return Err(wrong()) };
        if !account.may_log_in() {
            self.refused(Some(id), from);
            return Err(no_entry(&account));
        }
        let token = self.begin_session(from, &account, Vec::new(), "login").await?;
        Ok((token, account.person()))
    }

    /// Who signs with this password, if that is somebody who keeps watch.
    pub(crate) async fn sign(&self, from: IpAddr, id: &str, typed: &str) -> Result<Person, Refused> {
        let account = self.is_password_of(from, id, typed).await?;
        if !account.may_log_in() {
            return Err(no_entry(&account));
        }
        if !matches!(account.role, Role::Operator | Role::Lead) {
            let zh = "只有值班员和班长能签交接班表";
            return Err(Refused::new("role", zh, "Only operators and leads sign a hand-over"));
        }
        Ok(account.person())
    }

    /// The account whose password this is, after the wait that earlier failures cost.
    pub(super) async fn is_password_of(
        &self,
        from: IpAddr,
        id: &str,
        typed: &str,
    ) -> Result<Account, Refused> {
        if typed.len() > LONGEST_TYPED || id.len() > LONGEST_TYPED {
            return Err(wrong());
        }
        let _attempt = self.wait_for_turn(from, id).await?;
        let account = self.state().accounts.get(id).cloned();
        let hash = account.as_ref().map(|account| account.password.clone());
        let typed = typed.to_owned();
        let is_right = self.at_leisure(move || password::is_right(&typed, hash.as_ref())).await?;
        let Some(account) = account.filter(|_| is_right) else {
            self.refused(Some(id), from);
            return Err(wrong());
        };
        self.state().throttle.proved(self.inner.clock.now(), id, from);
        Ok(account)
    }

    /// The first account, a lead's, for whoever reads the console; and a session for them.
    pub(crate) async fn set_up(
        &self,
        from: IpAddr,
        code: &str,
        wanted: Wanted,
    ) -> Result<(Token, Person), Refused> {
        if self.state().setup.is_none() {
            return Err(is_set_up());
        }
        self.fits(&wanted)?;
        let _attempt = self.wait_for_turn(from, SETUP).await?;
        let _changing = self.inner.changing.lock().await;
        let is_right = match &self.state().setup {
            None => return Err(is_set_up()),
            Some(known) => known.is(code),
        };
        if !is_right {
            self.refused(None, from);
            let zh = "开通码不对;它印在值班室程序的控制台上,重启后换新";
            let en = "Not the code: it stands on the duty room's console, a new one after each restart";
            return Err(Refused::new("code", zh, en));
        }
        self.state().throttle.proved(self.inner.clock.now(), SETUP, from);
        let (id, name) = self.state().accounts.may_add(&wanted.id, &wanted.name)?;
        let password = self.hashed(wanted.password).await?;
        let account = Account { id, name, role: Role::Lead, password, disabled: false };
        let made = vec![PersonChange::Account(account.clone())];
        let token = self.begin_session(from, &account, made, "account.first").await?;
        let mut state = self.state();
        state.accounts.put(account.clone());
        state.setup = None;
        Ok((token, account.person()))
    }

    /// The end of these sessions.
    pub(crate) async fn log_out(&self, from: IpAddr, sessions: Vec<String>) -> Result<(), Refused> {
        for session in sessions {
            let Some((_, person)) = self.who(&session) else { continue };
            let digest = TokenDigest::of(&session);
            let line = self.line(&person.id, from, "logout");
            self.keep(vec![PersonChange::EndSession(digest.clone())], vec![line]).await?;
            self.state().sessions.end(&digest);
        }
        Ok(())
    }

    /// The line about refused log-ins that is due, if one is.
    pub(crate) fn refusals_due(&self) -> Option<LogLine> {
        let refused = self.state().refusals.take(self.inner.clock.now())?;
        let refusals::Refused { count, account, from } = refused;
        Some(LogLine {
            at: self.inner.clock.wall(),
            by: account.unwrap_or_else(|| "-".into()),
            from,
            what: "login.refused".into(),
            about: None,
            old: None,
            new: Some(count.to_string()),
            note: None,
        })
    }

    pub(super) async fn begin_session(
        &self,
        from: IpAddr,
        account: &Account,
        mut changes: Vec<PersonChange>,
        what: &str,
    ) -> Result<Token, Refused> {
        let no_chance = |_| Refused::new("chance", "系统没有随机数", "The system gives no randomness");
        let token = Token::random().map_err(no_chance)?;
        let (digest, id) = (token.digest(), account.id.to_string());
        let (now, wall) = (self.inner.clock.now(), self.inner.clock.wall());
        let ends = after(wall, SESSION);
        changes.push(PersonChange::Session { digest: digest.clone(), account: id.clone(), at: wall, ends });
        self.keep(changes, vec![self.line(&id, from, what)]).await?;
        self.state().sessions.begin(now, digest, Sitter::Account(id), now + SESSION);
        Ok(token)
    }

    /// Waits as long as earlier failures cost.
    pub(super) async fn wait_for_turn(&self, from: IpAddr, account: &str) -> Result<Attempt<'_>, Refused> {
        let wait = self.state().throttle.begin(self.inner.clock.now(), account, from);
        let wait = wait.map_err(|_| {
            let zh = "同时登录的人太多,请过半分钟再试";
            Refused::new("busy", zh, "Too many log-ins wait already: try again in half a minute")
        })?;
        let attempt = Attempt { door: self, from };
        tokio::time::sleep(wait).await;
        Ok(attempt)
    }

    pub(super) fn refused(&self, account: Option<&str>, from: IpAddr) {
        let mut state = self.state();
        // What was typed may be a password: only an account's id is written down.
        let account = account.filter(|id| state.accounts.get(id).is_some()).map(str::to_owned);
        state.refusals.note(account, written(from));
    }

    /// A new password's hash, made in its turn.
    pub(super) async fn hashed(&self, typed: String) -> Result<Hash, Refused> {
        let hash = self.at_leisure(move || password::hash(&typed)).await?;
        hash.ok_or_else(|| {
            Refused::new("hash", "密码没有算成,请再试", "The password could not be hashed: try again")
        })
    }

    /// One heavy computation at a time, away from the pages.
    pub(super) async fn at_leisure<T: Send + 'static>(
        &self,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let stopping = || Refused::new("stopping", "值班室正在停止", "The duty room is stopping");
        let turn = self.inner.hashing.clone().acquire_owned().await.map_err(|_| stopping())?;
        let computed = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            compute()
        });
        computed.await.map_err(|_| stopping())
    }

    /// Looks at a wanted account's words before anything else is asked.
    pub(super) fn fits(&self, wanted: &Wanted) -> Result<(), Refused> {
        self.state().accounts.may_add(&wanted.id, &wanted.name)?;
        match password::objection(&wanted.password, &wanted.id) {
            Some((code, text)) => Err(Refused { code, text }),
            None => Ok(()),
        }
    }

    pub(crate) fn line(&self, by: &str, from: IpAddr, what: &str) -> LogLine {
        LogLine {
            at: self.inner.clock.wall(),
            by: by.to_owned(),
            from: written(from),
            what: what.to_owned(),
            about: None,
            old: None,
            new: None,
            note: None,
        }
    }
}

fn is_set_up() -> Refused {
    Refused::new("set_up", "已经有账号了,请直接登录", "There is an account already: log in")
}

fn wrong() -> Refused {
    Refused::new("wrong", "账号或密码不对", "The account or the password is wrong")
}

fn no_entry(account: &Account) -> Refused {
    if account.disabled {
        Refused::new(
            "disabled",
            "这个账号已停用,请找班长",
            "This account is disabled: ask the lead of the watch",
        )
    } else {
        let zh = "网格员不用登录,请打开发给您的链接";
        Refused::new("links_only", zh, "A grid worker does not log in: open the link that was sent to you")
    }
}

fn after(wall: Timestamp, duration: Duration) -> Timestamp {
    let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ms(wall.unix_ms().saturating_add(ms))
}
