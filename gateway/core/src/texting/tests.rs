//! Whatever comes, in whatever order: nobody is told one cry twice, and in the end everybody knows everything.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use proptest::prelude::*;
use shouwang_message::{AlarmDocument, AlarmId, Class, Instant, Mode, Place, Priority, Text, Timestamp};

use super::{Seen, Texting};
use crate::configuration::{PhoneSettings, SmsSettings};

const ALARMS: u128 = 5;

#[derive(Clone, Debug)]
enum Step {
    /// So many seconds pass.
    Wait(u64),
    /// Raised, or cried again.
    Cry(u128),
    Clear(u128),
    Heard(u128),
    Acknowledge(u128),
    /// The text under way is taken, or not.
    Sent,
    Failed,
    /// The modem does not say what became of it.
    Unsure,
    Restart,
}

#[derive(Clone, Copy)]
enum End {
    Sent,
    Failed { may_have_left: bool },
}

/// An alarm of the world, as the engine would know it.
struct Open {
    document: AlarmDocument,
    is_acknowledged: bool,
    is_heard: bool,
}

struct World {
    settings: SmsSettings,
    now_s: u64,
    texting: Texting,
    /// By the number of what raises it; each alarm has an id of its own.
    open: BTreeMap<u128, Open>,
    alarms: u64,
    kept: BTreeMap<AlarmId, Vec<u8>>,
    /// The text, and since when.
    under_way: Option<(u64, u64)>,
    /// Phone, alarm and cry of every text that was taken.
    told: BTreeSet<(usize, AlarmId, u32)>,
    pending: Vec<(usize, AlarmId, u32)>,
}

fn phone(person: &str, after_s: u64, classes: &[Class]) -> PhoneSettings {
    let after = Duration::from_secs(after_s);
    PhoneSettings { person: person.parse().unwrap(), after, classes: classes.into() }
}

fn settings() -> SmsSettings {
    let phones = [phone("u-1", 30, &[]), phone("u-2", 60, &[Class::Smoke]), phone("u-3", 180, &[])];
    SmsSettings { rings: false, phones: phones.into() }
}

/// So many phones, all told of everything after half a minute.
fn many(phones: usize) -> World {
    let phones = (0..phones).map(|n| phone(&format!("u-{n}"), 30, &[])).collect();
    World::new(SmsSettings { rings: false, phones })
}

fn alarm(id: AlarmId, number: u128) -> AlarmDocument {
    AlarmDocument {
        mode: if number == 4 { Mode::Drill } else { Mode::Live },
        latched: true,
        place: Place { building: Some(format!("{}", number / 3)), ..Place::default() },
        text: Text::new("报警", "alarm"),
        ..AlarmDocument::new(
            id,
            "gw".parse().unwrap(),
            "d".parse().unwrap(),
            "smoke".into(),
            if number.is_multiple_of(2) { Class::Smoke } else { Class::Call },
            Priority::Emergency,
            Timestamp::from_unix_ms(0),
        )
    }
}

impl World {
    fn new(settings: SmsSettings) -> Self {
        Self {
            settings,
            now_s: 0,
            texting: Texting::default(),
            open: BTreeMap::new(),
            alarms: 0,
            kept: BTreeMap::new(),
            under_way: None,
            told: BTreeSet::new(),
            pending: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.now_s * 1_000_000)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(seconds) => self.now_s += seconds,
            Step::Cry(number) => {
                let again = self.open.get_mut(number).map(|open| open.document.occurrence += 1);
                self.alarms += u64::from(again.is_none());
                let document = alarm(AlarmId::from_parts(self.alarms, *number), *number);
                let open = Open { document, is_acknowledged: false, is_heard: false };
                let open = self.open.entry(*number).or_insert(open);
                open.document.active = true;
                (open.is_acknowledged, open.is_heard) = (false, false);
            }
            Step::Clear(number) => self.change(*number, |open| open.document.active = false),
            Step::Heard(number) => self.change(*number, |open| open.is_heard = true),
            Step::Acknowledge(number) => {
                self.change(*number, |open| open.is_acknowledged = true);
                let is_done = |open: &Open| !open.document.active && open.is_acknowledged;
                self.open.retain(|_, open| !is_done(open));
            }
            Step::Sent => self.ends(End::Sent),
            Step::Failed => self.ends(End::Failed { may_have_left: false }),
            Step::Unsure => self.ends(End::Failed { may_have_left: true }),
            Step::Restart => {
                self.texting = Texting::default();
                (self.under_way, self.pending) = (None, Vec::new());
                for (id, kept) in &self.kept {
                    let story = shouwang_message::from_bytes(kept).unwrap();
                    self.texting.restore(self.now(), *id, story, &self.settings);
                }
            }
        }
        self.look();
    }

    fn change(&mut self, number: u128, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.open.get_mut(&number) {
            change(open);
        }
    }

    fn ends(&mut self, end: End) {
        let Some((text, _)) = self.under_way.take() else { return };
        match end {
            End::Sent => {
                self.texting.was_sent(self.now(), text);
                for told in core::mem::take(&mut self.pending) {
                    assert!(self.told.insert(told), "told twice: {told:?}");
                }
            }
            End::Failed { may_have_left } => {
                self.texting.failed(self.now(), text, Text::default(), may_have_left);
                self.pending.clear();
            }
        }
    }

    fn look(&mut self) {
        let (now, wall) = (self.now(), Timestamp::from_unix_ms(self.now_s as i64 * 1_000));
        let open = self.open.values().map(|open| Seen {
            document: &open.document,
            wants_people: !open.is_acknowledged,
            is_heard: open.is_heard,
        });
        self.texting.look(now, open);
        if let Some(order) = self.texting.next(now, wall, &self.settings) {
            // Unless its hands have been silent for so long that they must have lost it.
            let is_free = self.under_way.is_none_or(|(_, since_s)| self.now_s >= since_s + 300);
            assert!(is_free, "one text at a time");
            assert!(order.words.encode_utf16().count() <= 70, "{}", order.words);
            self.under_way = Some((order.text, self.now_s));
            let about = self.texting.under_way.as_ref().map(|text| text.about.as_slice()).unwrap_or_default();
            let cries = about.iter().filter(|_| order.is_cry);
            self.pending = cries.map(|about| (order.phone, about.alarm, about.occurrence)).collect();
            for (phone, alarm, _) in &self.pending {
                let open = self.open.values().find(|open| open.document.id == *alarm).unwrap();
                assert!(!open.is_heard && !open.is_acknowledged, "nobody else has it");
                assert!(self.settings.phones[*phone].wants(open.document.class));
            }
        }
        for (id, story) in self.texting.take_changes(now) {
            match story {
                Some(story) => self.kept.insert(id, shouwang_message::to_bytes(&story)),
                None => self.kept.remove(&id),
            };
        }
    }

    /// So many seconds, in each of which the modem ends what it has.
    fn passes(&mut self, seconds: u64, end: &Step) {
        for _ in 0..seconds {
            self.step(&Step::Wait(1));
            self.step(end);
        }
    }

    /// How many know of the newest alarm of this number.
    fn know(&self, number: u128) -> usize {
        let id = self.open[&number].document.id;
        self.told
            .iter()
            .filter(|(_, of, _)| *of == id)
            .map(|(phone, ..)| phone)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// An hour in which the modem takes everything.
    fn settles(&mut self) {
        self.passes(3_600, &Step::Sent);
    }
}

#[test]
fn a_detector_that_flaps_for_an_hour_keeps_no_new_emergency_waiting() {
    let mut world = many(10);
    for _ in 0..50 {
        world.step(&Step::Cry(1));
        world.passes(65, &Step::Sent);
    }
    assert!(world.told.len() >= 100, "{}", world.told.len());
    world.step(&Step::Cry(3));
    world.passes(60, &Step::Sent);
    assert_eq!(world.know(3), 10, "told within the contract's half minute");
}

#[test]
fn tries_that_never_left_spend_nothing() {
    let mut world = many(10);
    world.step(&Step::Cry(1));
    world.passes(40 * 60, &Step::Failed);
    assert_eq!(world.know(1), 0);
    world.passes(90, &Step::Sent);
    assert_eq!(world.know(1), 10, "and the network is back");
}

#[test]
fn tries_that_may_have_left_leave_the_reserve_to_others() {
    let mut world = many(10);
    world.step(&Step::Cry(1));
    world.passes(40 * 60, &Step::Unsure);
    world.step(&Step::Cry(3));
    world.passes(100, &Step::Sent);
    assert_eq!(world.know(3), 10);
}

#[test]
fn who_has_no_phone_any_more_is_waited_for_by_nobody() {
    let mut world = many(2);
    world.step(&Step::Cry(1));
    world.passes(60, &Step::Sent);
    assert_eq!(world.know(1), 2);
    world.settings.phones.pop();
    world.step(&Step::Restart);
    world.step(&Step::Clear(1));
    world.step(&Step::Acknowledge(1));
    world.settles();
    assert!(world.texting.stories.is_empty() && world.kept.is_empty(), "{:?}", world.texting.stories);
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(1_u64), Just(5), Just(31), Just(200)].prop_map(Step::Wait),
        3 => (0..ALARMS).prop_map(Step::Cry),
        2 => (0..ALARMS).prop_map(Step::Clear),
        1 => (0..ALARMS).prop_map(Step::Heard),
        1 => (0..ALARMS).prop_map(Step::Acknowledge),
        4 => Just(Step::Sent),
        2 => Just(Step::Failed),
        1 => Just(Step::Unsure),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nobody_is_told_twice_and_everybody_is_told(steps in prop::collection::vec(steps(), 1..120)) {
        let mut world = World::new(settings());
        for step in &steps {
            world.step(step);
        }
        world.settles();
        for open in world.open.values().filter(|open| !open.is_heard && !open.is_acknowledged) {
            let id = open.document.id;
            for (phone, settings) in settings().phones.iter().enumerate() {
                let is_told = world.told.contains(&(phone, id, open.document.occurrence));
                prop_assert_eq!(is_told, settings.wants(open.document.class), "{} of {}", phone, id);
            }
        }
        for number in 0..ALARMS {
            world.step(&Step::Clear(number));
            world.step(&Step::Acknowledge(number));
        }
        world.settles();
        prop_assert!(world.open.is_empty() && world.texting.stories.is_empty(), "{:?}", world.texting.stories);
        prop_assert!(world.kept.is_empty(), "nothing is left behind");
    }
}
