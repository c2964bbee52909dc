//! The duty room under load: 500 alarms in 10 s and 10,000 events in 60 s from twelve gateways with twenty pages open,
//! then ten thousand open alarms, and all gateways back at once. Timed from the publishing of an alarm until every
//! page has it, over real MQTT and HTTP.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shouwang_message::{
    AlarmChange, AlarmDocument, AlarmId, Class, Event, EventData, Id, LogId, Place, Priority, Text, Timestamp,
};
use shouwang_tests::{DutyRoom, Gateways, Mosquitto, clock, wait_until};

use crate::pages::Pages;
use crate::process::{peak_mib, resident_mib};
use crate::table::{Table, percentile};

const PAGES: usize = 20;
const GATEWAYS: usize = 12;
const LIMIT: Duration = Duration::from_secs(60);

/// When each alarm was published, by device and condition.
type Published = BTreeMap<(String, String), Instant>;

pub(crate) fn measure(table: &mut Table) {
    let broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    let mut crowd = Crowd::connect(&broker);
    let pages = Pages::open(&room, PAGES);
    table.plain(
        "load_idle_mib",
        "duty room with 20 pages, nothing open: resident",
        resident_mib(room.id()),
        "MiB",
    );

    let published = crowd.raise("flood", 500, Duration::from_secs(10));
    tell(table, "load_500", "500 alarms in 10 s, 20 pages", &pages, &published);
    let published = crowd.raise("storm", 5_000, Duration::from_secs(30));
    crowd.clear("storm", 5_000, Duration::from_secs(30));
    tell(table, "load_10000", "10,000 events in 60 s, 20 pages", &pages, &published);
    let heard = crowd.await_heard();
    table.bounded("load_unheard", "10,500 events: not heard", heard, "", 0.0);

    crowd.raise("more", 4_500, Duration::from_secs(5));
    let missing = crowd.await_heard();
    table.bounded("load_more_unheard", "4,500 more alarms in 5 s: not heard", missing, "", 0.0);
    wait_until(LIMIT, "every page should have ten thousand rows", || pages.fewest() >= 10_000);
    let mut slowest = Duration::ZERO;
    for path in ["/", "/api/v1/alarms?state=open", "/api/v1/cases"] {
        let began = clock::now();
        let bytes = room.read(path).len();
        assert!(bytes > 0);
        slowest = slowest.max(began.elapsed());
    }
    table.bounded(
        "load_page_s",
        "10,000 open: page, list and cases, slowest",
        slowest.as_secs_f64(),
        "s",
        1.0,
    );
    let mut took: Vec<f64> = (0..10).map(|n| one_more(&mut crowd, &pages, n)).collect();
    table.bounded(
        "load_update_s",
        "10,000 open: a new alarm on all 20 pages, worst of 10",
        percentile(&mut took, 100),
        "s",
        1.0,
    );
    let more = Pages::open(&room, 10);
    let began = clock::now();
    wait_until(LIMIT, "ten pages more should have the list", || more.fewest() >= 10_000);
    table.plain(
        "load_ten_more_s",
        "10,000 open: ten pages more, until all have the list",
        began.elapsed().as_secs_f64(),
        "s",
    );
    drop(more);

    let mut waited = crowd.reconnect(&broker);
    table.bounded(
        "load_reconnect_p99_s",
        "12 gateways back at once, 100 events each: heard, p99",
        percentile(&mut waited, 99),
        "s",
        1.0,
    );
    table.bounded(
        "load_mib",
        "duty room with 10,000 open and 20 pages: resident",
        resident_mib(room.id()),
        "MiB",
        64.0,
    );
    table.plain("load_peak_mib", "duty room: most it ever had", peak_mib(room.id()), "MiB");
    let (bytes, whole, changes, slowest) = pages.cost();
    table.plain("load_read_mib", "lists read by 20 pages", bytes as f64 / 1_048_576.0, "MiB");
    table.plain("load_reads", &format!("lists read ({whole} whole)"), f64::from(whole + changes), "");
    table.plain("load_read_worst_s", "slowest reading of a list", slowest.as_secs_f64(), "s");
    drop(pages);
    room.stop();
}

fn one_more(crowd: &mut Crowd, pages: &Pages, n: usize) -> f64 {
    let published = crowd.raise(&format!("one-{n}"), 1, Duration::ZERO);
    let ((device, condition), at) = published.into_iter().next().expect("one alarm");
    let mut shown = None;
    wait_until(LIMIT, "every page should have the alarm", || {
        shown = pages.shown(&device, &condition);
        shown.is_some()
    });
    clock::pause(Duration::from_millis(300));
    shown.map_or(f64::NAN, |shown| shown.duration_since(at).as_secs_f64())
}

/// Until all pages have all of them: the first alarm, the last one, the slowest, and how many never came.
fn tell(table: &mut Table, key: &str, what: &str, pages: &Pages, published: &Published) {
    let shown = |(device, condition): &(String, String)| pages.shown(device, condition);
    let mut missing = published.len();
    let began = clock::now();
    while missing > 0 && began.elapsed() < LIMIT {
        clock::pause(Duration::from_millis(200));
        missing = published.keys().filter(|key| shown(key).is_none()).count();
    }
    let mut took: Vec<(Instant, f64)> = published
        .iter()
        .filter_map(|(key, at)| Some((*at, shown(key)?.duration_since(*at).as_secs_f64())))
        .collect();
    took.sort_by_key(|(at, _)| *at);
    let one = |took: Option<&(Instant, f64)>| took.map_or(f64::NAN, |(_, took)| *took);
    table.bounded(&format!("{key}_lost"), &format!("{what}: never on a page"), missing as f64, "", 0.0);
    table.bounded(
        &format!("{key}_first_s"),
        &format!("{what}: first on all pages"),
        one(took.first()),
        "s",
        2.0,
    );
    table.bounded(
        &format!("{key}_last_s"),
        &format!("{what}: last on all pages"),
        one(took.last()),
        "s",
        10.0,
    );
    let mut all: Vec<f64> = took.iter().map(|(_, took)| *took).collect();
    table.plain(&format!("{key}_p99_s"), &format!("{what}: p99"), percentile(&mut all, 99), "s");
    table.bounded(
        &format!("{key}_worst_s"),
        &format!("{what}: slowest"),
        percentile(&mut all, 100),
        "s",
        10.0,
    );
}

/// Twelve gateways as far as MQTT sees them.
struct Crowd {
    gateways: Gateways,
    sequences: Vec<u64>,
}

impl Crowd {
    fn connect(broker: &Mosquitto) -> Self {
        Self { gateways: Gateways::connect(broker, GATEWAYS), sequences: vec![0; GATEWAYS] }
    }

    /// So many alarms evenly over so much time, from all gateways in turn.
    fn raise(&mut self, name: &str, count: usize, within: Duration) -> Published {
        self.tell(name, count, within, true)
    }

    fn clear(&mut self, name: &str, count: usize, within: Duration) {
        self.tell(name, count, within, false);
    }

    fn tell(&mut self, name: &str, count: usize, within: Duration, active: bool) -> Published {
        let (began, parts) = (clock::now(), u32::try_from(count).unwrap_or(1));
        let mut published = Published::new();
        for (n, done) in (0..count).zip(0..) {
            clock::pause((within * done / parts).saturating_sub(began.elapsed()));
            let document = document(name, n, active);
            published.insert((document.device.to_string(), document.condition.clone()), clock::now());
            self.say(n % GATEWAYS, document);
        }
        published
    }

    fn say(&mut self, gateway: usize, document: AlarmDocument) {
        let Some(sequence) = self.sequences.get_mut(gateway) else { return };
        *sequence += 1;
        let change = if document.active { AlarmChange::Raised } else { AlarmChange::Cleared };
        let event = Event {
            site: id("heping"),
            gateway: document.gateway.clone(),
            log: log(gateway),
            sequence: *sequence,
            time: document.raised_at,
            subject: document.device.to_string(),
            data: EventData::Alarm(change, document.into()),
        };
        self.gateways.say(gateway, &event);
    }

    /// Events that are not heard in time.
    fn await_heard(&self) -> f64 {
        let unheard = || -> u64 {
            let each = self.sequences.iter().enumerate();
            each.map(|(gateway, sequence)| sequence - self.gateways.heard(gateway).min(*sequence)).sum()
        };
        let began = clock::now();
        while unheard() > 0 && began.elapsed() < LIMIT {
            clock::pause(Duration::from_millis(50));
        }
        unheard() as f64
    }

    /// Every gateway loses its connection and comes back with a hundred events: how long each event waited.
    fn reconnect(&mut self, broker: &Mosquitto) -> Vec<f64> {
        self.gateways = Gateways::connect(broker, GATEWAYS);
        let mut published: Vec<Vec<(u64, Instant)>> = vec![Vec::new(); GATEWAYS];
        for n in 0..100 {
            for (gateway, told) in published.iter_mut().enumerate() {
                self.say(gateway, document("back", n * GATEWAYS + gateway, true));
                told.push((self.sequences.get(gateway).copied().unwrap_or_default(), clock::now()));
            }
        }
        self.await_heard();
        let gateways = &self.gateways;
        let waited = published.iter().enumerate().flat_map(|(gateway, told)| {
            told.iter().map(move |(sequence, at)| {
                let heard = gateways.heard_at(gateway, *sequence);
                heard.map_or(f64::NAN, |heard| heard.saturating_duration_since(*at).as_secs_f64())
            })
        });
        waited.collect()
    }
}

fn document(name: &str, n: usize, active: bool) -> AlarmDocument {
    let some = |text: String| Some(text);
    let number = name.bytes().fold(n as u128, |sum, byte| sum * 131 + u128::from(byte)) + 1;
    AlarmDocument {
        revision: if active { 1 } else { 2 },
        active,
        latched: true,
        place: Place {
            building: some(format!("{}", n % 40)),
            entrance: some(format!("{}", n % 3)),
            room: some(format!("{}", 101 + n % 2_000)),
            grid: some(format!("HP-{:02}", n % 9)),
            name: some(format!("{}号楼{}单元{}", n % 40, n % 3, 101 + n % 2_000)),
        },
        text: Text::new("烟感报警", "Smoke alarm"),
        ..AlarmDocument::new(
            AlarmId::from_parts(1_800_000_000_000, number),
            id(&format!("gw-{}", n % GATEWAYS)),
            id(&format!("{name}-{n}")),
            "smoke".into(),
            Class::Smoke,
            Priority::Emergency,
            Timestamp::from_unix_ms(1_800_000_000_000 + i64::try_from(n).unwrap_or_default()),
        )
    }
}

fn id(text: &str) -> Id {
    text.parse().expect("an id")
}

fn log(gateway: usize) -> LogId {
    format!("01KANEXAMPE0000000000{:05}", 10_000 + gateway).parse().expect("a log's id")
}
