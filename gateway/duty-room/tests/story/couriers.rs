//! 流动哨兵 in a running duty room: a link that can report and nothing else, a queue in which a person decides, and a
//! photo; forged links, floods and what is no picture are refused, and looking changes nothing.
use serde_json::{Value as Json, json};
use shouwang_message::Timestamp;

use crate::desk::*;
use crate::stations::ago;

/// The path of a new report-only link.
async fn link(lead: &Browser, name: &str) -> String {
    let made = lead.post("/api/v1/couriers", &json!({ "name": name }).to_string()).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.json()["qr"]["path"].is_string());
    let url = made.json()["url"].as_str().unwrap().to_owned();
    url[url.find("/report/").unwrap()..].to_owned()
}

fn tip(id: &str, at: Timestamp) -> Json {
    json!({ "id": id, "words": "桥洞下积水", "place": "青石路口", "lat": 28.0, "lon": 120.7, "at": at })
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([x as u8, y as u8, 90]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn send_photo(browser: &Browser, path: &str, bytes: &[u8]) -> u16 {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: image/png\r\n",
        browser.address
    );
    browser.ask_bytes(&head, bytes.len(), bytes).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_courier_saw_waits_for_a_person_and_becomes_a_case_with_its_photo() {
    let (broker, state, running, _gateway) = met().await;
    let lead = Browser::first_lead(&running, "三号楼二单元四零二").await;
    let courier = Browser { address: running.web.to_string(), cookie: String::new() };
    let path = link(&lead, "美团小李").await;
    let page = courier.get(&path).await;
    assert!(page.status == 200 && page.body.contains("id=\"report\"") && !page.body.contains("王班长"));
    let at = ago(2);
    let sent = courier.post(&path, &tip("phone-0001", at).to_string()).await;
    assert_eq!((sent.status, &sent.json()["state"]), (201, &json!("waiting")), "{}", sent.body);
    let again = courier.post(&path, &tip("phone-0001", at).to_string()).await;
    assert_eq!((again.status, &again.json()["repeated"]), (200, &json!(true)));
    let photo = format!("{path}/phone-0001/photo?at={at}&lat=28.0&lon=120.7");
    assert_eq!(send_photo(&courier, &photo, b"GIF89a no").await, 415);
    assert_eq!(send_photo(&courier, &photo, &png()).await, 201);
    assert_eq!(send_photo(&courier, &photo, &png()).await, 200, "one is enough");
    let elses = format!("{path}/phone-0009/photo?at={at}");
    assert_eq!(send_photo(&courier, &elses, &png()).await, 404);
    assert_eq!(lead.alarms().await, Vec::<Json>::new(), "never in the list of alarms");
    assert_eq!(lead.get("/api/v1/triage").await.json()["waiting"][0]["place"], "青石路口");
    assert_eq!(courier.get("/api/v1/triage").await.status, 401, "the link reports and sees nothing");

    // It waits over a restart, and the link is as good as before.
    running.stop().await.unwrap();
    let running = duty_room(state.path(), &broker).await;
    let operator = Browser::log_in(&running).await;
    let courier = Browser { address: running.web.to_string(), cookie: String::new() };
    assert_eq!(courier.post(&path, &tip("phone-0001", at).to_string()).await.status, 200);
    let queue = operator.get("/api/v1/triage").await.json();
    let id = queue["waiting"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(queue["waiting"].as_array().unwrap().len(), 1);
    let shown = operator.get("/triage").await.body;
    assert!(
        shown.contains("青石路口") && shown.contains("美团小李") && shown.contains("道路积水"),
        "{shown}"
    );
    let case = json!({ "kind": "flooded_road", "grid": "HP-07" }).to_string();
    let made = operator.post(&format!("/api/v1/triage/{id}/case"), &case).await.json();
    assert_eq!((&made["id"], &made["state"]), (&json!(id), &json!("accepted")), "{made}");
    assert_eq!(made["photos"].as_array().unwrap().len(), 1);
    let second = operator.post(&format!("/api/v1/triage/{id}/case"), &case).await;
    assert_eq!((second.status, &second.json()["error"]["code"]), (409, &json!("decided")));
    let rows = operator.alarms().await;
    assert_eq!((rows.len(), &rows[0]["condition"]), (1, &json!("report_flooded_road")));
    assert_eq!(courier.post(&path, &tip("phone-0001", at).to_string()).await.json()["state"], "case");
    let log = operator.get("/api/v1/logbook?limit=100").await.body;
    for what in ["courier.link", "triage.tell", "triage.case", "case.report"] {
        assert!(log.contains(what), "{what} in {log}");
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_links_floods_and_nonsense_are_refused_and_a_link_is_taken_back() {
    let (_broker, state, running, _gateway) = met().await;
    let lead = Browser::first_lead(&running, "三号楼二单元四零二").await;
    let courier = Browser { address: running.web.to_string(), cookie: String::new() };
    let path = link(&lead, "流动摊").await;
    for name in ["", " ", &"长".repeat(41)] {
        assert_eq!(lead.post("/api/v1/couriers", &json!({ "name": name }).to_string()).await.status, 422);
    }
    let forged = "/report/0123456789abcdef0123456789abcdef";
    assert_eq!(courier.get(forged).await.status, 404);
    assert_eq!(courier.post(forged, &tip("phone-0001", ago(1)).to_string()).await.status, 404);
    for (body, status) in [
        (json!({ "id": "x", "place": "路口", "at": ago(1) }), 422),
        (json!({ "id": "phone-0001", "place": " ", "at": ago(1) }), 422),
        (json!({ "id": "phone-0001", "place": "路口", "at": ago(-9) }), 422),
        (json!({ "id": "phone-0001", "place": "长".repeat(201), "at": ago(1) }), 422),
        (json!({ "id": "phone-0001", "place": "路口", "at": ago(1), "kind": "fire" }), 422),
        (json!({ "place": "路口" }), 422),
    ] {
        let answer = courier.post(&path, &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    for n in 0..6 {
        let answer = courier.post(&path, &tip(&format!("phone-{n:04}"), ago(1)).to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    let more = courier.post(&path, &tip("phone-0007", ago(1)).to_string()).await;
    assert_eq!((more.status, &more.json()["error"]["code"]), (429, &json!("slow_down")), "sent again later");
    let queue = lead.get("/api/v1/triage").await.json();
    let id = queue["waiting"][0]["id"].as_str().unwrap();
    let dismiss = async |reason: &str| {
        lead.post(&format!("/api/v1/triage/{id}/dismiss"), &json!({ "reason": reason }).to_string()).await
    };
    assert_eq!(dismiss(" ").await.status, 422);
    assert_eq!(dismiss("已派人看过").await.json()["state"], "dismissed");
    assert!(lead.get("/triage").await.body.contains("已派人看过"));

    let names = lead.get("/api/v1/couriers").await;
    assert!(names.body.contains("流动摊") && !names.body.contains(&path[8..]), "no token is told twice");
    let database = std::fs::read(state.path().join("duty-room.db")).unwrap();
    assert!(!database.windows(32).any(|part| part == &path.as_bytes()[8..40]), "nor is it on disk");
    let revoke = json!({ "name": "流动摊" }).to_string();
    assert_eq!(lead.post("/api/v1/couriers/revoke", &revoke).await.status, 200);
    assert_eq!(lead.post("/api/v1/couriers/revoke", &revoke).await.status, 404);
    assert_eq!(courier.get(&path).await.status, 410);
    assert_eq!(courier.post(&path, &tip("phone-0008", ago(1)).to_string()).await.status, 410);
    running.stop().await.unwrap();
}
