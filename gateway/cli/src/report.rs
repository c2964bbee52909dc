//! `report`: the commissioning report of a gateway, from its configuration and what its database remembers of its devices.
//! The page needs nothing else to be read; a PDF is printed by the Chromium of this machine.
mod known;
mod pdf;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use shouwang_core::configuration::{DeviceSettings, LineKind};
use shouwang_core::profile::{Condition, Parity, Test};
use shouwang_duty_room::clock::local;
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_gateway::install::{Signature, signed};
use shouwang_gateway::line::Link;
use shouwang_installer::quoted;
use shouwang_paper::qr;
use shouwang_paper::report::{Report as Paper, ReportDevice, ReportLine};

use crate::check::line_times;
use crate::exit::{Code, Exit};
use crate::site::cannot;
use crate::{label, print};
use known::{Known, Remembered};

#[derive(Args, Debug)]
pub(crate) struct Report {
    /// gateway.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 网页写到这里,浏览器打开就能打印 · The page, to be printed by a browser
    #[arg(long, value_name = "FILE.html", required_unless_present_any = ["csv", "pdf"])]
    to: Option<PathBuf>,
    /// 设备逐行写成表格 · The devices as a spreadsheet
    #[arg(long, value_name = "FILE.csv")]
    csv: Option<PathBuf>,
    /// 用本机的 Chromium 印成 PDF · Printed as PDF by this machine's Chromium
    #[arg(long, value_name = "FILE.pdf")]
    pdf: Option<PathBuf>,
    /// 照片目录,文件名是设备编号(smoke-402.jpg、.png);没有的用安装页上拍的 · Photos named by the device's id; else those that
    /// were taken on the installer's pages
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// 每个文件一个 JSON 对象 · One JSON object a file
    #[arg(long)]
    json: bool,
}

pub(crate) fn report(wanted: &Report) -> Result<(), Exit> {
    let config = Config::load(&wanted.config).map_err(|problems| Exit::bad(&problems))?;
    let known = Known::read(&config.state_dir).map_err(|error| Exit::failed(&error))?;
    let paper = paper(&config, &known, wanted.photos.as_deref())?;
    let html = paper
        .html()
        .ok_or_else(|| Exit::Because(Code::Failed, "报告排不出来 · the report cannot be laid out".into()))?;
    if let Some(to) = &wanted.to {
        written(to, html.as_bytes(), wanted.json)?;
    }
    if let Some(csv) = &wanted.csv {
        written(csv, spreadsheet(&paper).as_bytes(), wanted.json)?;
    }
    if let Some(to) = &wanted.pdf {
        pdf::print(&html, to)?;
        told(to, wanted.json)?;
    }
    Ok(())
}

fn written(to: &Path, bytes: &[u8], json: bool) -> Result<(), Exit> {
    fs::write(to, bytes).map_err(|error| cannot("写", "write", to, &error))?;
    told(to, json)
}

fn told(to: &Path, json: bool) -> Result<(), Exit> {
    if json { print::line(&json!({"file": to}).to_string()) } else { print::line(&to.display().to_string()) }
}

fn paper(config: &Config, known: &Known, photos: Option<&Path>) -> Result<Paper, Exit> {
    let core = &config.core;
    let (signatures, taken) = signed(&config.state_dir);
    let mut devices = Vec::new();
    for (index, device) in core.devices.iter().enumerate() {
        let photo = match photos.map(|photos| photo(photos, device)).transpose()?.flatten() {
            Some(photo) => Some(photo),
            None => photo(&taken, device)?,
        };
        devices.push(device_row(
            config,
            index,
            device,
            known.of(&device.id, device.installed.serial_no.as_deref()),
            photo,
        ));
    }
    let content = format!("{}/{} {}", core.site, core.gateway, core.digest);
    Ok(Paper {
        site: core.site.to_string(),
        gateway: core.gateway.to_string(),
        name: core.name.clone(),
        version: core.version.clone(),
        printed: local(clock::wall().0, "%Y-%m-%d %H:%M"),
        configuration: core.digest.clone(),
        code: qr(&content),
        walk: known.walk(),
        proven: devices.iter().filter(|device| !device.proven.is_empty()).count(),
        signatures: signatures.iter().map(signature).collect(),
        has_photos: devices.iter().any(|device| !device.photo.is_empty()),
        lines: core.lines.iter().enumerate().map(|(index, _)| line_row(config, index)).collect(),
        open: open_items(config, known, &devices),
        devices,
    })
}

/// Who signed on the telephone, as what, and when.
fn signature(signature: &Signature) -> String {
    let at = local(signature.at, "%Y-%m-%d %H:%M");
    format!("{} {} {at}", signature.said(), signature.name)
}

fn line_row(config: &Config, index: usize) -> ReportLine {
    let (Some(line), Some(link)) = (config.core.lines.get(index), config.links.get(index)) else {
        return ReportLine::default();
    };
    let times = line_times(config, index, line);
    let setting = match link {
        Link::Serial { path, baud, parity, stop_bits } => {
            let parity = match parity {
                Parity::None => 'N',
                Parity::Even => 'E',
                Parity::Odd => 'O',
            };
            format!("{} · {baud} 8{parity}{stop_bits}", path.display())
        }
        Link::Tcp { address, rtu_frames: true, .. } => format!("{address} · RTU 帧转换器"),
        Link::Tcp { address, rtu_frames: false, .. } => format!("{address} · Modbus TCP"),
    };
    ReportLine {
        name: line.name.to_string(),
        setting,
        devices: times.devices,
        round: format!("{} ms", times.round_ms),
        worst: times.worst_ms.map_or("没有报警点".into(), |worst| format!("{worst} ms")),
        is_wired: matches!(line.kind, LineKind::Serial { .. } | LineKind::Tcp { rtu_frames: true }),
    }
}

fn device_row(
    config: &Config,
    index: usize,
    device: &DeviceSettings,
    known: Option<&Remembered>,
    photo: Option<String>,
) -> ReportDevice {
    let line = config.core.lines.get(device.line).map(|line| line.name.to_string());
    let code = config.codes.get(index).copied().flatten();
    // The configuration's own raw values win, as they do in the gateway.
    let mut frozen = known.map(|known| known.frozen.clone()).unwrap_or_default();
    frozen.extend(device.installed.frozen.clone());
    let unit = device.installed.unit.iter().map(|unit| format!("单位 {unit}"));
    ReportDevice {
        id: device.id.to_string(),
        place: label::place(device),
        title: device.profile.title.zh.clone(),
        profile: device.profile.name.clone(),
        line: line.unwrap_or_default(),
        unit_id: device.unit_id,
        serial_no: device.installed.serial_no.clone().unwrap_or_default(),
        code: code.map(|code| code.to_string()).unwrap_or_default(),
        limits: device.conditions.iter().filter_map(|condition| limit(device, condition)).collect(),
        frozen: unit.chain(frozen.iter().map(|(point, raw)| format!("{point} = {raw}"))).collect(),
        proven: known
            .and_then(|known| known.proven_at)
            .map(|at| local(at, "%Y-%m-%d %H:%M"))
            .unwrap_or_default(),
        latency: known
            .and_then(|known| known.proven_ms)
            .map(|ms| format!("{:.1} s", std::time::Duration::from_millis(ms).as_secs_f64()))
            .unwrap_or_default(),
        photo: photo.unwrap_or_default(),
    }
}

/// A condition that has a number, with the number.
fn limit(device: &DeviceSettings, condition: &Condition) -> Option<String> {
    let unit =
        device.profile.points.get(condition.point)?.unit.clone().unwrap_or_default().replace("degC", "°C");
    let words = &condition.text.zh;
    Some(match condition.test {
        Test::High { limit } => format!("{words} ≥ {limit} {unit}"),
        Test::Low { limit } => format!("{words} ≤ {limit} {unit}"),
        Test::RateOfRise { limit_per_hour, .. } => format!("{words} ≥ {limit_per_hour} {unit}/h"),
        Test::Active | Test::Equal { .. } | Test::Difference { .. } | Test::NoActivity => return None,
    })
}

fn open_items(config: &Config, known: &Known, devices: &[ReportDevice]) -> Vec<String> {
    let mut open = Vec::new();
    let mut say = |what: &str, who: Vec<&str>| {
        if !who.is_empty() {
            open.push(format!("{what}({}):{}", who.len(), who.join("、")));
        }
    };
    let those = |wanted: &dyn Fn(&ReportDevice) -> bool| {
        devices.iter().filter(|device| wanted(device)).map(|device| device.id.as_str()).collect::<Vec<_>>()
    };
    say("位置未验证,请走测 · not proven, walk them", those(&|device| device.proven.is_empty()));
    let doubtful = config.core.devices.iter().filter(|device| device.profile.source.contains("nconfirmed"));
    let doubtful: Vec<&str> = doubtful.map(|device| device.id.as_str()).collect();
    say("型号资料未经证实,请逐台核对读数 · their register maps are unconfirmed, compare readings", doubtful);
    say("没有序列号 · without a serial number", those(&|device| device.serial_no.is_empty()));
    say("没有标签 · without a label", those(&|device| device.code.is_empty()));
    if !known.has_run {
        open.push("网关还没有在这份配置的数据目录上运行过 · the gateway has not run yet".into());
    }
    open
}

/// A device's photo as the page holds it.
fn photo(folder: &Path, device: &DeviceSettings) -> Result<Option<String>, Exit> {
    /// Telephones make 2 to 6 MB; a hundred of those are no page any more.
    const MOST: u64 = 2 * 1024 * 1024;
    for (ending, kind) in [("jpg", "jpeg"), ("jpeg", "jpeg"), ("png", "png")] {
        let file = folder.join(format!("{}.{ending}", device.id));
        let Ok(meta) = fs::metadata(&file) else { continue };
        if meta.len() > MOST {
            let file = file.display();
            return Err(Exit::Because(
                Code::Bad,
                format!("{file} 超过 2 MB,请先缩小 · is larger than 2 MB: make it smaller first"),
            ));
        }
        let bytes = fs::read(&file).map_err(|error| cannot("读", "read", &file, &error))?;
        return Ok(Some(format!("data:image/{kind};base64,{}", base64(&bytes))));
    }
    Ok(None)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// One row a device, for people who go on working with it.
fn spreadsheet(paper: &Paper) -> String {
    let names = [
        "位置 place",
        "编号 id",
        "名称 title",
        "型号 profile",
        "线路 line",
        "地址 unit_id",
        "序列号 serial_no",
        "标签码 code",
        "限值 limits",
        "量程 frozen",
        "走测通过 proven",
        "传感器到值班室 latency",
        "配置 configuration",
    ];
    let mut file = format!("\u{feff}{}\r\n", names.join(","));
    for device in &paper.devices {
        let unit_id = device.unit_id.to_string();
        let (limits, frozen) = (device.limits.join("; "), device.frozen.join("; "));
        let cells: [&str; 13] = [
            &device.place,
            &device.id,
            &device.title,
            &device.profile,
            &device.line,
            &unit_id,
            &device.serial_no,
            &device.code,
            &limits,
            &frozen,
            &device.proven,
            &device.latency,
            &paper.configuration,
        ];
        file.push_str(&cells.map(|cell| quoted("", cell)).join(","));
        file.push_str("\r\n");
    }
    file
}
