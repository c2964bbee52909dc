//! `replay`: a recording goes through the core again, and what it orders is printed.
use std::path::Path;

use serde_json::{Value, json};
use shouwang_core::Instant;
use shouwang_core::engine::Engine;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_gateway::config::Config;
use shouwang_gateway::recorder::{Recorded, Recording, RecordingError};

use crate::exit::{Code, Exit};
use crate::print;

pub(crate) fn replay(path: &Path, all: bool, json: bool) -> Result<(), Exit> {
    let recording = Recording::open(path).map_err(|error| bad(&error))?;
    let header = &recording.header;
    let config = header.config().map_err(|problems| Exit::bad(&problems))?;
    let start = header.start();
    let mut engine = Engine::new(config.core, header.restored.clone().into(), start);
    for entry in recording {
        let (at, recorded) = entry.map_err(|error| bad(&error))?;
        let since = at.since(start.now).as_secs_f64();
        let outputs: Vec<Output> = match recorded {
            Recorded::Input(input) => {
                if let Some(line) = heard(&input, all) {
                    tell(since, '<', &line, json)?;
                }
                engine.handle(at, input).collect()
            }
            Recorded::Configured { configured } => {
                let config = Config::from_sources(&configured).map_err(|problems| Exit::bad(&problems))?;
                tell(since, '<', &json!({"configured": config.core.digest}), json)?;
                engine.configure(at, config.core).collect()
            }
        };
        for output in outputs {
            for line in ordered(&output, all) {
                tell(since, '>', &line, json)?;
            }
        }
    }
    Ok(())
}

/// What came in, if it is worth a line.
fn heard(input: &Input, all: bool) -> Option<Value> {
    let routine = matches!(
        input,
        Input::Answered { .. }
            | Input::Woke
            | Input::ClockSet { .. }
            | Input::Receipted { .. }
            | Input::Fetched { .. }
    );
    (all || !routine).then(|| serde_json::to_value(input).unwrap_or(Value::Null))
}

/// What the core ordered: always what is saved and told, exchanges only on request.
fn ordered(output: &Output, all: bool) -> Vec<Value> {
    match output {
        Output::Ask { .. } if !all => Vec::new(),
        Output::Ask { line, ask } => {
            vec![
                json!({"ask": ask.id, "line": line, "unit_id": ask.unit_id, "request": format!("{:?}", ask.request)}),
            ]
        }
        Output::Commit(commit) => commit
            .events
            .iter()
            .map(|event| {
                let body: Value = serde_json::from_slice(&event.body).unwrap_or(Value::Null);
                json!({"commit": event.sequence, "type": body["type"], "subject": body["subject"]})
            })
            .collect(),
        Output::Fetch { from, limit } => vec![json!({"fetch": from, "limit": limit})],
        Output::Connect { connection, .. } => vec![json!({"connect": connection})],
        Output::Drop { connection } => vec![json!({"drop": connection})],
        Output::Disconnect { connection } => vec![json!({"disconnect": connection})],
        Output::Publish { publication, .. } => {
            vec![json!({"publish": publication.topic.to_string(), "bytes": publication.body.len()})]
        }
        Output::Text { text, phone, words, rings } => {
            vec![json!({"text": text, "phone": phone, "words": words, "rings": rings})]
        }
        Output::Reload => vec![json!("reload")],
        Output::Configured { lines } => vec![json!({"configured": {"lines": lines}})],
        Output::NotConfigured { why } => vec![json!({"not_configured": why})],
        Output::Stopped => vec![json!("stopped")],
    }
}

fn tell(since_s: f64, direction: char, what: &Value, json: bool) -> Result<(), Exit> {
    if json {
        let key = if direction == '<' { "input" } else { "output" };
        let at = Instant::from_micros((since_s * 1e6) as u64).as_micros();
        print::line(&json!({"at_us": at, key: what}).to_string())
    } else {
        print::line(&format!("{since_s:10.3} {direction} {what}"))
    }
}

fn bad(error: &RecordingError) -> Exit {
    Exit::Because(Code::Bad, error.to_string())
}
