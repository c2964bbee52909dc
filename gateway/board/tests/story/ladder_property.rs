//! Whatever happens in which order: no step is told twice for one cry, none is left out past its time, and none is
//! told of what a person has acknowledged. Only what had no result when its process ended, or failed once, is
//! told a second time.
use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use shouwang_board::{CaseStep, DeliveryResult, Input, Notice};
use shouwang_message::*;

use crate::people::*;
use crate::world::*;

#[derive(Clone, Debug)]
enum Op {
    Cry,
    Acknowledge,
    Pass(u64),
    /// So long away.
    Restart(u64),
    /// Every channel says what became of what it was given, the numbered ones that it failed.
    Answer(u8),
    Armed(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => Just(Op::Cry),
        1 => Just(Op::Acknowledge),
        4 => (1_u64..70).prop_map(Op::Pass),
        2 => prop_oneof![Just(0_u64), 1_u64..100].prop_map(Op::Restart),
        4 => prop_oneof![3 => Just(0_u8), 1 => any::<u8>()].prop_map(Op::Answer),
        1 => (0_u32..2).prop_map(Op::Armed),
    ]
}

/// Cry, step, channel, to whom.
type Told = (u32, u32, String, String);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Open,
    /// Its process ended before its result was known.
    Lost,
    FailedOnce,
    Done,
}

struct Trial {
    world: World,
    sequence: u64,
    cry: u32,
    cried_at: Instant,
    is_acknowledged: bool,
    fates: BTreeMap<Told, Fate>,
    open: Vec<(Notice, Told)>,
    is_watched: bool,
    /// In this cry something failed, or nobody listened: steps may come before their time.
    is_hurried: bool,
}

/// After how many seconds, and how many notices.
const STEPS: [(u64, usize); 4] = [(0, 2), (30, 2), (60, 2), (180, 2)];

impl Trial {
    fn new() -> Self {
        let world = World::with(settings());
        let cried_at = world.now;
        let (fates, open) = (BTreeMap::new(), Vec::new());
        Self {
            world,
            sequence: 0,
            cry: 0,
            cried_at,
            is_acknowledged: true,
            fates,
            open,
            is_watched: true,
            is_hurried: false,
        }
    }

    fn event(&mut self, change: AlarmChange, document: AlarmDocument) {
        self.sequence += 1;
        let revision = u32::try_from(self.sequence).unwrap();
        let document = AlarmDocument { revision, occurrence: self.cry, ..document };
        // As a gateway does: on its topic, too.
        self.world.alarm(&document, false);
        self.world.event(&event(self.sequence, EventData::Alarm(change, document.into())));
    }

    fn live(&mut self, op: &Op) {
        match op {
            Op::Cry => {
                (self.cry, self.cried_at, self.is_acknowledged) = (self.cry + 1, self.world.now, false);
                self.is_hurried = !self.is_watched;
                let change = if self.cry == 1 { AlarmChange::Raised } else { AlarmChange::Repeated };
                self.event(change, placed(smoke(1)));
            }
            Op::Acknowledge if self.cry > 0 => {
                self.look();
                self.is_acknowledged = true;
                let by = Some(Acknowledged { by: "desk-1".into(), at: wall(self.world.now) });
                self.event(AlarmChange::Acknowledged, AlarmDocument { acknowledged: by, ..placed(smoke(1)) });
                // Somebody is there: no urging in this trial.
                self.world.case("desk-1", CaseStep::Arrive { person: None }, "");
            }
            Op::Acknowledge => {}
            Op::Pass(seconds) => {
                // In small bites, so that whatever is late is seen as late.
                for _ in 0..*seconds {
                    self.world.pass(1);
                    self.look();
                }
            }
            Op::Restart(away) => {
                self.look();
                self.open.clear();
                for fate in self.fates.values_mut().filter(|fate| **fate == Fate::Open) {
                    *fate = Fate::Lost;
                }
                self.world.now = self.world.now + Duration::from_secs(*away);
                self.world.kill();
                self.is_watched = true;
            }
            Op::Answer(failing) => {
                for (place, (notice, told)) in std::mem::take(&mut self.open).into_iter().enumerate() {
                    self.answer(&notice, told, failing >> (place % 8) & 1 == 1);
                }
            }
            Op::Armed(boards) => {
                self.is_watched = *boards > 0;
                self.is_hurried |= !self.is_watched;
                self.world.give(Input::Armed { boards: *boards });
            }
        }
        self.look();
    }

    fn answer(&mut self, notice: &Notice, told: Told, is_failing: bool) {
        let at = wall(self.world.now);
        let result = if is_failing {
            DeliveryResult::Failed { code: "x".into(), text: "x".into(), at }
        } else {
            DeliveryResult::Delivered { at }
        };
        let was_again = notice.revision_words.contains("重发");
        let fate = if is_failing && !was_again { Fate::FailedOnce } else { Fate::Done };
        self.fates.insert(told, fate);
        self.is_hurried |= is_failing;
        self.world.give(Input::Told { ticket: notice.ticket, result });
        self.look();
    }

    /// Every word that went out was due, and whatever is due went out.
    fn look(&mut self) {
        for notice in std::mem::take(&mut self.world.told) {
            let to = notice.to.iter().map(|to| to.person.as_str()).collect::<Vec<_>>().join(",");
            let told = (self.cry, notice.step, notice.channel.to_string(), to);
            assert!(!self.is_acknowledged, "told of an acknowledged alarm: {told:?}");
            let before = self.fates.insert(told.clone(), Fate::Open);
            let may_be = matches!(before, None | Some(Fate::Lost | Fate::FailedOnce));
            assert!(may_be, "told again after {before:?}: {told:?}");
            self.open.push((notice, told));
        }
        if self.is_acknowledged {
            return;
        }
        let elapsed = self.world.now.since(self.cried_at);
        for (step, (after, notices)) in STEPS.iter().enumerate() {
            let found =
                self.fates.keys().filter(|(cry, of, ..)| (*cry, *of as usize) == (self.cry, step)).count();
            if elapsed >= Duration::from_secs(*after) {
                assert_eq!(found, *notices, "step {step} of cry {} after {elapsed:?}", self.cry);
            } else if !self.is_hurried {
                assert_eq!(found, 0, "step {step} of cry {} after {elapsed:?}", self.cry);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_step_is_told_twice_and_none_is_left_out(ops in proptest::collection::vec(op(), 1..40)) {
        let mut trial = Trial::new();
        for op in &ops {
            trial.live(op);
        }
    }
}
