//! A machine whose disk can be pulled out from under SQLite: open files, their locks, the shared memory of a
//! WAL, and the faults that a trial has ordered. Safe code only; `vfs.rs` is the bridge to SQLite.
use std::cell::UnsafeCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

use crate::disk::Disk;
use shouwang_tests::chance::Chance;

/// SQLite maps its WAL index in regions of this size, bytes.
const REGION: usize = 32 * 1024;

/// One machine; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Machine {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    moved_on: Condvar,
}

/// What the machine does to what is asked of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The power goes at this change of the disk (writes, syncs, new sizes and names are counted, from 1).
    CutAt(u64),
    /// From this write on, so many writes find no room.
    WritesFull { from: u64, times: u64 },
    /// From this write on, so many writes fail.
    WritesFail { from: u64, times: u64 },
    /// From this sync on, so many syncs fail, and what they had to write is lost though it is read back.
    SyncsFail { from: u64, times: u64 },
    /// Syncs do not end until the fault is taken away.
    SyncsHang,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) changes: u64,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
    /// Faults that struck.
    pub(crate) struck: u64,
    /// The longest that the WAL ever was, bytes.
    pub(crate) longest_wal: usize,
}

pub(crate) struct State {
    pub(crate) disk: Disk,
    pub(crate) counts: Counts,
    /// `synchronous=FULL` is taken for `NORMAL`: the control that must lose.
    pub(crate) is_careless: bool,
    /// After so many reads none is answered any more.
    pub(crate) reads_left: Option<u32>,
    fault: Fault,
    is_off: bool,
    chance: Chance,
    handles: BTreeMap<u64, Handle>,
    next_handle: u64,
    indexes: BTreeMap<String, WalIndex>,
}

#[derive(Debug)]
struct Handle {
    name: String,
    file: usize,
    /// The first sync of a new journal or WAL also syncs the directory, as SQLite's own files do.
    syncs_names: bool,
    lock: c_int,
    chunk: usize,
}

/// The shared memory of one WAL.
#[derive(Default)]
struct WalIndex {
    regions: Vec<Box<UnsafeCell<[u64; REGION / 8]>>>,
    shared: BTreeMap<c_int, BTreeSet<u64>>,
    exclusive: BTreeMap<c_int, u64>,
}

/// A result code of SQLite, other than `SQLITE_OK`.
pub(crate) type Refusal = c_int;
type Answer<T> = Result<T, Refusal>;

impl Default for State {
    fn default() -> Self {
        Self {
            disk: Disk::default(),
            counts: Counts::default(),
            is_careless: false,
            reads_left: None,
            fault: Fault::None,
            is_off: false,
            chance: Chance::new(0),
            handles: BTreeMap::new(),
            next_handle: 1,
            indexes: BTreeMap::new(),
        }
    }
}

impl Machine {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts this disk into the machine and begins to count anew. No file may be open.
    pub(crate) fn begin(&self, disk: Disk, seed: u64, fault: Fault) {
        let mut state = self.state();
        assert!(state.handles.is_empty(), "a file is still open: {:?}", state.handles);
        let State { next_handle, is_careless, .. } = *state;
        *state =
            State { disk, fault, chance: Chance::new(seed), next_handle, is_careless, ..State::default() };
    }

    /// The power is back after a cut: the disk has what the cut left of it.
    pub(crate) fn cut(&self) {
        let mut state = self.state();
        assert!(state.handles.is_empty(), "a file is still open: {:?}", state.handles);
        let State { disk, chance, indexes, .. } = &mut *state;
        disk.cut(chance);
        indexes.clear();
        state.is_off = false;
        state.fault = Fault::None;
    }

    /// The process was killed and starts again; the disk had its power all the time.
    pub(crate) fn restart(&self) {
        let mut state = self.state();
        assert!(state.handles.is_empty(), "a file is still open: {:?}", state.handles);
        state.indexes.clear();
        state.is_off = false;
    }

    /// The power goes now, or the process is killed: nothing more is done.
    pub(crate) fn pull_the_plug(&self) {
        self.state().is_off = true;
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.state().fault = fault;
        self.inner.moved_on.notify_all();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Waits, without looking at a clock, until a sync hangs; no other fault may have struck.
    pub(crate) fn wait_until_a_sync_hangs(&self) {
        let mut state = self.state();
        while state.counts.struck == 0 {
            state = self.inner.moved_on.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn sync(&self, handle: u64) -> Answer<()> {
        let mut state = self.state();
        if state.fault == Fault::SyncsHang {
            state.counts.struck += 1;
            self.inner.moved_on.notify_all();
        }
        while state.fault == Fault::SyncsHang {
            state = self.inner.moved_on.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.sync(handle)
    }
}

impl State {
    pub(crate) fn open(&mut self, name: &str, flags: c_int) -> Answer<u64> {
        self.is_on(ffi::SQLITE_CANTOPEN)?;
        let (file, is_new) = match self.disk.find(name) {
            Some(file) => (file, false),
            None if flags & ffi::SQLITE_OPEN_CREATE != 0 => {
                self.change(ffi::SQLITE_CANTOPEN)?;
                (self.disk.make(name), true)
            }
            None => return Err(ffi::SQLITE_CANTOPEN),
        };
        let handle = self.next_handle;
        self.next_handle += 1;
        let is_journal = flags & (ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_WAL) != 0;
        self.handles.insert(
            handle,
            Handle {
                name: name.to_owned(),
                file,
                syncs_names: is_new && is_journal,
                lock: ffi::SQLITE_LOCK_NONE,
                chunk: 0,
            },
        );
        Ok(handle)
    }

    pub(crate) fn close(&mut self, handle: u64) {
        self.unmap(handle, false);
        self.handles.remove(&handle);
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.disk.find(name).is_some_and(|file| self.disk.size(file) > 0)
    }

    pub(crate) fn delete(&mut self, name: &str, with_directory: bool) -> Answer<()> {
        if self.disk.find(name).is_none() {
            return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
        }
        self.change(ffi::SQLITE_IOERR_DELETE)?;
        self.disk.remove(name);
        if with_directory {
            self.disk.sync_names();
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, handle: u64, at: usize, buffer: &mut [u8]) -> Answer<()> {
        self.is_on(ffi::SQLITE_IOERR_READ)?;
        if let Some(left) = &mut self.reads_left {
            *left = left.checked_sub(1).ok_or(ffi::SQLITE_IOERR_READ)?;
        }
        let file = self.handle(handle)?.file;
        let length = self.disk.read(file, at, buffer);
        if length < buffer.len() {
            buffer[length..].fill(0);
            return Err(ffi::SQLITE_IOERR_SHORT_READ);
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, handle: u64, at: usize, bytes: &[u8]) -> Answer<()> {
        self.is_on(ffi::SQLITE_IOERR_WRITE)?;
        let Handle { file, name, .. } = self.handle(handle)?;
        let (file, is_wal) = (*file, name.ends_with("-wal"));
        self.counts.writes += 1;
        let dies = self.change(ffi::SQLITE_IOERR_WRITE);
        let reached = |from, times| (from..from + times).contains(&self.counts.writes);
        let refusal = match self.fault {
            Fault::WritesFull { from, times } if reached(from, times) => Some(ffi::SQLITE_FULL),
            Fault::WritesFail { from, times } if reached(from, times) => Some(ffi::SQLITE_IOERR_WRITE),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.counts.struck += 1;
            // A write that fails may have been done in part.
            let part = self.chance.place(bytes.len() + 1);
            let _ = self.disk.write(file, at, &bytes[..part]);
            return Err(refusal);
        }
        // The last write before the power goes is one of those of which any part may be kept.
        self.disk.write(file, at, bytes).map_err(|_| self.no_room())?;
        if is_wal {
            self.counts.longest_wal = self.counts.longest_wal.max(self.disk.size(file));
        }
        dies
    }

    pub(crate) fn truncate(&mut self, handle: u64, length: usize) -> Answer<()> {
        let Handle { file, chunk, .. } = *self.handle(handle)?;
        self.change(ffi::SQLITE_IOERR_TRUNCATE)?;
        let length = if chunk > 0 { length.next_multiple_of(chunk) } else { length };
        self.disk.resize(file, length).map_err(|_| self.no_room())
    }

    fn sync(&mut self, handle: u64) -> Answer<()> {
        self.counts.syncs += 1;
        self.change(ffi::SQLITE_IOERR_FSYNC)?;
        let State { disk, chance, handles, counts, fault, .. } = self;
        let Some(handle) = handles.get_mut(&handle) else { return Err(ffi::SQLITE_IOERR_FSYNC) };
        if let Fault::SyncsFail { from, times } = *fault
            && (from..from + times).contains(&counts.syncs)
        {
            counts.struck += 1;
            disk.fail_sync(handle.file, chance);
            return Err(ffi::SQLITE_IOERR_FSYNC);
        }
        disk.sync(handle.file);
        if std::mem::take(&mut handle.syncs_names) {
            disk.sync_names();
        }
        Ok(())
    }

    pub(crate) fn size(&mut self, handle: u64) -> Answer<usize> {
        self.is_on(ffi::SQLITE_IOERR_FSTAT)?;
        Ok(self.disk.size(self.handle(handle)?.file))
    }

    pub(crate) fn set_chunk(&mut self, handle: u64, bytes: usize) {
        if let Some(handle) = self.handles.get_mut(&handle) {
            handle.chunk = bytes;
        }
    }

    /// As SQLite's own files do it: room is made only in whole chunks, and only if there are any.
    pub(crate) fn size_hint(&mut self, handle: u64, bytes: usize) -> Answer<()> {
        let Handle { file, chunk, .. } = *self.handle(handle)?;
        if chunk == 0 || self.disk.size(file) >= bytes.next_multiple_of(chunk) {
            return Ok(());
        }
        self.change(ffi::SQLITE_IOERR_WRITE)?;
        self.disk.resize(file, bytes.next_multiple_of(chunk)).map_err(|_| {
            self.no_room();
            ffi::SQLITE_IOERR_WRITE
        })
    }

    /// SQLite's five levels: many share, one reserves, and only a lone one is exclusive.
    pub(crate) fn lock(&mut self, handle: u64, level: c_int) -> Answer<()> {
        let Handle { name, lock, .. } = self.handle(handle)?;
        if *lock >= level {
            return Ok(());
        }
        let others = |(number, other): &(&u64, &Handle)| **number != handle && other.name == *name;
        let highest = self.handles.iter().filter(others).map(|(_, other)| other.lock).max();
        let highest = highest.unwrap_or(ffi::SQLITE_LOCK_NONE);
        let most = match level {
            ffi::SQLITE_LOCK_SHARED => ffi::SQLITE_LOCK_RESERVED,
            ffi::SQLITE_LOCK_RESERVED => ffi::SQLITE_LOCK_SHARED,
            _ => ffi::SQLITE_LOCK_NONE,
        };
        if highest > most {
            return Err(ffi::SQLITE_BUSY);
        }
        self.set_lock(handle, level);
        Ok(())
    }

    pub(crate) fn set_lock(&mut self, handle: u64, level: c_int) {
        if let Some(handle) = self.handles.get_mut(&handle) {
            handle.lock = level;
        }
    }

    pub(crate) fn is_reserved(&self, handle: u64) -> bool {
        let name = self.handle(handle).map(|handle| handle.name.as_str()).unwrap_or_default();
        self.handles.values().any(|other| other.name == name && other.lock >= ffi::SQLITE_LOCK_RESERVED)
    }

    /// The region of the WAL index with this number; none if it is not there and was not to be made.
    pub(crate) fn map(&mut self, handle: u64, region: usize, make: bool) -> Answer<Option<*mut c_void>> {
        let index = self.index(handle)?;
        if index.regions.len() <= region && !make {
            return Ok(None);
        }
        while index.regions.len() <= region {
            index.regions.push(Box::new(UnsafeCell::new([0; REGION / 8])));
        }
        Ok(Some(index.regions[region].get().cast()))
    }

    pub(crate) fn lock_index(&mut self, handle: u64, first: c_int, count: c_int, flags: c_int) -> Answer<()> {
        let index = self.index(handle)?;
        let slots = first..first + count;
        if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
            for slot in slots {
                index.shared.entry(slot).or_default().remove(&handle);
                index.exclusive.remove(&slot);
            }
            return Ok(());
        }
        let is_exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
        let taken = |slot: c_int| {
            let by_one = index.exclusive.get(&slot).is_some_and(|owner| *owner != handle);
            let shared = index.shared.get(&slot);
            by_one
                || (is_exclusive && shared.is_some_and(|owners| owners.iter().any(|owner| *owner != handle)))
        };
        if slots.clone().any(taken) {
            return Err(ffi::SQLITE_BUSY);
        }
        for slot in slots {
            if is_exclusive {
                index.exclusive.insert(slot, handle);
            } else {
                index.shared.entry(slot).or_default().insert(handle);
            }
        }
        Ok(())
    }

    pub(crate) fn unmap(&mut self, handle: u64, delete: bool) {
        let Ok(index) = self.index(handle) else { return };
        index.shared.values_mut().for_each(|owners| _ = owners.remove(&handle));
        index.exclusive.retain(|_, owner| *owner != handle);
        let name = self.handle(handle).map(|handle| handle.name.clone()).unwrap_or_default();
        let is_last = self.handles.values().filter(|other| other.name == name).count() <= 1;
        // Shared memory lives as long as somebody has it; the last one leaves nothing that is trusted.
        if delete || is_last {
            self.indexes.remove(&name);
        }
    }

    /// So that the salts of a WAL repeat with the seed.
    pub(crate) fn randomness(&mut self, buffer: &mut [u8]) {
        buffer.iter_mut().for_each(|byte| *byte = self.chance.next() as u8);
    }

    fn index(&mut self, handle: u64) -> Answer<&mut WalIndex> {
        let name = self.handle(handle)?.name.clone();
        Ok(self.indexes.entry(name).or_default())
    }

    fn handle(&self, handle: u64) -> Answer<&Handle> {
        self.handles.get(&handle).ok_or(ffi::SQLITE_MISUSE)
    }

    fn is_on(&self, refusal: Refusal) -> Answer<()> {
        if self.is_off { Err(refusal) } else { Ok(()) }
    }

    /// Counts a change of the disk; this may be the one at which the power goes.
    fn change(&mut self, refusal: Refusal) -> Answer<()> {
        self.is_on(refusal)?;
        self.counts.changes += 1;
        if let Fault::CutAt(at) = self.fault
            && self.counts.changes >= at
        {
            self.is_off = true;
            self.counts.struck += 1;
            return Err(refusal);
        }
        Ok(())
    }

    fn no_room(&mut self) -> Refusal {
        self.counts.struck += 1;
        ffi::SQLITE_FULL
    }
}
