//! A shift through the API of a running duty room: who is on duty, notes, 查岗, and the hand-over with its sheet.
use serde_json::{Value as Json, json};
use shouwang_duty_room::logbook::verify;

use crate::desk::*;

async fn shift(browser: &Browser, verb: &str, body: Json) -> String {
    let answer = browser.post(&format!("/api/v1/shift/{verb}"), &body.to_string()).await;
    match answer.status {
        200 => "ok".into(),
        status => format!("{status} {}", answer.json()["error"]["code"].as_str().unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_begins_takes_notes_and_outlives_a_kill() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    assert_eq!(browser.get("/api/v1/shift").await.json()["on_duty"], json!([]));
    assert_eq!(shift(&browser, "leave", json!({})).await, "409 not_on_duty");
    assert_eq!(shift(&browser, "begin", json!({})).await, "ok");
    assert_eq!(shift(&browser, "leave", json!({})).await, "409 not_relieved");
    assert_eq!(shift(&browser, "note", json!({})).await, "422 text");
    assert_eq!(shift(&browser, "note", json!({"text": "x".repeat(201)})).await, "422 text");
    assert_eq!(shift(&browser, "note", json!({"text": "3 号楼电梯停运"})).await, "ok");
    assert_eq!(shift(&browser, "call-roll", json!({})).await, "403 role", "for a lead");
    assert_eq!(shift(&browser, "begin", json!({"text": "a", "b": 1})).await, "422 json");
    drop(running);
    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    let known = browser.get("/api/v1/shift").await.json();
    assert_eq!((&known["number"], &known["on_duty"][0]["by"]), (&1.into(), &"operator".into()));
    assert_eq!(known["notes"][0]["text"], "3 号楼电梯停运");
    assert_eq!(known["warnings"].as_array().unwrap().len(), 1, "one person is not enough: {known}");
    let log = browser.get("/api/v1/logbook").await.json();
    let told = log["items"].as_array().unwrap().iter().map(|line| &line["what"]);
    let told: Vec<&Json> = told.filter(|what| **what != "login").collect();
    assert_eq!(json!(told), json!(["shift.note", "shift.begin"]));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sign_a_sheet_that_stays_and_shows_when_it_was_changed() {
    let (_broker, state, running, mut gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    let page = browser.get("/handover").await;
    assert!(page.body.contains("您不在岗"), "{}", page.body);
    shift(&browser, "begin", json!({})).await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    shift(&browser, "note", json!({"text": "<script>alert(1)</script> 402 老人耳背"})).await;

    // An emergency that nobody acknowledged blocks it, on the page and in the API.
    let page = browser.get("/handover").await.body;
    assert!(
        page.contains("还有紧急报警未确认") && page.contains("3号楼2单元402") && page.contains("disabled")
    );
    assert!(page.contains("402 老人耳背") && !page.contains("<script>alert"), "{page}");
    let hand_over = async |body: Json| {
        let answer = browser.post("/api/v1/handover", &body.to_string()).await;
        (answer.status, answer.json())
    };
    let (status, refused) = hand_over(json!({"to": "wang"})).await;
    assert_eq!((status, &refused["error"]["code"]), (409, &"emergency_waiting".into()));
    assert!(refused["error"]["text"]["zh"].as_str().unwrap().contains("3号楼2单元402 烟感报警"), "which one");
    browser.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await;
    for (body, refused) in [
        (json!({"to": " "}), (422, "to_missing")),
        (json!({"to": "operator"}), (409, "same_person")),
        (json!({"to": "wang", "leaving": ["li"]}), (409, "not_on_duty")),
    ] {
        let (status, answer) = hand_over(body.clone()).await;
        assert_eq!((status, answer["error"]["code"].as_str().unwrap()), refused, "{body}");
    }

    let before = browser.get("/api/v1/logbook").await.json()["head"].clone();
    let (status, signed) = hand_over(json!({"to": "wang"})).await;
    assert_eq!(status, 200, "{signed}");
    let line = browser.get("/api/v1/logbook").await.json()["items"][0].clone();
    assert_eq!((&line["what"], &line["about"]), (&"shift.handover".into(), &signed["sheet"]));
    let path = format!("/handover/{}", signed["sheet"].as_str().unwrap());
    let sheet = browser.get(&path).await.body;
    let hash = line["note"].as_str().unwrap().strip_prefix("sha256 ").unwrap();
    let last = before["hash"].as_str().unwrap();
    let own = line["hash"].as_str().unwrap();
    for part in [hash, last, own, "3号楼2单元402", "402 老人耳背", "值班员", "wang"] {
        assert!(sheet.contains(part), "{part} in {sheet}");
    }
    assert!(!sheet.contains("日志里没有"), "{sheet}");
    assert!(browser.get("/handover").await.body.contains(&path), "in the list of signed sheets");
    assert_eq!(browser.get("/api/v1/shift").await.json()["on_duty"][0]["by"], "wang");
    assert_eq!(browser.get(&format!("/handover/{SMOKE}")).await.status, 404);
    running.stop().await.unwrap();

    verify(state.path()).unwrap();
    let database = rusqlite::Connection::open(state.path().join("duty-room.db")).unwrap();
    let edit = "UPDATE kept SET value = replace(value, '耳背', '') WHERE key LIKE 'sheet/%'";
    assert_eq!(database.execute(edit, []).unwrap(), 1);
    let broken = verify(state.path()).unwrap_err().to_string();
    assert!(broken.contains("not the one that was signed"), "{broken}");
    database.execute("DELETE FROM kept WHERE key LIKE 'sheet/%'", []).unwrap();
    drop(database);
    assert!(verify(state.path()).unwrap_err().to_string().contains("hand-over sheet is missing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_are_accounts_each_signs_with_their_own_password() {
    const OWN: &str = "青石桥 3.85 米";
    const OTHER: &str = "和平社区 7 号网关";
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    let lead = Browser::first_lead(&running, OWN).await;
    for (id, role) in [("li", "operator"), ("zhao", "viewer")] {
        let wanted = json!({ "id": id, "name": "李值班", "role": role, "password": OTHER });
        assert_eq!(lead.post("/api/v1/accounts", &wanted.to_string()).await.status, 201);
    }
    assert_eq!(shift(&lead, "begin", json!({})).await, "ok");
    assert_eq!(shift(&lead, "call-roll", json!({})).await, "ok");
    assert_eq!(shift(&lead, "answer-roll", json!({})).await, "ok");
    let page = lead.get("/handover").await.body;
    assert!(page.contains("接班人账号") && page.contains("王班长"), "{page}");
    for (body, refused) in [
        (json!({"to": "li"}), (401, "wrong")),
        (json!({"to": "zhao", "password": OWN, "to_password": OTHER}), (403, "role")),
        (json!({"to": "wang", "password": OWN, "to_password": OWN}), (409, "same_person")),
    ] {
        let answer = lead.post("/api/v1/handover", &body.to_string()).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str().unwrap()), refused, "{body}");
    }
    let both = json!({"to": "li", "password": OWN, "to_password": OTHER});
    let signed = lead.post("/api/v1/handover", &both.to_string()).await;
    assert_eq!(signed.status, 200, "{}", signed.body);
    let sheet = lead.get(&format!("/handover/{}", signed.json()["sheet"].as_str().unwrap())).await.body;
    assert!(sheet.contains("双方各以自己的密码签字") && sheet.contains("李值班"), "{sheet}");
    assert_eq!(lead.get("/api/v1/shift").await.json()["on_duty"][0]["by"], "li");
    running.stop().await.unwrap();
    verify(state.path()).unwrap();
}
