//! What a gateway records: its whole run if it was started so, and a part of it whenever somebody wishes.
//!
//! A recording on demand begins with the engine as it is at that moment, so that `replay` goes on from there. It is
//! bounded in bytes and minutes, the oldest make way for it, and a disk that gets short ends it: it never costs an
//! alarm its room.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_core::Instant;
use shouwang_core::configuration::Configuration;
use shouwang_core::engine::Engine;
use shouwang_core::input::Input;
use shouwang_core::output::Output;
use shouwang_message::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::recorder::Recorder;
use crate::store::{DISK_BYTES, disk_has};

/// One recording's size, bytes.
const LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// One recording's length unless told otherwise, and at most, minutes.
pub const USUAL_MINUTES: u32 = 5;
pub const MOST_MINUTES: u32 = 60;
/// So many stay, the newest.
const KEPT: usize = 3;
/// Below the state directory.
const DIRECTORY: &str = "recordings";
const SUFFIX: &str = ".recording";

/// Somebody on the box wishes that a recording begins; answered at once.
#[derive(Debug)]
pub struct Wish {
    pub minutes: u32,
    pub answer: oneshot::Sender<Result<Begun, String>>,
}

/// A recording that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub path: PathBuf,
    /// It ends by itself after these, or earlier at this size.
    pub minutes: u32,
    pub limit_bytes: u64,
}

/// The recordings of one gateway.
#[derive(Debug)]
pub(crate) struct Recordings {
    state_dir: PathBuf,
    version: String,
    /// Of the whole run.
    whole: Option<Recorder>,
    on_demand: Option<OnDemand>,
}

#[derive(Debug)]
struct OnDemand {
    recorder: Recorder,
    path: PathBuf,
    until: Instant,
}

impl Recordings {
    pub(crate) fn new(state_dir: &Path, version: &str, whole: Option<Recorder>) -> Self {
        Self { state_dir: state_dir.to_owned(), version: version.to_owned(), whole, on_demand: None }
    }

    /// Begins one with the engine as it is between two inputs. Never waits for the disk.
    ///
    /// # Errors
    /// In words for whoever wished it: one runs, or the disk has no room.
    pub(crate) fn begin(
        &mut self,
        engine: &Engine,
        (now, wall): (Instant, Timestamp),
        minutes: u32,
    ) -> Result<Begun, String> {
        if let Some(OnDemand { path, .. }) = self.on_demand.as_ref().filter(|one| !one.recorder.has_ended()) {
            let path = path.display();
            return Err(format!("正在录制 · a recording runs: {path}"));
        }
        let needed = DISK_BYTES + LIMIT_BYTES;
        if disk_has(&self.state_dir).is_none_or(|has| has < needed) {
            return Err(format!(
                "磁盘不足 {needed} 字节,先腾出空间 · the disk has less than {needed} bytes; make room first"
            ));
        }
        let minutes = minutes.clamp(1, MOST_MINUTES);
        let directory = self.state_dir.join(DIRECTORY);
        let path = directory.join(format!("{}{SUFFIX}", wall.to_string().replace(':', "-")));
        let tidy = move || make_room(&directory);
        let recorder = Recorder::midway(&path, &self.version, (now, wall), engine, LIMIT_BYTES, tidy)
            .map_err(|error| format!("{}: 无法录制 · it cannot be recorded: {error}", path.display()))?;
        tracing::info!(path = %path.display(), minutes, "a recording begins");
        let until = now + Duration::from_secs(60) * minutes;
        self.on_demand = Some(OnDemand { recorder, path: path.clone(), until });
        Ok(Begun { path, minutes, limit_bytes: LIMIT_BYTES })
    }

    /// As a signal means it: one that runs ends, else one begins. What comes of it is in the log.
    pub(crate) fn toggle(&mut self, engine: &Engine, (now, wall): (Instant, Timestamp)) {
        if self.on_demand.as_ref().is_some_and(|one| !one.recorder.has_ended()) {
            self.end(now, "because somebody wished it");
        } else if let Err(why) = self.begin(engine, (now, wall), USUAL_MINUTES) {
            tracing::warn!(%why, "no recording begins");
        }
    }

    pub(crate) fn record(&mut self, at: Instant, input: &Input) {
        self.all().for_each(|recorder| recorder.record(at, input));
    }

    pub(crate) fn configured(&mut self, at: Instant, configuration: &Configuration) {
        self.all().for_each(|recorder| recorder.configured(at, configuration));
    }

    pub(crate) fn ordered(&mut self, output: &Output) {
        self.all().for_each(|recorder| recorder.ordered(output));
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Recorder> {
        self.whole.iter_mut().chain(self.on_demand.iter_mut().map(|one| &mut one.recorder))
    }

    /// Once a second: what is too long, or finds the disk short, ends.
    pub(crate) fn look(&mut self, now: Instant) {
        let Some(one) = &self.on_demand else { return };
        if now >= one.until {
            self.end(now, "after its time");
        } else if disk_has(&self.state_dir).is_none_or(|has| has < DISK_BYTES) {
            self.end(now, "because the disk is short");
        }
    }

    fn end(&mut self, now: Instant, why: &str) {
        let Some(OnDemand { mut recorder, path, .. }) = self.on_demand.take() else { return };
        recorder.end(now, why);
        let path = path.display();
        tracing::info!(%path, "the recording ends {why}; look at it with: shouwang replay {path}");
    }

    /// Writes what is waiting; for the gateway's end.
    pub(crate) fn finish(self, now: Instant) {
        let on_demand = self.on_demand.map(|one| one.recorder);
        for mut recorder in self.whole.into_iter().chain(on_demand) {
            recorder.end(now, "with the gateway");
            recorder.finish();
        }
    }
}

/// What people on the box wish: by a signal, and through the control socket.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) signals: Option<mpsc::Receiver<()>>,
    pub(crate) asked: mpsc::Receiver<Wish>,
}

impl Wishes {
    /// The next one; None is a signal's.
    pub(crate) async fn next(&mut self) -> Option<Wish> {
        let signal = async {
            match &mut self.signals {
                Some(signals) => signals.recv().await,
                None => None,
            }
        };
        tokio::select! {
            Some(wish) = self.asked.recv() => Some(wish),
            Some(()) = signal => None,
            else => std::future::pending().await,
        }
    }
}

/// The directory, for its owner only, with room for one more: names begin with their time, so the first are the oldest.
fn make_room(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut found: Vec<PathBuf> = fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(SUFFIX))
        .collect();
    found.sort();
    let too_many = (found.len() + 1).saturating_sub(KEPT);
    found.iter().take(too_many).try_for_each(fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_way_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join(DIRECTORY);
        make_room(&directory).unwrap();
        for day in 1..=6 {
            fs::write(directory.join(format!("2026-11-0{day}T00-00-00.000Z{SUFFIX}")), "").unwrap();
        }
        fs::write(directory.join("2026-10-01-notes.txt"), "").unwrap();
        make_room(&directory).unwrap();
        let left = fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.file_name());
        let mut days: Vec<_> =
            left.map(|name| name.to_string_lossy().chars().take(10).collect::<String>()).collect();
        days.sort();
        assert_eq!(days, ["2026-10-01", "2026-11-05", "2026-11-06"]);
    }
}
