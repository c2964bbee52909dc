//! 叫应 in a running duty room: a reading over a line lists the residents near the river, calls are kept once with their own
//! times, names are only for those on watch, and a restart forgets nothing.
use serde_json::json;
use shouwang_duty_room::Running;

use crate::desk::*;
use crate::residents::{card, write};
use crate::stations::{ago, info, station};

const ABOUT: &str = "/api/v1/stations/qingshi-bridge/about";

/// A ford near building 3, of which two homes have a card and building 30 is not a part.
async fn ford(state: &std::path::Path, gateway: &Gateway, lead: &Browser) {
    let elsewhere = json!({ "building": "30" });
    let mut far = card("101", "赵远", "2099-01-01");
    far["building"] = elsewhere["building"].clone();
    write(state, &[card("402", "王秀英", "2099-01-01"), card("403", "钱福", "2099-01-01"), far]);
    gateway.say("info", true, info(vec![station("qingshi-bridge", None)])).await;
    eventually("the station", async || lead.get("/api/v1/stations").await.body.contains("qingshi-bridge"))
        .await;
    let answer = lead.post(ABOUT, &json!({ "homes": ["3"] }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

async fn reading(browser: &Browser, id: &str, stage_m: f64) {
    let reading = json!({ "id": id, "stage_m": stage_m, "at": ago(0) }).to_string();
    let answer = browser.post("/api/v1/stations/qingshi-bridge/readings", &reading).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// The only round once its list is here.
async fn listed(browser: &Browser, people: u64) -> String {
    let mut id = String::new();
    eventually("the list", async || {
        let rounds = browser.get("/api/v1/rounds").await.json();
        id = rounds["items"][0]["id"].as_str().unwrap_or_default().to_owned();
        rounds["items"][0]["people"] == people
    })
    .await;
    id
}

async fn stop(running: Running) {
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_near_the_river_is_called_until_they_have_answered() {
    let (broker, state, running, gateway) = met().await;
    let lead = Browser::first_lead(&running, "三号楼二单元四零二").await;
    ford(state.path(), &gateway, &lead).await;
    let operator = Browser::log_in(&running).await;
    reading(&operator, "phone-0001", 3.86).await;
    let id = listed(&operator, 2).await;
    let path = format!("/api/v1/rounds/{id}");
    let round = operator.get(&path).await;
    for name in ["王秀英", "钱福", "赵远", "13812348000"] {
        assert!(!round.body.contains(name), "{name} in {}", round.body);
    }
    let homes = round.json()["list"].clone();
    assert_eq!((&homes[0]["home"], &homes[1]["home"]), (&json!("3-2-402"), &json!("3-2-403")));

    let page = format!("/answering/{id}");
    let shown = operator.get(&page).await;
    for said in ["王秀英", "tel:13812348000", "钱福", "不能开门", "超保证水位", "未叫应名单"]
    {
        assert!(shown.body.contains(said), "{said} in {}", shown.body);
    }
    assert!(!shown.body.contains("赵远"), "building 30 is not building 3");
    assert!(shown.head.to_ascii_lowercase().contains("cache-control: no-store"), "{}", shown.head);
    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    assert_eq!(stranger.get(&page).await.status, 401);
    assert_eq!(stranger.get("/answering").await.status, 303);
    assert!(!operator.get("/answering").await.body.contains("王秀英"));

    let card = |n: usize| homes[n]["card"].as_i64().unwrap();
    let call = async |id: &str, card: i64, outcome: &str, note: Option<&str>| {
        let body = json!({ "id": id, "card": card, "outcome": outcome, "at": ago(1), "note": note });
        operator.post(&format!("{path}/called"), &body.to_string()).await
    };
    assert_eq!(call("call-0001", card(0), "no_answer", None).await.status, 200);
    assert_eq!(call("call-0001", card(0), "no_answer", None).await.json()["repeated"], true);
    for (id, n, outcome, status, code) in [
        ("call-0002", card(1), "away", 422, "note_missing"),
        ("x", card(1), "answered", 422, "id"),
        ("call-0003", 9_999, "answered", 422, "not_listed"),
        ("call-0004", card(1), "asleep", 422, "json"),
    ] {
        let answer = call(id, n, outcome, None).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (status, &json!(code)));
    }
    let long = "长".repeat(201);
    assert_eq!(call("call-0005", card(1), "away", Some(&long)).await.status, 422);
    assert_eq!(call("call-0006", card(1), "away", Some("儿子说在县城")).await.json()["missing"], 1);
    let row = lead.alarms().await.into_iter().find(|row| row["condition"] == "level_guarantee").unwrap();
    assert_eq!((&row["answering"]["round"], &row["answering"]["missing"]), (&json!(id), &json!(1)));
    assert_eq!(operator.post(&format!("{path}/end"), r#"{"reason":"x"}"#).await.status, 403, "a lead's");

    // After a restart it goes on where it was; then all have answered, and it ends.
    stop(running).await;
    let running = duty_room(state.path(), &broker).await;
    let operator = Browser::log_in(&running).await;
    let round = operator.get(&path).await.json();
    assert_eq!(
        (&round["missing"], &round["list"][0]["calls"][0]["outcome"]),
        (&json!(1), &json!("no_answer"))
    );
    let body = json!({ "id": "call-0007", "card": card(0), "outcome": "visited", "at": ago(0) });
    let told = operator.post(&format!("{path}/called"), &body.to_string()).await.json();
    assert!(told["ended"].is_object() && told["ended"]["by"].is_null(), "{told}");
    let log = operator.get("/api/v1/logbook?limit=100").await.body;
    for line in ["answering.begin", "answering.called", "3-2-402 visited", "answering.end", "resident.round"]
    {
        assert!(log.contains(line), "{line} in {log}");
    }
    assert!(!log.contains("王秀英"), "the logbook has no names");
    stop(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_ends_a_round_begun_by_hand_and_a_card_that_is_gone_has_no_name() {
    let (_broker, state, running, gateway) = met().await;
    let lead = Browser::first_lead(&running, "三号楼二单元四零二").await;
    gateway.say("info", true, info(vec![station("qingshi-bridge", None)])).await;
    eventually("the station", async || lead.get("/api/v1/stations").await.body.contains("qingshi-bridge"))
        .await;
    let begin = async |reason: &str| {
        let body = json!({ "reason": reason }).to_string();
        lead.post("/api/v1/stations/qingshi-bridge/round", &body).await
    };
    assert_eq!(begin("镇里通知").await.json()["error"]["code"], "no_homes");
    ford(state.path(), &gateway, &lead).await;
    assert_eq!(begin(" ").await.json()["error"]["code"], "reason_missing");
    assert_eq!(lead.post("/api/v1/stations/nowhere/round", r#"{"reason":"x"}"#).await.status, 404);
    let homes: Vec<String> = (0..51).map(|n| n.to_string()).collect();
    assert_eq!(lead.post(ABOUT, &json!({ "homes": homes }).to_string()).await.status, 422);
    assert_eq!(begin("镇里通知").await.status, 200);
    let id = listed(&lead, 2).await;
    let round = lead.get(&format!("/api/v1/rounds/{id}")).await.json();
    let first = round["list"][0]["card"].as_i64().unwrap();
    assert_eq!(lead.post(&format!("/api/v1/residents/{first}/remove"), "{}").await.status, 200);
    let page = lead.get(&format!("/answering/{id}")).await.body;
    assert!(
        !page.contains("王秀英") && page.contains("住户卡已到期或删除") && page.contains("3-2-402"),
        "{page}"
    );
    let end = async |reason: &str| {
        lead.post(&format!("/api/v1/rounds/{id}/end"), &json!({ "reason": reason }).to_string()).await
    };
    assert_eq!(end("").await.status, 422);
    let ended = end("镇里已全部转移").await.json();
    assert_eq!((&ended["missing"], &ended["ended"]["by"]), (&json!(2), &json!("wang")));
    assert!(lead.get("/answering").await.body.contains("镇里已全部转移"));
    assert_eq!(lead.get("/api/v1/rounds/01KANEXAMP0000000000000009").await.status, 404);
    assert_eq!(lead.get("/answering/x").await.status, 404);
    stop(running).await;
}
