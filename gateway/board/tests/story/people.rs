//! Two grids, three grid workers, two people on duty, a secretary, and the ladder of the design.
use std::time::Duration;

use shouwang_board::organisation::{Person, Responder, Target, Unit, UnitKind};
use shouwang_board::{DeliveryResult, Escalation, Input, Notice, Organisation, Reach, Settings, Step};
use shouwang_message::*;

use crate::world::*;

fn person(name: &str, phone: &str, role: &str, of: Option<&str>) -> Person {
    Person {
        id: id(name),
        name: format!("{name}某"),
        phone: (!phone.is_empty()).then(|| phone.into()),
        wecom: None,
        role: Some(id(role)),
        of: of.map(id),
    }
}

fn step(after_s: u64, channels: &[&str], to: &[Target]) -> Step {
    let channels = channels.iter().map(|channel| id(channel)).collect();
    Step { after: Duration::from_secs(after_s), channels, to: to.to_vec() }
}

pub(crate) fn settings() -> Settings {
    let role = |name: &str| Target::Role(id(name));
    let unit = |name: &str, kind, parent: Option<&str>| Unit {
        id: id(name),
        name: name.into(),
        kind,
        parent: parent.map(id),
    };
    let responder = |persons: &[&str], hours: &str| Responder {
        grid: Some(id("hp-07")),
        classes: vec![],
        hours: hours.parse().unwrap(),
        persons: persons.iter().map(|person| id(person)).collect(),
    };
    let organisation = Organisation {
        units: vec![
            unit("heping", UnitKind::Community, None),
            unit("hp-07", UnitKind::Grid, Some("heping")),
            unit("hp-08", UnitKind::Grid, Some("heping")),
        ],
        persons: vec![
            person("wang", "13800138000", "grid-worker", Some("hp-07")),
            person("li", "13800138001", "grid-worker", Some("hp-07")),
            person("zhao", "13800138002", "grid-worker", Some("hp-08")),
            person("desk-1", "13800138003", "on-duty", None),
            person("desk-2", "13800138004", "on-duty", None),
            person("chen", "13800138005", "secretary", Some("heping")),
        ],
        responders: vec![responder(&["wang", "li"], "00:00-24:00")],
    };
    let steps = vec![
        step(0, &["robot", "platform"], &[Target::Responder]),
        step(30, &["sms"], &[role("on-duty")]),
        step(60, &["voice"], &[role("on-duty")]),
        step(180, &["sms", "voice"], &[role("secretary")]),
    ];
    let channels = [
        (id("robot"), Reach::Group),
        (id("platform"), Reach::Group),
        (id("sms"), Reach::Person { answers: true }),
        (id("voice"), Reach::Person { answers: false }),
    ];
    let urgent = vec![step(0, &["robot"], &[Target::Responder])];
    Settings {
        organisation,
        escalation: Escalation {
            channels: channels.into(),
            steps: [(Priority::Emergency, steps), (Priority::Urgent, urgent)].into(),
            dispatch: [id("sms")].into(),
            ..Escalation::default()
        },
        ..Settings::new(id("duty-1"))
    }
}

pub(crate) fn placed(document: AlarmDocument) -> AlarmDocument {
    let some = |text: &str| Some(text.to_owned());
    let place = Place {
        building: some("3"),
        entrance: some("2"),
        room: some("402"),
        grid: some("HP-07"),
        name: some("3号楼2单元402"),
    };
    AlarmDocument { place, ..document }
}

impl World {
    /// What is told since the last look; its channels take it, or all fail.
    pub(crate) fn notices(&mut self, are_taken: bool) -> Vec<Notice> {
        let told = std::mem::take(&mut self.told);
        for notice in &told {
            self.answer(notice, are_taken);
        }
        told
    }

    pub(crate) fn answer(&mut self, notice: &Notice, is_taken: bool) {
        let at = wall(self.now);
        let result = match is_taken {
            true => DeliveryResult::Delivered { at },
            false => DeliveryResult::Failed { code: "no_carrier".into(), text: "无信号".into(), at },
        };
        self.give(Input::Told { ticket: notice.ticket, result });
    }

    pub(crate) fn escalation(&self) -> Vec<String> {
        let lines = self.log.iter().filter(|line| line.from == "escalation");
        lines.map(|line| format!("{} {}", line.what, line.new.as_deref().unwrap_or_default())).collect()
    }
}
