//! A lead reads the figures of months: drawn, in numbers, on paper; and a month that nobody worked in says so.
use serde_json::json;
use shouwang_message::{AlarmId, Timestamp};
use shouwang_tests::{DutyRoom, Mosquitto};

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::EVIL;

/// Months with their cases: one empty one between others, as it may be after a move.
const MONTHS: [(&str, u64); 10] = [
    ("2025-10", 31),
    ("2025-11", 44),
    ("2025-12", 62),
    ("2026-01", 58),
    ("2026-02", 49),
    ("2026-04", 37),
    ("2026-05", 29),
    ("2026-06", 41),
    ("2026-07", 118),
    ("2026-08", 76),
];
const GRIDS: [&str; 9] =
    ["HP-01", "HP-02", "HP-03", "HP-04", "HP-05", "HP-06", "HP-07", "和平路东段第九网格", ""];

/// Case number `n` of a month that begins at `from`, as the store keeps it: the same in every run.
fn case(from: Timestamp, n: u64, of: u64) -> (String, String) {
    // Knuth's multiplier spreads neighbours.
    let chance = |salt: u64, below: u64| {
        ((n + from.unix_ms().unsigned_abs() / 1_000 + salt * 7_919).wrapping_mul(2_654_435_761) >> 12) % below
    };
    let at = |s: u64| Timestamp::from_unix_ms(from.unix_ms() + i64::try_from(s * 1_000).unwrap_or_default());
    let raised = 3_600 + n * (28 * 86_400 / of);
    let seen = raised + 4 + chance(1, 40) + if chance(2, 12) == 0 { 90 + chance(3, 400) } else { 0 };
    let there = seen + 120 + chance(4, 900);
    let id = AlarmId::from_parts(at(raised).unix_ms().unsigned_abs(), n.into());
    let device = chance(5, 14);
    let grid = GRIDS[usize::try_from(device % 9).unwrap_or_default()];
    let name = if device == 3 {
        EVIL.to_owned()
    } else {
        format!("{}号楼{}单元{}02", device % 5 + 1, device % 3 + 1, device)
    };
    let mut place = json!({ "name": name });
    if !grid.is_empty() {
        place["grid"] = grid.into();
    }
    let stamp = |s: u64| json!({ "by": "operator", "at": at(s) });
    let went = chance(6, 3) > 0;
    let conclusion = match chance(7, 10) {
        _ if device == 4 => "cooking",
        0..=2 => "false_alarm",
        3 => "cooking",
        _ => "real",
    };
    let case = json!({
        "about": {
            "id": id, "site": "heping", "gateway": "gw-1", "device": format!("smoke-{device}"), "condition": "smoke",
            "class": "smoke", "priority": "emergency", "mode": if chance(8, 20) == 0 { "drill" } else { "live" },
            "raised_at": at(raised), "place": place, "text": { "zh": "烟感报警", "en": "Smoke alarm" },
        },
        "state": "closed", "occurrence": 1, "conclusion": conclusion, "duplicate_of": null,
        "accepted": stamp(seen), "dispatched": [], "claimed": null,
        "on_site": went.then(|| stamp(there)), "call_back": null, "handled": stamp(there + 300),
        "stars": (chance(9, 2) == 0).then(|| 3 + chance(10, 3)), "rated": null, "closed": stamp(there + 600),
        "departments": [], "revision": 4, "steps": [],
    });
    (format!("closed/{id}"), case.to_string())
}

fn write_months(room: &DutyRoom) {
    let file = room.state_directory().join("duty-room.db");
    let mut database = rusqlite::Connection::open(file).expect("the duty room's store");
    let writing = database.transaction().expect("the store takes it");
    for (month, of) in MONTHS {
        let from: Timestamp = format!("{month}-01T00:00:00.000Z").parse().expect("a month");
        for n in 0..of {
            let (key, value) = case(from, n, of);
            writing.execute("INSERT INTO kept (key, value) VALUES (?1, ?2)", [key, value]).expect("a case");
        }
    }
    writing.commit().expect("the store takes it");
}

/// Whether a text of a chart lies over another one or leaves its chart.
const CROWDED: &str = "[...document.querySelectorAll('svg.chart')].flatMap((chart) => {
    const edge = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll('text')].map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
    return texts.flatMap(([said, box], place) => {
        const out = box.left < edge.left || box.right > edge.right || box.top < edge.top || box.bottom > edge.bottom;
        const over = texts.slice(place + 1).filter(([, other]) => box.left < other.right - 1 && other.left < box.right - 1
            && box.top < other.bottom - 3 && other.top < box.bottom - 3);
        return [...(out ? [`${said} leaves its chart`] : []), ...over.map(([other]) => `${said} over ${other}`)];
    });
})";

fn assert_readable(page: &Page, what: &str) {
    let crowded = page.value(CROWDED);
    assert_eq!(crowded.as_array().map(Vec::len), Some(0), "{what}: {crowded}");
}

#[test]
fn a_lead_reads_the_months() {
    let broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    write_months(&room);
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.link());
    page.until("document.body.dataset.live === 'live'");
    page.keep_pictures("board-figures-link");
    page.value("document.querySelector('a[href=\"/figures\"]').click()");
    page.until("location.pathname === '/figures' && document.readyState === 'complete'");

    page.open(&room.page("/figures?month=2026-08"));
    assert_eq!(page.value("document.querySelectorAll('svg.chart').length"), 6);
    let text = page.text("main");
    for said in ["统计 2026-08", "本月各网格", "近 12 个月", "和平路东段第九网格", EVIL] {
        assert!(text.contains(said), "{said} in {text}");
    }
    assert_eq!(page.value("window.pwned ?? null"), serde_json::Value::Null);
    assert_readable(&page, "Chinese");
    look_at(&page, "figures");
    page.keep_pictures("figures");
    // Nobody worked in March: the charts have its word, the table its dashes.
    let march = "[...document.querySelectorAll('tbody tr')].find((row) => row.innerText.startsWith('2026-03')).innerText";
    assert!(
        page.value(march).as_str().unwrap_or_default().contains("0\t—\t—\t—\t—\t—\t—\t—\t—\t—"),
        "{}",
        page.value(march)
    );
    let none = "[...document.querySelectorAll('svg.chart text')].filter((text) => text.textContent.trim() === '无').length";
    assert_eq!(page.value(none), 8, "four charts of two empty months");
    for (name, part) in [("figures-devices", "#devices"), ("figures-months", "main > h2:last-of-type")] {
        page.value(&format!("document.querySelector('{part}').scrollIntoView()"));
        page.keep_pictures(name);
    }
    page.keep_print("figures");

    // By keyboard: Tab to the month before, Enter.
    page.value("document.querySelector('#earlier').focus()");
    page.press("Enter");
    page.until(
        "document.readyState === 'complete' && document.querySelector('h1').innerText.endsWith('2026-07')",
    );
    assert_readable(&page, "July");

    page.open(&room.page("/figures?month=2026-03"));
    assert!(page.text("#nothing").contains("没有处置记录"), "{}", page.text("main"));
    page.keep_pictures("figures-empty");
    look_at(&page, "figures of an empty month");
    page.open(&room.page("/figures?month=2026-08&grid=HP-03&lang=en"));
    assert!(page.text("h1").starts_with("Figures"));
    assert_readable(&page, "one grid, English");
    page.keep_pictures("figures-grid");
    page.assert_no_errors();
}
