//! `label`: the labels of a gateway's devices, one file each or on sheets of A4. The codes live in the configuration.
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use shouwang_core::configuration::DeviceSettings;
use shouwang_gateway::config::Config;
use shouwang_gateway::rewrite::Rewrite;
use shouwang_paper::glyphs::{self, Pen};
use shouwang_paper::label::{ON_A_SHEET, sheet_png, sheet_svg};

use crate::exit::{Code, Exit};
use crate::print;
use crate::site::{cannot, not_rewritten};

#[derive(Args, Debug)]
pub(crate) struct Label {
    /// gateway.toml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// 写进这个目录(没有就建) · Into this folder, which is made
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// 只要这几台;默认全部 · Only these devices; all of them without it
    #[arg(long, value_name = "ID")]
    device: Vec<String>,
    /// 排在 A4 上(一张 72 枚,按 100% 打印),不写则一枚一个文件 · On sheets of A4, 72 each, to be printed at 100 %
    #[arg(long)]
    sheet: bool,
    #[arg(long, value_enum, default_value = "svg")]
    format: Format,
    /// 二维码里码前面的网址,如 https://q.example/d/ · What stands in front of the code in the QR code
    #[arg(long, value_name = "URL", default_value = "")]
    url: String,
    /// 给还没有码的设备抽码,写进配置 · Draw codes for devices without one, into the configuration
    #[arg(long)]
    assign: bool,
    /// 每个文件一个 JSON 对象 · One JSON object a file
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Svg,
    Png,
}

pub(crate) fn label(wanted: &Label) -> Result<(), Exit> {
    let config = if wanted.assign {
        let mut rewrite = Rewrite::open(&wanted.config).map_err(|why| not_rewritten(&why))?;
        rewrite.assign_codes().map_err(|why| not_rewritten(&why))?;
        rewrite.save().map_err(|why| not_rewritten(&why))?
    } else {
        Config::load(&wanted.config).map_err(|problems| Exit::bad(&problems))?
    };
    let labels = labels(wanted, &config)?;
    fs::create_dir_all(&wanted.to).map_err(|error| cannot("建", "make", &wanted.to, &error))?;
    if wanted.sheet {
        let all: Vec<shouwang_paper::Label> = labels.into_iter().map(|(_, label)| label).collect();
        for (number, some) in all.chunks(ON_A_SHEET).enumerate() {
            let drawn = match wanted.format {
                Format::Svg => sheet_svg(some).map(String::into_bytes),
                Format::Png => sheet_png(some, &pen()?),
            };
            write(wanted, &format!("labels-{}", number + 1), drawn)?;
        }
        return Ok(());
    }
    for (id, label) in labels {
        let drawn = match wanted.format {
            Format::Svg => label.svg().map(String::into_bytes),
            Format::Png => label.png(&pen()?),
        };
        write(wanted, &id, drawn)?;
    }
    Ok(())
}

/// The wanted devices' labels, or which of them are not there or have no code.
fn labels(wanted: &Label, config: &Config) -> Result<Vec<(String, shouwang_paper::Label)>, Exit> {
    for id in &wanted.device {
        device(config, id)?;
    }
    let chosen = config.core.devices.iter().zip(&config.codes).filter(|(device, _)| {
        wanted.device.is_empty() || wanted.device.iter().any(|id| *id == device.id.as_str())
    });
    let bare: Vec<&str> =
        chosen.clone().filter(|(_, code)| code.is_none()).map(|(device, _)| device.id.as_str()).collect();
    if !bare.is_empty() {
        let bare = bare.join(", ");
        return Err(Exit::Because(
            Code::Bad,
            format!(
                "还没有标签码:{bare};加 --assign 抽码并写进配置\nno codes yet: {bare}; --assign draws them into the configuration"
            ),
        ));
    }
    let label = |(device, code): (&DeviceSettings, &Option<_>)| {
        let label = shouwang_paper::Label {
            code: (*code)?,
            address: wanted.url.clone(),
            unit_id: device.unit_id,
            title: device.profile.title.zh.clone(),
            place: place(device),
        };
        Some((device.id.to_string(), label))
    };
    Ok(chosen.filter_map(label).collect())
}

/// The device of this id, or which one was probably meant.
pub(crate) fn device<'c>(config: &'c Config, id: &str) -> Result<&'c DeviceSettings, Exit> {
    let devices = &config.core.devices;
    devices.iter().find(|device| device.id.as_str() == id).ok_or_else(|| {
        let near = shouwang_catalog::closest(id, devices.iter().map(|device| device.id.as_str()));
        let near = near.map(|near| format!(";是不是 {near}? · did you mean {near}?")).unwrap_or_default();
        Exit::Because(Code::Bad, format!("没有设备 {id} · no device is called {id}{near}"))
    })
}

/// Where it hangs, as people say it; its id if nobody said.
pub(crate) fn place(device: &DeviceSettings) -> String {
    let shouwang_message::Place { building, entrance, room, name, .. } = &device.place;
    if let Some(name) = name {
        return name.clone();
    }
    let parts = [(building, "号楼"), (entrance, "单元"), (room, "")];
    let said: String =
        parts.iter().filter_map(|(part, word)| Some(format!("{}{word}", (*part).as_ref()?))).collect();
    if said.is_empty() { device.id.to_string() } else { said }
}

fn pen() -> Result<Pen, Exit> {
    Pen::find().ok_or_else(|| {
        let (zh, en) = glyphs::MISSING;
        Exit::Because(Code::Failed, format!("{zh}(或用 --format svg)\n{en}, or say --format svg"))
    })
}

fn write(wanted: &Label, name: &str, drawn: Option<Vec<u8>>) -> Result<(), Exit> {
    let Some(bytes) = drawn else {
        return Err(Exit::Because(
            Code::Bad,
            "网址太长,这么小的二维码手机读不出;最多约 50 个字符 · the address is too long for a code of this size: at most \
             about 50 characters"
                .into(),
        ));
    };
    let ending = match wanted.format {
        Format::Svg => "svg",
        Format::Png => "png",
    };
    let file: &Path = &wanted.to.join(format!("{name}.{ending}"));
    fs::write(file, bytes).map_err(|error| cannot("写", "write", file, &error))?;
    if wanted.json {
        print::line(&json!({"file": file}).to_string())
    } else {
        print::line(&file.display().to_string())
    }
}
