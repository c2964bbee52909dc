//! The river page on a grid worker's phone: small, whole without scripts, and a reading that is typed without a network
//! arrives later, once, with its own time and its photo. What it sets off is on the board.
use std::io::Write as _;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use shouwang_message::{
    GatewayState, HistoryDocument, InfoDocument, PointValue, Quality, StateDocument, StationInfo, Timestamp,
    Value as Measured, ValuesDocument, to_bytes,
};
use shouwang_tests::program::root;
use shouwang_tests::{DutyRoom, Listener, Mosquitto, clock, wait_until};

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;

pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// What the design allows the first screen, bytes.
const HEAVIEST: usize = 50 * 1_024;
const BRIDGE: &str = "/api/v1/stations/qingshi-bridge/readings";

/// A bridge whose sensor told three hours, and a ford without a sensor.
struct River {
    room: DutyRoom,
    _listener: Listener,
    _broker: Mosquitto,
}

fn ago(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::wall().unix_ms() - minutes * 60_000)
}

pub(crate) fn station(id: &str, name: &str, device: Option<&str>) -> StationInfo {
    let lines = [("design", 3.0), ("warning", 3.3), ("guarantee", 3.8), ("record", 4.2)];
    StationInfo {
        device: device.map(|device| device.parse().expect("an id")),
        point: device.map(|_| "level_m".into()),
        ..StationInfo::new(id.parse().expect("an id"), name, "1985 国家高程", lines)
    }
}

impl River {
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
            stations: vec![
                station("qingshi-bridge", "青石桥", Some("level-1")),
                station("ford", "漫水桥", None),
            ],
            walk: None,
        };
        listener.publish("info", true, to_bytes(&info));
        let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: ago(200) };
        listener.publish("state", true, to_bytes(&state));
        wait_until(LIMIT, "the stations should be known", || room.read("/api/v1/stations").contains("ford"));
        // Rising, faster in the last hour; from an hour and a half to two hours ago nothing came.
        let stage = |n: i64| 3.41 - (n.min(12) as f64) * 0.015 - (n - 12).max(0) as f64 * 0.004;
        let rounded = |n: i64| (stage(n) * 1_000.0).round() / 1_000.0;
        let readings = (1..=260)
            .filter(|n| !(18..24).contains(n))
            .map(|n| (ago(n * 5), Some(rounded(n)), Quality::Good));
        let history = HistoryDocument {
            device: "level-1".parse().expect("an id"),
            point: "level_m".into(),
            unit: Some("m".into()),
            readings: readings.collect(),
        };
        listener.publish("history", false, to_bytes(&history));
        let river = Self { room, _listener: listener, _broker: broker };
        river.level(3.41);
        wait_until(LIMIT, "the readings should be kept", || river.count("sensor") > 250);
        river
    }

    fn level(&self, metres: f64) {
        let value = PointValue {
            value: Some(Measured::Number(metres)),
            unit: Some("m".into()),
            quality: Quality::Good,
            why: None,
        };
        let document = ValuesDocument { at: ago(0), values: [("level_m".to_owned(), value)].into() };
        self._listener.publish("device/level-1/values", true, to_bytes(&document));
    }

    fn readings(&self, source: &str) -> Vec<Value> {
        let body = self.room.read(&format!("{BRIDGE}?source={source}"));
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        answer["items"].as_array().cloned().unwrap_or_default()
    }

    fn count(&self, source: &str) -> usize {
        self.readings(source).len()
    }

    /// The page on a phone, with the operator's session.
    fn phone(&self, browser: &Chromium, station: &str) -> Page {
        let page = browser.page();
        page.open(&self.room.link());
        hold(&page);
        page.open(&self.room.page(&format!("/river/{station}")));
        page.until("document.body.dataset.ready === 'yes'");
        page
    }
}

/// As large as a telephone is.
pub(crate) fn hold(page: &Page) {
    let size = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
    page.ask("Emulation.setDeviceMetricsOverride", &size);
}

pub(crate) fn offline(page: &Page, is: bool) {
    let network = json!({ "offline": is, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    page.ask("Network.emulateNetworkConditions", &network);
}

/// All of the page, under `target/artefacts`.
pub(crate) fn keep_picture(page: &Page, name: &str) {
    let picture =
        page.ask("Page.captureScreenshot", &json!({ "captureBeyondViewport": true, "format": "png" }));
    let picture = picture["data"].as_str().unwrap_or_default();
    let picture = base64::engine::general_purpose::STANDARD.decode(picture).expect("a picture");
    let directory = root().join("target/artefacts");
    std::fs::create_dir_all(&directory).expect("target/artefacts");
    let mut file = std::fs::File::create(directory.join(format!("{name}.png"))).expect("a file");
    file.write_all(&picture).expect("a picture's file");
}

/// Presses a button, wherever it has scrolled to.
pub(crate) fn push(page: &Page, selector: &str) {
    page.value(&format!("document.querySelector({}).click()", json!(selector)));
}

fn type_stage(page: &Page, digits: &str) {
    for digit in digits.chars() {
        push(page, &format!("[data-key=\"{digit}\"]"));
    }
}

/// A photo as its camera gives it: drawn by the page itself.
pub(crate) const PHOTO: &str = "(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = 1600; canvas.height = 1200;
    const pen = canvas.getContext('2d');
    for (let n = 0; n < 4000; n++) {
        pen.fillStyle = `hsl(${n * 37 % 360} 60% ${30 + n % 50}%)`;
        pen.fillRect(n * 97 % 1600, n * 61 % 1200, 90, 70);
    }
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.95));
    const files = new DataTransfer();
    files.items.add(new File([blob], 'staff.jpg', { type: 'image/jpeg' }));
    document.querySelector('[name=photo]').files = files.files;
    return blob.size;
})()";

#[test]
fn the_page_is_small_and_tells_the_truth_in_one_sentence() {
    let river = River::new();
    let html = river.room.read("/river/qingshi-bridge").len();
    let parts: usize = ["/assets/river.css", "/assets/river.js", "/assets/outbox.js", "/assets/sending.js"]
        .iter()
        .map(|path| river.room.read(path).len())
        .sum();
    println!("the river page: {html} bytes of HTML, {parts} of style and script");
    assert!(html + parts <= HEAVIEST, "{html} + {parts} bytes");
    let browser = Chromium::start();
    let page = river.phone(&browser, "qingshi-bridge");
    page.until("document.querySelector('.sentence').innerText.includes('高于警戒 0.11 米,1 小时涨 18 厘米,正在上涨')");
    assert!(page.text(".estimate").contains("(估算,不是预报)"), "{}", page.text(".estimate"));
    assert!(page.is_shown(".graph.h24") && !page.is_shown(".graph.h168"));
    look_at(&page, "river");
    keep_picture(&page, "river-phone");
    push(&page, "#h168");
    assert!(page.is_shown(".graph.h168") && !page.is_shown(".graph.h24"), "without a script of ours");
    assert_eq!(page.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing sticks out");
    page.open(&river.room.page("/river/ford?lang=en"));
    page.until("document.querySelector('.sentence').innerText === 'This station has no data yet.'");
    page.assert_no_errors();
}

#[test]
fn a_reading_without_a_network_arrives_later_once_with_its_own_time_and_its_photo() {
    let river = River::new();
    let browser = Chromium::start();
    let page = river.phone(&browser, "qingshi-bridge");
    page.until("navigator.serviceWorker.controller !== null");
    page.value("fetch(location.href).then(() => true)");
    offline(&page, true);
    type_stage(&page, "3.43");
    assert!(page.value(PHOTO).as_u64() > Some(50_000));
    push(&page, "#reading button:not([type])");
    page.until("document.querySelector('#waiting').innerText === '1 条待发'");
    let typed = clock::wall();
    page.value("dispatchEvent(new Event('offline'))");
    page.until("document.querySelector('#offline').checkVisibility()");
    assert!(page.text("#offline").contains("存下的页面,不是现在的水位"), "{}", page.text("#offline"));
    keep_picture(&page, "river-offline");
    // It opens again, and what waits is there still.
    page.ask("Page.reload", &json!({}));
    page.until("document.body.dataset.ready === 'yes' && document.querySelector('#waiting').innerText === '1 条待发'");
    page.until("document.body.classList.contains('cut')");
    assert_eq!(river.count("manual"), 0);

    clock::pause(Duration::from_secs(3));
    offline(&page, false);
    page.value("dispatchEvent(new Event('online'))");
    wait_until(LIMIT, "the reading should arrive", || river.count("manual") == 1);
    page.until("document.querySelector('#outbox').hidden");
    let reading = river.readings("manual").remove(0);
    let at: Timestamp = reading["at"].as_str().unwrap_or_default().parse().expect("a time");
    let received: Timestamp = reading["received_at"].as_str().unwrap_or_default().parse().expect("a time");
    assert!(at <= typed && received.unix_ms() - at.unix_ms() >= 3_000, "{reading}");
    assert_eq!(reading["stage_m"], 3.43);
    let id = reading["id"].as_str().unwrap_or_default();
    let photo = format!(
        "fetch('{BRIDGE}/{id}/photo').then((answer) => answer.status === 200 && answer.blob()).then((blob) => blob.size)"
    );
    wait_until(LIMIT, "its photo should arrive", || page.value(&photo).as_u64().is_some());
    let size = page.value(&photo).as_u64().expect("a size");
    println!("the photo: {size} bytes");
    assert!(size <= 200 * 1_024, "{size} bytes");
    let bytes = page.value(&format!(
        "fetch('{BRIDGE}/{id}/photo').then((answer) => answer.arrayBuffer()).then((bytes) => \
         btoa([...new Uint8Array(bytes)].map((byte) => String.fromCharCode(byte)).join('')))"
    ));
    let jpeg = base64::engine::general_purpose::STANDARD
        .decode(bytes.as_str().unwrap_or_default())
        .expect("a photo");
    std::fs::write(root().join("target/artefacts/river-photo.jpg"), jpeg).expect("a file");
    // Once more, and it is the same.
    clock::pause(Duration::from_secs(1));
    page.value("dispatchEvent(new Event('online'))");
    assert_eq!(river.count("manual"), 1);
}

#[test]
fn a_station_without_a_sensor_goes_red_and_a_group_is_warned() {
    let river = River::new();
    let browser = Chromium::start();
    let page = river.phone(&browser, "ford");
    type_stage(&page, "42.5");
    push(&page, "#reading button:not([type])");
    page.until("document.querySelector('#outbox').innerText.includes('请核对数字和小数点')");
    push(&page, "#outbox button");
    page.until("document.querySelector('#outbox').hidden");
    type_stage(&page, "4.25");
    push(&page, "#reading button:not([type])");
    page.until("document.querySelector('.now').classList.contains('red')");
    page.until("document.querySelector('.sentence').innerText.includes('高于历史最高 0.05 米')");
    let board = browser.page();
    board.open(&river.room.link());
    board.until_row("漫水桥");
    board.until_row("水位超历史最高(人工读数)");
    page.open(&river.room.page("/river/ford"));
    page.until("document.body.dataset.ready === 'yes'");
    push(&page, "#warn");
    page.until("document.querySelector('#warning textarea').value.startsWith('【水情提醒·超历史最高】')");
    page.until("document.querySelector('#picture').naturalWidth === 720");
    page.value("document.querySelector('#warning [name=to]').value = '青石桥村群'");
    look_at(&page, "river with a message");
    keep_picture(&page, "river-warning");
    push(&page, "#warning button:not([type])");
    page.until("document.querySelector('#said').innerText === '已记下'");
    assert!(river.room.read("/api/v1/logbook?limit=20").contains("青石桥村群"));
    page.assert_no_errors();
}
