//! RTU at 9600 baud on a paced pty: 16 devices of ten registers, polled continuously, some of them dead.
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use shouwang_field::{Fault, Place, Running, Table as Registers};
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, clock, wait_for};

use crate::peer;
use crate::table::{Table, percentile};
use crate::tap::{Asked, Tap};
use crate::ten::{ALARMS_FIRST, ALL_ALARMS, REGISTERS, start_field, write_profiles};

const DEVICES: u8 = 16;
const BAUD: u32 = 9600;
const TIMEOUT_MS: u64 = 200;
/// 8 characters of request, 25 of answer and two silences of 3.5, each character of 10 bits.
const EXCHANGE_S: f64 = (8.0 + 25.0 + 2.0 * 3.5) * 10.0 / BAUD as f64;
const MEASURE_S: u64 = 15;
const FLIPS: usize = 100;
const LIMIT: Duration = Duration::from_secs(60);
const RAISED: &str = "shouwang.alarm.raised.v1";

/// With none, one and three of them dead.
pub(crate) fn measure_all(table: &mut Table) {
    for dead in [0, 1, 3] {
        measure(dead, table);
    }
}

/// The libmodbus loop, then the gateway, on the same line with the same `dead` devices; then, where the
/// design has a bound, how long an alarm takes.
fn measure(dead: u8, table: &mut Table) {
    let key = format!("rtu_dead_{dead}");
    let site = Site::new(dead, ALL_ALARMS);
    let path = site.tap.path().display().to_string();
    let (baud, timeout) = (BAUD.to_string(), TIMEOUT_MS.to_string());
    peer::run(&["rtu", &path, &baud, &DEVICES.to_string(), &REGISTERS.to_string(), &timeout], MEASURE_S);
    let libmodbus = cycle(&site.tap.take(), dead) / theory_s(dead);
    let what = format!("RTU, {dead} of 16 dead: libmodbus loop, cycle / theory of the living");
    table.plain(&format!("{key}_libmodbus_cycle"), &what, libmodbus, "x");

    let gateway = site.start_gateway();
    site.tap.take();
    clock::pause(Duration::from_secs(MEASURE_S));
    let shouwang = cycle(&site.tap.take(), dead) / theory_s(dead);
    gateway.stop();
    let bound = if dead == 0 { 1.03 } else { 1.10 };
    let what = format!("RTU, {dead} of 16 dead: shouwang, cycle / theory of the living");
    table.bounded(&format!("{key}_cycle"), &what, shouwang, "x", bound);

    if dead != 1 {
        let site = Site::new(dead, ALARMS_FIRST);
        let gateway = site.start_gateway();
        flips(&site, dead, &key, table);
        gateway.stop();
    }
}

/// A broker, a listener, a field on one line, and the gateway's configuration for it.
struct Site {
    listener: Listener,
    field: Running,
    tap: Tap,
    dead: u8,
    configuration: Configuration,
    _broker: Mosquitto,
}

impl Site {
    fn new(dead: u8, profile: &str) -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let configuration = Configuration::new(&broker);
        let profiles = configuration.directory().join("profiles");
        write_profiles(&profiles);
        let field = start_field(&field_config(profile), &profiles);
        for unit_id in dead_units(dead) {
            field.fault(&device(unit_id), Fault::Dead, true).expect("a device of the field");
        }
        let Some(Place::Pty { path, .. }) = field.place("line-1") else { unreachable!("the line is a pty") };
        let tap = Tap::on(&path);
        let mut configuration =
            configuration.top(&format!("profile_dirs = [\"{}\"]", profiles.display())).serial_line(
                "line-1",
                tap.path(),
                BAUD,
                &format!("timeout_ms = {TIMEOUT_MS}\npoll = {{ alarm_ms = 0 }}"),
            );
        for unit_id in 1..=DEVICES {
            configuration = configuration.device(&device(unit_id), "line-1", unit_id, profile, "");
        }
        Self { listener, field, tap, dead, configuration, _broker: broker }
    }

    /// Starts the gateway and waits until it knows who is dead.
    fn start_gateway(&self) -> Gateway {
        self.tap.release();
        let gateway = Gateway::start(&self.configuration);
        for unit_id in 1..=DEVICES {
            let state = if dead_units(self.dead).contains(&unit_id) { "lost" } else { "online" };
            self.listener.wait_for_device(LIMIT, &device(unit_id), state);
        }
        gateway
    }
}

/// Register flip to MQTT arrival, each flip a bit and so an alarm that was never raised before.
fn flips(site: &Site, dead: u8, key: &str, table: &mut Table) {
    let living: Vec<u8> = (1..=DEVICES).filter(|unit_id| !dead_units(dead).contains(unit_id)).collect();
    let mut chance = 0x5EED_u64;
    let mut took_ms = Vec::new();
    let fresh = (0..REGISTERS).flat_map(|bit| living.iter().map(move |unit_id| (*unit_id, bit)));
    for (unit_id, bit) in fresh.take(FLIPS) {
        let device = device(unit_id);
        let flipped = clock::now();
        // The bits below were flipped before and stay.
        let word = (2 << bit) - 1;
        site.field.set_raw(&device, Registers::HoldingRegister, 0, word).expect("a register of the field");
        let condition = format!("c{bit}");
        let arrived = wait_for(LIMIT, "a flipped register should arrive", || {
            let events = site.listener.events_of(RAISED);
            let mut ours = events.into_iter().rev().filter(|event| event.subject() == device);
            ours.find(|event| event.json["data"]["condition"] == condition).map(|event| event.at)
        });
        took_ms.push(ms(flipped, arrived));
        // Anywhere in the cycle, and the same in each run.
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        clock::pause(Duration::from_millis(20 + (chance >> 33) % 400));
    }
    let what =
        |percent| format!("RTU, {dead} of 16 dead: register flip to MQTT arrival, p{percent} of {FLIPS}");
    table.plain(&format!("{key}_flip_p50_ms"), &what(50), percentile(&mut took_ms, 50), "ms");
    table.bounded(&format!("{key}_flip_p99_ms"), &what(99), percentile(&mut took_ms, 99), "ms", 500.0);
}

/// The mean time between two requests to the same living device, in seconds.
fn cycle(asked: &[Asked], dead: u8) -> f64 {
    let mut times: BTreeMap<u8, Vec<Instant>> = BTreeMap::new();
    for one in asked.iter().filter(|one| !dead_units(dead).contains(&one.unit_id)) {
        times.entry(one.unit_id).or_default().push(one.at);
    }
    let (mut total, mut n) = (0.0, 0.0);
    for times in times.values() {
        if let (Some(first), Some(last)) = (times.first(), times.last()) {
            total += last.duration_since(*first).as_secs_f64();
            n += times.len().saturating_sub(1) as f64;
        }
    }
    assert!(n > 0.0, "somebody asked on the line");
    total / n
}

fn theory_s(dead: u8) -> f64 {
    EXCHANGE_S * f64::from(DEVICES - dead)
}

/// Spread over the line.
fn dead_units(dead: u8) -> Vec<u8> {
    [3, 8, 14].into_iter().take(usize::from(dead)).collect()
}

fn device(unit_id: u8) -> String {
    format!("device-{unit_id}")
}

fn field_config(profile: &str) -> String {
    let mut text = format!("[[line]]\nname = \"line-1\"\npty = {{ baud = {BAUD} }}\n");
    for unit_id in 1..=DEVICES {
        write!(
            text,
            "[[device]]\nid = \"{}\"\nline = \"line-1\"\nunit_id = {unit_id}\nprofile = \"{profile}\"\nreply_ms = 0\n",
            device(unit_id)
        )
        .expect("text grows");
    }
    text
}

fn ms(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64() * 1000.0
}
