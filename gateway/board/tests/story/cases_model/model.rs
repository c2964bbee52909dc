//! The rules of alarms and cases, as simply as they can be said.
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion};
use shouwang_message::*;

use super::*;
use Expected::{Already, Refused, Taken};

/// What ought to become of a request.
#[derive(Debug, PartialEq)]
pub(super) enum Expected {
    Taken,
    Already(&'static str),
    Refused(&'static str),
}

/// One alarm and its case, as simply as it can be said.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) class: usize,
    pub(super) active: bool,
    pub(super) latched: bool,
    pub(super) acknowledged: bool,
    pub(super) asked: bool,
    pub(super) occurrence: u32,
    pub(super) revision: u32,
    pub(super) finished: bool,
    // The case: its state by number, 0 new .. 6 closed.
    pub(super) touched: bool,
    pub(super) state: usize,
    pub(super) conclusion: Option<Conclusion>,
    pub(super) accepted: &'static str,
    pub(super) sent: Vec<(&'static str, &'static str, Option<&'static str>)>,
    pub(super) called: Vec<(&'static str, &'static str, Option<&'static str>)>,
    pub(super) photos: Vec<String>,
    pub(super) claimed: Option<&'static str>,
    pub(super) on_site: Option<&'static str>,
    pub(super) call_back: Option<CallBack>,
    pub(super) handled: Option<&'static str>,
    pub(super) rated: Option<&'static str>,
    pub(super) closed: Option<&'static str>,
}

impl Model {
    pub(super) fn is_life_safety(&self) -> bool {
        self.class < 3
    }

    pub(super) fn concluded(&self) -> bool {
        self.state >= 4
    }

    pub(super) fn is_in_list(&self) -> bool {
        !self.finished || (self.is_life_safety() && !self.concluded())
    }

    pub(super) fn document(&self, id: AlarmId) -> AlarmDocument {
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        AlarmDocument {
            revision: self.revision,
            active: self.active,
            acknowledged: self.acknowledged.then(|| Acknowledged { by: "u-9".into(), at }),
            latched: self.latched,
            occurrence: self.occurrence,
            cleared_at: (!self.active).then_some(at),
            text: Text::new("报警", "Alarm"),
            ..AlarmDocument::new(
                id,
                "gw-1".parse().unwrap(),
                "device-1".parse().unwrap(),
                "condition".into(),
                CLASSES[self.class],
                if self.class < 3 { Priority::Emergency } else { Priority::Urgent },
                at,
            )
        }
    }

    /// The lines that the step writes, if it is taken.
    pub(super) fn step(&mut self, asked: &CaseAsked, by: &'static str) -> (Expected, u64) {
        let before = self.clone();
        let mut lines = 0;
        let expected = self.try_step(asked, by, &mut lines);
        if expected != Taken {
            *self = before;
            return (expected, 0);
        }
        self.touched = true;
        (Taken, lines)
    }

    pub(super) fn try_step(&mut self, asked: &CaseAsked, by: &'static str, lines: &mut u64) -> Expected {
        let step = &asked.step;
        let was_concluded = self.concluded();
        if self.state == 0 {
            match step {
                CaseStep::Accept
                | CaseStep::Dispatch { .. }
                | CaseStep::Claim { .. }
                | CaseStep::Called { .. } => {
                    (self.state, self.accepted) = (1, by);
                    *lines += 1;
                }
                CaseStep::Note | CaseStep::Photo { .. } => {}
                _ => return Refused("not_accepted"),
            }
        }
        let one_more_call = matches!(step, CaseStep::Accept) && asked.note.is_some();
        if asked.call_back.is_some() && (one_more_call || asked.call_back != self.call_back) {
            if self.concluded() {
                return Refused("concluded");
            }
            self.call_back = asked.call_back;
            *lines += 1;
        }
        let news = *lines > 0;
        let done = match step {
            CaseStep::Accept => Err(Already(self.accepted)),
            CaseStep::Dispatch { to } => self.dispatch(to, by),
            CaseStep::Receive { person } => {
                let last = self.sent.last().map(|sent| sent.0);
                answer(&mut self.sent, person.as_deref().or(last), by, was_concluded, "not_dispatched")
            }
            CaseStep::Arrive { .. } => match (self.on_site, self.concluded()) {
                (Some(first), _) => Err(Already(first)),
                (None, true) => Err(Refused("concluded")),
                (None, false) => {
                    (self.state, self.on_site) = (3, Some(by));
                    Ok(())
                }
            },
            CaseStep::Handle { conclusion, of } => match self.handled {
                Some(_) if Some(*conclusion) != self.conclusion => Err(Refused("conclusion_stands")),
                Some(first) => Err(Already(first)),
                None => self.conclude(asked, *conclusion, *of).map(|()| {
                    (self.state, self.handled) = (4, Some(by));
                }),
            },
            CaseStep::Rate { .. } => match (self.rated, self.state) {
                (Some(first), _) => Err(Already(first)),
                (None, 6) => Err(Refused("closed")),
                (None, 4) => {
                    (self.state, self.rated) = (5, Some(by));
                    Ok(())
                }
                (None, _) => Err(Refused("not_handled")),
            },
            CaseStep::Close { conclusion, of } => self.close(asked, *conclusion, *of, by),
            CaseStep::Whistle { departments } => self.whistle(departments, by),
            CaseStep::ReportIn { department } => {
                answer(&mut self.called, Some(department), by, was_concluded, "not_called")
            }
            CaseStep::Claim { .. } => match (self.claimed, self.concluded()) {
                (Some(first), _) => Err(Already(first)),
                (None, true) => Err(Refused("concluded")),
                (None, false) => {
                    (self.state, self.claimed) = (self.state.max(2), Some(by));
                    Ok(())
                }
            },
            CaseStep::Broadcast { .. } | CaseStep::GoUp { .. } => panic!("the model asks nobody who can go"),
            CaseStep::Photo { photo } if self.photos.contains(photo) => Err(Already(by)),
            CaseStep::Note | CaseStep::Called { .. } | CaseStep::Photo { .. } if self.state == 6 => {
                Err(Refused("closed"))
            }
            CaseStep::Photo { photo } => {
                self.photos.push(photo.clone());
                Ok(())
            }
            CaseStep::Called { .. } => Ok(()),
            CaseStep::Note => match (&asked.note, asked.call_back) {
                (Some(_), _) => Ok(()),
                (None, Some(_)) => Err(Taken),
                (None, None) => Err(Refused("note_missing")),
            },
        };
        match done {
            Ok(()) => *lines += 1,
            Err(Already(_)) if news => {}
            Err(other) => return other,
        }
        if self.concluded() && !was_concluded {
            if asked.occurrence.is_some_and(|seen| seen < self.occurrence) {
                return Refused("newer_cry");
            }
            if !self.acknowledged && !self.asked {
                return Refused("not_acknowledged");
            }
        }
        Taken
    }

    pub(super) fn dispatch(&mut self, to: &str, by: &'static str) -> Result<(), Expected> {
        if let Some(sent) = self.sent.iter().find(|sent| sent.0 == to) {
            return Err(Already(sent.1));
        }
        if self.concluded() {
            return Err(Refused("concluded"));
        }
        self.sent.push((NAMES.into_iter().find(|name| *name == to).unwrap(), by, None));
        self.state = self.state.max(2);
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        asked: &CaseAsked,
        conclusion: Option<Conclusion>,
        of: Option<AlarmId>,
        by: &'static str,
    ) -> Result<(), Expected> {
        if self.concluded() && conclusion.is_some() && conclusion != self.conclusion {
            return Err(Refused("conclusion_stands"));
        }
        if let Some(first) = self.closed {
            return Err(Already(first));
        }
        if !self.concluded() {
            match conclusion {
                None | Some(Conclusion::Real) => return Err(Refused("not_handled")),
                Some(conclusion) => self.conclude(asked, conclusion, of)?,
            }
            self.handled = Some(by);
        }
        (self.state, self.closed) = (6, Some(by));
        Ok(())
    }

    pub(super) fn conclude(
        &mut self,
        asked: &CaseAsked,
        what: Conclusion,
        of: Option<AlarmId>,
    ) -> Result<(), Expected> {
        if what != Conclusion::Real && asked.note.is_none() {
            return Err(Refused("reason_missing"));
        }
        if what == Conclusion::Duplicate && (of.is_none() || of == Some(asked.case)) {
            return Err(Refused("of_missing"));
        }
        if CLASSES[self.class] == Class::Call && what != Conclusion::Duplicate {
            match self.call_back {
                None => return Err(Refused("call_back_missing")),
                Some(CallBack::NoAnswer) if self.on_site.is_none() => return Err(Refused("on_site_missing")),
                Some(_) => {}
            }
        }
        self.conclusion = Some(what);
        Ok(())
    }

    pub(super) fn whistle(&mut self, departments: &[String], by: &'static str) -> Result<(), Expected> {
        let known = |name: &str| self.called.iter().find(|called| called.0 == name).map(|called| called.1);
        if departments.is_empty() {
            return Err(Refused("departments_missing"));
        }
        let fresh: Vec<_> = NAMES
            .into_iter()
            .filter(|name| departments.iter().any(|d| d == name) && known(name).is_none())
            .collect();
        if fresh.is_empty() {
            return Err(Already(known(&departments[0]).unwrap()));
        }
        if self.concluded() {
            return Err(Refused("concluded"));
        }
        self.called.extend(fresh.into_iter().map(|name| (name, by, None)));
        Ok(())
    }

    /// The lines that an event of the gateway writes.
    pub(super) fn hear_acknowledged(&mut self) -> u64 {
        (self.acknowledged, self.asked) = (true, false);
        if self.state > 0 {
            return 0;
        }
        (self.touched, self.state, self.accepted) = (true, 1, "u-9");
        1
    }

    pub(super) fn hear_repeated(&mut self) -> u64 {
        (self.acknowledged, self.asked, self.active) = (false, false, true);
        self.occurrence += 1;
        if self.concluded() {
            *self = Self {
                class: self.class,
                active: true,
                latched: self.latched,
                occurrence: self.occurrence,
                revision: self.revision,
                touched: true,
                ..Self::default()
            };
            return 1;
        }
        u64::from(self.call_back.take().is_some())
    }
}
