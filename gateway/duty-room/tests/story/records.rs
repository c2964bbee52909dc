//! What the store remembers: the alarms of a device and how often it was right, and a month's figures by grid.
use shouwang_message::*;

use crate::desk::*;

/// The n-th alarm of this device, in ids of November 2026 as in the time it was raised.
fn alarm(n: u32, device: &str, mode: Mode) -> AlarmDocument {
    let raised_at = Timestamp::from_unix_ms(moment().unix_ms() + i64::from(n) * 60_000);
    AlarmDocument {
        id: AlarmId::from_parts(u64::try_from(raised_at.unix_ms()).unwrap(), n.into()),
        device: id(device),
        mode,
        raised_at,
        place: Place { grid: Some("HP-07".into()), name: Some("=3号楼".into()), ..Place::default() },
        ..smoke(1)
    }
}

fn told(sequence: Sequence, document: AlarmDocument) -> Event {
    let (subject, time) = (document.device.to_string(), document.raised_at);
    Event { subject, time, ..event(sequence, AlarmChange::Raised, document) }
}

async fn conclude(browser: &Browser, alarm: &AlarmDocument, conclusion: &str) {
    let path = format!("/api/v1/alarms/{}/acknowledge", alarm.id);
    let answer = browser.post(&path, "{}").await;
    assert_eq!(answer.status, 200, "acknowledge: {}", answer.body);
    for (step, body) in [
        ("accept", "{\"call_back\":\"safe\"}".to_owned()),
        ("close", format!("{{\"conclusion\":\"{conclusion}\",\"reason\":\"油烟\"}}")),
    ] {
        let answer = browser.post(&format!("/api/v1/cases/{}/{step}", alarm.id), &body).await;
        assert_eq!(answer.status, 200, "{step}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_has_a_history_and_a_month_has_figures() {
    let (_broker, _state, running, mut gateway) = met().await;
    let browser = Browser::log_in(&running).await;
    let of_one: Vec<_> = (0..5).map(|n| alarm(n, "smoke-1", Mode::Live)).collect();
    let others = [alarm(5, "smoke-2", Mode::Live), alarm(6, "smoke-1", Mode::Drill)];
    for (document, sequence) in of_one.iter().chain(&others).zip(1..) {
        gateway.event(&told(sequence, document.clone())).await;
    }
    gateway.heard(7).await;
    conclude(&browser, &of_one[1], "false_alarm").await;
    conclude(&browser, &of_one[2], "cooking").await;
    conclude(&browser, &others[1], "drill").await;

    let page = browser.get("/api/v1/alarms?state=all&device=smoke-1&limit=4").await.json();
    let ids = |page: &serde_json::Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    let wanted: Vec<_> =
        [&others[1], &of_one[4], &of_one[3], &of_one[2]].iter().map(|one| one.id.to_string()).collect();
    assert_eq!(ids(&page), wanted, "the newest first");
    assert_eq!(
        (&page["items"][3]["conclusion"], &page["items"][1]["case"]),
        (&"cooking".into(), &"new".into())
    );
    assert_eq!(
        page["reputation"],
        serde_json::json!({"alarms": 5, "real": 0, "false_alarms": 2, "false_rate": 1.0}),
        "a drill says nothing about a device"
    );
    let next = page["next"].as_str().unwrap();
    let page =
        browser.get(&format!("/api/v1/alarms?state=all&device=smoke-1&limit=4&to={next}")).await.json();
    assert_eq!(ids(&page), [of_one[1].id.to_string(), of_one[0].id.to_string()]);
    assert!(page["next"].is_null());
    let all = browser.get(&format!("/api/v1/alarms?state=all&from={}", of_one[4].raised_at)).await.json();
    assert_eq!(all["items"].as_array().unwrap().len(), 3);
    for (query, status) in
        [("limit=0", 422), ("limit=201", 422), ("limit=x", 422), ("device=%27%20OR%201=1", 200)]
    {
        assert_eq!(browser.get(&format!("/api/v1/alarms?state=all&{query}")).await.status, status, "{query}");
    }

    let figures = browser.get("/api/v1/figures?month=2026-11").await.json();
    assert_eq!((&figures["cases"], &figures["not_live"]), (&2.into(), &1.into()));
    assert_eq!(figures["untouched"], 4, "three of smoke-1, one of smoke-2; a drill is nobody's");
    let grid = &figures["grids"][0];
    assert_eq!((&grid["grid"], &grid["false_rate"]), (&"HP-07".into(), &1.0.into()));
    assert_eq!(grid["to_arrive"]["p50_s"], serde_json::Value::Null, "nobody was there");
    assert_eq!((&grid["quality_rate"], &grid["to_find"]["count"]), (&1.0.into(), &0.into()), "no reports");
    assert_eq!(
        (&figures["offenders"][0]["device"], &figures["offenders"][0]["false_alarms"]),
        (&"smoke-1".into(), &2.into())
    );
    let other = browser.get("/api/v1/figures?month=2026-11&grid=HP-08").await.json();
    assert_eq!((&other["cases"], other["grids"].as_array().unwrap().len()), (&0.into(), 0));
    assert_eq!(browser.get("/api/v1/figures?month=2026-10").await.json()["cases"], 0);
    assert_eq!(browser.get("/api/v1/figures?month=11").await.status, 422);
    let csv = browser.get("/api/v1/figures.csv?month=2026-11").await;
    assert!(
        csv.head.contains("figures-2026-11.csv") && csv.body.starts_with("\u{feff}网格 grid,"),
        "{}",
        csv.head
    );
    let line = csv.body.lines().nth(1).unwrap();
    assert!(line.starts_with("HP-07,2,") && line.contains(",—,—,—,100.0%,—,100.0%,2026-11-22T"), "{line}");

    let csv = browser.get("/api/v1/figures/devices.csv?month=2026-11").await;
    let line = csv.body.lines().nth(1).unwrap();
    assert!(csv.body.starts_with("\u{feff}设备 device,"));
    assert_eq!(line, "smoke-1,'=3号楼,2,2,2,100.0%", "a spreadsheet takes no formula from us");
    let page = browser.get("/figures?month=2026-11&grid=HP-07").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("<svg class=\"chart\"") && page.body.contains("100.0%"), "{}", page.body);
    assert!(page.body.contains("4 条报警没有人处置过"), "{}", page.body);
    assert!(!page.body.contains(" style=") && !page.body.contains("&#60;svg"), "{}", page.body);
    let empty = browser.get("/figures?month=2026-10&lang=en").await.body;
    assert!(empty.contains("there is nothing to measure") && !empty.contains("<svg"), "{empty}");
    assert_eq!(browser.get("/figures").await.status, 200, "this month");
    assert_eq!(browser.get("/figures?month=2026-13").await.status, 422);
    running.stop().await.unwrap();
}
