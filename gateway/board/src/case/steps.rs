//! What each step asks of a case and leaves in it. A repeated step is no mistake: it is told who was first.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shouwang_message::{AlarmId, Class, Mode, Text, Timestamp};

use crate::handling::Loop;

use super::{
    CallBack, Called, CalledBack, Case, CaseAsked, CaseState, CaseStep, Conclusion, NAMED, Service, Stamp,
};

/// A stable code and a sentence.
pub(crate) type Objection = (&'static str, Text);

/// It had been done before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Already {
    pub(crate) step: &'static str,
    pub(crate) stamp: Stamp,
}

/// Nothing new, or who was first.
pub(super) type Taken = Result<Option<Already>, Objection>;

impl Case {
    /// Takes one step; on an objection the case is half changed and must be thrown away.
    pub(crate) fn take(&mut self, asked: &CaseAsked, at: Timestamp) -> Taken {
        let revision = self.revision;
        let already = self.accept_if_asked(asked, at)?;
        self.note_call_back(asked, at)?;
        let already = match &asked.step {
            CaseStep::Accept => already,
            CaseStep::Dispatch { to } => self.dispatch(asked, at, to)?,
            CaseStep::Receive { person } => self.receive(asked, at, person.as_deref())?,
            CaseStep::Arrive { person } => self.arrive(asked, at, person.clone())?,
            CaseStep::Handle { conclusion, of } => self.handle(asked, at, *conclusion, *of)?,
            CaseStep::Rate { stars } => self.rate(asked, at, *stars)?,
            CaseStep::Close { conclusion, of } => self.close(asked, at, *conclusion, *of)?,
            CaseStep::Whistle { departments } => self.whistle(asked, at, departments)?,
            CaseStep::GoUp { departments } => self.go_up(asked, at, departments)?,
            CaseStep::ReportIn { department } => self.report_in(asked, at, department)?,
            CaseStep::Claim { person } => self.claim(asked, at, person.clone())?,
            CaseStep::Note => self.note(asked, at)?,
            CaseStep::Called { service } => self.called(asked, at, *service)?,
            CaseStep::Broadcast { needed, to } => self.broadcast(asked, at, *needed, to)?,
            CaseStep::Photo { photo } => self.photo(asked, at, photo)?,
        };
        // A call-back told along with what was done before is news all the same.
        Ok(already.filter(|_| self.revision == revision))
    }

    /// Whoever sends somebody, or goes, has accepted.
    fn accept_if_asked(&mut self, asked: &CaseAsked, at: Timestamp) -> Taken {
        let accepting = matches!(asked.step, CaseStep::Accept);
        let implied = matches!(
            asked.step,
            CaseStep::Dispatch { .. }
                | CaseStep::Broadcast { .. }
                | CaseStep::Claim { .. }
                | CaseStep::Called { .. }
                | CaseStep::GoUp { .. }
        );
        if self.state > CaseState::New {
            let stamp = self.accepted.clone().filter(|_| accepting);
            return Ok(stamp.map(|stamp| Already { step: "accept", stamp }));
        }
        if matches!(asked.step, CaseStep::Note | CaseStep::Photo { .. }) {
            return Ok(None);
        }
        if !accepting && !implied {
            return Err(("not_accepted", Text::new("请先受理(确认报警)", "Accept the case first")));
        }
        self.accept(&asked.by, at, asked.note.clone().filter(|_| accepting));
        Ok(None)
    }

    fn note_call_back(&mut self, asked: &CaseAsked, at: Timestamp) -> Result<(), Objection> {
        let Some(result) = asked.call_back else { return Ok(()) };
        // Told with words and nothing else, it is one more call: of the resident's daughter, say.
        let words = asked.note.clone().filter(|_| matches!(asked.step, CaseStep::Accept));
        if words.is_none() && self.call_back.as_ref().is_some_and(|known| known.result == result) {
            return Ok(());
        }
        self.still_open()?;
        self.call_back = Some(CalledBack { result, by: asked.by.clone(), at });
        let detail = Some(result.as_str().to_string());
        self.done("call_back", &asked.by, at, self.state, detail, words);
        Ok(())
    }

    pub(super) fn still_open(&self) -> Result<(), Objection> {
        if !self.is_concluded() {
            return Ok(());
        }
        Err(("concluded", Text::new("该处置已有结论", "This case has its conclusion already")))
    }

    fn not_closed(&self) -> Result<(), Objection> {
        if !self.is_closed() {
            return Ok(());
        }
        Err(("closed", Text::new("该处置已销号", "This case is closed")))
    }

    fn dispatch(&mut self, asked: &CaseAsked, at: Timestamp, to: &str) -> Taken {
        if let Some(sent) = self.dispatched.iter().find(|sent| sent.name == to) {
            return Ok(Some(Already { step: "dispatch", stamp: sent.stamp() }));
        }
        self.still_open()?;
        if self.dispatched.len() >= NAMED {
            return Err(too_many());
        }
        let old = self.state;
        self.state = old.max(CaseState::Dispatched);
        self.dispatched.push(Called { name: to.to_string(), by: asked.by.clone(), at, answered: None });
        self.done("dispatch", &asked.by, at, old, Some(to.to_string()), asked.note.clone());
        Ok(None)
    }

    /// Of the one named, or of the newest one sent.
    fn receive(&mut self, asked: &CaseAsked, at: Timestamp, person: Option<&str>) -> Taken {
        let sent = match person {
            Some(person) => self.dispatched.iter_mut().find(|sent| sent.name == person),
            None => self.dispatched.last_mut(),
        };
        let Some(sent) = sent else {
            return Err(("not_dispatched", Text::new("尚未派单给此人", "Nobody of this name was sent")));
        };
        if let Some(first) = &sent.answered {
            return Ok(Some(Already { step: "receive", stamp: first.clone() }));
        }
        let name = sent.name.clone();
        sent.answered = Some(Stamp { by: asked.by.clone(), at, person: Some(name.clone()) });
        self.still_open()?;
        self.done("receive", &asked.by, at, self.state, Some(name), asked.note.clone());
        Ok(None)
    }

    fn arrive(&mut self, asked: &CaseAsked, at: Timestamp, person: Option<String>) -> Taken {
        if let Some(helper) = self.helper(person.as_deref()) {
            return self.helper_arrives(asked, at, helper);
        }
        if let Some(first) = &self.on_site {
            return Ok(Some(Already { step: "arrive", stamp: first.clone() }));
        }
        self.still_open()?;
        let old = self.state;
        self.state = CaseState::OnSite;
        self.on_site = Some(Stamp { by: asked.by.clone(), at, person: person.clone() });
        self.done("arrive", &asked.by, at, old, person, asked.note.clone());
        Ok(None)
    }

    fn handle(&mut self, asked: &CaseAsked, at: Timestamp, what: Conclusion, of: Option<AlarmId>) -> Taken {
        if let Some(first) = self.same_conclusion("handle", Some(what))? {
            return Ok(Some(first));
        }
        self.conclude(asked, what, of)?;
        let old = self.state;
        self.state = CaseState::Handled;
        self.handled = Some(Stamp { by: asked.by.clone(), at, person: None });
        self.done("handle", &asked.by, at, old, Some(what.as_str().to_string()), asked.note.clone());
        Ok(None)
    }

    fn rate(&mut self, asked: &CaseAsked, at: Timestamp, stars: u8) -> Taken {
        if let Some(first) = &self.rated {
            return Ok(Some(Already { step: "rate", stamp: first.clone() }));
        }
        self.not_closed()?;
        if self.state != CaseState::Handled {
            return Err(not_handled());
        }
        let old = self.state;
        self.state = CaseState::Rated;
        self.stars = Some(stars);
        self.rated = Some(Stamp { by: asked.by.clone(), at, person: None });
        self.done("rate", &asked.by, at, old, Some(stars.to_string()), asked.note.clone());
        Ok(None)
    }

    fn close(
        &mut self,
        asked: &CaseAsked,
        at: Timestamp,
        what: Option<Conclusion>,
        of: Option<AlarmId>,
    ) -> Taken {
        if let Some(closed) = self.closed.clone() {
            self.same_conclusion("close", what)?;
            return Ok(Some(Already { step: "close", stamp: closed }));
        }
        let old = self.state;
        if self.is_concluded() {
            self.same_conclusion("close", what)?;
        } else {
            let what = what.filter(|what| *what != Conclusion::Real).ok_or_else(not_handled)?;
            self.conclude(asked, what, of)?;
            self.handled = Some(Stamp { by: asked.by.clone(), at, person: None });
        }
        self.state = CaseState::Closed;
        self.closed = Some(Stamp { by: asked.by.clone(), at, person: None });
        let detail = self.conclusion.map(|what| what.as_str().to_string());
        self.done("close", &asked.by, at, old, detail, asked.note.clone());
        Ok(None)
    }

    /// Who concluded the same before, if anybody concluded; another conclusion does not replace the first.
    fn same_conclusion(
        &self,
        step: &'static str,
        what: Option<Conclusion>,
    ) -> Result<Option<Already>, Objection> {
        match (&self.handled, self.conclusion) {
            (Some(_), known) if what.is_some() && what != known => {
                Err(("conclusion_stands", Text::new("已有另一个结论", "Another conclusion was given before")))
            }
            (Some(stamp), _) => Ok(Some(Already { step, stamp: stamp.clone() })),
            (None, _) => Ok(None),
        }
    }

    /// Nobody concludes from a chair that smoke is a pan: somebody there has said so, or was visited.
    fn may_be_cooking(&self) -> Result<(), Objection> {
        if self.about.class != Class::Smoke {
            return Err((
                "not_smoke",
                Text::new("只有烟感报警可以是油烟", "Only smoke can be cooking smoke"),
            ));
        }
        match &self.call_back {
            _ if self.on_site.is_some() => Ok(()),
            Some(called) if called.result == CallBack::Safe => Ok(()),
            _ => {
                let text = Text::new("请先回拨并确认平安(call_back),或到场", "Call back first, or be there");
                Err(("call_back_missing", text))
            }
        }
    }

    fn conclude(
        &mut self,
        asked: &CaseAsked,
        what: Conclusion,
        of: Option<AlarmId>,
    ) -> Result<(), Objection> {
        let said = asked.note.as_ref().is_some_and(|note| !note.trim().is_empty());
        if what == Conclusion::Cooking {
            self.may_be_cooking()?;
        } else if what != Conclusion::Real && !said {
            return Err(("reason_missing", Text::new("请填写原因", "Give a reason")));
        }
        if what == Conclusion::Duplicate && of.is_none_or(|of| of == self.id()) {
            return Err(("of_missing", Text::new("请填写与哪条重复(of)", "Say of which other case: `of`")));
        }
        let exercise = matches!(self.about.mode, Mode::Test | Mode::Drill);
        if self.about.class == Class::Call && what != Conclusion::Duplicate && !exercise {
            let missing = || {
                let text = Text::new("请先回拨并填写结果(call_back)", "Call back first: `call_back`");
                ("call_back_missing", text)
            };
            let result = self.call_back.as_ref().ok_or_else(missing)?.result;
            if result == CallBack::NoAnswer && self.on_site.is_none() {
                let text = Text::new("无人接听,须有人到场", "Nobody answered: somebody must have been there");
                return Err(("on_site_missing", text));
            }
        }
        self.conclusion = Some(what);
        self.duplicate_of = of.filter(|_| what == Conclusion::Duplicate);
        Ok(())
    }

    fn whistle(&mut self, asked: &CaseAsked, at: Timestamp, departments: &[String]) -> Taken {
        let known = |name: &String| self.departments.iter().find(|called| called.name == *name);
        let fresh = self.not_called(departments);
        if fresh.is_empty() {
            let first = departments.iter().find_map(known).map(Called::stamp);
            return match first {
                Some(stamp) => Ok(Some(Already { step: "whistle", stamp })),
                None => Err(("departments_missing", Text::new("请填写部门", "Name the departments"))),
            };
        }
        self.call(asked, at, "whistle", fresh)?;
        Ok(None)
    }

    fn call(
        &mut self,
        asked: &CaseAsked,
        at: Timestamp,
        step: &str,
        fresh: Vec<String>,
    ) -> Result<(), Objection> {
        self.still_open()?;
        if self.departments.len() + fresh.len() > NAMED {
            return Err(too_many());
        }
        let detail = Some(fresh.join("、"));
        for name in fresh {
            self.departments.push(Called { name, by: asked.by.clone(), at, answered: None });
        }
        self.done(step, &asked.by, at, self.state, detail, asked.note.clone());
        Ok(())
    }

    /// From the small loop to the large one, once, and never without a reason.
    fn go_up(&mut self, asked: &CaseAsked, at: Timestamp, departments: &[String]) -> Taken {
        if let Some(first) = &self.gone_up {
            return Ok(Some(Already { step: "go-up", stamp: first.clone() }));
        }
        if asked.note.as_ref().is_none_or(|note| note.trim().is_empty()) {
            return Err(("reason_missing", Text::new("请填写转大循环的原因", "Say why it goes up")));
        }
        let fresh = self.not_called(departments);
        if fresh.is_empty() && self.departments.is_empty() {
            return Err(("departments_missing", Text::new("请填写部门", "Name the departments")));
        }
        self.call(asked, at, "go_up", fresh)?;
        self.way = Some(Loop::Large);
        self.gone_up = Some(Stamp { by: asked.by.clone(), at, person: None });
        Ok(None)
    }

    fn not_called(&self, departments: &[String]) -> Vec<String> {
        let known = |name: &&String| self.departments.iter().any(|called| called.name == **name);
        let mut fresh: Vec<String> = departments.iter().filter(|name| !known(name)).cloned().collect();
        fresh.sort();
        fresh.dedup();
        fresh
    }

    fn report_in(&mut self, asked: &CaseAsked, at: Timestamp, department: &str) -> Taken {
        let Some(called) = self.departments.iter_mut().find(|called| called.name == department) else {
            return Err(("not_called", Text::new("没有吹哨叫过这个部门", "This department was not called")));
        };
        if let Some(first) = &called.answered {
            return Ok(Some(Already { step: "report-in", stamp: first.clone() }));
        }
        let name = called.name.clone();
        called.answered = Some(Stamp { by: asked.by.clone(), at, person: Some(name.clone()) });
        self.still_open()?;
        self.done("report_in", &asked.by, at, self.state, Some(name), asked.note.clone());
        Ok(None)
    }

    fn claim(&mut self, asked: &CaseAsked, at: Timestamp, person: Option<String>) -> Taken {
        if self.broadcast.is_some() {
            return self.helper_goes(asked, at, person.as_deref());
        }
        if let Some(first) = &self.claimed {
            return Ok(Some(Already { step: "claim", stamp: first.clone() }));
        }
        self.still_open()?;
        let old = self.state;
        self.state = old.max(CaseState::Dispatched);
        self.claimed = Some(Stamp { by: asked.by.clone(), at, person: person.clone() });
        self.done("claim", &asked.by, at, old, person, asked.note.clone());
        Ok(None)
    }
}

impl Case {
    fn note(&mut self, asked: &CaseAsked, at: Timestamp) -> Taken {
        self.not_closed()?;
        match &asked.note {
            Some(note) => self.done("note", &asked.by, at, self.state, None, Some(note.clone())),
            None if asked.call_back.is_none() => {
                return Err(("note_missing", Text::new("请填写备注", "Write a note")));
            }
            None => {}
        }
        Ok(None)
    }

    fn called(&mut self, asked: &CaseAsked, at: Timestamp, service: Service) -> Taken {
        self.not_closed()?;
        let detail = Some(service.as_str().to_string());
        self.done("called", &asked.by, at, self.state, detail, asked.note.clone());
        Ok(None)
    }
}

impl Case {
    fn photo(&mut self, asked: &CaseAsked, at: Timestamp, photo: &str) -> Taken {
        if self.photos.iter().any(|known| known == photo) {
            let stamp = Stamp { by: asked.by.clone(), at, person: None };
            return Ok(Some(Already { step: "photo", stamp }));
        }
        self.not_closed()?;
        if self.photos.len() >= NAMED {
            return Err((
                "too_many_photos",
                Text::new("照片过多(最多 16 张)", "A case has at most 16 pictures"),
            ));
        }
        self.photos.push(photo.to_string());
        self.done("photo", &asked.by, at, self.state, None, asked.note.clone());
        Ok(None)
    }
}

impl Called {
    fn stamp(&self) -> Stamp {
        Stamp { by: self.by.clone(), at: self.at, person: Some(self.name.clone()) }
    }
}

fn not_handled() -> Objection {
    let text =
        Text::new("请先办结,或以误报、测试、演练、重复结案", "Handle it first, or conclude what else it was");
    ("not_handled", text)
}

fn too_many() -> Objection {
    ("too_many", Text::new("派单或部门过多(最多 16)", "At most 16 people and 16 departments"))
}
