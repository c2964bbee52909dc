//! Exercises from the board: a drill and a device in test, asked for twice, by keyboard, seen by everybody.
use std::time::Duration;

use shouwang_tests::wait_until;

use crate::chromium::Chromium;
use crate::room::Room;

#[test]
fn a_lead_drills_the_watch_and_everybody_sees_that_it_is_a_drill() {
    let room = Room::new();
    let browser = Chromium::start();
    let (lead, operator) = (browser.page(), browser.page());
    lead.open(&room.duty_room.lead());
    operator.open(&room.duty_room.link());
    for page in [&lead, &operator] {
        page.until("document.body.dataset.live === 'live'");
        page.start_watch();
    }
    lead.until("document.querySelector('#exercise-open').checkVisibility()");
    assert!(!operator.is_shown("#exercise-open"), "an operator begins no drill");
    operator.press("KeyX");
    assert!(!operator.is_shown("#exercise"));

    lead.press("KeyX");
    lead.until("document.querySelector('#drill-add').options.length === 6");
    lead.keep_pictures("exercise");
    lead.value("document.querySelector('#drill-script').value = '0 smoke-3-2-402 smoke\\n9 nowhere'");
    lead.value("document.querySelector('#drill-form button').focus()");
    lead.press("Enter");
    lead.until("document.querySelector('#told').innerText.includes('9 nowhere')");
    lead.value("document.querySelector('#drill-script').value = '0 smoke-3-2-402 烟感 # 三楼\\n7000,gas-canteen,gas'");
    lead.press("Enter");
    lead.until("document.activeElement.id === 'sure-yes'");
    assert!(lead.text("#sure-said").contains("响 2 条报警"), "{}", lead.text("#sure-said"));
    lead.keep_pictures("exercise-sure");
    assert!(!lead.is_shown("#drill-bar"), "nothing begins before it is confirmed");
    lead.press("Enter");
    lead.until("document.querySelector('#drill-state').innerText.includes('smoke-3-2-402')");
    lead.until("document.querySelector('#drill-bar').checkVisibility()");
    lead.keep_pictures("exercise-running");
    lead.press("Escape");

    operator.until_row("【演练】");
    operator.until(
        "document.querySelector('#drill-bar').checkVisibility() && document.body.dataset.drill === 'true'",
    );
    operator.until("performance.now() - document.querySelector('#rows tr').shownAt > 1000");
    // Within two seconds of a key the selection stands still: A is for what the page shows as selected.
    operator.until("document.querySelector('#rows tr').ariaSelected === 'true'");
    operator.keep_pictures("board-drill");
    operator.press("KeyA");
    operator.until("document.querySelector('#rows tr').classList.contains('acknowledged')");
    // Who acknowledged after how long stands in the table, for the operator too.
    operator.click("#drill-bar");
    operator.until("document.querySelector('#drill-state tbody tr')?.innerText.includes('值班员')");
    assert!(!operator.is_shown("#drill-form") && !operator.is_shown("#drill-stop"));
    assert!(!operator.is_shown("#exercise-test"));

    lead.press("KeyX");
    lead.until("document.querySelector('#drill-stop').checkVisibility()");
    lead.value("document.querySelector('#drill-stop').focus()");
    lead.press("Enter");
    for page in [&lead, &operator] {
        page.until("!document.querySelector('#drill-bar').checkVisibility()");
        page.until("document.querySelectorAll('#rows tr').length === 0");
        page.assert_no_errors();
    }
    lead.until("document.querySelector('#drill-state').innerText.includes('上次演练')");
}

#[test]
fn a_device_is_tested_and_what_it_says_meanwhile_is_a_test() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.lead());
    page.until("document.body.dataset.live === 'live'");
    page.start_watch();
    page.until("document.querySelector('#exercise-open').checkVisibility()");
    page.click("#exercise-open");
    page.until("document.querySelector('#test-device').options.length === 6");
    let pick = "(() => { const all = document.querySelector('#test-device'); \
                all.value = [...all.options].find((one) => one.text.includes('smoke-3-2-402')).value; })()";
    page.value(pick);
    page.value("document.querySelector('#test-reason').focus()");
    page.write("年检");
    page.press("Enter");
    page.until("document.querySelector('#sure-said').innerText.includes('3号楼2单元402')");
    page.press("Enter");
    page.until("document.querySelector('#test-list').innerText.includes('smoke-3-2-402')");
    page.keep_pictures("exercise-test");
    page.press("Escape");
    page.until("document.querySelector('#tests').innerText === '测试中 1 台'");
    room.smoke("smoke-3-2-402", true);
    page.until_row("【测试】");
    assert!(page.text("#rows tr").contains("【测试】"));
    room.smoke("smoke-3-2-402", false);
    page.press("KeyX");
    page.until("document.querySelector('#test-list button')?.checkVisibility() ?? false");
    page.value("document.querySelector('#test-list button').focus()");
    page.press("Enter");
    page.until("document.querySelector('#tests').checkVisibility() === false");
    wait_until(Duration::from_secs(10), "the device should be on line again", || {
        room.duty_room.read("/api/v1/devices").contains("\"state\":\"online\"")
    });
    page.assert_no_errors();
}
