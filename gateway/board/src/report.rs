//! What a person saw and no sensor did: a flooded road, a smell of gas, a wire that came down. A report is an alarm of
//! this room with a case like any other; however often it is sent it is one, and it is over when its case is handled.
use alloc::boxed::Box;
use alloc::string::String;
use core::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shouwang_message::{AlarmChange, AlarmDocument, AlarmId, Class, Id, Place, Priority, Text, Timestamp};

use crate::board::{Board, Effect};
use crate::case::{Case, CaseAsked, CaseStep};
use crate::changes::Fnv;
use crate::desk::DeskAsked;
use crate::requests::refused;
use crate::row::Row;
use crate::stations::manual::{is_about_now, is_made_by_a_phone};
use crate::trust::shown;
use crate::{Asked, Outcome, Request};

/// Reports that are not over: of one person, and of all. A page that fell into the wrong hands fills no list.
const OPEN_OF_ONE: usize = 20;
const OPEN: usize = 500;
/// Under which a report stands where a device's alarm has its device.
const DEVICE: &str = "report";

/// One thing that a person saw.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Made by whoever sends it, 8 to 64 of `[A-Za-z0-9-]`: the same id of the same person is the same report.
    pub id: String,
    pub kind: ReportKind,
    /// In the person's words; may be empty.
    pub words: String,
    /// Where, in words.
    pub place: String,
    pub grid: Option<String>,
    /// What the phone says where it was: latitude and longitude, degrees.
    pub spot: Option<(f64, f64)>,
    /// Somebody is in danger: an ordinary thing is urgent then.
    pub is_dangerous: bool,
    /// When it was seen, by the phone's clock.
    pub at: Timestamp,
}

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    FloodedRoad,
    Fire,
    GasSmell,
    Wire,
    Fallen,
    Blocked,
    PersonInNeed,
    Other,
}

impl ReportKind {
    pub const ALL: [Self; 8] = [
        Self::FloodedRoad,
        Self::Fire,
        Self::GasSmell,
        Self::Wire,
        Self::Fallen,
        Self::Blocked,
        Self::PersonInNeed,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::FloodedRoad => "flooded_road",
            Self::Fire => "fire",
            Self::GasSmell => "gas_smell",
            Self::Wire => "wire",
            Self::Fallen => "fallen",
            Self::Blocked => "blocked",
            Self::PersonInNeed => "person_in_need",
            Self::Other => "other",
        }
    }

    pub fn words(self) -> Text {
        match self {
            Self::FloodedRoad => Text::new("道路积水", "Flooded road"),
            Self::Fire => Text::new("着火冒烟", "Fire or smoke"),
            Self::GasSmell => Text::new("燃气异味", "Smell of gas"),
            Self::Wire => Text::new("电线掉落", "A wire is down"),
            Self::Fallen => Text::new("倒伏坠物", "Something has fallen"),
            Self::Blocked => Text::new("通道堵塞", "A way is blocked"),
            Self::PersonInNeed => Text::new("有人需要帮助", "Somebody needs help"),
            Self::Other => Text::new("其他情况", "Something else"),
        }
    }

    /// By what it is; being told of danger makes an ordinary thing urgent.
    pub fn priority(self, is_dangerous: bool) -> Priority {
        match self {
            Self::Fire | Self::PersonInNeed => Priority::Emergency,
            Self::GasSmell | Self::Wire => Priority::Urgent,
            _ if is_dangerous => Priority::Urgent,
            Self::FloodedRoad | Self::Fallen | Self::Blocked | Self::Other => Priority::Ordinary,
        }
    }
}

/// The case of this person's report of that id and time: the same for every time that it is sent, so that the hands
/// can look on disk for one that was closed long ago.
pub fn report_case(by: &str, id: &str, at: Timestamp) -> AlarmId {
    let half = |salt: u8| {
        let mut hash = Fnv::default();
        hash.write(&[salt]);
        hash.write(by.as_bytes());
        hash.write(&[0]);
        hash.write(id.as_bytes());
        u128::from(hash.finish())
    };
    AlarmId::from_parts(u64::try_from(at.unix_ms()).unwrap_or_default(), (half(1) << 64) | half(2))
}

impl Board {
    /// A new report is an alarm of this room; one that was here before says so.
    pub(crate) fn take_report(
        &mut self,
        ticket: u64,
        asked: &DeskAsked,
        report: &Report,
    ) -> Result<(), Outcome> {
        is_made_by_a_phone(&report.id)?;
        is_about_now(report.at, self.wall)?;
        let id = report_case(&asked.by, &report.id, report.at);
        if let Some(known) = self.case(id) {
            let already = json!({ "step": "report", "by": asked.by, "at": report.at, "person": null,
                "text": crate::cases::already_words("report") });
            return Err(Outcome::CaseAlready { case: Box::new(known), already: Box::new(already) });
        }
        if report.place.trim().is_empty() {
            return Err(refused("place_missing", "请写地点", "Say where it is"));
        }
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        self.may_report(&asked.by)?;
        let document = self.document_of(id, report)?;
        let own = self.own_name();
        self.tell_own(AlarmChange::Raised, &document);
        if !self.rows.contains_key(&id) {
            return Err(refused("full", "列表已满,请打值班电话", "The list is full: ring the duty desk"));
        }
        let mut case = Case::new(&own, &document);
        let spot = report.spot.map(|(latitude, longitude)| alloc::format!("{latitude:.5},{longitude:.5}"));
        let words = Some(shown(&report.words)).filter(|words| !words.is_empty());
        case.done("report", &asked.by, self.wall, case.state, spot, words);
        self.log_steps(&case, 0, &asked.from);
        self.put_case(case);
        self.effects.push(Effect::CaseAnswer { ticket, id });
        Ok(())
    }

    fn may_report(&self, by: &str) -> Result<(), Outcome> {
        let reports = self.rows.values().filter(|row| !row.finished && self.is_report_row(row));
        let (mut all, mut own) = (0, 0);
        for row in reports {
            all += 1;
            let first = self.cases.get(&row.id()).and_then(|case| case.steps.first());
            own += usize::from(first.is_some_and(|first| first.by == by));
        }
        if own < OPEN_OF_ONE && all < OPEN {
            return Ok(());
        }
        let en = "Too many reports are still open: ring the duty desk";
        Err(refused("too_many_reports", "未办结的上报过多,请打值班电话", en))
    }

    fn document_of(&self, id: AlarmId, report: &Report) -> Result<AlarmDocument, Outcome> {
        let device: Id = DEVICE.parse().map_err(|_| Outcome::Unknown)?;
        let Text { zh, en } = report.kind.words();
        let words = shown(report.words.trim());
        let said = |kind: String| if words.is_empty() { kind } else { alloc::format!("{kind}:{words}") };
        let place =
            Place { name: Some(shown(report.place.trim())), grid: report.grid.clone(), ..Place::default() };
        let condition = alloc::format!("report_{}", report.kind.as_str());
        let (class, priority) = (Class::Report, report.kind.priority(report.is_dangerous));
        // A phone whose clock is ahead saw it when it came, at the latest.
        let at = report.at.min(self.wall);
        let gateway = self.own_name().gateway;
        Ok(AlarmDocument {
            place,
            text: Text::new(said(zh), said(en)),
            ..AlarmDocument::new(id, gateway, device, condition, class, priority, at)
        })
    }

    /// Whether this alarm is what a person reported.
    pub(crate) fn is_report(&self, id: AlarmId) -> bool {
        self.rows.get(&id).is_some_and(|row| self.is_report_row(row))
    }

    fn is_report_row(&self, row: &Row) -> bool {
        self.is_own_alarm(row) && row.alarm_document().is_some_and(|document| document.class == Class::Report)
    }

    /// Whoever sends somebody has seen the report: one key, two facts.
    pub(crate) fn sent_for_a_report(&mut self, asked: &CaseAsked) {
        let id = asked.case;
        let sends = matches!(asked.step, CaseStep::Dispatch { .. } | CaseStep::Broadcast { .. });
        if !sends || !self.is_report(id) || self.acknowledger(id).is_some() {
            return;
        }
        let request = Request::Acknowledge;
        let (by, from) = (asked.by.clone(), asked.from.clone());
        let seen = Asked { alarm: id, by, from, reason: None, occurrence: None, request };
        self.acknowledge_own_alarm(id, &seen);
    }

    /// Its case has a conclusion: what was reported is over.
    pub(crate) fn report_is_over(&mut self, id: AlarmId) {
        let row = self.rows.get(&id).filter(|row| self.is_report_row(row));
        let Some(known) = row.and_then(Row::alarm_document).filter(|known| known.active).cloned() else {
            return;
        };
        let cleared_at = Some(self.wall);
        let document = AlarmDocument { revision: known.revision + 1, active: false, cleared_at, ..known };
        self.tell_own(AlarmChange::Cleared, &document);
    }
}
