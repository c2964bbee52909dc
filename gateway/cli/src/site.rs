//! `site`: a gateway's devices as a spreadsheet, out and in again. What goes out comes in as the same; a file with a
//! mistake changes nothing.
use std::fs;
use std::path::Path;

use serde_json::json;
use shouwang_core::configuration::LineKind;
use shouwang_gateway::config::Config;
use shouwang_gateway::rewrite::{NotRewritten, Rewrite};
use shouwang_installer::{SiteLine, SiteMistake, read_site_of, write_site};

use crate::arguments::SiteVerb;
use crate::exit::{Code, Exit};
use crate::{print, scan};

pub(crate) fn site(verb: SiteVerb) -> Result<(), Exit> {
    match verb {
        SiteVerb::Export { config, to } => export(&config, to.as_deref()),
        SiteVerb::Import { from, config, remove, json } => import(&from, &config, remove, json),
    }
}

fn export(config: &Path, to: Option<&Path>) -> Result<(), Exit> {
    Config::load(config).map_err(|problems| Exit::bad(&problems))?;
    let rows = Rewrite::open(config).and_then(|rewrite| rewrite.rows()).map_err(|why| not_rewritten(&why))?;
    let text = write_site(&rows);
    let Some(to) = to else { return print::line(text.trim_end()) };
    fs::write(to, text).map_err(|error| cannot("写", "write", to, &error))?;
    let (count, to, config) = (rows.len(), to.display(), config.display());
    print::line(&format!(
        "{count} 台设备 -> {to} · {count} devices\n下一步 · next: shouwang site import {to} --config {config}"
    ))
}

fn import(from: &Path, path: &Path, remove: bool, json: bool) -> Result<(), Exit> {
    let config = Config::load(path).map_err(|problems| Exit::bad(&problems))?;
    let bytes = fs::read(from).map_err(|error| cannot("读", "read", from, &error))?;
    let lines = config.core.lines.iter().map(|line| SiteLine {
        name: line.name.to_string(),
        high_unit_ids: line.kind == LineKind::Tcp { rtu_frames: false },
    });
    let lines: Vec<SiteLine> = lines.collect();
    // The profiles of the configuration's own folders, and the shipped ones.
    let candidates = scan::candidates(&config.profile_dirs)?;
    let devices = match read_site_of(&bytes, &candidates, Some(&lines)) {
        Ok(devices) => devices,
        Err(mistakes) => return tell(&mistakes, json),
    };
    let mut rewrite = Rewrite::open(path).map_err(|why| not_rewritten(&why))?;
    let known = config.core.devices.iter().map(|device| &device.id);
    let added = devices.iter().filter(|device| !known.clone().any(|id| *id == device.id)).count();
    let missing: Vec<&str> =
        known.filter(|id| devices.iter().all(|device| device.id != **id)).map(|id| id.as_str()).collect();
    if !missing.is_empty() && !remove {
        let missing = missing.join(", ");
        return Err(Exit::Because(
            Code::Bad,
            format!(
                "表格里没有这些设备:{missing};配置未动。真要删去,加 --remove\n\
                 the file does not have {missing}, and nothing was changed; --remove takes them out"
            ),
        ));
    }
    let (removed, count) = (missing.len(), devices.len());
    rewrite.keep_only(&devices).map_err(|why| not_rewritten(&why))?;
    for device in &devices {
        rewrite.put(device).map_err(|why| not_rewritten(&why))?;
    }
    rewrite.save().map_err(|why| not_rewritten(&why))?;
    if json {
        return print::line(&json!({"devices": count, "added": added, "removed": removed}).to_string());
    }
    print::line(&format!(
        "已写入 {0}:{count} 台设备,新增 {added},删去 {removed} · {count} devices, {added} new, {removed} taken out\n\
         下一步 · next: shouwang check --config {0},然后 then systemctl reload shouwang-gateway",
        path.display()
    ))
}

fn tell(mistakes: &[SiteMistake], json: bool) -> Result<(), Exit> {
    if !json {
        return Err(Exit::bad(mistakes));
    }
    for SiteMistake { row, column, name, what } in mistakes {
        let object = json!({"row": row, "column": column, "name": name, "what": what});
        print::line(&object.to_string())?;
    }
    Err(Exit::Said(Code::Bad))
}

/// A configuration that stays as it was is a bad one, or could not be written.
pub(crate) fn not_rewritten(why: &NotRewritten) -> Exit {
    match why {
        NotRewritten::Unwritable(..) | NotRewritten::Changed(_) | NotRewritten::NoChance => Exit::failed(why),
        _ => Exit::Because(Code::Bad, Exit::words(why)),
    }
}

pub(crate) fn cannot(zh: &str, en: &str, path: &Path, error: &std::io::Error) -> Exit {
    let path = path.display();
    Exit::Because(Code::Failed, format!("{zh}不了 {path} · cannot {en} it: {error}"))
}
