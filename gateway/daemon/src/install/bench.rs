//! A line in the hands of who installs by phone: borrowed from the running gateway, one person at a time, at the setting
//! that the line has.
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
    taken: Arc<Mutex<BTreeMap<Id, String>>>,
}

/// One line, taken by one person until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    line: Id,
    taken: Arc<Mutex<BTreeMap<Id, String>>>,
    lender: Lender,
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

    /// Who has this line.
    pub(super) fn holder(&self, line: &Id) -> Option<String> {
        lock(&self.taken).get(line).cloned()
    }

    /// Takes the line for this person. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Somebody has it, or there is none of this name.
    pub(super) fn take(&self, sight: &Sight, line: &Id, by: &str) -> Result<Taken, Busy> {
        let place = sight.lines.iter().position(|known| known.name == *line).ok_or(Busy::Unknown)?;
        let lender = self.lenders.borrow().get(place).cloned().ok_or(Busy::Unknown)?;
        let mut taken = lock(&self.taken);
        if let Some(holder) = taken.get(line) {
            return Err(Busy::By(holder.clone()));
        }
        taken.insert(line.clone(), by.to_owned());
        drop(taken);
        let (taken, runtime) = (Arc::clone(&self.taken), Handle::current());
        Ok(Taken { line: line.clone(), taken, lender, runtime, begun: clock::now() })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.line);
    }
}

impl Taken {
    pub(super) fn setting(&self) -> Setting {
        match self.lender.link() {
            Link::Serial { baud, parity, stop_bits, .. } => {
                Setting::Serial { baud: *baud, parity: *parity, stop_bits: *stop_bits }
            }
            Link::Tcp { rtu_frames, .. } => Setting::Tcp { rtu_frames: *rtu_frames },
        }
    }
}

fn gone() -> Lost {
    Lost::Line("线路断了,或另一位安装员正在用 · the line is down, or another installer is asking".to_owned())
}

impl Bus for Taken {
    fn set(&mut self, setting: Setting) -> Result<(), Lost> {
        let own = self.setting();
        if setting == own {
            return Ok(());
        }
        let why = format!("这条线是 {own},不是 {setting} · this line is at {own}, not at {setting}");
        Err(Lost::Line(why))
    }

    fn ask(&mut self, question: &Question) -> Result<Heard, Lost> {
        self.runtime.block_on(self.lender.ask(*question)).ok_or_else(gone)
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
        self.runtime.block_on(self.lender.write(*order)).ok_or_else(gone)
    }

    fn rest(&mut self, time: Duration) -> Result<(), Lost> {
        self.runtime.block_on(sleep(time));
        Ok(())
    }

    /// Who left the page does not end it either.
    fn see_through(&mut self, _: bool) {}
}
