//! `check`: everything wrong with a configuration at once, and what each line will take.
use std::path::Path;

use serde_json::json;
use shouwang_core::plan::{Plan, alarm_round};
use shouwang_duty_room as duty_room;
use shouwang_gateway::config::Config;

use crate::exit::{Code, Exit};
use crate::print;

pub(crate) fn check(path: &Path, json: bool) -> Result<(), Exit> {
    if is_duty_room(path) {
        return check_duty_room(path, json);
    }
    match Config::load(path) {
        Ok(config) => show(&config, json),
        Err(problems) if json => {
            for problem in &problems {
                let (what, remedy) = (&problem.what, &problem.remedy);
                let object = json!({"file": problem.file, "line": problem.line, "column": problem.column,
                    "what": what, "remedy": remedy});
                print::line(&object.to_string())?;
            }
            Err(Exit::Said(Code::Bad))
        }
        Err(problems) => Err(Exit::bad(&problems)),
    }
}

/// A gateway says which gateway it is; a duty room does not.
fn is_duty_room(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    !table.contains_key("gateway") && !table.contains_key("line") && table.contains_key("broker")
}

fn check_duty_room(path: &Path, json: bool) -> Result<(), Exit> {
    let config = match duty_room::Config::load(path) {
        Ok(config) => config,
        Err(error) if json => {
            for problem in &error.problems {
                let object = json!({"file": problem.file, "line": problem.line, "column": problem.column,
                    "what": problem.what, "remedy": problem.remedy});
                print::line(&object.to_string())?;
            }
            return Err(Exit::Said(Code::Bad));
        }
        Err(error) => return Err(Exit::Because(Code::Bad, error.to_string())),
    };
    if json {
        print::line(&json!({"ok": true, "duty_room": config.name}).to_string())
    } else {
        print::line(&format!("配置无误 · the configuration is sound: {}", config.name))
    }
}

fn show(config: &Config, json: bool) -> Result<(), Exit> {
    for (index, line) in config.core.lines.iter().enumerate() {
        let devices: Vec<_> = config.core.devices.iter().filter(|device| device.line == index).collect();
        let plans: Vec<Plan> = devices.iter().map(|device| Plan::new(device, line)).collect();
        let round_ms = alarm_round(line, devices.iter().copied().zip(&plans)).as_millis();
        // A change just after its block was read waits for a whole round and the wanted interval.
        let worst_ms = round_ms + line.poll.alarm.as_millis();
        let (name, count) = (&line.name, devices.len());
        if json {
            let object = json!({"line": name, "devices": count,
                "alarm_round_ms": u64::try_from(round_ms).unwrap_or(u64::MAX),
                "worst_latency_ms": u64::try_from(worst_ms).unwrap_or(u64::MAX)});
            print::line(&object.to_string())?;
        } else {
            print::line(&format!(
                "线路 {name}:{count} 台设备,报警一轮 {round_ms} ms,最迟 {worst_ms} ms 读到 · line {name}: {count} devices, \
                 alarm round {round_ms} ms, read within {worst_ms} ms"
            ))?;
        }
    }
    if json {
        print::line(&json!({"ok": true, "gateway": config.core.gateway}).to_string())
    } else {
        print::line(&format!("配置无误 · the configuration is sound: {}", config.core.gateway))
    }
}
