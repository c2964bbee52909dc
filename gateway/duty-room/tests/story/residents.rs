//! Resident cards in a running duty room: masked until opened, opened with a line in the logbook, gone after their day.
use std::path::Path;

use serde_json::{Value as Json, json};
use shouwang_message::*;

use crate::desk::*;

pub(crate) fn card(room: &str, name: &str, keep_until: &str) -> Json {
    json!({
        "building": "3", "entrance": "2", "room": room, "name": name, "phone": "13812348000", "born": 1941,
        "hearing": "good", "can_open": false, "dialect": "温州话", "oxygen": true, "notes": "",
        "key_holder": {"name": "李师傅", "phone": "13900000001"},
        "contacts": [{"name": "王小红", "phone": "13700000002"}],
        "consent": "2026-01-05", "keep_until": keep_until,
    })
}

/// As the lead's page would have written them.
pub(crate) fn write(state: &Path, cards: &[Json]) {
    let database = rusqlite::Connection::open(state.join("duty-room.db")).unwrap();
    for card in cards {
        let text = |name: &str| card[name].as_str().unwrap().to_owned();
        let row = (text("building"), text("entrance"), text("room"), text("name"), text("keep_until"));
        let add = "INSERT INTO resident (building, entrance, room, name, keep_until, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        database.execute(add, (row.0, row.1, row.2, row.3, row.4, card.to_string())).unwrap();
    }
}

fn call_at(room: &str) -> Event {
    let part = |text: &str| Some(text.to_owned());
    let place = Place { building: part("3"), entrance: part("2"), room: part(room), ..Place::default() };
    event(
        1,
        AlarmChange::Raised,
        AlarmDocument { class: Class::Call, condition: "call".into(), place, ..smoke(1) },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_masked_until_somebody_on_watch_opens_it() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    write(state.path(), &[card("402", "王秀英", "2099-01-01"), card("403", "赵", "2099-01-01")]);
    let mut gateway = Gateway::connect(&broker).await;
    gateway.event(&call_at("402")).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    let path = format!("/api/v1/alarms/{SMOKE}/resident");
    let masked = browser.get(&path).await;
    for name in ["秀英", "13812348000", "13700000002", "李师傅", "小红"] {
        assert!(!masked.body.contains(name), "{name} in {}", masked.body);
    }
    let json = masked.json();
    let resident = &json["residents"][0];
    assert_eq!(resident["person"], json!({"name": "王**", "phone": "138****8000"}));
    assert_eq!((&resident["oxygen"], &resident["can_open"]), (&true.into(), &false.into()));
    let steps: Vec<&Json> = json["procedure"].as_array().unwrap().iter().map(|step| &step["who"]).collect();
    assert_eq!(json!(steps), json!(["resident", "contact", "key_holder", "ambulance"]));
    let told = async || {
        let log = browser.get("/api/v1/logbook").await.json();
        log["items"].as_array().unwrap().iter().filter(|line| line["what"] == "resident.open").count()
    };
    assert_eq!(told().await, 0, "nobody has opened it");

    let full = browser.post(&path, "{}").await.json();
    let person = &full["residents"][0]["person"];
    assert_eq!((&person["name"], &person["phone"]), (&"王秀英".into(), &"13812348000".into()));
    assert!(person["qr"]["path"].as_str().unwrap().starts_with("M4 4h7v1h-7z"));
    eventually("the logbook says who opened it", async || told().await == 1).await;
    let log = browser.get("/api/v1/logbook").await;
    assert!(log.body.contains("3-2-402") && log.body.contains(SMOKE) && !log.body.contains("王秀英"));

    // The lists, the wall's and the board's, know nothing of it; an operator does not get all of them.
    assert!(!browser.get("/api/v1/alarms").await.body.contains("王秀英"));
    for path in ["/residents", "/api/v1/residents.csv"] {
        assert_eq!(browser.get(path).await.status, 403, "{path}");
    }
    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    assert_eq!(stranger.get(&path).await.status, 401);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_ends_on_its_day() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    duty_room(state.path(), &broker).await.stop().await.unwrap();
    write(state.path(), &[card("402", "王秀英", "2026-01-06")]);
    let running = duty_room(state.path(), &broker).await;
    let mut gateway = Gateway::connect(&broker).await;
    gateway.event(&call_at("402")).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    let found = browser.get(&format!("/api/v1/alarms/{SMOKE}/resident")).await.json();
    assert_eq!(found["residents"], json!([]));
    assert_eq!(found["procedure"][0]["who"], "key_holder", "somebody is sent all the same");
    eventually("the logbook says that a card ended", async || {
        browser.get("/api/v1/logbook").await.body.contains("resident.expired")
    })
    .await;
    running.stop().await.unwrap();
    let database = std::fs::read(state.path().join("duty-room.db")).unwrap();
    assert!(!database.windows(9).any(|part| part == "王秀英".as_bytes()), "it is gone from the disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lead_keeps_cards_one_by_one_or_out_of_a_spreadsheet() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    let lead = Browser::first_lead(&running, "青石桥 3.85 米").await;
    let put = async |card: &Json| lead.post("/api/v1/residents", &card.to_string()).await;
    let first = card("402", "王秀英", "2099-01-01");
    assert_eq!(put(&first).await.json(), json!({"added": true}));
    assert_eq!(put(&first).await.json(), json!({"added": false}), "the same home and name");
    let wrong = put(&card("402", "", "2099-01-01")).await;
    assert_eq!((wrong.status, &wrong.json()["error"]["code"]), (422, &"card".into()));

    let import = async |csv: &str| {
        let head = format!(
            "POST /api/v1/residents/import HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: text/csv\r\n",
            lead.address
        );
        lead.ask(&head, csv).await
    };
    let columns = "楼栋,单元,房间,姓名,电话,同意日期,保存至\n";
    let answer = import(&format!(
        "{columns}3,2,403,赵,12345678,2026-01-05,2099-01-05\n3,2,,钱,x,2026-01-05,2099-01-05\n"
    ))
    .await;
    let wrong = answer.json()["error"]["mistakes"].clone();
    assert_eq!((answer.status, wrong.as_array().unwrap().len()), (422, 2), "{wrong}");
    assert_eq!((&wrong[0]["row"], &wrong[0]["column"]), (&3.into(), &"房间".into()));
    let page = lead.get("/residents").await.body;
    assert!(page.contains("王秀英") && !page.contains("赵"), "nothing of a file with a mistake: {page}");
    let answer = import(&format!("{columns}3,2,403,赵,12345678,2026-01-05,2099-01-05\n3,2,402,王秀英,13812348000,2026-01-05,2099-01-05\n")).await;
    assert_eq!(answer.json(), json!({"added": 1, "changed": 1}));
    let csv = lead.get("/api/v1/residents.csv").await;
    assert!(csv.body.contains("3,2,403,赵,12345678,"), "{}", csv.body);
    assert_eq!(import(&csv.body).await.json(), json!({"added": 0, "changed": 2}));

    assert_eq!(lead.post("/api/v1/residents/1/remove", "{}").await.status, 200);
    assert_eq!(lead.post("/api/v1/residents/1/remove", "{}").await.status, 404);
    assert!(!lead.get("/residents").await.body.contains("王秀英"));
    let log = async || lead.get("/api/v1/logbook?limit=100").await.body;
    for what in ["add", "change", "import", "list", "export", "remove"] {
        let line = format!("resident.{what}");
        eventually(&line, async || log().await.contains(&line)).await;
    }
    let log = log().await;
    assert!(!log.contains("王秀英"), "the logbook has no names");
    running.stop().await.unwrap();
}
