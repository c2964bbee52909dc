//! The real store beside its model: the same operations must leave the same rows, marks and kept keys.
use std::path::{Path, PathBuf};

use shouwang_core::output::Commit;
use shouwang_gateway::store::Store;
use shouwang_message::Timestamp;
use tempfile::TempDir;

use super::store::Disk;

pub(super) struct RealStore {
    directory: TempDir,
    /// A new copy of the files after every end, as a crash leaves them: nothing is closed in good order.
    copies: u32,
    store: Option<Store>,
}

impl RealStore {
    pub(super) fn new() -> Self {
        // In memory where there is such a place: what a flush costs is not what is looked at here.
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let directory =
            directory.unwrap_or_else(|error| unreachable!("no directory for a database: {error}"));
        Self { directory, copies: 0, store: None }
    }

    /// Opens what is there and compares it with the model.
    pub(super) fn open_as(&mut self, boot: u32, disk: &Disk) -> Result<(), String> {
        let path = self.path();
        let opened = Store::open(&path, Timestamp::from_unix_ms(0));
        let (store, restored) = opened.map_err(|error| format!("the real store: {error}"))?;
        let kept: Vec<_> = disk.kept.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let real = (restored.boot, restored.next_sequence, restored.first_kept, restored.heard_up_to);
        let model = (boot, disk.next, disk.first_kept(), disk.heard_up_to);
        if real != model {
            return Err(format!(
                "boot, next, first kept, heard: the real store has {real:?}, the model {model:?}"
            ));
        }
        if restored.kept != kept {
            return Err("the real store and the model keep different state".into());
        }
        let reader = store.reader().map_err(|error| format!("reading the real store: {error}"))?;
        let mut from = 1;
        let mut rows = disk.events.iter();
        loop {
            let events =
                reader.fetch(from, 256).map_err(|error| format!("reading the real store: {error}"))?;
            let Some(last) = events.last() else { break };
            from = last.sequence + 1;
            for event in events {
                if rows.next() != Some((&event.sequence, &event.body)) {
                    return Err(format!(
                        "event {} differs between the real store and the model",
                        event.sequence
                    ));
                }
            }
        }
        if let Some((sequence, _)) = rows.next() {
            return Err(format!("event {sequence} is not in the real store"));
        }
        self.store = Some(store);
        Ok(())
    }

    pub(super) fn commit(&mut self, commit: &Commit) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Err("a commit without a process".into()) };
        store
            .commit(std::slice::from_ref(commit))
            .map_err(|why| format!("the real store refuses what the model takes: {why:?}"))
    }

    /// The process is gone; the system's memory is not.
    pub(super) fn killed(&mut self) {
        self.crash(None);
    }

    /// The power is gone. Of a commit under way a beginning of its bytes is there.
    pub(super) fn power_cut(&mut self, torn: Option<(&Commit, u64)>) {
        let wal = with_suffix(&self.path(), "-wal");
        let before = length(&wal);
        let Some((commit, chance)) = torn else { return self.crash(None) };
        let took =
            self.store.as_mut().is_some_and(|store| store.commit(std::slice::from_ref(commit)).is_ok());
        let after = length(&wal);
        if took && after > before {
            self.crash(Some(before + chance % (after - before)));
        } else {
            unreachable!("a small database appends to its WAL: {before} {after} {took}");
        }
    }

    fn crash(&mut self, wal_length: Option<u64>) {
        let from = self.path();
        self.copies += 1;
        let to = self.path();
        copy(&from, &to);
        copy(&with_suffix(&from, "-wal"), &with_suffix(&to, "-wal"));
        if let Some(length) = wal_length {
            cut(&with_suffix(&to, "-wal"), length);
        }
        self.store = None;
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(format!("{}.db", self.copies))
    }
}

fn copy(from: &Path, to: &Path) {
    if from.exists() {
        std::fs::copy(from, to).unwrap_or_else(|error| unreachable!("copying {}: {error}", from.display()));
    }
}

fn cut(path: &Path, length: u64) {
    let cut = std::fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length));
    cut.unwrap_or_else(|error| unreachable!("cutting {}: {error}", path.display()));
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
