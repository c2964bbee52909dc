//! A simulated duty person, so that a call's story goes on while nobody is at the page: acknowledges, says that
//! somebody is coming, and resets when it is over. Speaks to the gateway over MQTT, as a duty room does.
//!
//! Whoever watches the demo comes first: what was acknowledged on the page is not acknowledged again.
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::{AsyncClient, MqttOptions, QoS};
use shouwang_core::Instant;
use shouwang_gateway::clock;
use shouwang_gateway::config::Config;
use shouwang_message::{
    AlarmChange, AlarmId, Class, Command, CommandName, CommandPayload, Event, EventData, Leaf, Timestamp,
    Topic, to_bytes,
};

/// From the first cry to the acknowledgement; and from a later one, which is left to whoever watches.
pub(super) const PATIENCE: Duration = Duration::from_secs(6);
pub(super) const LONGER_PATIENCE: Duration = Duration::from_secs(25);
const TO_COMING: Duration = Duration::from_secs(4);
const TO_RESET: Duration = Duration::from_secs(10);
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

/// What was done, for the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) name: CommandName,
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
    pub(super) fn act(&mut self, now: Instant) -> Option<Done> {
        let (wish, Call { alarm, device, occurrence }) = self.plans.due(now)?;
        let at = clock::wall().0;
        self.sent += 1;
        let unique = format!("{NAME}-{}-{}", at.unix_ms(), self.sent);
        let payload = CommandPayload {
            txn: unique.clone(),
            alarm: Some(alarm),
            by: NAME.into(),
            at,
            expires: Timestamp::from_unix_ms(at.unix_ms() + EXPIRES_MS),
            nonce: unique,
            reason: None,
            occurrence: Some(occurrence),
            until: None,
            second: None,
            device: None,
            from: None,
            output: None,
            on: None,
        };
        let payload = String::from_utf8(to_bytes(&payload)).ok()?;
        let body = to_bytes(&Command { payload, key: None, signature: None });
        // A demo whose broker is gone has nobody left to tell.
        self.client.try_publish((self.topic)(wish), QoS::AtLeastOnce, false, body).ok()?;
        Some(Done { name: wish, device })
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What the person means to do about each open call; a demo has one or two.
#[derive(Debug, Default)]
struct Plans(BTreeMap<AlarmId, Plan>);

#[derive(Clone, Debug)]
struct Plan {
    wish: CommandName,
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
            AlarmChange::Raised if call.occurrence == 1 => (CommandName::Acknowledge, PATIENCE),
            AlarmChange::Raised | AlarmChange::Repeated => (CommandName::Acknowledge, LONGER_PATIENCE),
            AlarmChange::Acknowledged => (CommandName::Coming, TO_COMING),
            AlarmChange::Reset | AlarmChange::Finished => {
                self.0.remove(&call.alarm);
                return;
            }
            _ => return,
        };
        self.0.insert(call.alarm, Plan { wish, at: Some(now + after), call });
    }

    /// That somebody comes is told back by no alarm event, so the reset is planned at once.
    fn due(&mut self, now: Instant) -> Option<(CommandName, Call)> {
        let plan = self.0.values_mut().find(|plan| plan.at.is_some_and(|at| at <= now))?;
        let wish = plan.wish;
        plan.at = None;
        if wish == CommandName::Coming {
            (plan.wish, plan.at) = (CommandName::Reset, Some(now + TO_RESET));
        }
        Some((wish, plan.call.clone()))
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

    fn wish(plans: &mut Plans, seconds: u64) -> Option<CommandName> {
        plans.due(at(seconds)).map(|(wish, _)| wish)
    }

    #[test]
    fn a_call_is_acknowledged_answered_and_reset_when_nobody_else_does() {
        let mut plans = Plans::default();
        plans.hear(at(0), AlarmChange::Raised, call(1));
        assert_eq!([wish(&mut plans, 5), wish(&mut plans, 6)], [None, Some(CommandName::Acknowledge)]);
        assert_eq!(wish(&mut plans, 60), None, "until it is told that this was done");
        plans.hear(at(60), AlarmChange::Acknowledged, call(1));
        assert_eq!([wish(&mut plans, 63), wish(&mut plans, 64)], [None, Some(CommandName::Coming)]);
        assert_eq!([wish(&mut plans, 73), wish(&mut plans, 74)], [None, Some(CommandName::Reset)]);
        plans.hear(at(75), AlarmChange::Finished, call(1));
        assert_eq!(wish(&mut plans, 1000), None);
    }

    #[test]
    fn whoever_watches_comes_first_and_a_second_cry_begins_anew() {
        let mut plans = Plans::default();
        plans.hear(at(0), AlarmChange::Raised, call(1));
        plans.hear(at(2), AlarmChange::Acknowledged, call(1));
        assert_eq!(wish(&mut plans, 6), Some(CommandName::Coming), "and not acknowledged again");
        plans.hear(at(10), AlarmChange::Repeated, call(2));
        assert_eq!(wish(&mut plans, 34), None, "no reset of a call that cries again");
        assert_eq!(wish(&mut plans, 35), Some(CommandName::Acknowledge));
    }
}
