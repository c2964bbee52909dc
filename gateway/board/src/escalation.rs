//! The ladder as it is configured: which channels there are, and who is told through which of them after how long.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Id, Priority};

use crate::organisation::Target;

/// From acknowledgement, or the last step of its case, until an emergency is urged.
pub(crate) const UNMOVED: Duration = Duration::from_secs(300);
/// Where the ladder goes on then.
pub(crate) const URGED_FROM: Duration = Duration::from_secs(60);
/// From sending a person until the next one is sent.
pub(crate) const UNANSWERED: Duration = Duration::from_secs(120);

/// Channels and steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Escalation {
    pub channels: BTreeMap<Id, Reach>,
    /// By priority, in order of their time.
    pub steps: BTreeMap<Priority, Vec<Step>>,
    /// Who is told, in order of time, that nobody is on watch here or that a roll call has no answer.
    pub watch: Vec<Step>,
    /// Who is told, at once, of a case that was not accepted or handled in its time.
    pub supervise: Option<Step>,
    /// Channels that text themselves once a week, and at which number.
    pub own_numbers: BTreeMap<Id, String>,
    /// Through which channels a person is told that they are sent.
    pub dispatch: BTreeSet<Id>,
}

/// What a channel reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A group's robot, or another program: wakes nobody.
    Group,
    /// One person's phone, by its number.
    Person {
        /// It can bring back an answer.
        answers: bool,
    },
}

/// One rung: after so long, these people through these channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Since the cry.
    pub after: Duration,
    pub channels: Vec<Id>,
    pub to: Vec<Target>,
}

impl Escalation {
    pub(crate) fn steps(&self, priority: Priority) -> &[Step] {
        self.steps.get(&priority).map(Vec::as_slice).unwrap_or_default()
    }
}
