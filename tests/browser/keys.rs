//! The rest of the keys: what a person writes down, puts aside and prints; and what the page says by itself.
use std::time::Duration;

use serde_json::json;

use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

fn told(page: &Page, text: &str) {
    page.until(&format!("document.querySelector('#told').innerText.includes({})", json!(text)));
}

fn watching(room: &Room, browser: &Chromium) -> Page {
    let page = browser.page();
    page.before_scripts("window.open = (path) => (window.opened = path)");
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.start_watch();
    page
}

#[test]
fn whoever_presses_a_key_for_a_row_and_has_selected_none_hears_why_nothing_happens() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = watching(&room, &browser);
    // Every word that was told, also one that another took the place of.
    let times = |text: &str| format!("window.ear.told.filter((told) => told.includes('{text}')).length");
    for (key, count) in [("KeyA", 1), ("KeyN", 2), ("KeyS", 3)] {
        page.press(key);
        page.until(&format!("{} >= {count}", times("没有选中报警")));
    }
    room.smoke("smoke-3-2-402", true);
    page.until("document.querySelector('#rows tr')?.ariaSelected === 'true'");
    page.until("performance.now() - document.querySelector('#rows tr').shownAt > 1000");
    page.press("KeyA");
    page.until("document.querySelector('#rows tr').classList.contains('acknowledged')");
    page.assert_no_errors();
}

#[test]
fn notes_call_backs_and_119_are_kept_with_the_case() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = watching(&room, &browser);
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("document.querySelector('#card .address')?.innerText === '3号楼2单元402'");

    page.press("KeyN");
    page.until("document.querySelector('#asking').open && document.activeElement.matches('#asking input')");
    assert_eq!(page.text("#asking-about"), "3号楼2单元402 烟感报警");
    // Letters in a field are letters; nothing is acknowledged.
    page.press("KeyA");
    page.write("楼道有烟味");
    page.press("Enter");
    told(&page, "备注已记录");
    page.until("document.querySelector('.timeline')?.innerText.includes('备注 · 楼道有烟味')");
    assert!(!page.is_shown("#rows tr.acknowledged"));

    page.value("document.querySelector('.script button').scrollIntoView()");
    page.click(".script button");
    told(&page, "拨打 119");
    page.until("document.querySelector('.timeline').innerText.includes('已拨打 · 119')");
    page.until("document.querySelector('#card .chain .now')?.innerText === '已受理'");

    page.press("KeyC");
    page.until("document.activeElement.matches('#asking input[type=radio]')");
    page.value("document.querySelector('#asking [value=no_answer]').click()");
    page.press("Enter");
    told(&page, "回拨结果已记录");
    page.until("document.querySelector('.timeline').innerText.includes('无人接听')");

    // Smoke is not put aside, and gas is not rung at; both are said kindly.
    page.press("KeyS");
    told(&page, "不能搁置");
    room.gas("gas-3-1-101", 31.0);
    page.until("document.querySelector('#card .address')?.innerText.includes('101')");
    page.press("KeyC");
    told(&page, "不往屋里打电话");
    assert!(!page.is_shown("#asking"));

    page.press("KeyP");
    page.until("/^\\/cases\\/[0-9A-Z]{26}\\/print$/.test(window.opened)");
    // A row without a case has its card printed: the card alone.
    page.ask("Emulation.setEmulatedMedia", &json!({ "media": "print" }));
    assert!(page.is_shown("#card .address") && !page.is_shown("#rows tr") && !page.is_shown("#card button"));
    page.assert_no_errors();
}

#[test]
fn what_is_shelved_has_a_place_of_its_own_and_a_countdown() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = watching(&room, &browser);
    room.heat(45.0);
    page.until_row("地下泵房");
    assert!(!page.is_shown("#shelf"));
    page.click("#rows td.place");
    page.press("KeyS");
    page.until("document.activeElement.matches('#asking input[type=number]')");
    page.value("document.querySelectorAll('#asking input')[1].focus()");
    page.write("空调在修");
    page.press("Enter");
    told(&page, "已搁置 地下泵房,15 分钟后自动恢复");
    page.until("document.querySelectorAll('#rows tr').length === 0");
    assert_eq!(page.text("#count-shelved"), "1");
    page.press("Digit5");
    page.until("/^还有 1[45]:\\d\\d$/.test(document.querySelector('#rows .left')?.innerText)");
    page.keep_pictures("board-shelved");
    page.press("KeyS");
    told(&page, "已取消搁置");
    page.press("Digit0");
    page.until_row("地下泵房");
    page.until("document.querySelector('#rows .left') === null");
    page.assert_no_errors();
}

#[test]
fn what_comes_late_says_for_how_long_nobody_knew() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = watching(&room, &browser);
    page.ask("Network.setBlockedURLs", &json!({ "urls": ["*state=open*"] }));
    room.smoke("smoke-3-2-402", true);
    room.listener.wait_for_event(Duration::from_secs(10), "shouwang.alarm.raised.v1", "smoke-3-2-402");
    page.until("document.body.dataset.live === 'shaky'");
    page.ask("Network.setBlockedURLs", &json!({ "urls": [] }));
    page.until("/^\\d+ 秒前发生$/.test(document.querySelector('#rows .late')?.innerText)");
    // What comes in time says nothing.
    room.smoke("smoke-3-2-403", true);
    page.until("document.querySelectorAll('#rows tr').length === 2");
    assert_eq!(page.value("document.querySelectorAll('#rows .late').length"), 1);
    page.assert_no_errors();
}

#[test]
fn a_browser_that_is_too_old_is_told_so() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    assert!(!page.is_shown("#old"));
    page.before_scripts("delete AbortSignal.timeout");
    page.open(&room.duty_room.page("/wall"));
    page.until("document.querySelector('#old').checkVisibility()");
    assert!(page.text("#old").contains("Chromium 103"), "{}", page.text("#old"));
}
