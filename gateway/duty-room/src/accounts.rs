//! Who may sit at the desk: the people with an account, what each may do, and the rules for changing that. No disk and
//! no clock here.
pub(crate) mod door;
pub(crate) mod sessions;

use serde::{Deserialize, Serialize};

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
