//! `line health`: how well a line carries, and what is wrong with it.
use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use shouwang_installer::{Checkup, Finding, Health, Lost, Setting, UnitHealth, check_up};

use crate::exit::{Code, Exit};
use crate::port::{self, Lending, Speech, Where};
use crate::print;

#[derive(Debug, Subcommand)]
pub(crate) enum LineVerb {
    /// 线路体检:杂音、乱码、回声、接反、偏置、应答时间;有问题 4,没人应答 3 · Noise, errors, echo, swapped wires, bias, reply times
    Health(Wanted),
}

#[derive(Args, Debug)]
pub(crate) struct Wanted {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 只问这些地址,逗号分开(默认先找 1-32) · Only these unit ids (else whoever of 1-32 answers)
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..))]
    units: Vec<u8>,
    /// 测多少秒 · For how many seconds
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    #[command(flatten)]
    speech: Speech,
    /// 等多少毫秒 · How long to wait for an answer
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(10..=5000))]
    timeout_ms: u16,
    #[command(flatten)]
    lending: Lending,
    /// 输出一个 JSON 对象 · One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn verb(verb: LineVerb) -> Result<(), Exit> {
    let LineVerb::Health(wanted) = verb;
    let Wanted { r#where: place, units, seconds, speech, timeout_ms, lending, json } = wanted;
    let mut setting = place.setting(speech);
    let health = port::with_port(&place, &lending.socket, move |port| {
        let lent = port.lent_setting().map_err(|lost| port::lost(&lost))?;
        setting = lent.unwrap_or(setting);
        let checkup = Checkup {
            setting,
            units,
            lasts: Duration::from_secs(seconds.into()),
            wait: Duration::from_millis(timeout_ms.into()),
            alone: lent.is_none() && matches!(setting, Setting::Serial { .. }),
        };
        let mut screen = Screen { of: checkup.lasts, progress: !json && port::is_watched(), shown: None };
        let health = check_up(port, &checkup, &mut |left, asked| screen.draw(left, asked));
        screen.wipe();
        Ok((health, setting))
    })?;
    let (health, setting) = health;
    if let (Some(ended @ Lost::Line(_)), 0) = (&health.ended, health.requests()) {
        return Err(port::lost(ended));
    }
    let findings = health.findings();
    let next = next(&place, setting, &health, &findings);
    if json {
        print::line(&object(&health, setting, &findings, &next).to_string())?;
    } else {
        table(&health, setting)?;
        verdict(&health, &findings, &next)?;
    }
    match &health.ended {
        Some(ended) => Err(port::lost(ended)),
        None if !findings.is_empty() => Err(Exit::Said(Code::Found)),
        None if !health.is_answered() => Err(Exit::Said(Code::Unreached)),
        None => Ok(()),
    }
}

/// What the installer sees meanwhile.
struct Screen {
    of: Duration,
    /// Somebody looks at standard error.
    progress: bool,
    /// Seconds left that were shown last.
    shown: Option<u64>,
}

impl Screen {
    fn draw(&mut self, left: Duration, asked: u32) {
        if !self.progress || self.shown == Some(left.as_secs()) {
            return;
        }
        self.shown = Some(left.as_secs());
        let done = self.of.saturating_sub(left).as_secs() * 20 / self.of.as_secs().max(1);
        let bar = "#".repeat(usize::try_from(done).unwrap_or(20).min(20));
        // A terminal that went away is noticed by what is printed.
        let _ = write!(
            std::io::stderr(),
            "\r [{bar:<20}] 剩 left {:>3} s  问了 asked {asked}\u{1b}[K",
            left.as_secs()
        );
    }

    fn wipe(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

fn table(health: &Health, setting: Setting) -> Result<(), Exit> {
    let quiet = match health.quiet {
        Some((bytes, time)) => {
            format!("静听 listened {:.1} s: {bytes} B", time.as_secs_f64())
        }
        None => "静听 listened: -".to_owned(),
    };
    print::line(&format!(
        " {setting}  {:.1} s, {} 问 asked  {quiet}, 应答旁 beside answers {} B, 回声 echo {}",
        health.took.as_secs_f64(),
        health.requests(),
        health.beside,
        if health.echoes > 0 { "有 yes" } else { "无 no" },
    ))?;
    if health.units.is_empty() {
        return Ok(());
    }
    print::line(&format!(
        " {:<5}{:>6}{:>6}{:>6}{:>6}   {}",
        "UNIT", "ASKED", "GOOD", "BAD", "MISS", "RTT ms: least median most"
    ))?;
    for unit in &health.units {
        let UnitHealth { unit_id, asked, good, garbled, other, silent, .. } = unit;
        let [least, median, most] =
            times(unit).map(|time| time.map_or("-".to_owned(), |ms| format!("{ms:.1}")));
        print::line(&format!(
            " {unit_id:<5}{asked:>6}{good:>6}{:>6}{silent:>6}   {least} {median} {most}",
            garbled + other
        ))?;
    }
    Ok(())
}

fn times(unit: &UnitHealth) -> [Option<f64>; 3] {
    let milliseconds = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    [unit.fastest(), unit.median(), unit.slowest()].map(|time| time.map(milliseconds))
}

fn verdict(health: &Health, findings: &[Finding], next: &str) -> Result<(), Exit> {
    for finding in findings {
        let text = finding.text();
        print::line(&format!(" ✗ {}\n   {}", text.zh, text.en))?;
    }
    if findings.is_empty() && health.is_answered() {
        print::line(" ✓ 线路正常 · the line carries well")?;
    } else if findings.is_empty() {
        print::line(" 没有设备应答 · nobody answered")?;
    }
    print::line(&format!(" 下一步 next:  {next}"))
}

/// What to type next.
fn next(place: &Where, setting: Setting, health: &Health, findings: &[Finding]) -> String {
    let baud = match setting {
        Setting::Serial { baud, .. } if baud != 9600 => format!(" --baud {baud}"),
        _ => String::new(),
    };
    match findings.first() {
        Some(Finding::Swapped) => format!("shouwang scan {place}"),
        None if !health.is_answered() => format!("shouwang scan {place}"),
        Some(Finding::Noise { .. } | Finding::Floating { .. } | Finding::Echo) => {
            format!("shouwang line health {place}{baud}")
        }
        Some(finding) => match finding.unit_id() {
            Some(unit_id) => format!("shouwang scan {place} --units {unit_id}-{unit_id}"),
            None => format!("shouwang line health {place}{baud}"),
        },
        None => {
            let first = health.units.iter().find(|unit| unit.good > 0).map_or(1, |unit| unit.unit_id);
            format!("shouwang scan {place} --units {first}-{first}")
        }
    }
}

fn object(health: &Health, setting: Setting, findings: &[Finding], next: &str) -> Value {
    let units: Vec<_> = health
        .units
        .iter()
        .map(|unit| {
            let [least, median, most] = times(unit);
            json!({"unit_id": unit.unit_id, "asked": unit.asked, "good": unit.good, "garbled": unit.garbled,
                "silent": unit.silent, "other": unit.other,
                "rtt_ms": {"least": least, "median": median, "most": most}})
        })
        .collect();
    let found: Vec<_> = findings
        .iter()
        .map(|finding| json!({"finding": finding.word(), "unit_id": finding.unit_id(), "text": finding.text()}))
        .collect();
    let quiet = health.quiet.map(|(bytes, time)| json!({"bytes": bytes, "seconds": time.as_secs_f64()}));
    json!({"setting": setting.to_string(), "seconds": (health.took.as_secs_f64() * 10.0).round() / 10.0,
        "requests": health.requests(), "quiet": quiet, "beside_bytes": health.beside,
        "crc_rate": (health.garbled_share() * 10_000.0).round() / 10_000.0, "echo": health.echoes > 0,
        "swapped": findings.contains(&Finding::Swapped),
        "no_bias": findings.iter().any(|finding| finding.suspects_bias()),
        "units": units, "findings": found, "interrupted": health.ended == Some(Lost::Interrupted), "next": next})
}
