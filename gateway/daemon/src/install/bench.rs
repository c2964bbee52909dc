//! A line in the hands of who installs by phone: borrowed from the running gateway, one person at a time; a serial one at
//! whatever setting is wanted, for one exchange each.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::Instant;
use shouwang_core::engine::Sight;
use shouwang_installer::{Bus, Candidate, Heard, Lost, Order, Question, Setting, Traffic, Writing, Wrote};
use shouwang_message::Id;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::door::lock;
use crate::clock;
use crate::control::Lenders;
use crate::line::{Lender, Link};

/// The lines, and who has which.
#[derive(Debug)]
pub(super) struct Bench {
    lenders: Lenders,
    profile_dirs: Vec<PathBuf>,
    taken: Holders,
}

type Holders = Arc<Mutex<BTreeMap<Id, Holder>>>;

#[derive(Clone, Debug)]
struct Holder {
    name: String,
    task: Task,
}

/// What a line is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// A look at the values: every page that shows them has the line for a moment now and then.
    Look,
    /// A scan, or a new unit id.
    Work,
}

/// A look takes no longer, even of a device that answers to nothing.
const LOOKS_WITHIN: Duration = Duration::from_secs(6);
const AGAIN: Duration = Duration::from_millis(100);

/// One line, taken by one person until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    line: Id,
    taken: Holders,
    lender: Lender,
    /// Another setting than the line's own.
    at: Option<Setting>,
    runtime: Handle,
    begun: Instant,
}

/// Why a line cannot be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Busy {
    Unknown,
    /// Somebody else has it.
    By(String),
}

impl Bench {
    pub(super) fn new(lenders: Lenders, profile_dirs: Vec<PathBuf>) -> Self {
        Self { lenders, profile_dirs, taken: Arc::default() }
    }

    /// All profiles; where a folder of them is spoiled, the shipped ones.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let catalog = Catalog::load(&self.profile_dirs).unwrap_or_else(|_| Catalog::shipped());
        let candidate = |entry: &shouwang_catalog::Entry| Candidate {
            name: entry.profile.name.clone(),
            profile: entry.profile.clone(),
        };
        catalog.iter().map(candidate).collect()
    }

    /// Who works on this line.
    pub(super) fn holder(&self, line: &Id) -> Option<String> {
        let taken = lock(&self.taken);
        taken.get(line).filter(|holder| holder.task == Task::Work).map(|holder| holder.name.clone())
    }

    /// How this line speaks by itself.
    pub(super) fn setting(&self, sight: &Sight, line: &Id) -> Option<Setting> {
        let place = sight.lines.iter().position(|known| known.name == *line)?;
        Some(setting_of(self.lenders.borrow().get(place)?.link()))
    }

    /// Takes the line for this person, as soon as nobody looks at values there. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Somebody works on it, or there is none of this name.
    pub(super) async fn take(&self, sight: &Sight, line: &Id, by: &str, task: Task) -> Result<Taken, Busy> {
        let until = clock::now() + LOOKS_WITHIN;
        loop {
            match self.take_now(sight, line, Holder { name: by.to_owned(), task }) {
                Ok(taken) => return Ok(taken),
                Err(Busy::By(holder)) if self.holder(line).is_some() || clock::now() >= until => {
                    return Err(Busy::By(holder));
                }
                Err(Busy::By(_)) => sleep(AGAIN).await,
                Err(Busy::Unknown) => return Err(Busy::Unknown),
            }
        }
    }

    fn take_now(&self, sight: &Sight, line: &Id, by: Holder) -> Result<Taken, Busy> {
        let place = sight.lines.iter().position(|known| known.name == *line).ok_or(Busy::Unknown)?;
        let lender = self.lenders.borrow().get(place).cloned().ok_or(Busy::Unknown)?;
        let mut taken = lock(&self.taken);
        if let Some(holder) = taken.get(line) {
            return Err(Busy::By(holder.name.clone()));
        }
        taken.insert(line.clone(), by);
        drop(taken);
        let (taken, runtime) = (Arc::clone(&self.taken), Handle::current());
        Ok(Taken { line: line.clone(), taken, lender, at: None, runtime, begun: clock::now() })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.line);
    }
}

impl Taken {
    /// The line's own.
    pub(super) fn setting(&self) -> Setting {
        setting_of(self.lender.link())
    }
}

fn setting_of(link: &Link) -> Setting {
    match link {
        Link::Serial { baud, parity, stop_bits, .. } => {
            Setting::Serial { baud: *baud, parity: *parity, stop_bits: *stop_bits }
        }
        Link::Tcp { rtu_frames, .. } => Setting::Tcp { rtu_frames: *rtu_frames },
    }
}

fn gone() -> Lost {
    Lost::Line(
        "线路断了、不支持这个波特率,或另一位安装员正在用 · the line is down, does not know this speed, or another installer \
         is asking"
            .to_owned(),
    )
}

impl Bus for Taken {
    fn set(&mut self, setting: Setting) -> Result<(), Lost> {
        let own = self.setting();
        self.at = match (own, setting) {
            _ if own == setting => None,
            (Setting::Serial { .. }, Setting::Serial { .. }) => Some(setting),
            _ => {
                let why = format!("这条线是 {own},不是 {setting} · this line is at {own}, not at {setting}");
                return Err(Lost::Line(why));
            }
        };
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Heard, Lost> {
        self.runtime.block_on(self.lender.ask_at(self.at, *question)).ok_or_else(gone)
    }

    fn traffic(&self) -> Traffic {
        self.lender.traffic().unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        clock::now().since(self.begun)
    }
}

impl Writing for Taken {
    fn write(&mut self, order: &Order) -> Result<Wrote, Lost> {
        self.runtime.block_on(self.lender.write_at(self.at, *order)).ok_or_else(gone)
    }

    fn rest(&mut self, time: Duration) -> Result<(), Lost> {
        self.runtime.block_on(sleep(time));
        Ok(())
    }

    /// Who left the page does not end it either.
    fn see_through(&mut self, _: bool) {}
}
