//! Reading the configuration anew for a gateway that runs: what is wrong with it, what only a restart can change,
//! and the rest for the core, which decides whether it can follow the one in force.
use std::net::SocketAddr;
use std::path::PathBuf;

use shouwang_core::configuration::Configuration;
use shouwang_core::input::Unfit;
use shouwang_message::Text;
use tokio::task::{JoinError, JoinHandle};

use crate::config::{Broker, Config, Link, Modem, Problem, TrustedKeys};
use crate::{install, silence_page};

/// What the hands hold from start to end, and which file it came from.
#[derive(Debug, PartialEq)]
pub(crate) struct Fixed {
    path: PathBuf,
    state_dir: PathBuf,
    broker: Broker,
    keys: TrustedKeys,
    modem: Option<Modem>,
    silence_page: Option<silence_page::Settings>,
    install: Option<install::Listening>,
    web: Option<SocketAddr>,
    control: Option<PathBuf>,
    embedded_broker: Option<SocketAddr>,
}

/// A file that could be put in force, as far as the hands are concerned.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) core: Configuration,
    pub(crate) links: Vec<Link>,
}

/// A reading that is under way; at most one is.
#[derive(Debug, Default)]
pub(crate) struct Reading(Option<JoinHandle<Result<Config, Vec<Problem>>>>);

impl Fixed {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            path: config.sources.first().map(|(path, _)| path.clone()).unwrap_or_default(),
            state_dir: config.state_dir.clone(),
            broker: config.broker.clone(),
            keys: config.keys.clone(),
            modem: config.modem.clone(),
            silence_page: config.silence_page.clone(),
            install: config.install.clone(),
            web: config.web,
            control: config.control.clone(),
            embedded_broker: config.embedded_broker,
        }
    }

    /// The keys that have changed although only a restart can change them.
    fn changed(&self, new: &Self) -> Vec<String> {
        let keys = [
            ("state_dir", self.state_dir == new.state_dir),
            ("[uplink]", self.broker == new.broker),
            ("[commands]", self.keys == new.keys),
            ("[sms]", self.modem == new.modem),
            ("[local_alarm] silence_page", self.silence_page == new.silence_page),
            ("[install]", self.install == new.install),
            ("[web]", self.web == new.web),
            ("[control]", self.control == new.control),
            ("[broker]", self.embedded_broker == new.embedded_broker),
        ];
        keys.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key.to_owned()).collect()
    }
}

impl Reading {
    /// Reads on a thread of its own: a slow disk must not hold the event loop. Must be called within a tokio
    /// runtime.
    pub(crate) fn begin(&mut self, fixed: &Fixed) {
        let path = fixed.path.clone();
        self.0 = Some(tokio::task::spawn_blocking(move || Config::load(&path)));
    }

    /// Waits for the end of the reading, for ever if there is none. It may be asked again if it was not waited
    /// for.
    pub(crate) async fn ended(&mut self) -> Result<Result<Config, Vec<Problem>>, JoinError> {
        let Some(reading) = &mut self.0 else { return std::future::pending().await };
        let result = reading.await;
        self.0 = None;
        result
    }
}

/// What came of a reading: something for the core, or why not, in the words of `shouwang check`.
pub(crate) fn judge(
    read: Result<Result<Config, Vec<Problem>>, JoinError>,
    fixed: &Fixed,
) -> Result<Loaded, Unfit> {
    let config = read
        .map_err(|error| {
            Unfit::Bad(Text::new(
                format!("读取配置时出错:{error}"),
                format!("reading the configuration failed: {error}"),
            ))
        })?
        .map_err(|problems| {
            for problem in &problems {
                tracing::warn!("{problem}");
            }
            Unfit::Bad(in_short(&problems))
        })?;
    let changed = fixed.changed(&Fixed::of(&config));
    if !changed.is_empty() {
        return Err(Unfit::NeedsRestart(changed));
    }
    Ok(Loaded { core: config.core, links: config.links })
}

/// The first problem, and how many there are: all of them are in the log, and `check` prints them.
fn in_short(problems: &[Problem]) -> Text {
    let Some(Problem { file, line, column, what, remedy }) = problems.first() else { return Text::default() };
    let at = format!("{file}:{line}:{column}");
    let (mut zh, mut en) =
        (format!("{at}: {};{}", what.zh, remedy.zh), format!("{at}: {}; {}", what.en, remedy.en));
    let others = problems.len() - 1;
    if others > 0 {
        zh.push_str(&format!("(另有 {others} 处,见 shouwang check)"));
        en.push_str(&format!(" (and {others} more: shouwang check)"));
    }
    Text::new(zh, en)
}
