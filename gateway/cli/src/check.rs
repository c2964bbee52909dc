//! `check`: everything wrong with a configuration at once, and what each line will take.
mod duty;

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use shouwang_core::configuration::LineSettings;
use shouwang_core::latency::worst_latencies;
use shouwang_core::output::Request;
use shouwang_core::plan::{Plan, alarm_round};
use shouwang_duty_room as duty_room;
use shouwang_gateway::config::Config;
use shouwang_gateway::store::{DISK_BYTES, disk_has};

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

/// Whose file it is, by the sections and keys that only one of them has; a gateway's may hold a `[broker]` too.
pub(crate) fn is_duty_room(path: &Path) -> bool {
    const GATEWAY: [&str; 7] = ["site", "gateway", "uplink", "line", "device", "local_alarm", "sms"];
    const DUTY_ROOM: [&str; 8] =
        ["broker", "channel", "organisation", "person", "responder", "escalation", "sounder", "night"];
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // A file with a mistake in its notation is recognised by what can be read of it.
    let (table, _) = toml::de::DeTable::parse_recoverable(&text);
    let has = |keys: &[&str]| keys.iter().any(|key| table.get_ref().contains_key(*key));
    has(&DUTY_ROOM) && !has(&GATEWAY)
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
    duty::show(&config, json)?;
    if json {
        print::line(&json!({"ok": true, "duty_room": config.name}).to_string())
    } else {
        print::line(&format!("配置无误 · the configuration is sound: {}", config.name))
    }
}

/// What a line takes, as computed from its devices.
pub(crate) struct LineTimes {
    pub(crate) devices: usize,
    pub(crate) round_ms: u64,
    /// None if it has no alarm points.
    pub(crate) worst_ms: Option<u64>,
    /// Of the devices that have alarm points.
    each: Vec<(String, u64)>,
}

/// The times of the line of this index.
pub(crate) fn line_times(config: &Config, index: usize, line: &LineSettings) -> LineTimes {
    let devices: Vec<_> = config.core.devices.iter().filter(|device| device.line == index).collect();
    let plans: Vec<Plan> = devices.iter().map(|device| Plan::new(device, line)).collect();
    let planned: Vec<_> = devices.iter().copied().zip(&plans).collect();
    let round_ms = whole_ms(alarm_round(line, planned.iter().copied()));
    let latencies = worst_latencies(line, &planned);
    // Who has no alarm points has none to be late with.
    let worst_ms = latencies.iter().max().filter(|worst| !worst.is_zero()).map(|worst| whole_ms(*worst));
    let alarming = devices.iter().zip(&latencies).filter(|(_, latency)| !latency.is_zero());
    let each = alarming.map(|(device, latency)| (device.id.to_string(), whole_ms(*latency))).collect();
    LineTimes { devices: devices.len(), round_ms, worst_ms, each }
}

fn show(config: &Config, json: bool) -> Result<(), Exit> {
    for (index, line) in config.core.lines.iter().enumerate() {
        let LineTimes { devices: count, round_ms, worst_ms, each } = line_times(config, index, line);
        let name = &line.name;
        if json {
            let each: serde_json::Map<_, _> = each.into_iter().map(|(id, ms)| (id, ms.into())).collect();
            let object = json!({"line": name, "devices": count, "alarm_round_ms": round_ms,
                "worst_latency_ms": worst_ms, "worst_latency_by_device_ms": each});
            print::line(&object.to_string())?;
        } else {
            let (zh, en) = match worst_ms {
                Some(ms) => (format!("最迟 {ms} ms 读到"), format!("read within {ms} ms")),
                None => ("没有报警点".into(), "no alarm points".into()),
            };
            print::line(&format!(
                "线路 {name}:{count} 台设备,报警一轮 {round_ms} ms,{zh} · line {name}: {count} devices, alarm round \
                 {round_ms} ms, {en}"
            ))?;
            for (id, ms) in each {
                print::line(&format!("  {id} 最迟 {ms} ms · within {ms} ms"))?;
            }
        }
    }
    show_outputs(config, json)?;
    show_phones(config, json)?;
    show_disk(&config.state_dir, json)?;
    if json {
        print::line(&json!({"ok": true, "gateway": config.core.gateway}).to_string())
    } else {
        print::line(&format!("配置无误 · the configuration is sound: {}", config.core.gateway))
    }
}

/// What the box itself will sound and switch, and when.
fn show_outputs(config: &Config, json: bool) -> Result<(), Exit> {
    let core = &config.core;
    let name = |index: usize| core.outputs.get(index).map(|output| output.name.as_str()).unwrap_or_default();
    for output in &core.outputs {
        let Some(device) = core.devices.get(output.device) else { continue };
        let Some(point) = device.profile.points.get(output.point) else { continue };
        let (address, multiple_only) = (point.address, device.profile.blocks.write_multiple_only);
        let Some(request) = Request::write(point.table, address, 0, multiple_only) else { continue };
        let function = request.function();
        if json {
            let object = json!({"output": output.name, "device": device.id, "point": point.name,
                "function": function, "address": address});
            print::line(&object.to_string())?;
        } else {
            let (name, device, point) = (&output.name, &device.id, &point.name);
            print::line(&format!(
                "输出 {name}:{device} 的 {point},写功能 {function} 地址 {address} · output {name}: {point} of {device}, \
                 written by function {function} at address {address}"
            ))?;
        }
    }
    let Some(local) = core.local_alarm else { return Ok(()) };
    let (unheard_s, unacknowledged_s) = (local.unheard.as_secs(), local.unacknowledged.as_secs());
    let (sounds, no_contact) = (name(local.output), local.no_contact.map(name));
    let silence = local.silence.and_then(|(device, point)| {
        let device = core.devices.get(device)?;
        Some(format!("{} {}", device.id, device.profile.points.get(point)?.name))
    });
    if json {
        let object = json!({"local_alarm": {"output": sounds, "unheard_s": unheard_s,
            "unacknowledged_s": unacknowledged_s, "no_contact": no_contact, "silence": silence,
            "silence_page": config.silence_page.as_ref().map(|page| page.listen)}});
        return print::line(&object.to_string());
    }
    print::line(&format!(
        "本地报警:紧急报警 {unheard_s} s 无值班室听到,或 {unacknowledged_s} s 无人确认,{sounds} 响 · local alarm: {sounds} \
         sounds what no duty room hears for {unheard_s} s, or nobody acknowledges for {unacknowledged_s} s"
    ))?;
    if let Some(lamp) = no_contact {
        print::line(&format!("联系不上值班室时 {lamp} 亮 · {lamp} is on while no duty room is reached"))?;
    }
    if let Some(page) = &config.silence_page {
        let listen = page.listen;
        print::line(&format!("消音页:http://{listen}/ · silenced by the page http://{listen}/ and its PIN"))?;
    }
    match silence {
        Some(button) => print::line(&format!("消音按钮:{button} · silenced by {button}")),
        None if config.silence_page.is_some() => Ok(()),
        None => print::line(
            "没有消音按钮:只有值班室能消音 · no silencing button: only a duty room can silence it",
        ),
    }
}

/// Whom the box itself texts, and after how long. Nobody's whole number is shown.
fn show_phones(config: &Config, json: bool) -> Result<(), Exit> {
    let (Some(sms), Some(modem)) = (&config.core.sms, &config.modem) else { return Ok(()) };
    let port = modem.port.path.display();
    for (phone, number) in sms.phones.iter().zip(&modem.numbers) {
        let (person, after_s) = (&phone.person, phone.after.as_secs());
        let digits = number.digits();
        let end = digits.get(digits.len().saturating_sub(2)..).unwrap_or_default();
        let classes: Vec<&str> = phone.classes.iter().map(|class| class.as_str()).collect();
        if json {
            let object = json!({"sms": {"port": port.to_string(), "person": person, "number": format!("*{end}"),
                "after_s": after_s, "classes": classes, "rings": sms.rings}});
            print::line(&object.to_string())?;
        } else {
            let classes = if classes.is_empty() { String::new() } else { format!("({})", classes.join(" ")) };
            print::line(&format!(
                "短信:紧急报警{classes} {after_s} s 无值班室听到,通知 {person}(*{end}) · sms: {person} (*{end}) is \
                 texted by {port} of emergencies{classes} that no duty room hears for {after_s} s"
            ))?;
        }
    }
    Ok(())
}

/// What the store wants of the disk for alarms, and whether the disk has it. Too little is no error of the
/// configuration, but told; a directory that is not there yet has nothing to tell.
fn show_disk(state_dir: &Path, json: bool) -> Result<(), Exit> {
    let has = disk_has(state_dir);
    let is_enough = has.map(|has| has >= DISK_BYTES);
    if json {
        let object = json!({"store": {"state_dir": state_dir, "wanted_bytes": DISK_BYTES,
            "available_bytes": has, "enough": is_enough}});
        return print::line(&object.to_string());
    }
    let (wanted, has) = (mib(DISK_BYTES), mib(has.unwrap_or(0)));
    let (zh, en) = match is_enough {
        None => ("目录尚不存在".into(), "the directory is not there yet".into()),
        Some(true) => (format!("现有 {has} MiB"), format!("{has} MiB are available")),
        Some(false) => (
            format!("警告:只有 {has} MiB,请清理磁盘"),
            format!("warning: only {has} MiB are available, make room"),
        ),
    };
    let place = state_dir.display();
    print::line(&format!(
        "磁盘:{place} 为报警留 {wanted} MiB,{zh} · disk: {wanted} MiB are kept for alarms in {place}, {en}"
    ))
}

fn mib(bytes: u64) -> u64 {
    bytes / (1024 * 1024)
}

/// Rounded up: a promise must not be a fraction too short.
fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}
