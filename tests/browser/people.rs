//! People around an alarm: who is on duty, whom to call, the sheet of a case, 查岗, and the hand-over of the watch.
use std::time::Duration;

use serde_json::json;
use shouwang_tests::duty_room::PASSWORD;

use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

/// A card as the lead's page would have written it.
pub(crate) fn write_card(room: &Room) {
    let file = room.duty_room.state_directory().join("duty-room.db");
    let database = rusqlite::Connection::open(file).expect("the duty room's store");
    let card = json!({
        "building": "3", "entrance": "2", "room": "402", "name": "王秀英", "phone": "13812348000", "born": 1941,
        "hearing": "hard", "can_open": false, "dialect": "温州话", "oxygen": true, "notes": "卧室在最里间",
        "key_holder": {"name": "李师傅", "phone": "13900000001"},
        "contacts": [{"name": "王小红", "phone": "13700000002"}, {"name": "王强", "phone": "13700000003"}],
        "consent": "2026-01-05", "keep_until": "2099-01-05",
    });
    let add = "INSERT INTO resident (building, entrance, room, name, keep_until, body)
        VALUES ('3', '2', '402', '王秀英', '2099-01-05', ?1)";
    database.execute(add, [card.to_string()]).expect("a card");
}

/// Opens a page of the duty room in place of the one that is open.
fn go(page: &Page, path: &str) {
    page.open(
        &page.value(&format!("location.origin + {}", json!(path))).as_str().unwrap_or_default().to_owned(),
    );
}

/// Presses what may lie below the window's edge.
fn reach(page: &Page, selector: &str) {
    page.value(&format!("document.querySelector({}).scrollIntoView({{ block: 'center' }})", json!(selector)));
    page.click(selector);
}

#[test]
fn a_watch_from_its_beginning_to_its_handover() {
    let room = Room::new();
    room.duty_room.add_operator("wang", "王师傅");
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.until("document.querySelector('#on-duty').innerText === '无人在岗'");
    page.start_watch();
    page.until("document.querySelector('#on-duty').innerText.startsWith('在岗 值班员')");
    write_card(&room);
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("document.querySelector('#card-call .traits')?.innerText.includes('王**')");
    let call = page.text("#card-call");
    for part in ["138****8000", "重听", "不能开门", "吸氧", "讲温州话", "打 119"] {
        assert!(call.contains(part), "{part} in {call}");
    }
    assert!(!page.text("body").contains("13812348000"), "masked until it is opened");
    // An emergency that nobody acknowledged blocks the hand-over.
    let second = browser.page();
    second.open(&room.duty_room.link());
    go(&second, "/handover");
    assert!(second.text(".blocked").contains("3号楼2单元402"), "{}", second.text("main"));
    second.keep_pictures("handover-blocked");

    page.until("performance.now() - document.querySelector('#rows tr').shownAt > 1000");
    page.press("KeyA");
    page.until("document.querySelector('#rows tr').classList.contains('acknowledged')");
    page.keep_pictures("board-call");
    page.press("KeyC");
    page.until("document.querySelector('#dial-number').innerText === '13812348000'");
    page.until("document.querySelector('#dial-code path').getAttribute('d').length > 100");
    page.keep_pictures("board-dial");
    page.click("#dial-results button:nth-child(3)");
    page.until("document.querySelector('#card-case').innerText.includes('无人接听')");
    assert!(!page.is_shown("#dial"));
    page.assert_no_errors();

    go(
        &second,
        &format!("/cases/{}/print", room.duty_room.open_alarms()[0]["id"].as_str().unwrap_or_default()),
    );
    assert!(second.text("main").contains("处置单") && second.text("main").contains("无人接听"));
    assert!(!second.text("main").contains("王秀英"), "paper lies about");
    second.keep_pictures("case-sheet");
    second.keep_print("case-sheet");

    go(&second, "/handover");
    second.until("document.querySelector('#sign button')?.disabled === false");
    reach(&second, "#note input");
    second.write("402 老人耳背,敲门要大声;3 号楼电梯停运");
    second.press("Enter");
    second.until("document.querySelector('main')?.innerText.includes('电梯停运') ?? false");
    second.keep_pictures("handover");
    for (field, text) in [("password", PASSWORD), ("to", "wang"), ("to_password", PASSWORD)] {
        reach(&second, &format!("#sign input[name={field}]"));
        second.write(text);
    }
    reach(&second, "#sign button");
    second.within(Duration::from_secs(20), "location.pathname.startsWith('/handover/0')");
    let sheet = second.text("main");
    assert!(sheet.contains("SHA-256") && sheet.contains("王师傅") && !sheet.contains("未签字"), "{sheet}");
    second.keep_pictures("handover-signed");
    second.keep_print("handover-signed");
    second.assert_no_errors();
    page.until("document.querySelector('#on-duty').innerText.includes('王师傅')");
}
