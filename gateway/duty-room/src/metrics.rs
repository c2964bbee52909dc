//! `/metrics`: what this duty room counted since it began, and how it is now, for Prometheus. Names and labels are
//! those of the contract; a label is never a text from outside but a name that a configuration gave.
use std::collections::BTreeMap;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use shouwang_board::{Counts, DeliveryResult, GatewayMeasures, Measures, Presence};
use shouwang_message::{AlarmChange, Clock, Event, EventData, Id, Mode, Priority, Timestamp};

/// Upper ends of the buckets, seconds: around the minute in which an emergency should be acknowledged, and around the
/// two seconds in which it should be on the page.
const TO_ACKNOWLEDGE_S: [f64; 12] =
    [5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1_800.0];
const END_TO_END_S: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0];
type Labels = Vec<(&'static str, String)>;

/// What is counted as it happens. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    acknowledged: Histogram,
    end_to_end: Histogram,
    gaps: Family<Labels, Counter>,
    told: Family<Labels, Counter>,
}

/// What is asked for when it is read.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) measures: Measures,
    pub(crate) counts: Counts,
    pub(crate) is_linked: bool,
    pub(crate) store_writes: bool,
    pub(crate) boards_live: u32,
    pub(crate) boards_armed: u32,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            acknowledged: Histogram::new(TO_ACKNOWLEDGE_S),
            end_to_end: Histogram::new(END_TO_END_S),
            gaps: Family::default(),
            told: Family::default(),
        }
    }

    /// An event is on our disk, at this time. Of two clocks that disagree nothing is measured.
    pub(crate) fn heard(&self, event: &Event, wall: Timestamp) {
        let seconds = |from: Timestamp, to: Timestamp| {
            let ms = to.unix_ms() - from.unix_ms();
            (ms >= 0).then_some(ms as f64 / 1_000.0)
        };
        match &event.data {
            EventData::Alarm(_, alarm) if alarm.mode != Mode::Live || alarm.clock != Clock::Synced => {}
            EventData::Alarm(AlarmChange::Raised | AlarmChange::Repeated, _) => {
                seconds(event.time, wall).into_iter().for_each(|s| self.end_to_end.observe(s));
            }
            // A second cry has its own beginning, which the document does not tell.
            EventData::Alarm(AlarmChange::Acknowledged, alarm) if alarm.occurrence == 1 => {
                let at = alarm.acknowledged.as_ref().map(|by| by.at);
                let took = at.and_then(|at| seconds(alarm.raised_at, at));
                took.into_iter().for_each(|s| self.acknowledged.observe(s));
            }
            EventData::Gap(_) => {
                let labels = of_gateway(event.site.as_str(), event.gateway.as_str());
                self.gaps.get_or_create(&labels).inc();
            }
            _ => {}
        }
    }

    /// What became of one telling.
    pub(crate) fn told(&self, channel: &Id, result: &DeliveryResult) {
        let result = match result {
            DeliveryResult::Delivered { .. } => "delivered",
            DeliveryResult::Failed { .. } => "failed",
            DeliveryResult::Digested => "digested",
        };
        let labels = vec![("channel", channel.to_string()), ("result", result.to_owned())];
        self.told.get_or_create(&labels).inc();
    }

    /// All of it as text; empty only if the encoder fails, which its target, a string, never makes it.
    pub(crate) fn text(&self, now: &Now) -> String {
        let mut registry = Registry::with_prefix("shouwang");
        let one = |labels: &[(&'static str, &str)]| -> Labels {
            labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let build = of(&one(&[("version", env!("CARGO_PKG_VERSION"))]), 1);
        registry.register("build_info", "The version of this program, as a label", build);
        let active: Family<Labels, Gauge> = Family::default();
        for priority in Priority::ALL {
            let count = now.measures.active.get(priority).copied().unwrap_or_default();
            active
                .get_or_create(&one(&[("priority", priority.as_str())]))
                .set(count.try_into().unwrap_or(i64::MAX));
        }
        registry.register("alarm_active", "Live alarms whose source is not normal", active);
        let help = "From the raising of a live alarm to its acknowledgement";
        registry.register("alarm_acknowledge_seconds", help, self.acknowledged.clone());
        let help =
            "From the raising of a live alarm, or its further cry, until it was on this duty room's disk";
        registry.register("alarm_end_to_end_seconds", help, self.end_to_end.clone());
        for gateway in &now.measures.gateways {
            // None yet is a number too.
            let _ = self
                .gaps
                .get_or_create(&of_gateway(gateway.name.site.as_str(), gateway.name.gateway.as_str()));
        }
        registry.register("gap", "Losses that gateways told of", self.gaps.clone());
        registry.register("notify", "Tellings outside the room, by what became of them", self.told.clone());
        registry.register(
            "boards_armed",
            "Boards that are live and can sound",
            ConstGauge::new(i64::from(now.boards_armed)),
        );
        registry.register("boards_live", "Boards that are open", ConstGauge::new(i64::from(now.boards_live)));
        let linked = of(&one(&[("dialect", "mqtt")]), i64::from(now.is_linked));
        registry.register("uplink_connected", "1 while connected to the broker", linked);
        registry.register(
            "store_writes",
            "1 while the store writes",
            ConstGauge::new(i64::from(now.store_writes)),
        );
        count(&mut registry, &now.counts);
        gateways(&mut registry, &now.measures.gateways);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

fn of_gateway(site: &str, gateway: &str) -> Labels {
    vec![("site", site.to_owned()), ("gateway", gateway.to_owned())]
}

fn of(labels: &Labels, value: i64) -> Family<Labels, Gauge> {
    let family: Family<Labels, Gauge> = Family::default();
    family.get_or_create(labels).set(value);
    family
}

/// What the board counted of messages.
fn count(registry: &mut Registry, counts: &Counts) {
    for (name, help, value) in [
        ("events_heard", "Events on this duty room's disk since it was made", counts.heard),
        ("events_duplicate", "Events that came again", counts.duplicates),
        ("events_early", "Events that came before an earlier one", counts.early),
    ] {
        registry.register(name, help, ConstCounter::new(value));
    }
    let refused: Family<Labels, Counter> = Family::default();
    for (reason, value) in &counts.refused {
        refused.get_or_create(&vec![("reason", (*reason).to_owned())]).inc_by(*value);
    }
    registry.register("messages_refused", "Messages that were not taken, by reason", refused);
}

/// What each gateway says of itself.
fn gateways(registry: &mut Registry, gateways: &[GatewayMeasures]) {
    let whole = |name, help, registry: &mut Registry| {
        let family: Family<Labels, Gauge> = Family::default();
        registry.register(name, help, family.clone());
        family
    };
    let up = whole("gateway_up", "1 while a gateway is heard", registry);
    let device_up = whole("device_up", "1 while a device answers its gateway", registry);
    let records = whole("outbox_records", "Events that a gateway keeps for who has not heard them", registry);
    let oldest = whole("outbox_oldest_seconds", "The age of the oldest of them", registry);
    let synced = whole("clock_synced", "1 while a gateway's clock is set by a time source", registry);
    let lost = whole("line_devices_lost", "Devices of a line that do not answer", registry);
    let round: Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>> = Family::default();
    registry.register("line_round_seconds", "The last full alarm round of a line", round.clone());
    let good: Family<Labels, Gauge<f64, std::sync::atomic::AtomicU64>> = Family::default();
    registry.register(
        "line_good_ratio",
        "Share of a line's requests answered in the last 10 s",
        good.clone(),
    );
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    for gateway in gateways {
        let own = of_gateway(gateway.name.site.as_str(), gateway.name.gateway.as_str());
        let with = |name: &'static str, value: &Id| -> Labels {
            own.iter().cloned().chain([(name, value.to_string())]).collect()
        };
        up.get_or_create(&own).set(i64::from(gateway.presence == Presence::Present));
        for (device, is_up) in &gateway.devices {
            device_up.get_or_create(&with("device", device)).set(i64::from(*is_up));
        }
        let Some(heartbeat) = &gateway.heartbeat else { continue };
        records.get_or_create(&own).set(number(heartbeat.outbox.unheard));
        oldest.get_or_create(&own).set(number(heartbeat.outbox.oldest_s));
        synced.get_or_create(&own).set(i64::from(heartbeat.clock == Clock::Synced));
        for line in &heartbeat.lines {
            let labels = with("line", &line.name);
            round.get_or_create(&labels).set(f64::from(line.round_ms) / 1_000.0);
            good.get_or_create(&labels).set(line.good);
            lost.get_or_create(&labels).set(i64::from(line.lost));
        }
    }
}

/// The channel of each telling whose result is awaited; the board bounds how many there are.
#[derive(Debug, Default)]
pub(crate) struct Awaited(BTreeMap<u64, Id>);

impl Awaited {
    pub(crate) fn told(&mut self, ticket: u64, channel: Id) {
        self.0.insert(ticket, channel);
    }

    pub(crate) fn became(&mut self, metrics: &Metrics, ticket: u64, result: &DeliveryResult) {
        if let Some(channel) = self.0.remove(&ticket) {
            metrics.told(&channel, result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shouwang_board::GatewayName;
    use shouwang_message::{Heartbeat, LineHealth, OutboxHealth, StoreHealth};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn gateway() -> GatewayMeasures {
        let line = LineHealth { name: "b3".parse().unwrap(), good: 0.998, round_ms: 810, lost: 1 };
        let heartbeat = Heartbeat {
            at: at("2026-11-22T07:52:07.412Z"),
            clock: Clock::Synced,
            boot: 12,
            sequence: 88_412,
            heard: BTreeMap::new(),
            outbox: OutboxHealth { unheard: 2, oldest_s: 1 },
            lines: vec![line],
            store: StoreHealth::Ok,
        };
        GatewayMeasures {
            name: GatewayName { site: "heping".parse().unwrap(), gateway: "gw-1".parse().unwrap() },
            presence: Presence::Present,
            heartbeat: Some(heartbeat),
            devices: vec![("smoke-1".parse().unwrap(), true), ("smoke-2".parse().unwrap(), false)],
        }
    }

    #[test]
    fn every_name_of_the_contract_that_a_duty_room_knows_is_there() {
        let metrics = Metrics::new();
        let (robot, wall) = ("robot".parse().unwrap(), at("2026-11-22T07:52:09.000Z"));
        let mut awaited = Awaited::default();
        awaited.told(7, robot);
        awaited.became(&metrics, 7, &DeliveryResult::Delivered { at: wall });
        awaited.became(&metrics, 7, &DeliveryResult::Delivered { at: wall });
        let text = metrics.text(&Now {
            measures: Measures { active: [(Priority::Emergency, 2)].into(), gateways: vec![gateway()] },
            counts: Counts { heard: 9, refused: [("topic", 3)].into(), ..Counts::default() },
            is_linked: true,
            store_writes: true,
            boards_live: 2,
            boards_armed: 1,
        });
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            r#"shouwang_build_info{version="0.1.0"} 1"#,
            r#"shouwang_alarm_active{priority="emergency"} 2"#,
            r#"shouwang_alarm_active{priority="urgent"} 0"#,
            r#"shouwang_alarm_acknowledge_seconds_bucket{le="60.0"} 0"#,
            "shouwang_alarm_end_to_end_seconds_count 0",
            r#"shouwang_notify_total{channel="robot",result="delivered"} 1"#,
            "shouwang_boards_armed 1",
            r#"shouwang_uplink_connected{dialect="mqtt"} 1"#,
            r#"shouwang_messages_refused_total{reason="topic"} 3"#,
            "shouwang_events_heard_total 9",
            r#"shouwang_gateway_up{site="heping",gateway="gw-1"} 1"#,
            r#"shouwang_device_up{site="heping",gateway="gw-1",device="smoke-2"} 0"#,
            r#"shouwang_outbox_records{site="heping",gateway="gw-1"} 2"#,
            r#"shouwang_outbox_oldest_seconds{site="heping",gateway="gw-1"} 1"#,
            r#"shouwang_line_round_seconds{site="heping",gateway="gw-1",line="b3"} 0.81"#,
            r#"shouwang_clock_synced{site="heping",gateway="gw-1"} 1"#,
            r#"shouwang_gap_total{site="heping",gateway="gw-1"} 0"#,
            "# EOF",
        ] {
            assert!(lines.contains(&line), "{line} in\n{text}");
        }
    }
}
