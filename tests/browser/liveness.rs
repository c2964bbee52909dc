//! A page that is not live, or cannot sound, must never look normal.
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use shouwang_tests::clock;

use crate::chromium::Chromium;
use crate::room::Room;

#[test]
fn a_server_that_hangs_is_a_red_bar_by_ten_seconds() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.start_watch();
    room.gas("gas-canteen", 12.0);
    page.until_row("社区食堂");
    let ticks = "Number(document.querySelector('#clock').dataset.ticks)";
    let before = page.value(ticks).as_u64().unwrap_or_default();
    page.until(&format!("{ticks} > {before}"));

    let stopped = clock::now();
    room.duty_room.signal(Signal::STOP);
    let shown = page.text("#clock");
    page.within(Duration::from_secs(9), "document.querySelector('#shaky').checkVisibility()");
    assert!(stopped.elapsed() >= Duration::from_secs(5), "amber too early: {:?}", stopped.elapsed());
    assert!(!page.is_shown("#dead"));
    page.within(Duration::from_secs(6), "document.querySelector('#dead').checkVisibility()");
    let took = stopped.elapsed();
    assert!(took >= Duration::from_secs(8) && took <= Duration::from_millis(11_500), "red after {took:?}");
    assert!(page.text("#dead").contains("页面已断线"));
    assert_eq!(page.value("document.querySelector('#dead').offsetWidth === innerWidth"), true);
    assert_eq!(page.value("getComputedStyle(document.querySelector('main')).filter"), "grayscale(1)");
    assert_eq!(page.text("#clock"), shown, "the second counter shows ticks and nothing else");
    page.until("document.title.startsWith('页面已断线')");
    // The page itself cries, in its own low voice.
    page.until("document.body.dataset.tone === 'dead' && window.ear.tones.includes(330)");
    page.keep_pictures("board-dead");

    room.duty_room.signal(Signal::CONT);
    page.within(Duration::from_secs(8), "document.body.dataset.live === 'live'");
    assert!(!page.is_shown("#dead"));
    // Its reports were missed: the gateways hear of it again.
    room.wait_for_armed(Duration::from_secs(8), 1);
    page.assert_no_errors();
}

#[test]
fn a_page_without_sound_says_so_within_a_second_and_does_not_count() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.start_watch();
    room.wait_for_armed(Duration::from_secs(5), 1);
    assert!(!page.is_shown("#soundless"));

    page.value("window.ear.contexts[0].suspend().then(() => true)");
    page.within(Duration::from_secs(1), "document.querySelector('#soundless').checkVisibility()");
    assert_eq!(page.text("#soundless"), "没有声音!点此恢复");
    assert_eq!(page.state("sound"), "blocked");
    room.wait_for_armed(Duration::from_secs(3), 0);
    page.keep_pictures("board-soundless");

    page.click("#soundless");
    page.until("document.body.dataset.sound === 'armed'");
    assert!(!page.is_shown("#soundless"));
    room.wait_for_armed(Duration::from_secs(3), 1);

    // Who hears nothing may act, on a page that says so.
    page.value("sessionStorage.clear()");
    page.open(&room.duty_room.page("/"));
    page.click("#start");
    page.click("#deaf");
    page.until("document.querySelector('#soundless').innerText.includes('只能看,不能叫醒人')");
    room.wait_for_armed(Duration::from_secs(3), 0);

    // Without its session the page keeps what it shows, and says that nobody can act there.
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("document.querySelector('td.act button') !== null");
    page.ask("Network.clearBrowserCookies", &json!({}));
    page.within(Duration::from_secs(8), "document.querySelector('#expired').checkVisibility()");
    page.until("document.querySelector('td.act button') === null");
    page.until_row("3-2-402");
    page.assert_no_errors();
}
