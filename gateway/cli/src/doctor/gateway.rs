//! What is looked at on a gateway, in the order in which it would be mended: the box, the disk, the lines, the broker.
use std::path::Path;

use shouwang_gateway::clock;
use shouwang_gateway::config::{Broker, Config};
use shouwang_gateway::store::FILE_NAME;
use shouwang_gateway::uplink::client_options;
use shouwang_message::topic::ROOT;

use super::broker::Wanted;
use super::bundle::About;
use super::finding::{Finding, Report};
use super::running::Running;
use super::{broker, command, files, lines, machine, port, running, store, table};
use crate::exit::Exit;

const UNIT: &str = "shouwang-gateway";

pub(super) async fn look(config: &Config, path: &Path, report: &mut Report) -> Result<About, Exit> {
    let (name, devices) = (&config.core.gateway, config.core.devices.len());
    let lines_count = config.core.lines.len();
    report.add(Finding::good(
        "configuration",
        format!("配置无误:网关 {name},{lines_count} 条线路,{devices} 台设备"),
        format!("the configuration is sound: gateway {name}, {lines_count} lines, {devices} devices"),
    ))?;
    let database = config.state_dir.join(FILE_NAME);
    let running = Running::find(&lock_of(&database), config.web);
    report.add_all(running::look(running.as_ref(), config.web, UNIT))?;
    let (wall, quality) = clock::wall();
    report.add(machine::clock(wall, quality, store::newest_time(&database)))?;
    report.add_all(machine::look(Path::new("/")))?;
    report.add_all(store::look_at_directory(&config.state_dir))?;
    let checked = tokio::task::spawn_blocking(move || store::look(&database, UNIT));
    let checked = report.during("store: quick_check", checked).await;
    report.add(checked.map_err(|error| Exit::failed(&error))?)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    report.add_all(files::look(&files::named(&table(path), beside), wall))?;
    if let Some(modem) = &config.modem {
        report.add(
            port::look("modem", &modem.port.path, running.as_ref().map(|running| &running.holder)).finding,
        )?;
    }
    lines::look(config, running.as_ref(), report).await?;
    match wanted(config, path, running.is_some()) {
        Ok(wanted) => broker::look(wanted, report).await?,
        Err(finding) => report.add(*finding)?,
    }
    let database = config.state_dir.join(FILE_NAME);
    Ok(About { unit: UNIT, database, metrics: running.and_then(|running| running.metrics) })
}

/// Its own topics are all that a gateway may use; this one is heard by no duty room.
fn wanted(config: &Config, path: &Path, runs: bool) -> Result<Wanted, Box<Finding>> {
    let (site, gateway) = (&config.core.site, &config.core.gateway);
    let newest = store::newest_time(&config.state_dir.join(FILE_NAME));
    let Broker { password_file, port, .. } = &config.broker;
    let is_own = config.embedded_broker.is_some_and(|listen| listen.port() == *port);
    let options =
        client_options(&config.broker, &format!("{site}.{gateway}-doctor"), newest).map_err(|error| {
            let what = (format!("用不了 [uplink]:{error}"), format!("[uplink] cannot be used: {error}"));
            Box::new(Finding::wrong("broker", what, format!("sudo {}", command("doctor", path))))
        })?;
    Ok(Wanted {
        options,
        topic: format!("{ROOT}/{site}/{gateway}/doctor"),
        password_file: password_file.clone(),
        check: command("check", path),
        is_asleep: is_own && !runs,
    })
}

/// As the store names it.
fn lock_of(database: &Path) -> std::path::PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
