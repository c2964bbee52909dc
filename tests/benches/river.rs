//! A year of river stages: 50 stations, a reading every five minutes, 5.3 million rows. How long the duty room takes to
//! make a page with seven days of one of them, and how large the year is on disk.
use std::time::Duration;

use shouwang_message::{GatewayState, InfoDocument, StateDocument, StationInfo, to_bytes};
use shouwang_tests::{DutyRoom, Listener, Mosquitto, clock, wait_until};

use crate::table::{Table, percentile};

const STATIONS: i64 = 50;
const ROWS: i64 = 365 * 288;
const PAGES: usize = 100;
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn measure(table: &mut Table) {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    let station = |n: i64| {
        let (id, name) = (format!("station-{n}").parse().expect("an id"), format!("{n} 号站"));
        StationInfo {
            device: Some(format!("level-{n}").parse().expect("an id")),
            point: Some("level_m".into()),
            ..StationInfo::new(id, name, "1985 国家高程", [("warning", 3.3), ("guarantee", 3.8)])
        }
    };
    let info = InfoDocument {
        name: "bench".into(),
        version: "0.1.0".into(),
        log: "01KANEXAMPE000000000000AAA".parse().expect("a log"),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices: vec![],
        stations: (1..=STATIONS).map(station).collect(),
        walk: None,
    };
    listener.publish("info", true, to_bytes(&info));
    let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: clock::wall() };
    listener.publish("state", true, to_bytes(&state));
    wait_until(LIMIT, "the stations should be known", || {
        room.read("/api/v1/stations").contains("station-50")
    });
    let file = room.state_directory().join("stations.db");
    fill(&file);
    let bytes =
        |name: &str| std::fs::metadata(room.state_directory().join(name)).map_or(0, |about| about.len());
    let size = (bytes("stations.db") + bytes("stations.db-wal")) as f64 / 1e6;
    let mut times: Vec<f64> = (0..PAGES)
        .map(|n| {
            let began = clock::now();
            let page = room.read(&format!("/river/station-{}", n as i64 % STATIONS + 1));
            assert!(page.contains("class=\"stage\" d=\"M"), "the page has a graph");
            began.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let worst = times.iter().copied().fold(0.0, f64::max);
    let p95 = percentile(&mut times, 95);
    table.bounded("river_page_p95_ms", "river page, 7 days out of 5.3 million rows: p95", p95, "ms", 100.0);
    table.plain("river_page_worst_ms", "the worst of 100", worst, "ms");
    table.plain("river_year_mb", "a year of 50 stations on disk (kept: 400 days)", size, "MB");
}

/// As the duty room writes them: one row each five minutes, up to now.
fn fill(file: &std::path::Path) {
    let base = rusqlite::Connection::open(file).expect("the database of stages");
    base.busy_timeout(LIMIT).expect("patience");
    base.execute_batch("PRAGMA synchronous = OFF; BEGIN IMMEDIATE").expect("a transaction");
    let now = clock::wall().unix_ms();
    for station in 1..=STATIONS {
        base.execute("INSERT INTO station (id) VALUES (?1)", [format!("station-{station}")])
            .expect("a station");
        let rows = "WITH RECURSIVE n (i) AS (SELECT ?2 UNION ALL SELECT i - 1 FROM n WHERE i > 0)
             INSERT INTO reading (station, slot, at_ms, mm, quality)
             SELECT (SELECT number FROM station WHERE id = ?1), (?3 - i * 300000) / 30000, ?3 - i * 300000,
                    2500 + (i * 37) % 900, 0 FROM n";
        let values = rusqlite::params![format!("station-{station}"), ROWS - 1, now];
        base.execute(rows, values).expect("a year");
    }
    base.execute_batch("COMMIT").expect("it is written");
}
