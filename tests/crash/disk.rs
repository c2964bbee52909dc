//! A disk in memory that keeps two images of every file: what a program reads back, and what a power cut
//! leaves. Between the two lie the writes since the last sync, and a cut keeps of these what it likes.
//!
//! Sectors reach the medium singly and in any order; the one being written when the power goes may hold part
//! of both, or rubbish. Names appear and vanish in the order in which that was asked for, as on a file system
//! with a journal. Bytes beside a write are never harmed (`SQLITE_IOCAP_POWERSAFE_OVERWRITE`, as SQLite
//! assumes of every disk), and what was once synced stays: flash that lies is not modelled.
use std::collections::BTreeMap;

use shouwang_tests::chance::Chance;

const SECTOR: usize = 512;

/// All files of one machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    names: BTreeMap<String, usize>,
    names_on_medium: BTreeMap<String, usize>,
    renamed: Vec<Naming>,
    files: Vec<File>,
    /// Bytes that all files together may have.
    pub(crate) room: Option<u64>,
}

#[derive(Clone, Debug)]
enum Naming {
    Made(String, usize),
    Gone(String),
}

#[derive(Clone, Debug, Default)]
struct File {
    seen: Vec<u8>,
    medium: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Resize { length: usize },
}

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Disk {
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn make(&mut self, name: &str) -> usize {
        let file = self.files.len();
        self.files.push(File::default());
        self.names.insert(name.to_owned(), file);
        self.renamed.push(Naming::Made(name.to_owned(), file));
        file
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if self.names.remove(name).is_some() {
            self.renamed.push(Naming::Gone(name.to_owned()));
        }
    }

    /// All names made and removed so far are on the medium.
    pub(crate) fn sync_names(&mut self) {
        self.renamed.clear();
        self.names_on_medium.clone_from(&self.names);
    }

    pub(crate) fn size(&self, file: usize) -> usize {
        self.files[file].seen.len()
    }

    /// Copies what is there into the beginning of `buffer` and says how much that was.
    pub(crate) fn read(&self, file: usize, at: usize, buffer: &mut [u8]) -> usize {
        let rest = self.files[file].seen.get(at..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        length
    }

    pub(crate) fn write(&mut self, file: usize, at: usize, bytes: &[u8]) -> Result<(), Full> {
        self.has_room(file, at + bytes.len())?;
        let change = Change::Write { at, bytes: bytes.to_vec() };
        change.apply(&mut self.files[file].seen);
        self.files[file].unsynced.push(change);
        Ok(())
    }

    pub(crate) fn resize(&mut self, file: usize, length: usize) -> Result<(), Full> {
        self.has_room(file, length)?;
        let change = Change::Resize { length };
        change.apply(&mut self.files[file].seen);
        self.files[file].unsynced.push(change);
        Ok(())
    }

    pub(crate) fn sync(&mut self, file: usize) {
        let File { medium, unsynced, .. } = &mut self.files[file];
        for change in unsynced.drain(..) {
            change.apply(medium);
        }
    }

    /// As Linux does when a sync fails: the pages count as clean and are still read back, but reach the medium
    /// only in part, and no later sync writes them.
    pub(crate) fn fail_sync(&mut self, file: usize, chance: &mut Chance) {
        let File { medium, unsynced, .. } = &mut self.files[file];
        for change in unsynced.drain(..) {
            if chance.percent(20) {
                change.apply(medium);
            }
        }
    }

    /// The power goes: what a program reads back from here on is what the medium has.
    pub(crate) fn cut(&mut self, chance: &mut Chance) {
        let kept = chance.place(self.renamed.len() + 1);
        for naming in self.renamed.drain(..).take(kept) {
            match naming {
                Naming::Made(name, file) => self.names_on_medium.insert(name, file),
                Naming::Gone(name) => self.names_on_medium.remove(&name),
            };
        }
        self.names.clone_from(&self.names_on_medium);
        let fate = Fate::draw(chance);
        for file in &mut self.files {
            let last = file.unsynced.len();
            let torn_at = chance.place(last + 1);
            for (place, change) in file.unsynced.drain(..).enumerate() {
                change.suffer(fate, place.cmp(&torn_at), &mut file.medium, chance);
            }
            file.seen.clone_from(&file.medium);
        }
    }

    /// Bytes of all files, as a file system counts them against its size.
    pub(crate) fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].seen.len() as u64).sum()
    }

    fn has_room(&self, file: usize, length: usize) -> Result<(), Full> {
        let more = length.saturating_sub(self.files[file].seen.len()) as u64;
        match self.room {
            Some(room) if more > 0 && self.used() + more > room => Err(Full),
            _ => Ok(()),
        }
    }
}

/// What becomes of writes that were not synced when the power went.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Kept,
    /// Those before a certain moment, and a part of the one that was under way.
    InOrder {
        rubbish: bool,
    },
    /// Any sectors of any of them.
    AnyOrder,
}

impl Fate {
    fn draw(chance: &mut Chance) -> Self {
        match chance.below(10) {
            0..2 => Self::Lost,
            2 => Self::Kept,
            3..6 => Self::InOrder { rubbish: chance.percent(30) },
            _ => Self::AnyOrder,
        }
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => overwrite(image, *at, bytes),
            Self::Resize { length } => image.resize(*length, 0),
        }
    }

    fn suffer(&self, fate: Fate, to_torn: std::cmp::Ordering, medium: &mut Vec<u8>, chance: &mut Chance) {
        match (fate, to_torn) {
            (Fate::Kept, _) | (Fate::InOrder { .. }, std::cmp::Ordering::Less) => self.apply(medium),
            (Fate::Lost, _) | (Fate::InOrder { .. }, std::cmp::Ordering::Greater) => {}
            (Fate::InOrder { rubbish }, std::cmp::Ordering::Equal) => self.tear(rubbish, medium, chance),
            (Fate::AnyOrder, _) => self.scatter(medium, chance),
        }
    }

    /// The first part of the write is new, to the byte; the rest of that sector may be rubbish.
    fn tear(&self, rubbish: bool, medium: &mut Vec<u8>, chance: &mut Chance) {
        let Self::Write { at, bytes } = self else { return };
        let whole = chance.place(bytes.len() + 1);
        overwrite(medium, *at, &bytes[..whole]);
        if rubbish {
            let rest = bytes.len().min(whole.next_multiple_of(SECTOR)) - whole;
            let noise: Vec<u8> = (0..rest).map(|_| chance.next() as u8).collect();
            overwrite(medium, at + whole, &noise);
        }
    }

    fn scatter(&self, medium: &mut Vec<u8>, chance: &mut Chance) {
        match self {
            Self::Resize { .. } => {
                if chance.percent(50) {
                    self.apply(medium);
                }
            }
            Self::Write { at, bytes } => {
                let mut done = 0;
                while done < bytes.len() {
                    let length = (SECTOR - (at + done) % SECTOR).min(bytes.len() - done);
                    if chance.percent(50) {
                        overwrite(medium, at + done, &bytes[done..done + length]);
                    }
                    done += length;
                }
            }
        }
    }
}

fn overwrite(image: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = at + bytes.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[at..end].copy_from_slice(bytes);
}
