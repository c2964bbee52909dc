//! What must be true of one call unit, counted apart from the shipped decisions: presses by watching the unit's
//! own counter, what was told by adding up the events on the two disks, and what people did when they did it.
use std::collections::BTreeMap;

use call_button::{Counters, Display};
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, CommandName, Event, EventData};

/// The presses that a log tells, and how it leaves the newest call.
#[derive(Clone, Debug, Default)]
struct Told {
    presses: BTreeMap<AlarmId, u64>,
    call: Option<AlarmId>,
    is_acknowledged: bool,
    is_coming: bool,
}

impl Told {
    fn add(&mut self, event: &Event) {
        match &event.data {
            EventData::Alarm(change, document) => {
                if let AlarmChange::Raised | AlarmChange::Repeated = change {
                    self.is_coming = false;
                }
                self.presses.insert(document.id, document.occurrence.into());
                self.call = (*change != AlarmChange::Finished).then_some(document.id);
                self.is_acknowledged = document.acknowledged.is_some();
            }
            EventData::Command(record) if record.name == CommandName::Coming => self.is_coming = true,
            _ => {}
        }
    }

    fn total(&self) -> u64 {
        self.presses.values().sum()
    }

    fn lamp(&self) -> Display {
        match (self.call, self.is_coming, self.is_acknowledged) {
            (None, ..) => Display::Idle,
            (Some(_), true, _) => Display::Coming,
            (Some(_), false, true) => Display::Seen,
            (Some(_), false, false) => Display::Heard,
        }
    }
}

/// Press numbers count from 1 in the order in which the unit counted them.
#[derive(Debug)]
pub struct Truth {
    first_count: u16,
    seen: Counters,
    pub presses: u64,
    /// Everything up to this press was taken back at the unit.
    cancelled: u64,
    /// Presses that were told together as one, because the gateway did not know the unit yet (rule 3); none
    /// while it still does not.
    merged: Option<u64>,
    /// What the engine would tell, what is on its disk, what is on the duty room's.
    recorded: BTreeMap<AlarmId, u64>,
    durable: Told,
    heard: Told,
    /// How many told presses the person knew of who last acknowledged or said to be coming, and how many
    /// there were when no call was open.
    acknowledged: u64,
    coming: u64,
    finished: u64,
}

impl Truth {
    pub fn new(seen: Counters) -> Self {
        Self {
            first_count: seen.presses,
            seen,
            presses: 0,
            cancelled: 0,
            merged: None,
            recorded: BTreeMap::new(),
            durable: Told::default(),
            heard: Told::default(),
            acknowledged: 0,
            coming: 0,
            finished: 0,
        }
    }

    /// The unit did something. Is what it counts and shows true?
    pub fn unit(&mut self, now: Counters, display: Display) -> Result<(), String> {
        let was = std::mem::replace(&mut self.seen, now);
        let pressed = now.presses.wrapping_sub(was.presses);
        let was_cancelled = now.cancels != was.cancels;
        if was_cancelled {
            self.cancelled = self.presses;
        }
        self.presses += u64::from(pressed);
        if pressed > 1 {
            return Err(format!("the unit counted {pressed} presses in one moment: {was:?} {now:?}"));
        }
        let told = self.durable.total();
        if was.latched && !now.latched && !was_cancelled && (self.merged.is_none() || told < self.owed()) {
            return Err(format!("echoed {} of which {told} told presses are on disk: {self:?}", now.presses));
        }
        self.lamp(display)
    }

    /// The engine's own open alarms, after every input.
    pub fn engine<'a>(&mut self, alarms: impl Iterator<Item = &'a AlarmDocument>) -> Result<(), String> {
        let mut is_open = false;
        for document in alarms {
            is_open = true;
            self.recorded.insert(document.id, document.occurrence.into());
        }
        let total = self.recorded_total();
        if !is_open {
            self.finished = self.finished.max(total);
        }
        if total > self.owed() {
            return Err(format!("told {total} presses of {}: {self:?}", self.presses));
        }
        Ok(())
    }

    /// A person who had heard of so many presses did this, and it has reached the gateway.
    pub fn person(&mut self, name: CommandName, heard: u64) {
        match name {
            CommandName::Acknowledge => self.acknowledged = self.acknowledged.max(heard),
            CommandName::Coming => self.coming = self.coming.max(heard),
            _ => {}
        }
    }

    /// The same of somebody who saw this call at this occurrence.
    pub fn person_saw(&mut self, name: CommandName, call: AlarmId, occurrence: u32) {
        let before = self.recorded_total() - self.recorded.get(&call).copied().unwrap_or(0);
        self.person(name, before + u64::from(occurrence));
    }

    pub fn heard_presses(&self) -> u64 {
        self.heard.total()
    }

    /// This is on the gateway's disk, and so is that it recorded every press up to this count.
    pub fn committed(
        &mut self,
        events: &[Event],
        recorded: impl FnOnce() -> Option<u16>,
    ) -> Result<(), String> {
        for event in events {
            self.durable.add(event);
        }
        if self.merged.is_none()
            && let Some(count) = recorded()
        {
            let before = u64::from(count.wrapping_sub(self.first_count));
            let told = self.durable.total();
            if told > before || (told == 0 && before > self.cancelled) {
                return Err(format!("{before} presses before it was known were told as {told}: {self:?}"));
            }
            self.merged = Some(before - told);
        }
        Ok(())
    }

    /// This is on the duty room's disk.
    pub fn heard(&mut self, event: &Event) {
        self.heard.add(event);
    }

    /// The gateway's process is gone, with what was not on disk.
    pub fn gateway_died(&mut self) {
        self.recorded.clone_from(&self.durable.presses);
    }

    /// Nothing is left to be told, and the lamp says what the duty room knows.
    pub fn agree(&self, display: Display) -> Result<(), String> {
        let (durable, heard) = (self.durable.total(), self.heard.total());
        if self.merged.is_none() {
            return Err("the gateway does not know the unit".into());
        }
        if durable != self.owed() || heard != durable {
            let owed = self.owed();
            return Err(format!("{owed} presses, {durable} told on disk, {heard} heard: {self:?}"));
        }
        let wanted = self.heard.lamp();
        if display != wanted {
            return Err(format!("the lamp shows {display:?}, the duty room's log says {wanted:?}: {self:?}"));
        }
        Ok(())
    }

    /// Whatever it shows must be so for the newest press that was not taken back.
    fn lamp(&self, display: Display) -> Result<(), String> {
        let stands = self.presses > self.cancelled;
        let about = if stands { self.owed() } else { 1 };
        let is_heard = self.heard.total() >= about;
        let is_true = match display {
            Display::Calling | Display::Fault => true,
            Display::Heard => is_heard,
            Display::Seen => is_heard && self.acknowledged >= about,
            Display::Coming => is_heard && self.coming >= about,
            Display::Idle => !stands || (is_heard && self.finished >= about),
        };
        if is_true { Ok(()) } else { Err(format!("the lamp shows {display:?}, which is not so: {self:?}")) }
    }

    /// How many presses must be told in the end.
    fn owed(&self) -> u64 {
        self.presses - self.merged.unwrap_or(0)
    }

    fn recorded_total(&self) -> u64 {
        self.recorded.values().sum()
    }
}
