//! Somebody who lives alone goes to hospital: the page says how the rule stands, the gateway is asked to pause it, and
//! what it answers is shown.
use serde_json::json;
use shouwang_message::*;

use crate::desk::*;

pub(crate) fn inputs(standing: WelfareStanding, pause: Option<WelfarePause>) -> Vec<u8> {
    let rule = WelfareDocument {
        id: id("flat-402"),
        name: "3号楼2单元402".into(),
        sign: WelfareSign::Water,
        standing,
        window_s: 43_200,
        active_at: Some(moment()),
        trickles: true,
        pause,
    };
    let state = DeviceStateDocument::new(DeviceState::Online, moment(), None);
    to_bytes(&DeviceStateDocument { welfare: vec![rule], ..state })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_goes_to_the_gateway_and_what_it_says_is_on_the_page() {
    let (_broker, _state, running, mut gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    gateway.say("device/inputs-1/state", true, inputs(WelfareStanding::Watching, None)).await;
    let item = async || browser.get("/api/v1/welfare").await.json()["items"][0].clone();
    eventually("the rule", async || item().await["standing"] == "watching").await;
    let page = browser.get("/welfare").await;
    assert_eq!(page.status, 200);
    for said in ["3号楼2单元402", "守望中", "可能漏水", "name=\"until\"", "/assets/welfare.js"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }

    let until = crate::stations::ago(-60 * 24 * 3);
    let body = json!({ "reason": "hospital", "until": until.to_string() }).to_string();
    let unknown = browser.post("/api/v1/welfare/flat-999/pause", &body).await;
    assert_eq!(unknown.json()["error"]["code"], "unknown_welfare", "{}", unknown.body);
    for wrong in [r#"{"reason":"ill"}"#, r#"{"until":null}"#, r#"{"reason":"away","until":"soon"}"#] {
        let answer = browser.post("/api/v1/welfare/flat-402/pause", wrong).await;
        assert!((400..=422).contains(&answer.status), "{wrong}: {}", answer.body);
    }
    let answer = browser.post("/api/v1/welfare/flat-402/pause", &body).await;
    assert_eq!((answer.status, &answer.json()["pending"]), (200, &json!(true)), "{}", answer.body);
    let payload = gateway.command(CommandName::Pause).await;
    assert_eq!((payload.welfare, payload.reason.as_deref()), (Some(id("flat-402")), Some("hospital")));
    assert_eq!(payload.until, Some(until));
    assert_eq!(item().await["pending"]["reason"], "hospital");

    gateway.say("reply/pause", false, to_bytes(&Reply { txn: payload.txn, ok: true, error: None })).await;
    let pause = WelfarePause { by: payload.by, reason: WelfareReason::Hospital, until };
    gateway.say("device/inputs-1/state", true, inputs(WelfareStanding::Paused, Some(pause))).await;
    eventually("paused", async || item().await["standing"] == "paused").await;
    let page = browser.get("/welfare").await.body;
    assert!(page.contains("住院 · 到 ") && page.contains("已回来,恢复守望"), "{page}");
    let logbook = browser.get("/api/v1/logbook").await.json();
    let lines = logbook["items"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["what"] == "welfare.pause"), "{logbook}");
    running.stop().await.unwrap();
}
