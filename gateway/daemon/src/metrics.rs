//! `/metrics`: what this run of the gateway counted, and how it is now, for Prometheus. Names and labels are those of
//! the contract; every label is a name out of the configuration.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Metric, Registry};
use shouwang_core::engine::Measures;
use shouwang_core::input::{AskFailure, Outcome};
use shouwang_message::{Clock, Id, Priority, StoreHealth};

type Labels = Vec<(&'static str, String)>;

/// What is counted as it happens.
#[derive(Debug)]
pub(crate) struct Metrics {
    lines: Vec<Id>,
    /// By the line's index, and how the request ended.
    requests: BTreeMap<(usize, &'static str), u64>,
}

impl Metrics {
    /// With the lines' names in the order of the configuration.
    pub(crate) fn new(lines: Vec<Id>) -> Self {
        Self { lines, requests: BTreeMap::new() }
    }

    /// The lines have other numbers now; what was counted goes with their names, and is forgotten of those gone.
    pub(crate) fn rename(&mut self, lines: Vec<Id>) {
        let before = std::mem::replace(&mut self.lines, lines);
        for ((line, result), count) in std::mem::take(&mut self.requests) {
            let name = before.get(line);
            let line = self.lines.iter().position(|known| Some(known) == name);
            if let Some(line) = line {
                self.requests.insert((line, result), count);
            }
        }
    }

    /// A line's name.
    pub(crate) fn line(&self, index: usize) -> &str {
        self.lines.get(index).map_or("?", Id::as_str)
    }

    /// A request on this line ended.
    pub(crate) fn answered(&mut self, line: usize, outcome: &Outcome) {
        *self.requests.entry((line, result(outcome))).or_default() += 1;
    }

    /// All of it as text; empty only if the encoder fails, which its target, a string, never makes it.
    pub(crate) fn text(&self, now: &Measures) -> String {
        let mut registry = Registry::with_prefix("shouwang");
        let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
        one(&mut registry, "build_info", "The version of this program, as a label", &version, 1);
        let requests: Family<Labels, Counter> =
            told(&mut registry, "line_requests", "Requests on a line, by how they ended");
        for ((line, result), count) in &self.requests {
            let Some(name) = self.lines.get(*line) else { continue };
            let labels = vec![("line", name.to_string()), ("result", (*result).to_owned())];
            requests.get_or_create(&labels).inc_by(*count);
        }
        let round: Family<Labels, Gauge<f64, AtomicU64>> =
            told(&mut registry, "line_round_seconds", "The last full alarm round of a line");
        let lost: Family<Labels, Gauge> =
            told(&mut registry, "line_devices_lost", "Devices of a line that do not answer");
        for line in &now.lines {
            let labels = vec![("line", line.name.to_string())];
            if let Some(took) = line.round {
                round.get_or_create(&labels).set(took.as_secs_f64());
            }
            lost.get_or_create(&labels).set(i64::try_from(line.lost).unwrap_or(i64::MAX));
        }
        let up: Family<Labels, Gauge> = told(&mut registry, "device_up", "1 while a device answers");
        for (device, is_up) in &now.devices {
            up.get_or_create(&vec![("device", device.to_string())]).set(i64::from(*is_up));
        }
        let active: Family<Labels, Gauge> =
            told(&mut registry, "alarm_active", "Live alarms whose source is not normal");
        for priority in Priority::ALL {
            let count = now.active.get(priority).copied().unwrap_or_default();
            active.get_or_create(&vec![("priority", priority.to_string())]).set(number(count));
        }
        let (records, oldest) =
            (ConstGauge::new(number(now.outbox.unheard)), ConstGauge::new(number(now.outbox.oldest_s)));
        registry.register("outbox_records", "Events that not every hearer has heard", records);
        registry.register("outbox_oldest_seconds", "The age of the oldest of them", oldest);
        registry.register("gap", "Losses that were told", ConstCounter::new(now.gaps));
        let dialect = vec![("dialect", "mqtt".to_owned())];
        one(&mut registry, "uplink_connected", "1 while connected", &dialect, i64::from(now.is_connected));
        let synced = ConstGauge::new(i64::from(now.clock == Clock::Synced));
        registry.register("clock_synced", "1 while the clock is set by a time source", synced);
        let writes = ConstGauge::new(i64::from(now.store == StoreHealth::Ok));
        registry.register("store_writes", "1 while the store writes", writes);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

fn told<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let family = M::default();
    registry.register(name, help, family.clone());
    family
}

fn one(registry: &mut Registry, name: &str, help: &str, labels: &Labels, value: i64) {
    let family: Family<Labels, Gauge> = told(registry, name, help);
    family.get_or_create(labels).set(value);
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// How a request ended, in one word.
fn result(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Registers { .. } | Outcome::Bits { .. } | Outcome::Written { .. } => "ok",
        Outcome::Exception { .. } => "exception",
        Outcome::Failed(AskFailure::Timeout) => "timeout",
        Outcome::Failed(AskFailure::Crc) => "crc",
        Outcome::Failed(AskFailure::WrongUnitId) => "wrong_unit_id",
        Outcome::Failed(AskFailure::WrongAnswer) => "wrong_answer",
        Outcome::Failed(AskFailure::LineDown) => "line_down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shouwang_core::engine::LineMeasures;
    use shouwang_message::OutboxHealth;
    use std::time::Duration;

    #[test]
    fn every_name_of_the_contract_that_a_gateway_knows_is_there() {
        let mut metrics = Metrics::new(vec!["b3".parse().unwrap()]);
        metrics.answered(0, &Outcome::Written { delay_us: 1 });
        metrics.answered(0, &Outcome::Failed(AskFailure::Timeout));
        metrics.answered(0, &Outcome::Failed(AskFailure::Timeout));
        metrics.answered(7, &Outcome::Exception { code: 2, delay_us: 1 });
        let text = metrics.text(&Measures {
            active: [(Priority::Emergency, 2)].into(),
            devices: vec![("smoke-1".parse().unwrap(), true), ("smoke-2".parse().unwrap(), false)],
            lines: vec![LineMeasures {
                name: "b3".parse().unwrap(),
                round: Some(Duration::from_millis(820)),
                lost: 1,
            }],
            outbox: OutboxHealth { unheard: 3, oldest_s: 9 },
            gaps: 1,
            clock: Clock::Held,
            store: StoreHealth::Ok,
            is_connected: true,
        });
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            r#"shouwang_build_info{version="0.1.0"} 1"#,
            r#"shouwang_line_requests_total{line="b3",result="ok"} 1"#,
            r#"shouwang_line_requests_total{line="b3",result="timeout"} 2"#,
            r#"shouwang_line_round_seconds{line="b3"} 0.82"#,
            r#"shouwang_line_devices_lost{line="b3"} 1"#,
            r#"shouwang_device_up{device="smoke-1"} 1"#,
            r#"shouwang_device_up{device="smoke-2"} 0"#,
            r#"shouwang_alarm_active{priority="emergency"} 2"#,
            r#"shouwang_alarm_active{priority="advisory"} 0"#,
            "shouwang_outbox_records 3",
            "shouwang_outbox_oldest_seconds 9",
            "shouwang_gap_total 1",
            r#"shouwang_uplink_connected{dialect="mqtt"} 1"#,
            "shouwang_clock_synced 0",
            "shouwang_store_writes 1",
            "# EOF",
        ] {
            assert!(lines.contains(&line), "{line} in\n{text}");
        }
        for line in lines {
            let is_comment = ["# HELP ", "# TYPE ", "# EOF"].iter().any(|start| line.starts_with(start));
            let value = line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
            assert!(is_comment || line.starts_with("shouwang_") && value.is_some(), "{line}");
        }
    }
}
