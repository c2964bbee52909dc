//! 督办: a case that nobody has accepted, or handled, by its time gets a step that says so, shows it on the board and is
//! told to whoever leads. Once for each of the two; what is in the small loop then goes up to its departments.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmId, Instant, Mode, Timestamp};

use crate::board::Board;
use crate::case::{Case, CaseAsked, CaseState, CaseStep};
use crate::handling::{Loop, Wanted};
use crate::organisation::minute_of_week;
use crate::row::{Row, RowKind};

/// A case whose alarm is shelved, suppressed or out of service is looked at again after this, and so is every case
/// while the disk is behind.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Where these steps come from, in the logbook.
const FROM: &str = "supervision";

/// What was not done in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overdue {
    Accept,
    Handle,
}

impl Overdue {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Handle => "handle",
        }
    }
}

/// One 督办.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Supervised {
    pub(crate) what: Overdue,
    pub(crate) at: Timestamp,
}

/// Whose time runs. The clock on the wall is asked once for each case: when it is first seen here, in each process.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    of: BTreeMap<AlarmId, Limit>,
    due: BTreeSet<(Instant, AlarmId)>,
    touched: BTreeSet<AlarmId>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    /// Of which writing down it is.
    handle_by: Timestamp,
    accept: Instant,
    handle: Instant,
    /// Its place among those that are due.
    at: Instant,
}

impl Limits {
    pub(crate) fn touch(&mut self, id: AlarmId) {
        self.touched.insert(id);
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        if !self.touched.is_empty() {
            return Instant::default();
        }
        self.due.first().map_or(Instant::NEVER, |(at, _)| *at)
    }

    fn forget(&mut self, id: AlarmId) {
        if let Some(limit) = self.of.remove(&id) {
            self.due.remove(&(limit.at, id));
        }
    }

    fn put(&mut self, id: AlarmId, limit: Limit) {
        self.forget(id);
        self.due.insert((limit.at, id));
        self.of.insert(id, limit);
    }
}

impl Case {
    /// Which of its two times has passed with nothing done until now.
    pub(crate) fn overdue(&self) -> Option<Overdue> {
        let newest = self.supervised.last().filter(|_| !self.is_concluded())?;
        (newest.what == Overdue::Handle || self.state == CaseState::New).then_some(newest.what)
    }

    fn was_supervised(&self, what: Overdue) -> bool {
        self.supervised.iter().any(|one| one.what >= what)
    }

    /// What its next time is for, if it has one.
    fn awaits(&self) -> Option<Overdue> {
        let is_over = self.is_concluded() || self.about.mode != Mode::Live;
        let waits = |what: &Overdue| !is_over && !self.was_supervised(*what);
        let accept = Some(Overdue::Accept).filter(waits).filter(|_| self.state == CaseState::New);
        accept.or_else(|| Some(Overdue::Handle).filter(waits))
    }
}

impl Board {
    /// By when it is to be accepted and handled, if nobody has written that down: from when this room knew of it.
    pub(crate) fn set_limits(&self, case: &mut Case) {
        if case.handle_by.is_some() || case.about.mode != Mode::Live {
            return;
        }
        let known = self.rows.get(&case.id()).and_then(|row| row.known_at);
        // What is new again is so from now on.
        let is_again = case.steps.last().is_some_and(|done| done.step == "cried_again");
        let known = if is_again { self.wall } else { known.unwrap_or(case.about.raised_at) };
        self.wanted(case).set(case, known);
    }

    fn wanted(&self, case: &Case) -> Wanted {
        Wanted::of(case, &self.settings.handling, &self.settings.organisation)
    }

    /// After a restart the time of every case goes on.
    pub(crate) fn limits_restored(&mut self) {
        let alarms = self.rows.values().filter(|row| row.kind == RowKind::Alarm).map(Row::id);
        self.limits.touched.extend(alarms.chain(self.cases.keys().copied()));
    }

    pub(crate) fn look_at_limits(&mut self, now: Instant) {
        let touched = core::mem::take(&mut self.limits.touched);
        for id in touched {
            self.set_its_time(now, id, None);
        }
        while let Some((at, id)) = self.limits.due.first().copied().filter(|(at, _)| *at <= now) {
            self.limits.due.remove(&(at, id));
            let again = self.is_quiet(id) || self.room() == 0;
            if !again && let Some(case) = self.find_case(id) {
                self.supervise(now, case);
            }
            self.limits.touched.remove(&id);
            self.set_its_time(now, id, again.then(|| now + LOOK_AGAIN));
        }
    }

    /// The moment at which this case is looked at next.
    fn set_its_time(&mut self, now: Instant, id: AlarmId, not_before: Option<Instant>) {
        let case = self.find_case(id);
        let Some((what, case)) = case.as_ref().and_then(|case| Some((case.awaits()?, case))) else {
            return self.limits.forget(id);
        };
        let Some((accept_by, handle_by)) = case.accept_by.zip(case.handle_by) else { return };
        let known = self.limits.of.get(&id).filter(|limit| limit.handle_by == handle_by).copied();
        let in_ms = |by: Timestamp| u64::try_from(by.unix_ms() - self.wall.unix_ms()).unwrap_or_default();
        let mut limit = known.unwrap_or_else(|| Limit {
            handle_by,
            accept: now + Duration::from_millis(in_ms(accept_by)),
            handle: now + Duration::from_millis(in_ms(handle_by)),
            at: now,
        });
        let due = match what {
            Overdue::Accept => limit.accept,
            Overdue::Handle => limit.handle,
        };
        limit.at = not_before.map_or(due, |at| at.max(due));
        self.limits.put(id, limit);
    }

    /// Somebody has said that it waits, or its gateway says what explains it.
    fn is_quiet(&self, id: AlarmId) -> bool {
        let document = self.rows.get(&id).and_then(Row::alarm_document);
        document.is_some_and(|document| {
            document.shelved.is_some() || document.suppressed.is_some() || document.out_of_service.is_some()
        })
    }

    fn supervise(&mut self, now: Instant, mut case: Case) {
        let id = case.id();
        let Some(limit) = self.limits.of.get(&id) else { return };
        // Whoever was away longer than both is told the later one only.
        let what = match case.awaits() {
            Some(Overdue::Accept) if limit.handle > now => Overdue::Accept,
            Some(_) => Overdue::Handle,
            None => return,
        };
        let (revision, own) = (case.revision, self.settings.name.to_string());
        case.supervised.push(Supervised { what, at: self.wall });
        case.done("supervise", &own, self.wall, case.state, Some(what.as_str().to_string()), None);
        self.log_steps(&case, revision, FROM);
        let departments = self.wanted(&case).departments;
        let goes_up = what == Overdue::Handle
            && case.way == Some(Loop::Small)
            && !departments.is_empty()
            && case.departments.is_empty()
            && case.state > CaseState::New;
        self.put_case(case);
        if goes_up {
            let step = CaseStep::GoUp { departments };
            self.asks_itself(id, step, "超时未办结,转大循环");
        }
    }

    /// Somebody has accepted a case: the small loop sends whoever answers for its grid, the large one calls departments.
    pub(crate) fn take_its_way(&mut self, id: AlarmId) {
        let Some(case) = self.cases.get(&id).filter(|case| !case.is_concluded()) else { return };
        match case.way {
            Some(Loop::Small) if case.dispatched.is_empty() && case.claimed.is_none() => {
                let (grid, minute) = (case.about.place.grid.as_deref(), minute_of_week(self.wall));
                let answers = self.settings.organisation.responsible(case.about.class, grid, minute);
                let Some(to) = answers.first().map(|person| person.name.clone()) else { return };
                self.asks_itself(id, CaseStep::Dispatch { to }, "小循环");
            }
            Some(Loop::Large) if case.departments.is_empty() => {
                let departments = self.wanted(case).departments;
                if !departments.is_empty() {
                    self.asks_itself(id, CaseStep::Whistle { departments }, "大循环");
                }
            }
            _ => {}
        }
    }

    /// A step that the table makes. Ticket 0 waits for no answer: whether it was possible is seen in the case.
    fn asks_itself(&mut self, case: AlarmId, step: CaseStep, why: &str) {
        let asked = CaseAsked {
            case,
            by: self.settings.name.to_string(),
            from: FROM.into(),
            note: Some(why.into()),
            call_back: None,
            occurrence: None,
            step,
        };
        self.case_asked(0, &asked);
    }
}
