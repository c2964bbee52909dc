//! The ladder in a running duty room: an alarm on the broker becomes a text on somebody's phone, the case says what
//! came of it, and a killed duty room does not tell it again.
use std::path::Path;

use serde_json::{Value as Json, json};
use shouwang_duty_room::{Clock, Config, Running};

use crate::desk::*;
use crate::service::{Service, json as answer};

pub(crate) async fn with_ladder(state: &Path, broker: &Mosquitto, url: &str) -> Running {
    let text = format!(
        r#"
name = "duty-1"
state_dir = "state"
[broker]
url = "mqtt://127.0.0.1:{}"
[web]
listen = "127.0.0.1:0"
public_url = "https://duty.example"
[[channel]]
id = "sms"
kind = "sms-http"
url = "{url}/send"
fields = {{ to = "{{mobile}}", content = "{{text}}" }}
[[person]]
id = "wang"
name = "王建国"
phone = "+8613800138000"
[[responder]]
persons = ["wang"]
[escalation]
emergency = [{{ after_s = 0, tell = "sms", to = "responder" }}]
"#,
        broker.port
    );
    let config = Config::parse(&state.join("duty-room.toml"), &text).unwrap();
    let running = shouwang_duty_room::start(config, Clock::system()).await.unwrap();
    eventually("linked", async || running.is_linked()).await;
    running
}

/// What was told of the alarm, by its case.
async fn deliveries(browser: &Browser) -> Vec<Json> {
    let case = browser.get(&format!("/api/v1/cases/{SMOKE}")).await.json();
    case["deliveries"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_reaches_a_phone_and_its_case_says_so() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(vec![answer("{}")]).await;
    let running = with_ladder(state.path(), &broker, &service.url).await;
    let mut gateway = Gateway::connect(&broker).await;
    gateway.event(&raised(1)).await;
    let body: Json = serde_json::from_str(&service.next().await.body).unwrap();
    assert_eq!(body, json!({"to": "13800138000", "content": "【值班室】3号楼2单元402烟感报警,请确认"}));
    gateway.heard(1).await;
    let browser = Browser::log_in(&running).await;
    eventually("its result", async || deliveries(&browser).await[0]["result"] == "delivered").await;
    let told = deliveries(&browser).await;
    assert_eq!((&told[0]["channel"], &told[0]["to"]), (&json!("sms"), &json!("王建国")));
    assert!(told[0]["seconds"].as_f64().is_some_and(|seconds| seconds < 10.0), "{told:?}");
    let is_logged = async || browser.get("/api/v1/logbook").await.body.contains("sms 王建国: delivered");
    eventually("a line of the logbook, on disk", is_logged).await;
    drop(running);

    // Killed, and started again: nothing is told twice; the end of the alarm is told where it was told.
    let running = with_ladder(state.path(), &broker, &service.url).await;
    let over = shouwang_message::AlarmDocument { active: false, cleared_at: Some(moment()), ..smoke(2) };
    gateway.event(&event(2, shouwang_message::AlarmChange::Cleared, over)).await;
    let body: Json = serde_json::from_str(&service.next().await.body).unwrap();
    assert_eq!(body["content"], "【值班室】3号楼2单元402烟感报警已恢复15:52");
    running.stop().await.unwrap();
}
