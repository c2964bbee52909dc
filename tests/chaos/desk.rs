//! An operator at the duty room, and a look at the gateway's health page: both may be away, frozen or starting at any
//! time, which is no error here.
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::Visitor;
use shouwang_tests::visitor::Answer;

const PASSWORD: &str = "三号楼二单元四零二";
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Desk {
    operator: Visitor,
}

impl Desk {
    pub(crate) fn at(port: u16) -> Self {
        Self { operator: visitor(port) }
    }

    /// The rows of everything open; `words` is what the duty room has printed so far, its one-time code in it.
    pub(crate) fn rows(&mut self, words: &str) -> Result<Vec<Value>, String> {
        self.operator.open_alarms().or_else(|_| {
            // The first time there is no account; later a session that ended is begun anew.
            let set_up = self.operator.set_up(words, "operator", PASSWORD);
            set_up.or_else(|_| self.operator.log_in("operator", PASSWORD))?;
            self.operator.open_alarms()
        })
    }

    /// The operator says that this alarm was seen.
    pub(crate) fn acknowledge(&self, alarm: &str) -> Result<(), String> {
        let answer = self.operator.post(&format!("/api/v1/alarms/{alarm}/acknowledge"), &json!({}))?;
        answer.ok().map(drop)
    }
}

/// Whether this program says that it is ready, and if not why.
pub(crate) fn ready(port: u16) -> Result<(), String> {
    visitor(port).get("/readyz").and_then(Answer::ok).map(drop)
}

fn visitor(port: u16) -> Visitor {
    Visitor::new(format!("127.0.0.1:{port}"), LIMIT)
}
