//! What arrives where: answers at the gateway, commits that ended, messages at either end, and what people
//! send from their pages.
use shouwang_board::{Asked, Input as BoardInput, ListState, Request as Wanted};
use shouwang_core::input::{Disconnect, Input, Outcome};
use shouwang_core::output::Request;
use shouwang_message::{
    AlarmChange, AlarmDocument, Command, CommandName, CommandPayload, Event, EventData, Leaf, Topic,
    from_bytes,
};

use super::agenda::{Click, Thing};
use super::broker::Leaving;
use super::device::Body;
use super::duty_room::Said;
use super::line::Ended;
use super::oracle::{self, broken};
use super::people;
use super::scenario::{Kind, MS, SECOND, Wish};
use super::site;
use super::world::World;

/// An alarm that a frame brought is said within this, whatever the disk does: 500 ms and a turn of the broker.
const SAID: u64 = SECOND;
/// What a failing disk may have kept waiting.
const ILL: u64 = 20 * SECOND;

impl World<'_> {
    /// An ask ended: the engine takes what the frame said.
    pub(super) fn answered(&mut self, line: usize, ended: Ended) {
        let shape = self.scenario.devices.get(ended.ask.device).copied();
        let Some(shape) = shape.filter(|_| self.gateway.engine.is_some()) else { return };
        let ask = ended.id();
        let is_read = matches!(ended.ask.request, Request::Read { .. });
        let is_plain = is_read && !matches!(ended.outcome, Outcome::Failed(_));
        let words =
            |ended: &Ended| format!("device-{} {:?} {:?}", shape.number, ended.ask.request, ended.outcome);
        if !is_plain {
            self.note(|| words(&ended));
        }
        if shape.kind == Kind::CallUnit || self.gateway.is_hung {
            self.give(Input::Answered { line, ask, outcome: ended.outcome });
            return self.judge_calls(shape.number);
        }
        let news = self.reading.frame(shape.number, &ended.ask, &ended.outcome);
        if !news.is_empty() {
            self.note(|| words(&ended));
        }
        self.give(Input::Answered { line, ask, outcome: ended.outcome });
        let Some(engine) = &self.gateway.engine else { return };
        let verdict = self.reading.taken(shape.number, &news, engine);
        let device = site::device_id(shape.number);
        for (condition, _) in news.iter().filter(|(_, active)| *active) {
            let alarm = engine.alarms().find(|alarm| alarm.device == device && alarm.condition == *condition);
            self.expected.extend(alarm.map(|alarm| (self.now + SAID, alarm.id, alarm.revision)));
        }
        self.judge(verdict);
    }

    /// Commits ended.
    pub(super) fn stored(&mut self) {
        loop {
            let told = match self.store.turn(self.now) {
                Ok(Some(told)) => told,
                Ok(None) => return,
                Err(what) => return self.store_is_right(Err(what)),
            };
            let (commit, outcome) = told;
            self.note(|| format!("commit {commit}: {outcome:?}"));
            match outcome {
                Ok(()) => {
                    self.note_durable();
                    self.give(Input::Committed { commit });
                }
                Err(why) => {
                    self.health.store.set(self.now, false);
                    self.give(Input::CommitFailed { commit, why });
                }
            }
        }
    }

    pub(super) fn store_is_right(&mut self, right: Result<(), String>) {
        if let Err(what) = right {
            self.judge(broken("one-event-a-number", what));
        }
    }

    pub(super) fn arrives(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Accepted { connection } => {
                self.gateway.connection = Some(connection);
                self.give(Input::Connected { connection });
            }
            Leaving::Refused { connection } => {
                self.give(Input::Disconnected { connection, why: Disconnect::Lost });
            }
            Leaving::Receipt { connection, token } => {
                if self.gateway.connection == Some(connection) {
                    self.telling.receipted(token);
                    self.give(Input::Receipted { connection, token });
                }
            }
            Leaving::ToDutyRoom { link, topic, body, retained } => {
                if self.broker.duty_room == Some(link) {
                    self.arrives_at_board(topic, body, retained);
                }
            }
            Leaving::ToGateway { connection, topic, body, retained } => {
                if self.gateway.connection == Some(connection) {
                    self.arrives_at_gateway(&topic, &body, retained);
                }
            }
            Leaving::Buried { client } => self.broker.bury(self.now, client),
        }
    }

    fn arrives_at_board(&mut self, topic: String, body: Vec<u8>, retained: bool) {
        let parsed = topic.parse::<Topic>();
        let state = matches!(&parsed, Ok(Topic { leaf: Leaf::State, .. })).then(|| from_bytes(&body));
        let shows = matches!(&parsed, Ok(Topic { leaf: Leaf::Alarm(_) | Leaf::Event, .. }));
        let thought = self.board_thinks();
        self.tell_board(BoardInput::Arrived { topic, payload: body, retained });
        if let Some(Ok(document)) = state {
            let thinks = self.board_thinks();
            let verdict = self.care.board_heard(&document, thought, thinks);
            self.judge(verdict);
        }
        // To make the whole list is dear: in every fourth world.
        if shows
            && self.scenario.seed.is_multiple_of(4)
            && let Some(board) = &self.duty_room.board
        {
            let verdict = self.life.board_shows(&board.list(ListState::Open));
            self.judge(verdict);
        }
    }

    fn arrives_at_gateway(&mut self, topic: &str, body: &[u8], retained: bool) {
        let Ok(topic) = topic.parse::<Topic>() else { return };
        match topic.leaf {
            Leaf::Heard(duty_room) => {
                if let Ok(document) = from_bytes(body) {
                    self.give(Input::Heard { duty_room, document });
                }
            }
            Leaf::Command(name) => {
                if let Ok(command) = from_bytes::<Command>(body) {
                    self.commanded(name, command.payload, retained);
                }
            }
            _ => {}
        }
    }

    fn commanded(&mut self, name: CommandName, payload: String, retained: bool) {
        self.note(|| format!("{name:?} arrives: {payload}"));
        let about = from_bytes::<CommandPayload>(payload.as_bytes()).ok();
        let about = about.and_then(|payload| Some((payload.alarm?, payload.occurrence.unwrap_or(0))));
        if let Some((alarm, occurrence)) = about
            && let Some(engine) = &self.gateway.engine
            && let Some(open) = engine.alarms().find(|open| open.id == alarm)
        {
            let number = site::number_of(&open.device);
            if let Some(truth) = number.and_then(|number| self.truths.get_mut(&number)) {
                truth.person_saw(name, alarm, occurrence);
            }
        }
        self.give(Input::Commanded { name, payload, signed_by: None, retained });
    }

    pub(super) fn tell_board(&mut self, input: BoardInput) {
        let wall = self.wall();
        for said in self.duty_room.handle(self.now, wall, input) {
            match said {
                Said::Heard { document, topic } => {
                    let newest = self.duty_room.newest();
                    if document.up_to > newest {
                        let what = format!("{} is receipted, {newest} is on disk", document.up_to);
                        self.judge(broken("heard-is-durable", what));
                    }
                    self.note(|| format!("duty room heard {}", document.up_to));
                    let body = shouwang_message::to_bytes(&document);
                    self.broker.say(self.now, &topic, &body, true);
                }
                Said::Told { alarm, step } => {
                    self.note(|| format!("step {step} of {alarm} is told"));
                    self.waking.told(self.now, alarm, step);
                }
                Said::Command { topic, body } => self.broker.say(self.now, &topic, &body, false),
                Said::Answer { ticket, outcome } => {
                    self.note(|| format!("page hears {outcome:?}"));
                    if self.tickets.remove(&ticket).is_none() {
                        self.judge(broken("answered-once", format!("request {ticket}")));
                    }
                }
            }
        }
    }

    /// Both pages acknowledge the same alarm now.
    pub(super) fn race(&mut self) {
        let Some(board) = &self.duty_room.board else { return };
        if let Some(click) = people::looks(board, 0, Wish::Acknowledge) {
            let later = self.now + self.chance.between(0, 50 * MS);
            self.agenda.enter(self.now, Thing::Clicks(click));
            self.agenda.enter(later, Thing::Clicks(Click { page: 1, ..click }));
        }
    }

    pub(super) fn clicks(&mut self, click: Click) {
        let asked: Asked = people::asked(click, self.wall());
        if self.duty_room.board.is_none() {
            return;
        }
        self.note(|| format!("{} clicks {:?}", people::name(click.page), click));
        if asked.request == Wanted::Acknowledge {
            self.life.person_asks(click.alarm, &asked.by, click.occurrence);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(ticket, self.now);
        self.tell_board(BoardInput::Asked { ticket, asked });
    }

    pub(super) fn ticks(&mut self, number: u16) {
        let now = self.now;
        let mut again = None;
        for device in self.lines.iter_mut().flat_map(|line| &mut line.devices) {
            if device.shape.number == number
                && let Body::CallUnit(unit) = &mut device.body
            {
                again = Some(unit.tick(now));
            }
        }
        self.look_at_unit(number);
        if let Some(again) = again {
            self.agenda.enter(again, Thing::Ticks { device: number });
        }
    }

    pub(super) fn look_at_units(&mut self, line: usize) {
        for place in 0..self.lines[line].devices.len() {
            let shape = self.lines[line].devices[place].shape;
            if shape.kind == Kind::CallUnit {
                self.look_at_unit(shape.number);
            }
        }
    }

    pub(super) fn look_at_unit(&mut self, number: u16) {
        let device =
            self.lines.iter().flat_map(|line| &line.devices).find(|device| device.shape.number == number);
        let Some(Body::CallUnit(unit)) = device.map(|device| &device.body) else { return };
        let (Some((counters, display)), Some(truth)) = (unit.look(), self.truths.get_mut(&number)) else {
            return;
        };
        let judged = truth.unit(counters, display);
        self.judge(judged.or_else(|what| broken("calls", format!("device-{number}: {what}"))));
    }

    pub(super) fn judge_calls(&mut self, number: u16) {
        let (Some(truth), Some(engine)) = (self.truths.get_mut(&number), &self.gateway.engine) else {
            return;
        };
        let device = site::device_id(number);
        let judged = truth.engine(engine.alarms().filter(|alarm| is_call(alarm) && alarm.device == device));
        self.judge(judged.or_else(|what| broken("calls", format!("device-{number}: {what}"))));
    }

    /// An alarm's change is on its way to the disk.
    pub(super) fn told(&mut self, change: AlarmChange, document: &AlarmDocument) {
        let number = site::number_of(&document.device);
        // A disk that was ill lately may have kept it waiting.
        let is_well = self.health.store.well_since().is_some_and(|since| since + ILL < self.now);
        let waited = if is_well { 0 } else { ILL };
        let mut devices = self.lines.iter().flat_map(|line| &line.devices);
        if let Some(device) = devices.find(|device| Some(device.shape.number) == number) {
            let verdict = oracle::was_true(self.now, change, document, device, waited);
            self.judge(verdict);
        }
    }
}

/// Other conditions of a call unit (low battery, a stuck button) are no presses.
pub(super) fn is_call(alarm: &AlarmDocument) -> bool {
    alarm.class == shouwang_message::Class::Call && alarm.condition == "call"
}

/// The call unit's device that an event is about, if it tells of presses.
pub(super) fn call_of(event: &Event) -> Option<u16> {
    match &event.data {
        EventData::Alarm(_, document) if is_call(document) => site::number_of(&document.device),
        _ => None,
    }
}
