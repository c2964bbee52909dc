//! `replay`: a recording goes through the core again, and what it orders is printed.
use std::path::Path;

use serde_json::{Value, json};
use shouwang_core::Instant;
use shouwang_core::engine::Engine;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_gateway::recorder::{Beginning, Entry, Orders, Recorded, Recording, RecordingError};

use crate::exit::{Code, Exit};
use crate::print;

pub(crate) fn replay(path: &Path, all: bool, json: bool) -> Result<(), Exit> {
    let (header, entries) = Recording::open(path).map_err(|error| bad(&error))?;
    let began = header.now;
    let is_midway = matches!(header.began, Beginning::Midway { .. });
    let (version, mut engine, mut orders) = (header.version.clone(), header.engine(), Orders::default());
    if is_midway {
        tell(0.0, '<', &begun_midway(&engine), json)?;
    }
    let (mut inputs, mut differs, mut last) = (0_u64, None, None);
    for entry in entries {
        let Entry { at, ordered, what } = entry.map_err(|error| bad(&error))?;
        let since = at.since(began).as_secs_f64();
        if differs.is_none() && orders.digest() != ordered {
            // What differs was ordered at the input before.
            differs = Some((inputs, last.unwrap_or(since)));
        }
        last = Some(since);
        let outputs: Vec<Output> = match what {
            Recorded::Input(input) => {
                if let Some(line) = heard(&input, all) {
                    tell(since, '<', &line, json)?;
                }
                engine.handle(at, input).collect()
            }
            Recorded::Configured(configuration) => {
                tell(since, '<', &json!({"configured": configuration.digest}), json)?;
                engine.configure(at, *configuration).collect()
            }
            Recorded::Ended(why) => {
                tell(since, '<', &json!({"ended": why}), json)?;
                break;
            }
        };
        inputs += 1;
        for output in outputs {
            orders.add(&output);
            for line in ordered_lines(&output, all) {
                tell(since, '>', &line, json)?;
            }
        }
    }
    conclude(inputs, &orders.digest(), differs, &version, json)
}

/// Whether it decided as the gateway did that was recorded.
fn conclude(
    inputs: u64,
    digest: &str,
    differs: Option<(u64, f64)>,
    version: &str,
    json: bool,
) -> Result<(), Exit> {
    let own = env!("CARGO_PKG_VERSION");
    match differs {
        _ if json => print::line(
            &json!({"same": differs.is_none(), "inputs": inputs, "orders": digest, "version": version,
                "differs_at_input": differs.map(|(input, _)| input)})
            .to_string(),
        )?,
        None => print::line(&format!(
            "一致:{inputs} 次输入,决定与录制时完全相同 · the same: {inputs} inputs, every order as it was recorded (orders {digest})"
        ))?,
        Some((input, since)) => print::line(&format!(
            "不一致:第 {input} 次输入({since:.3} s)的决定不同;录制的版本 {version},本程序 {own} · it differs: from input {input} \
             at {since:.3} s on; recorded by {version}, replayed by {own}"
        ))?,
    }
    if differs.is_some() { Err(Exit::Said(Code::Found)) } else { Ok(()) }
}

/// What a recording from the middle of a run goes on from.
fn begun_midway(engine: &Engine) -> Value {
    let open: Vec<Value> = engine
        .alarms()
        .map(|alarm| json!({"device": alarm.device, "condition": alarm.condition, "active": alarm.active}))
        .collect();
    json!({"midway": {"connected": engine.is_connected(), "alarms": open}})
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
fn ordered_lines(output: &Output, all: bool) -> Vec<Value> {
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
