//! More rows than one sheet of the list holds: how many are not shown is said, every one can be reached, and no
//! emergency that waits is on another sheet.
use crate::chromium::Chromium;
use crate::page::Page;
use crate::room::Room;

/// What is no emergency many times over, and emergencies `window.fires` times, at the end of the list.
const MANY: &str = "
    const ask = window.fetch;
    window.fires = 1;
    window.fetch = async (path, how) => {
        const answer = await ask(path, how);
        if (!String(path).includes('state=open')) return answer;
        const said = await answer.json();
        const copy = (one, n) => ({ ...one, id: one.id + n, cry: one.id + n, place: { ...one.place, building: '9', entrance: null, room: String(n + 1) } });
        const items = said.items.flatMap((one) => one.priority === 'emergency' ? [] : [...Array(450).keys()].map((n) => copy(one, n)));
        const fires = said.items.filter((one) => one.priority === 'emergency');
        items.push(...fires.flatMap((one) => [...Array(window.fires).keys()].map((n) => n ? copy(one, n) : one)));
        return new Response(JSON.stringify({ ...said, items, version: undefined, after: undefined, count: items.length }), { status: answer.status });
    };";

fn rows(page: &Page) -> i64 {
    page.value("document.querySelectorAll('#rows tr').length").as_i64().unwrap_or_default()
}

#[test]
fn a_list_longer_than_a_sheet_says_what_it_does_not_show_and_hides_no_emergency() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.before_scripts(MANY);
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.start_watch();
    room.gas("gas-canteen", 12.0);
    page.until("document.querySelectorAll('#rows tr').length === 200");
    assert_eq!(page.text("#more-said"), "第 1–200 行,共 450 行,另有 250 行未显示");
    assert_eq!(page.text("#count-urgent"), "450", "all are counted");
    page.press("PageDown");
    page.press("PageDown");
    page.until("document.querySelectorAll('#rows tr').length === 50");
    assert_eq!(page.text("#more-said"), "第 401–450 行,共 450 行,另有 400 行未显示");
    assert!(page.value("document.querySelector('#more-next').disabled") == true);

    // An emergency stands on top of whichever sheet is open, and is selected.
    room.smoke("smoke-3-2-402", true);
    page.until("document.querySelector('#rows tr').innerText.includes('3-2-402')");
    assert_eq!(rows(&page), 51);
    page.until("document.querySelector('#card .address')?.innerText === '3号楼2单元402'");
    page.keep_pictures("board-many");
    page.click("#more-before");
    page.until("document.querySelectorAll('#rows tr').length === 201");
    assert!(page.text("#rows tr").contains("3-2-402"));
    // A row that is searched for is found whatever sheet it is on.
    page.press("Slash");
    page.write("9-450");
    page.until("document.querySelectorAll('#rows tr').length === 2");
    assert!(!page.is_shown("#more"));
    page.press("Escape");

    // More emergencies than fit on top of every sheet: they fill the first ones, and the line says so in red.
    page.value("window.fires = 230");
    room.smoke("smoke-3-2-403", true);
    page.until("document.querySelector('#count-emergency').innerText === '460'");
    page.press("PageUp");
    page.press("PageUp");
    page.until("document.querySelector('#more').classList.contains('red')");
    assert!(page.text("#more-said").contains("其中 260 条紧急不在本页"), "{}", page.text("#more-said"));
    assert!(
        page.value(
            "[...document.querySelectorAll('#rows tr')].every((row) => row.querySelector('.emergency'))"
        ) == true
    );
    page.assert_no_errors();
}
