//! Alarms of this room itself: a line that a person read the river over, at a station without a sensor or against what
//! its sensor says. They have a case, are told and climb the ladder as any other, and are acknowledged here. What becomes
//! of them is in a log of this room's own, so that the history and every webhook have them like a gateway's.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use shouwang_message::{
    Acknowledged, AlarmChange, AlarmDocument, AlarmId, Class, Event, EventData, Id, LogId, Mode, Place,
    Sequence, Suppressed, Text, Timestamp,
};
use shouwang_river::{Crossing, Line};

use crate::board::{Board, Effect};
use crate::requests::refused;
use crate::row::Row;
use crate::{Asked, GatewayName, Outcome, Request, kept};

/// The log of what this room raised itself, gap-free as any gateway's.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnLog {
    /// Made with its first event.
    log: Option<LogId>,
    sequence: Sequence,
}

impl OwnLog {
    /// As it was kept: the log, and its newest event.
    pub(crate) fn remember(&mut self, value: &str) -> Option<()> {
        let (log, sequence) = value.split_once('/')?;
        *self = Self { log: Some(log.parse().ok()?), sequence: sequence.parse().ok()? };
        Some(())
    }
}

/// A person was there: the pair is an order to people, and each says who read it.
fn words(line: Line) -> Text {
    let Text { zh, en } = match line {
        Line::Prepare => Text::new("准备转移", "Make ready to leave"),
        Line::Evacuate => Text::new("立即转移", "Leave now"),
        river => river.words(),
    };
    Text::new(alloc::format!("{zh}(人工读数)"), alloc::format!("{en} (read by a person)"))
}

/// The gateway tells this line, or worse of the same ladder.
pub(crate) fn is_told(told: &[Line], line: Line) -> bool {
    told.iter().any(|told| told.is_of_the_pair() == line.is_of_the_pair() && *told >= line)
}

const READING_ONLY: (&str, &str) = (
    "人工读数的水情报警只能确认或消音,水位降下后再读一次水尺即解除",
    "An alarm by a person's reading can be acknowledged and silenced; a lower reading clears it",
);
const REPORT_ONLY: (&str, &str) = (
    "有人上报的事件只能确认或消音,办结后即结束",
    "What a person reported can be acknowledged and silenced; it is over when its case is handled",
);

impl Board {
    /// This room raised it; no gateway knows of it.
    pub(crate) fn is_own_alarm(&self, row: &Row) -> bool {
        row.alarm_document().is_some() && !row.made_here && row.belongs_to(&self.own_name())
    }

    /// The alarm of this room for a station's line, if it is not finished.
    fn own_alarm(&self, station: &Id, line: Line) -> Option<&AlarmDocument> {
        let own = self.own_name();
        let rows = self.rows.values().filter(|row| row.belongs_to(&own) && !row.finished && !row.made_here);
        let mut documents = rows.filter_map(Row::alarm_document);
        documents.find(|document| {
            document.device == *station && Line::of_condition(&document.condition) == Some(line)
        })
    }

    /// The lines of a station that an alarm of this room says are held, lowest first.
    pub(crate) fn own_lines(&self, station: &Id) -> Vec<Line> {
        let is_held = |line: &Line| self.own_alarm(station, *line).is_some_and(|alarm| alarm.active);
        Line::ALL.into_iter().filter(is_held).collect()
    }

    /// The highest of the river's own lines that the gateway's alarms say its sensor holds.
    pub(crate) fn gateway_lines(&self, station: &Id) -> Vec<Line> {
        let Some(station) = self.stations.get(station) else { return Vec::new() };
        let Some(device) = &station.info.device else { return Vec::new() };
        let whom = station.whom();
        let rows = self.rows.values().filter(|row| row.belongs_to(&whom) && !row.finished);
        let documents = rows.filter_map(Row::alarm_document);
        let active = documents.filter(|document| document.active && document.device == *device);
        active.filter_map(|document| Line::of_condition(&document.condition)).collect()
    }

    /// What a judged reading changed, the highest line first.
    pub(crate) fn lines_crossed(&mut self, station: &Id, crossings: &[Crossing], at: Timestamp) {
        if crossings.is_empty() {
            return;
        }
        let told = self.gateway_lines(station);
        for crossing in crossings {
            match *crossing {
                // What its gateway tells already, or worse of the same ladder, needs no second alarm.
                Crossing::Reached { line, .. } if is_told(&told, line) => {}
                Crossing::Reached { line, level_m, stage_m } => {
                    self.raise_line(station, line, (level_m, stage_m), at);
                }
                Crossing::Left { line, .. } => self.clear_line(station, line, at),
            }
        }
        self.explain_lines(station);
    }

    fn raise_line(&mut self, station: &Id, line: Line, (level_m, stage_m): (f64, f64), at: Timestamp) {
        let value = Some(shouwang_message::Value::Number(stage_m));
        if let Some(known) = self.own_alarm(station, line).cloned() {
            if !known.active {
                let document = AlarmDocument {
                    revision: known.revision + 1,
                    active: true,
                    cleared_at: None,
                    acknowledged: None,
                    occurrence: known.occurrence + 1,
                    value,
                    ..known
                };
                self.tell_own(AlarmChange::Repeated, &document);
            }
            return;
        }
        let place = self.place_of_station(station);
        let (own, condition) = (self.own_name(), line.condition());
        let (class, priority) = (Class::WaterLevel, line.priority());
        let id = self.new_id();
        let simulated = self.stations.get(station).is_some_and(|station| self.is_simulated(station));
        let document = AlarmDocument {
            mode: if simulated { Mode::Simulated } else { Mode::Live },
            value,
            limit: Some(level_m),
            unit: Some("m".to_string()),
            place,
            text: words(line),
            ..AlarmDocument::new(id, own.gateway.clone(), station.clone(), condition, class, priority, at)
        };
        self.tell_own(AlarmChange::Raised, &document);
    }

    /// Where the station is: its name, and the grid of its device.
    fn place_of_station(&self, station: &Id) -> Place {
        let Some(known) = self.stations.get(station) else { return Place::default() };
        let gateway = self.gateways.get(&known.whom());
        let device = known.info.device.as_ref().and_then(|device| gateway?.devices.get(device));
        let grid = device.and_then(|device| device.place.grid.clone()).or_else(|| known.about.grid.clone());
        Place { name: Some(known.info.name.clone()), grid, ..Place::default() }
    }

    fn clear_line(&mut self, station: &Id, line: Line, at: Timestamp) {
        let Some(known) = self.own_alarm(station, line).filter(|known| known.active).cloned() else { return };
        let document = AlarmDocument {
            revision: known.revision + 1,
            active: false,
            cleared_at: Some(at),
            suppressed: None,
            ..known
        };
        self.tell_own(AlarmChange::Cleared, &document);
    }

    /// A higher line explains the lower ones, so that a jump tells the worst at once and nothing twice.
    fn explain_lines(&mut self, station: &Id) {
        let held = self.own_lines(station);
        for of_the_pair in [false, true] {
            let ladder = || held.iter().copied().filter(|line| line.is_of_the_pair() == of_the_pair);
            let top = ladder().next_back().and_then(|line| Some((line, self.own_alarm(station, line)?.id)));
            let Some((top, by)) = top else { continue };
            for line in ladder() {
                let explained = (line != top).then_some(Suppressed { by });
                let Some(known) = self.own_alarm(station, line).cloned() else { continue };
                if known.suppressed != explained {
                    let revision = known.revision + 1;
                    let document = AlarmDocument { revision, suppressed: explained, ..known };
                    self.tell_own(AlarmChange::Suppressed, &document);
                }
            }
        }
    }

    /// The change, and its event: the next of this room's own log.
    pub(crate) fn tell_own(&mut self, change: AlarmChange, document: &AlarmDocument) {
        self.take_alarm(&self.own_name(), change, document);
        self.log_own(change, document.clone());
        if document.is_finished() {
            let revision = document.revision + 1;
            self.log_own(AlarmChange::Finished, AlarmDocument { revision, ..document.clone() });
        }
    }

    fn log_own(&mut self, change: AlarmChange, document: AlarmDocument) {
        let known = self.own_log.log;
        let log = known.unwrap_or_else(|| LogId::from_parts(self.unix_ms(), self.chance_of_an_id()));
        self.own_log.log = Some(log);
        self.own_log.sequence += 1;
        let sequence = self.own_log.sequence;
        self.keep.push((kept::OWN_LOG.into(), Some(alloc::format!("{log}/{sequence}"))));
        let GatewayName { site, gateway } = self.own_name();
        let (subject, data) = (document.device.to_string(), EventData::Alarm(change, document.into()));
        self.events.push(Event { site, gateway, log, sequence, time: self.wall, subject, data });
    }

    /// A person answers an alarm of this room: here, and nowhere else.
    pub(crate) fn answer_own_alarm(&mut self, ticket: u64, asked: &Asked) -> Result<(), Outcome> {
        let id = asked.alarm;
        match asked.request {
            Request::Acknowledge => self.acknowledge_own_alarm(id, asked),
            Request::Silence => {
                self.log_request(asked);
                self.hush(self.now);
            }
            _ => {
                let (zh, en) = if self.is_report(id) { REPORT_ONLY } else { READING_ONLY };
                return Err(refused("own_alarm", zh, en));
            }
        }
        self.effects.push(Effect::Answer { ticket, id });
        Ok(())
    }

    pub(crate) fn acknowledge_own_alarm(&mut self, id: AlarmId, asked: &Asked) {
        self.log_request(asked);
        self.accept_by_acknowledging(id, &asked.by, self.wall, &asked.from);
        self.acknowledge_again(id, &asked.by);
        let by: String = asked.by.clone();
        let (at, now) = (self.wall, self.now);
        let Some(row) = self.rows.get_mut(&id) else { return };
        row.acknowledged_here = Some(now);
        let Some(known) = row.alarm_document().cloned() else { return };
        let acknowledged = Some(Acknowledged { by, at });
        let document = AlarmDocument { revision: known.revision + 1, acknowledged, ..known };
        self.tell_own(AlarmChange::Acknowledged, &document);
    }
}
