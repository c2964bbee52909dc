//! Floods, with the real gateway, mosquitto and a real duty room: 500 alarms in 10 s, 10,000 events in 60 s, and
//! what piled up while the broker was away. Nothing may be lost, and each is timed from the register's change
//! until the duty room says that it has it on its own disk.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use shouwang_tests::{Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, wait_until};

use crate::many::{Many, device};
use crate::server::Server;
use crate::table::{Table, percentile};

const MANY: Many = Many { lines: 20, devices: 32, alarm_ms: 200 };
const ALARMS: u16 = 500;
const ALARMS_IN: Duration = Duration::from_secs(10);
/// As many alarms are raised, and then cleared: 10,000 events.
const RAISED: u16 = 5000;
const EVENTS_IN: Duration = Duration::from_secs(60);
/// Changed while the broker is away: again two events each.
const UNHEARD: u16 = 2500;
const LIMIT: Duration = Duration::from_secs(120);

/// What must be told: device, condition and whether it is raised.
type Told = (String, String, bool);

pub(crate) fn measure(table: &mut Table) {
    let mut broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    let mut flood = Flood::start(&broker);
    let what = |of: &str| format!("flood, 500 alarms in 10 s: {of}");
    let alarms = (0..ALARMS).map(|n| (n, 0, true)).collect::<Vec<_>>();
    let lost = flood.pour(&alarms, ALARMS_IN);
    let open = room.open_alarms().len();
    table.bounded("flood_500_lost", &what("lost"), lost, "", 0.0);
    let missing = f64::from(ALARMS) - open as f64;
    table.bounded("flood_500_not_on_board", &what("missing on the board"), missing, "", 0.0);
    flood.tell("flood_500", &what, table);

    let what = |of: &str| format!("flood, 10,000 events in 60 s: {of}");
    let raised = (0..RAISED).map(|n| (n % MANY.total(), 1 + n / MANY.total(), true));
    let cleared = raised.clone().map(|(n, register, _)| (n, register, false));
    let lost = flood.pour(&raised.chain(cleared).collect::<Vec<_>>(), EVENTS_IN);
    table.bounded("flood_10000_lost", &what("lost"), lost, "", 0.0);
    flood.tell("flood_10000", &what, table);

    flood.changed.clear();
    broker.stop();
    let events: Vec<_> = (0..UNHEARD).map(|n| (n % MANY.total(), 1 + n / MANY.total(), true)).collect();
    flood.change(&events, Duration::from_secs(5));
    clock::pause(Duration::from_secs(2));
    let back: Vec<_> = events.iter().map(|(n, register, _)| (*n, *register, false)).collect();
    flood.change(&back, Duration::from_secs(5));
    clock::pause(Duration::from_secs(2));
    broker.restart();
    let returned = clock::now();
    let lost = flood.await_all();
    let took_s =
        flood.last_heard().map_or(f64::NAN, |at| at.saturating_duration_since(returned).as_secs_f64());
    let count = events.len() + back.len();
    let what = |of: &str| format!("broker away meanwhile, {count} events: {of}");
    table.bounded("drain_lost", &what("lost"), lost, "", 0.0);
    table.plain("drain_s", &what("all heard after its return"), took_s, "s");
    table.plain("drain_rate", &what("drain rate"), count as f64 / took_s, "events/s");
    flood.gateway.stop();
    room.stop();
}

struct Flood {
    server: Server,
    gateway: Gateway,
    listener: Listener,
    /// When each was changed.
    changed: BTreeMap<Told, Instant>,
    /// The gateway's directory is removed after it has ended.
    _configuration: Configuration,
}

impl Flood {
    fn start(broker: &Mosquitto) -> Self {
        let server = Server::start(MANY.lines);
        let listener = Listener::start(broker);
        let configuration = MANY.configuration(broker, &server);
        let gateway = Gateway::start(&configuration);
        MANY.wait_until_online(&listener, LIMIT);
        Self { server, gateway, listener, changed: BTreeMap::new(), _configuration: configuration }
    }

    /// Changes these registers of these devices evenly over so much time, and waits until all is heard; says
    /// how many never were.
    fn pour(&mut self, changes: &[(u16, u16, bool)], within: Duration) -> f64 {
        self.changed.clear();
        self.change(changes, within);
        self.await_all()
    }

    fn change(&mut self, changes: &[(u16, u16, bool)], within: Duration) {
        let (began, count) = (clock::now(), u32::try_from(changes.len()).unwrap_or(1));
        for ((n, register, raised), done) in changes.iter().zip(0..) {
            clock::pause((within * done / count).saturating_sub(began.elapsed()));
            let (line, unit_id) = MANY.nth(*n);
            self.server.set(line, unit_id, *register, u16::from(*raised));
            self.changed.insert((device(line, unit_id), format!("c{register}"), *raised), clock::now());
        }
    }

    /// Waits until all is heard, or nothing more comes; says how many are missing.
    fn await_all(&self) -> f64 {
        let (mut heard, mut since) = (0, clock::now());
        wait_until(LIMIT, "the flood should end", || {
            clock::pause(Duration::from_secs(1));
            let now = self.heard().len();
            if now != heard {
                (heard, since) = (now, clock::now());
            }
            heard >= self.changed.len() || since.elapsed() >= Duration::from_secs(30)
        });
        (self.changed.len() - heard) as f64
    }

    /// When the duty room was first known to have each of the changes.
    fn heard(&self) -> BTreeMap<Told, Instant> {
        let mut told: BTreeMap<u64, Told> = BTreeMap::new();
        let mut heard = BTreeMap::new();
        for message in self.listener.messages() {
            match message.leaf.as_str() {
                "event" => told.extend(alarm(&message.payload)),
                "heard/duty-1" => {
                    let up_to = number(&message.payload, "up_to");
                    let later = told.split_off(&(up_to + 1));
                    heard.extend(
                        std::mem::replace(&mut told, later).into_values().map(|what| (what, message.at)),
                    );
                }
                _ => {}
            }
        }
        heard.retain(|what, at| self.changed.get(what).is_some_and(|changed| changed < at));
        heard
    }

    fn last_heard(&self) -> Option<Instant> {
        self.heard().into_values().max()
    }

    /// How long they took: the first change, the last, and the slowest.
    fn tell(&self, key: &str, what: &dyn Fn(&str) -> String, table: &mut Table) {
        let heard = self.heard();
        let took =
            |what: &Told, changed: &Instant| Some((*changed, heard.get(what)?.duration_since(*changed)));
        let mut took: Vec<_> =
            self.changed.iter().filter_map(|(what, changed)| took(what, changed)).collect();
        took.sort_unstable();
        let seconds =
            |took: Option<&(Instant, Duration)>| took.map_or(f64::NAN, |(_, took)| took.as_secs_f64());
        table.bounded(
            &format!("{key}_first_s"),
            &what("first, change to heard"),
            seconds(took.first()),
            "s",
            2.0,
        );
        table.bounded(
            &format!("{key}_last_s"),
            &what("last, change to heard"),
            seconds(took.last()),
            "s",
            10.0,
        );
        let mut all: Vec<f64> = took.iter().map(|(_, took)| took.as_secs_f64()).collect();
        table.plain(&format!("{key}_p99_s"), &what("p99, change to heard"), percentile(&mut all, 99), "s");
        table.bounded(
            &format!("{key}_worst_s"),
            &what("slowest, change to heard"),
            percentile(&mut all, 100),
            "s",
            10.0,
        );
    }
}

/// Sequence and content of an event that says that an alarm was raised, cried again, or was cleared.
fn alarm(payload: &[u8]) -> Option<(u64, Told)> {
    let event: Value = serde_json::from_slice(payload).ok()?;
    let raised = match event["type"].as_str()? {
        "shouwang.alarm.raised.v1" | "shouwang.alarm.repeated.v1" => true,
        "shouwang.alarm.cleared.v1" => false,
        _ => return None,
    };
    let condition = event["data"]["condition"].as_str()?.to_owned();
    Some((
        event["sequence"].as_str()?.parse().ok()?,
        (event["subject"].as_str()?.to_owned(), condition, raised),
    ))
}

fn number(payload: &[u8], name: &str) -> u64 {
    let document: Option<Value> = serde_json::from_slice(payload).ok();
    document.and_then(|document| document[name].as_u64()).unwrap_or(0)
}
