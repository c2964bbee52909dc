//! A fault is equipment that cannot be trusted: told like an event, never on an alarm's topic.
use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use shouwang_message::{FaultDocument, Id, Timestamp};

/// What is at fault. One fault at most is open for each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// The device stopped answering.
    Lost(Id),
    /// The device says so itself, by this condition of its profile.
    Told {
        device: Id,
        condition: String,
    },
    /// The device answers, but what this point says cannot be.
    Implausible {
        device: Id,
        point: String,
    },
    /// The device answers, but refuses what its conditions are judged by.
    Refuses(Id),
    /// The call unit's press counter went back.
    CounterBack(Id),
    /// Another model answers at the device's unit id.
    Identity(Id),
    LineDown(Id),
    StoreFailing,
    UplinkDown,
    /// The broker lets us in and throws us out again and again.
    ThrownOut,
    /// An output is not as it should be.
    Output(Id),
    /// The gateway's own modem does not work.
    Modem,
    /// The configuration on disk is not the one in force.
    Configuration,
    /// The process had to be ended and started again.
    Restarted,
    /// Connected, but no duty room confirms the newest alarm.
    Unheard,
    ClockUnset,
}

/// An open fault, as it survives a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) source: Source,
    pub(crate) document: FaultDocument,
}

/// All open faults; bounded by what is configured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Faults {
    #[serde(with = "crate::snapshot::pairs")]
    open: BTreeMap<Source, FaultDocument>,
}

impl Faults {
    pub(crate) fn is_open(&self, source: &Source) -> bool {
        self.open.contains_key(source)
    }

    /// As it was told.
    pub(crate) fn get(&self, source: &Source) -> Option<&FaultDocument> {
        self.open.get(source)
    }

    pub(crate) fn insert(&mut self, fault: Fault) {
        self.open.insert(fault.source, fault.document);
    }

    /// Ends the fault; the document tells when it began and ended.
    pub(crate) fn clear(&mut self, source: &Source, at: Timestamp) -> Option<FaultDocument> {
        let mut document = self.open.remove(source)?;
        document.active = false;
        document.cleared_at = Some(at);
        Some(document)
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.open.keys()
    }
}
