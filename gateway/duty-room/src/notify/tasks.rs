//! The channels' tasks: one that ends although it should work is seen by whoever watches over the duty room; one that
//! was taken out of the configuration may tell what it was given, and end.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shouwang_message::Id;
use tokio::task::JoinHandle;

/// Channels that are on their way out; the oldest of more is ended, and what it had is told by others.
const LEAVING: usize = 32;

/// Shared by those who start channels and those who wait for their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<Mutex<Vec<Task>>>);

#[derive(Debug)]
struct Task {
    /// None: it is on its way out.
    channel: Option<Id>,
    handle: JoinHandle<()>,
}

impl Tasks {
    fn all(&self) -> MutexGuard<'_, Vec<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, channel: Id, handle: JoinHandle<()>) {
        self.all().push(Task { channel: Some(channel), handle });
    }

    /// These may end.
    pub(super) fn leave<'a>(&self, channels: impl Iterator<Item = &'a Id>) {
        let mut tasks = self.all();
        for id in channels {
            for task in tasks.iter_mut().filter(|task| task.channel.as_ref() == Some(id)) {
                task.channel = None;
            }
        }
        tasks.retain(|task| task.channel.is_some() || !task.handle.is_finished());
        while tasks.iter().filter(|task| task.channel.is_none()).count() > LEAVING {
            let Some(oldest) = tasks.iter().position(|task| task.channel.is_none()) else { return };
            tasks.remove(oldest).handle.abort();
        }
    }

    /// One that should work has ended.
    pub(crate) fn has_died(&self) -> bool {
        self.all().iter().any(|task| task.channel.is_some() && task.handle.is_finished())
    }

    /// Every one that runs, for the end of the duty room.
    pub(crate) fn take(&self) -> Vec<JoinHandle<()>> {
        self.all().drain(..).map(|task| task.handle).collect()
    }
}
