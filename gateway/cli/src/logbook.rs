//! `logbook verify`: whether the duty room's logbook is as it was written.
use std::path::PathBuf;

use serde_json::json;
use shouwang_duty_room::Config;
use shouwang_duty_room::logbook::{self, VerifyError};

use crate::arguments::StateDir;
use crate::exit::{Code, Exit};
use crate::print;

impl StateDir {
    /// As it is named, or as the configuration names it.
    pub(crate) fn directory(self) -> Result<PathBuf, Exit> {
        match (self.state_dir, self.config) {
            (Some(directory), _) => Ok(directory),
            (None, Some(file)) => {
                let config =
                    Config::load(&file).map_err(|error| Exit::Because(Code::Bad, error.to_string()))?;
                Ok(config.state_dir)
            }
            (None, None) => Err(Exit::Because(Code::Bad, "name --state-dir or --config".into())),
        }
    }
}

pub(crate) fn verify(state: StateDir, json: bool) -> Result<(), Exit> {
    match logbook::verify(&state.directory()?) {
        Ok(sound) if json => {
            print::line(&json!({"ok": true, "lines": sound.lines, "last_hash": sound.last_hash}).to_string())
        }
        Ok(sound) => print::line(&format!(
            "日志完好 · the logbook is sound: {} 行 · lines, 最后一行的哈希 · hash of the last: {}",
            sound.lines, sound.last_hash
        )),
        Err(VerifyError::Broken { line, why }) if json => {
            print::line(&json!({"ok": false, "line": line, "why": why}).to_string())?;
            Err(Exit::Said(Code::Found))
        }
        Err(VerifyError::Broken { line, why }) => {
            let told = format!("日志第 {line} 行被改动或缺失 · line {line} of the logbook is broken: {why}");
            Err(Exit::Because(Code::Found, told))
        }
        Err(missing @ VerifyError::Missing(_)) => Err(Exit::Because(Code::Bad, missing.to_string())),
        Err(unreadable @ VerifyError::Unreadable { .. }) => Err(Exit::failed(&unreadable)),
    }
}
