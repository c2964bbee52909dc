//! Grid workers on their phones: a link for one person and one case, a personal page, a report that becomes a case, and a
//! task for many; and what strangers, old links and bad uploads come to.
use std::io::Cursor;

use serde_json::{Value as Json, json};
use shouwang_board::organisation::{Organisation, Person};
use shouwang_duty_room::{Clock, Running};

use crate::desk::*;
use crate::ladder::with_ladder;
use crate::service::Service;

/// A duty room at noon that knows two grid workers.
async fn room() -> (Running, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let person = |name: &str, called: &str| Person {
        id: id(name),
        name: called.into(),
        phone: None,
        wecom: None,
        role: Some(id("grid-worker")),
        of: Some(id("hp-07")),
    };
    let persons = vec![person("wang", "王网格"), person("li", "李网格")];
    let organisation = Organisation { persons, ..Organisation::default() };
    let config = shouwang_duty_room::Config { organisation, ..config(state.path(), 1) };
    (shouwang_duty_room::start(config, Clock::at_hour(12)).await.unwrap(), state)
}

fn stranger(running: &Running) -> Browser {
    Browser { address: running.web.to_string(), cookie: String::new() }
}

fn flooded(id: &str) -> Json {
    flooded_at(id, &Clock::at_hour(12))
}

fn flooded_at(id: &str, clock: &Clock) -> Json {
    let at = clock.wall();
    json!({ "id": id, "kind": "flooded_road", "words": "水到膝盖", "place": "青石桥下穿", "at": at.to_string() })
}

/// The path of an address of this room.
fn path_of(running: &Running, url: &Json) -> String {
    let own = format!("http://{}", running.web);
    url.as_str().unwrap().strip_prefix(&own).unwrap_or_else(|| panic!("{url} is elsewhere")).to_owned()
}

fn picture() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(320, 240, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
    bytes
}

impl Browser {
    fn head(&self, path: &str, kind: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: {kind}\r\n",
            self.address
        )
    }

    /// A pressed button.
    async fn press(&self, path: &str) -> Answer {
        self.ask(&self.head(path, "application/x-www-form-urlencoded"), "").await
    }

    /// A form as a browser without scripts sends it.
    async fn form(&self, path: &str, fields: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in fields {
            body.extend(
                format!("--b7\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").into_bytes(),
            );
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b7--\r\n");
        self.ask_bytes(&self.head(path, "multipart/form-data; boundary=b7"), body.len(), &body).await
    }

    /// What is no text.
    async fn bytes_at(&self, path: &str) -> Answer {
        self.ask_bytes(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address), 0, &[]).await
    }

    async fn case(&self, id: &str) -> Json {
        self.get(&format!("/api/v1/cases/{id}")).await.json()
    }

    async fn reported(&self, report: &Json) -> String {
        let answer = self.post("/api/v1/reports", &report.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    async fn step_of(&self, case: &str, verb: &str, body: Json) -> Json {
        let answer = self.post(&format!("/api/v1/cases/{case}/{verb}"), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{verb}: {}", answer.body);
        answer.json()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_sent_presses_three_buttons_and_needs_nothing_else() {
    let (running, state) = room().await;
    let desk = Browser::log_in(&running).await;
    let phone = stranger(&running);
    let case = desk.reported(&flooded("desk-0001")).await;
    let sent = desk.step_of(&case, "dispatch", json!({ "to": "王网格" })).await;
    let link = path_of(&running, &sent["links"][0]["url"]);
    assert!(sent["links"][0]["qr"]["path"].is_string() && link.starts_with("/link/"), "{sent}");

    // Chats look at links before people do.
    let before = desk.case(&case).await;
    for _ in 0..3 {
        let page = phone.get(&link).await;
        assert_eq!(page.status, 200);
        assert!(
            page.head.contains("form-action 'self'") && page.head.contains("referrer-policy: same-origin")
        );
        assert!(page.head.contains("cache-control: no-store") && !page.body.contains("<script"));
        assert!(
            page.body.contains("青石桥下穿")
                && page.body.contains("tel:119")
                && page.body.contains("uri.amap.com")
        );
        assert!(page.body.len() <= 50 * 1_024, "{} bytes", page.body.len());
    }
    assert_eq!(desk.case(&case).await, before);

    assert_eq!(phone.press(&format!("{link}/receive")).await.status, 303);
    assert_eq!(phone.press(&format!("{link}/receive")).await.status, 303, "pressed twice is no mistake");
    let known = desk.case(&case).await;
    assert_eq!(known["dispatched"][0]["answered"]["person"], "王网格");
    assert_eq!(phone.press(&format!("{link}/arrive")).await.status, 303);
    assert_eq!(desk.case(&case).await["state"], "on_site");

    // What is no picture concludes nothing.
    let handle = format!("{link}/handle");
    let bad = phone.form(&handle, &[("result", b"real"), ("photo", b"GIF89a no")]).await;
    assert_eq!(bad.status, 415, "{}", bad.body);
    let without = phone.form(&handle, &[("result", b"")]).await;
    assert_eq!(without.status, 422, "{}", without.body);
    assert_eq!(phone.form(&handle, &[("result", b"false_alarm")]).await.status, 422, "a reason is needed");
    let length = 9 * 1_024 * 1_024;
    let head = phone.head(&handle, "multipart/form-data; boundary=b7");
    assert_eq!(phone.ask_bytes(&head, length, &vec![b'x'; length]).await.status, 413);
    assert_eq!(desk.case(&case).await["state"], "on_site");
    let done = phone
        .form(&handle, &[("result", b"real"), ("words", "水已抽干".as_bytes()), ("photo", &picture())])
        .await;
    assert_eq!(done.status, 303, "{}", done.body);
    let known = desk.case(&case).await;
    assert_eq!(
        (&known["state"], &known["steps"].as_array().unwrap().last().unwrap()["note"]),
        (&json!("handled"), &json!("水已抽干"))
    );
    let photo = known["photos"][0].as_str().unwrap();
    let shown = desk.bytes_at(&format!("/api/v1/cases/{case}/photos/{photo}")).await;
    assert!(shown.status == 200 && shown.head.contains("image/jpeg"), "{}", shown.head);
    assert_eq!(desk.get(&format!("/api/v1/cases/{case}/photos/{case}-0000000000000000")).await.status, 404);

    // 销号 ends the link; no token is in the logbook or on the disk.
    desk.step_of(&case, "close", json!({})).await;
    let over = phone.get(&link).await;
    assert!(over.status == 410 && over.body.contains("已销号"), "{} {}", over.status, over.body);
    assert_eq!(phone.press(&format!("{link}/arrive")).await.status, 410);
    let token = link.strip_prefix("/link/").unwrap().to_owned();
    assert!(!desk.get("/api/v1/logbook").await.body.contains(&token));
    running.stop().await.unwrap();
    for entry in std::fs::read_dir(state.path()).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let has = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!has, "{:?} has the token", entry.path());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_expired_and_revoked_links_say_so_in_one_sentence() {
    let (running, state) = room().await;
    let desk = Browser::log_in(&running).await;
    let phone = stranger(&running);
    let case = desk.reported(&flooded("desk-0001")).await;
    let sent = desk.step_of(&case, "dispatch", json!({ "to": "王网格" })).await;
    let link = path_of(&running, &sent["links"][0]["url"]);
    let other = desk.step_of(&case, "dispatch", json!({ "to": "李网格" })).await;
    let other = path_of(&running, &other["links"][0]["url"]);
    // One's link is one's own: what is pressed there is of nobody else.
    phone.press(&format!("{other}/receive")).await;
    let known = desk.case(&case).await;
    assert!(known["dispatched"][0]["answered"].is_null() && known["dispatched"][1]["answered"].is_object());
    assert_eq!(phone.press(&format!("{link}/close")).await.status, 404, "no such button");
    // The token of a link opens no personal page.
    assert_eq!(phone.get(&link.replace("/link/", "/mine/")).await.status, 404);

    let database = rusqlite::Connection::open(state.path().join("duty-room.db")).unwrap();
    database.execute("UPDATE ticket SET ends_ms = made_ms WHERE person = '王网格'", []).unwrap();
    database.execute("UPDATE ticket SET revoked_ms = made_ms WHERE person = '李网格'", []).unwrap();
    for (path, words) in [(&link, "已过期"), (&other, "已停用")] {
        let answer = phone.get(path).await;
        assert!(answer.status == 410 && answer.body.contains(words), "{} {}", answer.status, answer.body);
        assert_eq!(phone.press(&format!("{path}/arrive")).await.status, 410);
    }
    assert_eq!(desk.case(&case).await["state"], "dispatched");

    // Guesses are few; who is not from there, or has a good link, goes on.
    let mut told = Vec::new();
    for n in 0..40 {
        let answer = phone.get(&format!("/link/{n:032x}")).await;
        assert!(answer.body.contains("<!DOCTYPE html>") && !answer.body.contains("error"));
        told.push(answer.status);
    }
    assert!(told.starts_with(&[404, 404, 404]) && told.ends_with(&[429, 429]), "{told:?}");
    let again = desk.step_of(&case, "dispatch", json!({ "to": "王网格" })).await;
    let link = path_of(&running, &again["links"][0]["url"]);
    assert_eq!(phone.get(&link).await.status, 200);
    // A page elsewhere presses nothing.
    let head = phone
        .head(&format!("{link}/arrive"), "text/plain")
        .replace("Origin: http://", "Origin: http://evil.");
    assert_eq!(phone.ask(&head, "").await.status, 403);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_personal_page_stands_until_it_is_taken_back_and_reports_once() {
    let (running, _state) = room().await;
    let lead = Browser::first_lead(&running, "correct horse").await;
    let desk = Browser::log_in(&running).await;
    let phone = stranger(&running);
    assert_eq!(desk.post("/api/v1/pages/wang/make", "{}").await.status, 403, "an operator makes none");
    assert_eq!(lead.post("/api/v1/pages/nobody/make", "{}").await.status, 404);
    let made = lead.post("/api/v1/pages/wang/make", "{}").await.json();
    let mine = path_of(&running, &made["url"]);
    let list = lead.get("/api/v1/pages").await.json();
    assert!(list["items"][0]["page"].is_object() && list["items"][1]["page"].is_null(), "{list}");
    let page = phone.get(&mine).await;
    assert_eq!(page.status, 200);
    let weight = page.body.len()
        + phone.get("/assets/worker.css").await.body.len()
        + phone.get("/assets/mine.js").await.body.len()
        + phone.get("/assets/outbox.js").await.body.len();
    assert!(weight <= 50 * 1_024, "{weight} bytes");

    let report = flooded("phone-0001").to_string();
    let first = phone.post(&format!("{mine}/report"), &report).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let case = first.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(first.json()["place"]["grid"], "hp-07");
    assert_eq!(phone.post(&format!("{mine}/report"), &report).await.status, 200, "sent again it is the same");
    let alarms = desk.alarms_when(|rows| !rows.is_empty()).await;
    assert_eq!((alarms.len(), &alarms[0]["class"]), (1, &json!("report")));

    let photo = |case: &str| format!("{mine}/reports/{case}/photo");
    let send = async |path: &str, bytes: &[u8], length: usize| {
        phone.ask_bytes(&phone.head(path, "image/png"), length, bytes).await.status
    };
    assert_eq!(send(&photo(&case), b"<svg/>", 6).await, 415);
    let length = 9 * 1_024 * 1_024;
    assert_eq!(send(&photo(&case), &vec![7; length], length).await, 413);
    let good = picture();
    assert_eq!(send(&photo(&case), &good, good.len()).await, 201);
    assert_eq!(send(&photo(&case), &good, good.len()).await, 201, "the same picture is one");
    assert_eq!(desk.case(&case).await["photos"].as_array().unwrap().len(), 1);
    let desks = desk.reported(&flooded("desk-0001")).await;
    assert_eq!(send(&photo(&desks), &good, good.len()).await, 404, "somebody else's report");

    // Without a script, with its picture; and what makes no sense.
    let at = Clock::at_hour(12).wall().to_string();
    let form = |place: &'static str| {
        [
            ("id", "form-0001".to_owned()),
            ("at", at.clone()),
            ("kind", "wire".to_owned()),
            ("place", place.to_owned()),
        ]
    };
    let fields: Vec<(&str, Vec<u8>)> =
        form("三号楼后").into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    let mut sent: Vec<(&str, &[u8])> = fields.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    sent.push(("photo", &good));
    assert_eq!(phone.form(&format!("{mine}/report"), &sent).await.status, 303);
    assert_eq!(phone.form(&format!("{mine}/report"), &sent).await.status, 303);
    let nowhere = phone.form(&format!("{mine}/report"), &[("id", b"form-0002"), ("place", b" ")]).await;
    assert!(nowhere.status == 422 && nowhere.body.contains("请写地点"), "{}", nowhere.body);
    let wires = desk.alarms().await.into_iter().filter(|row| row["condition"] == "report_wire").count();
    assert_eq!(wires, 1);

    // A task on the page, done from there; one that is somebody else's is not.
    desk.step_of(&case, "dispatch", json!({ "to": "王网格" })).await;
    assert!(phone.get(&mine).await.body.contains(&format!("{mine}/cases/{case}/receive")));
    assert_eq!(phone.press(&format!("{mine}/cases/{case}/receive")).await.status, 303);
    assert_eq!(desk.case(&case).await["dispatched"][0]["answered"]["person"], "王网格");
    assert_eq!(phone.press(&format!("{mine}/cases/{desks}/receive")).await.status, 404);

    // A new page ends the one before; none ends it too.
    let renewed = lead.post("/api/v1/pages/wang/make", "{}").await.json();
    let renewed = path_of(&running, &renewed["url"]);
    assert_eq!((phone.get(&mine).await.status, phone.get(&renewed).await.status), (410, 200));
    assert_eq!(phone.post(&format!("{mine}/report"), &report).await.status, 410);
    assert_eq!(lead.post("/api/v1/pages/wang/revoke", "{}").await.status, 200);
    assert_eq!(phone.get(&renewed).await.status, 410);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_that_sends_somebody_carries_their_link() {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let service = Service::start(vec![crate::service::json("{}")]).await;
    let running = with_ladder(state.path(), &broker, &service.url).await;
    let desk = Browser::log_in(&running).await;
    let case = desk.reported(&flooded_at("desk-0001", &Clock::system())).await;
    desk.step_of(&case, "dispatch", json!({ "to": "王建国" })).await;
    let body: Json = serde_json::from_str(&service.next().await.body).unwrap();
    let text = body["content"].as_str().unwrap();
    let (words, link) = text.split_once(" https://duty.example").unwrap();
    assert!(words.contains("青石桥下穿") && words.ends_with("请前往处置"), "{text}");
    let page = stranger(&running).get(link).await;
    assert!(page.status == 200 && page.body.contains("王建国"), "{}", page.body);
    assert_eq!(stranger(&running).press(&format!("{link}/receive")).await.status, 303);
    assert_eq!(desk.case(&case).await["dispatched"][0]["answered"]["person"], "王建国");
    assert!(!desk.get("/api/v1/logbook").await.body.contains(&link["/link/".len()..]));
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_press_at_once_are_settled_and_the_third_is_told() {
    let (running, _state) = room().await;
    let desk = Browser::log_in(&running).await;
    let case = desk.reported(&flooded("desk-0001")).await;
    let asked = desk.step_of(&case, "broadcast", json!({ "needed": 1, "grid": "HP-07" })).await;
    let links: Vec<String> =
        asked["links"].as_array().unwrap().iter().map(|link| path_of(&running, &link["url"])).collect();
    assert_eq!(links.len(), 2);
    let (one, other) = (stranger(&running), stranger(&running));
    let (go, goes) = (format!("{}/go", links[0]), format!("{}/go", links[1]));
    let (one, other) = tokio::join!(one.press(&go), other.press(&goes));
    let mut told = [one.status, other.status];
    told.sort_unstable();
    assert_eq!(told, [303, 409], "{} {}", one.body, other.body);
    let late = if one.status == 409 { &one } else { &other };
    assert!(late.body.contains("已有人认领"), "{}", late.body);
    let known = desk.case(&case).await;
    assert_eq!((&known["broadcast"]["going"], &known["broadcast"]["arrived"]), (&json!(1), &json!(0)));
    let winner = if one.status == 303 { &links[0] } else { &links[1] };
    assert_eq!(stranger(&running).press(&format!("{winner}/arrive")).await.status, 303);
    assert_eq!(desk.case(&case).await["broadcast"]["arrived"], 1);
    for (body, code) in [(json!({}), "needed"), (json!({ "needed": 2, "to": "x" }), "field")] {
        let answer = desk.post(&format!("/api/v1/cases/{case}/broadcast"), &body.to_string()).await;
        assert_eq!(answer.json()["error"]["code"], code, "{}", answer.body);
    }
    running.stop().await.unwrap();
}

/// Whoever has a link cannot fill the disk with pictures that no case takes: it is everybody's disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_that_a_case_does_not_take_leave_nothing_on_the_disk() {
    let (running, state) = room().await;
    let lead = Browser::first_lead(&running, "correct horse").await;
    let phone = stranger(&running);
    let made = lead.post("/api/v1/pages/wang/make", "{}").await.json();
    let mine = path_of(&running, &made["url"]);
    let case = phone.post(&format!("{mine}/report"), &flooded("phone-0001").to_string()).await.json();
    let path = format!("{mine}/reports/{}/photo", case["id"].as_str().unwrap());
    let mut statuses = Vec::new();
    for n in 0..19_u8 {
        let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([n, 0, 7]));
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png).unwrap();
        statuses.push(phone.ask_bytes(&phone.head(&path, "image/png"), bytes.len(), &bytes).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 16, "{statuses:?}");
    let on_disk = std::fs::read_dir(state.path().join("photos")).unwrap().count();
    assert_eq!(on_disk, 16, "what was refused is gone");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_told_whom_to_ring_before_an_unacknowledged_alarm_is_concluded() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    gateway.heard(1).await;
    let desk = Browser::log_in(&running).await;
    let phone = stranger(&running);
    let sent = desk.step_of(SMOKE, "dispatch", json!({ "to": "王网格" })).await;
    let link = path_of(&running, &sent["links"][0]["url"]);
    phone.press(&format!("{link}/arrive")).await;
    let unseen = "值班室还没有确认这条报警";
    assert!(phone.get(&link).await.body.contains(unseen));
    let handle = format!("{link}/handle");
    let early = phone.form(&handle, &[("result", b"real")]).await;
    assert!(early.status == 409 && early.body.contains("请打值班电话"), "{} {}", early.status, early.body);
    assert_eq!(desk.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await.status, 200);
    assert!(!phone.get(&link).await.body.contains(unseen));
    assert_eq!(phone.form(&handle, &[("result", b"real")]).await.status, 303);
    running.stop().await.unwrap();
}
