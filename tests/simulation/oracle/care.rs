//! Point 7: what is silent, down or lost is told within its limit, and nothing is told that was not so.
use std::collections::{BTreeMap, BTreeSet};

use shouwang_board::Presence;
use shouwang_message::{DeviceState, Event, EventData, FaultDocument, GatewayState, StateDocument};

use super::{Verdict, broken};
use crate::simulation::scenario::SECOND;
use crate::simulation::site;

/// A device that does not answer is told within 30 s; two more until that is on disk.
const DEVICE_TOLD: u64 = 33 * SECOND;
/// A line that is down, within 10 s.
const LINE_TOLD: u64 = 12 * SECOND;
/// A gateway without a connection knows it within 30 s, and so does the board without its heartbeat.
const LOST_TOLD: u64 = 33 * SECOND;
/// A fault must have had a cause so lately.
const CAUSE: u64 = 60 * SECOND;

/// Something that can be well or not: since when, or until when it was last not.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulation) struct Health {
    /// Bad since then; none while it is well.
    bad_since: Option<u64>,
    bad_until: Option<u64>,
    /// Well since then.
    well_since: u64,
}

#[derive(Debug, Default)]
pub(in crate::simulation) struct Care {
    /// What the gateway's durable events say is at fault now.
    faults: BTreeMap<String, FaultDocument>,
    lost: BTreeSet<u16>,
    /// The newest connection of which this board has heard that it is ready.
    ready: Option<(u32, u32)>,
}

impl Health {
    pub(in crate::simulation) fn set(&mut self, now: u64, is_well: bool) {
        match (is_well, self.bad_since) {
            (true, Some(_)) => (self.bad_since, self.bad_until, self.well_since) = (None, Some(now), now),
            (false, None) => self.bad_since = Some(now),
            _ => {}
        }
    }

    /// Well now, and since when.
    pub(in crate::simulation) fn well_since(&self) -> Option<u64> {
        self.bad_since.is_none().then_some(self.well_since)
    }

    pub(in crate::simulation) fn bad_since(&self) -> Option<u64> {
        self.bad_since
    }

    /// In the last minute.
    pub(in crate::simulation) fn was_bad_lately(&self, now: u64) -> bool {
        self.bad_since.is_some() || self.bad_until.is_some_and(|until| until + CAUSE >= now)
    }
}

/// What the world knows of the causes of faults.
pub(in crate::simulation) struct Causes<'c> {
    pub(in crate::simulation) line: &'c dyn Fn(&str) -> bool,
    pub(in crate::simulation) device: &'c dyn Fn(u16) -> bool,
    pub(in crate::simulation) store: Health,
    pub(in crate::simulation) uplink: Health,
    pub(in crate::simulation) hearing: Health,
    pub(in crate::simulation) clock: bool,
}

impl Care {
    /// An event is durable at the gateway.
    pub(in crate::simulation) fn durable(&mut self, now: u64, event: &Event, causes: &Causes<'_>) -> Verdict {
        match &event.data {
            EventData::FaultRaised(fault) => {
                self.faults.insert(fault.id.to_string(), fault.clone());
                has_cause(now, fault, causes)
            }
            EventData::FaultCleared(fault) => {
                self.faults.remove(&fault.id.to_string());
                Ok(())
            }
            EventData::DeviceState(document) => {
                if let Some(number) = event.subject.parse().ok().as_ref().and_then(site::number_of) {
                    if document.state == DeviceState::Lost {
                        self.lost.insert(number);
                    } else {
                        self.lost.remove(&number);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The faults that are open at the gateway, in a word each.
    pub(in crate::simulation) fn open_faults(&self) -> Vec<String> {
        let name = |fault: &FaultDocument| {
            let of = fault.device.as_ref().or(fault.line.as_ref());
            format!("{} {}", fault.code, of.map(ToString::to_string).unwrap_or_default())
        };
        self.faults.values().map(name).collect()
    }

    pub(in crate::simulation) fn lost_devices(&self) -> usize {
        self.lost.len()
    }

    /// A device that has long been silent, though gateway, disk and line were well all the time.
    pub(in crate::simulation) fn device_is_told(&self, now: u64, number: u16, silent_since: u64) -> Verdict {
        let line_told = self.faults.values().any(|fault| fault.code == "line_down");
        if silent_since + DEVICE_TOLD <= now && !self.lost.contains(&number) && !line_told {
            let what = format!("device-{number} silent for {} s", (now - silent_since) / SECOND);
            return broken("loss-told", what);
        }
        Ok(())
    }

    pub(in crate::simulation) fn line_is_told(&self, now: u64, line: usize, down_since: u64) -> Verdict {
        let name = site::id(&format!("line-{line}"));
        let told =
            self.faults.values().any(|fault| fault.line.as_ref() == Some(&name) && fault.code == "line_down");
        if down_since + LINE_TOLD <= now && !told {
            return broken("line-told", format!("{name} down for {} s", (now - down_since) / SECOND));
        }
        Ok(())
    }

    pub(in crate::simulation) fn uplink_is_told(&self, now: u64, down_since: u64) -> Verdict {
        let told = self.faults.values().any(|fault| fault.code == "uplink_down");
        if down_since + LOST_TOLD <= now && !told {
            return broken("uplink-told", format!("no connection for {} s", (now - down_since) / SECOND));
        }
        Ok(())
    }

    pub(in crate::simulation) fn board_starts(&mut self) {
        self.ready = None;
    }

    /// The board heard this, and now thinks so of the gateway.
    pub(in crate::simulation) fn board_heard(
        &mut self,
        document: &StateDocument,
        thought: Option<Presence>,
        thinks: Option<Presence>,
    ) -> Verdict {
        let of = (document.boot, document.connection);
        if document.state == GatewayState::Ready {
            self.ready = self.ready.max(Some(of));
            return Ok(());
        }
        let turned = thought != Some(Presence::Lost) && thinks == Some(Presence::Lost);
        if document.state == GatewayState::Lost && Some(of) < self.ready && turned {
            let what = format!("the will of {of:?} made {:?} lost", self.ready);
            return broken("presence-is-true", what);
        }
        Ok(())
    }

    /// Gateway and board have been connected, or apart, since then.
    pub(in crate::simulation) fn presence_is_true(
        now: u64,
        thinks: Option<Presence>,
        together_since: Option<u64>,
        apart_since: Option<u64>,
    ) -> Verdict {
        if together_since.is_some_and(|since| since + LOST_TOLD <= now) && thinks != Some(Presence::Present) {
            return broken("presence-is-true", format!("connected for long, and the board says {thinks:?}"));
        }
        if apart_since.is_some_and(|since| since + LOST_TOLD <= now) && thinks == Some(Presence::Present) {
            return broken("presence-is-true", "gone for long, and the board says present");
        }
        Ok(())
    }
}

fn has_cause(now: u64, fault: &FaultDocument, causes: &Causes<'_>) -> Verdict {
    let has = match fault.code.as_str() {
        "store_failing" => causes.store.was_bad_lately(now),
        "uplink_down" | "thrown_out" => causes.uplink.was_bad_lately(now),
        // Whoever had not heard it in time had a reason: the broker, or the duty room itself.
        "unheard" => causes.hearing.was_bad_lately(now) || causes.uplink.was_bad_lately(now),
        "clock_unset" => causes.clock,
        "line_down" => fault.line.as_ref().is_some_and(|line| (causes.line)(line.as_str())),
        _ => fault.device.as_ref().and_then(site::number_of).is_some_and(|number| (causes.device)(number)),
    };
    if has {
        return Ok(());
    }
    let of = fault.device.as_ref().or(fault.line.as_ref());
    broken("fault-has-a-cause", format!("{} of {of:?}", fault.code))
}
