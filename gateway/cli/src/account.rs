//! `account recover`: the way back in for a lead who forgot the password, for whoever may write where the accounts lie.
use serde_json::json;
use shouwang_duty_room::{Clock, RecoverError, recovery};

use crate::arguments::StateDir;
use crate::exit::{Code, Exit};
use crate::print;

pub(crate) fn recover(state: StateDir, account: Option<&str>, json: bool) -> Result<(), Exit> {
    let issued =
        recovery::issue(&state.directory()?, account, Clock::system().wall()).map_err(
            |error| match error {
                RecoverError::NoLead(..) | RecoverError::NoAccount | RecoverError::Several(_) => {
                    Exit::Because(Code::Bad, error.to_string())
                }
                _ => Exit::failed(&error),
            },
        )?;
    if json {
        let object = json!({"account": issued.account, "code": issued.code, "ends": issued.ends});
        return print::line(&object.to_string());
    }
    print::line(&format!(
        "打开值班室的 /recover 页,填账号 {0} 和恢复码 {1},设新密码。30 分钟内有效,用一次,使用记入日志。\n\
         Open the duty room's page /recover and enter account {0} and code {1} to set a new password. It is good once, for 30 \
         minutes; its use stands in the logbook.",
        issued.account, issued.code
    ))
}
