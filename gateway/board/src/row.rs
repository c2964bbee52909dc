//! One row of the list: an alarm as its gateway tells it, a fault, a counted loss, or a lost gateway.
use alloc::boxed::Box;
use core::cmp::Ordering;

use serde::{Deserialize, Serialize};
use shouwang_message::{
    Acknowledged, AlarmDocument, AlarmId, Clock, CommandError, CommandName, FaultDocument, Id, Instant, Mode,
    Priority, Timestamp,
};

use crate::GatewayName;
use crate::desk::TakenBack;

/// An alarm that comes later than this says so.
const LATE_MS: i64 = 5_000;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    Alarm,
    /// Equipment that cannot be trusted: a device, a line, a store, our own link.
    Fault,
    /// A counted loss; stays until a person has seen it.
    Gap,
    /// A gateway that is lost or stopped.
    Gateway,
    /// Something that a person ought to read; stays until one has.
    Note,
}

impl RowKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Fault => "fault",
            Self::Gap => "gap",
            Self::Gateway => "gateway",
            Self::Note => "note",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Matter {
    Alarm(Box<AlarmDocument>),
    /// Everything that is not an alarm has a fault's fields.
    Other(Box<FaultDocument>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) kind: RowKind,
    pub(crate) site: Id,
    /// Who tells it; nobody else may change it.
    pub(crate) gateway: Id,
    pub(crate) matter: Matter,
    /// How often; for gaps how many were lost.
    pub(crate) count: u64,
    /// A person's acknowledgement of what is not an alarm: it lives here only.
    pub(crate) acknowledged: Option<Acknowledged>,
    /// The highest revision whose event is on our disk; none yet for a provisional row.
    pub(crate) heard: Option<u32>,
    /// Its alarm is finished, or its fault cleared: nothing of it changes any more.
    #[serde(default)]
    pub(crate) finished: bool,
    /// A loss right after smoke or gas: an emergency until a person has seen it.
    #[serde(default)]
    pub(crate) after_alarm: bool,
    /// Its case has a conclusion.
    #[serde(default)]
    pub(crate) concluded: bool,
    /// When this room first knew of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) known_at: Option<Timestamp>,
    /// The newest revision that its own topic told: so it is now, and not only in an old log.
    #[serde(skip)]
    pub(crate) on_topic: u32,
    /// The gateway emptied the retained document before its event was heard.
    #[serde(skip)]
    pub(crate) withdrawn: bool,
    /// Made here rather than told by its gateway: it ends with this process, and is made again.
    #[serde(skip)]
    pub(crate) made_here: bool,
    /// The gateway answered that it does not know this alarm, and has not told of it since.
    #[serde(skip)]
    pub(crate) unknown: bool,
    /// While what is shown was told unlogged: the newest that its gateway told as being on its disk.
    #[serde(skip)]
    pub(crate) logged: Option<Box<AlarmDocument>>,
    /// What is shown was told unlogged by a process that is gone: the log's word counts.
    #[serde(skip)]
    pub(crate) outlived: bool,
    /// Of the last change to it.
    #[serde(skip)]
    pub(crate) mark: u64,
    /// This room's own word on its acknowledgement; kept by itself.
    #[serde(skip)]
    pub(crate) taken_back: Option<TakenBack>,
    /// When a person here acknowledged it, in this process.
    #[serde(skip)]
    pub(crate) acknowledged_here: Option<Instant>,
    /// The last request about it that the gateway refused.
    #[serde(skip)]
    pub(crate) refused: Option<(CommandName, CommandError)>,
}

impl Row {
    pub(crate) fn alarm(whom: &GatewayName, document: AlarmDocument) -> Self {
        Self::new(RowKind::Alarm, whom, Matter::Alarm(Box::new(document)))
    }

    pub(crate) fn other(kind: RowKind, whom: &GatewayName, document: FaultDocument) -> Self {
        Self { heard: Some(0), ..Self::new(kind, whom, Matter::Other(Box::new(document))) }
    }

    fn new(kind: RowKind, whom: &GatewayName, matter: Matter) -> Self {
        Self {
            kind,
            site: whom.site.clone(),
            gateway: whom.gateway.clone(),
            matter,
            count: 1,
            acknowledged: None,
            heard: None,
            finished: false,
            after_alarm: false,
            concluded: false,
            known_at: None,
            on_topic: 0,
            withdrawn: false,
            made_here: false,
            unknown: false,
            logged: None,
            outlived: false,
            mark: 0,
            taken_back: None,
            acknowledged_here: None,
            refused: None,
        }
    }

    pub(crate) fn id(&self) -> AlarmId {
        match &self.matter {
            Matter::Alarm(document) => document.id,
            Matter::Other(document) => document.id,
        }
    }

    /// Faults have no revision; one of theirs is as good as another.
    pub(crate) fn revision(&self) -> u32 {
        match &self.matter {
            Matter::Alarm(document) => document.revision,
            Matter::Other(_) => 0,
        }
    }

    pub(crate) fn provisional(&self) -> bool {
        self.heard.is_none_or(|heard| heard < self.revision())
    }

    /// Between this document and what is shown lies nothing but whom the gateway texted, which no event tells.
    pub(crate) fn differs_by_texts_only(&self, document: &AlarmDocument) -> bool {
        self.alarm_document().is_some_and(|shown| {
            let texted = shown.texted.clone();
            let (revision, unlogged) = (shown.revision, shown.unlogged);
            texted != document.texted
                && *shown == AlarmDocument { revision, unlogged, texted, ..document.clone() }
        })
    }

    /// It may leave the list: life safety only with a person's conclusion.
    pub(crate) fn is_done(&self) -> bool {
        let waits = self.alarm_document().is_some_and(|document| document.class.is_life_safety());
        self.finished && (self.concluded || !waits) && !self.waits_for_a_person()
    }

    /// Its gateway told it before it was on the gateway's disk.
    pub(crate) fn is_unlogged(&self) -> bool {
        matches!(&self.matter, Matter::Alarm(document) if document.unlogged)
    }

    /// Shows this document from now on.
    pub(crate) fn tell(&mut self, document: AlarmDocument) {
        let is_logged = !document.unlogged;
        let before = core::mem::replace(&mut self.matter, Matter::Alarm(Box::new(document)));
        self.outlived = false;
        if is_logged {
            self.logged = None;
        } else if let Matter::Alarm(before) = before
            && !before.unlogged
        {
            self.logged = Some(before);
        }
    }

    /// Its gateway's process is gone, and with it what it told unlogged: back to what is on the gateway's disk,
    /// as far as that is known. True if that changed what is shown.
    pub(crate) fn end_unlogged(&mut self) -> bool {
        if !self.is_unlogged() {
            return false;
        }
        let logged = self.logged.take();
        self.outlived = logged.is_none();
        let Some(logged) = logged else { return false };
        self.matter = Matter::Alarm(logged);
        true
    }

    pub(crate) fn belongs_to(&self, whom: &GatewayName) -> bool {
        self.site == whom.site && self.gateway == whom.gateway
    }

    pub(crate) fn whom(&self) -> GatewayName {
        GatewayName { site: self.site.clone(), gateway: self.gateway.clone() }
    }

    pub(crate) fn alarm_document(&self) -> Option<&AlarmDocument> {
        match &self.matter {
            Matter::Alarm(document) => Some(document),
            Matter::Other(_) => None,
        }
    }

    pub(crate) fn fault_document(&self) -> Option<&FaultDocument> {
        match &self.matter {
            Matter::Other(document) => Some(document),
            Matter::Alarm(_) => None,
        }
    }

    pub(crate) fn priority(&self) -> Priority {
        match &self.matter {
            Matter::Other(_) if self.after_alarm => Priority::Emergency,
            Matter::Alarm(document) => document.priority,
            Matter::Other(document) => document.priority,
        }
    }

    pub(crate) fn acknowledged(&self) -> Option<&Acknowledged> {
        match &self.matter {
            Matter::Alarm(document) => match self.own_word() {
                Some(taken) => taken.again.as_ref(),
                None => document.acknowledged.as_ref(),
            },
            Matter::Other(_) => self.acknowledged.as_ref(),
        }
    }

    /// For how many seconds nobody here knew of this alarm, if that is worth a word: a broker or a gateway was away. Of a
    /// second cry nobody knows when it was.
    pub(crate) fn late_s(&self) -> Option<i64> {
        let document = self.alarm_document()?;
        let is_dated = document.occurrence == 1 && document.clock != Clock::Unset;
        let late_ms = self.known_at?.unix_ms() - document.raised_at.unix_ms();
        (is_dated && late_ms > LATE_MS).then_some(late_ms / 1_000)
    }

    pub(crate) fn device(&self) -> Option<&Id> {
        match &self.matter {
            Matter::Alarm(document) => Some(&document.device),
            Matter::Other(document) => document.device.as_ref(),
        }
    }

    /// The alarm or fault that explains this alarm, as its gateway says.
    pub(crate) fn suppressed_by(&self) -> Option<AlarmId> {
        self.alarm_document()?.suppressed.as_ref().map(|suppressed| suppressed.by)
    }

    pub(crate) fn is_live_emergency(&self) -> bool {
        let live = self.alarm_document().is_none_or(|document| document.mode == Mode::Live);
        !self.finished && live && self.priority() == Priority::Emergency
    }

    /// The gateway has a newer cry than `occurrence`: an acknowledgement up to there was for another one.
    /// True if there was one.
    pub(crate) fn take_back_acknowledgement(&mut self, occurrence: u32) -> bool {
        match &mut self.matter {
            Matter::Alarm(document) if document.occurrence <= occurrence => {
                document.acknowledged.take().is_some()
            }
            _ => false,
        }
    }

    /// Active unacknowledged, then cleared unacknowledged, then acknowledged, then what only waits for a
    /// conclusion; the worst first; the oldest first.
    pub(crate) fn order(&self, acknowledged: bool) -> Order {
        let (active, raised_at) = match &self.matter {
            Matter::Alarm(document) => (document.active, document.raised_at),
            Matter::Other(document) => (document.active, document.raised_at),
        };
        let priority = self.priority();
        let group = match (acknowledged, active) {
            (false, true) => 0,
            (false, false) => 1,
            (true, _) if self.finished => 3,
            (true, _) => 2,
        };
        // What is real stands above every exercise.
        let exercise =
            self.alarm_document().is_some_and(|document| matches!(document.mode, Mode::Test | Mode::Drill));
        Order { group, exercise, priority, kind: self.kind, raised_at, id: self.id() }
    }
}

/// A row's place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    group: u8,
    exercise: bool,
    priority: Priority,
    kind: RowKind,
    raised_at: Timestamp,
    id: AlarmId,
}

impl Order {
    /// A group stands where the worst of its rows would.
    pub(crate) fn of_group(self, id: AlarmId) -> Self {
        Self { id, ..self }
    }
}

impl Ord for Order {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |order: &Self| {
            (order.group, order.exercise, order.priority, order.raised_at, order.kind, order.id)
        };
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
