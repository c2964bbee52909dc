//! A million random operations on alarms and their cases (50,000 without optimisation), with kills and commits that
//! come late, against a reference of a few plain rules: every answer, every row, every case, every line counted.
mod model;

use std::collections::BTreeMap;

use shouwang_board::{
    Asked, Board, CallBack, CaseAsked, CaseStep, Conclusion, Input, KEPT_PREFIXES, ListState, Outcome,
    Output, Request, Service, Settings, Transaction,
};
use shouwang_message::*;

use model::Expected::{self, Already, Refused, Taken};
use model::Model;

const OPERATIONS: u64 = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
const POOL: usize = 40;
const NOW: Instant = Instant::from_micros(1_000_000);
const PEOPLE: [&str; 3] = ["u-1", "u-2", "u-3"];
const NAMES: [&str; 4] = ["王", "李", "张", "赵"];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.draw() % bound as u64).unwrap()
    }

    fn once_in(&mut self, times: u64) -> bool {
        self.draw().is_multiple_of(times)
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

const CLASSES: [Class; 4] = [Class::Smoke, Class::Call, Class::Gas, Class::WaterLevel];
const STATES: [&str; 7] = ["new", "accepted", "dispatched", "on_site", "handled", "rated", "closed"];

fn answer(
    named: &mut [(&'static str, &'static str, Option<&'static str>)],
    whom: Option<&str>,
    by: &'static str,
    concluded: bool,
    nobody: &'static str,
) -> Result<(), Expected> {
    match named.iter_mut().find(|named| Some(named.0) == whom) {
        None => Err(Refused(nobody)),
        Some((_, _, Some(first))) => Err(Already(first)),
        Some(_) if concluded => Err(Refused("concluded")),
        Some((_, _, answered)) => {
            *answered = Some(by);
            Ok(())
        }
    }
}

/// Everything that a kill takes back to the last commit.
#[derive(Clone, Debug, Default)]
struct Reference {
    alarms: BTreeMap<u64, Model>,
    raised: u64,
    /// Alarms that this process has heard of, and whether they were so many that it is a flood.
    heard: u64,
    flood: bool,
    sequence: Sequence,
    lines: u64,
}

struct World {
    board: Board,
    starts: u64,
    kept: BTreeMap<String, String>,
    lines: u64,
    uncommitted: Vec<Transaction>,
    late: bool,
    answers: BTreeMap<u64, Outcome>,
    expected: BTreeMap<u64, Expected>,
    tickets: u64,
    counts: BTreeMap<&'static str, u64>,
}

fn restored(starts: u64, kept: &BTreeMap<String, String>) -> Board {
    let mut all = Vec::new();
    for (prefix, limit) in KEPT_PREFIXES {
        let below = kept.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let below: Vec<_> = below.map(|(key, value)| (key.clone(), value.clone())).collect();
        all.extend_from_slice(&below[below.len().saturating_sub(limit)..]);
    }
    let settings = Settings::new("duty-1".parse().unwrap());
    Board::restore(settings, starts, NOW, Timestamp::from_unix_ms(1_800_000_000_000), all)
}

fn id_of(number: u64) -> AlarmId {
    AlarmId::from_parts(number, 7)
}

impl World {
    fn give(&mut self, input: Input) {
        for output in self.board.handle(NOW, Timestamp::from_unix_ms(1_800_000_000_000), input) {
            match output {
                Output::Commit(transaction) => self.uncommitted.push(transaction),
                Output::Answer { ticket, outcome } => {
                    self.answers.insert(ticket, outcome);
                }
                _ => {}
            }
        }
        if !self.late {
            self.commit();
        }
    }

    fn commit(&mut self) {
        for transaction in std::mem::take(&mut self.uncommitted) {
            self.lines += transaction.log.len() as u64;
            for (key, value) in transaction.keep {
                match value {
                    Some(value) => self.kept.insert(key, value),
                    None => self.kept.remove(&key),
                };
            }
            self.give(Input::Committed { transaction: transaction.number });
        }
        if self.kept.len() > 3_000 {
            self.forget_the_long_past();
        }
    }

    /// What is on disk only is not looked at again here.
    fn forget_the_long_past(&mut self) {
        for prefix in ["closed/", "finished/"] {
            let below = self.kept.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
            let all: Vec<String> = below.map(|(key, _)| key.clone()).collect();
            for key in &all[..all.len().saturating_sub(600)] {
                self.kept.remove(key);
            }
        }
    }

    fn kill(&mut self) {
        self.uncommitted.clear();
        self.starts += 1;
        self.board = restored(self.starts, &self.kept);
    }

    /// Every answer so far is the expected one; with `all`, none is missing.
    fn settle(&mut self, all: bool) {
        let answers = std::mem::take(&mut self.answers);
        for (ticket, outcome) in answers {
            let expected = self.expected.remove(&ticket).unwrap();
            let matches = match (&expected, &outcome) {
                (Taken, Outcome::CaseTaken { .. } | Outcome::Taken { .. }) => "taken",
                (Already(by), Outcome::CaseAlready { already, .. }) if already["by"] == **by => "already",
                (Already(_), Outcome::AlreadyAcknowledged { .. }) => "already",
                (Refused(code), Outcome::Refused { code: told, .. }) if code == told => *code,
                _ => panic!("expected {expected:?}, was told {outcome:?}"),
            };
            *self.counts.entry(matches).or_default() += 1;
        }
        assert!(!all || self.expected.is_empty(), "no answer: {:?}", self.expected);
    }

    fn event(&mut self, reference: &mut Reference, number: u64, change: AlarmChange) {
        reference.sequence += 1;
        let document = reference.alarms[&number].document(id_of(number));
        let event = Event {
            site: "heping".parse().unwrap(),
            gateway: "gw-1".parse().unwrap(),
            log: "01KANEXAMPE000000000000AAA".parse().unwrap(),
            sequence: reference.sequence,
            time: Timestamp::from_unix_ms(1_800_000_000_000),
            subject: "device-1".into(),
            data: EventData::Alarm(change, document.into()),
        };
        let topic = "shouwang/v1/heping/gw-1/event".into();
        self.give(Input::Arrived { topic, payload: to_bytes(&event), retained: false });
    }

    /// The whole list, all open cases and the logbook's length.
    fn compare(&mut self, reference: &Reference) {
        let rows = self.board.list(ListState::Open);
        let mut listed: BTreeMap<String, &serde_json::Value> = BTreeMap::new();
        for row in rows.iter().filter(|row| row["kind"] != "group") {
            let must_be_seen = row["priority"] == "emergency" && row["acknowledged"].is_null();
            assert!(!must_be_seen || (row["in_group"].is_null() && row["sound"] == "sweep"), "{row}");
            listed.insert(row["id"].as_str().unwrap().to_owned(), row);
        }
        let wanted = reference.alarms.iter().filter(|(_, model)| model.is_in_list());
        assert_eq!(listed.len(), wanted.clone().count(), "rows {listed:?}\nof {:?}", reference.alarms);
        for (number, model) in wanted {
            let row = listed[&id_of(*number).to_string()];
            let told = (&row["case"], &row["finished"], &row["acknowledged"].is_null(), &row["active"]);
            let seen = model.acknowledged || model.asked;
            let expected =
                (&STATES[model.state].into(), &model.finished.into(), &!seen, &model.active.into());
            assert_eq!(told, expected, "{number} {model:?}");
        }
        let cases = self.board.cases(ListState::Open);
        let open = reference
            .alarms
            .iter()
            .filter(|(_, model)| model.state < 6 && (model.touched || model.is_in_list()));
        let open: Vec<(String, &str)> =
            open.map(|(number, model)| (id_of(*number).to_string(), STATES[model.state])).collect();
        let cases: Vec<(String, &str)> = cases
            .iter()
            .map(|case| (case["id"].as_str().unwrap().to_owned(), case["state"].as_str().unwrap()))
            .collect();
        assert_eq!(cases, open);
        assert_eq!(self.lines, reference.lines, "lines of the logbook");
        let kept = self.kept.keys().filter(|key| key.starts_with("case/")).count();
        assert_eq!(kept, reference.alarms.values().filter(|model| model.touched && model.state < 6).count());
    }
}

fn random_step(chance: &mut Chance) -> CaseStep {
    let person = |chance: &mut Chance| chance.once_in(2).then(|| chance.of(&NAMES).to_owned());
    let conclusions = [
        Conclusion::Real,
        Conclusion::FalseAlarm,
        Conclusion::Test,
        Conclusion::Drill,
        Conclusion::Duplicate,
    ];
    let of = |chance: &mut Chance| chance.once_in(2).then(|| id_of(u64::MAX >> 20));
    match chance.below(15) {
        0 => CaseStep::Accept,
        1 => CaseStep::Dispatch { to: chance.of(&NAMES).into() },
        2 => CaseStep::Receive { person: person(chance) },
        3 => CaseStep::Arrive { person: person(chance) },
        4 | 5 => CaseStep::Handle { conclusion: chance.of(&conclusions), of: of(chance) },
        6 => CaseStep::Rate { stars: 3 },
        7 | 8 => {
            let conclusion = chance.once_in(2).then(|| chance.of(&conclusions));
            CaseStep::Close { conclusion, of: of(chance) }
        }
        9 => {
            let many = chance.below(3);
            CaseStep::Whistle { departments: (0..many).map(|_| chance.of(&NAMES).to_owned()).collect() }
        }
        10 => CaseStep::ReportIn { department: chance.of(&NAMES).into() },
        11 => CaseStep::Note,
        13 => CaseStep::Photo { photo: chance.of(&NAMES).into() },
        12 => CaseStep::Called { service: chance.of(&[Service::Fire, Service::Ambulance]) },
        _ => CaseStep::Claim { person: person(chance) },
    }
}

fn operate(world: &mut World, reference: &mut Reference, chance: &mut Chance) {
    let room = reference.alarms.len() < POOL;
    if reference.alarms.is_empty() || (room && chance.once_in(20)) {
        reference.raised += 1;
        let number = reference.raised;
        let model = Model {
            class: chance.below(4),
            active: true,
            latched: true,
            occurrence: 1,
            revision: 1,
            ..Model::default()
        };
        reference.alarms.insert(number, model);
        reference.heard += 1;
        if !reference.flood && reference.heard > 10 {
            (reference.flood, reference.lines) = (true, reference.lines + 1);
        }
        return world.event(reference, number, AlarmChange::Raised);
    }
    let chosen = chance.below(reference.alarms.len());
    let number = *reference.alarms.keys().nth(chosen).unwrap();
    let raised = reference.raised;
    let model = reference.alarms.get_mut(&number).unwrap();
    if model.finished && model.state == 6 {
        reference.alarms.remove(&number);
        return;
    }
    // Closed cases are remembered for a while only: an old alarm ends before that.
    let is_old = model.state == 6 && raised - number > 300;
    let kind = if is_old { 3 } else { chance.below(12) };
    match kind {
        0 if !model.finished && !model.acknowledged => {
            model.revision += 1;
            reference.lines += model.hear_acknowledged();
            model.finished = !model.active && !model.latched;
            world.event(reference, number, AlarmChange::Acknowledged);
        }
        1 if !model.finished && (!model.active || chance.once_in(4)) => {
            model.revision += 1;
            reference.lines += model.hear_repeated();
            world.event(reference, number, AlarmChange::Repeated);
        }
        2 if !model.finished && model.active => {
            model.revision += 1;
            model.active = false;
            model.finished = model.acknowledged && !model.latched;
            world.event(reference, number, AlarmChange::Cleared);
        }
        3 if !model.finished && (!model.active || is_old) => {
            model.revision += 1;
            if is_old && !model.acknowledged {
                reference.lines += model.hear_acknowledged();
            }
            (model.active, model.latched) = (false, false);
            model.finished = model.acknowledged;
            let change = if model.finished { AlarmChange::Finished } else { AlarmChange::Reset };
            world.event(reference, number, change);
        }
        4 if !model.finished => {
            world.tickets += 1;
            let by = chance.of(&PEOPLE);
            let expected = if model.acknowledged || model.asked {
                Already("")
            } else {
                model.asked = true;
                reference.lines += 1;
                if model.state == 0 {
                    (model.touched, model.state, model.accepted) = (true, 1, by);
                    reference.lines += 1;
                }
                Taken
            };
            world.expected.insert(world.tickets, expected);
            let asked = Asked {
                alarm: id_of(number),
                by: by.into(),
                from: "192.0.2.7".into(),
                reason: None,
                occurrence: None,
                request: Request::Acknowledge,
            };
            world.give(Input::Asked { ticket: world.tickets, asked });
        }
        _ => {
            world.tickets += 1;
            let by = chance.of(&PEOPLE);
            let call_backs = [CallBack::Safe, CallBack::NeedsHelp, CallBack::NoAnswer];
            let asked = CaseAsked {
                case: id_of(number),
                by: by.into(),
                from: "192.0.2.7".into(),
                note: chance.once_in(2).then(|| "原因".into()),
                call_back: chance.once_in(5).then(|| chance.of(&call_backs)),
                occurrence: chance.once_in(3).then(|| 1 + u32::try_from(chance.below(3)).unwrap()),
                step: random_step(chance),
            };
            let (expected, lines) = model.step(&asked, by);
            reference.lines += lines;
            world.expected.insert(world.tickets, expected);
            world.give(Input::CaseAsked { ticket: world.tickets, asked });
        }
    }
}

#[test]
fn a_board_does_what_plain_rules_say() {
    let mut chance = Chance(20_261_122);
    let mut reference = Reference::default();
    let mut world = World {
        board: restored(1, &BTreeMap::new()),
        starts: 1,
        kept: BTreeMap::new(),
        lines: 0,
        uncommitted: Vec::new(),
        late: false,
        answers: BTreeMap::new(),
        expected: BTreeMap::new(),
        tickets: 0,
        counts: BTreeMap::new(),
    };
    let mut saved = None;
    for operation in 0..OPERATIONS {
        operate(&mut world, &mut reference, &mut chance);
        world.settle(!world.late);
        match &saved {
            None if chance.once_in(100) => {
                saved = Some(reference.clone());
                world.late = true;
            }
            Some(before) if chance.once_in(8) => {
                if chance.once_in(2) {
                    // What was told so far was told of things that never came to be.
                    reference = Reference::clone(before);
                    world.expected.clear();
                    world.kill();
                    reference.heard = 0;
                    *world.counts.entry("killed").or_default() += 1;
                }
                world.late = false;
                world.commit();
                world.settle(true);
                world.compare(&reference);
                saved = None;
            }
            None if chance.once_in(500) => {
                world.kill();
                reference.heard = 0;
                world.compare(&reference);
            }
            None if operation % 500 == 0 => world.compare(&reference),
            _ => {}
        }
    }
    // Every answer that there is was given many times.
    println!("{OPERATIONS} operations on {} alarms: {:?}", reference.raised, world.counts);
    for code in [
        "taken",
        "already",
        "not_accepted",
        "not_acknowledged",
        "not_dispatched",
        "not_handled",
        "not_called",
        "concluded",
        "conclusion_stands",
        "closed",
        "reason_missing",
        "of_missing",
        "call_back_missing",
        "on_site_missing",
        "departments_missing",
        "newer_cry",
        "killed",
    ] {
        assert!(world.counts.get(code).is_some_and(|times| *times >= 10), "{code}: {:?}", world.counts);
    }
}
