//! The installer's phone at the box, and the duty room that sees who walks: the PIN, how the box is, the walk test.
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::wait_until;

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

const LIMIT: Duration = Duration::from_secs(30);
/// A hundred questions on a line that the gateway asks all the while.
const SCANNED: Duration = Duration::from_secs(90);

/// A phone that is held upright.
pub(crate) const PHONE: (u32, u32) = (390, 844);

/// Such a phone before the pages of the box.
fn phone(browser: &Chromium, room: &Room) -> Page {
    phone_at(browser, &room.install_page())
}

pub(crate) fn phone_at(browser: &Chromium, address: &String) -> Page {
    let page = browser.page();
    page.resize(PHONE.0, PHONE.1);
    page.before_scripts(
        "window.spoken = []; speechSynthesis.speak = (said) => window.spoken.push(said.text);",
    );
    page.open(address);
    page.until("document.querySelector('#pin') !== null");
    page
}

/// A file that the phone's owner chose, made on the page; `made` is a JavaScript promise of a blob.
fn choose(page: &Page, field: &str, name: &str, made: &str) {
    page.until("document.body.dataset.ready === 'yes'");
    page.value(&format!(
        "(async () => {{ const blob = await ({made}); const given = new DataTransfer(); \
         given.items.add(new File([blob], '{name}')); const field = document.querySelector('{field}'); \
         field.files = given.files; field.dispatchEvent(new Event('change')); }})()"
    ));
}

/// A finger goes to where it is.
pub(crate) fn tap(page: &Page, selector: &str) {
    page.value(&format!("document.querySelector(\"{selector}\").scrollIntoView({{ block: 'center' }})"));
    page.click(selector);
}

pub(crate) fn fill(page: &Page, fields: &[(&str, &str)]) {
    for (field, text) in fields {
        page.value(&format!("document.querySelector('{field}').value = '{text}'"));
    }
}

pub(crate) fn enter(page: &Page, name: &str, pin: &str) {
    for (field, text) in [("name", name), ("pin", pin)] {
        page.value(&format!("document.querySelector('#{field}').focus()"));
        page.write(text);
    }
    tap(page, "form[action='/install/enter'] button");
}

#[test]
fn an_installer_walks_from_the_phone_and_the_duty_room_agrees() {
    let room = Room::new();
    let browser = Chromium::start();
    let desk = browser.page();
    desk.open(&room.duty_room.link());
    desk.until("document.body.dataset.live === 'live'");
    desk.start_watch();
    let phone = phone(&browser, &room);
    look_at(&phone, "the PIN");
    phone.keep_picture("install-pin", PHONE.0, PHONE.1);
    enter(&phone, "老张", "1");
    phone.until("document.querySelector('[role=alert]')?.innerText.includes('PIN 不对') ?? false");
    enter(&phone, "老张", &room.pin());
    phone.until("document.querySelectorAll('.checks li').length === 4");
    assert!(phone.text("header").contains("老张"), "{}", phone.text("header"));
    look_at(&phone, "how the box is");
    phone.keep_picture("install-home", PHONE.0, PHONE.1);

    tap(&phone, "a[href='/install/walk']");
    phone.until("document.querySelectorAll('input[name=device]').length === 5");
    look_at(&phone, "which devices");
    phone.keep_picture("install-choose", PHONE.0, PHONE.1);
    phone.value(
        "document.querySelectorAll('input[name=device]').forEach((one) => { one.checked = one.value === 'smoke-3-2-402'; })",
    );
    tap(&phone, "form[action='/install/walk'] button");
    phone.until("document.querySelector('#state')?.innerText.includes('等值班室同意') ?? false");
    desk.until("document.querySelector('#walk-bar').checkVisibility()");
    assert!(desk.text("#walk-bar").contains("老张"), "{}", desk.text("#walk-bar"));
    desk.click("#walk-bar");
    desk.until("document.querySelector('#walk').open");
    assert!(desk.text("#walk-list").contains("3号楼2单元402"), "{}", desk.text("#walk-list"));
    look_at(&desk, "a walk test is wanted");
    desk.keep_pictures("walk-wanted");
    desk.click("#walk-list button");

    phone.until("document.querySelector('#rows li.test') !== null");
    tap(&phone, "#voice");
    phone.until("document.querySelector('#voice').ariaPressed === 'true'");
    room.smoke("smoke-3-2-402", true);
    phone.until("document.querySelector('#rows li.passed') !== null");
    phone.until("window.spoken.some((said) => /^3号楼2单元402 通过,[0-9]+\\.[0-9] 秒$/.test(said))");
    desk.until_row("【测试】");
    look_at(&phone, "passed");
    phone.keep_picture("install-passed", PHONE.0, PHONE.1);
    wait_until(LIMIT, "what passed should be proven", || {
        let info: Option<Value> = room.listener.newest("info");
        let devices = info.and_then(|info| info["devices"].as_array().cloned()).unwrap_or_default();
        devices.iter().any(|device| device["id"] == "smoke-3-2-402" && device["proven_at"].is_string())
    });

    tap(&phone, "form:has(input[value=finish]) button");
    phone.until("document.querySelector('p.bad[role=alert]:not([hidden])')?.innerText.includes('还没有恢复正常') ?? false");
    room.smoke("smoke-3-2-402", false);
    phone.within(LIMIT, "document.querySelector('#rows li.passed') !== null && !document.querySelector('#rows').innerText.includes('还没有恢复正常')");
    tap(&phone, "form:has(input[value=finish]) button");
    phone.until("document.querySelector('#state')?.innerText.includes('走测完成') ?? false");
    desk.until("!document.querySelector('#walk-bar').checkVisibility()");
    phone.assert_no_errors();
    desk.assert_no_errors();
}

#[test]
fn a_device_is_found_named_watched_taken_back_photographed_and_signed_for() {
    let room = Room::new();
    let browser = Chromium::start();
    let phone = phone(&browser, &room);
    enter(&phone, "老张", &room.pin());
    phone.until("document.querySelector('a[href=\"/install/scan\"]') !== null");
    tap(&phone, "a[href='/install/scan']");
    phone.until("document.querySelector('#list') !== null");
    let bad = "Promise.resolve(new Blob(['id,line,unit_id,profile\\nx,b3,999,renke-rs-yg-n01']))";
    choose(&phone, "#list", "site.csv", bad);
    phone.until("document.querySelector('#list-said').innerText.includes('第 2 行')");
    let good = "Promise.resolve(new Blob(['id,line,unit_id,profile,building,entrance,room,name\\nsmoke-3-2-405,b3,6,renke-rs-yg-n01,3,2,405,3号楼2单元405']))";
    choose(&phone, "#list", "site.csv", good);
    phone.until("document.body.innerText.includes('已导入 1 台')");
    look_at(&phone, "the lines");
    tap(&phone, "form[action='/install/scan'] button");
    phone.within(SCANNED, "document.querySelector('a[href$=\"unit=6\"]') !== null");
    phone.within(SCANNED, "document.querySelector('#running') === null");
    look_at(&phone, "who was found");
    phone.keep_picture("install-scan", PHONE.0, PHONE.1);

    tap(&phone, "a[href$='unit=6']");
    phone.until("document.querySelector('#planned') !== null");
    phone.value("document.querySelector('#profile').value = 'renke-rs-yg-n01'");
    tap(&phone, "form[method=get] button");
    phone.until(
        "document.querySelector('[data-values] p[data-point=smoke]')?.innerText.includes('false') ?? false",
    );
    look_at(&phone, "a device and its place");
    phone.keep_picture("install-device", PHONE.0, PHONE.1);
    fill(&phone, &[("#building", "3"), ("#entrance", "2"), ("#room", "404")]);
    tap(&phone, "form:has(input[value=add]) button");
    phone.until("document.querySelector('#state')?.innerText.includes('online') ?? false");
    assert_eq!(phone.text("h2"), "3号楼2单元404");
    room.listener.wait_for_device(LIMIT, "smoke-3-2-404", "online");

    tap(&phone, "form:has(input[value=undo]) button");
    phone.until("document.querySelector('#planned') !== null");
    assert_eq!(phone.value("document.querySelector('#building').value"), "3", "the last building is kept");
    phone.value("document.querySelector('#planned').value = 'smoke-3-2-405'");
    tap(&phone, "form:has(input[value=add]) button");
    phone.until("document.querySelector('#state')?.innerText.includes('online') ?? false");
    assert_eq!(phone.text("h2"), "3号楼2单元405");
    let picture = "new Promise((done) => { const one = document.createElement('canvas'); [one.width, one.height] = [2400, 1800]; \
                   one.getContext('2d').fillRect(0, 0, 900, 900); one.toBlob(done, 'image/png'); })";
    choose(&phone, "#photo", "photo.png", picture);
    phone.until("(document.querySelector('img')?.naturalWidth ?? 0) === 1600");
    look_at(&phone, "a device that is watched");
    phone.keep_picture("install-watched", PHONE.0, PHONE.1);

    phone.open(&format!("{}/sign", room.install_page()));
    phone.until("document.querySelector('#role') !== null");
    assert!(phone.text("main").contains("3号楼2单元405:没走测"), "{}", phone.text("main"));
    fill(&phone, &[("#name", "老张")]);
    tap(&phone, "form:has(#role) button");
    phone.until("document.querySelector('li.passed')?.innerText.includes('老张') ?? false");
    look_at(&phone, "the signatures");
    phone.keep_picture("install-sign", PHONE.0, PHONE.1);
    phone.assert_no_errors();
}
