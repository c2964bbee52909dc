//! `set-unit-id` and `write`: the two verbs that change a device.
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use shouwang_core::profile::Table;
use shouwang_gateway::control::DEFAULT_SOCKET;
use shouwang_installer::{
    Bus as _, Candidate, Change, Heard, Order, Refused, Setting, Writing as _, Wrote, read_raw, set_unit_id,
};

use crate::exit::{Code, Exit};
use crate::port::{self, Port, Speech, Where};
use crate::{print, scan};

#[derive(Args, Debug)]
pub(crate) struct SetUnitId {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 现在的地址 · The present unit id
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    from: u8,
    /// 新地址 · The new one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    to: u8,
    /// 型号:步骤写在型号文件里 · The profile whose recipe is followed
    #[arg(long, value_name = "NAME")]
    profile: String,
    #[command(flatten)]
    speech: Speech,
    /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// 输出一个 JSON 对象 · One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Write {
    /// 串口,或 tcp://主机:502,或 rtu-tcp://主机:端口 · A serial port, tcp://host:502 or rtu-tcp://host:port
    #[arg(value_parser = Where::parse)]
    r#where: Where,
    /// 地址 · Unit id
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    unit: u8,
    /// 按型号写:只有型号列为可写的点位 · By this profile: only points that it lists as writable
    #[arg(long, value_name = "NAME", required_unless_present = "force")]
    profile: Option<String>,
    /// 哪个点位 · Which point of the profile
    #[arg(long, value_name = "POINT", required_unless_present = "force", requires = "profile")]
    point: Option<String>,
    /// 不看型号,直接写寄存器 · Write a register that no profile lists
    #[arg(long, requires = "address", conflicts_with_all = ["profile", "point"])]
    force: bool,
    /// 哪张表(配合 --force) · Which table, with --force
    #[arg(long, value_enum, default_value = "holding", requires = "force")]
    table: WritableTable,
    /// 地址,从 0 算(配合 --force) · The address, counted from 0, with --force
    #[arg(long, value_name = "N", requires = "force")]
    address: Option<u16>,
    /// 写什么:原始值 0-65535,线圈 0 或 1 · The raw value; 0 or 1 for a coil
    #[arg(long, value_name = "N")]
    value: u16,
    #[command(flatten)]
    speech: Speech,
    /// 除随附型号外还读这些目录 · Read these folders besides the shipped profiles
    #[arg(long, value_name = "DIR")]
    dir: Vec<PathBuf>,
    /// 输出一个 JSON 对象 · One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WritableTable {
    Coil,
    Holding,
}

/// The slowest devices known take 350 ms.
const WAIT: Duration = Duration::from_millis(400);

pub(crate) fn set(wanted: SetUnitId) -> Result<(), Exit> {
    let SetUnitId { r#where: place, from, to, profile, speech, dir, json } = wanted;
    let candidate = scan::candidate(&profile, &dir)?;
    let outcome = give(&place, place.setting(speech), candidate, from, to)?;
    let code = outcome.as_ref().err().map(code_of);
    if json {
        let why = outcome.as_ref().err().map(ToString::to_string);
        print::line(&json!({"from": from, "to": to, "done": why.is_none(), "why": why}).to_string())?;
        return code.map_or(Ok(()), |code| Err(Exit::Said(code)));
    }
    match (outcome, code) {
        (Err(refused), Some(code)) => Err(Exit::Because(code, refused.to_string())),
        _ => print::line(&format!(
            "地址 {from} -> {to}:新地址读得回,旧地址已无应答 · unit id {from} -> {to}: read back, and {from} is silent\n \
             下一步 next:  shouwang read {place} --unit {to} --profile {profile}"
        )),
    }
}

/// Follows the profile's recipe on this line, asking at the terminal for what only a person can do.
pub(crate) fn give(
    place: &Where,
    setting: Setting,
    candidate: Candidate,
    from: u8,
    to: u8,
) -> Result<Result<(), Refused>, Exit> {
    let change = Change { from, to, setting, wait: WAIT };
    let outcome = port::with_port(place, Path::new(DEFAULT_SOCKET), move |port| {
        let stop = port.stop();
        let restart = || {
            eprintln!("把设备断电再上电,然后按回车 · switch the device off and on, then press Enter");
            stop.until_enter()
        };
        Ok(set_unit_id(port, &candidate, change, restart))
    })?;
    match outcome {
        Err(Refused::Lost(lost)) => Err(port::lost(&lost)),
        outcome => Ok(outcome),
    }
}

pub(crate) fn code_of(refused: &Refused) -> Code {
    match refused {
        Refused::NoRecipe | Refused::BadId { .. } => Code::Bad,
        Refused::Nobody(_) => Code::Unreached,
        _ => Code::Found,
    }
}

pub(crate) fn write(wanted: Write) -> Result<(), Exit> {
    let (table, address) = target(&wanted)?;
    let Write { r#where: place, unit, value, speech, json, .. } = wanted;
    let setting = place.setting(speech);
    let (wrote, now) = port::with_port(&place, Path::new(DEFAULT_SOCKET), move |port| {
        write_one(port, setting, &Order { unit_id: unit, table, address, value, wait: WAIT })
    })?;
    let reads_back = now == Some(value);
    let (word, code) = match wrote {
        Wrote::Confirmed => ("confirmed", None),
        Wrote::Unclear if reads_back => ("confirmed", None),
        Wrote::Exception(_) => ("refused", Some(Code::Found)),
        Wrote::Unclear => ("unclear", Some(Code::Unreached)),
    };
    if json {
        let exception = if let Wrote::Exception(code) = wrote { Some(code) } else { None };
        let object = json!({"unit_id": unit, "address": address, "value": value, "result": word,
            "exception": exception, "now": now});
        print::line(&object.to_string())?;
        return code.map_or(Ok(()), |code| Err(Exit::Said(code)));
    }
    match (wrote, code) {
        (Wrote::Exception(exception), Some(code)) => Err(Exit::Because(
            code,
            format!("设备拒绝写入,异常码 {exception} · the device refused, exception {exception}"),
        )),
        (_, Some(code)) => Err(Exit::Because(
            code,
            "没有确认,读回也不同 · not confirmed, and it reads back otherwise".into(),
        )),
        _ => {
            let now = now.map_or("读不回 cannot be read back".to_owned(), |now| now.to_string());
            print::line(&format!("已写 {value},现在是 {now} · written {value}; it says {now} now"))
        }
    }
}

/// Writes once, and reads what is there now.
fn write_one(port: &mut Port, setting: Setting, order: &Order) -> Result<(Wrote, Option<u16>), Exit> {
    port.set(setting).map_err(|lost| port::lost(&lost))?;
    let wrote = port.write(order).map_err(|lost| port::lost(&lost))?;
    let now = read_raw(port, order.unit_id, order.table, order.address, 1, order.wait);
    let now = match now.map_err(|lost| port::lost(&lost))? {
        Heard::Words(words, _) => words.first().copied(),
        Heard::Bits(bits, _) => bits.first().map(|bit| u16::from(*bit)),
        _ => None,
    };
    Ok((wrote, now))
}

/// The register that is meant, if it may be written.
fn target(wanted: &Write) -> Result<(Table, u16), Exit> {
    let bad = |why: String| Err(Exit::Because(Code::Bad, why));
    let (table, address) = match (&wanted.profile, &wanted.point, wanted.address) {
        (Some(profile), Some(point), _) => {
            writable(&scan::candidate(profile, &wanted.dir)?, point, wanted.value)?
        }
        (_, _, Some(address)) => {
            let table = match wanted.table {
                WritableTable::Coil => Table::Coil,
                WritableTable::Holding => Table::HoldingRegister,
            };
            (table, address)
        }
        _ => return bad(
            "写 --profile 和 --point,或 --force --address · say --profile and --point, or --force --address"
                .into(),
        ),
    };
    if table == Table::Coil && wanted.value > 1 {
        return bad("线圈只能写 0 或 1 · a coil takes 0 or 1".into());
    }
    Ok((table, address))
}

fn writable(candidate: &Candidate, name: &str, value: u16) -> Result<(Table, u16), Exit> {
    let profile = &candidate.profile;
    let listed = profile.points.iter().filter(|point| point.writable);
    let Some(point) = listed.clone().find(|point| point.name == name) else {
        let names: Vec<_> = listed.map(|point| point.name.as_str()).collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
        return Err(Exit::Because(
            Code::Bad,
            format!("{name} 不可写;可写的有:{names} · {name} is not writable; these are: {names}"),
        ));
    };
    let forbidden = |rule: &&shouwang_core::profile::ForbiddenValue| {
        rule.address == point.address && rule.values.contains(&value)
    };
    match profile.forbidden.iter().find(forbidden) {
        Some(_) => Err(Exit::Because(
            Code::Bad,
            format!("型号规定这里决不能写 {value} · the profile forbids {value} here"),
        )),
        None => Ok((point.table, point.address)),
    }
}
