//! The line threads of a gateway, which may change while it runs.
//!
//! A thread tells by a number of its own that no other ever has; the core knows the line by its place in the
//! configuration. What a thread says that was ended meanwhile is nobody's.
use std::io;
use std::sync::Arc;

use shouwang_core::Instant;
use shouwang_core::configuration::LineIndex;
use shouwang_core::input::Input;
use shouwang_core::output::Ask;
use shouwang_message::Id;
use tokio::sync::{mpsc, watch};

use crate::config::Link;
use crate::control::Lenders;
use crate::line::{self, Lender, LineHandle, WireTap};
use crate::watchdog::{HUNG_AFTER, Watchdog};

/// All lines of the configuration in force, by its indexes.
pub(crate) struct Lines {
    running: Vec<Running>,
    next_number: usize,
    tap: WireTap,
    told: mpsc::Sender<Input>,
    lenders: watch::Sender<Arc<[Lender]>>,
}

#[derive(Debug)]
struct Running {
    number: usize,
    name: Id,
    link: Link,
    handle: LineHandle,
}

/// The thread of a line could not be started.
#[derive(Debug)]
pub(crate) struct NoThread {
    pub(crate) line: Id,
    pub(crate) source: io::Error,
}

impl Lines {
    /// None yet; what they say goes to `told`.
    pub(crate) fn new(tap: WireTap, told: mpsc::Sender<Input>) -> Self {
        Self { running: Vec::new(), next_number: 0, tap, told, lenders: watch::Sender::default() }
    }

    /// Whom an installer may borrow a line from, as the lines come and go.
    pub(crate) fn lenders(&self) -> Lenders {
        self.lenders.subscribe()
    }

    pub(crate) fn ask(&self, line: LineIndex, ask: Ask) {
        if let Some(running) = self.running.get(line) {
            running.handle.ask(ask);
        }
    }

    /// What a line's thread says, by the line's place now; none if that thread was ended.
    pub(crate) fn placed(&self, mut input: Input) -> Option<Input> {
        if let Input::LineUp { line } | Input::LineDown { line, .. } | Input::Answered { line, .. } =
            &mut input
        {
            *line = self.running.iter().position(|running| running.number == *line)?;
        }
        Some(input)
    }

    /// Makes the lines these: each goes on as the one of the index given, if its port is the same, and is opened
    /// anew otherwise. Gives those that the core takes to be going on although their ports are others.
    pub(crate) fn change(
        &mut self,
        lines: impl Iterator<Item = (Id, Link, Option<LineIndex>)>,
        watchdog: &Watchdog,
    ) -> Result<Vec<LineIndex>, NoThread> {
        let mut before: Vec<Option<Running>> = self.running.drain(..).map(Some).collect();
        let mut reopened = Vec::new();
        for (index, (name, link, goes_on_as)) in lines.enumerate() {
            let same = goes_on_as.and_then(|old| before.get_mut(old)?.take_if(|old| old.link == link));
            let running = match same {
                Some(same) => same,
                None => {
                    if goes_on_as.is_some() {
                        reopened.push(index);
                    }
                    let of_name =
                        |old: &&mut Option<Running>| old.as_ref().is_some_and(|old| old.name == name);
                    let old = before.iter_mut().find(of_name).and_then(Option::take);
                    self.open(name, link, old, watchdog)?
                }
            };
            self.running.push(running);
        }
        for ended in before.into_iter().flatten() {
            watchdog.unwatch(&ended.handle.pulse());
            // Nobody waits for it; it ends with its next breath.
            drop(ended.handle.end());
        }
        let lenders = self.running.iter().map(|running| running.handle.lender(&running.link));
        self.lenders.send_replace(lenders.collect());
        Ok(reopened)
    }

    /// Opens a port on a thread of its own, which first lets the one before close the same port.
    fn open(
        &mut self,
        name: Id,
        link: Link,
        before: Option<Running>,
        watchdog: &Watchdog,
    ) -> Result<Running, NoThread> {
        let number = self.next_number;
        self.next_number += 1;
        let before = before.and_then(|before| {
            watchdog.unwatch(&before.handle.pulse());
            before.handle.end()
        });
        let told = self.told.clone();
        // A loop that has ended hears nothing more; then nothing is lost by saying it in vain.
        let told = move |_: Instant, input| drop(told.blocking_send(input));
        let handle = line::spawn_after(before, number, link.clone(), self.tap.clone(), told)
            .map_err(|source| NoThread { line: name.clone(), source })?;
        let thread = line::thread_name(number);
        watchdog.watch_pulse(format!("line {name}"), Some(&thread), HUNG_AFTER, handle.pulse());
        Ok(Running { number, name, link, handle })
    }
}
