//! Who lives alone, on the duty room's page: somebody on watch says that a resident is in hospital, the gateway is asked,
//! and what it says is shown there and on the board.
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_message::{
    DeviceState, DeviceStateDocument, GatewayState, StateDocument, WelfareDocument, WelfarePause,
    WelfareReason, WelfareSign, WelfareStanding, to_bytes,
};
use shouwang_tests::{DutyRoom, Listener, Mosquitto, clock, wait_for, wait_until};

use crate::axe::look_at;
use crate::chromium::Chromium;

const LIMIT: Duration = Duration::from_secs(30);

fn tell(listener: &Listener, standing: WelfareStanding, pause: Option<WelfarePause>) {
    let rule = WelfareDocument {
        id: "flat-402".parse().expect("an id"),
        name: "3号楼2单元402".into(),
        sign: WelfareSign::Water,
        standing,
        window_s: 43_200,
        active_at: Some(clock::wall()),
        trickles: true,
        pause,
    };
    let state = DeviceStateDocument::new(DeviceState::Online, clock::wall(), None);
    let state = DeviceStateDocument { welfare: vec![rule], ..state };
    listener.publish("device/inputs-1/state", true, to_bytes(&state));
}

#[test]
fn a_resident_in_hospital_is_paused_by_one_form_and_the_board_says_so() {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    let at = clock::wall();
    let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at };
    listener.publish("state", true, to_bytes(&state));
    tell(&listener, WelfareStanding::Watching, None);
    wait_until(LIMIT, "the rule should be known", || room.read("/api/v1/welfare").contains("flat-402"));

    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.link());
    page.until("document.body.dataset.live === 'live'");
    page.until("document.querySelector('#welfare').checkVisibility()");
    assert_eq!(page.text("#welfare"), "平安守望 1");
    page.open(&room.page("/welfare"));
    page.until("document.querySelector('form.pause button') !== null");
    look_at(&page, "who is watched over");
    page.keep_pictures("welfare");
    // The script listens once the page is whole.
    page.until("document.readyState === 'complete'");
    page.value("document.querySelector('form.pause select').value = 'hospital'");
    page.click("form.pause button");
    let command: Value = wait_for(LIMIT, "the gateway should be asked", || listener.newest("command/pause"));
    let payload: Value = serde_json::from_str(command["payload"].as_str().unwrap_or_default()).expect("JSON");
    assert_eq!(
        (&payload["welfare"], &payload["reason"]),
        (&json!("flat-402"), &json!("hospital")),
        "{payload}"
    );

    listener.publish("reply/pause", false, json!({ "txn": payload["txn"], "ok": true }).to_string());
    let until = payload["until"].as_str().and_then(|until| until.parse().ok()).expect("a time");
    let by = payload["by"].as_str().unwrap_or_default().to_owned();
    let pause = WelfarePause { by, reason: WelfareReason::Hospital, until };
    tell(&listener, WelfareStanding::Paused, Some(pause));
    wait_until(LIMIT, "the pause should be known", || room.read("/api/v1/welfare").contains("\"paused\""));
    page.open(&room.page("/welfare"));
    page.until("document.querySelector('form.again button') !== null");
    let row = page.text("#flat-402");
    assert!(row.contains("已暂停") && row.contains("住院"), "{row}");
    look_at(&page, "who is paused");
    page.open(&room.page("/"));
    page.until("document.querySelector('#welfare').innerText.includes('暂停 1')");
    page.assert_no_errors();
}
