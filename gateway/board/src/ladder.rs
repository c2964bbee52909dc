//! One alarm's way up the ladder: for which cry, how far, since when, and what came of everything told. Time that
//! passed while no process ran counts: what became due meanwhile is done at once, what was done is not done again.
mod delivery;
mod stopwatch;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{Instant, Priority, Timestamp};

use crate::DeliveryResult;
use crate::escalation::{Step, UNANSWERED, UNMOVED, URGED_FROM};
use crate::planted::{self, Bug};
use stopwatch::{Stopwatch, ms};

pub(crate) use delivery::{Became, Delivery, Purpose};

/// Tellings remembered with an alarm, the newest.
pub(crate) const DELIVERIES: usize = 64;
/// A telling that failed is tried once more after this.
pub(crate) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// An alarm that only a log tells, right after a connection, may be long over: the rest of the log has so long to
/// say so. One that its own topic tells waits for nothing.
pub(crate) const CATCHES_UP_WITHIN: Duration = Duration::from_secs(10);
/// How often one telling is tried.
const TRIES: u8 = 2;
/// Whether the log says that it is over.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// An alarm that comes back after its end was told climbs anew, but not more often than this.
const ANEW_AFTER: Duration = Duration::from_secs(300);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ladder {
    pub(crate) cry: u32,
    pub(crate) priority: Priority,
    /// Counts climbs: each cry is one, and so is each urging.
    pub(crate) climb: u32,
    /// The first step of this climb that is not yet taken.
    pub(crate) next: u32,
    /// The step taken last in this climb, and how it was then: after another configuration it may have another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<Taken>,
    /// Acknowledged: nothing is due, unless it is urged.
    pub(crate) is_held: bool,
    /// Acknowledged, and nothing was done since: it climbs again.
    pub(crate) is_urged: bool,
    /// That the alarm is over at its source was told.
    pub(crate) is_recovery_told: bool,
    /// Steps of the case when it last moved.
    pub(crate) case_steps: u32,
    climbing: Stopwatch,
    unmoved: Stopwatch,
    /// Who was sent last and has not answered.
    pub(crate) sent: Option<Sent>,
    /// How many 督办 of its case were told, and how many of those whom its case asks.
    #[serde(default)]
    pub(crate) supervised: usize,
    #[serde(default)]
    pub(crate) asked: usize,
    pub(crate) deliveries: Vec<Delivery>,
    /// On the clock on the wall, when this was kept.
    kept_at: Timestamp,
    /// Of which trouble of this room it is, if it is of none of a device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<String>,
    /// Nothing is known of its alarm yet; given up then.
    #[serde(skip)]
    pub(crate) waits_until: Option<Instant>,
    /// When the next step is due, on the clock on the wall, for people to read.
    #[serde(skip)]
    pub(crate) next_at: Option<Timestamp>,
    /// Its entry in the order of deadlines.
    #[serde(skip)]
    pub(crate) due: Option<Instant>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) name: String,
    since: Stopwatch,
}

/// A step when it was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Taken {
    /// Its place in the ladder of that time.
    step: u32,
    /// Since the cry, whole milliseconds.
    after_ms: u64,
}

/// What the board knows about the alarm and its case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) cry: u32,
    pub(crate) priority: Priority,
    pub(crate) is_active: bool,
    pub(crate) is_acknowledged: bool,
    pub(crate) is_finished: bool,
    /// Shelved, suppressed or out of service.
    pub(crate) is_quiet: bool,
    pub(crate) case_steps: u32,
    /// Told by a log that may be telling what is long over.
    pub(crate) may_be_over: bool,
    /// The first step is not due before this.
    pub(crate) not_before: Instant,
    /// Somebody is there, or it is concluded: no urging.
    pub(crate) is_cared_for: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Step(u32),
    Recovered,
    Urge,
    NextResponder,
    Again(usize),
}

impl Ladder {
    pub(crate) fn new(now: Instant, facts: &Facts) -> Self {
        Self {
            cry: facts.cry,
            priority: facts.priority,
            climb: 1,
            next: 0,
            taken: None,
            is_held: false,
            is_urged: false,
            // Its first word says so already.
            is_recovery_told: !facts.is_active,
            case_steps: facts.case_steps,
            climbing: Stopwatch::started(now, Duration::ZERO),
            unmoved: Stopwatch::default(),
            sent: None,
            supervised: 0,
            asked: 0,
            deliveries: Vec::new(),
            kept_at: Timestamp::from_unix_ms(0),
            room: None,
            waits_until: None,
            next_at: None,
            due: None,
        }
    }

    /// As it goes to the disk.
    pub(crate) fn kept(&mut self, now: Instant, wall: Timestamp) -> String {
        self.kept_at = wall;
        for watch in self.stopwatches() {
            *watch = watch.at(now);
        }
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Back from the disk. A wall clock that went back meanwhile adds nothing; whatever was never answered for is
    /// told again.
    pub(crate) fn restored(mut self, now: Instant, wall: Timestamp) -> Self {
        let away_ms = wall.unix_ms().saturating_sub(self.kept_at.unix_ms());
        let away_ms = u64::try_from(away_ms).unwrap_or_default();
        if planted::has(Bug::ForgetsToWake) {
            self.next = u32::MAX;
        }
        for watch in self.stopwatches() {
            watch.since = now;
            if watch.is_running {
                watch.ms = watch.ms.saturating_add(away_ms);
            }
        }
        for delivery in &mut self.deliveries {
            let is_open = match delivery.result {
                Became::Waiting => true,
                Became::Failed { .. } => delivery.tries < TRIES,
                Became::Delivered | Became::Digested => false,
            };
            delivery.again_at = is_open.then_some(now);
        }
        self
    }

    fn stopwatches(&mut self) -> impl Iterator<Item = &mut Stopwatch> {
        [&mut self.climbing, &mut self.unmoved]
            .into_iter()
            .chain(self.sent.as_mut().map(|sent| &mut sent.since))
    }

    /// Takes in what the alarm and its case are now. True if that changed anything here.
    pub(crate) fn learn(&mut self, now: Instant, facts: &Facts) -> bool {
        let is_anew = self.is_recovery_told
            && facts.is_active
            && !facts.is_acknowledged
            && self.climbing.elapsed(now) >= ANEW_AFTER;
        let mut changed = false;
        if facts.cry > self.cry || facts.priority < self.priority || is_anew {
            self.begin(now, Duration::ZERO, 0);
            (self.is_held, self.is_urged, self.is_recovery_told) = (false, false, !facts.is_active);
            changed = true;
        }
        (self.cry, self.priority) = (facts.cry.max(self.cry), facts.priority);
        if facts.case_steps != self.case_steps {
            (self.case_steps, self.is_urged) = (facts.case_steps, false);
            self.unmoved = Stopwatch::started(now, Duration::ZERO);
            changed = true;
        }
        if facts.is_acknowledged != self.is_held {
            // The acknowledgement was taken back, or its gateway never took it: nobody has come. It climbs anew; but
            // who had yet to be woken by the second step waits no longer for it.
            if self.is_held && self.next > 1 {
                self.begin(now, Duration::ZERO, 0);
            }
            (self.is_held, self.is_urged) = (facts.is_acknowledged, false);
            self.unmoved = Stopwatch::started(now, Duration::ZERO);
            changed = true;
        }
        if facts.is_quiet == self.climbing.is_running {
            self.climbing = self.climbing.at(now);
            self.climbing.is_running = !facts.is_quiet;
            changed = true;
        }
        changed
    }

    fn begin(&mut self, now: Instant, from: Duration, next: u32) {
        self.climb += 1;
        (self.next, self.taken) = (next, None);
        self.climbing = Stopwatch::started(now, from);
    }

    pub(crate) fn starts_now(&mut self, now: Instant) {
        self.climbing = Stopwatch::started(now, Duration::ZERO);
    }

    pub(crate) fn urge(&mut self, now: Instant, steps: &[Step]) {
        self.is_urged = true;
        self.begin(now, URGED_FROM, first_urging(steps));
    }

    /// The step with this number is taken.
    pub(crate) fn take(&mut self, step: u32, steps: &[Step]) {
        self.next = step.saturating_add(1);
        self.taken = steps.get(step as usize).map(|taken| Taken { step, after_ms: ms(taken.after) });
    }

    /// These are the steps from now on. What was taken is not taken again; what lies behind the step taken last and is
    /// still to come is taken in its time.
    pub(crate) fn climb_on(&mut self, steps: &[Step]) {
        // Urged, and not a step further yet: it goes on where an urging begins.
        if self.taken.is_none() && self.is_urged {
            self.next = first_urging(steps);
        }
        if let Some(taken) = self.taken {
            let behind = steps.partition_point(|step| ms(step.after) <= taken.after_ms);
            self.next = u32::try_from(behind).unwrap_or(u32::MAX);
        }
    }

    pub(crate) fn send(&mut self, now: Instant, name: String) {
        self.sent = Some(Sent { name, since: Stopwatch::started(now, Duration::ZERO) });
    }

    /// The first thing that is due; none and the moment of the next one, if there is one.
    pub(crate) fn due(
        &self,
        now: Instant,
        facts: &Facts,
        steps: &[Step],
        nobody_watches: bool,
    ) -> Result<Due, Instant> {
        let mut next = Instant::NEVER;
        let mut later = |at: Instant| {
            if at > now {
                next = next.min(at);
            }
        };
        if self.is_recovery_wanted(facts) {
            return Ok(Due::Recovered);
        }
        for (place, delivery) in self.deliveries.iter().enumerate() {
            match delivery.again_at {
                Some(at) if at <= now => return Ok(Due::Again(place)),
                Some(at) => later(at),
                None => {}
            }
        }
        if let Some(sent) = &self.sent {
            let at = sent.since.reaches(now, UNANSWERED);
            if at <= now {
                return Ok(Due::NextResponder);
            }
            later(at);
        }
        if facts.is_finished || facts.is_quiet {
            return Err(next);
        }
        if self.is_held && !self.is_urged {
            let can = self.priority == Priority::Emergency && !facts.is_cared_for;
            if can && (first_urging(steps) as usize) < steps.len() {
                let at = self.unmoved.reaches(now, UNMOVED);
                if at <= now {
                    return Ok(Due::Urge);
                }
                next = next.min(at);
            }
            return Err(next);
        }
        if let Some(step) = steps.get(self.next as usize) {
            let second_path = self.next == 1 && !self.is_urged && nobody_watches;
            let at = self.climbing.reaches(now, step.after);
            if self.next == 0 && facts.may_be_over && self.climbing.elapsed(now) < CATCHES_UP_WITHIN {
                return Err(next.min(now + LOOK_AGAIN));
            }
            if self.next == 0 && now < facts.not_before {
                return Err(next.min(facts.not_before));
            }
            if at <= now || second_path || self.has_failed_whole() {
                return Ok(Due::Step(self.next));
            }
            next = next.min(at);
        } else if self.is_recovery_told && facts.is_active && !self.is_held {
            next = next.min(self.climbing.reaches(now, ANEW_AFTER));
        }
        Err(next)
    }

    /// When the next step is due, if nothing changes.
    pub(crate) fn next_step_at(&self, now: Instant, steps: &[Step]) -> Option<Instant> {
        let is_climbing = self.climbing.is_running && (!self.is_held || self.is_urged);
        let step = steps.get(self.next as usize).filter(|_| is_climbing)?;
        Some(self.climbing.reaches(now, step.after))
    }

    fn is_recovery_wanted(&self, facts: &Facts) -> bool {
        !facts.is_active && !self.is_recovery_told && self.told().next().is_some()
    }

    /// What was told about this cry, and did not fail for good.
    pub(crate) fn told(&self) -> impl Iterator<Item = &Delivery> {
        let reached = |delivery: &&Delivery| {
            delivery.cry == self.cry
                && delivery.purpose == Purpose::Step
                && !matches!(delivery.result, Became::Failed { .. })
        };
        self.deliveries.iter().filter(reached)
    }

    /// Nobody was reached by the step before, and nothing of it is left to try: the next one does not wait.
    fn has_failed_whole(&self) -> bool {
        let before = self.taken.map(|taken| taken.step).or_else(|| self.next.checked_sub(1));
        let Some(before) = before else { return false };
        let mut of_it = self.deliveries.iter().filter(|delivery| {
            (delivery.climb, delivery.step, delivery.purpose) == (self.climb, before, Purpose::Step)
        });
        let failed = |delivery: &Delivery| {
            matches!(delivery.result, Became::Failed { .. }) && delivery.again_at.is_none()
        };
        of_it.clone().next().is_some() && of_it.all(failed)
    }

    /// Whether it still helps to try this again.
    pub(crate) fn is_wanted(&self, delivery: &Delivery) -> bool {
        match delivery.purpose {
            Purpose::Step => delivery.climb == self.climb && (!self.is_held || self.is_urged),
            Purpose::Recovered | Purpose::Supervise | Purpose::Ask => true,
            Purpose::Dispatch => self.sent.as_ref().is_some_and(|sent| sent.name == delivery.to),
        }
    }

    pub(crate) fn remember(&mut self, delivery: Delivery) {
        if self.deliveries.len() >= DELIVERIES {
            let done = self.deliveries.iter().position(|delivery| delivery.result != Became::Waiting);
            self.deliveries.remove(done.unwrap_or(0));
        }
        self.deliveries.push(delivery);
    }

    /// The result of the telling with this ticket; none if it is not remembered.
    pub(crate) fn hear(&mut self, now: Instant, ticket: u64, result: DeliveryResult) -> Option<&Delivery> {
        let is_of = |delivery: &&mut Delivery| [delivery.ticket, delivery.taken].contains(&Some(ticket));
        let delivery = self.deliveries.iter_mut().find(is_of)?;
        delivery.ticket = None;
        delivery.taken = Some(ticket).filter(|_| matches!(result, DeliveryResult::Delivered { .. }));
        delivery.took_ms = Some(u32::try_from(now.since(delivery.told_at).as_millis()).unwrap_or(u32::MAX));
        delivery.result = match result {
            DeliveryResult::Delivered { .. } => Became::Delivered,
            DeliveryResult::Digested => Became::Digested,
            DeliveryResult::Failed { code, text, .. } => {
                let code = crate::trust::shown(&code);
                Became::Failed { code, text: crate::trust::shown(&text) }
            }
        };
        let failed = matches!(delivery.result, Became::Failed { .. });
        delivery.again_at = (failed && delivery.tries < TRIES).then(|| now + TRY_AGAIN_AFTER);
        Some(delivery)
    }

    pub(crate) fn awaits_results(&self) -> bool {
        self.awaited() > 0
    }

    /// Tellings whose result is not known yet.
    pub(crate) fn awaited(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.ticket.is_some()).count()
    }
}

/// The first step that an urging takes.
fn first_urging(steps: &[Step]) -> u32 {
    let first = steps.iter().position(|step| step.after >= URGED_FROM);
    u32::try_from(first.unwrap_or(steps.len())).unwrap_or(u32::MAX)
}
