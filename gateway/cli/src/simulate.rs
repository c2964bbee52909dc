//! `simulate`: a simulated field alone, until it is told to quit; or the training bag.
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use clap::Args;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, FieldError, Told};

use crate::exit::{Code, Exit};
use crate::print;
use crate::serve::runtime;
use crate::signal::{self, Asked};

#[derive(Args, Debug)]
pub(crate) struct Simulate {
    /// 线路、设备、故障和剧本 · Lines, devices, faults and a story
    #[arg(long, value_name = "FILE", required_unless_present = "training", conflicts_with = "training")]
    config: Option<PathBuf>,
    /// 培训包:一条线路,五台设备,四种现场常见的毛病 · The training bag: a line of five devices and four usual troubles
    #[arg(long)]
    training: bool,
    /// 培训包的线路在这里 · Where the training bag's line is
    #[arg(long, value_name = "PATH", default_value = "/tmp/shouwang-bag", requires = "training")]
    link: PathBuf,
    /// 每行一个 JSON 对象 · One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn simulate(wanted: Simulate) -> Result<(), Exit> {
    let Simulate { config, link, json, .. } = wanted;
    let field = match &config {
        Some(config) => FieldConfig::load(config),
        None => FieldConfig::training(&link),
    };
    let field = field.map_err(|error| refused(&error))?;
    if config.is_none() && !json {
        introduce(&link)?;
    }
    let told = if json { Told::Json } else { Told::Text };
    run(&field, told)
}

/// What a newcomer types next.
fn introduce(link: &Path) -> Result<(), Exit> {
    let link = link.display();
    print::line(&format!(
        "培训包:这里就是工具箱,拔插设备在这里打字:unplug humid-b,replug humid-b,quit\nThe training bag: type here what hands \
         would do: unplug humid-b, replug humid-b, quit\n下一步,在另一个终端 next, in another terminal:  shouwang scan {link} \
         --units 1-16 --baud 9600,4800"
    ))
}

fn run(field: &FieldConfig, told: Told) -> Result<(), Exit> {
    let (stop, stopped) = mpsc::channel();
    let (interrupt, interrupted) = mpsc::channel();
    let runtime = runtime()?;
    let asked = runtime.block_on(async { signal::asked() }).map_err(|error| Exit::failed(&error))?;
    runtime.spawn(async move {
        if asked.await == Asked::Interrupt {
            // Nobody listens any more once the field has ended by itself.
            let _ = interrupt.send(());
        }
        let _ = stop.send(());
    });
    let ended = shouwang_field::simulate(
        field,
        &Catalog::shipped(),
        std::io::stdin(),
        &mut std::io::stdout(),
        told,
        stopped,
    );
    runtime.shutdown_background();
    match ended {
        Ok(()) if interrupted.try_recv().is_ok() => Err(Exit::Said(Code::Interrupted)),
        Ok(()) => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

fn refused(error: &FieldError) -> Exit {
    match error {
        FieldError::Config(_) | FieldError::Unreadable { .. } => Exit::Because(Code::Bad, text(error)),
        other => Exit::failed(other),
    }
}

fn text(error: &FieldError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
