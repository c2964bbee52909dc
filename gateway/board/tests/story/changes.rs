//! A page is told only of rows that changed: a row that says it looks the same must look the same, and the order in
//! which rows are told must be the list's.
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use shouwang_board::{Asked, CaseStep, Conclusion, Input, Request};
use shouwang_message::*;

use crate::world::*;

fn alarm_id(n: u8) -> AlarmId {
    format!("01KANEXAMP000000000000000{}", char::from(b'1' + n)).parse().unwrap()
}

fn document(n: u8, revision: u32) -> AlarmDocument {
    let device = id(&format!("device-{n}"));
    let priority = if n.is_multiple_of(2) { Priority::Emergency } else { Priority::Ordinary };
    AlarmDocument { id: alarm_id(n), device, priority, ..smoke(revision) }
}

/// What a page holds, kept up to date by what changed only, and held against the whole list after every step.
#[derive(Default)]
struct Page {
    faces: BTreeMap<AlarmId, u64>,
    rows: BTreeMap<AlarmId, serde_json::Value>,
    told: usize,
}

impl Page {
    fn follow(&mut self, world: &World) {
        let listing = world.board.listing();
        let faces = listing.faces();
        let order: Vec<AlarmId> = faces.iter().map(|(id, _)| *id).collect();
        let kept: Vec<AlarmId> =
            self.faces.keys().copied().filter(|id| faces.iter().any(|(one, _)| one == id)).collect();
        for (id, face) in faces {
            if self.faces.get(id) != Some(face) {
                self.rows.insert(*id, listing.row(*id).expect("a row with a face"));
                self.told += 1;
            }
        }
        let gone = |id: &AlarmId| !kept.contains(id) && !order.contains(id);
        self.rows.retain(|id, _| !gone(id));
        self.faces = faces.iter().copied().collect();
        let shown: Vec<_> = order.iter().map(|id| self.rows[id].clone()).collect();
        assert_eq!(shown, world.rows(), "a page that follows changes shows another list");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Raise(u8),
    Clear(u8),
    Repeat(u8),
    Suppress(u8, u8),
    Ask(u8, bool),
    Conclude(u8),
    Refuse,
    Confirm(u8),
    Device(u8, bool),
    Gateway(bool),
    Info,
    Link(bool),
    Pass(u8),
    Gap,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = 0..4_u8;
    let step = prop_oneof![
        n.clone().prop_map(Step::Raise),
        n.clone().prop_map(Step::Clear),
        n.clone().prop_map(Step::Repeat),
        (n.clone(), n.clone()).prop_map(|(one, by)| Step::Suppress(one, by)),
        (n.clone(), any::<bool>()).prop_map(|(one, shelve)| Step::Ask(one, shelve)),
        n.clone().prop_map(Step::Conclude),
        Just(Step::Refuse),
        n.clone().prop_map(Step::Confirm),
        (n, any::<bool>()).prop_map(|(one, lost)| Step::Device(one, lost)),
        any::<bool>().prop_map(Step::Gateway),
        Just(Step::Info),
        any::<bool>().prop_map(Step::Link),
        (1..60_u8).prop_map(Step::Pass),
        Just(Step::Gap),
    ];
    prop::collection::vec(step, 1..60)
}

#[derive(Default)]
struct Told {
    sequence: Sequence,
    revisions: BTreeMap<u8, AlarmDocument>,
}

impl Told {
    fn say(&mut self, world: &mut World, n: u8, change: AlarmChange, edit: impl Fn(&mut AlarmDocument)) {
        let document = self.revisions.entry(n).or_insert_with(|| document(n, 0));
        document.revision += 1;
        edit(document);
        self.sequence += 1;
        world.event(&event(self.sequence, EventData::Alarm(change, document.clone().into())));
    }

    fn take(&mut self, world: &mut World, step: &Step) {
        match *step {
            Step::Raise(n) => self.say(world, n, AlarmChange::Raised, |one| one.active = true),
            Step::Clear(n) => self.say(world, n, AlarmChange::Cleared, |one| one.active = false),
            Step::Repeat(n) => self.say(world, n, AlarmChange::Repeated, |one| {
                (one.occurrence, one.acknowledged) = (one.occurrence + 1, None);
            }),
            Step::Suppress(n, by) => self.say(world, n, AlarmChange::Suppressed, |one| {
                one.suppressed = Some(Suppressed { by: alarm_id(by) });
            }),
            Step::Confirm(n) => self.say(world, n, AlarmChange::Acknowledged, |one| {
                one.acknowledged = Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) });
            }),
            Step::Ask(n, shelve) => {
                let until = wall(world.now + Duration::from_secs(600));
                let request =
                    if shelve { Request::Shelve { until, second: None } } else { Request::Acknowledge };
                let asked = Asked { reason: Some("x".into()), ..asked_about(alarm_id(n), request) };
                world.give(Input::Asked { ticket: 1, asked });
            }
            Step::Conclude(n) => {
                let step = CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None };
                let asked = shouwang_board::CaseAsked { case: alarm_id(n), ..case_asked("u-7", step) };
                world.give(Input::CaseAsked {
                    ticket: 2,
                    asked: shouwang_board::CaseAsked { note: Some("油烟".into()), ..asked },
                });
            }
            Step::Refuse => {
                if !world.commands.is_empty() {
                    world.refuse_newest("not_shelvable");
                }
            }
            Step::Device(n, lost) => {
                let state = if lost { DeviceState::Lost } else { DeviceState::Online };
                let document = DeviceStateDocument::new(state, wall(world.now), None);
                world.arrive(&format!("gw-1/device/device-{n}/state"), to_bytes(&document), false);
            }
            Step::Gateway(up) => {
                let state = if up { GatewayState::Ready } else { GatewayState::Lost };
                world.state(state, 1, 1, false);
            }
            Step::Info => world.heartbeat(1, self.sequence),
            Step::Link(up) => world.give(if up { Input::LinkUp } else { Input::LinkDown }),
            Step::Pass(seconds) => world.pass(seconds.into()),
            Step::Gap => {
                self.sequence += 1;
                let record = GapRecord {
                    what: "history".into(),
                    count: 3,
                    from: None,
                    to: wall(Instant::default()),
                    why: Text::new("缺", "gap"),
                };
                world.event(&event(self.sequence, EventData::Gap(record)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_page_that_follows_changes_shows_the_list(steps in steps()) {
        let mut world = World::new();
        world.ready(1, 1);
        let (mut told, mut page) = (Told::default(), Page::default());
        for step in &steps {
            told.take(&mut world, step);
            page.follow(&world);
        }
    }
}

#[test]
fn what_concerns_one_row_is_told_of_one_row() {
    let mut world = World::new();
    world.ready(1, 1);
    let (mut told, mut page) = (Told::default(), Page::default());
    for n in 0..4 {
        told.take(&mut world, &Step::Raise(n));
    }
    page.follow(&world);
    page.told = 0;
    told.take(&mut world, &Step::Ask(2, false));
    page.follow(&world);
    assert_eq!(page.told, 1);
    world.heartbeat(1, told.sequence);
    page.follow(&world);
    assert_eq!(page.told, 1, "nothing changed, nothing is told");
}
