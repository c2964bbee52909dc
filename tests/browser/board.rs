//! An alarm's way to a person: seen, heard, acknowledged, dispatched and concluded, by keys.
use std::time::Duration;

use crate::chromium::Chromium;
use crate::room::{EVIL, Room};

const SOON: Duration = Duration::from_secs(3);
const SWEEP: [u64; 3] = [660, 880, 1100];

#[test]
fn an_alarm_is_seen_heard_and_handled_by_keyboard() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    assert_eq!(page.text("#quiet"), "没有未结束的报警");

    // Before the watch begins the page shows and does nothing else.
    room.gas("gas-canteen", 12.0);
    page.until_row("社区食堂");
    assert!(page.is_shown("#start") && !page.is_shown("td.act button"));
    page.press("KeyA");
    page.until("document.querySelector('#told').innerText === '请先按“开始值守”'");
    assert_eq!((page.state("tone"), page.tones().len()), ("none".into(), 0));

    // A wrong count is no watch; the right one is, and the gateways know it.
    page.click("#start");
    let before = page.type_beeps(0, 1);
    page.until("document.querySelector('#digit-said').innerText === '不对,请再听一次'");
    assert_eq!(page.state("sound"), "off");
    page.type_beeps(before, 0);
    page.until("document.body.dataset.sound === 'armed'");
    room.wait_for_armed(SOON, 1);
    page.until("document.querySelector('#boards').innerText === '1'");
    assert!(page.text("#sound").contains("听到"), "{}", page.text("#sound"));
    // The canteen waited for it: urgent, a double beep.
    page.until("document.body.dataset.tone === 'urgent' && window.ear.tones.filter((hertz) => hertz === 988).length === 2");

    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("document.body.dataset.tone === 'emergency'");
    assert_eq!(page.value("window.ear.contexts[0].state"), "running");
    assert!(SWEEP.iter().all(|hertz| page.tones().contains(hertz)), "{:?}", page.tones());
    assert_eq!(page.text("#count-emergency"), "1");
    assert_eq!(
        page.value("document.querySelector('#rows tr').innerText.includes('3-2-402')"),
        true,
        "it is on top"
    );
    assert!(page.text("#cried").contains("烟感报警"));
    page.until("document.querySelector('#card .address')?.innerText === '3号楼2单元402'");
    assert!(page.text(".script").contains("3号楼2单元402"), "the words for 119");

    // Silence is no acknowledgement, and ends at the next emergency: smoke next door, in a place whose name is markup.
    page.press("KeyM");
    page.until("document.body.dataset.sound === 'muted' && document.body.dataset.tone === 'none'");
    room.smoke("smoke-3-2-403", true);
    page.until("document.body.dataset.tone === 'emergency' && document.body.dataset.sound === 'armed'");
    page.until_row(EVIL);
    assert_eq!(page.value("window.pwned ?? null"), serde_json::Value::Null, "a name is text");
    assert_eq!(page.value("document.querySelectorAll('#rows script, #rows img, #card img').length"), 0);
    page.keep_pictures("board-emergency");

    // One after the other, by keys alone, as an input method gives them.
    for _ in 0..2 {
        page.press("KeyK");
        page.press("KeyK");
        page.until(
            "document.querySelector('#rows tr[aria-selected=true]') === document.querySelector('#rows tr')",
        );
        // Only what was on the screen for a second is acknowledged.
        page.until(
            "performance.now() - document.querySelector('#rows tr').shownAt > 1000 \
             && !document.querySelector('#rows tr').classList.contains('acknowledged')",
        );
        let left = page.text("#count-emergency").parse::<u32>().expect("a count");
        page.press("KeyA");
        page.until(&format!("document.querySelector('#count-emergency').innerText === '{}'", left - 1));
    }
    assert_eq!(page.text("#count-emergency"), "0");
    page.until("document.body.dataset.tone !== 'emergency'");
    assert!(page.text("#told").starts_with("已确认"), "{}", page.text("#told"));
    handle(&page);
    page.assert_no_errors();
}

/// The case of the smoke in 402: acknowledged is accepted; somebody is sent, and what it was is said.
fn handle(page: &crate::page::Page) {
    page.click("#rows tr.acknowledged td.place");
    page.until("document.querySelector('#card .chain .now')?.innerText === '已受理'");
    page.press("KeyD");
    page.until("document.activeElement.id === 'case-to'");
    // Letters in a field are letters.
    page.press("KeyM");
    assert_eq!(page.state("sound"), "armed");
    page.write("网格员小李");
    page.press("Enter");
    page.until("document.querySelector('#card .chain .now')?.innerText === '已派单'");
    page.press("KeyF");
    page.until("document.activeElement.id === 'case-what'");
    page.value("document.activeElement.value = 'false_alarm'");
    page.value("document.querySelector('#case-note').focus()");
    page.write("炒菜油烟");
    page.press("Enter");
    page.until("document.querySelector('#card .chain .now')?.innerText === '已办结'");
    assert!(page.text(".timeline").contains("误报 · 炒菜油烟"), "{}", page.text(".timeline"));
    page.keep_pictures("board-handled");
}

#[test]
fn by_night_only_emergencies_sound() {
    let room = Room::at_night();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.click("#start");
    page.type_beeps(0, 0);
    page.until("document.body.dataset.sound === 'armed'");
    assert_eq!(page.text("#night"), "夜间静音(紧急照常响)");

    room.gas("gas-canteen", 12.0);
    page.until_row("社区食堂");
    room.smoke("smoke-3-2-402", true);
    page.until("document.body.dataset.tone === 'emergency'");
    assert!(SWEEP.iter().all(|hertz| page.tones().contains(hertz)), "{:?}", page.tones());
    assert!(!page.tones().contains(&988), "the canteen waits for the morning: {:?}", page.tones());
    page.keep_pictures("board-night");
}

#[test]
fn keys_filter_and_find_and_an_emergency_is_never_hidden() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    room.gas("gas-canteen", 12.0);
    room.gas("gas-3-1-101", 31.0);
    page.until_row("3-1-101");
    page.until_row("社区食堂");

    let rows = "[...document.querySelectorAll('#rows td.place')].map((place) => place.innerText).join()";
    page.press("Digit4");
    page.until(&format!("{rows} === '3-1-101'"));
    assert!(page.is_shown("#filtered"));
    page.press("Escape");
    page.until(&format!("{rows}.includes('社区食堂')"));
    page.press("Slash");
    // The canteen does not fit and goes; the emergency never does.
    page.write("3-1-101");
    page.until(&format!("{rows} === '3-1-101'"));
    // In the field, keys do nothing else.
    page.press("Digit4");
    assert_eq!(
        page.value("document.querySelector('.count.emergency').getAttribute('aria-pressed')"),
        "false"
    );
    page.press("Escape");
    page.until("document.activeElement === document.body && document.querySelector('#find').value === ''");

    // The pointer in the list holds no emergency back.
    page.point_at(400, 150);
    page.until("document.querySelector('#table').matches(':hover')");
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.press("KeyJ");
    page.until("document.querySelectorAll('#rows tr[aria-selected=true]').length === 1");
    page.ask(
        "Input.dispatchKeyEvent",
        &serde_json::json!({ "type": "keyDown", "code": "Slash", "key": "?", "modifiers": 8 }),
    );
    page.until("document.querySelector('#help').open");
    page.press("Escape");
    page.until("!document.querySelector('#help').open");

    page.open(&format!("{}?lang=en", room.duty_room.page("/")));
    page.until_row("Smoke alarm");
    assert!(page.text("#start").contains("Start watch"));
    page.keep_pictures("board-english");
    page.assert_no_errors();
}
