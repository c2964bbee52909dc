//! What is looked at on a duty room's machine: the box, the disk, the pages' address, who can be woken, the broker.
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use shouwang_duty_room::config::channels::ChannelKind;
use shouwang_duty_room::{Certificate, Config, client_options};
use shouwang_gateway::clock;
use shouwang_message::topic::ROOT;

use super::broker::Wanted;
use super::bundle::About;
use super::files::Named;
use super::finding::{Finding, Report};
use super::running::Running;
use super::{broker, command, files, machine, port, running, store, table};
use crate::exit::Exit;

const UNIT: &str = "shouwang-duty-room";
/// A site and a gateway that nobody has: a duty room's own receipts go to gateways only.
const NOBODY: &str = "doctor/doctor";

pub(super) async fn look(config: &Config, path: &Path, report: &mut Report) -> Result<About, Exit> {
    let (name, channels) = (&config.name, config.channels.len());
    report.add(Finding::good(
        "configuration",
        format!("配置无误:值班室 {name},{channels} 个外呼通道"),
        format!("the configuration is sound: duty room {name}, {channels} channels"),
    ))?;
    // Its own health pages are asked in the clear only: a certificate is for people's browsers to judge.
    let plain =
        Some(config.web.listen).filter(|listen| listen.port() != 0 && config.web.certificate.is_none());
    let running = Running::find(&config.state_dir.join("lock"), plain);
    let web = plain.filter(|_| running.is_some());
    report.add_all(running::look(running.as_ref(), web, UNIT))?;
    if running.is_none() {
        report.add(listen(config))?;
    } else if plain.is_none() {
        report.add(accepts(config))?;
    }
    let (wall, quality) = clock::wall();
    report.add(machine::clock(wall, quality, None))?;
    report.add_all(machine::look(Path::new("/")))?;
    report.add_all(store::look_at_directory(&config.state_dir))?;
    let database = config.state_dir.join("duty-room.db");
    let checked = tokio::task::spawn_blocking(move || store::look(&database, UNIT));
    let checked = report.during("store: quick_check", checked).await;
    report.add(checked.map_err(|error| Exit::failed(&error))?)?;
    let beside = path.parent().unwrap_or(Path::new(""));
    let mut named = files::named(&table(path), beside);
    let made = config.state_dir.join("https.pem");
    if config.web.certificate == Some(Certificate::Generated) && made.exists() {
        named.push(Named { key: "certificate".into(), path: made });
    }
    report.add_all(files::look(&named, wall))?;
    let holder = running.as_ref().map(|running| &running.holder);
    if let Some(sounder) = &config.sounder {
        report.add(port::look("sounder", &sounder.path, holder).finding)?;
    }
    for channel in &config.channels {
        let (id, kind) = (&channel.id, channel.kind.word());
        if let ChannelKind::Modem(modem) = &channel.kind {
            report.add(port::look("channel", &modem.path, holder).finding)?;
        }
        let test = format!("{} {id}", command("channel test", path));
        let (zh, en) = (
            format!("通道 {id}({kind})已配置;没有发送,试发用 {test}"),
            format!("the channel {id} ({kind}) is configured; nothing was sent, to try it: {test}"),
        );
        report.add(Finding::good("channel", zh, en))?;
    }
    report.add_all(nobody_woken(config, path))?;
    match wanted(config, path) {
        Ok(wanted) => broker::look(wanted, report).await?,
        Err(finding) => report.add(*finding)?,
    }
    let database = config.state_dir.join("duty-room.db");
    Ok(About { unit: UNIT, database, metrics: running.and_then(|running| running.metrics) })
}

fn listen(config: &Config) -> Finding {
    let listen = config.web.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(
            "web",
            format!("网页地址 {listen} 可用"),
            format!("the pages' address {listen} is free"),
        ),
        Err(error) => {
            let what = (
                format!("网页地址 {listen} 用不了:{error}"),
                format!("the pages' address {listen} cannot be used: {error}"),
            );
            Finding::wrong("web", what, format!("sudo ss -ltnp 'sport = :{}'", listen.port()))
        }
    }
}

/// Over HTTPS it is only seen whether somebody is there.
fn accepts(config: &Config) -> Finding {
    let listen = running::own(config.web.listen);
    match TcpStream::connect_timeout(&listen, Duration::from_secs(5)) {
        Ok(_) => Finding::good(
            "web",
            format!("网页 https://{listen} 接受连接"),
            format!("the pages at https://{listen} accept connections"),
        ),
        Err(error) => {
            let what = (
                format!("网页 https://{listen} 连不上:{error}"),
                format!("the pages at https://{listen} are not reached: {error}"),
            );
            Finding::unreached("web", what, format!("systemctl status {UNIT}"))
        }
    }
}

fn nobody_woken(config: &Config, path: &Path) -> Option<Finding> {
    let wakes = config.channels.iter().any(|channel| channel.kind.is_personal());
    if wakes && !config.escalation.steps.is_empty() {
        return None;
    }
    let what = (
        "值守页都关着时没有人会被叫醒:没有能找到人的通道,或没有 [escalation]".to_owned(),
        "nobody is woken while no page is open: no channel reaches a person, or there is no [escalation]"
            .to_owned(),
    );
    Some(Finding::notable("channel", what, command("check", path)))
}

/// It may write receipts to any gateway, so this topic is in every access list that lets it work.
fn wanted(config: &Config, path: &Path) -> Result<Wanted, Box<Finding>> {
    let name = &config.name;
    let options = client_options(&config.broker, &format!("shouwang-{name}-doctor")).map_err(|error| {
        let what = (format!("用不了 [broker]:{error}"), format!("[broker] cannot be used: {error}"));
        Box::new(Finding::wrong("broker", what, format!("sudo {}", command("doctor", path))))
    })?;
    let password_file =
        table(path).get("broker").and_then(|broker| broker.get("password_file")?.as_str().map(Into::into));
    Ok(Wanted {
        options,
        topic: format!("{ROOT}/{NOBODY}/heard/{name}"),
        password_file,
        check: command("check", path),
        is_asleep: false,
    })
}
