//! The board itself: takes one input, lets everything due happen, hands out what to do.
mod commit;
mod memory;
mod speaking;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::hash::Hasher as _;
use core::time::Duration;

use serde_json::Value;
use shouwang_message::{
    AlarmId, Class, DeviceStateDocument, Event, Heartbeat, Id, Instant, LogId, Place, Priority, Sequence,
    StoreHealth, Text, Timestamp, WalkInfo,
};

use crate::answering::Round;
use crate::asking::Pending;
use crate::case::Case;
use crate::certificate::Certificate;
use crate::chance::Chance;
use crate::changes::{Fnv, Rows};
use crate::chatter::Chatter;
use crate::cooking::Kitchens;
use crate::desk::TakenBack;
use crate::drill::Drill;
use crate::flood::Flood;
use crate::hearing::Cursor;
use crate::losses::SmokeSeen;
use crate::night::NightWatch;
use crate::presence::{Presence, Watch};
use crate::readings::Readings;
use crate::row::{Row, RowKind};
use crate::self_test::SelfTests;
use crate::shift::Shift;
use crate::sounder::Sounder;
use crate::stations::{OwnLog, Station};
use crate::supervision::Limits;
use crate::takeover::Processes;
use crate::telling::Outreach;
use crate::triage::{Decided, Waiting};
use crate::trust::Refusal;
use crate::watching::Guard;
use crate::{GatewayName, Input, LogLine, Output, Settings, bounds};

pub(crate) use commit::Effect;
use commit::InFlight;

/// Our own link down for this long is a row of the list.
const LINK_DOWN_SHOWN_AFTER: Duration = Duration::from_secs(10);

/// The duty room's state. One instance per duty room; not shared, not cloned.
#[derive(Debug)]
pub struct Board {
    pub(crate) settings: Settings,
    pub(crate) chance: Chance,
    /// Wall-clock time of the input at hand: only for what people and gateways read, never for a decision.
    pub(crate) wall: Timestamp,
    /// Steady time of the input at hand.
    pub(crate) now: Instant,
    pub(crate) gateways: BTreeMap<GatewayName, Gateway>,
    pub(crate) rows: Rows,
    pub(crate) smoke_seen: SmokeSeen,
    pub(crate) kitchens: Kitchens,
    pub(crate) drill: Option<Drill>,
    /// Also of rows that are not here yet after a restart.
    pub(crate) taken_back: BTreeMap<AlarmId, TakenBack>,
    pub(crate) flood: Flood,
    pub(crate) chatter: Chatter,
    pub(crate) night: NightWatch,
    /// The newest finished rows, oldest first.
    pub(crate) finished: VecDeque<Row>,
    /// Not closed, by their alarms; an alarm without one has a new case.
    pub(crate) cases: BTreeMap<AlarmId, Case>,
    /// The newest closed ones, oldest first.
    pub(crate) closed: VecDeque<Case>,
    /// By when each case that is not handled is to be accepted and handled.
    pub(crate) limits: Limits,
    pub(crate) pending: BTreeMap<String, Pending>,
    pub(crate) link_up: bool,
    link_row: Option<AlarmId>,
    link_row_at: Instant,
    store_row: Option<AlarmId>,
    armed: u32,
    pub(crate) guard: Guard,
    pub(crate) shift: Shift,
    pub(crate) sounder: Sounder,
    pub(crate) certificate: Certificate,
    /// The row that says why the newest configuration is not in force.
    pub(crate) refused_configuration: Option<(AlarmId, Text)>,
    /// Values remembered, of all devices.
    pub(crate) points_held: usize,
    pub(crate) outreach: Outreach,
    pub(crate) self_tests: SelfTests,
    pub(crate) stations: BTreeMap<Id, Station>,
    pub(crate) own_log: OwnLog,
    /// Rounds of 叫应 that run, and the newest that ended, oldest first.
    pub(crate) rounds: BTreeMap<AlarmId, Round>,
    pub(crate) ended_rounds: VecDeque<Round>,
    /// What couriers saw and nobody has decided; what was decided, oldest first; and when each link sent something.
    pub(crate) waiting: BTreeMap<AlarmId, Waiting>,
    pub(crate) decided: VecDeque<Decided>,
    pub(crate) tip_times: BTreeMap<String, VecDeque<Instant>>,
    pub(crate) counts: Counts,
    in_flight: VecDeque<InFlight>,
    next_transaction: u64,
    // What this call has gathered so far.
    pub(crate) out: Vec<Output>,
    pub(crate) events: Vec<Event>,
    pub(crate) keep: Vec<(String, Option<String>)>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) changed: bool,
}

/// What the board counts, for `/metrics` and for people who wonder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events heard since this duty room's store was made.
    pub heard: u64,
    pub duplicates: u64,
    pub early: u64,
    /// Messages refused, by reason: `topic too_long unreadable retained contradiction too_many_gateways`.
    pub refused: BTreeMap<&'static str, u64>,
}

/// Which rows are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListState {
    /// Not finished.
    Open,
    /// Also the newest finished ones.
    All,
}

/// One gateway in a sentence, for the page's top bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewaySummary {
    pub name: GatewayName,
    /// From its `/info`.
    pub title: Option<String>,
    pub presence: Presence,
    pub devices: usize,
    /// The newest event of its current log that is on our disk.
    pub up_to: Sequence,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) title: Option<String>,
    pub(crate) watch: Watch,
    pub(crate) logs: BTreeMap<LogId, Cursor>,
    pub(crate) log_order: VecDeque<LogId>,
    pub(crate) current: Option<LogId>,
    pub(crate) devices: BTreeMap<Id, Device>,
    pub(crate) row: Option<(AlarmId, Presence)>,
    /// Its disk, by its last heartbeat; and the row that says so.
    pub(crate) store: StoreHealth,
    /// Its newest heartbeat.
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) store_row: Option<(AlarmId, StoreHealth)>,
    /// Our newest resend requests, to know their replies.
    pub(crate) resends: VecDeque<(String, LogId)>,
    /// Until then its log may be telling what is long over.
    pub(crate) catches_up_until: Instant,
    /// When to look whether a lost device still has no fault of its own.
    pub(crate) devices_at: Instant,
    /// The walk test that an installer there has asked for.
    pub(crate) walk: Option<WalkInfo>,
    /// Who speaks as this gateway.
    pub(crate) processes: Processes,
}

#[derive(Debug, Default)]
pub(crate) struct Device {
    pub(crate) class: Option<Class>,
    pub(crate) place: Place,
    pub(crate) title: Option<Text>,
    /// From its gateway's `/info`.
    pub(crate) line: Option<Id>,
    pub(crate) state: Option<DeviceStateDocument>,
    /// Its topic has told a state: events only repeat it.
    pub(crate) on_topic: bool,
    /// Its topic has told a state right now, since our link is up: what the broker kept is older.
    pub(crate) live: bool,
    pub(crate) row: Option<AlarmId>,
    /// No row before this: its gateway may yet say what is wrong.
    pub(crate) row_at: Instant,
    /// Its gateway's newest `/info` has it.
    pub(crate) listed: bool,
    pub(crate) readings: Option<Readings>,
}

impl Board {
    /// A board that remembers what was kept. `seed` is fresh chance for every start. What cannot be read
    /// is left out and told as a gap row.
    pub fn restore(
        settings: Settings,
        seed: u64,
        now: Instant,
        wall: Timestamp,
        kept: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let sounder = Sounder::new(now, settings.has_sounder);
        let self_tests = SelfTests::new(now, &settings.escalation.own_numbers);
        let mut board = Self {
            settings,
            chance: Chance::new(seed),
            wall,
            now,
            gateways: BTreeMap::new(),
            rows: Rows::default(),
            smoke_seen: SmokeSeen::new(),
            kitchens: Kitchens::new(),
            drill: None,
            taken_back: BTreeMap::new(),
            flood: Flood::default(),
            chatter: Chatter::new(),
            night: NightWatch::new(),
            finished: VecDeque::new(),
            cases: BTreeMap::new(),
            closed: VecDeque::new(),
            limits: Limits::default(),
            pending: BTreeMap::new(),
            link_up: false,
            link_row: None,
            link_row_at: now + LINK_DOWN_SHOWN_AFTER,
            store_row: None,
            armed: 0,
            guard: Guard::new(now),
            shift: Shift::new(),
            sounder,
            certificate: Certificate::default(),
            refused_configuration: None,
            points_held: 0,
            outreach: Outreach::default(),
            self_tests,
            stations: BTreeMap::new(),
            own_log: OwnLog::default(),
            rounds: BTreeMap::new(),
            ended_rounds: VecDeque::new(),
            waiting: BTreeMap::new(),
            decided: VecDeque::new(),
            tip_times: BTreeMap::new(),
            counts: Counts::default(),
            in_flight: VecDeque::new(),
            next_transaction: 1,
            out: Vec::new(),
            events: Vec::new(),
            keep: Vec::new(),
            log: Vec::new(),
            effects: Vec::new(),
            changed: true,
        };
        let mut unreadable = 0;
        for (key, value) in kept {
            unreadable += u64::from(board.remember(now, &key, &value).is_none());
        }
        board.match_cases_to_rows();
        board.limits_restored();
        for (id, taken) in &board.taken_back {
            if let Some(row) = board.rows.get_mut(id) {
                row.taken_back = Some(taken.clone());
            }
        }
        board.stations_restored();
        board.shift.restored(now, wall);
        board.remember_smoke();
        board.look_at_every_alarm();
        board.guard_restored();
        if unreadable > 0 {
            let own = board.own_name();
            let text = Text::new("部分保存的记录无法读取", "Some kept records cannot be read");
            board.gap(&own, "unreadable", unreadable, text);
        }
        board
    }

    /// Takes one input; gives everything to do because of it, in order.
    pub fn handle(&mut self, now: Instant, wall: Timestamp, input: Input) -> Vec<Output> {
        self.wall = wall;
        self.now = now;
        match input {
            Input::Arrived { topic, payload, retained } => self.arrived(now, &topic, &payload, retained),
            Input::Committed { transaction } => self.committed(now, transaction),
            Input::CommitFailed { transaction: _ } => self.store_failing(),
            Input::LinkUp => self.link_is_up(now),
            Input::LinkDown => self.link_is_down(now),
            Input::Asked { ticket, asked } => self.asked(now, ticket, asked),
            Input::CaseAsked { ticket, asked } => self.case_asked(ticket, &asked),
            Input::ShiftAsked { ticket, asked } => self.shift_asked(now, ticket, &asked),
            Input::DeskAsked { ticket, asked } => self.desk_asked(ticket, &asked),
            Input::ReadingAsked { ticket, asked } => self.reading_asked(ticket, asked),
            Input::Noted(line) => self.log.push(line),
            Input::ReadingsLost { count } => self.readings_lost(count),
            Input::Told { ticket, result } => self.told(now, ticket, result),
            Input::Replied { phone, text, sent_at } => self.replied(now, &phone, &text, sent_at),
            Input::Troubled { channel, trouble } => self.channel_troubled(&channel, trouble),
            Input::Hushed { by, from } => self.hushed(now, by, from),
            Input::Certified { ends, trouble } => self.certified(ends, trouble.as_deref()),
            Input::Reconfigured { settings, from } => self.reconfigured(now, *settings, &from),
            Input::NotReconfigured { why, from } => self.not_reconfigured(&why, &from),
            Input::Sounded { trouble } => self.sounded(now, trouble.as_deref()),
            Input::PeopleListed { round, homes } => self.people_listed(round, homes.as_deref()),
            Input::Armed { boards } => {
                self.armed = boards;
                self.guard.armed(now, boards > 0);
                self.speak_to_all();
            }
            Input::Woke => {}
        }
        self.let_due_things_happen(now);
        self.hand_out()
    }

    /// When to call [`Self::handle`] with [`Input::Woke`] at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let mut next = self.link_row_at.min(self.guard.next_deadline()).min(self.shift.next_deadline());
        next = next.min(self.outreach.next_deadline());
        next = next.min(self.flood.next_deadline()).min(self.chatter.next_deadline());
        next = next
            .min(self.night.next_deadline())
            .min(self.next_cooking_deadline())
            .min(self.next_drill_deadline());
        next = next.min(self.sounder.next_deadline()).min(self.self_tests.next_deadline());
        next = next.min(self.next_round_deadline()).min(self.limits.next_deadline());
        for gateway in self.gateways.values() {
            let askable = self.link_up && gateway.may_answer();
            next = next.min(gateway.watch.next_deadline().unwrap_or(Instant::NEVER)).min(gateway.devices_at);
            next = next.min(gateway.processes.next_deadline());
            for cursor in gateway.logs.values() {
                next = next.min(cursor.next_deadline(askable));
            }
        }
        for pending in self.pending.values() {
            next = next.min(if self.link_up { pending.next_deadline() } else { pending.give_up_at });
        }
        (next < Instant::NEVER).then_some(next)
    }

    /// The rows in the order a person should see them.
    pub fn list(&self, state: ListState) -> Vec<Value> {
        let groups = self.groups();
        let rows = self.rows.values().map(|row| (self.place_in_list(row, &groups), Ok(row)));
        let mut open: Vec<_> = rows.collect();
        open.extend(groups.all.iter().map(|group| ((group.place, 0, group.place), Err(group))));
        open.sort_by_key(|(place, _)| *place);
        let open = open.into_iter().map(|(_, what)| match what {
            Ok(row) => self.item_in(row, &groups),
            Err(group) => self.group_item(group),
        });
        match state {
            ListState::Open => open.collect(),
            ListState::All => {
                open.chain(self.finished.iter().rev().map(|row| self.item_in(row, &groups))).collect()
            }
        }
    }

    /// FNV-1a (64 bits, hexadecimal) over `id revision case-revision` of every open row in order of id: equal lists have
    /// equal hashes, so a page can tell that it missed something.
    pub fn open_hash(&self) -> String {
        // By night, and in a flood, the same rows are shown otherwise.
        let mut hash = Fnv::default();
        if self.night.is_night || self.flood.is_on() {
            hash.write(&[u8::from(self.night.is_night), u8::from(self.flood.is_on())]);
        }
        for row in self.rows.values() {
            let (revision, case) = (row.revision(), self.case_revision(row));
            hash.write(alloc::format!("{} {revision} {case}\n", row.id()).as_bytes());
        }
        alloc::format!("{:016x}", hash.finish())
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether our own connection to the broker is up.
    pub fn is_linked(&self) -> bool {
        self.link_up
    }

    /// Boards that can sound.
    pub(crate) fn armed_boards(&self) -> u32 {
        self.armed
    }

    /// Transactions handed out and not yet on disk.
    pub fn uncommitted(&self) -> usize {
        self.in_flight.len()
    }

    pub fn gateways(&self) -> impl Iterator<Item = GatewaySummary> {
        self.gateways.iter().map(|(name, gateway)| GatewaySummary {
            name: name.clone(),
            title: gateway.title.as_deref().map(crate::trust::shown),
            presence: gateway.watch.presence,
            devices: gateway.devices.len(),
            up_to: gateway.current.and_then(|log| gateway.logs.get(&log)).map_or(0, Cursor::committed),
        })
    }

    fn let_due_things_happen(&mut self, now: Instant) {
        let names: Vec<GatewayName> = self.gateways.keys().cloned().collect();
        for whom in &names {
            self.look_at_gateway(now, whom);
            self.look_at_store(whom);
            self.repair(now, whom);
            self.look_at_devices(now, whom);
            self.look_at_processes(now, whom);
        }
        if self.link_row_at <= now {
            self.link_row_at = Instant::NEVER;
            let own = self.own_name();
            let text = Text::new("与消息服务器的连接中断", "The connection to the broker is down");
            self.link_row = self.own_row(RowKind::Fault, &own, "broker_down", Priority::Urgent, text);
        }
        self.look_at_guard(now);
        self.look_at_sounders_silence(now);
        self.look_at_flood(now);
        self.look_at_chatter(now);
        self.look_at_night(now);
        self.look_at_cooking(now);
        self.look_at_drill(now);
        self.look_at_shift(now);
        self.look_at_limits(now);
        self.look_at_ladders(now);
        self.look_at_sounder(now);
        self.look_at_self_tests(now);
        self.look_at_rounds(now);
        self.send_requests(now);
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        let name = match refusal {
            Refusal::Topic => "topic",
            Refusal::TooLong => "too_long",
            Refusal::Unreadable => "unreadable",
            Refusal::Retained => "retained",
            Refusal::Contradiction => "contradiction",
            Refusal::TooManyGateways => "too_many_gateways",
        };
        *self.counts.refused.entry(name).or_default() += 1;
    }

    /// The gateway of this name, made on first sight; none if the board is full.
    pub(crate) fn gateway(&mut self, whom: &GatewayName) -> Option<&mut Gateway> {
        if !self.gateways.contains_key(whom) {
            if self.gateways.len() >= bounds::GATEWAYS {
                return None;
            }
            self.gateways.insert(whom.clone(), Gateway::new());
        }
        self.gateways.get_mut(whom)
    }

    /// The name under which the duty room's own troubles are listed.
    pub(crate) fn own_name(&self) -> GatewayName {
        GatewayName { site: self.settings.name.clone(), gateway: self.settings.name.clone() }
    }
}

impl Gateway {
    fn new() -> Self {
        Self {
            title: None,
            watch: Watch::new(None),
            logs: BTreeMap::new(),
            log_order: VecDeque::new(),
            current: None,
            devices: BTreeMap::new(),
            row: None,
            store: StoreHealth::Ok,
            heartbeat: None,
            store_row: None,
            resends: VecDeque::new(),
            catches_up_until: Instant::default(),
            devices_at: Instant::NEVER,
            walk: None,
            processes: Processes::default(),
        }
    }

    /// Whether asking it makes sense.
    pub(crate) fn may_answer(&self) -> bool {
        matches!(self.watch.presence, Presence::Present | Presence::Unknown)
    }

    /// Adds a log; the oldest is forgotten beyond the bound. Returns the forgotten one.
    pub(crate) fn add_log(&mut self, log: LogId, cursor: Cursor) -> Option<LogId> {
        self.logs.insert(log, cursor);
        self.log_order.push_back(log);
        if self.log_order.len() <= bounds::LOGS_PER_GATEWAY {
            return None;
        }
        let oldest = self.log_order.pop_front()?;
        self.logs.remove(&oldest);
        Some(oldest)
    }
}
