//! What a person asks of a gateway: stored first, then sent, and sent again until the gateway confirms,
//! refuses, or the request expires. A command must not act hours later.
use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{
    Acknowledged, AlarmDocument, AlarmId, Command, CommandName, CommandPayload, Id, Instant, OutOfService,
    Shelved, Text, Timestamp, to_bytes,
};

use crate::GatewayName;
use crate::chance::Chance;
use crate::planted::{self, Bug};

/// After this the gateway refuses the request and the board gives it up.
pub(crate) const EXPIRES_AFTER: Duration = Duration::from_secs(600);
/// An unconfirmed request is sent again after this.
const SEND_AGAIN_AFTER: Duration = Duration::from_secs(15);
/// One person may shelve this long; longer needs a second person.
const ALONE_AT_MOST_MS: i64 = 60 * 60 * 1_000;
/// Nothing is shelved longer than this.
const SHELVED_AT_MOST_MS: i64 = 24 * ALONE_AT_MOST_MS;

/// A person's request about one alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub alarm: AlarmId,
    /// Account id.
    pub by: String,
    /// The network address it came from.
    pub from: String,
    pub reason: Option<String>,
    /// The cry that the person saw, if they said so: what they ask about it is not for a newer one.
    pub occurrence: Option<u32>,
    pub request: Request,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Request {
    Acknowledge,
    Silence,
    /// Always with a reason; over 60 minutes with a second person; never for smoke, gas, CO and calls.
    Shelve {
        until: Timestamp,
        second: Option<String>,
    },
    Unshelve,
    Reset,
    /// The device that is named, of no alarm.
    Test {
        until: Timestamp,
    },
    /// The walk test of this id may begin; or not, if `until` is over.
    Walk {
        walk: AlarmId,
        until: Timestamp,
    },
    /// The no-activity rule that is named, of no alarm; without `until` it is watched again.
    Pause {
        rule: Id,
        until: Option<Timestamp>,
    },
    /// Takes the alarm's device out of service; a reason and a second person are needed.
    OutOfService {
        until: Timestamp,
        second: Option<String>,
    },
}

impl Request {
    pub(crate) fn command(&self) -> CommandName {
        match self {
            Self::Acknowledge => CommandName::Acknowledge,
            Self::Silence => CommandName::Silence,
            Self::Shelve { .. } => CommandName::Shelve,
            Self::Unshelve => CommandName::Unshelve,
            Self::Reset => CommandName::Reset,
            Self::OutOfService { .. } => CommandName::OutOfService,
            Self::Test { .. } | Self::Walk { .. } => CommandName::Test,
            Self::Pause { .. } => CommandName::Pause,
        }
    }

    /// What it changes, for the logbook: from what, to what.
    pub(crate) fn change(&self) -> (Option<&'static str>, String) {
        let until = |what: &str| match self.until_and_second() {
            (Some(until), Some(second)) => format!("{what} until {until}, second {second}"),
            (Some(until), None) => format!("{what} until {until}"),
            (None, _) => what.into(),
        };
        match self {
            Self::Acknowledge => (Some("unacknowledged"), "acknowledged".into()),
            Self::Silence => (None, "silenced".into()),
            Self::Shelve { .. } => (None, until("shelved")),
            Self::Unshelve => (Some("shelved"), "unshelved".into()),
            Self::Reset => (Some("latched"), "reset".into()),
            Self::OutOfService { .. } => (None, until("out of service")),
            Self::Test { .. } => (None, until("test")),
            Self::Walk { .. } => (None, until("walk test")),
            Self::Pause { .. } => (None, until("paused")),
        }
    }

    /// Its `alarm` only tells it apart.
    pub(crate) fn is_of_no_alarm(&self) -> bool {
        matches!(self, Self::Test { .. } | Self::Walk { .. } | Self::Pause { .. })
    }

    fn until_and_second(&self) -> (Option<Timestamp>, Option<&String>) {
        match self {
            Self::Shelve { until, second } | Self::OutOfService { until, second } => {
                (Some(*until), second.as_ref())
            }
            Self::Test { until } | Self::Walk { until, .. } => (Some(*until), None),
            Self::Pause { until, .. } => (*until, None),
            _ => (None, None),
        }
    }
}

/// Why a request cannot even be sent.
pub(crate) fn objection(asked: &Asked, life_safety: bool, wall: Timestamp) -> Option<(&'static str, Text)> {
    let (until, second) = asked.request.until_and_second();
    let until = until?;
    let length_ms = until.unix_ms() - wall.unix_ms();
    let second = second.filter(|second| !second.trim().is_empty() && **second != asked.by);
    let shelving = matches!(asked.request, Request::Shelve { .. });
    if shelving && life_safety {
        return Some((
            "never_shelved",
            Text::new(
                "烟感、燃气、一氧化碳和呼叫报警不能搁置",
                "Smoke, gas, CO and call alarms are never shelved",
            ),
        ));
    }
    if asked.reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        return Some(("reason_missing", Text::new("请填写原因", "Give a reason")));
    }
    if length_ms <= 0 {
        return Some(("until_past", Text::new("截止时间已过", "The end lies in the past")));
    }
    if shelving && length_ms > SHELVED_AT_MOST_MS {
        return Some(("too_long", Text::new("搁置最长 24 小时", "An alarm is shelved for at most 24 hours")));
    }
    if (!shelving || length_ms > ALONE_AT_MOST_MS) && second.is_none() {
        return Some((
            "second_person",
            Text::new("需要第二人确认(填写 second)", "A second person is needed: name one in `second`"),
        ));
    }
    None
}

/// A request on its way, kept on disk under its txn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) site: Id,
    pub(crate) gateway: Id,
    pub(crate) device: Id,
    pub(crate) alarm: AlarmId,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    expires: Timestamp,
    /// The cry that the person saw; 0 if it was kept before that was known.
    #[serde(default)]
    pub(crate) occurrence: u32,
    pub(crate) reason: Option<String>,
    pub(crate) request: Request,
    /// What it acknowledged was taken back: the gateway hears of it, and here it does not count.
    #[serde(default)]
    pub(crate) is_taken_back: bool,
    /// On disk: may be sent.
    #[serde(skip)]
    pub(crate) committed: bool,
    /// The gateway said yes; its event will show it.
    #[serde(skip)]
    pub(crate) confirmed: bool,
    #[serde(skip)]
    send_at: Instant,
    #[serde(skip)]
    pub(crate) give_up_at: Instant,
}

impl Pending {
    pub(crate) fn new(
        now: Instant,
        wall: Timestamp,
        asked: Asked,
        whom: &GatewayName,
        device: &Id,
        occurrence: u32,
    ) -> Self {
        let expires_ms = i64::try_from(EXPIRES_AFTER.as_millis()).unwrap_or(i64::MAX);
        Self {
            site: whom.site.clone(),
            gateway: whom.gateway.clone(),
            device: device.clone(),
            alarm: asked.alarm,
            by: asked.by,
            at: wall,
            expires: Timestamp::from_unix_ms(wall.unix_ms().saturating_add(expires_ms)),
            occurrence,
            reason: asked.reason,
            request: asked.request,
            is_taken_back: false,
            committed: false,
            confirmed: false,
            send_at: Instant::NEVER,
            give_up_at: now + EXPIRES_AFTER,
        }
    }

    /// After a restart: already on disk, sent at once. The gateway holds it to its `expires`.
    pub(crate) fn restored(mut self, now: Instant) -> Self {
        self.committed = !planted::has(Bug::LosesRequests);
        self.send_at = now;
        self.give_up_at = now + EXPIRES_AFTER;
        self
    }

    pub(crate) fn whom(&self) -> GatewayName {
        GatewayName { site: self.site.clone(), gateway: self.gateway.clone() }
    }

    /// About a cry before the one that this document tells of. What a person decides about the alarm as a whole
    /// is not outlived.
    pub(crate) fn is_outlived(&self, document: &AlarmDocument) -> bool {
        matches!(self.request, Request::Acknowledge | Request::Reset) && self.occurrence < document.occurrence
    }

    /// Send now: it was just committed, or the gateway is back.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if self.committed && !self.confirmed {
            self.send_at = now;
        }
    }

    /// The command to send if it is time; each sending has a nonce of its own.
    pub(crate) fn send(&mut self, now: Instant, txn: &str, chance: &mut Chance) -> Option<Command> {
        if !self.committed || self.confirmed || self.send_at > now {
            return None;
        }
        self.send_at = now + SEND_AGAIN_AFTER;
        let (until, second) = self.request.until_and_second();
        let of_device = matches!(self.request, Request::OutOfService { .. } | Request::Test { .. });
        let device = of_device.then(|| self.device.clone());
        let alarm = Some(self.alarm).filter(|_| !self.request.is_of_no_alarm());
        let welfare = match &self.request {
            Request::Pause { rule, .. } => Some(rule.clone()),
            _ => None,
        };
        let walk = match self.request {
            Request::Walk { walk, .. } => Some(walk),
            _ => None,
        };
        let (by, nonce) = (self.by.clone(), chance.token());
        Some(command(&CommandPayload {
            alarm,
            reason: self.reason.clone(),
            until,
            second: second.cloned(),
            device,
            walk,
            welfare,
            occurrence: matches!(self.request, Request::Acknowledge | Request::Reset)
                .then_some(self.occurrence),
            to: Some(CommandPayload::target(&self.site, &self.gateway, self.request.command())),
            ..CommandPayload::new(txn.into(), by, self.at, self.expires, nonce)
        }))
    }

    pub(crate) fn next_deadline(&self) -> Instant {
        if self.committed && !self.confirmed { self.send_at.min(self.give_up_at) } else { self.give_up_at }
    }

    pub(crate) fn acknowledged(&self) -> Option<Acknowledged> {
        (self.request == Request::Acknowledge && !self.is_taken_back)
            .then(|| Acknowledged { by: self.by.clone(), at: self.at })
    }

    pub(crate) fn shelved(&self) -> Option<Shelved> {
        let Request::Shelve { until, .. } = &self.request else { return None };
        let reason = self.reason.clone().unwrap_or_default();
        Some(Shelved { by: self.by.clone(), until: *until, reason })
    }

    /// What a person asked of this rule and its gateway has yet to confirm.
    pub(crate) fn paused(&self, whom: &GatewayName, wanted: &Id) -> Option<Value> {
        match &self.request {
            Request::Pause { rule, until } if rule == wanted && self.whom() == *whom && !self.confirmed => {
                Some(json!({ "by": self.by, "until": until, "reason": self.reason }))
            }
            _ => None,
        }
    }

    pub(crate) fn out_of_service(&self) -> Option<OutOfService> {
        let Request::OutOfService { until, .. } = &self.request else { return None };
        let reason = self.reason.clone().unwrap_or_default();
        Some(OutOfService { by: self.by.clone(), until: *until, reason })
    }
}

/// Asks a gateway to tell its log again from a sequence on.
pub(crate) fn resend(
    wall: Timestamp,
    by: &Id,
    whom: &GatewayName,
    txn: &str,
    from: shouwang_message::Sequence,
    chance: &mut Chance,
) -> Command {
    let minute_later = Timestamp::from_unix_ms(wall.unix_ms() + 60_000);
    command(&CommandPayload {
        from: Some(from),
        to: Some(CommandPayload::target(&whom.site, &whom.gateway, CommandName::Resend)),
        ..CommandPayload::new(txn.into(), by.as_str().into(), wall, minute_later, chance.token())
    })
}

fn command(payload: &CommandPayload) -> Command {
    let payload = String::from_utf8(to_bytes(payload)).unwrap_or_default();
    Command { payload, key: None, signature: None }
}
