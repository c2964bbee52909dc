//! What the core orders, carried out: to lines, store, uplink and modem, and the change of the configuration.
use shouwang_core::Instant;
use shouwang_core::input::Input;
use shouwang_core::output::Output;

use super::{Gateway, Moment};
use crate::alarm_log;
use crate::clock;
use crate::lines::NoThread;
use crate::reload::Loaded;
use crate::watchdog::Cause;

impl Gateway {
    /// Puts another configuration in force, if the core takes it.
    pub(super) fn configure(&mut self, loaded: Loaded) {
        let now = clock::now();
        self.recordings.configured(now, &loaded.core);
        let names = loaded.core.lines.iter().map(|line| line.name.clone());
        self.lines_to_be = names.zip(loaded.links).collect();
        let outputs: Vec<Output> = self.engine.configure(now, loaded.core).collect();
        self.carry_out(now, outputs);
        // What the hands had at once for the core.
        self.give(Input::Woke);
    }

    pub(super) fn carry_out(&mut self, now: Instant, outputs: Vec<Output>) {
        for output in outputs {
            self.recordings.ordered(&output);
            if let Some(watcher) = &mut self.watcher {
                watcher(now, Moment::Output(&output));
            }
            let answer = match output {
                Output::Ask { line, ask } => {
                    self.lines.ask(line, ask);
                    None
                }
                Output::Commit(commit) => {
                    alarm_log::tell(&commit);
                    self.writes.asked();
                    self.store.commit(commit).err()
                }
                Output::Fetch { from, limit } => {
                    self.reads.asked();
                    self.store.fetch(from, limit).err()
                }
                Output::Connect { connection, will } => {
                    self.uplink.connect(connection, will);
                    None
                }
                Output::Drop { connection } => {
                    tracing::warn!(connection, "the broker does not move on; the connection is dropped");
                    self.uplink.drop_connection(connection);
                    None
                }
                Output::Disconnect { connection } => {
                    self.farewell = Some(connection);
                    self.uplink.disconnect(connection);
                    None
                }
                Output::Publish { connection, token, publication } => {
                    self.uplink.publish(connection, token, publication);
                    None
                }
                Output::Text { text, phone, words, rings } => {
                    self.texter.as_mut().and_then(|texter| texter.text(text, phone, words, rings))
                }
                Output::Reload => {
                    self.begin_reading();
                    None
                }
                Output::Configured { lines } => {
                    self.change_lines(&lines);
                    None
                }
                Output::NotConfigured { why } => {
                    tracing::warn!("{}", why.zh);
                    tracing::warn!("the configuration was not reloaded: {}", why.en);
                    self.tell_systemd(&format!("not reloaded: {}", why.en));
                    None
                }
                Output::Stopped => {
                    self.stopped = true;
                    None
                }
            };
            self.at_once.extend(answer);
        }
    }

    fn begin_reading(&mut self) {
        tracing::info!("reading the configuration anew");
        if let Some(notifier) = &self.notifier {
            notifier.reloading();
        }
        self.reading.begin(&self.fixed);
    }

    /// The core goes on with the new configuration: so do the lines.
    fn change_lines(&mut self, origins: &[Option<usize>]) {
        let lines = std::mem::take(&mut self.lines_to_be);
        self.metrics.rename(lines.iter().map(|(name, _)| name.clone()).collect());
        let origins = origins.iter().copied().chain(std::iter::repeat(None));
        let lines = lines.into_iter().zip(origins).map(|((name, link), origin)| (name, link, origin));
        match self.lines.change(lines, &self.watchdog) {
            Ok(reopened) => self.at_once.extend(
                reopened
                    .into_iter()
                    .map(|line| Input::LineDown { line, why: "its port was changed".to_owned() }),
            ),
            // The core watches a line that nobody can ask: a new start is the honest way on.
            Err(NoThread { line, source }) => {
                tracing::error!(%line, %source, "the thread of a line could not be started");
                self.watchdog.end_because(Cause { part: format!("line {line}"), hung_ms: None });
            }
        }
        tracing::info!("the new configuration is in force");
        self.tell_systemd("configuration reloaded");
    }

    /// The reload is over, one way or the other.
    fn tell_systemd(&self, status: &str) {
        if let Some(notifier) = &self.notifier {
            notifier.ready();
            notifier.status(status);
        }
    }
}
