//! The list of alarms as pages read it: each row's text is made when the row changes and shared by all pages, and a
//! page that says which version it has is told only of what changed since. In a flood the list is made anew a few times a
//! second, however often the board changes.
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shouwang_board::Board;
use shouwang_message::{AlarmId, Instant};

use crate::clock::Clock;

/// Making it may take one part in so many of the loop's time; a person's request that was answered shows at once.
const SHARE: u32 = 10;
/// And however long it takes, it is made anew this often.
const MADE_WITHIN: Duration = Duration::from_millis(500);
/// Rows that left the list and are remembered, so that pages can be told of them; who is further behind reads all of it.
const GONE: usize = 20_000;

/// A version of the list: which run of the duty room, and the how-manieth of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    run: u64,
    number: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.run, self.number)
    }
}

impl std::str::FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, number) = text.split_once('-').ok_or(())?;
        let run = u64::from_str_radix(run, 16).map_err(|_| ())?;
        Ok(Self { run, number: number.parse().map_err(|_| ())? })
    }
}

/// Rows as JSON, and what a page needs to keep them.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Arc<str>>,
    pub(crate) version: Version,
    pub(crate) hash: String,
    /// Rows of the open list in all.
    pub(crate) count: usize,
    /// Only what changed since the version that was asked for; all of it if none.
    pub(crate) since: Option<Since>,
}

/// How to bring the list of then to now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Since {
    /// For each row the one right before it in the list; none for the first.
    pub(crate) after: Vec<Option<AlarmId>>,
    /// Rows that are no longer in the list.
    pub(crate) gone: Vec<AlarmId>,
}

/// The open list as it was made last.
#[derive(Debug)]
pub(crate) struct Lists {
    version: Version,
    /// Not made anew before this.
    not_before: Instant,
    /// The board changed since.
    outdated: bool,
    /// A person was answered since.
    answered: bool,
    order: Vec<AlarmId>,
    rows: BTreeMap<AlarmId, Shown>,
    /// The oldest first: in which version a row was no longer there.
    gone: VecDeque<(u64, AlarmId)>,
    /// Versions up to here cannot be told the difference to now.
    forgotten: u64,
    hash: String,
    /// What is told of all of it together.
    situation: Arc<Value>,
}

#[derive(Debug)]
struct Shown {
    face: u64,
    text: Arc<str>,
    /// The version in which it came to look as it does.
    since: u64,
}

impl Lists {
    /// `run` is another one in every run of the duty room.
    pub(crate) fn new(run: u64) -> Self {
        Self {
            version: Version { run, number: 0 },
            not_before: Instant::default(),
            outdated: true,
            answered: false,
            order: Vec::new(),
            rows: BTreeMap::new(),
            gone: VecDeque::new(),
            forgotten: 0,
            hash: String::new(),
            situation: Arc::default(),
        }
    }

    pub(crate) fn board_changed(&mut self) {
        self.outdated = true;
    }

    pub(crate) fn person_answered(&mut self) {
        self.answered = true;
    }

    /// Makes the list anew if it is time to.
    pub(crate) fn look(&mut self, clock: &Clock, board: &Board) {
        if self.outdated && clock.now() >= self.not_before {
            self.make(clock, board);
        }
    }

    /// When [`Self::look`] has something to do.
    pub(crate) fn next_deadline(&self) -> Instant {
        if self.outdated { self.not_before } else { Instant::NEVER }
    }

    /// Grows with every list that differs from the one before; the hash of its open rows; what is told of all of it.
    pub(crate) fn state(&self) -> (u64, &str, &Arc<Value>) {
        (self.version.number, &self.hash, &self.situation)
    }

    /// The list for a page that has the version `since`, or none that can be told from here.
    pub(crate) fn answer(&mut self, clock: &Clock, board: &Board, since: Option<Version>) -> Answer {
        if self.outdated && self.answered {
            self.make(clock, board);
        }
        self.look(clock, board);
        let known = since.filter(|since| {
            since.run == self.version.run
                && (self.forgotten..=self.version.number).contains(&since.number)
                && since.number > 0
        });
        let (rows, since) = match known {
            None => (self.order.iter().filter_map(|id| self.text(id)).collect(), None),
            Some(since) => {
                let (rows, since) = self.changed_since(since.number);
                (rows, Some(since))
            }
        };
        Answer { rows, version: self.version, hash: self.hash.clone(), count: self.order.len(), since }
    }

    fn text(&self, id: &AlarmId) -> Option<Arc<str>> {
        self.rows.get(id).map(|shown| shown.text.clone())
    }

    fn changed_since(&self, number: u64) -> (Vec<Arc<str>>, Since) {
        let (mut rows, mut since) = (Vec::new(), Since::default());
        let mut before = None;
        for id in &self.order {
            if let Some(shown) = self.rows.get(id).filter(|shown| shown.since > number) {
                rows.push(shown.text.clone());
                since.after.push(before);
            }
            before = Some(*id);
        }
        let gone = self.gone.iter().rev().take_while(|(version, _)| *version > number);
        // One that came back is told as changed.
        since.gone = gone.map(|(_, id)| *id).filter(|id| !self.rows.contains_key(id)).collect();
        (rows, since)
    }

    fn make(&mut self, clock: &Clock, board: &Board) {
        let began = clock.now();
        (self.outdated, self.answered) = (false, false);
        self.take_over(board);
        let done = clock.now();
        self.not_before = done + (done.since(began) * SHARE).min(MADE_WITHIN);
    }

    fn take_over(&mut self, board: &Board) {
        let listing = board.listing();
        let number = self.version.number + 1;
        let mut before = std::mem::take(&mut self.rows);
        let mut differs = self.version.number == 0;
        for (id, face) in listing.faces() {
            let shown = match before.remove(id).filter(|shown| shown.face == *face) {
                Some(shown) => shown,
                None => {
                    differs = true;
                    let Some(row) = listing.row(*id) else { continue };
                    Shown { face: *face, text: row.to_string().into(), since: number }
                }
            };
            self.rows.insert(*id, shown);
        }
        let (hash, situation) = (board.open_hash(), board.situation());
        differs |= !before.is_empty() || hash != self.hash || situation != *self.situation;
        if !differs {
            return;
        }
        self.version.number = number;
        self.order = listing.faces().iter().map(|(id, _)| *id).collect();
        (self.hash, self.situation) = (hash, Arc::new(situation));
        self.gone.extend(before.into_keys().map(|id| (number, id)));
        while self.gone.len() > GONE {
            self.forgotten = self.gone.pop_front().map_or(number, |(version, _)| version);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shouwang_board::{Input, ListState, Settings};
    use shouwang_message::{
        Acknowledged, AlarmChange, AlarmDocument, Class, Event, EventData, Priority, Text, Timestamp,
        to_bytes,
    };

    use super::*;

    /// A page's list, kept as the page's script keeps it.
    #[derive(Default)]
    struct Page {
        version: Option<Version>,
        items: Vec<Value>,
        told: usize,
    }

    impl Page {
        fn read(&mut self, lists: &mut Lists, clock: &Clock, board: &Board) {
            let answer = lists.answer(clock, board, self.version);
            let rows: Vec<Value> = answer.rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
            self.told += rows.len();
            self.version = Some(answer.version);
            let Some(since) = answer.since else {
                self.items = rows;
                return;
            };
            assert_eq!(since.after.len(), rows.len());
            let moved: Vec<_> =
                since.gone.iter().map(AlarmId::to_string).chain(rows.iter().map(id_of)).collect();
            let mut following: BTreeMap<Option<String>, Value> = BTreeMap::new();
            for (after, row) in since.after.iter().zip(&rows) {
                following.insert(after.map(|id| id.to_string()), row.clone());
            }
            let kept = self.items.iter().filter(|one| !moved.contains(&id_of(one)));
            let mut items = Vec::new();
            for one in std::iter::once(None).chain(kept.map(Some)) {
                let mut last = one.map(id_of);
                items.extend(one.cloned());
                while let Some(next) = following.remove(&last) {
                    last = Some(id_of(&next));
                    items.push(next);
                }
            }
            assert_eq!(items.len(), answer.count);
            self.items = items;
        }
    }

    fn id_of(row: &Value) -> String {
        row["id"].as_str().unwrap().to_owned()
    }

    struct Room {
        board: Board,
        clock: Clock,
        lists: Lists,
        revision: u32,
        sequence: u64,
        /// How often each alarm was over.
        over: BTreeMap<u128, u128>,
    }

    impl Room {
        fn new() -> Self {
            let clock = Clock::system();
            let settings = Settings::new("duty-1".parse().unwrap());
            let board = Board::restore(settings, 1, clock.now(), clock.wall(), []);
            Self { board, clock, lists: Lists::new(0xabc), revision: 0, sequence: 0, over: BTreeMap::new() }
        }

        /// Its gateway tells of alarm `n`, seen by somebody or not.
        fn tell(&mut self, n: u128, priority: Priority, seen: bool) {
            let document = self.document(n, priority, seen);
            let topic = format!("shouwang/v1/heping/gw-1/alarm/{}", document.id);
            self.arrive(topic, to_bytes(&document));
        }

        fn document(&mut self, n: u128, priority: Priority, seen: bool) -> AlarmDocument {
            self.revision += 1;
            let times = self.over.get(&n).copied().unwrap_or_default();
            let at = Timestamp::from_unix_ms(1_800_000_000_000);
            AlarmDocument {
                revision: self.revision,
                acknowledged: seen.then(|| Acknowledged { by: "u-7".into(), at }),
                text: Text::new("漏水", "Leak"),
                ..AlarmDocument::new(
                    AlarmId::from_parts(1_800_000_000_000, n + 100 * times),
                    "gw-1".parse().unwrap(),
                    "leak-1".parse().unwrap(),
                    "leak".into(),
                    Class::Leak,
                    priority,
                    at,
                )
            }
        }

        /// It is over, which is on disk; the next `n` is another alarm.
        fn finish(&mut self, n: u128) {
            let document = self.document(n, Priority::Ordinary, true);
            *self.over.entry(n).or_default() += 1;
            self.sequence += 1;
            let event = Event {
                site: "heping".parse().unwrap(),
                gateway: "gw-1".parse().unwrap(),
                log: "01KANEXAMPE000000000000AAA".parse().unwrap(),
                sequence: self.sequence,
                time: document.raised_at,
                subject: "leak-1".into(),
                data: EventData::Alarm(AlarmChange::Finished, document.into()),
            };
            self.arrive("shouwang/v1/heping/gw-1/event".into(), to_bytes(&event));
            let committed = Input::Committed { transaction: u64::MAX };
            self.board.handle(self.clock.now(), self.clock.wall(), committed);
        }

        fn arrive(&mut self, topic: String, payload: Vec<u8>) {
            let arrived = Input::Arrived { topic, payload, retained: false };
            self.board.handle(self.clock.now(), self.clock.wall(), arrived);
            self.lists.board_changed();
            self.lists.person_answered();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_page_that_takes_over_changes_has_the_list(
            steps in prop::collection::vec((0..8_u8, 0..12_u128, 0..3_usize), 1..80)
        ) {
            let mut room = Room::new();
            let mut pages = [Page::default(), Page::default(), Page::default()];
            for (what, n, page) in steps {
                match what {
                    0 => room.tell(n, Priority::Ordinary, false),
                    1 | 2 => room.tell(n, Priority::Emergency, false),
                    3 => room.tell(n, Priority::Emergency, true),
                    4 => room.finish(n),
                    _ => {
                        pages[page].read(&mut room.lists, &room.clock, &room.board);
                        prop_assert_eq!(&pages[page].items, &room.board.list(ListState::Open));
                    }
                }
            }
        }
    }

    #[test]
    fn a_page_is_told_what_changed_and_one_that_cannot_know_is_told_everything() {
        let mut room = Room::new();
        for n in 0..50 {
            room.tell(n, Priority::Emergency, false);
        }
        let mut page = Page::default();
        page.read(&mut room.lists, &room.clock, &room.board);
        assert_eq!(page.told, 50);
        room.tell(7, Priority::Emergency, true);
        page.told = 0;
        page.read(&mut room.lists, &room.clock, &room.board);
        assert_eq!(page.told, 1);
        page.told = 0;
        room.finish(9);
        page.read(&mut room.lists, &room.clock, &room.board);
        assert_eq!((page.told, page.items.len()), (0, 49), "what left the list is named, not told");

        let known = page.version.unwrap();
        let strangers = [
            Version { run: known.run + 1, ..known },
            Version { number: known.number + 1, ..known },
            Version { number: 0, ..known },
        ];
        for stranger in strangers {
            let answer = room.lists.answer(&room.clock, &room.board, Some(stranger));
            assert!(answer.since.is_none() && answer.rows.len() == answer.count, "{stranger}");
        }
        assert_eq!(known.to_string().parse(), Ok(known));
        for junk in ["", "-", "1", "x-1", "1-", "1-x", "-1--1", "123456789012345678-1"] {
            assert_eq!(junk.parse::<Version>(), Err(()), "{junk}");
        }
    }
}
