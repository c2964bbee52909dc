//! The devices next door, over a real broker: what they said last is asked for with the alarm and shown with its age.
use std::collections::BTreeMap;

use shouwang_message::*;

use crate::desk::*;

pub(crate) fn place(room: &str) -> Place {
    let some = |text: &str| Some(text.to_owned());
    Place { building: some("3"), entrance: some("2"), room: some(room), ..Place::default() }
}

pub(crate) fn info() -> InfoDocument {
    let device = |name: &str, room: &str| DeviceInfo {
        id: id(name),
        line: id("b3"),
        unit_id: 1,
        profile: "renke-rs-yg-n01".into(),
        class: Class::Smoke,
        title: Text::new("烟感", "Smoke"),
        place: place(room),
        proven_at: None,
    };
    InfoDocument {
        name: "七号网关".into(),
        version: "0.1.0".into(),
        log: LOG.parse().unwrap(),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices: vec![
            device("smoke-3-2-402", "402"),
            device("smoke-3-2-403", "403"),
            device("smoke-3-2-302", "302"),
            device("smoke-3-2-1202", "1202"),
        ],
        stations: vec![],
        walk: None,
    }
}

pub(crate) fn values() -> Vec<u8> {
    let value = PointValue { value: Some(Value::Bool(false)), unit: None, quality: Quality::Good, why: None };
    to_bytes(&ValuesDocument { at: moment(), values: BTreeMap::from([("smoke".to_owned(), value)]) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_room_next_door_is_asked_for_with_the_alarm() {
    let broker = Mosquitto::start().await;
    let mut gateway = Gateway::connect(&broker).await;
    // The broker has kept one from before: that one is no present.
    gateway.say("device/smoke-3-2-302/values", true, values()).await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    gateway.say("info", true, to_bytes(&info())).await;
    gateway.event(&event(1, AlarmChange::Raised, AlarmDocument { place: place("402"), ..smoke(1) })).await;
    gateway.say("device/smoke-3-2-403/values", true, values()).await;
    gateway.heard(1).await;
    let mut near = Vec::new();
    eventually("the room next door is known", async || {
        let answer = browser.get(&format!("/api/v1/devices?near={SMOKE}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        near = answer.json()["items"].as_array().unwrap().clone();
        near.first().is_some_and(|one| one["fresh"] == true)
    })
    .await;
    assert_eq!((&near[0]["relation"], &near[0]["standing"]), (&"next_door".into(), &"normal".into()));
    assert_eq!(near[0]["values"]["smoke"], serde_json::json!({"value": false, "quality": "good"}));
    assert_eq!((&near[1]["relation"], &near[1]["stale"]), (&"below".into(), &"kept".into()));
    assert_eq!(near.len(), 2);

    let all = browser.get("/api/v1/devices").await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    for (path, status) in [("near=01KANEXAMP0000000000000009", 404), ("near=x%27", 404)] {
        assert_eq!(browser.get(&format!("/api/v1/devices?{path}")).await.status, status, "{path}");
    }
    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    assert_eq!(stranger.get("/api/v1/devices").await.status, 401);
    running.stop().await.unwrap();
}
