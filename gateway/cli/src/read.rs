//! `read`: one or more devices once, by profile or raw; or again and again, to see which one was just touched.
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use shouwang_core::profile::Table;
use shouwang_installer::{Bus as _, Candidate, Heard, Lost, Named, Setting, Writing, read, read_raw};

use crate::exit::{Code, Exit};
use crate::port::{self, Lending, Port, Speech, Where};
use crate::{print, scan};

/// Between two rounds of `--watch`.
const ROUND: Duration = Duration::from_millis(300);

#[derive(Args, Debug)]
pub(crate) struct Read {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 地址;几台用逗号分开 · Unit id; several separated by commas
    #[arg(long, required = true, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..))]
    unit: Vec<u8>,
    /// 按这个型号读出有名称和单位的值 · Read by this profile, with names and units
    #[arg(long, value_name = "NAME", conflicts_with_all = ["table", "address", "count"], required_unless_present = "address")]
    profile: Option<String>,
    /// 不用型号:读哪张表 · Without a profile: which table
    #[arg(long, value_enum, default_value = "holding")]
    table: TableName,
    /// 从哪个地址起(从 0 算) · From which address, counted from 0
    #[arg(long, value_name = "N")]
    address: Option<u16>,
    /// 读多少个 · How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=125))]
    count: u16,
    #[command(flatten)]
    speech: Speech,
    /// 等多少毫秒 · How long to wait for an answer
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u16).range(10..=5000))]
    timeout_ms: u16,
    /// 反复读,只打印变化:按一下设备,看是哪一台;Ctrl-C 结束 · Again and again, only changes: touch a device and see which; Ctrl-C ends it
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    lending: Lending,
    /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    json: bool,
}

/// The four tables, as they are named on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TableName {
    Coil,
    Discrete,
    Input,
    Holding,
}

impl From<TableName> for Table {
    fn from(name: TableName) -> Self {
        match name {
            TableName::Coil => Self::Coil,
            TableName::Discrete => Self::DiscreteInput,
            TableName::Input => Self::InputRegister,
            TableName::Holding => Self::HoldingRegister,
        }
    }
}

/// What is read.
enum How {
    Profile(Candidate),
    Raw { table: Table, address: u16, count: u16 },
}

/// One printed line: what it is called, and what it says now.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    name: String,
    title: String,
    text: String,
    json: Value,
}

pub(crate) fn verb(wanted: Read) -> Result<(), Exit> {
    let how = how(&wanted)?;
    let Read { r#where: place, unit, speech, timeout_ms, watch, lending, json, .. } = wanted;
    let setting = place.setting(speech);
    let wait = Duration::from_millis(timeout_ms.into());
    let answered = port::with_port(&place, &lending.socket, move |port| {
        port.set(setting).map_err(|lost| port::lost(&lost))?;
        let mut before: Vec<Option<Vec<Said>>> = vec![None; unit.len()];
        loop {
            for (unit_id, before) in unit.iter().zip(&mut before) {
                let now = read_one(port, *unit_id, setting, wait, &how).map_err(|lost| port::lost(&lost))?;
                show(*unit_id, before.as_deref(), &now, json)?;
                *before = Some(now);
            }
            if !watch {
                let silent = |said: &Option<Vec<Said>>| said.iter().flatten().all(|said| said.text == SILENT);
                return Ok(!before.iter().all(silent));
            }
            Writing::rest(port, ROUND).map_err(|lost| port::lost(&lost))?;
        }
    })?;
    if answered { Ok(()) } else { Err(Exit::Said(Code::Unreached)) }
}

const SILENT: &str = "没有应答 · no answer";

fn how(wanted: &Read) -> Result<How, Exit> {
    let Some(name) = &wanted.profile else {
        let address = wanted.address.unwrap_or(0);
        return Ok(How::Raw { table: wanted.table.into(), address, count: wanted.count });
    };
    Ok(How::Profile(scan::candidate(name, &wanted.dir)?))
}

fn read_one(
    port: &mut Port,
    unit_id: u8,
    setting: Setting,
    wait: Duration,
    how: &How,
) -> Result<Vec<Said>, Lost> {
    match how {
        How::Profile(candidate) => {
            Ok(read(port, unit_id, setting, wait, candidate)?.iter().map(by_name).collect())
        }
        How::Raw { table, address, count } => {
            Ok(raw(*address, &read_raw(port, unit_id, *table, *address, *count, wait)?))
        }
    }
}

fn by_name(named: &Named) -> Said {
    let Named { point, title, reading, unit } = named;
    let unit = unit.as_deref();
    let document = json!(reading.to_point_value(unit));
    let value = reading.value().map(|value| json!(value).to_string());
    let text = match (value, reading.why()) {
        (Some(value), None) => format!("{value} {}", unit.unwrap_or("")),
        (Some(value), Some(why)) => format!("{value} {} ({})", unit.unwrap_or(""), why.word()),
        (None, Some(shouwang_core::reading::NoData::Timeout)) => SILENT.to_owned(),
        (None, why) => why.map_or_else(String::new, |why| why.word().into_owned()),
    };
    let title = format!("{} · {}", title.zh, title.en);
    Said { name: point.clone(), title, text: text.trim_end().to_owned(), json: document }
}

fn raw(from: u16, heard: &Heard) -> Vec<Said> {
    let line = |name: String, text: String, json: Value| Said { name, title: String::new(), text, json };
    let nothing = |text: &str, why: &str| vec![line("-".into(), text.into(), json!({"why": why}))];
    match heard {
        Heard::Words(words, _) => (from..)
            .zip(words)
            .map(|(address, word)| {
                let signed = i16::from_be_bytes(word.to_be_bytes());
                let text = format!("0x{word:04X}  {word}  {signed}");
                line(address.to_string(), text, json!({"value": word}))
            })
            .collect(),
        Heard::Bits(bits, _) => (from..)
            .zip(bits)
            .map(|(address, bit)| {
                line(address.to_string(), u8::from(*bit).to_string(), json!({"value": bit}))
            })
            .collect(),
        Heard::Exception(code, _) => nothing(
            &format!("设备拒绝,异常码 {code} · refused, exception {code}"),
            &format!("exception({code})"),
        ),
        Heard::Silence => nothing(SILENT, "timeout"),
        Heard::Garbled => nothing(
            "乱码:波特率、校验、接线或地址冲突 · garbled: speed, parity, wiring or two devices",
            "crc",
        ),
        Heard::Other(other) => {
            nothing(&format!("应答的是地址 {other} · unit {other} answered"), "wrong_unit_id")
        }
    }
}

/// All of it the first time, then what changed.
fn show(unit_id: u8, before: Option<&[Said]>, now: &[Said], json: bool) -> Result<(), Exit> {
    for (index, said) in now.iter().enumerate() {
        let was = before.and_then(|before| before.get(index));
        if was == Some(said) {
            continue;
        }
        if json {
            let object = json!({"unit_id": unit_id, "point": said.name, "changed": was.is_some(), "reading": said.json});
            print::line(&object.to_string())?;
            continue;
        }
        let Said { name, title, text, .. } = said;
        match was {
            Some(was) => print::line(&format!(
                "变了 changed  {unit_id:>3}  {name:<20} {} -> {text}  {title}",
                was.text
            ))?,
            None => print::line(&format!(" {unit_id:>3}  {name:<20} {text:<28} {title}"))?,
        }
    }
    Ok(())
}
