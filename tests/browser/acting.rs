//! Two people, one alarm.
use serde_json::json;

use crate::chromium::Chromium;
use crate::room::Room;

#[test]
fn two_acknowledge_one_is_first_and_both_are_told() {
    let room = Room::new();
    let browser = Chromium::start();
    let (first, second) = (browser.page(), browser.page());
    for page in [&first, &second] {
        page.open(&room.duty_room.link());
        page.until("document.body.dataset.live === 'live'");
        page.start_watch();
    }
    room.wait_for_armed(std::time::Duration::from_secs(3), 2);
    room.smoke("smoke-3-2-402", true);
    for page in [&first, &second] {
        page.until_row("3-2-402");
        page.until("performance.now() - document.querySelector('#rows tr').shownAt > 1000");
    }
    // The second page's list does not come again: its person acts on what they saw.
    second.ask("Network.setBlockedURLs", &json!({ "urls": ["*state=open*"] }));
    first.press("KeyA");
    first.until("document.querySelector('#told').innerText === '已确认 3号楼2单元402'");
    second.press("KeyA");
    second.until("/^已由 值班员 \\d\\d:\\d\\d:\\d\\d 确认$/.test(document.querySelector('#told').innerText)");
    second.ask("Network.setBlockedURLs", &json!({ "urls": [] }));
    for page in [&first, &second] {
        page.until("document.querySelector('#rows tr').classList.contains('acknowledged')");
        page.until("document.body.dataset.tone === 'none'");
        page.assert_no_errors();
    }
    let events = room.listener.events_of("shouwang.alarm.acknowledged.v1");
    assert_eq!(events.len(), 1, "acknowledged once");
}
