//! Who is next: re-reads and retries, then alarm blocks, and between two of those at most one of the rest.
use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

use super::device::{Device, Turn};
use super::{Line, Presence, Purpose};
use crate::output::Request;
use crate::profile::PollClass;

/// State and slow blocks this late go even if the alarms' share is used up.
const OVERDUE: core::time::Duration = core::time::Duration::from_secs(30);

/// An alarm that falls due within this time is not made to wait behind two others.
const SOON: core::time::Duration = core::time::Duration::from_millis(250);

/// What was chosen for one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chosen {
    /// Place in the line's own list.
    pub(super) device: usize,
    pub(super) what: What,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    Block(usize),
    Identity(usize),
    Write { purpose: Purpose, request: Request },
    Once { token: u64, request: Request },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Alarm,
    Other,
    Probe,
    Retry,
    Reread,
}

/// Something that could be asked from `ready` on.
struct Candidate {
    device: usize,
    block: usize,
    kind: Kind,
    ready: Instant,
    /// The earlier, the sooner.
    deadline: Instant,
    /// Goes between two alarm exchanges although the share is used up: a probe when its time has come, of
    /// what is overdue one in an alarm round.
    must: bool,
}

impl Candidate {
    fn rank(&self) -> (bool, bool, Instant) {
        (self.kind != Kind::Alarm, !self.must, self.deadline)
    }
}

impl From<Turn> for What {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Block(block) => Self::Block(block),
            Turn::Identity(check) => Self::Identity(check),
        }
    }
}

impl What {
    pub(super) fn turn(&self) -> Option<Turn> {
        match self {
            Self::Block(block) => Some(Turn::Block(*block)),
            Self::Identity(check) => Some(Turn::Identity(*check)),
            Self::Write { .. } | Self::Once { .. } => None,
        }
    }
}

/// What one look over all candidates found.
#[derive(Default)]
struct Look {
    /// The best of those whose device has nothing outstanding.
    alarm: Option<Candidate>,
    other: Option<Candidate>,
    /// The best of those that could go behind an ask to their own device.
    behind: Option<Candidate>,
    /// An alarm block falls due within one exchange.
    alarm_soon: bool,
    /// The earliest that is not ready yet.
    next: Option<Instant>,
}

impl Line {
    /// Takes the next one out of its queue, and says whether it goes before an alarm block that is due.
    /// Finding none, notes when to look again.
    pub(super) fn choose(&mut self, now: Instant) -> Option<(Chosen, bool)> {
        if let Some(place) = self.urgent.iter().position(|chosen| self.is_askable(now, chosen)) {
            return self.urgent.remove(place).map(|chosen| (chosen, false));
        }
        let look = self.look(now);
        // What is no alarm never makes one wait for more than one exchange.
        let other_allowed = !self.other_last || (look.alarm.is_none() && !self.other_holds_back(&look));
        let next = look.alarm.as_ref().map(|alarm| alarm.device);
        if other_allowed && let Some(chosen) = self.take_write(now, next).or_else(|| self.take_once(now)) {
            return Some((chosen, look.alarm.is_some()));
        }
        let chosen = match (look.alarm, look.other.filter(|_| other_allowed)) {
            (Some(_), Some(other)) if self.may_delay_alarm(&other) => {
                if other.must && other.kind == Kind::Other {
                    self.budget.overdue_goes();
                }
                (self.chosen(&other), true)
            }
            (Some(alarm), _) => (self.chosen(&alarm), false),
            (None, Some(other)) => (self.chosen(&other), false),
            (None, None) => match look.behind.filter(|behind| other_allowed || behind.kind == Kind::Alarm) {
                Some(behind) => (self.chosen(&behind), false),
                None => {
                    self.look_again = self.queued_next(now).into_iter().chain(look.next).min();
                    return None;
                }
            },
        };
        Some(chosen)
    }

    /// An alarm block is due, and this may go before it all the same.
    fn may_delay_alarm(&self, other: &Candidate) -> bool {
        let must = other.must && (other.kind == Kind::Probe || self.budget.allows_overdue());
        must || self.budget.allows_other()
    }

    /// One that is no alarm is outstanding, and an alarm is about to fall due.
    fn other_holds_back(&self, look: &Look) -> bool {
        let other = |kind| matches!(kind, Kind::Other | Kind::Probe);
        look.alarm_soon && self.outstanding.iter().any(|outstanding| other(outstanding.chosen.kind))
    }

    fn look(&self, now: Instant) -> Look {
        let mut look = Look::default();
        for mut candidate in self.candidates() {
            let alarm = candidate.kind == Kind::Alarm;
            look.alarm_soon |= alarm && candidate.ready <= now + SOON;
            if candidate.ready > now {
                look.next = Some(look.next.map_or(candidate.ready, |next| next.min(candidate.ready)));
                continue;
            }
            candidate.must |= now >= candidate.deadline + OVERDUE;
            let mut of_device =
                self.outstanding.iter().filter(|other| other.chosen.device == candidate.device).peekable();
            let best = if of_device.peek().is_none() {
                if alarm { &mut look.alarm } else { &mut look.other }
            } else if self.may_follow(now, &candidate, of_device) {
                &mut look.behind
            } else {
                continue;
            };
            if best.as_ref().is_none_or(|best| candidate.rank() < best.rank()) {
                *best = Some(candidate);
            }
        }
        look
    }

    /// When the first of those that wait in a queue for the time may be asked.
    fn queued_next(&self, now: Instant) -> Option<Instant> {
        let reads = self.urgent.iter().filter_map(|chosen| {
            let device = self.devices.get(chosen.device)?;
            Some((chosen.device, device.request(chosen.what.turn()?)?))
        });
        let writes = self.writes.iter().map(|write| (write.device, write.request.clone()));
        let once = self.once.iter().map(|once| (once.device, once.request.clone()));
        let ready = |(device, request): (usize, Request)| {
            let device = self.devices.get(device)?;
            Some(device.settles_at.max(device.blurred_until(&request)))
        };
        reads.chain(writes).chain(once).filter_map(ready).filter(|ready| *ready > now).min()
    }

    fn chosen(&self, candidate: &Candidate) -> Chosen {
        let turn = self.devices.get(candidate.device).map(|device| device.turn(candidate.block));
        let what = turn.map_or(What::Block(candidate.block), What::from);
        Chosen { device: candidate.device, what, kind: candidate.kind }
    }

    /// Every block of every device, a probe for the silent ones, and something for whoever is never asked.
    fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.devices.iter().enumerate().flat_map(move |(place, device)| {
            let backed_off = device.is_backed_off();
            let blocks = 0..if backed_off { 0 } else { device.blocks.len() };
            let polled = blocks.filter_map(move |block| self.polled(place, device, block));
            let extra = if backed_off { self.probe(place, device) } else { self.kept_alive(place, device) };
            polled.chain(extra)
        })
    }

    fn polled(&self, place: usize, device: &Device, block: usize) -> Option<Candidate> {
        let state = device.blocks.get(block)?;
        let mut candidate = Candidate {
            device: place,
            block,
            kind: if state.class == PollClass::Alarm { Kind::Alarm } else { Kind::Other },
            ready: self.ready(device, block, state.due),
            deadline: state.due,
            must: false,
        };
        if state.is_backed_off() {
            candidate.kind = Kind::Probe;
            candidate.ready = candidate.ready.max(self.budget.probe_from());
            candidate.deadline = state.due + super::device::PROBE_LOST;
        } else if state.class != PollClass::Alarm {
            candidate.deadline = state.due + state.interval;
        }
        Some(candidate)
    }

    fn probe(&self, place: usize, device: &Device) -> Option<Candidate> {
        let block = device.oldest_block()?;
        Some(Candidate {
            device: place,
            block,
            kind: Kind::Probe,
            ready: self.ready(device, block, device.probe_at).max(self.budget.probe_from()),
            deadline: device.probe_deadline(device.probe_at),
            must: true,
        })
    }

    fn kept_alive(&self, place: usize, device: &Device) -> Option<Candidate> {
        let block = device.oldest_block()?;
        let at = device.keep_alive_at();
        let ready = self.ready(device, block, at);
        Some(Candidate { device: place, block, kind: Kind::Other, ready, deadline: at, must: true })
    }

    /// Not before `from`, nor while it settles, nor while a late answer could be mistaken for its own.
    fn ready(&self, device: &Device, block: usize, from: Instant) -> Instant {
        let from = from.max(device.settles_at);
        if !device.may_blur() {
            return from;
        }
        let request = device.request(device.turn(block));
        request.map_or(from, |request| from.max(device.blurred_until(&request)))
    }

    /// Behind an ask to the same device goes only what cannot be confused with it; and nothing at all if the
    /// device may be dying: one wait in vain is enough. Nor if a re-read, a write or a single request waits
    /// until nothing is outstanding with the device.
    fn may_follow<'a>(
        &self,
        now: Instant,
        candidate: &Candidate,
        mut of_device: impl Iterator<Item = &'a super::Outstanding>,
    ) -> bool {
        let Some(device) = self.devices.get(candidate.device) else { return false };
        let calm = device.misses == 0 && device.is_proven() && candidate.kind != Kind::Probe;
        let request = device.request(device.turn(candidate.block));
        calm && !self.budget.is_distressed(now)
            && !self.is_awaited(candidate.device)
            && request.is_some_and(|request| of_device.all(|other| self.differ(&other.request, &request)))
    }

    pub(super) fn is_awaited(&self, device: usize) -> bool {
        self.urgent.iter().any(|chosen| chosen.device == device)
            || self.writes.iter().any(|write| write.device == device)
            || self.once.iter().any(|once| once.device == device)
    }

    /// Their answers cannot be taken for each other's, and they are not the same.
    fn differ(&self, one: &Request, other: &Request) -> bool {
        let transactions = self.kind == crate::configuration::LineKind::Tcp { rtu_frames: false };
        match (one, other) {
            (Request::Read { table, count, .. }, Request::Read { table: table2, count: count2, .. }) => {
                if transactions {
                    one != other
                } else {
                    (table, count) != (table2, count2)
                }
            }
            (Request::Read { .. }, _) | (_, Request::Read { .. }) => false,
            _ => one != other,
        }
    }

    fn is_askable(&self, now: Instant, chosen: &Chosen) -> bool {
        let Some(device) = self.devices.get(chosen.device) else { return false };
        let request = match &chosen.what {
            What::Write { request, .. } | What::Once { request, .. } => Some(request.clone()),
            What::Block(_) | What::Identity(_) => chosen.what.turn().and_then(|turn| device.request(turn)),
        };
        let mut of_device = self.outstanding.iter().filter(|other| other.chosen.device == chosen.device);
        device.settles_at <= now
            && request.is_some_and(|request| device.blurred_until(&request) <= now)
            && of_device.next().is_none()
    }

    /// The first write that can go. Each lets the read of an alarm of its own device go first, once: while the
    /// write is under way, that alarm would be passed over.
    fn take_write(&mut self, now: Instant, next_alarm: Option<usize>) -> Option<Chosen> {
        let (devices, outstanding) = (&self.devices, &self.outstanding);
        let ready = |write: &super::QueuedWrite| {
            devices.get(write.device).is_some_and(|device| device.settles_at <= now)
                && !outstanding.iter().any(|other| other.chosen.device == write.device)
        };
        let place = self.writes.iter_mut().position(|write| {
            let yields = next_alarm == Some(write.device) && !write.has_yielded;
            write.has_yielded |= yields;
            !yields && ready(write)
        })?;
        let super::QueuedWrite { device, purpose, request, .. } = self.writes.remove(place)?;
        Some(Chosen { device, what: What::Write { purpose, request }, kind: Kind::Other })
    }

    fn take_once(&mut self, now: Instant) -> Option<Chosen> {
        let super::QueuedOnce { device, token, request } = self.once.front()?.clone();
        let kind = match self.devices.get(device)?.presence {
            Presence::Lost => Kind::Probe,
            _ => Kind::Other,
        };
        let chosen = Chosen { device, what: What::Once { token, request }, kind };
        if !self.is_askable(now, &chosen) {
            return None;
        }
        self.once.pop_front();
        Some(chosen)
    }
}
