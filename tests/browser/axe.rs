//! The pages as somebody finds them who cannot see them well: axe-core looks for colours without contrast, fields
//! without names, and regions that no reader finds. Nothing serious may be left.
use serde_json::Value;
use shouwang_tests::program::root;
use shouwang_tests::{DutyRoom, Mosquitto};

use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

#[test]
fn no_page_shuts_out_who_cannot_see_it_well() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.page("/login"));
    look_at(&page, "login");

    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    look_at(&page, "board before the watch");
    page.start_watch();
    room.smoke("smoke-3-2-402", true);
    room.gas("gas-canteen", 12.0);
    room.gas("gas-3-1-101", 31.0);
    room.heat(45.0);
    for place in ["3-2-402", "3-1-101", "社区食堂", "地下泵房"] {
        page.until_row(place);
    }
    page.press("KeyJ");
    page.until("document.querySelector('#card .address') !== null");
    look_at(&page, "board with an open card");
    page.until(
        "[...document.querySelectorAll('#rows tr')].every((row) => performance.now() - row.shownAt > 1000)",
    );
    page.press("KeyA");
    page.until("document.querySelector('#rows tr:last-child').classList.contains('acknowledged')");
    page.click("#rows tr.acknowledged td.place");
    page.until("document.querySelector('#card .chain .now')?.innerText === '已受理'");
    look_at(&page, "case");
    page.press("KeyN");
    page.until("document.querySelector('#asking').open");
    look_at(&page, "note");
    page.keep_pictures("board-note");
    page.press("Escape");
    page.click("#keys");
    page.until("document.querySelector('#help').open");
    look_at(&page, "help");
    page.keep_pictures("board-help");
    page.press("Escape");

    // An emergency interrupts a reader, the rest waits for its turn.
    let region = |id: &str| page.value(&format!("document.querySelector('#{id}').getAttribute('aria-live')"));
    assert_eq!((region("cried"), region("said")), ("assertive".into(), "polite".into()));

    let case = page.value("document.querySelector('#rows tr').dataset.id");
    let case = case.as_str().expect("an id").to_owned();
    page.open(&room.duty_room.page(&format!("/cases/{case}/print")));
    look_at(&page, "case on paper");
    page.keep_pictures("case-paper");
    page.open(&room.duty_room.page("/handover"));
    look_at(&page, "handover");
    page.keep_pictures("handover");
    page.open(&room.duty_room.page("/wall"));
    page.until_row("3-1-101");
    look_at(&page, "wall");
}

#[test]
fn neither_do_the_pages_of_whoever_leads_nor_the_first_one_of_all() {
    let broker = Mosquitto::start();
    let new = DutyRoom::start_for_the_first_time(&broker);
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&new.page("/setup"));
    page.until("document.querySelector('#code') !== null");
    look_at(&page, "setup");
    drop(new);

    let room = Room::new();
    room.duty_room.add_operator("wang", "王师傅");
    crate::people::write_card(&room);
    let page = browser.page();
    page.open(&room.duty_room.lead());
    page.until("document.body.dataset.live === 'live'");
    page.until("document.querySelector('#exercise-open').checkVisibility()");
    page.click("#exercise-open");
    page.until("document.querySelector('#drill-add').options.length === 6");
    look_at(&page, "drills and tests");
    page.open(&room.duty_room.page("/accounts"));
    page.until("document.querySelectorAll('#people tr').length === 3");
    look_at(&page, "accounts");
    page.keep_pictures("accounts-lead");
    page.open(&room.duty_room.page("/residents"));
    page.until("document.querySelector('main')?.innerText.includes('王秀英')");
    look_at(&page, "residents");
    page.keep_pictures("residents");
    page.click("button.edit");
    page.until("document.querySelector('#card [name=name]').value === '王秀英'");
    look_at(&page, "a resident's card");
    page.open(&room.duty_room.page("/handover"));
    look_at(&page, "handover with nobody on duty");
    page.keep_pictures("handover-empty");
    page.assert_no_errors();
}

/// Fails on what is serious or critical, with the elements that it is about.
#[track_caller]
pub(crate) fn look_at(page: &Page, what: &str) {
    let axe = root().join("target/test-tools/axe/axe.min.js");
    let axe = std::fs::read_to_string(&axe)
        .unwrap_or_else(|error| panic!("{}: {error}: `tests/run` installs axe-core", axe.display()));
    page.value(&format!("{axe}\ntrue"));
    let found =
        page.value("axe.run().then(({ violations, passes }) => ({ violations, passes: passes.length }))");
    assert!(found["passes"].as_u64() >= Some(8), "{what}: it looked at something: {found}");
    let bad: Vec<String> = found["violations"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|one| matches!(one["impact"].as_str(), Some("serious" | "critical")))
        .map(|one| {
            let nodes = one["nodes"].as_array().into_iter().flatten();
            let nodes: Vec<String> = nodes.take(6).map(told).collect();
            format!("{} ({}): {}\n    {}", one["id"], one["impact"], one["help"], nodes.join("\n    "))
        })
        .collect();
    assert!(bad.is_empty(), "{what}:\n{}", bad.join("\n"));
}

fn told(node: &Value) -> String {
    format!("{} {}", node["target"], node["any"][0]["message"])
}
