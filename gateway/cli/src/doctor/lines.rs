//! Each line, and each device on it: asked once by the first read of its plan, unless a running gateway has the line;
//! then the gateway's own figures tell. Only function codes 1 to 4 are sent, never a write.
use std::time::Duration;

use shouwang_core::configuration::{DeviceSettings, LineKind, LineSettings};
use shouwang_core::input::{AskFailure, Input, Outcome};
use shouwang_core::output::{Ask, Request};
use shouwang_core::plan::Plan;
use shouwang_gateway::config::{Config, Link};
use shouwang_gateway::line::{self, LineHandle, WireTap};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::finding::{Finding, Report};
use super::port;
use super::running::Running;
use crate::exit::Exit;

/// A port opens, and a converter accepts, within this.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// On top of what the line itself waits for an answer.
const SLACK: Duration = Duration::from_secs(2);
/// A first answer may be spoilt by what lay on the wire.
const TRIES: u64 = 2;

pub(crate) async fn look(
    config: &Config,
    running: Option<&Running>,
    report: &mut Report,
) -> Result<(), Exit> {
    for (index, (settings, link)) in config.core.lines.iter().zip(&config.links).enumerate() {
        let is_free = match link {
            Link::Serial { path, .. } => {
                let port = port::look("line.port", path, running.map(|running| &running.holder));
                report.add(port.finding)?;
                port.is_free
            }
            Link::Tcp { .. } => true,
        };
        let devices: Vec<&DeviceSettings> =
            config.core.devices.iter().filter(|device| device.line == index).collect();
        match running {
            Some(running) => report.add_all(as_told(settings, &devices, running))?,
            None if is_free => ask(index, link, settings, &devices, report).await?,
            None => {}
        }
    }
    Ok(())
}

/// What the running gateway says of its own line.
fn as_told(line: &LineSettings, devices: &[&DeviceSettings], running: &Running) -> Vec<Finding> {
    let name = &line.name;
    let Some(metrics) = &running.metrics else {
        let what = (
            format!("线路 {name} 正由运行中的网关使用,没有去打扰;它没有 [web],设备的状态看不到"),
            format!(
                "the line {name} is in use by the running gateway and was left alone; without [web] its devices cannot be seen"
            ),
        );
        return vec![Finding::notable("line", what, "journalctl -u shouwang-gateway -n 50")];
    };
    let mut found = Vec::new();
    for device in devices {
        let id = &device.id;
        let up = format!("shouwang_device_up{{device=\"{id}\"}} ");
        found.push(match metrics.lines().find_map(|line| line.strip_prefix(up.as_str())) {
            Some("1") => Finding::good(
                "device",
                format!("设备 {id} 在线(运行中的网关说的)"),
                format!("the device {id} is online, says the running gateway"),
            ),
            Some(_) => silent(device, name.as_str(), None),
            None => Finding::notable(
                "device",
                (
                    format!("运行中的网关还不认识设备 {id}:配置改过,还没有启用"),
                    format!("the running gateway does not know the device {id}: the configuration was changed since"),
                ),
                "sudo systemctl restart shouwang-gateway",
            ),
        });
    }
    found
}

async fn ask(
    index: usize,
    link: &Link,
    settings: &LineSettings,
    devices: &[&DeviceSettings],
    report: &mut Report,
) -> Result<(), Exit> {
    let name = &settings.name;
    let (told, mut heard) = mpsc::channel(16);
    // Whoever has stopped listening hears nothing more.
    let tell = move |_, input| drop(told.blocking_send(input));
    let handle =
        line::spawn(index, link.clone(), WireTap::new(), tell).map_err(|error| Exit::failed(&error))?;
    let opened = report.during(&format!("line {name}"), timeout(OPEN_WITHIN, heard.recv())).await;
    match opened {
        Ok(Some(Input::LineUp { .. })) => {}
        Ok(Some(Input::LineDown { why, .. })) => {
            report.add(down(settings, link, &why))?;
            return end(handle, heard).await;
        }
        _ => {
            report.add(down(settings, link, "5 s"))?;
            return end(handle, heard).await;
        }
    }
    if let Link::Tcp { address, .. } = link {
        let (zh, en) = (format!("线路 {name}:{address} 接受连接"), format!("line {name}: {address} accepts"));
        report.add(Finding::good("line", zh, en))?;
    }
    let mut silent_ones = 0;
    for (n, device) in devices.iter().enumerate() {
        let what = format!("line {name}: {} ({}/{})", device.id, n + 1, devices.len());
        let answer = report.during(&what, one(index, &handle, &mut heard, settings, device, n)).await;
        silent_ones += usize::from(matches!(answer, Some(Outcome::Failed(AskFailure::Timeout))));
        report.add(judge(device, settings, link, answer.as_ref()))?;
    }
    if silent_ones > 1 && silent_ones == devices.len() {
        report.add(all_silent(settings, link))?;
    }
    end(handle, heard).await
}

/// Closes the port. The thread may be waiting to tell something: nobody listens any more.
async fn end(handle: LineHandle, heard: mpsc::Receiver<Input>) -> Result<(), Exit> {
    drop(heard);
    tokio::task::spawn_blocking(move || drop(handle)).await.map_err(|error| Exit::failed(&error))
}

/// What the device's first read came to; none if the line went away meanwhile, or it has nothing to read.
async fn one(
    line: usize,
    handle: &LineHandle,
    heard: &mut mpsc::Receiver<Input>,
    settings: &LineSettings,
    device: &DeviceSettings,
    n: usize,
) -> Option<Outcome> {
    let plan = Plan::new(device, settings);
    let block = plan.blocks.first().or_else(|| plan.identity.first())?;
    let timing = &device.profile.timing;
    let patience = settings.timeout.max(timing.reply_longest.unwrap_or_default());
    let mut last = None;
    for attempt in 0..TRIES {
        let id = n as u64 * TRIES + attempt + 1;
        handle.ask(Ask {
            id,
            device: n,
            unit_id: device.unit_id,
            request: Request::Read { table: block.table, address: block.address, count: block.count },
            timeout: patience,
            late_window: late_window(settings.kind),
            turnaround: timing.turnaround,
        });
        let answered = async {
            loop {
                match heard.recv().await? {
                    Input::Answered { line: at, ask, outcome } if (at, ask) == (line, id) => {
                        return Some(outcome);
                    }
                    Input::LineDown { .. } => return None,
                    _ => {}
                }
            }
        };
        last = timeout(patience + late_window(settings.kind) + SLACK, answered).await.ok().flatten();
        if !matches!(last, Some(Outcome::Failed(_))) {
            return last;
        }
    }
    last
}

/// A late answer must not be taken for the next device's.
fn late_window(kind: LineKind) -> Duration {
    match kind {
        LineKind::Tcp { rtu_frames: false } => Duration::ZERO,
        _ => Duration::from_millis(500),
    }
}

fn judge(device: &DeviceSettings, line: &LineSettings, link: &Link, answer: Option<&Outcome>) -> Finding {
    let (id, unit, profile) = (&device.id, device.unit_id, &device.profile.name);
    match answer {
        Some(Outcome::Registers { delay_us, .. } | Outcome::Bits { delay_us, .. }) => {
            let ms = delay_us.div_ceil(1000);
            Finding::good(
                "device",
                format!("设备 {id}(地址 {unit})应答,{ms} ms"),
                format!("the device {id} (unit id {unit}) answers, {ms} ms"),
            )
        }
        Some(Outcome::Exception { code, .. }) => Finding::wrong(
            "device",
            (
                format!("设备 {id}(地址 {unit})应答了,但拒绝这次读取(异常 {code}):型号 {profile} 写错了?"),
                format!(
                    "the device {id} (unit id {unit}) answers, but refuses the read (exception {code}): is it a {profile}?"
                ),
            ),
            format!("shouwang profile show {profile}"),
        ),
        Some(Outcome::Failed(AskFailure::Crc | AskFailure::WrongAnswer | AskFailure::WrongUnitId)) => {
            Finding::wrong(
                "device",
                (
                    format!("设备 {id}(地址 {unit})的应答是坏的:两台设备同一地址,或线路有干扰"),
                    format!(
                        "what answers for the device {id} (unit id {unit}) is damaged: two devices with one unit id, or noise"
                    ),
                ),
                search(link),
            )
        }
        Some(Outcome::Written { .. } | Outcome::Failed(AskFailure::Timeout)) => {
            silent(device, line.name.as_str(), Some(search(link)))
        }
        Some(Outcome::Failed(AskFailure::LineDown)) | None => Finding::unreached(
            "device",
            (
                format!("问设备 {id} 时线路断了"),
                format!("the line went away while the device {id} was asked"),
            ),
            search(link),
        ),
    }
}

fn silent(device: &DeviceSettings, line: &str, next: Option<String>) -> Finding {
    let (id, unit) = (&device.id, device.unit_id);
    Finding::unreached(
        "device",
        (
            format!("设备 {id}(线路 {line},地址 {unit})不应答:断电、地址不对,或线没接好"),
            format!(
                "the device {id} (line {line}, unit id {unit}) does not answer: no power, another unit id, or a loose wire"
            ),
        ),
        next.unwrap_or_else(|| "journalctl -u shouwang-gateway -n 50".to_owned()),
    )
}

fn all_silent(line: &LineSettings, link: &Link) -> Finding {
    let name = &line.name;
    let (zh, en) = match link {
        Link::Serial { baud, .. } => (
            format!("线路 {name} 上没有一台设备应答:看 A/B 是否接反、24 V 电源、{baud} 波特率"),
            format!(
                "not one device on the line {name} answers: look at A/B swapped, the 24 V supply, {baud} baud"
            ),
        ),
        Link::Tcp { .. } => (
            format!("线路 {name} 上没有一台设备应答:看转换器后面的 485 线和波特率"),
            format!(
                "not one device on the line {name} answers: look at the wire behind the converter, and its baud rate"
            ),
        ),
    };
    Finding::unreached("line", (zh, en), search(link))
}

fn down(line: &LineSettings, link: &Link, why: &str) -> Finding {
    let name = &line.name;
    let what = (format!("线路 {name} 打不开:{why}"), format!("the line {name} does not open: {why}"));
    let next = match link {
        Link::Serial { path, .. } => format!("ls -l {}; dmesg | tail -n 20", path.display()),
        Link::Tcp { address, interface, .. } => {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            match interface {
                Some(interface) => {
                    format!("ip -brief address show {interface}; ping -c 3 -I {interface} {host}")
                }
                None => format!("ping -c 3 {host}"),
            }
        }
    };
    Finding::unreached("line", what, next)
}

/// The verb that searches the line.
fn search(link: &Link) -> String {
    match link {
        Link::Serial { path, .. } => format!("shouwang scan {}", path.display()),
        Link::Tcp { address, rtu_frames: false, .. } => format!("shouwang scan tcp://{address}"),
        Link::Tcp { address, rtu_frames: true, .. } => format!("shouwang scan rtu-tcp://{address}"),
    }
}
