//! `run` and `duty-room`: the two services.
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use shouwang_duty_room as duty_room;
use shouwang_duty_room::signing::Signer;
use shouwang_gateway::config::Config;
use shouwang_gateway::eventloop::{self, Options};
use shouwang_gateway::systemd::Notifier;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::{Code, Exit};
use crate::journal::Journal;
use crate::print;
use crate::reload;
use crate::signal::{self, Asked};

/// The unit's WatchdogSec is 15 s.
const FEED_EVERY: Duration = Duration::from_secs(3);

/// One gateway until it is asked to end.
pub(crate) fn gateway(config: &Path, record: Option<PathBuf>) -> Result<(), Exit> {
    let config = Config::load(config).map_err(|problems| Exit::bad(&problems))?;
    log(LevelFilter::INFO);
    runtime()?.block_on(async {
        let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
        let by = Arc::new(Mutex::new(Asked::Terminate));
        let said = Arc::clone(&by);
        let stop = async move {
            let asked = asked.await;
            *said.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        };
        let reloads = Some(signal::reloads().map_err(|error| Exit::failed(&error))?);
        let recordings = Some(signal::recordings().map_err(|error| Exit::failed(&error))?);
        let options = Options { record, reloads, recordings, ..Options::default() };
        eventloop::run(config, options, stop).await.map_err(|error| Exit::failed(&error))?;
        ended(*by.lock().unwrap_or_else(PoisonError::into_inner))
    })
}

/// One duty room until it is asked to end. While it has no account, the code that makes the first one goes to the
/// terminal.
pub(crate) fn duty_room(path: &Path) -> Result<(), Exit> {
    let config =
        duty_room::Config::load(path).map_err(|error| Exit::Because(Code::Bad, error.to_string()))?;
    log(LevelFilter::INFO);
    runtime()?.block_on(async {
        let asked = signal::asked().map_err(|error| Exit::failed(&error))?;
        let mut hangups = signal::reloads().map_err(|error| Exit::failed(&error))?;
        let state_dir = config.state_dir.clone();
        let running = duty_room::start(config, duty_room::Clock::system()).await;
        let running = running.map_err(|error| Exit::failed(&error))?;
        println!("值班室 · duty room: {}/", running.address());
        if let Some(certificate) = running.certificate().filter(|certificate| certificate.is_self_signed) {
            println!(
                "浏览器第一次打开会警告:核对证书的 SHA-256 指纹,一致才继续\n\
                 The browser warns at the first visit: go on only if its certificate has this SHA-256 fingerprint\n  \
                 {}",
                certificate.fingerprint
            );
        }
        if let Some((page, code)) = running.setup() {
            println!(
                "首次使用:打开 {page} ,输入一次性开通码 {code} ,建立班长账号\n\
                 First run: open {page} and enter the one-time code {code} to make the lead's account"
            );
        }
        let notifier = Notifier::from_environment();
        if let Some(notifier) = &notifier {
            notifier.ready();
        }
        let by = tokio::select! {
            by = asked => by,
            never = feed(&running, notifier.as_ref()) => match never {},
            never = reload::wishes(&running, path, &mut hangups, door(&state_dir), notifier.as_ref()) => match never {},
        };
        if let Some(notifier) = &notifier {
            notifier.stopping();
        }
        running.stop().await.map_err(|error| Exit::failed(&error))?;
        ended(by)
    })
}

/// For `duty-room --reload`; without it there are still signals.
fn door(state_dir: &Path) -> Option<duty_room::Wishes> {
    let opened = duty_room::Wishes::open(state_dir);
    opened.inspect_err(|error| tracing::warn!(%error, "no socket for --reload; SIGHUP reloads")).ok()
}

/// The key by which gateways know this duty room's commands; made if it is not there yet.
pub(crate) fn show_key(config: &Path, json: bool) -> Result<(), Exit> {
    let config =
        duty_room::Config::load(config).map_err(|error| Exit::Because(Code::Bad, error.to_string()))?;
    let signer = Signer::open(&config.name, &config.state_dir, config.command_key.as_deref());
    let key = signer.map_err(|error| Exit::failed(&error))?.trusted_key();
    if json {
        return print::line(&json!({"duty_room": config.name, "trusted_key": key}).to_string());
    }
    print::line(&format!(
        "# 写进每个网关的 gateway.toml;已有别的公钥时加在后面 · into each gateway.toml; beside the keys that stand there\n\
         [commands]\ntrusted_keys = [\"{key}\"]"
    ))
}

/// Feeds systemd's watchdog as long as the duty room lives; systemd starts anew what it no longer hears of.
async fn feed(running: &duty_room::Running, notifier: Option<&Notifier>) -> Infallible {
    loop {
        if let Some(notifier) = notifier
            && running.is_alive()
        {
            notifier.alive();
        }
        tokio::time::sleep(FEED_EVERY).await;
    }
}

/// Logs go to systemd's journal if standard error does, with their fields, else to standard error; `SHOUWANG_LOG` sets the
/// level, of all or of single modules: `info,shouwang_gateway=debug`.
pub(crate) fn log(level: LevelFilter) {
    let asked = std::env::var("SHOUWANG_LOG").ok().and_then(|words| words.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(level));
    let journal = Journal::from_environment("shouwang");
    let printed = journal.is_none().then(|| tracing_subscriber::fmt::layer().with_writer(std::io::stderr));
    // A second call changes nothing.
    let _ = tracing_subscriber::registry().with(journal).with(printed).with(filter).try_init();
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Exit::failed(&error))
}

fn ended(by: Asked) -> Result<(), Exit> {
    match by {
        Asked::Terminate => Ok(()),
        Asked::Interrupt => Err(Exit::Said(Code::Interrupted)),
    }
}
