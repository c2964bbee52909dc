//! Another configuration for a duty room that runs: people, the ladder, channels, the night and the room's title are in
//! force at once, and open alarms climb on. What only a restart can change is named, and a bad file changes nothing.
use std::path::{Path, PathBuf};

use shouwang_board::{Input, Settings};
use shouwang_message::{Id, Text};
use tokio::sync::oneshot;

use crate::config::Sounder;
use crate::config::channels::{Channel, ChannelKind};
use crate::eventloop::{Message, Reconfigured};
use crate::{Broker, Config, ConfigError, Running, Web, notify, web};

/// Why another configuration is not in force; the one before is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// `bad_configuration`, `needs_restart`, or `stopping`.
    pub code: &'static str,
    /// Why, and what to do; of a bad file the first problem with its file, line and column.
    pub text: Text,
}

/// What its hands hold from start to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    name: Id,
    state_dir: PathBuf,
    broker: Broker,
    web: Web,
    command_key: Option<PathBuf>,
    sounder: Option<Sounder>,
    /// Each holds a port of its own.
    modems: Vec<Channel>,
}

impl Fixed {
    pub(crate) fn of(config: &Config) -> Self {
        let modems = config.channels.iter().filter(|channel| matches!(channel.kind, ChannelKind::Modem(_)));
        Self {
            name: config.name.clone(),
            state_dir: config.state_dir.clone(),
            broker: config.broker.clone(),
            web: config.web.clone(),
            command_key: config.command_key.clone(),
            sounder: config.sounder.clone(),
            modems: modems.cloned().collect(),
        }
    }

    /// The keys that are different.
    fn changed(&self, new: &Self) -> Vec<&'static str> {
        let keys = [
            ("name", self.name == new.name),
            ("state_dir", self.state_dir == new.state_dir),
            ("[broker]", self.broker == new.broker),
            ("[web]", self.web == new.web),
            ("[commands] key_file", self.command_key == new.command_key),
            ("[sounder]", self.sounder == new.sounder),
            ("[[channel]] sms-modem", self.modems == new.modems),
        ];
        keys.into_iter().filter(|(_, is_same)| !is_same).map(|(key, _)| key).collect()
    }
}

/// What a configuration is to the board.
pub(crate) fn settings(config: &Config) -> Settings {
    Settings {
        organisation: config.organisation.clone(),
        escalation: config.escalation.clone(),
        handling: config.handling.clone(),
        night: config.night,
        has_sounder: config.sounder.is_some(),
        ..Settings::new(config.name.clone())
    }
}

impl Running {
    /// Reads the file anew and puts it in force, wholly or not at all. `from`: who wants it, for the logbook. Two at a
    /// time are one after the other. A refusal stands on the board until a file is in force.
    pub async fn reload(&self, path: &Path, from: &str) -> Result<(), Refused> {
        let fixed = self.fixed.lock().await;
        let changed = self.put_in_force(path, from, &fixed).await;
        match &changed {
            Ok(()) => tracing::info!("the new configuration is in force"),
            Err(Refused { text, .. }) => {
                tracing::warn!("{}", text.zh);
                tracing::warn!("the configuration was not reloaded: {}", text.en);
                let input = Input::NotReconfigured { why: text.clone(), from: from.to_owned() };
                // A loop that has ended shows nothing more.
                let _ = self.input.send(Message::Input(input)).await;
            }
        }
        changed
    }

    async fn put_in_force(&self, path: &Path, from: &str, fixed: &Fixed) -> Result<(), Refused> {
        let read = path.to_owned();
        // On a thread of its own: a slow disk must not hold anybody up.
        let reading = tokio::task::spawn_blocking(move || {
            let config = Config::load(&read).map_err(|error| bad(&error))?;
            let channels = notify::prepare(&config.channels).map_err(|why| unusable(&why))?;
            Ok((config, channels))
        });
        let (config, channels) = reading.await.unwrap_or_else(|error| Err(unusable(&error.to_string())))?;
        let keys = fixed.changed(&Fixed::of(&config));
        if !keys.is_empty() {
            return Err(needs_restart(&keys));
        }
        let (answer, answered) = oneshot::channel();
        let wanted = Reconfigured { channels, settings: settings(&config), from: from.to_owned() };
        let message = Message::Reconfigure { wanted: Box::new(wanted), answer };
        if self.input.send(message).await.is_err() {
            return Err(stopping());
        }
        answered.await.map_err(|_| stopping())?.map_err(|why| unusable(&why))?;
        self.named.send_replace(web::Named::of(&config));
        Ok(())
    }
}

/// The first problem, and how many there are: all of them are in the log, and `check` prints them.
fn bad(error: &ConfigError) -> Refused {
    for problem in &error.problems {
        tracing::warn!("{problem}");
    }
    let first = error.problems.first().map(ToString::to_string).unwrap_or_default();
    let (mut zh, mut en) = (first.clone(), first);
    let others = error.problems.len().saturating_sub(1);
    if others > 0 {
        zh.push_str(&format!("(另有 {others} 处,见 shouwang check)"));
        en.push_str(&format!(" (and {others} more: shouwang check)"));
    }
    Refused { code: "bad_configuration", text: Text::new(zh, en) }
}

fn unusable(why: &str) -> Refused {
    Refused { code: "bad_configuration", text: Text::new(why, why) }
}

fn needs_restart(keys: &[&str]) -> Refused {
    let (zh, en) = (keys.join("、"), keys.join(", "));
    let text = Text::new(
        format!("{zh} 只能在重启后更改,配置未更换;请改回去,或重启值班室"),
        format!(
            "{en} can only change by a restart, so the old configuration stays; change it back or restart the duty room"
        ),
    );
    Refused { code: "needs_restart", text }
}

fn stopping() -> Refused {
    Refused { code: "stopping", text: Text::new("值班室正在结束", "the duty room is ending") }
}
