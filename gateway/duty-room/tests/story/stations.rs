//! River stations over a real broker: a gateway tells of them, back-fills out of order, and a person sends a reading twice.
use std::collections::BTreeMap;

use serde_json::json;
use shouwang_message::*;

use crate::desk::*;

pub(crate) fn station(name: &str, device: Option<&str>) -> StationInfo {
    let lines = [("design", 3.0), ("warning", 3.3), ("guarantee", 3.8), ("record", 4.2)];
    StationInfo {
        device: device.map(id),
        point: device.map(|_| "level_m".into()),
        ..StationInfo::new(id(name), "青石桥", "1985 国家高程", lines)
    }
}

pub(crate) fn info(stations: Vec<StationInfo>) -> Vec<u8> {
    to_bytes(&InfoDocument { stations, ..crate::devices::info() })
}

pub(crate) fn level(at: Timestamp, metres: f64) -> Vec<u8> {
    let value = PointValue {
        value: Some(Value::Number(metres)),
        unit: Some("m".into()),
        quality: Quality::Good,
        why: None,
    };
    to_bytes(&ValuesDocument { at, values: BTreeMap::from([("level_m".to_owned(), value)]) })
}

pub(crate) fn ago(minutes: i64) -> Timestamp {
    let wall = shouwang_duty_room::Clock::system().wall();
    Timestamp::from_unix_ms(wall.unix_ms() - minutes * 60_000)
}

fn history(readings: &[(Timestamp, f64)]) -> Vec<u8> {
    to_bytes(&HistoryDocument {
        device: id("level-1"),
        point: "level_m".into(),
        unit: Some("m".into()),
        readings: readings.iter().map(|(at, metres)| (*at, Some(*metres), Quality::Good)).collect(),
    })
}

const READINGS: &str = "/api/v1/stations/qingshi-bridge/readings";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_are_kept_once_with_their_own_times_in_whatever_order_they_come() {
    let (_broker, _state, running, gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    gateway.say("info", true, info(vec![station("qingshi-bridge", Some("level-1"))])).await;
    gateway.say("device/level-1/values", true, level(ago(1), 3.41)).await;
    // After an outage: the newest first, one twice, one of another device not at all.
    let (late, early) = ([(ago(20), 3.30), (ago(15), 3.33)], [(ago(60), 3.10), (ago(55), 3.12)]);
    for part in [&late, &early, &late] {
        gateway.say("history", false, history(part)).await;
    }
    let kept = async || browser.get(READINGS).await.json()["items"].as_array().map_or(0, Vec::len);
    eventually("five readings", async || kept().await == 5).await;
    let items = browser.get(&format!("{READINGS}?source=sensor")).await.json();
    let stages: Vec<f64> =
        items["items"].as_array().unwrap().iter().filter_map(|item| item["stage_m"].as_f64()).collect();
    assert_eq!(stages, [3.10, 3.12, 3.30, 3.33, 3.41]);

    let stations = browser.get("/api/v1/stations").await.json();
    let newest = &stations["items"][0]["newest"];
    assert_eq!((&newest["stage_m"], &newest["source"]), (&json!(3.41), &json!("sensor")), "{stations}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reading_by_a_person_is_taken_once_and_refused_with_words_where_it_cannot_be() {
    let (broker, state, running, gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    gateway.say("info", true, info(vec![station("qingshi-bridge", None)])).await;
    eventually("the station", async || {
        browser.get("/api/v1/stations").await.json()["items"][0]["id"] == "qingshi-bridge"
    })
    .await;
    let at = ago(7);
    let reading = json!({ "id": "phone-0001-aaaa", "stage_m": 3.21, "at": at.to_string() }).to_string();
    let first = browser.post(READINGS, &reading).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(browser.post(READINGS, &reading).await.status, 200);

    let other = |id: &str, stage_m: f64, at: Timestamp| {
        json!({ "id": id, "stage_m": stage_m, "at": at.to_string() }).to_string()
    };
    for (body, status, code) in [
        (other("phone-0001-aaaa", 3.99, at), 409, "id_taken"),
        (other("short", 3.2, at), 422, "id"),
        (other("not/an-id!", 3.2, at), 422, "id"),
        (other("phone-0002", 3.2, ago(-6)), 422, "future"),
        (other("phone-0003", 321.0, at), 422, "impossible"),
        (other("phone-0004", 3.2, ago(60 * 24 * 31)), 422, "too_old"),
    ] {
        let answer = browser.post(READINGS, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(answer.json()["error"]["code"], code);
    }
    assert_eq!(browser.post(READINGS, &other("phone-0005", 3.3, ago(-4))).await.status, 201);
    let elsewhere = browser.post("/api/v1/stations/nowhere/readings", &reading).await;
    assert_eq!((elsewhere.status, &elsewhere.json()["error"]["code"]), (404, &json!("unknown_station")));

    // After a restart it is the same reading still, and it is there.
    running.stop().await.unwrap();
    let running = duty_room(state.path(), &broker).await;
    let browser = Browser::log_in(&running).await;
    assert_eq!(browser.post(READINGS, &reading).await.status, 200);
    let items = browser.get(&format!("{READINGS}?source=manual")).await.json();
    assert_eq!(items["items"].as_array().unwrap().len(), 2, "{items}");
    assert_eq!((&items["items"][0]["stage_m"], &items["items"][0]["at"]), (&json!(3.21), &json!(at)));
    running.stop().await.unwrap();
}

/// A bridge with a sensor that rose for three hours, an hour of which is missing; and the page of it.
async fn bridge(gateway: &Gateway, browser: &Browser) {
    gateway
        .say("info", true, info(vec![station("qingshi-bridge", Some("level-1")), station("upper", None)]))
        .await;
    let rising: Vec<(Timestamp, f64)> =
        (2..36).filter(|n| !(14..24).contains(n)).map(|n| (ago(n * 5), 3.41 - n as f64 * 0.015)).collect();
    gateway.say("history", false, history(&rising)).await;
    gateway
        .say(
            "state",
            true,
            to_bytes(&StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: ago(1) }),
        )
        .await;
    gateway.say("device/level-1/values", true, level(ago(2), 3.41)).await;
    eventually("readings", async || {
        browser.get(READINGS).await.json()["items"].as_array().is_some_and(|items| items.len() == 25)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_station_is_small_whole_and_for_everybody() {
    let (_broker, _state, running, gateway) = met().await;
    let browser = Browser::first_lead(&running, "三号楼二单元四零二").await;
    bridge(&gateway, &browser).await;
    let ladder = "水位,影响\n3.85,青石桥人行道被淹(2016)\n2.10,漫水桥\n";
    let put = |body: String| {
        let head = format!(
            "POST /api/v1/stations/qingshi-bridge/impacts HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n\
             Content-Type: text/csv\r\n",
            browser.address
        );
        let browser = &browser;
        async move { browser.ask(&head, &body).await }
    };
    assert_eq!(put(ladder.to_owned()).await.status, 200);
    let wrong = put("水位,影响\n三米,桥\n3.2,\n".to_owned()).await;
    assert_eq!(wrong.status, 422);
    let mistakes = wrong.json()["error"]["mistakes"].clone();
    let places: Vec<_> =
        mistakes.as_array().unwrap().iter().map(|one| (one["line"].clone(), one["column"].clone())).collect();
    assert_eq!(places, [(json!(2), json!(1)), (json!(3), json!(2))]);
    let csv = browser.get("/api/v1/stations/qingshi-bridge/impacts.csv").await;
    assert!(csv.body.contains("3.85,\"青石桥人行道被淹(2016)\""), "{}", csv.body);
    let about = |body: serde_json::Value| {
        let browser = &browser;
        async move { browser.post("/api/v1/stations/qingshi-bridge/about", &body.to_string()).await.status }
    };
    assert_eq!(about(json!({ "upstream": "qingshi-bridge" })).await, 422);
    assert_eq!(about(json!({ "upstream": "nowhere" })).await, 422);

    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    let page = stranger.get("/river/qingshi-bridge").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("基准未核对"), "nobody has checked it");
    assert_eq!(
        about(json!({ "upstream": "upper", "datum_checked": ago(60), "phone": "0571-8888" })).await,
        200
    );
    let page = stranger.get("/river/qingshi-bridge").await;
    println!("the river page: {} bytes", page.body.len());
    assert!(page.body.len() <= 50 * 1_024, "{} bytes", page.body.len());
    for said in [
        "青石桥 3.41 米,高于警戒 0.11 米,1 小时涨 18 厘米,正在上涨。",
        "照此速度约",
        "估算,不是预报",
        "青石桥人行道被淹(2016)",
        "/river/upper",
        "1985 国家高程",
        "无数据。",
        "class=\"gap\"",
        "警戒 3.30",
    ] {
        assert!(page.body.contains(said), "{said} in {}", page.body);
    }
    for hidden in ["已记录", "基准未核对", "0571-8888", "王班长", "id=\"reading\""] {
        assert!(!page.body.contains(hidden), "{hidden} in {}", page.body);
    }
    assert!(
        browser.get("/river/qingshi-bridge").await.body.contains("id=\"reading\""),
        "whoever is on watch may read"
    );
    let english = stranger.get("/river/qingshi-bridge?lang=en").await.body;
    assert!(english.contains("3.41 m, 0.11 m above warning, up 18 cm in 1 h, rising."), "{english}");
    let empty = stranger.get("/river/upper").await.body;
    assert!(empty.contains("本站还没有数据。") && !empty.contains("class=\"digits\""), "{empty}");
    let csv = stranger.get("/river/qingshi-bridge/readings.csv").await;
    assert_eq!(csv.body.lines().count(), 26, "{}", csv.body);
    assert_eq!(stranger.get("/river/nowhere").await.status, 404);
    assert_eq!(stranger.get("/river/worker.js").await.status, 200);

    // What a person reads stands on the page as a diamond, and against the sensor it is asked again.
    let reading = json!({ "id": "phone-0001", "stage_m": 3.60, "at": ago(1) }).to_string();
    let answer = browser.post(READINGS, &reading).await.json();
    assert_eq!(answer["ask"]["code"], "read_again");
    let page = stranger.get("/river/qingshi-bridge").await.body;
    assert!(page.contains("class=\"read\"") && page.contains("相差 19 厘米"), "{page}");
    assert!(page.contains("class=\"now yellow old\""), "no large number");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_and_a_line_that_no_river_has_cost_no_more_than_any_other() {
    let (_broker, _state, running, gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    let mut bridge = station("qingshi-bridge", Some("level-1"));
    bridge.lines.insert("record".into(), 1e300);
    bridge.lines.insert("guarantee".into(), -9e15);
    gateway.say("info", true, info(vec![bridge])).await;
    gateway.say("history", false, history(&[(ago(20), 3.30), (ago(15), 1e9), (ago(10), f64::MAX)])).await;
    gateway.say("device/level-1/values", true, level(ago(1), 9e15)).await;
    let kept = async || browser.get(READINGS).await.json()["items"].as_array().map_or(0, Vec::len);
    eventually("four readings", async || kept().await == 4).await;
    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    let page = stranger.get("/river/qingshi-bridge").await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("class=\"hydrograph\"") && page.body.len() <= 50 * 1_024,
        "{}",
        page.body.len()
    );
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_is_made_small_and_what_is_none_is_refused() {
    let (_broker, _state, running, gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    bridge(&gateway, &browser).await;
    let reading = json!({ "id": "phone-0001", "stage_m": 3.41, "at": ago(1) }).to_string();
    assert_eq!(browser.post(READINGS, &reading).await.status, 201);
    let send = |path: &str, length: usize, body: &[u8]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: image/jpeg\r\n",
            browser.address
        );
        (head, length, body.to_vec())
    };
    let photo = format!("{READINGS}/phone-0001/photo?lat=31.2304&lon=121.4737");
    let mut png = Vec::new();
    let picture = image::RgbImage::from_fn(900, 1_200, |x, y| {
        image::Rgb([(x % 251) as u8, (y % 241) as u8, (x * y % 239) as u8])
    });
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    for (what, status) in [
        (send(&photo, 9 << 20, b"\xff\xd8\xff"), 413),
        (send(&photo, 12, b"not an image"), 415),
        (send(&format!("{READINGS}/phone-0009/photo"), 3, b"abc"), 404),
        (send(&photo, png.len(), &png), 201),
        (send(&photo, png.len(), &png), 200),
    ] {
        let (head, length, body) = what;
        let answer = browser.ask_bytes(&head, length, &body).await;
        assert_eq!(answer.status, status, "{head}{}", answer.body);
        if status == 201 {
            assert!(answer.json()["bytes"].as_u64().unwrap() <= 200 * 1_024);
            assert_eq!(answer.json()["stamped"], true, "install fonts-wqy-microhei: {}", answer.body);
        }
    }
    let warning = browser.get("/api/v1/stations/qingshi-bridge/warning").await.json();
    let text = warning["text"].as_str().unwrap();
    assert!(text.starts_with("【水情提醒·超警戒】") && text.chars().count() <= 200, "{text}");
    assert!(text.contains("青石桥水位3.41米,超警戒0.11米,1小时涨18厘米,仍在上涨。"), "{text}");
    let issued = browser.get("/api/v1/stations/qingshi-bridge/warning?issued=2026-07").await.json();
    assert!(issued["text"].as_str().unwrap().starts_with("【水情预警·黄】预警编号2026-07。"), "{issued}");
    let post = |body: serde_json::Value| {
        let browser = &browser;
        async move { browser.post("/api/v1/stations/qingshi-bridge/warning", &body.to_string()).await }
    };
    assert_eq!(post(json!({ "text": text, "to": "青石桥村群" })).await.status, 200);
    let unissued = post(json!({ "text": "【水情预警·黄】", "to": "青石桥村群" })).await;
    assert_eq!((unissued.status, &unissued.json()["error"]["code"]), (422, &json!("not_issued")));
    assert_eq!(post(json!({ "text": "长".repeat(201), "to": "群" })).await.status, 422);
    let log = browser.get("/api/v1/logbook?limit=10").await.body;
    assert!(log.contains("warning.forwarded") && log.contains("青石桥村群"), "{log}");
    running.stop().await.unwrap();
}
