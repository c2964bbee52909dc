//! Cases and the logbook through the API of a running duty room: steps, races, refusals, restarts, and a logbook
//! that shows when somebody changed it.
use serde_json::{Value as Json, json};
use shouwang_duty_room::logbook::{VerifyError, verify};
use shouwang_message::*;

use crate::desk::*;

fn path(verb: &str) -> String {
    format!("/api/v1/cases/{SMOKE}/{verb}")
}

/// The state of the case after a step, or `STATUS code` of a refusal.
async fn step(browser: &Browser, verb: &str, body: Json) -> String {
    let answer = browser.post(&path(verb), &body.to_string()).await;
    let json = answer.json();
    match answer.status {
        200 if json["already"].is_null() => json["state"].as_str().unwrap().to_owned(),
        200 => format!("already by {}", json["already"]["by"].as_str().unwrap()),
        status => {
            assert!(json["error"]["text"]["zh"].is_string() && json["error"]["text"]["en"].is_string());
            format!("{status} {}", json["error"]["code"].as_str().unwrap())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_worked_closed_and_survives_a_kill() {
    let (broker, state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    browser.alarms_when(|alarms| alarms.iter().any(|row| row["case"] == "new")).await;
    assert_eq!(step(&browser, "handle", json!({"conclusion": "real"})).await, "409 not_accepted");
    browser.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await;
    assert_eq!(step(&browser, "accept", json!({})).await, "already by operator");
    assert_eq!(step(&browser, "dispatch", json!({"to": "网格员王", "note": "带钥匙"})).await, "dispatched");
    assert_eq!(step(&browser, "dispatch", json!({"to": "网格员王"})).await, "already by operator");
    assert_eq!(step(&browser, "receive", json!({})).await, "dispatched");
    assert_eq!(step(&browser, "whistle", json!({"departments": ["消防", "燃气"]})).await, "dispatched");
    assert_eq!(step(&browser, "report-in", json!({"department": "燃气"})).await, "dispatched");
    assert_eq!(step(&browser, "report-in", json!({"department": "城管"})).await, "409 not_called");
    drop(running);

    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    browser.alarms_when(|alarms| alarms.iter().any(|row| row["case"] == "dispatched")).await;
    assert_eq!(step(&browser, "arrive", json!({"person": "网格员王"})).await, "on_site");
    let closed = json!({"conclusion": "false_alarm"});
    assert_eq!(step(&browser, "close", closed).await, "422 reason_missing");
    let handled = json!({"conclusion": "real", "note": "油锅起火,已灭", "occurrence": 1});
    assert_eq!(step(&browser, "handle", handled).await, "handled");
    assert_eq!(step(&browser, "rate", json!({"stars": 4})).await, "rated");
    let open = browser.get("/api/v1/cases").await.json();
    assert_eq!((open["items"].as_array().unwrap().len(), &open["items"][0]["stars"]), (1, &4.into()));
    assert_eq!(step(&browser, "close", json!({})).await, "closed");
    assert_eq!(browser.get("/api/v1/cases?state=open").await.json(), json!({"items": []}));
    let all = browser.get("/api/v1/cases?state=all").await.json();
    assert_eq!(all["items"][0], browser.get(&format!("/api/v1/cases/{SMOKE}")).await.json());
    // The alarm is as open as it was.
    assert_eq!(browser.alarms().await[0]["active"], true);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_steps_get_a_reason_and_change_nothing() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    for (verb, body, refused) in [
        ("dispatch", json!({}), "422 to_missing"),
        ("dispatch", json!({"to": "  "}), "422 to_missing"),
        ("dispatch", json!({"to": "x".repeat(201)}), "422 too_long_text"),
        ("handle", json!({}), "422 conclusion_missing"),
        ("handle", json!({"conclusion": "nothing"}), "422 json"),
        ("rate", json!({"stars": 6}), "422 stars"),
        ("whistle", json!({"departments": [""]}), "422 departments_missing"),
        ("report-in", json!({}), "422 department_missing"),
        ("accept", json!({"stars": 3}), "422 field"),
        ("accept", json!({"call_back": "perhaps"}), "422 json"),
        ("accept", json!({"unknown": 1}), "422 json"),
        ("delete", json!({}), "404 not_found"),
        ("reopen", json!({}), "404 not_found"),
    ] {
        assert_eq!(step(&browser, verb, body.clone()).await, refused, "{verb} {body}");
    }
    browser.alarms_when(|alarms| alarms.iter().any(|row| row["case"] == "new")).await;
    for id in [AlarmId::from_parts(1, 1).to_string(), "nonsense".into()] {
        let answer = browser.post(&format!("/api/v1/cases/{id}/accept"), "{}").await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"unknown_case".into()));
        assert_eq!(browser.get(&format!("/api/v1/cases/{id}")).await.status, 404);
    }
    let web = running.web;
    let foreign = format!(
        "POST {} HTTP/1.1\r\nHost: {web}\r\nOrigin: http://evil.example\r\nContent-Type: application/json\r\n",
        path("accept")
    );
    assert_eq!(browser.ask(&foreign, "{}").await.status, 403);
    let stranger = Browser { address: web.to_string(), cookie: String::new() };
    assert_eq!(stranger.post(&path("accept"), "{}").await.status, 401);
    for page in ["/api/v1/cases", "/api/v1/logbook", "/api/v1/logbook.csv"] {
        assert_eq!(stranger.get(page).await.status, 401, "{page}");
        let delete = format!("DELETE {page} HTTP/1.1\r\nHost: {web}\r\nOrigin: http://{web}\r\n");
        assert_eq!(browser.ask(&delete, "").await.status, 405, "{page}");
    }
    assert_eq!(browser.get("/api/v1/cases?state=closed").await.status, 422);
    assert_eq!(browser.get("/api/v1/logbook?limit=0").await.status, 422);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_at_once_have_one_first() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    let claim = |person: &str| json!({ "person": person });
    let (one, other) =
        tokio::join!(step(&browser, "claim", claim("王")), step(&browser, "claim", claim("李")));
    let mut said = [one, other];
    said.sort();
    assert_eq!(said, ["already by operator", "dispatched"]);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_logbook_tells_everything_once_and_shows_when_it_was_changed() {
    let (_broker, state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    browser.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await;
    step(&browser, "dispatch", json!({"to": "网格员王", "note": "=带钥匙"})).await;
    let page = browser.get("/api/v1/logbook?limit=3").await.json();
    let told: Vec<_> = page["items"].as_array().unwrap().iter().map(|line| &line["what"]).collect();
    assert_eq!(json!(told), json!(["case.dispatch", "case.accept", "alarm.acknowledge"]));
    let newest = &page["items"][0];
    assert_eq!((&newest["from"], &newest["by"]), (&"127.0.0.1".into(), &"operator".into()));
    assert_eq!((&newest["old"], &newest["new"]), (&"accepted".into(), &"dispatched (网格员王)".into()));
    assert_eq!((&newest["hash"], &newest["previous"]), (&page["head"]["hash"], &page["items"][1]["hash"]));
    let first = browser.get(&format!("/api/v1/logbook?before={}", page["next"])).await.json();
    assert_eq!((&first["items"][0]["what"], &first["next"]), (&"login".into(), &Json::Null));

    let csv = browser.get("/api/v1/logbook.csv").await;
    assert!(csv.head.contains("content-type: text/csv"));
    for part in ["\u{feff}编号 number", ",'=带钥匙,", ",dispatched (网格员王),", ",login,"] {
        assert!(csv.body.contains(part), "{part} in {}", csv.body);
    }

    // While it runs, and after it has ended.
    let sound = verify(state.path()).unwrap();
    assert_eq!((sound.lines, Json::from(sound.last_hash)), (4, page["head"]["hash"].clone()));
    running.stop().await.unwrap();
    assert_eq!(verify(state.path()).unwrap().lines, 4);
    let database = rusqlite::Connection::open(state.path().join("duty-room.db")).unwrap();
    let edit = "UPDATE logbook SET line = replace(line, 'operator', 'somebody') WHERE number = 2";
    assert_eq!(database.execute(edit, []).unwrap(), 1);
    drop(database);
    let broken = verify(state.path()).unwrap_err();
    assert!(matches!(broken, VerifyError::Broken { line: 2, .. }), "{broken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_the_version_before_gets_a_logbook() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    running.stop().await.unwrap();
    let database = rusqlite::Connection::open(state.path().join("duty-room.db")).unwrap();
    let before = "DROP TABLE logbook; DROP TABLE logbook_head; DROP TABLE account; DROP TABLE session; PRAGMA user_version = 1;";
    database.execute_batch(before).unwrap();
    drop(database);
    assert!(matches!(verify(state.path()), Err(VerifyError::Missing(_))));
    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    let written = async || !browser.get("/api/v1/logbook").await.json()["items"][0].is_null();
    eventually("the log-in is in the logbook", written).await;
    running.stop().await.unwrap();
    assert_eq!(verify(state.path()).unwrap().lines, 1);
}
