//! Who may sit at the desk: the people with an account, what each may do, and the rules for changing that. No disk and
//! no clock here.
pub(crate) mod changes;
pub(crate) mod door;
pub(crate) mod log_in;
pub(crate) mod password;
pub mod recovery;
mod refusals;
pub(crate) mod sessions;
mod throttle;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use shouwang_message::{Id, Text};

use password::Hash;

/// Accounts at most, disabled ones too: they stay, so that the logbook goes on meaning somebody.
const ACCOUNTS: usize = 200;
/// Characters of a person's name.
const LONGEST_NAME: usize = 32;

/// What a person's account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// 值班员: acknowledges, silences, shelves, dispatches.
    Operator,
    /// 班长: besides that takes devices out of service and keeps the accounts.
    Lead,
    /// 安装: looks, and tests devices.
    Installer,
    /// 网格员: acts by personal links alone, and logs in nowhere.
    GridWorker,
    /// 只读: looks.
    Viewer,
}

impl Role {
    const ALL: [(Self, &str); 5] = [
        (Self::Operator, "operator"),
        (Self::Lead, "lead"),
        (Self::Installer, "installer"),
        (Self::GridWorker, "grid-worker"),
        (Self::Viewer, "viewer"),
    ];

    /// As the API and the store write it.
    pub(crate) fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(role, _)| *role == self).map_or("", |(_, word)| word)
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(role, _)| *role)
    }
}

/// The account that the demo's link signs in; there is no such row in the store.
pub(crate) const GUEST: &str = "operator";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// Account id.
    pub(crate) id: String,
    /// As people call them.
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// An address as the logbook writes it: an IPv4 address that came over an IPv6 socket as people know it.
fn written(from: IpAddr) -> String {
    from.to_canonical().to_string()
}

/// One person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: Hash,
    pub(crate) disabled: bool,
}

impl Account {
    pub(crate) fn person(&self) -> Person {
        Person { id: self.id.to_string(), name: self.name.clone(), role: self.role }
    }

    /// A grid worker's links are their only door.
    pub(crate) fn may_log_in(&self) -> bool {
        !self.disabled && self.role != Role::GridWorker
    }
}

/// Why something about accounts is refused: a stable code and words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) text: Text,
}

impl Refused {
    pub(crate) fn new(code: &'static str, zh: &str, en: &str) -> Self {
        Self { code, text: Text::new(zh, en) }
    }
}

/// All accounts, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    accounts: BTreeMap<String, Account>,
}

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        Self { accounts: accounts.into_iter().map(|account| (account.id.to_string(), account)).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Takes what was decided and written.
    pub(crate) fn put(&mut self, account: Account) {
        self.accounts.insert(account.id.to_string(), account);
    }

    /// Whether an account like this may be added.
    pub(crate) fn may_add(&self, id: &str, name: &str) -> Result<(Id, String), Refused> {
        let Ok(id) = id.parse::<Id>() else {
            let en = "An account's id has 1 to 32 characters of a-z, 0-9 and '-'";
            return Err(Refused::new("account_id", "账号只能用 1 到 32 个小写字母、数字和 -", en));
        };
        let name = name.trim();
        let hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(hidden) {
            return Err(Refused::new(
                "account_name",
                "姓名应为 1 到 32 个字",
                "A name has 1 to 32 characters",
            ));
        }
        if self.accounts.contains_key(id.as_str()) {
            return Err(Refused::new(
                "account_taken",
                "这个账号已经有了",
                "There is such an account already",
            ));
        }
        if self.accounts.len() >= ACCOUNTS {
            return Err(Refused::new("accounts_full", "账号数量已到上限", "There are too many accounts"));
        }
        Ok((id, name.to_owned()))
    }

    /// The account disabled; refused while nobody else could keep the desk.
    pub(crate) fn disabled(&self, id: &str) -> Result<Account, Refused> {
        let account = self.known(id)?;
        let others = || self.iter().filter(|other| other.id != account.id && !other.disabled);
        if account.role == Role::Lead && !account.disabled && !others().any(|other| other.role == Role::Lead)
        {
            let zh = "这是最后一位可用的班长,不能停用;请先建立另一位班长";
            let en = "This is the last lead who can log in: make another one first";
            return Err(Refused::new("last_lead", zh, en));
        }
        Ok(Account { disabled: true, ..account.clone() })
    }

    pub(crate) fn enabled(&self, id: &str) -> Result<Account, Refused> {
        Ok(Account { disabled: false, ..self.known(id)?.clone() })
    }

    pub(crate) fn with_password(&self, id: &str, password: Hash) -> Result<Account, Refused> {
        Ok(Account { password, ..self.known(id)?.clone() })
    }

    fn known(&self, id: &str) -> Result<&Account, Refused> {
        let unknown = || Refused::new("unknown_account", "没有这个账号", "There is no such account");
        self.accounts.get(id).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str, role: Role) -> Account {
        let password = Hash::from_text(String::new());
        Account { id: id.parse().unwrap(), name: id.into(), role, password, disabled: false }
    }

    #[test]
    fn somebody_can_always_keep_the_desk() {
        let mut accounts = Accounts::new(vec![account("wang", Role::Lead), account("li", Role::Operator)]);
        assert_eq!(accounts.disabled("wang").unwrap_err().code, "last_lead");
        let li = accounts.disabled("li").unwrap();
        assert!(li.disabled, "a lead is left, who may do all that an operator may");
        accounts.put(li);
        accounts.put(account("zhao", Role::Lead));
        accounts.put(accounts.disabled("zhao").unwrap());
        assert_eq!(accounts.disabled("wang").unwrap_err().code, "last_lead", "a disabled lead is no lead");
        accounts.put(accounts.enabled("zhao").unwrap());
        accounts.put(accounts.disabled("wang").unwrap());
        assert_eq!(accounts.disabled("zhao").unwrap_err().code, "last_lead");
        assert_eq!(accounts.disabled("nobody").unwrap_err().code, "unknown_account");
    }

    #[test]
    fn what_an_account_may_be_called() {
        let accounts = Accounts::new(vec![account("wang", Role::Lead)]);
        for (id, name, code) in [
            ("", "王", "account_id"),
            ("Wang", "王", "account_id"),
            ("../etc", "王", "account_id"),
            ("zhao", " ", "account_name"),
            ("zhao", "赵\u{202e}", "account_name"),
            ("zhao", &"赵".repeat(33), "account_name"),
            ("wang", "王", "account_taken"),
        ] {
            assert_eq!(accounts.may_add(id, name).unwrap_err().code, code, "{id} {name}");
        }
        assert_eq!(accounts.may_add("zhao-2", " 赵敏 ").unwrap().1, "赵敏");
        let many = (0..ACCOUNTS).map(|n| account(&format!("a{n}"), Role::Viewer)).collect();
        assert_eq!(Accounts::new(many).may_add("zhao", "赵").unwrap_err().code, "accounts_full");
    }

    #[test]
    fn roles_have_one_word_each() {
        for (role, word) in Role::ALL {
            assert_eq!((role.as_str(), Role::parse(word)), (word, Some(role)));
            assert_eq!(serde_json::to_value(role).unwrap(), word, "the same as in JSON");
        }
        assert_eq!(Role::parse("admin"), None);
    }
}
