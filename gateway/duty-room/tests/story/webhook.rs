//! Another program hears every event: the bytes that the gateway told, signed, in order, again until taken, and
//! after a restart from where it ended.
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shouwang_duty_room::{Clock, Config, Running};
use shouwang_message::*;

use crate::desk::*;
use crate::service::{Reply, Request, Service};

const TYPE: &str = "application/cloudevents+json; charset=utf-8";

fn taken() -> Reply {
    Reply::Http(204, "", String::new())
}

/// The configuration as a person writes it.
async fn with_webhook(state: &Path, broker: &Mosquitto, url: &str) -> Running {
    let secret = state.join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://127.0.0.1:{}\"\n[web]\nlisten = \
         \"127.0.0.1:0\"\n[[channel]]\nid = \"platform\"\nkind = \"webhook\"\nurl = \"{url}/events?town=7\"\n\
         secret_file = \"secret\"\n",
        broker.port
    );
    let config = Config::parse(&state.join("duty-room.toml"), &text).unwrap();
    let running = shouwang_duty_room::start(config, Clock::system()).await.unwrap();
    eventually("linked", async || running.is_linked()).await;
    running
}

/// The body, once the request is what was promised.
fn checked(request: &Request) -> Vec<u8> {
    assert_eq!(request.line, "POST /events?town=7 HTTP/1.1");
    assert_eq!(request.header("content-type"), Some(TYPE));
    let signature = request.header("x-shouwang-signature").expect("signed");
    let (seconds, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"correct horse");
    let wanted = ring::hmac::sign(&key, format!("{seconds}.{}", request.body).as_bytes());
    let wanted: String = wanted.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(tag, wanted);
    assert!(seconds.parse::<i64>().unwrap().abs_diff(Clock::system().wall().unix_ms() / 1_000) < 60);
    request.body.clone().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_once_in_order_from_now_on() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::connect(&broker).await;
    // What was heard before there was a webhook is not told.
    let running = duty_room(&state.path().join("state"), &broker).await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    running.stop().await.unwrap();

    let service = Service::start(vec![taken()]).await;
    let running = with_webhook(state.path(), &broker, &service.url).await;
    // Once its cursor stands, what comes is told.
    let cursor = state.path().join("state/webhook-platform.json");
    eventually("a cursor", async || cursor.exists()).await;
    gateway.event(&raised(2)).await;
    assert_eq!(checked(&service.next().await), to_bytes(&raised(2)));
    // A server in trouble gets the same event again, before the next.
    service.then(vec![Reply::Http(500, "", String::new()), taken()]);
    gateway.event(&raised(3)).await;
    gateway.event(&raised(4)).await;
    for sequence in [3, 3, 4] {
        assert_eq!(checked(&service.next().await), to_bytes(&raised(sequence)));
    }
    let text = async || std::fs::read_to_string(&cursor).unwrap();
    eventually("told up to 4", async || text().await == format!("{{\"heping/gw-1/{LOG}\":4}}")).await;
    running.stop().await.unwrap();

    // What is heard while the receiver is away waits for it, also through a restart.
    service.then(vec![Reply::Reset]);
    let running = with_webhook(state.path(), &broker, &service.url).await;
    gateway.event(&raised(5)).await;
    for _ in 0..2 {
        assert_eq!(checked(&service.next().await), to_bytes(&raised(5)));
    }
    let browser = Browser::log_in(&running).await;
    let is_told = async || {
        let logbook = browser.get("/api/v1/logbook").await.json();
        let lines = logbook["items"].as_array().unwrap().clone();
        let about = format!("heping/gw-1/{LOG}/5");
        lines.iter().any(|line| line["what"] == "webhook.failing" && line["about"] == about.as_str())
    };
    eventually("told in the logbook", is_told).await;
    running.stop().await.unwrap();
    service.then(vec![taken()]);
    let running = with_webhook(state.path(), &broker, &service.url).await;
    assert_eq!(checked(&service.next().await), to_bytes(&raised(5)));
    gateway.event(&raised(6)).await;
    assert_eq!(checked(&service.next().await), to_bytes(&raised(6)));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_read_off_the_staff_is_told_and_in_the_history_like_any_alarm() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let gateway = Gateway::connect(&broker).await;
    let service = Service::start(vec![taken()]).await;
    let running = with_webhook(state.path(), &broker, &service.url).await;
    eventually("a cursor", async || state.path().join("state/webhook-platform.json").exists()).await;
    let station = crate::stations::station("qingshi-bridge", None);
    gateway.say("info", true, crate::stations::info(vec![station])).await;
    let browser = Browser::log_in(&running).await;
    let is_there =
        async || browser.get("/api/v1/stations").await.json()["items"][0]["id"] == "qingshi-bridge";
    eventually("the station", is_there).await;
    let at = crate::stations::ago(1);
    let reading = serde_json::json!({ "id": "phone-0001-aaaa", "stage_m": 3.85, "at": at.to_string() });
    let answer = browser.post("/api/v1/stations/qingshi-bridge/readings", &reading.to_string()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);

    let told: Event = from_bytes(&checked(&service.next().await)).unwrap();
    let EventData::Alarm(AlarmChange::Raised, document) = &told.data else { panic!("{told:?}") };
    assert_eq!((document.condition.as_str(), told.sequence), ("level_guarantee", 1));
    assert_eq!((told.gateway.as_str(), told.subject.as_str()), ("duty-1", "qingshi-bridge"));
    for list in ["/api/v1/alarms?state=all", "/api/v1/alarms?state=all&device=qingshi-bridge"] {
        let items = browser.get(list).await.json()["items"].clone();
        let conditions: Vec<_> = items.as_array().unwrap().iter().map(|item| &item["condition"]).collect();
        assert!(conditions.iter().any(|condition| *condition == "level_guarantee"), "{list}: {items}");
    }
    running.stop().await.unwrap();
}
