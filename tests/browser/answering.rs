//! 叫应 on a phone at the door: the river reaches a line, the list is there with names and numbers, a result that is pressed
//! without a network arrives later with its own time, and what is left is on the board and on paper. What a courier sees, on a
//! phone without a network, waits for a person and rings nothing; a lead's form of a station tells mistakes by row.
use serde_json::{Value, json};
use shouwang_message::{InfoDocument, to_bytes};
use shouwang_tests::{DutyRoom, Listener, Mosquitto, clock, wait_until};

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::river::{LIMIT, PHOTO, hold, keep_picture, offline, push, station};

/// A ford with two homes near it.
struct Ford {
    room: DutyRoom,
    _listener: Listener,
    _broker: Mosquitto,
}

impl Ford {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let room = DutyRoom::start(&broker);
        let info = InfoDocument {
            name: "和平社区 7 号网关".into(),
            version: "0.1.0".into(),
            log: "01KANEXAMPE000000000000AAA".parse().expect("a log"),
            boot: 1,
            configuration: "sha256:0".into(),
            lines: vec![],
            devices: vec![],
            stations: vec![station("ford", "漫水桥", None)],
            walk: None,
        };
        listener.publish("info", true, to_bytes(&info));
        wait_until(LIMIT, "the station should be known", || room.read("/api/v1/stations").contains("ford"));
        Self { room, _listener: listener, _broker: broker }
    }
}

/// A request of the page itself, answered.
fn post(page: &Page, path: &str, body: &Value) -> Value {
    let said = page.value(&format!(
        "fetch({}, {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: {} }}).then((answer) => answer.json())",
        json!(path),
        json!(body.to_string()),
    ));
    assert!(said["error"].is_null(), "{path}: {said}");
    said
}

fn card(room: &str, name: &str, phone: &str) -> Value {
    json!({ "building": "1", "entrance": "", "room": room, "name": name, "phone": phone, "hearing": "hard",
        "can_open": false, "contacts": [{ "name": "王小红", "phone": "13700000002" }],
        "consent": "2026-01-05", "keep_until": "2099-01-01" })
}

#[test]
fn the_river_rises_and_everybody_is_called_also_without_a_network() {
    let ford = Ford::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&ford.room.lead());
    page.until("document.body.dataset.live === 'live'");
    post(&page, "/api/v1/residents", &card("101", "王秀英", "13812348000"));
    post(&page, "/api/v1/residents", &card("102", "钱福", "13900000003"));
    post(&page, "/api/v1/stations/ford/about", &json!({ "homes": ["1"] }));
    let at = clock::wall();
    post(&page, "/api/v1/stations/ford/readings", &json!({ "id": "phone-0001", "stage_m": 3.9, "at": at }));
    page.until_row("水位超保证(人工读数)");
    page.click("#rows tr td.place");
    page.until("document.querySelector('.called .missing')?.innerText === '1-101、1-102'");
    assert!(page.text(".called").contains("已应 0/2,未应 2"), "{}", page.text(".called"));
    page.keep_pictures("board-answering");

    hold(&page);
    page.open(&ford.room.page("/answering"));
    page.until("document.body.dataset.ready === 'yes'");
    look_at(&page, "calling people");
    keep_picture(&page, "answering-rounds");
    page.value("document.querySelector('.round a').click()");
    page.until(
        "document.body.dataset.ready === 'yes' && document.querySelectorAll('#list .person').length === 2",
    );
    assert!(page.text("#list").contains("王秀英") && page.text("#list").contains("13812348000"));
    assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing sticks out");
    look_at(&page, "a round of calls");
    keep_picture(&page, "answering-round");

    // At the door, where there is no network.
    offline(&page, true);
    page.value("dispatchEvent(new Event('offline'))");
    page.until("document.querySelector('#offline').checkVisibility()");
    push(&page, "#list .person:nth-child(1) [data-outcome=answered]");
    page.until("document.querySelector('#waiting').innerText.startsWith('1 ')");
    assert!(
        page.text("#outbox").contains("1-101") && !page.text("#outbox").contains("王秀英"),
        "no names are kept"
    );
    keep_picture(&page, "answering-offline");
    let pressed = clock::wall();
    offline(&page, false);
    page.value("dispatchEvent(new Event('online'))");
    page.until(
        "document.querySelector('#outbox').hidden && document.querySelector('#missing').innerText === '1'",
    );
    page.until("document.querySelector('#done .person')?.dataset.home === '1-101'");
    let round = page.state("round");
    let told = ford.room.read(&format!("/api/v1/rounds/{round}"));
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let call = &told["list"][0]["calls"][0];
    let called: shouwang_message::Timestamp =
        call["at"].as_str().unwrap_or_default().parse().expect("a time");
    assert!(call["outcome"] == "answered" && called <= pressed, "{call}");

    // Not at home needs a word; who will not leave stays on the list.
    page.value("document.querySelector('#list details').open = true");
    push(&page, "#list [data-outcome=away]");
    page.until("document.querySelector('#said').innerText.includes('不在家要写明')");
    push(&page, "#list [data-outcome=refuses]");
    page.until("document.querySelector('#list .outcome').innerText.startsWith('不肯转移') && document.querySelector('#outbox').hidden");
    page.keep_print("answering-list");
    push(&page, "#list [data-outcome=moved]");
    page.until("document.querySelector('main').innerText.includes('全部已应')");
    page.assert_no_errors();
}

#[test]
fn a_lead_writes_a_stations_ladder_and_each_mistake_has_its_row() {
    let ford = Ford::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&ford.room.lead());
    page.open(&ford.room.page("/stations/ford"));
    page.until("document.body.dataset.ready === 'yes'");
    look_at(&page, "a station's form");
    let fill = |row: u32, stage: &str, impact: &str| {
        page.value(&format!(
            "(() => {{ const [stage, impact] = document.querySelectorAll('#ladder > table:not(#mistakes) tbody tr:nth-child({row}) input'); \
             stage.value = {}; impact.value = {}; return true; }})()",
            json!(stage),
            json!(impact)
        ));
    };
    fill(1, "三米", "桥");
    fill(2, "3.85", "");
    push(&page, "#ladder button:not([type])");
    page.until("document.querySelectorAll('#mistakes tbody tr').length === 2 && document.querySelectorAll('[aria-invalid]').length === 2");
    assert!(page.text("#mistakes tbody").contains("填水位"), "{}", page.text("#mistakes"));
    look_at(&page, "a station's form with mistakes");
    page.keep_pictures("station-form");
    fill(1, "3.50", "\"低洼处\", 三户进水");
    fill(2, "3.85", "人行道被淹(2016)");
    push(&page, "#ladder button:not([type])");
    page.until("document.querySelector('#said').innerText === '已保存' && document.querySelector('#mistakes').hidden");
    page.value("document.querySelector('[name=homes]').value = '1、2-3'");
    page.value("document.querySelector('[name=datum_checked]').value = '2026-03-01'");
    // What was said of the ladder says nothing of this.
    page.value("document.querySelector('#said').textContent = ''");
    push(&page, "#about button");
    page.until("document.querySelector('#said').innerText === '已保存'");
    page.open(&ford.room.page("/stations/ford"));
    page.until("document.querySelector('[name=homes]').value === '1, 2-3'");
    page.until("document.querySelector('[name=datum_checked]').value === '2026-03-01'");
    let river = ford.room.read("/river/ford");
    assert!(river.contains("三户进水") && !river.contains("基准未核对"), "{river}");
    page.assert_no_errors();
}

#[test]
fn what_a_courier_sees_without_a_network_waits_for_a_person() {
    let ford = Ford::new();
    let browser = Chromium::start();
    let desk = browser.page();
    desk.open(&ford.room.lead());
    desk.until("document.body.dataset.live === 'live'");
    let made = post(&desk, "/api/v1/couriers", &json!({ "name": "美团小李" }));
    let url = made["url"].as_str().unwrap_or_default().to_owned();

    let phone = browser.page();
    hold(&phone);
    phone.open(&url);
    phone.until("document.body.dataset.ready === 'yes'");
    look_at(&phone, "a courier's form");
    keep_picture(&phone, "courier");
    assert_eq!(phone.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing sticks out");
    offline(&phone, true);
    phone.value("document.querySelector('[name=place]').value = '青石路口'");
    phone.value("document.querySelector('[name=words]').value = '桥洞下积水'");
    assert!(phone.value(PHOTO).as_u64() > Some(50_000));
    push(&phone, "#report button");
    phone.until("document.querySelector('#waiting').innerText.startsWith('1 ')");
    offline(&phone, false);
    phone.value("dispatchEvent(new Event('online'))");
    phone.until("document.querySelector('#outbox').hidden && document.querySelector('#said').innerText.includes('值班室已收到')");

    desk.until("document.querySelector('#triage')?.innerText === '随手报待核 1'");
    assert_eq!(desk.value("document.querySelectorAll('#rows tr').length"), 0, "never in the list");
    desk.open(&ford.room.page("/triage"));
    desk.until(
        "document.body.dataset.ready === 'yes' && document.querySelector('.tip img')?.naturalWidth > 0",
    );
    look_at(&desk, "reports to look at");
    desk.keep_pictures("triage");
    push(&desk, ".tip .accept button");
    desk.until("document.querySelectorAll('.tip').length === 0");
    desk.open(&ford.room.page("/"));
    desk.until_row("道路积水");

    // It is handled, and the resident rates it.
    let cases: Value = serde_json::from_str(&ford.room.read("/api/v1/cases")).expect("JSON");
    let case = format!("/api/v1/cases/{}", cases["items"][0]["id"].as_str().unwrap_or_default());
    post(&desk, &format!("{case}/handle"), &json!({ "conclusion": "real" }));
    let rating = post(&desk, &format!("{case}/rating-link"), &json!({}));
    phone.open(&rating["url"].as_str().unwrap_or_default().to_owned());
    phone.until("document.body.dataset.ready === 'yes'");
    look_at(&phone, "a resident's rating");
    keep_picture(&phone, "rating");
    push(&phone, "[name=stars][value='4']");
    push(&phone, "#rating button");
    phone.until("document.querySelector('#said').innerText.includes('谢谢')");
    let rated: Value = serde_json::from_str(&ford.room.read(&case)).expect("JSON");
    assert_eq!((&rated["stars"], &rated["state"]), (&json!(4), &json!("rated")));
    desk.assert_no_errors();
    phone.assert_no_errors();
}
