//! `replace`: another unit in a device's place. Id, place, history and label stay; the unit's number is new, and nobody has
//! proven it until it is walked.
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use shouwang_core::configuration::DeviceSettings;
use shouwang_duty_room::clock::local;
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_gateway::line::Link;
use shouwang_gateway::rewrite::Rewrite;
use shouwang_installer::Setting;

use crate::exit::{Code, Exit};
use crate::port::Where;
use crate::set_unit_id::{code_of, give};
use crate::site::not_rewritten;
use crate::{label, print, scan};

#[derive(Args, Debug)]
pub(crate) struct Replace {
    /// 哪台设备(编号) · Which device, by its id
    id: String,
    /// gateway.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 新设备机身上的序列号 · The new unit's serial number
    #[arg(long, value_name = "TEXT")]
    serial_no: String,
    /// 新设备现在的地址(如出厂的 1):先按型号的步骤改成这台的地址 · The unit id that the new unit has: it gets the device's first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    from: Option<u8>,
    /// 输出一个 JSON 对象 · One JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn replace(wanted: Replace) -> Result<(), Exit> {
    let Replace { id, config: path, serial_no, from, json } = wanted;
    let config = Config::load(&path).map_err(|problems| Exit::bad(&problems))?;
    let device = label::device(&config, &id)?;
    let before = device.installed.serial_no.clone();
    if before.as_deref() == Some(serial_no.as_str()) {
        return Err(Exit::Because(
            Code::Bad,
            format!("{id} 已经是 {serial_no} · {id} has this serial number already"),
        ));
    }
    // The file is tried before the line is touched: a unit with a new id that no file knows would be lost.
    let mut rewrite = Rewrite::open(&path).map_err(|why| not_rewritten(&why))?;
    let day = local(clock::wall().0, "%Y-%m-%d");
    rewrite.replace(&id, &serial_no, &day).map_err(|why| not_rewritten(&why))?;
    if let Some(from) = from.filter(|from| *from != device.unit_id) {
        take_unit_id(&config, device, from)?;
    }
    rewrite.save().map_err(|why| not_rewritten(&why))?;
    if json {
        let object = json!({"device": id, "serial_no": serial_no, "before": before, "installed": day});
        return print::line(&object.to_string());
    }
    let was = before.unwrap_or_else(|| "?".into());
    print::line(&format!(
        "{id}:{was} -> {serial_no},位置、历史和标签不变;走测前算“位置未验证”\n\
         {id}: {was} -> {serial_no}; place, history and label stay, and it is unproven until it is walked\n\
         下一步 next:  sudo systemctl reload-or-restart shouwang-gateway && shouwang walk-test --by NAME {id}"
    ))
}

/// The new unit gets the unit id of the one whose place it takes, on the line of the configuration.
fn take_unit_id(config: &Config, device: &DeviceSettings, from: u8) -> Result<(), Exit> {
    let Some(link) = config.links.get(device.line) else { return Ok(()) };
    let (place, setting) = match link.clone() {
        Link::Serial { path, baud, parity, stop_bits } => {
            (Where::Serial(path), Setting::Serial { baud, parity, stop_bits })
        }
        Link::Tcp { address, rtu_frames, .. } => {
            (Where::Tcp { address, rtu_frames }, Setting::Tcp { rtu_frames })
        }
    };
    let candidate = scan::candidate(&device.profile.name, &config.profile_dirs)?;
    match give(&place, setting, candidate, from, device.unit_id)? {
        Ok(()) => Ok(()),
        Err(refused) => Err(Exit::Because(
            code_of(&refused),
            format!("{refused}\n配置未动 · the configuration stays as it was"),
        )),
    }
}
