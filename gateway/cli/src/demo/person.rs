//! A simulated duty person, so that a call's story goes on while nobody is at the page: acknowledges, calls back in
//! vain, sends the key holder, says that somebody is coming, resets when it is over and concludes the case. What the
//! gateway must know goes over MQTT, as a duty room sends it; what belongs to the case goes to the duty room.
//!
//! Whoever watches the demo comes first: what was acknowledged on the page is not acknowledged again.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{AsyncClient, MqttOptions, QoS};
use shouwang_board::{CallBack, CaseAsked, CaseStep, Conclusion, Outcome};
use shouwang_core::Instant;
use shouwang_duty_room as duty_room;
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_message::{
    AlarmChange, AlarmId, Class, Command, CommandName, CommandPayload, Event, EventData, Leaf, Timestamp,
    Topic, to_bytes,
};

/// From the first cry to the acknowledgement; and from a later one, which is left to whoever watches.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
pub(super) const LONGER_PATIENCE: Duration = Duration::from_secs(25);
/// The call-back rings in vain for so long; then the next things follow one another.
const TO_KEY_HOLDER: Duration = Duration::from_secs(2);
const TO_COMING: Duration = Duration::from_secs(2);
const TO_ARRIVAL: Duration = Duration::from_secs(6);
const TO_RESET: Duration = Duration::from_secs(4);
const TO_CONCLUSION: Duration = Duration::from_secs(1);
const KEY_HOLDER: &str = "持钥匙的王阿姨";
/// Commands this old are not meant any more.
const EXPIRES_MS: i64 = 10_000;
/// Messages that may wait for the broker.
const WAITING: usize = 16;
const RECONNECT: Duration = Duration::from_millis(500);
const NAME: &str = "simulated-duty";

/// The person, and the way to the broker.
pub(super) struct Person {
    plans: Plans,
    client: AsyncClient,
    connection: tokio::task::JoinHandle<()>,
    topic: Box<dyn Fn(CommandName) -> String + Send>,
    sent: u64,
}

/// What the person does, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Acknowledge,
    SendKeyHolder,
    Coming,
    Arrive,
    Reset,
    Conclude,
}

impl Wish {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::SendKeyHolder => "dispatch",
            Self::Coming => "coming",
            Self::Arrive => "arrive",
            Self::Reset => "reset",
            Self::Conclude => "handle",
        }
    }

    /// What follows by itself; after the others the person waits for what the gateway tells.
    fn then(self) -> Option<(Self, Duration)> {
        match self {
            Self::SendKeyHolder => Some((Self::Coming, TO_COMING)),
            Self::Coming => Some((Self::Arrive, TO_ARRIVAL)),
            Self::Arrive => Some((Self::Reset, TO_RESET)),
            Self::Acknowledge | Self::Reset | Self::Conclude => None,
        }
    }
}

/// What was done, for the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) wish: Wish,
    pub(super) device: String,
}

impl Person {
    /// Must be called within a tokio runtime.
    pub(super) fn new(gateway: &Config, broker: SocketAddr) -> Self {
        let mut options = MqttOptions::new(NAME, broker.ip().to_string(), broker.port());
        options.set_keep_alive(Duration::from_secs(10));
        let (client, mut events) = AsyncClient::new(options, WAITING);
        let connection = tokio::spawn(async move {
            loop {
                if events.poll().await.is_err() {
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        });
        let (site, id) = (gateway.core.site.clone(), gateway.core.gateway.clone());
        let topic = move |name| Topic::new(&site, &id, Leaf::Command(name)).to_string();
        Self { plans: Plans::default(), client, connection, topic: Box::new(topic), sent: 0 }
    }

    pub(super) fn hear(&mut self, now: Instant, event: &Event) {
        if let EventData::Alarm(change, document) = &event.data
            && document.class == Class::Call
        {
            let (alarm, device) = (document.id, document.device.to_string());
            self.plans.hear(now, *change, Call { alarm, device, occurrence: document.occurrence });
        }
    }

    /// Does one thing whose time has come.
    pub(super) async fn act(&mut self, now: Instant, room: &duty_room::Running) -> Option<Done> {
        let (wish, call) = self.plans.due(now)?;
        let device = call.device.clone();
        match wish {
            Wish::Acknowledge => self.command(CommandName::Acknowledge, &call)?,
            Wish::Coming => self.command(CommandName::Coming, &call)?,
            Wish::Reset => self.command(CommandName::Reset, &call)?,
            Wish::SendKeyHolder | Wish::Arrive | Wish::Conclude => step(room, wish, call).await?,
        }
        Some(Done { wish, device })
    }

    fn command(&mut self, name: CommandName, call: &Call) -> Option<()> {
        let Call { alarm, occurrence, .. } = *call;
        let at = clock::wall().0;
        self.sent += 1;
        let unique = format!("{NAME}-{}-{}", at.unix_ms(), self.sent);
        let expires = Timestamp::from_unix_ms(at.unix_ms() + EXPIRES_MS);
        let payload = CommandPayload {
            alarm: Some(alarm),
            occurrence: Some(occurrence),
            ..CommandPayload::new(unique.clone(), NAME.into(), at, expires, unique)
        };
        let payload = String::from_utf8(to_bytes(&payload)).ok()?;
        let body = to_bytes(&Command { payload, key: None, signature: None });
        // A demo whose broker is gone has nobody left to tell.
        self.client.try_publish((self.topic)(name), QoS::AtLeastOnce, false, body).ok()
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// One step of the call's case; none if whoever watches was first.
async fn step(room: &duty_room::Running, wish: Wish, call: Call) -> Option<()> {
    let (step, call_back, note) = match wish {
        Wish::SendKeyHolder => {
            (CaseStep::Dispatch { to: KEY_HOLDER.into() }, Some(CallBack::NoAnswer), Some("响了三遍无人接听"))
        }
        Wish::Arrive => (CaseStep::Arrive { person: Some(KEY_HOLDER.into()) }, None, None),
        _ => {
            let handle = CaseStep::Handle { conclusion: Conclusion::Real, of: None };
            (handle, None, Some("开门进去:摔了一跤,已扶起,人没事"))
        }
    };
    let asked = CaseAsked {
        case: call.alarm,
        by: NAME.into(),
        from: "127.0.0.1".into(),
        note: note.map(Into::into),
        call_back,
        occurrence: Some(call.occurrence),
        step,
    };
    match room.ask_case(asked).await {
        Some(Outcome::CaseTaken { .. }) => Some(()),
        _ => None,
    }
}

/// What the person means to do about each open call; a demo has one or two.
#[derive(Debug, Default)]
struct Plans(BTreeMap<AlarmId, Plan>);

#[derive(Clone, Debug)]
struct Plan {
    wish: Wish,
    /// None while what was done is not told back yet.
    at: Option<Instant>,
    call: Call,
}

/// What the person knows of a call.
#[derive(Clone, Debug)]
struct Call {
    alarm: AlarmId,
    device: String,
    occurrence: u32,
}

impl Plans {
    fn hear(&mut self, now: Instant, change: AlarmChange, call: Call) {
        let (wish, after) = match change {
            AlarmChange::Raised if call.occurrence == 1 => (Wish::Acknowledge, PATIENCE),
            AlarmChange::Raised | AlarmChange::Repeated => (Wish::Acknowledge, LONGER_PATIENCE),
            AlarmChange::Acknowledged => (Wish::SendKeyHolder, TO_KEY_HOLDER),
            AlarmChange::Reset => (Wish::Conclude, TO_CONCLUSION),
            _ => return,
        };
        self.0.insert(call.alarm, Plan { wish, at: Some(now + after), call });
    }

    fn due(&mut self, now: Instant) -> Option<(Wish, Call)> {
        let plan = self.0.values_mut().find(|plan| plan.at.is_some_and(|at| at <= now))?;
        let (wish, call) = (plan.wish, plan.call.clone());
        match wish.then() {
            Some((next, after)) => (plan.wish, plan.at) = (next, Some(now + after)),
            None => plan.at = None,
        }
        if wish == Wish::Conclude {
            self.0.remove(&call.alarm);
        }
        Some((wish, call))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(occurrence: u32) -> Call {
        Call { alarm: AlarmId::from_parts(1, 1), device: "call-1".into(), occurrence }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn wish(plans: &mut Plans, seconds: u64) -> Option<Wish> {
        plans.due(at(seconds)).map(|(wish, _)| wish)
    }

    #[test]
    fn a_call_is_acknowledged_answered_and_reset_when_nobody_else_does() {
        let mut plans = Plans::default();
        plans.hear(at(0), AlarmChange::Raised, call(1));
        assert_eq!([wish(&mut plans, 5), wish(&mut plans, 6)], [None, Some(Wish::Acknowledge)]);
        assert_eq!(wish(&mut plans, 60), None, "until it is told that this was done");
        plans.hear(at(60), AlarmChange::Acknowledged, call(1));
        assert_eq!([wish(&mut plans, 61), wish(&mut plans, 62)], [None, Some(Wish::SendKeyHolder)]);
        assert_eq!([wish(&mut plans, 63), wish(&mut plans, 64)], [None, Some(Wish::Coming)]);
        assert_eq!([wish(&mut plans, 69), wish(&mut plans, 70)], [None, Some(Wish::Arrive)]);
        assert_eq!([wish(&mut plans, 73), wish(&mut plans, 74)], [None, Some(Wish::Reset)]);
        assert_eq!(wish(&mut plans, 80), None, "a reset is told back too");
        plans.hear(at(80), AlarmChange::Reset, call(1));
        plans.hear(at(80), AlarmChange::Finished, call(1));
        assert_eq!(wish(&mut plans, 81), Some(Wish::Conclude));
        assert_eq!(wish(&mut plans, 1000), None);
    }

    #[test]
    fn whoever_watches_comes_first_and_a_second_cry_begins_anew() {
        let mut plans = Plans::default();
        plans.hear(at(0), AlarmChange::Raised, call(1));
        plans.hear(at(2), AlarmChange::Acknowledged, call(1));
        assert_eq!(wish(&mut plans, 6), Some(Wish::SendKeyHolder), "and not acknowledged again");
        plans.hear(at(10), AlarmChange::Repeated, call(2));
        assert_eq!(wish(&mut plans, 34), None, "no reset of a call that cries again");
        assert_eq!(wish(&mut plans, 35), Some(Wish::Acknowledge));
    }
}
