//! The limit of the wire: the gateway's cycle over 16 and 32 devices of ten registers against theory, with none, one,
//! three and half of them dead, at four speeds; and the longest that an alarm could have waited against what
//! `shouwang check` promises, while a device fails now and then at the worst moment.
//!
//! All lines of a group are polled at once by one gateway. The same is proven on virtual time, with commands and
//! state blocks too, by the tests of `shouwang-core` (`line::limit`).
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use shouwang_field::{Fault, Place, Running};
use shouwang_tests::gateway::binary;
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, clock};

use crate::table::Table;
use crate::tap::{Asked, Tap};
use crate::ten::{ALL_ALARMS, start_field, write_profiles};

/// Speeds, and numbers of devices on a line, that are measured at once. The fastest lines alone have as much to
/// do as the others together.
const GROUPS: [(&[u32], &[u8]); 3] =
    [(&[4800, 9600, 19_200], &[16, 32]), (&[115_200], &[16]), (&[115_200], &[32])];
const MEASURE: Duration = Duration::from_secs(25);
const PROVOKE: Duration = Duration::from_secs(60);
/// A victim is silent for a second, and has the time to come back before the next one.
const SILENT: Duration = Duration::from_secs(1);
const CALM: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(4);
const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn measure(table: &mut Table) {
    let stalls: usize = GROUPS.iter().map(|(bauds, counts)| Wires::start(bauds, counts).measure(table)).sum();
    let what = "wire: asks of the living that timed out; each is beyond check's promise";
    table.bounded("wire_stalls", what, stalls as f64, "", 0.0);
}

/// One serial line.
struct Wire {
    baud: u32,
    count: u8,
    dead: u8,
    tap: Tap,
    /// Since when its last living device is silent, or was last.
    victim: Option<(Instant, bool)>,
}

struct Wires {
    wires: Vec<Wire>,
    field: Running,
    gateway: Gateway,
    /// What `check` says, by line, in seconds.
    promised_s: BTreeMap<String, f64>,
    /// They end after the gateway.
    _parts: (Mosquitto, Listener, Configuration),
}

impl Wires {
    /// Returns when every dead device is known to be.
    fn start(bauds: &[u32], counts: &[u8]) -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let mut configuration = Configuration::new(&broker);
        let profiles = configuration.directory().join("profiles");
        write_profiles(&profiles);
        let plans = bauds.iter().flat_map(|baud| {
            counts.iter().flat_map(|count| [0, 1, 3, *count / 2].map(|dead| (*baud, *count, dead)))
        });
        let plans: Vec<_> = plans.collect();
        let field = start_field(&field_config(&plans), &profiles);
        configuration = configuration.top(&format!("profile_dirs = [\"{}\"]", profiles.display()));
        let mut wires = Vec::new();
        for (baud, count, dead) in plans {
            let name = line_name(baud, count, dead);
            let Some(Place::Pty { path, .. }) = field.place(&name) else { unreachable!("the line is a pty") };
            let wire = Wire { baud, count, dead, tap: Tap::on(&path), victim: None };
            configuration = configuration.serial_line(
                &name,
                wire.tap.path(),
                baud,
                "timeout_ms = 200\npoll = { alarm_ms = 0 }",
            );
            for unit_id in 1..=count {
                configuration = configuration.device(&wire.device(unit_id), &name, unit_id, ALL_ALARMS, "");
            }
            for unit_id in 1..=dead {
                field.fault(&wire.device(unit_id), Fault::Dead, true).expect("a device of the field");
            }
            wires.push(wire);
        }
        let promised_s = promised_s(&configuration);
        let gateway = Gateway::start(&configuration);
        for wire in &wires {
            for unit_id in 1..=wire.dead {
                listener.wait_for_device(LIMIT, &wire.device(unit_id), "lost");
            }
        }
        Self { wires, field, gateway, promised_s, _parts: (broker, listener, configuration) }
    }

    /// Says how many asks of living devices were not answered, which only a machine that stands still explains.
    fn measure(mut self, table: &mut Table) -> usize {
        for wire in &self.wires {
            wire.tap.take();
        }
        clock::pause(MEASURE);
        for wire in &self.wires {
            let ratio = wire.mean_cycle_s(&wire.tap.take()) / wire.theory_s();
            let (baud, count, dead) = (wire.baud, wire.count, wire.dead);
            let what = format!("{baud} baud, {dead} of {count} dead: cycle / theory by the dead-device rule");
            let bound = if baud > 19_200 { 1.10 } else { 1.03 };
            table.bounded(&format!("wire_{baud}_{count}_{dead}"), &what, ratio, "x", bound);
        }
        let began = clock::now();
        while began.elapsed() < PROVOKE {
            for wire in &mut self.wires {
                wire.provoke(&self.field);
            }
            clock::pause(LOOK_AGAIN);
        }
        let mut worst: BTreeMap<(u32, u8), (f64, f64)> = BTreeMap::new();
        let mut stalls = 0;
        for wire in &self.wires {
            let asked = wire.tap.take();
            stalls += wire.stalls(&asked);
            let worst = worst.entry((wire.baud, wire.count)).or_default();
            let promised = self.promised_s.get(&line_name(wire.baud, wire.count, wire.dead));
            *worst = (worst.0.max(wire.longest_wait_s(&asked)), promised.copied().unwrap_or(f64::NAN));
        }
        for ((baud, count), (measured, promised)) in worst {
            let key = format!("wire_{baud}_{count}_worst");
            let what = |of: &str| format!("{baud} baud, {count} devices, one failing: {of}");
            table.bounded(
                &format!("{key}_s"),
                &what("longest wait, against check's"),
                measured,
                "s",
                promised,
            );
            table.bounded(&key, &what("check's worst / longest wait"), promised / measured, "x", 1.5);
        }
        self.gateway.stop();
        stalls
    }
}

impl Wire {
    /// Its last device falls silent just after a lost one was waited for as long as a normal ask, or, where
    /// nobody is lost, whenever the last silence is long over.
    fn provoke(&mut self, field: &Running) {
        let device = self.device(self.count);
        let set = |silent| field.fault(&device, Fault::Dead, silent).expect("a device of the field");
        match self.victim {
            Some((since, true)) if since.elapsed() >= SILENT => {
                set(false);
                self.victim = Some((clock::now(), false));
            }
            Some((_, true)) => {}
            Some((since, false)) if since.elapsed() < CALM => {}
            _ if self.waits_patiently() => {
                set(true);
                self.victim = Some((clock::now(), true));
            }
            _ => {}
        }
    }

    /// A dead one was asked, and a short probe would be over.
    fn waits_patiently(&self) -> bool {
        let short = Duration::from_millis(75) + Duration::from_secs(1) * 100 / self.baud;
        self.dead == 0
            || self.tap.last().is_some_and(|asked| asked.unit_id <= self.dead && asked.at.elapsed() > short)
    }

    /// The mean time between two requests to the same living device, in seconds.
    fn mean_cycle_s(&self, asked: &[Asked]) -> f64 {
        let gaps = self.gaps_s(asked);
        gaps.iter().sum::<f64>() / gaps.len() as f64
    }

    /// A register that changes just after it was read is read with the next request's answer.
    fn longest_wait_s(&self, asked: &[Asked]) -> f64 {
        self.gaps_s(asked).into_iter().fold(0.0, f64::max) + self.exchange_s() - self.characters_s(8.0)
    }

    /// Asks of those that live, but for the one that falls silent, which nobody answered; the last may still be.
    fn stalls(&self, asked: &[Asked]) -> usize {
        let ended = asked.split_last().map_or(&[][..], |(_, ended)| ended);
        let living = ended.iter().filter(|one| (self.dead + 1..self.count).contains(&one.unit_id));
        living.filter(|one| !one.answered).count()
    }

    /// Between two requests in a row to each of those that live, but for the one that falls silent.
    fn gaps_s(&self, asked: &[Asked]) -> Vec<f64> {
        let mut last: BTreeMap<u8, Instant> = BTreeMap::new();
        let mut gaps = Vec::new();
        for one in asked.iter().filter(|one| (self.dead + 1..self.count).contains(&one.unit_id)) {
            if let Some(before) = last.insert(one.unit_id, one.at) {
                gaps.push(one.at.duration_since(before).as_secs_f64());
            }
        }
        assert!(!gaps.is_empty(), "somebody asked on the line at {} baud", self.baud);
        gaps
    }

    /// The living's exchanges; and each of the dead is probed every 10 s for 50 ms.
    fn theory_s(&self) -> f64 {
        let probe_s = self.characters_s(8.0) + self.silence_s() + 0.050;
        let living = f64::from(self.count - self.dead) * self.exchange_s();
        living / (1.0 - f64::from(self.dead) * probe_s / 10.0)
    }

    /// 8 characters of request, 25 of answer, and two silences.
    fn exchange_s(&self) -> f64 {
        self.characters_s(33.0) + 2.0 * self.silence_s()
    }

    /// 3.5 characters, and never under 1.75 ms, as the specification fixes it above 19,200 baud.
    fn silence_s(&self) -> f64 {
        self.characters_s(3.5).max(0.001_75)
    }

    fn characters_s(&self, count: f64) -> f64 {
        count * 10.0 / f64::from(self.baud)
    }

    fn device(&self, unit_id: u8) -> String {
        device(self.baud, self.count, self.dead, unit_id)
    }
}

fn promised_s(configuration: &Configuration) -> BTreeMap<String, f64> {
    let mut check = Command::new(binary());
    let said = check.args(["check", "--json", "--config"]).arg(configuration.write()).output();
    let said = said.expect("`shouwang check` runs").stdout;
    let lines = String::from_utf8_lossy(&said).into_owned();
    let objects = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let promised = objects.filter_map(|object| {
        Some((object["line"].as_str()?.to_owned(), object["worst_latency_ms"].as_f64()? / 1000.0))
    });
    promised.collect()
}

fn line_name(baud: u32, count: u8, dead: u8) -> String {
    format!("line-{baud}-{count}-{dead}")
}

fn device(baud: u32, count: u8, dead: u8, unit_id: u8) -> String {
    format!("d-{baud}-{count}-{dead}-{unit_id}")
}

fn field_config(plans: &[(u32, u8, u8)]) -> String {
    let mut text = String::new();
    for (baud, count, dead) in plans {
        let name = line_name(*baud, *count, *dead);
        writeln!(text, "[[line]]\nname = \"{name}\"\npty = {{ baud = {baud} }}").expect("text grows");
    }
    for (baud, count, dead) in plans {
        let name = line_name(*baud, *count, *dead);
        for unit_id in 1..=*count {
            writeln!(
                text,
                "[[device]]\nid = \"{}\"\nline = \"{name}\"\nunit_id = {unit_id}\nprofile = \"{ALL_ALARMS}\"\nreply_ms = 0",
                device(*baud, *count, *dead, unit_id)
            )
            .expect("text grows");
        }
    }
    text
}
