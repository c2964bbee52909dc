//! `scan`: who is on this line.
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use shouwang_catalog::Catalog;
use shouwang_installer::{Candidate, Device, Doubt, Lost, News, Report, Setting, Wanted, scan};

use crate::exit::{Code, Exit};
use crate::port::{self, Frame, Lending, Where};
use crate::print;

#[derive(Args, Debug)]
pub(crate) struct Scan {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 只查这些地址,如 1-32 · Only these unit ids
    #[arg(long, value_name = "A-B", value_parser = units)]
    units: Option<RangeInclusive<u8>>,
    /// 只查这些波特率,逗号分开 · Only these baud rates
    #[arg(long, value_name = "B,...", value_delimiter = ',')]
    baud: Vec<u32>,
    #[command(flatten)]
    frame: Frame,
    /// 每个地址等多少毫秒(串口 50,TCP 500);慢的设备要 350 · How long to wait for each id (50, on TCP 500); slow devices need 350
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(10..=5000))]
    timeout_ms: Option<u16>,
    #[command(flatten)]
    lending: Lending,
    /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn verb(wanted: Scan) -> Result<(), Exit> {
    let Scan { r#where: place, units, baud, frame, timeout_ms, lending, dir, json } = wanted;
    let candidates = candidates(&dir)?;
    let settings = match &place {
        Where::Serial(_) => baud.into_iter().map(|baud| frame.at(baud)).collect(),
        Where::Tcp { rtu_frames, .. } => vec![Setting::Tcp { rtu_frames: *rtu_frames }],
    };
    let usual = if matches!(place, Where::Serial(_)) { 50 } else { 500 };
    let timeout_ms = timeout_ms.unwrap_or(usual);
    let wait = Duration::from_millis(timeout_ms.into());
    let mut searched = Wanted { units, settings };
    let report = port::with_port(&place, &lending.socket, move |port| {
        if let Some(setting) = port.lent_setting().map_err(|lost| port::lost(&lost))? {
            borrowed(setting, json)?;
            if searched.settings.is_empty() {
                searched.settings = vec![setting];
            }
        }
        let mut told = Ok(());
        let mut screen = Screen { json, progress: !json && port::is_watched(), shown: None };
        let report = scan(port, &searched, wait, &candidates, &mut |news: &News<'_>| {
            if told.is_ok() {
                told = screen.tell(news);
            }
        });
        screen.wipe();
        told.map(|()| report)
    })?;
    close(&place, &report, timeout_ms, json)
}

fn borrowed(setting: Setting, json: bool) -> Result<(), Exit> {
    if json {
        return Ok(());
    }
    print::line(&format!(
        " 线路由运行中的网关借出,报警优先:慢一些,只按 {setting} · lent by the running gateway, alarms first: slower, and only \
         at {setting}"
    ))
}

/// All profiles, to compare with.
pub(crate) fn candidates(dirs: &[PathBuf]) -> Result<Vec<Candidate>, Exit> {
    let catalog = Catalog::load(dirs).map_err(|problems| Exit::bad(&problems))?;
    let candidate = |entry: &shouwang_catalog::Entry| Candidate {
        name: entry.profile.name.clone(),
        profile: entry.profile.clone(),
    };
    Ok(catalog.iter().map(candidate).collect())
}

/// One profile, by name.
pub(crate) fn candidate(name: &str, dirs: &[PathBuf]) -> Result<Candidate, Exit> {
    candidates(dirs)?.into_iter().find(|candidate| candidate.name == name).ok_or_else(|| {
        let why = format!("没有型号 {name} · no profile is called {name}\n  shouwang profile list");
        Exit::Because(Code::Bad, why)
    })
}

fn units(text: &str) -> Result<RangeInclusive<u8>, String> {
    let wrong = || format!("{text}:写成 1-32,地址 1 到 255 · write 1-32, ids are 1 to 255");
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse::<u8>(), to.trim().parse::<u8>()) {
        (Ok(from), Ok(to)) if 1 <= from && from <= to => Ok(from..=to),
        _ => Err(wrong()),
    }
}

/// What the installer sees while it goes on.
struct Screen {
    json: bool,
    /// Somebody looks at standard error.
    progress: bool,
    /// Hundredths shown last.
    shown: Option<u64>,
}

impl Screen {
    fn tell(&mut self, news: &News<'_>) -> Result<(), Exit> {
        match news {
            News::PassBegins { number, of, pass, computed } if !self.json => {
                self.wipe();
                let settings: Vec<_> = pass.settings.iter().map(Setting::to_string).collect();
                print::line(&format!(
                    " 第 {number}/{of} 遍 pass {number} of {of}  {}  地址 unit {}-{}  {:.1} s",
                    settings.join(" · "),
                    pass.units.start(),
                    pass.units.end(),
                    computed.as_secs_f64()
                ))
            }
            News::PassEnds { took, answered, .. } if !self.json => {
                self.wipe();
                print::line(&format!(
                    "   用时 {:.1} s,{answered} 个应答 · {answered} answered",
                    took.as_secs_f64()
                ))
            }
            News::Asked { unit_id, setting, left, of } => {
                self.draw(*left, *of, &format!("{setting}  {unit_id}"));
                Ok(())
            }
            News::Examines { unit_id, setting } => {
                self.shown = None;
                self.draw(Duration::ZERO, Duration::ZERO, &format!("{setting}  {unit_id} …"));
                Ok(())
            }
            News::Found(device) if self.json => print::line(&object(device).to_string()),
            News::PassBegins { .. } | News::PassEnds { .. } | News::Found(_) => Ok(()),
        }
    }

    /// A bar on standard error, drawn anew when a hundredth is done.
    fn draw(&mut self, left: Duration, of: Duration, doing: &str) {
        let done = 100 - (left.as_millis() * 100 / of.as_millis().max(1)).min(100);
        let done = u64::try_from(done).unwrap_or(100);
        if !self.progress || self.shown == Some(done) {
            return;
        }
        self.shown = Some(done);
        let bar = "#".repeat(usize::try_from(done / 5).unwrap_or(20));
        // A terminal that went away is noticed by what is printed.
        let _ = write!(
            std::io::stderr(),
            "\r [{bar:<20}] {done:>3} %  剩 left {:>4.1} s  {doing}\u{1b}[K",
            left.as_secs_f64()
        );
    }

    fn wipe(&mut self) {
        if self.progress && self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn object(device: &Device) -> serde_json::Value {
    let fits: Vec<_> = device
        .fits
        .iter()
        .map(|fit| json!({"profile": fit.profile, "agreed": fit.agreed, "asked": fit.asked}))
        .collect();
    let doubts: Vec<_> = device.doubts.iter().map(|doubt| word(*doubt)).collect();
    json!({"unit_id": device.unit_id, "setting": device.setting.to_string(),
        "rtt_ms": device.reply.map(milliseconds), "fits": fits, "doubts": doubts})
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn word(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::Garbled { .. } => "garbled",
        Doubt::TwoMinds => "two_values",
        Doubt::Late => "late",
        Doubt::EveryId => "answers_every_id",
        Doubt::NotExamined => "not_examined",
    }
}

/// The table, the state of the wire, and what to type next.
fn close(place: &Where, report: &Report, timeout_ms: u16, json: bool) -> Result<(), Exit> {
    if let (Some(ended @ Lost::Line(_)), 0) = (&report.ended, report.requests) {
        return Err(port::lost(ended));
    }
    if json {
        let tenths = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let interrupted = report.ended == Some(Lost::Interrupted);
        let last = json!({"requests": report.requests, "seconds": tenths(report.took),
            "computed_s": tenths(report.computed), "examined_s": tenths(report.examined),
            "found": report.devices.len(), "noise_bytes": report.wire.noise_bytes, "echo": report.wire.echo,
            "swapped": report.wire.swapped, "interrupted": interrupted});
        print::line(&last.to_string())?;
    } else {
        table(report)?;
        wire(report)?;
        if let Some(next) = next(place, report, timeout_ms) {
            print::line(&format!(" 下一步 next:  {next}"))?;
        }
    }
    match &report.ended {
        Some(ended) => Err(port::lost(ended)),
        None if report.has_conflict() => Err(Exit::Said(Code::Found)),
        None if report.devices.is_empty() => Err(Exit::Said(Code::Unreached)),
        None => Ok(()),
    }
}

fn table(report: &Report) -> Result<(), Exit> {
    if report.devices.is_empty() {
        return print::line(" 没有设备应答 · nobody answered");
    }
    print::line(&format!(" {:<5}{:<13}{:>8}  {:<28}{}", "UNIT", "SETTING", "RTT", "FITS", "NOTE"))?;
    for device in &report.devices {
        let reply = device.reply.map_or("-".to_owned(), |reply| format!("{} ms", reply.as_millis()));
        let fits = match device.fits.as_slice() {
            [] => "?".to_owned(),
            [best, ..] => format!("{} {}/{}", best.profile, best.agreed, best.asked),
        };
        let setting = device.setting.to_string();
        print::line(&format!(" {:<5}{setting:<13}{reply:>8}  {fits:<28}{}", device.unit_id, note(device)))?;
    }
    Ok(())
}

fn note(device: &Device) -> String {
    let mut notes: Vec<String> = device.doubts.iter().map(|doubt| said(*doubt)).collect();
    let whole = device.fits.iter().filter(|fit| fit.agreed == fit.asked).count();
    if whole > 1 {
        let others = whole - 1;
        notes.push(format!(
            "另有 {others} 个型号也完全符合:按一下测试键,用 read --watch 看 · {others} other profiles fit as well: press its \
             test button under read --watch"
        ));
    }
    notes.join("; ")
}

fn said(doubt: Doubt) -> String {
    match doubt {
        Doubt::Garbled { bad, of } => format!(
            "{of} 次里 {bad} 次乱码:也许两台设备同一地址,拔掉一台再查 · {bad} of {of} garbled: two devices at this id? unplug \
             one, scan again"
        ),
        Doubt::TwoMinds => "同一寄存器轮流两个值:也许两台设备同一地址,拔掉一台再查 · one register says two things in turn: two \
                            devices at this id? unplug one, scan again"
            .into(),
        Doubt::Late => "应答慢:用 --timeout-ms 350 再查 · slow to answer: scan again with --timeout-ms 350".into(),
        Doubt::EveryId => {
            "问哪个地址它都答:没有按地址区分 · it answers every id: no unit ids behind this server".into()
        }
        Doubt::NotExamined => "还没细看 · not looked at closely".into(),
    }
}

fn wire(report: &Report) -> Result<(), Exit> {
    let wire = report.wire;
    let echo = if wire.echo { "有 yes" } else { "无 no" };
    let swapped = if wire.swapped {
        "有应答但从来不是完整的帧:A/B 接反,或波特率、校验不对 · answers, never a valid frame: A and B swapped, or another \
         speed or parity"
    } else if report.devices.is_empty() {
        "-"
    } else {
        "对 right"
    };
    print::line(&format!(" 线路 line: 杂音 noise {} B, 回声 echo {echo}, A/B {swapped}", wire.noise_bytes))
}

fn next(place: &Where, report: &Report, timeout_ms: u16) -> Option<String> {
    let Some(device) = report.devices.iter().find(|device| device.reply.is_some()) else {
        return (timeout_ms < 350).then(|| format!("shouwang scan {place} --timeout-ms 350"));
    };
    let setting = match device.setting {
        Setting::Serial { baud, .. } if baud != 9600 => format!(" --baud {baud}"),
        _ => String::new(),
    };
    let profile = device.fits.first().filter(|fit| fit.agreed == fit.asked);
    let how =
        profile.map_or(" --address 0 --count 4".to_owned(), |fit| format!(" --profile {}", fit.profile));
    Some(format!("shouwang read {place} --unit {}{setting}{how}", device.unit_id))
}
