//! The two loops and the times of a case at the duty room's door: what the table says stands in the case, a person takes
//! it up with a reason, and histories name the room, residents and couriers in people's words.
use serde_json::json;
use shouwang_board::{Handling, Loop};
use shouwang_duty_room::Clock;

use crate::desk::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_has_its_times_and_goes_up_with_a_reason() {
    let state = tempfile::tempdir().unwrap();
    let minutes = std::time::Duration::from_secs(20 * 60);
    let line = Handling { way: Some(Loop::Small), accept_within: Some(minutes), ..Handling::default() };
    let config = shouwang_duty_room::Config { handling: vec![line], ..config(state.path(), 1) };
    let clock = Clock::at_hour(12);
    let running = shouwang_duty_room::start(config, clock.clone()).await.unwrap();
    let desk = Browser::log_in(&running).await;
    let report = json!({ "id": "phone-0001", "kind": "flooded_road", "words": "", "place": "青石桥下穿",
        "at": clock.wall().to_string() });
    let told = desk.post("/api/v1/reports", &report.to_string()).await;
    assert_eq!(told.status, 201, "{}", told.body);
    let id = told.json()["id"].as_str().unwrap().to_owned();
    let case = desk.get(&format!("/api/v1/cases/{id}")).await.json();
    assert_eq!(
        (&case["loop"], &case["overdue"], &case["supervised"]),
        (&json!("small"), &json!(null), &json!([]))
    );
    let at =
        |name: &str| case[name].as_str().unwrap().parse::<shouwang_message::Timestamp>().unwrap().unix_ms();
    let raised = at("raised_at");
    let minutes = [at("accept_by") - raised, at("handle_by") - raised].map(|ms| (ms + 30_000) / 60_000);
    assert_eq!(minutes, [20, 72 * 60]);

    let up = async |body| desk.post(&format!("/api/v1/cases/{id}/go-up"), body).await;
    let nobody = up(r#"{"note":"网格处理不了"}"#).await;
    assert_eq!((nobody.status, &nobody.json()["error"]["code"]), (422, &json!("departments_missing")));
    let silent = up(r#"{"departments":["排水"]}"#).await;
    assert_eq!((silent.status, &silent.json()["error"]["code"]), (422, &json!("reason_missing")));
    let gone = up(r#"{"departments":["排水"],"note":"网格处理不了"}"#).await;
    assert_eq!(gone.status, 200, "{}", gone.body);
    let gone = gone.json();
    assert_eq!((&gone["loop"], &gone["missing"]), (&json!("large"), &json!(["排水"])));

    let sheet = desk.get(&format!("/cases/{id}/print")).await.body;
    assert!(sheet.contains("转大循环 · 排水 · 网格处理不了"), "{sheet}");
    let people = desk.get("/api/v1/session").await.json()["people"].clone();
    assert_eq!(people["duty-1"], "和平社区值班室", "{people}");
    let month = clock.wall().to_string()[..7].to_owned();
    let csv = desk.get(&format!("/api/v1/figures.csv?month={month}")).await.body;
    assert!(csv.contains("督办数 supervised\r\n"), "{csv}");
    running.stop().await.unwrap();
}
