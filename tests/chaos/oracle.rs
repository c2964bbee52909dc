//! What must hold, judged from outside: from both disks, from the broker and from the duty room's page.
//!
//! Nothing here knows how the programs work. All times are the harness's own.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::listener::Message;
use shouwang_tests::{Listener, clock};

use crate::desk::Desk;
use crate::stores::{self, Events};
use crate::world::{Register, World};

/// A register that stands this long while nothing hinders the gateway is in its log (R1: 10 s at worst).
const SETTLED: Duration = Duration::from_secs(10);
/// What was told unlogged by a process that lives is logged within this after healing.
const RETOLD: Duration = Duration::from_secs(15);
/// The duty room's own fault, and true: no browser here has the board open.
const NOBODY_WATCHES: &str = "nobody_on_watch";
const RAISED: &str = "shouwang.alarm.raised.v1";
const REPEATED: &str = "shouwang.alarm.repeated.v1";

/// Watches a world from its start.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// Hears what the broker carries, without a bad network in between.
    witness: Listener,
    witnessed: usize,
    seen: Events,
    /// Alarms that died unlogged and that a person has seen.
    acknowledged: BTreeSet<String>,
    pub(crate) desk: Desk,
    pub(crate) violations: Vec<String>,
    pub(crate) counts: Counts,
}

/// How much was judged: a test that judged nothing proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Looks at both disks at which nothing was closed that was not heard.
    pub(crate) closed: u64,
    /// Registers compared with the log after they had stood still.
    pub(crate) settled: u64,
    /// Messages at the broker found on the gateway's disk.
    pub(crate) claims: u64,
    /// Alarms told before they were on disk.
    pub(crate) unlogged: u64,
    /// Of these, alarms that died with their process, and were ended by a person.
    pub(crate) died: u64,
}

impl Oracle {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            witness: Listener::start(&world.broker),
            witnessed: 0,
            seen: Events::new(),
            acknowledged: BTreeSet::new(),
            desk: Desk::at(world.duty_room_page),
            violations: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// What must hold at every moment, whatever is broken.
    pub(crate) fn look(&mut self, world: &World) {
        self.nothing_is_closed_unheard(world);
        // What was claimed before this look at the disk must be there.
        let messages = self.witness.messages();
        let calm_since = world.calm_since();
        let Ok(committed) = stores::committed(&world.gateway_state()) else { return };
        let claims = claims(messages.get(self.witnessed..).unwrap_or_default());
        self.witnessed = messages.len();
        self.claims_are_on_disk(&claims, &committed);
        if calm_since.is_some_and(|since| since.elapsed() >= SETTLED) {
            self.settled_registers_are_known(&world.registers, &committed);
        }
        for (key, event) in &self.seen {
            if committed.get(key) != Some(event) {
                self.violations.push(format!("committed event {key:?} is gone or changed"));
            }
        }
        self.seen = committed;
    }

    /// Everything that keeps the world from being as if nothing had happened; empty if it is.
    pub(crate) fn unmet(
        &mut self,
        world: &mut World,
        latecomer: &Listener,
        healed_for: Duration,
    ) -> Vec<String> {
        let mut unmet = Vec::new();
        let committed = stores::committed(&world.gateway_state());
        let heard = stores::heard(&world.duty_room_state());
        match (&committed, &heard) {
            (Ok(committed), Ok(heard)) => {
                unmet.extend(differences(committed, heard));
                unmet.extend(disagreements("the log", &world.registers, &active_in(committed)));
            }
            (committed, heard) => unmet.push(format!(
                "the disks cannot be read: {:?} {:?}",
                committed.as_ref().err(),
                heard.as_ref().err()
            )),
        }
        match stores::mark(&world.gateway_state()) {
            Ok(mark) if mark.heard == mark.committed => {}
            mark => unmet.push(format!("the gateway does not know that all is heard: {mark:?}")),
        }
        let (words, _) = world.duty_room.words();
        match self.desk.rows(&words) {
            Ok(rows) => {
                let known = committed.unwrap_or_default();
                let active = active_at(latecomer, &known);
                unmet.extend(disagreements("the broker", &world.registers, &active));
                let waits = healed_for < RETOLD;
                let (told, rows): (Vec<_>, Vec<_>) =
                    rows.into_iter().partition(|row| died_unlogged(row, &known));
                unmet.extend(wrong_rows(&world.registers, &rows));
                unmet.extend(self.settle_with_a_person(world, &told, waits));
            }
            Err(why) => unmet.push(why),
        }
        for (name, page) in [("gateway", world.gateway_page), ("duty room", world.duty_room_page)] {
            if let Err(why) = crate::desk::ready(page) {
                unmet.push(format!("the {name} is not ready: {}", why.trim()));
            }
        }
        unmet
    }

    /// What must hold of a whole run.
    pub(crate) fn conclude(&mut self, world: &World) {
        let committed = match stores::committed(&world.gateway_state()) {
            Ok(committed) => committed,
            Err(error) => return self.violations.push(format!("the log cannot be read: {error}")),
        };
        for register in &world.registers {
            let cries = cries(&committed, register.device);
            if cries > register.rises {
                let device = register.device;
                let rises = register.rises;
                self.violations.push(format!("{device} smoked {rises} times and was cried {cries} times"));
            }
        }
        let logs = stores::logs(&world.gateway_state());
        if logs.len() != 1 {
            self.violations.push(format!("nothing damaged a file, and yet one was put aside: {logs:?}"));
        }
        for file in logs.into_iter().chain([world.duty_room_state().join("duty-room.db")]) {
            if let Some(complaint) = stores::complaint(&file) {
                self.violations.push(format!("{}: {complaint}", file.display()));
            }
        }
        let sequences = committed.keys().map(|(_, sequence)| *sequence);
        if !sequences.eq((1..).take(committed.len())) {
            self.violations.push("the log has a hole".to_owned());
        }
    }

    /// An alarm told before it was on disk, by a process that was then killed, stays on the page until a person
    /// has seen it; then the gateway says that it does not know it, and the page counts it as a loss.
    fn settle_with_a_person(&mut self, world: &mut World, rows: &[Value], waits: bool) -> Vec<String> {
        let mut unmet = Vec::new();
        for row in rows {
            let id = row["id"].as_str().unwrap_or_default();
            if !waits && !self.acknowledged.contains(id) {
                let answer = self.desk.acknowledge(id);
                world.say(&format!("a person acknowledges {id}, which its gateway never logged: {answer:?}"));
                if answer.is_ok() {
                    self.acknowledged.insert(id.to_owned());
                    self.counts.died += 1;
                }
            }
            unmet.push(format!("an alarm that no gateway knows is still on the page: {row}"));
        }
        unmet
    }

    /// I2: the duty room says that it heard when it has it on disk, and only then the gateway closes.
    fn nothing_is_closed_unheard(&mut self, world: &World) {
        let Ok(mark) = stores::mark(&world.gateway_state()) else { return };
        let Ok(heard) = stores::heard_up_to(&world.duty_room_state(), &mark.log, mark.heard) else { return };
        self.counts.closed += 1;
        if heard != mark.heard {
            let closed = mark.heard;
            self.violations
                .push(format!("the gateway has closed {closed} events, the duty room has {heard} of them"));
        }
    }

    /// Save, then speak: an event that somebody could hear, and what an alarm's document says, is on disk.
    fn claims_are_on_disk(&mut self, claims: &[Value], committed: &Events) {
        let revisions: BTreeSet<(&str, u64)> =
            committed.values().filter_map(|event| revision(&event["data"])).collect();
        let events: BTreeMap<&str, &Value> =
            committed.values().filter_map(|event| Some((event["id"].as_str()?, event))).collect();
        for claim in claims {
            if claim["unlogged"] == true {
                self.counts.unlogged += 1;
                continue;
            }
            self.counts.claims += 1;
            let kept = match claim.get("specversion") {
                Some(_) => {
                    claim["id"].as_str().and_then(|id| events.get(id)).is_some_and(|event| *event == claim)
                }
                None => revision(claim).is_some_and(|revision| revisions.contains(&revision)),
            };
            if !kept {
                self.violations.push(format!("told and not on disk: {claim}"));
            }
        }
    }

    fn settled_registers_are_known(&mut self, registers: &[Register], committed: &Events) {
        let still: Vec<Register> =
            registers.iter().copied().filter(|register| register.since.elapsed() >= SETTLED).collect();
        self.counts.settled += still.len() as u64;
        let wrong = disagreements("after 10 s of calm the log", &still, &active_in(committed));
        self.violations.extend(wrong);
    }
}

/// The events and the alarms' documents among these messages.
fn claims(messages: &[Message]) -> Vec<Value> {
    let claims =
        messages.iter().filter(|message| message.leaf == "event" || message.leaf.starts_with("alarm/"));
    claims.filter_map(|message| serde_json::from_slice(&message.payload).ok()).collect()
}

/// Event by event, whatever is not the same on both disks.
pub(crate) fn differences(committed: &Events, heard: &Events) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, event) in committed {
        match heard.get(key) {
            None => differences.push(format!("committed and not heard: {key:?} {}", event["type"])),
            Some(other) if other != event => {
                differences.push(format!("heard otherwise: {key:?} {event} {other}"));
            }
            Some(_) => {}
        }
    }
    let invented = heard.keys().filter(|key| !committed.contains_key(*key));
    differences.extend(invented.map(|key| format!("heard and never committed: {key:?}")));
    differences
}

/// Which devices' alarms are active, each by its last event.
pub(crate) fn active_in(committed: &Events) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::new();
    for event in committed.values().filter(|event| revision(&event["data"]).is_some()) {
        newest.insert(
            event["subject"].as_str().unwrap_or_default().to_owned(),
            u64::from(event["data"]["active"] == true),
        );
    }
    newest
}

/// How many by the alarms' retained documents; what died unlogged is nobody's to empty.
fn active_at(latecomer: &Listener, committed: &Events) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::new();
    for message in latecomer.messages() {
        if message.leaf.starts_with("alarm/") {
            newest.insert(
                message.leaf.clone(),
                serde_json::from_slice(&message.payload).unwrap_or(Value::Null),
            );
        }
    }
    let mut active = BTreeMap::new();
    for document in newest.values().filter(|document| document["active"] == true) {
        if died_unlogged(document, committed) {
            continue;
        }
        *active.entry(document["device"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    active
}

/// A device that smokes has exactly one active alarm, one that does not has none.
pub(crate) fn disagreements(
    whose: &str,
    registers: &[Register],
    active: &BTreeMap<String, u64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for register in registers {
        let alarms = active.get(register.device).copied().unwrap_or(0);
        if alarms != u64::from(register.smoke) {
            let (device, smoke) = (register.device, if register.smoke { "smokes" } else { "is clear" });
            let since = clock::now().duration_since(register.since);
            wrong.push(format!(
                "{device} {smoke} since {since:?}, and {whose} has {alarms} active alarms of it"
            ));
        }
    }
    wrong
}

fn wrong_rows(registers: &[Register], rows: &[Value]) -> Vec<String> {
    let mut active: BTreeMap<String, u64> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for row in rows {
        if !ids.insert(row["id"].to_string()) {
            wrong.push(format!("the page has a row twice: {row}"));
        }
        if row["kind"] == "alarm" {
            if row["active"] == true {
                *active.entry(row["device"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
            if row["provisional"] == true || row["unlogged"] == true {
                wrong.push(format!("the page has an alarm that is on no disk: {row}"));
            }
        } else if row["kind"] != "gap" && row["active"] == true && row["condition"] != NOBODY_WATCHES {
            wrong.push(format!("the page still has a fault: {row}"));
        }
    }
    wrong.extend(disagreements("the page", registers, &active));
    wrong
}

/// Whether this row is an alarm that was told unlogged and is in no log.
fn died_unlogged(row: &Value, committed: &Events) -> bool {
    row["unlogged"] == true && committed.values().all(|event| event["data"]["id"] != row["id"])
}

fn cries(committed: &Events, device: &str) -> u64 {
    let cries = committed.values().filter(|event| event["type"] == RAISED || event["type"] == REPEATED);
    cries.filter(|event| event["subject"] == device).count() as u64
}

/// The id and revision of an alarm's document; none of anything else.
fn revision(document: &Value) -> Option<(&str, u64)> {
    Some((document["id"].as_str()?, document["revision"].as_u64()?))
}
