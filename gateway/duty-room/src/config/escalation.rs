//! `[escalation]`: who is told through which channels after how long, by priority, and who when nobody watches; with
//! the proof that each step of the emergencies' ladder can wake somebody.
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use shouwang_board::organisation::{Organisation, Person, Target};
use shouwang_board::{Escalation, Reach, Step};
use shouwang_message::{Id, Priority};
use toml::de::DeTable;

use super::near::instead;
use super::reader::Reader;

const STEP_KEYS: &[&str] = &["after_s", "tell", "to"];
/// Steps of one ladder.
const STEPS: usize = 16;
/// The last step comes after an hour at the latest.
const LAST_S: u32 = 3_600;
/// Whoever answers for the alarm's class and grid at its hour.
const RESPONDER: &str = "responder";
/// Who is told that nobody is on watch, unless `watch` says otherwise.
const LEADER: &str = "leader";

/// For whom a ladder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rungs {
    Alarms(Priority),
    /// Nobody is on watch, or a roll call has no answer.
    Watch,
    /// 督办.
    Supervise,
}

impl Rungs {
    fn key(self) -> &'static str {
        match self {
            Self::Alarms(priority) => priority.as_str(),
            Self::Watch => "watch",
            Self::Supervise => "supervise",
        }
    }

    /// Each step must reach somebody who sleeps; and in Chinese and English what it is about.
    fn must_wake(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Alarms(Priority::Emergency) => Some(("紧急报警", "emergency")),
            Self::Watch => Some(("无人值守", "nobody on watch")),
            Self::Alarms(_) | Self::Supervise => None,
        }
    }
}

/// The ways out of the house, by what they reach.
struct Ways {
    channels: BTreeMap<Id, Reach>,
    /// A siren on the desk sounds for every emergency, whatever else is told.
    has_siren: bool,
}

impl Reader<'_> {
    pub(super) fn escalation(
        &mut self,
        top: &DeTable<'_>,
        channels: BTreeMap<Id, Reach>,
        organisation: &Organisation,
    ) -> Escalation {
        let ways = Ways { channels, has_siren: top.contains_key("sounder") };
        let mut escalation = Escalation { channels: ways.channels.clone(), ..Escalation::default() };
        if !top.contains_key("escalation") {
            return escalation;
        }
        let Some((span, table)) = self.table(top, "escalation") else { return escalation };
        let mut keys: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
        keys.extend(["dispatch", "watch", "supervise"]);
        self.unknown_keys(table, "escalation.", &keys);
        let before = self.problems.len();
        for priority in Priority::ALL {
            let steps = self.steps(table, Rungs::Alarms(*priority), &ways, organisation);
            if !steps.is_empty() {
                escalation.steps.insert(*priority, steps);
            }
        }
        escalation.dispatch = self.dispatch(table, &escalation.channels);
        let calls = |step: &Step| {
            step.channels.iter().any(|id| matches!(ways.channels.get(id), Some(Reach::Person { .. })))
        };
        let emergency = escalation.steps.get(&Priority::Emergency).filter(|_| self.problems.len() == before);
        if emergency.is_some_and(|steps| !steps.iter().any(calls)) {
            let what = "紧急报警始终不打电话、不发短信 · no step for emergencies ever reaches a phone";
            let remedy = "add a step that tells people through an SMS or voice channel";
            self.problem(span.clone(), what, remedy);
        }
        if !table.contains_key(Priority::Emergency.as_str()) {
            let what = "没有紧急报警的步骤 · no steps for emergencies";
            self.problem(
                span.clone(),
                what,
                "write emergency = [{ after_s = 0, tell = [..], to = [..] }, ..]",
            );
        }
        if !top.contains_key("responder") {
            let what = "没有 [[responder]]:任何时段都无人负责 · no [[responder]]: nobody answers at any hour";
            self.problem(span, what, "name who answers for which class in which grid at which hours");
        }
        escalation.watch = match table.contains_key(Rungs::Watch.key()) {
            true => self.steps(table, Rungs::Watch, &ways, organisation),
            false => told_that_nobody_watches(&escalation, organisation),
        };
        escalation.supervise = match table.contains_key(Rungs::Supervise.key()) {
            true => self.supervise(table, &ways, organisation),
            // Whoever leads the watch leads its cases.
            false => escalation.watch.first().map(|step| Step { after: Duration::ZERO, ..step.clone() }),
        };
        escalation
    }

    /// 督办 is told at once, or not at all.
    fn supervise(&mut self, table: &DeTable<'_>, ways: &Ways, organisation: &Organisation) -> Option<Step> {
        let steps = self.steps(table, Rungs::Supervise, ways, organisation);
        if steps.len() > 1 || steps.iter().any(|step| !step.after.is_zero()) {
            let span = table.get(Rungs::Supervise.key()).map_or(0..0, toml::Spanned::span);
            let what = "督办只有一步,立即通知 · supervise has one step, at once";
            self.problem(
                span,
                what,
                r#"write supervise = [{ after_s = 0, tell = ["sms"], to = ["leader"] }]"#,
            );
        }
        steps.into_iter().next()
    }

    fn steps(
        &mut self,
        table: &DeTable<'_>,
        rungs: Rungs,
        ways: &Ways,
        organisation: &Organisation,
    ) -> Vec<Step> {
        let sections = self.tables(table, rungs.key());
        if let Some((span, _)) = sections.get(STEPS) {
            self.problem(span.clone(), format!("more than {STEPS} steps"), "leave some out");
        }
        let mut steps: Vec<Step> = Vec::new();
        for (span, section) in sections.into_iter().take(STEPS) {
            self.unknown_keys(section, "", STEP_KEYS);
            let before = self.problems.len();
            let told = self.channels_named(section, "tell", &ways.channels);
            let to = self.targets(section, organisation);
            let readable = self.problems.len() == before;
            if !section.contains_key("after_s") {
                self.problem(span.clone(), "after_s is missing", "write after_s = 30, seconds since the cry");
            }
            let Some(after_s) = self.number(section, "after_s", 0, LAST_S) else { continue };
            let after = Duration::from_secs(after_s.into());
            if steps.last().is_some_and(|before| before.after >= after) {
                let what = format!("步骤未按时间先后 · {after_s} s is not after the step before");
                self.problem(span.clone(), what, "write the steps in order of time");
            }
            let step = Step { after, channels: told, to };
            // What is wrong with its words has been said.
            if readable {
                self.step_reaches_somebody(span, rungs, &step, ways, organisation);
            }
            steps.push(step);
        }
        steps
    }

    fn targets(&mut self, section: &DeTable<'_>, organisation: &Organisation) -> Vec<Target> {
        let mut targets = Vec::new();
        for (span, word) in self.words(section, "to") {
            let persons = &organisation.persons;
            let role =
                persons.iter().filter_map(|person| person.role.as_ref()).find(|role| role.as_str() == word);
            let person = persons.iter().find(|person| person.id.as_str() == word);
            match (word.as_str(), role, person) {
                (RESPONDER, ..) => targets.push(Target::Responder),
                (_, Some(role), _) => targets.push(Target::Role(role.clone())),
                (_, None, Some(person)) => targets.push(Target::Person(person.id.clone())),
                (_, None, None) => {
                    let mut known: BTreeSet<&str> = [RESPONDER].into();
                    known.extend(persons.iter().filter_map(|person| person.role.as_ref()).map(Id::as_str));
                    known.extend(persons.iter().map(|person| person.id.as_str()));
                    let known: Vec<&str> = known.into_iter().take(40).collect();
                    let what = format!("没有人是 {word:?} · nobody is {word:?}");
                    self.problem(span, what, instead(&word, &known));
                }
            }
        }
        targets
    }

    fn channels_named(
        &mut self,
        section: &DeTable<'_>,
        key: &str,
        channels: &BTreeMap<Id, Reach>,
    ) -> Vec<Id> {
        let mut named = Vec::new();
        for (span, word) in self.words(section, key) {
            match channels.keys().find(|id| id.as_str() == word) {
                Some(id) => named.push(id.clone()),
                None => {
                    let known: Vec<&str> = channels.keys().map(Id::as_str).collect();
                    let what = format!("没有通道 {word:?} · no [[channel]] is called {word:?}");
                    self.problem(span, what, instead(&word, &known));
                }
            }
        }
        named
    }

    fn step_reaches_somebody(
        &mut self,
        span: Range<usize>,
        rungs: Rungs,
        step: &Step,
        ways: &Ways,
        organisation: &Organisation,
    ) {
        let after_s = step.after.as_secs();
        let reaches: Vec<Reach> =
            step.channels.iter().filter_map(|id| ways.channels.get(id)).copied().collect();
        if reaches.is_empty() {
            self.problem(span, "这一步没有通道 · a step without a channel", "write tell = [\"CHANNEL\"]");
            return;
        }
        let calls = reaches.iter().any(|reach| matches!(reach, Reach::Person { .. }));
        // The siren stands in the room in which nobody is.
        let is_heard = calls || (ways.has_siren && rungs != Rungs::Watch);
        if let Some((zh, en)) = rungs.must_wake().filter(|_| !is_heard) {
            let what = format!(
                "{zh}第 {after_s} 秒这一步叫不醒人:群机器人夜里无声 · {en}: the step at {after_s} s wakes nobody: a \
                 group's robot is silent at night"
            );
            self.problem(
                span,
                what,
                "add an SMS or voice channel to `tell`, or a siren on the desk: [sounder]",
            );
            return;
        }
        if !calls {
            return;
        }
        let meant = anybody_meant(&step.to, organisation);
        if meant.is_empty() {
            let what = format!("第 {after_s} 秒这一步没有写给谁 · the step at {after_s} s calls nobody");
            self.problem(span, what, r#"write to = ["on-duty"], a role, a person or "responder""#);
            return;
        }
        let silent: Vec<&str> =
            meant.iter().filter(|person| person.phone.is_none()).map(|person| person.id.as_str()).collect();
        if !silent.is_empty() {
            let what = format!(
                "第 {after_s} 秒要打给没有电话号码的人 · the step at {after_s} s calls people without a phone: {}",
                silent.join(", ")
            );
            self.problem(span, what, "give each a phone = \"...\" in its [[person]]");
        }
    }

    /// Left out: every channel that reaches a person.
    fn dispatch(&mut self, table: &DeTable<'_>, channels: &BTreeMap<Id, Reach>) -> BTreeSet<Id> {
        if !table.contains_key("dispatch") {
            let personal = channels.iter().filter(|(_, reach)| matches!(reach, Reach::Person { .. }));
            return personal.map(|(id, _)| id.clone()).collect();
        }
        let named = self.channels_named(table, "dispatch", channels);
        let group = named.iter().find(|id| !matches!(channels.get(*id), Some(Reach::Person { .. })));
        if let Some(id) = group {
            let span = table.get("dispatch").map_or(0..0, toml::Spanned::span);
            let what = format!("派单要发到个人,{id} 不能 · {id} does not reach one person");
            self.problem(span, what, "name SMS or voice channels, or leave dispatch out");
        }
        named.into_iter().collect()
    }
}

/// Left out: at once, through every channel that reaches a person, the leaders; without a leader whom the last step
/// for emergencies tells.
fn told_that_nobody_watches(escalation: &Escalation, organisation: &Organisation) -> Vec<Step> {
    let phones = escalation.channels.iter().filter(|(_, reach)| matches!(reach, Reach::Person { .. }));
    let channels: Vec<Id> = phones.map(|(id, _)| id.clone()).collect();
    let reachable = organisation.persons.iter().filter(|person| person.phone.is_some());
    let mut roles = reachable.filter_map(|person| person.role.as_ref());
    let leader = roles.find(|role| role.as_str() == LEADER).map(|role| vec![Target::Role(role.clone())]);
    let emergency = escalation.steps.get(&Priority::Emergency);
    let last = emergency.and_then(|steps| steps.iter().rfind(|step| !step.to.is_empty()));
    let to = leader.or_else(|| last.map(|step| step.to.clone())).unwrap_or_default();
    if channels.is_empty() || to.is_empty() {
        return Vec::new();
    }
    vec![Step { after: Duration::ZERO, channels, to }]
}

/// Everybody whom these targets can mean at some hour, somewhere.
pub(crate) fn anybody_meant<'o>(targets: &[Target], organisation: &'o Organisation) -> Vec<&'o Person> {
    let answers = |person: &&Person| {
        organisation.responders.iter().any(|responder| responder.persons.contains(&person.id))
    };
    let is_meant = |person: &&Person| {
        targets.iter().any(|target| match target {
            Target::Responder => answers(person),
            Target::Person(id) => person.id == *id,
            Target::Role(role) => person.role.as_ref() == Some(role),
        })
    };
    organisation.persons.iter().filter(is_meant).collect()
}

#[cfg(test)]
mod tests;
