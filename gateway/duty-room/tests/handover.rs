//! A shift through the API of a running duty room: who is on duty, notes, 查岗, and the hand-over with its sheet.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
#[path = "desk/desk.rs"]
mod desk;

use desk::*;
use serde_json::{Value as Json, json};

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
    let told: Vec<&Json> = log["items"].as_array().unwrap().iter().map(|line| &line["what"]).collect();
    assert_eq!(json!(told), json!(["login", "shift.note", "shift.begin", "login"]));
    running.stop().await.unwrap();
}
