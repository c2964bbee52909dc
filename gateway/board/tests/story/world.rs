//! A board with a disk that can be told to wait or fail, steady time that moves by hand, and a transcript.
use std::collections::BTreeMap;
use std::time::Duration;

use shouwang_board::{
    Asked, Board, CaseAsked, CaseStep, Input, ListState, LogLine, Notice, Outcome, Output, Request, Sample,
    Settings, Transaction,
};
use shouwang_message::*;

pub(crate) const LOG: &str = "01KANEXAMPE000000000000AAA";
pub(crate) const SMOKE: &str = "01KANEXAMP0000000000000001";

pub(crate) struct World {
    pub(crate) board: Board,
    pub(crate) settings: Settings,
    pub(crate) now: Instant,
    pub(crate) auto_commit: bool,
    pub(crate) uncommitted: Vec<Transaction>,
    pub(crate) kept: BTreeMap<String, String>,
    pub(crate) heard: Vec<(LogId, Sequence)>,
    /// Events of the room's own log on its disk.
    pub(crate) own: Vec<Event>,
    pub(crate) transcript: Vec<String>,
    pub(crate) answers: Vec<(u64, Outcome)>,
    /// The logbook.
    pub(crate) log: Vec<LogLine>,
    pub(crate) commands: Vec<(CommandName, CommandPayload)>,
    /// Notices on their way out of the house.
    pub(crate) told: Vec<Notice>,
    /// What the desk sounder was told.
    pub(crate) sounds: Vec<bool>,
    /// Readings of stations, as they were given to be kept.
    pub(crate) recorded: Vec<(Id, Vec<Sample>)>,
    /// Lists of people that were asked for.
    pub(crate) listed: Vec<(AlarmId, Vec<String>)>,
    /// What it answers: done, in trouble, or nothing at all.
    pub(crate) siren: Option<Option<String>>,
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn wall(now: Instant) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000 + i64::try_from(now.as_micros() / 1_000).unwrap())
}

fn new_board(settings: &Settings, now: Instant, kept: &BTreeMap<String, String>) -> Board {
    Board::restore(settings.clone(), now.as_micros() + 7, now, wall(now), kept.clone())
}

impl World {
    /// A new board that somebody listens to, whose link is up.
    pub(crate) fn new() -> Self {
        Self::with(Settings::new(id("duty-1")))
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let now = Instant::from_micros(1_000_000);
        let mut world = Self {
            board: new_board(&settings, now, &BTreeMap::new()),
            settings,
            now,
            auto_commit: true,
            uncommitted: Vec::new(),
            kept: BTreeMap::new(),
            heard: Vec::new(),
            own: Vec::new(),
            transcript: Vec::new(),
            answers: Vec::new(),
            log: Vec::new(),
            commands: Vec::new(),
            told: Vec::new(),
            sounds: Vec::new(),
            recorded: Vec::new(),
            listed: Vec::new(),
            siren: Some(None),
        };
        world.give(Input::Armed { boards: 1 });
        world.give(Input::LinkUp);
        world
    }

    /// The process is killed and started again on the same disk.
    pub(crate) fn kill(&mut self) {
        self.kill_unwatched();
        self.give(Input::Armed { boards: 1 });
        self.give(Input::LinkUp);
    }

    /// The same, and no page comes back.
    pub(crate) fn kill_unwatched(&mut self) {
        self.uncommitted.clear();
        self.board = new_board(&self.settings, self.now, &self.kept);
        self.transcript.push("-- killed --".into());
    }

    pub(crate) fn give(&mut self, input: Input) {
        let outputs = self.board.handle(self.now, wall(self.now), input);
        for output in outputs {
            self.carry_out(output);
        }
        if self.auto_commit {
            self.commit();
        }
    }

    /// Everything on its way to the disk arrives there.
    pub(crate) fn commit(&mut self) {
        let transactions = std::mem::take(&mut self.uncommitted);
        for transaction in transactions {
            for event in &transaction.events {
                self.heard.push((event.log, event.sequence));
                if event.gateway == self.settings.name {
                    self.own.push(event.clone());
                }
            }
            self.log.extend(transaction.log);
            for (key, value) in transaction.keep {
                match value {
                    Some(value) => self.kept.insert(key, value),
                    None => self.kept.remove(&key),
                };
            }
            self.give(Input::Committed { transaction: transaction.number });
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Commit(transaction) => {
                let sequences: Vec<_> = transaction.events.iter().map(|event| event.sequence).collect();
                self.transcript.push(format!("commit {} {sequences:?}", transaction.number));
                self.uncommitted.push(transaction);
            }
            Output::PublishHeard { to, document } => {
                let on_disk = self.heard.iter().filter(|(log, _)| *log == document.log);
                let on_disk = on_disk.map(|(_, sequence)| *sequence).max().unwrap_or(0);
                assert!(document.up_to <= on_disk, "heard is told before it is on disk: {document:?}");
                self.transcript.push(format!("heard {} up to {}", to.gateway, document.up_to));
            }
            Output::PublishCommand { to, name, command } => {
                let payload: CommandPayload = from_bytes(command.payload.as_bytes()).unwrap();
                let from = payload.from.map(|from| format!(" from {from}")).unwrap_or_default();
                self.transcript.push(format!("command {} {name}{from}", to.gateway));
                self.commands.push((name, payload));
            }
            Output::Answer { ticket, outcome } => self.answers.push((ticket, outcome)),
            Output::Tell(notice) => self.told.push(notice),
            Output::Sound { on } => {
                self.sounds.push(on);
                if let Some(trouble) = self.siren.clone() {
                    self.give(Input::Sounded { trouble });
                }
            }
            Output::Record { station, samples } => self.recorded.push((station, samples)),
            Output::ListPeople { round, homes } => self.listed.push((round, homes)),
            Output::Changed => {}
        }
    }

    /// Lets time pass, waking the board at each of its deadlines.
    pub(crate) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        let mut last = None;
        while let Some(next) = self.board.next_deadline().filter(|next| *next <= end) {
            assert_ne!(last, Some(next), "the board asks to be woken at {next:?} again and again");
            last = Some(next);
            self.now = self.now.max(next);
            self.give(Input::Woke);
        }
        self.now = end;
    }

    pub(crate) fn arrive(&mut self, leaf: &str, payload: Vec<u8>, retained: bool) {
        let topic = format!("shouwang/v1/heping/{leaf}");
        self.give(Input::Arrived { topic, payload, retained });
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.arrive(&format!("{}/event", event.gateway), to_bytes(event), false);
    }

    pub(crate) fn ready(&mut self, boot: u32, connection: u32) {
        self.state(GatewayState::Ready, boot, connection, false);
    }

    pub(crate) fn state(&mut self, state: GatewayState, boot: u32, connection: u32, retained: bool) {
        let document = StateDocument { state, boot, connection, at: wall(self.now) };
        self.arrive("gw-1/state", to_bytes(&document), retained);
    }

    pub(crate) fn heartbeat(&mut self, boot: u32, sequence: Sequence) {
        self.heartbeat_with(boot, sequence, StoreHealth::Ok);
    }

    pub(crate) fn heartbeat_with(&mut self, boot: u32, sequence: Sequence, store: StoreHealth) {
        let document = Heartbeat {
            at: wall(self.now),
            clock: Clock::Synced,
            boot,
            sequence,
            heard: BTreeMap::new(),
            outbox: OutboxHealth { unheard: 0, oldest_s: 0 },
            lines: vec![],
            store,
        };
        self.arrive("gw-1/heartbeat", to_bytes(&document), false);
    }

    pub(crate) fn alarm(&mut self, document: &AlarmDocument, retained: bool) {
        self.arrive(&format!("gw-1/alarm/{}", document.id), to_bytes(document), retained);
    }

    pub(crate) fn ask(&mut self, ticket: u64, by: &str, request: Request) {
        let asked = Asked { by: by.into(), ..asked_about(SMOKE.parse().unwrap(), request) };
        self.give(Input::Asked { ticket, asked });
    }

    /// A step of the smoke alarm's case, with a note; what became of it.
    pub(crate) fn case(&mut self, by: &str, step: CaseStep, note: &str) -> Outcome {
        self.case_with(CaseAsked {
            note: Some(note.into()).filter(|_| !note.is_empty()),
            ..case_asked(by, step)
        })
    }

    pub(crate) fn case_with(&mut self, asked: CaseAsked) -> Outcome {
        self.give(Input::CaseAsked { ticket: u64::MAX, asked });
        let (ticket, outcome) = self.answers.pop().unwrap();
        assert_eq!(ticket, u64::MAX, "no answer to a step");
        outcome
    }

    pub(crate) fn reply(&mut self, name: &str, reply: &Reply) {
        self.arrive(&format!("gw-1/reply/{name}"), to_bytes(reply), false);
    }

    /// The gateway refuses the newest request that it was sent.
    pub(crate) fn refuse_newest(&mut self, code: &str) {
        let (name, payload) = self.commands.last().unwrap();
        let (name, txn) = (name.as_str(), payload.txn.clone());
        let error = Some(CommandError { code: code.into(), text: Text::new("不行", "No") });
        self.reply(name, &Reply { txn, ok: false, error });
    }

    pub(crate) fn rows(&self) -> Vec<serde_json::Value> {
        self.board.list(ListState::Open)
    }

    /// Each open row in a line.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.rows().iter().map(show).collect()
    }

    pub(crate) fn take_transcript(&mut self) -> Vec<String> {
        std::mem::take(&mut self.transcript)
    }
}

pub(crate) fn case_asked(by: &str, step: CaseStep) -> CaseAsked {
    CaseAsked {
        case: SMOKE.parse().unwrap(),
        by: by.into(),
        from: "192.0.2.7".into(),
        note: None,
        call_back: None,
        occurrence: None,
        step,
    }
}

/// `alarm smoke r1 active` and the flags that are set.
fn show(row: &serde_json::Value) -> String {
    let mut line = format!(
        "{} {} r{} {}",
        row["kind"].as_str().unwrap(),
        row["condition"].as_str().unwrap(),
        row["revision"],
        if row["active"] == true { "active" } else { "cleared" }
    );
    for flag in ["pending", "provisional", "gateway_lost", "explained"] {
        if row[flag] == true {
            line.push(' ');
            line.push_str(flag);
        }
    }
    if let Some(by) = row["acknowledged"]["by"].as_str() {
        line.push_str(&format!(" by {by}"));
    }
    if row["count"] != 1 {
        line.push_str(&format!(" x{}", row["count"]));
    }
    if let Some(code) = row["refused"]["code"].as_str() {
        line.push_str(&format!(" refused {code}"));
    }
    line
}

pub(crate) fn smoke(revision: u32) -> AlarmDocument {
    AlarmDocument {
        revision,
        latched: true,
        value: Some(Value::Bool(true)),
        text: Text::new("烟感报警", "Smoke alarm"),
        ..AlarmDocument::new(
            SMOKE.parse().unwrap(),
            id("gw-1"),
            id("smoke-3-2-402"),
            "smoke".into(),
            Class::Smoke,
            Priority::Emergency,
            wall(Instant::default()),
        )
    }
}

pub(crate) fn event(sequence: Sequence, data: EventData) -> Event {
    Event {
        site: id("heping"),
        gateway: id("gw-1"),
        log: LOG.parse().unwrap(),
        sequence,
        time: wall(Instant::default()),
        subject: "gw-1".into(),
        data,
    }
}

pub(crate) fn raised(sequence: Sequence, document: AlarmDocument) -> Event {
    event(sequence, EventData::Alarm(AlarmChange::Raised, document.into()))
}

pub(crate) fn tick(sequence: Sequence) -> Event {
    event(sequence, EventData::Clock(ClockRecord { clock: Clock::Synced, step_ms: 0 }))
}

pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

pub(crate) fn fault(n: u64, code: &str, line: Option<&str>) -> FaultDocument {
    FaultDocument {
        id: AlarmId::from_parts(n, 5),
        gateway: id("gw-1"),
        device: None,
        line: line.map(id),
        code: code.into(),
        class: None,
        priority: Priority::Urgent,
        active: true,
        raised_at: wall(Instant::default()),
        cleared_at: None,
        clock: Clock::Synced,
        place: Place::default(),
        text: Text::new("故障", "Fault"),
    }
}

pub(crate) fn cleared(fault: FaultDocument) -> EventData {
    let cleared_at = Some(fault.raised_at);
    EventData::FaultCleared(FaultDocument { active: false, cleared_at, ..fault })
}

pub(crate) fn device(
    world: &mut World,
    name: &str,
    state: DeviceState,
    why: Option<&str>,
    at_ms: i64,
    retained: bool,
) {
    let since = Timestamp::from_unix_ms(wall(world.now).unix_ms() + at_ms);
    let document = DeviceStateDocument::new(state, since, why.map(Into::into));
    world.arrive(&format!("gw-1/device/{name}/state"), to_bytes(&document), retained);
}

pub(crate) fn info(world: &mut World, devices: &[(&str, &str)]) {
    info_at(world, devices, None);
}

pub(crate) fn info_at(world: &mut World, devices: &[(&str, &str)], room: Option<&str>) {
    let devices = devices
        .iter()
        .map(|(name, line)| DeviceInfo {
            id: id(name),
            line: id(line),
            unit_id: 1,
            profile: "p".into(),
            class: Class::Smoke,
            title: Text::new(*name, *name),
            place: Place { room: room.map(Into::into), ..Place::default() },
            proven_at: None,
        })
        .collect();
    let document = InfoDocument {
        name: "1".into(),
        version: "1".into(),
        log: LOG.parse().unwrap(),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices,
        stations: vec![],
        walk: None,
    };
    world.arrive("gw-1/info", to_bytes(&document), true);
}

/// What u-7 asks about an alarm.
pub(crate) fn asked_about(alarm: AlarmId, request: Request) -> Asked {
    Asked { alarm, by: "u-7".into(), from: "192.0.2.7".into(), reason: None, occurrence: None, request }
}
