//! The law of the list, over chance: whatever happened, in flood and at night, over kills, an emergency that nobody has
//! acknowledged is in the list by itself, in full, and sounds.
use std::collections::BTreeMap;

use shouwang_board::{
    CallBack, CaseAsked, CaseStep, Conclusion, DeskAsked, DeskStep, Input, Outcome, Request,
};
use shouwang_message::*;

use crate::world::*;

const OPERATIONS: u64 = if cfg!(debug_assertions) { 2_000 } else { 1_000_000 };
const CLASSES: [Class; 5] = [Class::Smoke, Class::Gas, Class::Call, Class::WaterLevel, Class::Leak];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

/// What is known of one alarm, or of one loss.
struct Known {
    document: AlarmDocument,
    /// A person has seen its newest cry.
    is_seen: bool,
    is_taken_back: bool,
}

#[derive(Default)]
struct Truth {
    alarms: BTreeMap<AlarmId, Known>,
    /// Losses that are emergencies, until a person has seen them.
    losses: BTreeMap<AlarmId, Option<FaultDocument>>,
    sequence: u64,
    raised: u64,
}

impl Truth {
    fn tell(&mut self, world: &mut World, data: EventData) {
        self.sequence += 1;
        world.event(&event(self.sequence, data));
    }

    fn tell_of(&mut self, world: &mut World, alarm: AlarmId, change: AlarmChange) {
        let known = self.alarms.get_mut(&alarm).unwrap();
        known.document.revision += 1;
        let document = known.document.clone();
        self.tell(world, EventData::Alarm(change, document.into()));
    }

    fn raise(&mut self, world: &mut World, chance: &mut Chance) {
        self.raised += 1;
        let class = CLASSES[chance.below(CLASSES.len())];
        let grave = class.is_life_safety() || chance.below(4) == 0;
        let building = chance.below(3).to_string();
        let document = AlarmDocument {
            id: AlarmId::from_parts(1_800_000_000_000 + self.raised, 0),
            device: id(&format!("d-{}", chance.below(30))),
            class,
            priority: if grave { Priority::Emergency } else { Priority::Urgent },
            latched: false,
            place: Place { building: Some(building), entrance: Some("1".into()), ..Place::default() },
            ..smoke(1)
        };
        self.alarms
            .insert(document.id, Known { document: document.clone(), is_seen: false, is_taken_back: false });
        self.tell(world, EventData::Alarm(AlarmChange::Raised, document.into()));
    }

    fn lose(&mut self, world: &mut World, chance: &mut Chance) {
        let device = format!("d-{}", chance.below(30));
        self.raised += 1;
        let lost = FaultDocument { device: Some(id(&device)), ..fault(self.raised, "timeout", Some("b3")) };
        self.tell(world, EventData::FaultRaised(lost.clone()));
        let rows = world.rows();
        let row = rows.iter().find(|row| row["id"] == lost.id.to_string()).unwrap();
        let burns = self.alarms.values().any(|known| {
            let document = &known.document;
            matches!(document.class, Class::Smoke | Class::Gas)
                && document.active
                && document.device == id(&device)
        });
        assert!(!burns || row["priority"] == "emergency", "smoke on it: {row}");
        if row["priority"] == "emergency" {
            self.losses.insert(lost.id, Some(lost));
        }
    }

    /// Its gateway tells no more of it; here it may still wait for a person.
    fn end(&mut self, world: &mut World, alarm: AlarmId) {
        if !self.alarms[&alarm].is_seen {
            self.check(world);
            assert!(matches!(acknowledge(world, alarm), Outcome::Taken { .. }));
        }
        let step = CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None };
        let (note, call_back) = (Some("灰尘".into()), Some(CallBack::Safe));
        world.case_with(CaseAsked { case: alarm, note, call_back, ..case_asked("u-7", step) });
        self.alarms.remove(&alarm);
    }

    fn operate(&mut self, world: &mut World, chance: &mut Chance) {
        let some = |map: Vec<AlarmId>, chance: &mut Chance| map.get(chance.below(map.len().max(1))).copied();
        let alarm = some(self.alarms.keys().copied().collect(), chance);
        let loss = some(self.losses.keys().copied().collect(), chance);
        match (chance.below(14), alarm, loss) {
            (0, _, _) if self.alarms.len() < 40 => self.raise(world, chance),
            (1, _, _) if self.losses.len() < 10 => self.lose(world, chance),
            (2, _, Some(loss)) => {
                if let Some(fault) = self.losses.get_mut(&loss).unwrap().take() {
                    self.tell(world, cleared(fault));
                }
            }
            (3, _, Some(loss)) => {
                if matches!(acknowledge(world, loss), Outcome::Taken { .. }) {
                    self.losses.remove(&loss);
                }
            }
            (4 | 5, Some(alarm), _) => {
                let outcome = acknowledge(world, alarm);
                let known = self.alarms.get_mut(&alarm).unwrap();
                match outcome {
                    Outcome::Taken { .. } => (known.is_seen, known.is_taken_back) = (true, false),
                    Outcome::AlreadyAcknowledged { .. } => assert!(known.is_seen),
                    other => panic!("{other:?}"),
                }
            }
            (6, Some(alarm), _) => {
                let step = DeskStep::TakeBack { alarm };
                let asked = DeskAsked { by: "u-8".into(), from: "192.0.2.8".into(), step };
                world.give(Input::DeskAsked { ticket: 2, asked });
                if let Some((2, Outcome::Taken { .. })) = world.answers.pop() {
                    let known = self.alarms.get_mut(&alarm).unwrap();
                    (known.is_seen, known.is_taken_back) = (false, true);
                }
            }
            (7, Some(alarm), _) => {
                let known = self.alarms.get_mut(&alarm).unwrap();
                known.document.acknowledged = Some(Acknowledged { by: "u-9".into(), at: wall(world.now) });
                known.is_seen |= !known.is_taken_back;
                let is_over = !known.document.active;
                self.tell_of(world, alarm, AlarmChange::Acknowledged);
                if is_over {
                    self.end(world, alarm);
                }
            }
            (8, Some(alarm), _) => {
                let known = self.alarms.get_mut(&alarm).unwrap();
                known.document.occurrence += 1;
                (known.document.active, known.document.cleared_at) = (true, None);
                known.document.acknowledged = None;
                (known.is_seen, known.is_taken_back) = (false, false);
                self.tell_of(world, alarm, AlarmChange::Repeated);
            }
            (9 | 10, Some(alarm), _) => {
                let known = self.alarms.get_mut(&alarm).unwrap();
                (known.document.active, known.document.cleared_at) = (false, Some(wall(world.now)));
                let is_over = known.document.acknowledged.is_some();
                self.tell_of(
                    world,
                    alarm,
                    if is_over { AlarmChange::Finished } else { AlarmChange::Cleared },
                );
                if is_over {
                    self.end(world, alarm);
                }
            }
            (11, _, _) => world.pass(chance.below(400) as u64),
            (12, _, _) if chance.below(10) == 0 => world.kill(),
            (13, _, _) if chance.below(40) == 0 => (0..15).for_each(|_| self.raise(world, chance)),
            _ => {}
        }
    }

    fn check(&self, world: &World) {
        let rows = world.rows();
        let by_id: BTreeMap<&str, &serde_json::Value> =
            rows.iter().map(|row| (row["id"].as_str().unwrap(), row)).collect();
        let waiting = self.alarms.values().filter(|known| !known.is_seen);
        let waiting = waiting.filter(|known| known.document.priority == Priority::Emergency);
        for alarm in waiting.map(|known| known.document.id).chain(self.losses.keys().copied()) {
            let row = by_id.get(alarm.to_string().as_str()).unwrap_or_else(|| panic!("{alarm} is hidden"));
            let told = (&row["acknowledged"], &row["in_group"], &row["priority"], &row["sound"]);
            let null = &serde_json::Value::Null;
            assert_eq!(told, (null, null, &"emergency".into(), &"sweep".into()), "{row}");
        }
        let members = rows.iter().filter_map(|row| row["in_group"].as_str());
        assert!(members.into_iter().all(|group| by_id.contains_key(group)), "in a group that is not there");
        // Nothing at all is gone from the list but what is over and seen.
        let open =
            self.alarms.values().filter(|known| !by_id.contains_key(known.document.id.to_string().as_str()));
        assert_eq!(open.count(), 0);
    }
}

fn acknowledge(world: &mut World, alarm: AlarmId) -> Outcome {
    let request = Request::Acknowledge;
    let asked = asked_about(alarm, request);
    world.give(Input::Asked { ticket: 1, asked });
    world.answers.pop().unwrap().1
}

#[test]
fn no_path_hides_an_emergency_that_nobody_acknowledged() {
    let mut world = World::new();
    let mut truth = Truth::default();
    let mut chance = Chance(20_261_122);
    let (mut floods, mut nights) = (0, 0);
    for _ in 0..OPERATIONS {
        truth.operate(&mut world, &mut chance);
        truth.check(&world);
        world.transcript.clear();
        // Only how far it was heard is looked at.
        world.heard.drain(..world.heard.len().saturating_sub(1));
        floods += u32::from(!world.board.situation()["flood"].is_null());
        nights += u32::from(world.board.situation()["night"] == true);
    }
    println!("{OPERATIONS} operations, {} rows raised, {floods} in floods, {nights} at night", truth.raised);
    assert!(floods > 20 && nights > 20, "{floods} {nights}");
}
