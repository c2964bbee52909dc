//! One case: what people did about one alarm, step by step, from accepted to closed. It never changes the alarm,
//! and no alarm closes it.
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::{AlarmDocument, AlarmId, Class, Id, Mode, Place, Priority, Text, Timestamp};

use crate::GatewayName;
use crate::handling::Loop;
use crate::ladder::Delivery;
use crate::supervision::Supervised;
use crate::trust::shown;

mod broadcast;
mod steps;

pub(crate) use broadcast::Broadcast;
pub(crate) use steps::Objection;

/// Steps remembered with a case, the newest; all of them are in the logbook.
pub(crate) const STEPS: usize = 64;
/// People sent, departments called, and pictures, of one case.
pub(crate) const NAMED: usize = 16;

/// How far a case is. The order is the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    New,
    Accepted,
    Dispatched,
    OnSite,
    /// Concluded.
    Handled,
    Rated,
    Closed,
}

impl CaseState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Accepted => "accepted",
            Self::Dispatched => "dispatched",
            Self::OnSite => "on_site",
            Self::Handled => "handled",
            Self::Rated => "rated",
            Self::Closed => "closed",
        }
    }
}

/// What it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    Real,
    FalseAlarm,
    /// 油烟: a false alarm of a smoke detector, after a call-back or a visit.
    Cooking,
    Test,
    Drill,
    Duplicate,
}

impl Conclusion {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Real => "real",
            Self::FalseAlarm => "false_alarm",
            Self::Cooking => "cooking",
            Self::Test => "test",
            Self::Drill => "drill",
            Self::Duplicate => "duplicate",
        }
    }
}

/// What came of calling the person back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBack {
    /// Spoke to somebody who is well.
    Safe,
    NeedsHelp,
    /// Concludes nothing: somebody must have been there.
    NoAnswer,
}

impl CallBack {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::NeedsHelp => "needs_help",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// A person's request about one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseAsked {
    pub case: AlarmId,
    /// Account id.
    pub by: String,
    /// The network address it came from.
    pub from: String,
    pub note: Option<String>,
    /// What came of calling back, with whichever step it was learnt.
    pub call_back: Option<CallBack>,
    /// The cry that the person saw: no conclusion is for a newer one.
    pub occurrence: Option<u32>,
    pub step: CaseStep,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseStep {
    /// 受理.
    Accept,
    /// 派单: one more person or team is sent.
    Dispatch { to: String },
    /// 收到: who was sent knows it.
    Receive { person: Option<String> },
    /// 到场.
    Arrive { person: Option<String> },
    /// 办结, with what it turned out to be.
    Handle { conclusion: Conclusion, of: Option<AlarmId> },
    /// 评单: 1 to 5.
    Rate { stars: u8 },
    /// 销号: of what is handled; or at once with a conclusion that is not `real`, and a reason.
    Close { conclusion: Option<Conclusion>, of: Option<AlarmId> },
    /// 吹哨: names departments.
    Whistle { departments: Vec<String> },
    /// 转大循环: it is too much for its grid, and these departments are called; with a reason.
    GoUp { departments: Vec<String> },
    /// 报到 of a named department.
    ReportIn { department: String },
    /// 认领: the first one goes; of a broadcast task, as many as are needed.
    Claim { person: Option<String> },
    /// 备注: words, or what came of calling back; it moves nothing.
    Note,
    /// 119 or 120 was called, now.
    Called { service: Service },
    /// 谁能去?: so many are needed, and these are asked.
    Broadcast { needed: u16, to: Vec<String> },
    /// 照片: the hands keep a picture under this name.
    Photo { photo: String },
}

/// Who comes with blue lights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    #[serde(rename = "119")]
    Fire,
    #[serde(rename = "120")]
    Ambulance,
}

impl Service {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fire => "119",
            Self::Ambulance => "120",
        }
    }
}

/// Who and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// Whom it is about, if not the one who entered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) person: Option<String>,
}

/// Somebody sent, or a department called, and whether they answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Called {
    pub(crate) name: String,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) answered: Option<Stamp>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CalledBack {
    pub(crate) result: CallBack,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Done {
    /// `accept dispatch receive arrive call_back handle rate close whistle report_in claim
    /// note called broadcast photo report go_up supervise cried_again`.
    pub(crate) step: String,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// Where the case stood before and after.
    pub(crate) old: CaseState,
    pub(crate) new: CaseState,
    /// To whom, which result, how many stars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// What must be known of the alarm when its row is long gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) id: AlarmId,
    pub(crate) site: Id,
    pub(crate) gateway: Id,
    pub(crate) device: Id,
    pub(crate) condition: String,
    pub(crate) class: Class,
    pub(crate) priority: Priority,
    pub(crate) mode: Mode,
    pub(crate) raised_at: Timestamp,
    pub(crate) place: Place,
    pub(crate) text: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) about: About,
    pub(crate) state: CaseState,
    /// The cry it is about: a newer one opens it again.
    pub(crate) occurrence: u32,
    pub(crate) conclusion: Option<Conclusion>,
    pub(crate) duplicate_of: Option<AlarmId>,
    pub(crate) accepted: Option<Stamp>,
    pub(crate) dispatched: Vec<Called>,
    pub(crate) claimed: Option<Stamp>,
    pub(crate) on_site: Option<Stamp>,
    pub(crate) call_back: Option<CalledBack>,
    pub(crate) handled: Option<Stamp>,
    pub(crate) stars: Option<u8>,
    pub(crate) rated: Option<Stamp>,
    pub(crate) closed: Option<Stamp>,
    pub(crate) departments: Vec<Called>,
    /// 谁能去?, if that was asked.
    #[serde(default)]
    pub(crate) broadcast: Option<Broadcast>,
    /// By when somebody accepts it, and it is handled; as the table said when this room knew of it.
    #[serde(default)]
    pub(crate) accept_by: Option<Timestamp>,
    #[serde(default)]
    pub(crate) handle_by: Option<Timestamp>,
    /// 督办, oldest first.
    #[serde(default)]
    pub(crate) supervised: Vec<Supervised>,
    /// 小循环 or 大循环; none: whoever is on watch decides.
    #[serde(default, rename = "loop")]
    pub(crate) way: Option<Loop>,
    /// Who took it from the small loop to the large one.
    #[serde(default)]
    pub(crate) gone_up: Option<Stamp>,
    /// Names of pictures, oldest first.
    #[serde(default)]
    pub(crate) photos: Vec<String>,
    /// What was told outside the room, once its alarm is over.
    #[serde(default)]
    pub(crate) deliveries: Vec<Delivery>,
    /// Steps in all.
    pub(crate) revision: u32,
    /// The newest [`STEPS`] of them.
    pub(crate) steps: Vec<Done>,
}

impl Case {
    pub(crate) fn new(whom: &GatewayName, alarm: &AlarmDocument) -> Self {
        let short = |text: &Option<String>| text.as_deref().map(shown);
        let place = Place {
            building: short(&alarm.place.building),
            entrance: short(&alarm.place.entrance),
            room: short(&alarm.place.room),
            grid: short(&alarm.place.grid),
            name: short(&alarm.place.name),
        };
        let about = About {
            id: alarm.id,
            site: whom.site.clone(),
            gateway: whom.gateway.clone(),
            device: alarm.device.clone(),
            condition: shown(&alarm.condition),
            class: alarm.class,
            priority: alarm.priority,
            mode: alarm.mode,
            raised_at: alarm.raised_at,
            place,
            text: Text::new(shown(&alarm.text.zh), shown(&alarm.text.en)),
        };
        Self { occurrence: alarm.occurrence, ..Self::blank(about) }
    }

    /// What is remembered of its alarm, which is over.
    pub(crate) fn alarm(&self) -> AlarmDocument {
        let about = &self.about;
        AlarmDocument {
            active: false,
            mode: about.mode,
            occurrence: self.occurrence,
            place: about.place.clone(),
            text: about.text.clone(),
            ..AlarmDocument::new(
                about.id,
                about.gateway.clone(),
                about.device.clone(),
                about.condition.clone(),
                about.class,
                about.priority,
                about.raised_at,
            )
        }
    }

    pub(crate) fn id(&self) -> AlarmId {
        self.about.id
    }

    pub(crate) fn is_concluded(&self) -> bool {
        self.state >= CaseState::Handled
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state == CaseState::Closed
    }

    /// Steps that a person made, or that were made for one: 督办 moves nothing.
    pub(crate) fn moves(&self) -> u32 {
        self.revision.saturating_sub(u32::try_from(self.supervised.len()).unwrap_or_default())
    }

    /// Who was sent last, while nobody is there and they have not answered.
    pub(crate) fn awaited(&self) -> Option<&str> {
        let last = self.dispatched.last().filter(|sent| sent.answered.is_none())?;
        (self.state < CaseState::OnSite && self.claimed.is_none()).then_some(last.name.as_str())
    }

    /// The name under which this person was sent, as whoever sent them wrote it.
    pub(crate) fn sent_as(&self, name: &str, id: &str) -> Option<&str> {
        let same = |sent: &&Called| sent.name == name || sent.name == id;
        self.dispatched.iter().find(same).map(|sent| sent.name.as_str())
    }

    /// A person acknowledged the alarm: that accepts the case too. False if it was accepted before.
    pub(crate) fn acknowledged(&mut self, by: &str, at: Timestamp) -> bool {
        let fresh = self.state == CaseState::New;
        if fresh {
            self.accept(by, at, None);
        }
        fresh
    }

    /// A further cry. What was learnt and concluded was about the one before: a concluded case is new again, and
    /// no earlier call-back counts. True if that changed anything that people see.
    pub(crate) fn cried_again(&mut self, occurrence: u32, by: &str, at: Timestamp) -> bool {
        self.occurrence = occurrence;
        if !self.is_concluded() && self.call_back.is_none() {
            return false;
        }
        let old = self.state;
        self.call_back = None;
        if self.is_concluded() {
            let about = self.about.clone();
            let (revision, steps) = (self.revision, core::mem::take(&mut self.steps));
            let deliveries = core::mem::take(&mut self.deliveries);
            *self = Self { revision, steps, deliveries, occurrence, ..Self::blank(about) };
        }
        self.done("cried_again", by, at, old, Some(alloc::format!("x{occurrence}")), None);
        true
    }

    fn blank(about: About) -> Self {
        Self {
            about,
            state: CaseState::New,
            occurrence: 1,
            conclusion: None,
            duplicate_of: None,
            accepted: None,
            dispatched: Vec::new(),
            claimed: None,
            on_site: None,
            call_back: None,
            handled: None,
            stars: None,
            rated: None,
            closed: None,
            departments: Vec::new(),
            broadcast: None,
            accept_by: None,
            handle_by: None,
            supervised: Vec::new(),
            way: None,
            gone_up: None,
            photos: Vec::new(),
            deliveries: Vec::new(),
            revision: 0,
            steps: Vec::new(),
        }
    }

    fn accept(&mut self, by: &str, at: Timestamp, note: Option<String>) {
        let old = self.state;
        self.state = CaseState::Accepted;
        self.accepted = Some(Stamp { by: by.to_string(), at, person: None });
        self.done("accept", by, at, old, None, note);
    }

    pub(crate) fn done(
        &mut self,
        step: &str,
        by: &str,
        at: Timestamp,
        old: CaseState,
        detail: Option<String>,
        note: Option<String>,
    ) {
        self.revision += 1;
        let new = self.state;
        self.steps.push(Done { step: step.to_string(), by: by.to_string(), at, old, new, detail, note });
        if self.steps.len() > STEPS {
            self.steps.remove(0);
        }
    }
}
