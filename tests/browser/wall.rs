//! The wall: large, without names and without buttons, and as honest about itself as the board.
use crate::chromium::Chromium;
use crate::room::Room;

const MANY: &str = "
    const asked = window.fetch;
    window.fetch = async (...how) => {
        const said = await asked(...how);
        if (!String(how[0]).includes('state=open')) return said;
        const list = (await said.json()).items.filter((one) => !one.explained);
        const items = list.flatMap((one) => Array.from({ length: 5 }, (_, n) => ({ ...one, id: one.id + n })));
        return Response.json({ items, count: items.length });
    };";

#[test]
fn the_wall_shows_the_worst_first_large_and_without_names() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.start_watch();
    room.gas("gas-canteen", 12.0);
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until_row("社区食堂");
    // The newest emergency is the one that is selected, and acknowledged.
    room.gas("gas-3-1-101", 31.0);
    page.until_row("3-1-101");
    page.until(
        "[...document.querySelectorAll('#rows tr')].every((row) => performance.now() - row.shownAt > 1000)",
    );
    page.press("KeyA");
    page.until("document.querySelectorAll('#rows tr.acknowledged').length === 1");
    page.keep_pictures("board-mixed");

    // A bad night: the same three, five times over.
    page.before_scripts(MANY);
    page.open(&room.duty_room.page("/wall"));
    page.until_row("3-2-402");
    page.until_row("社区食堂");
    assert_eq!(page.value("document.querySelectorAll('button, input, a').length"), 0);
    let sizes = "[...document.querySelectorAll('#clock, .count strong, td.age, td.place')]
        .map((digits) => parseFloat(getComputedStyle(digits).fontSize))";
    for (width, height) in [(1366, 768), (1920, 1080)] {
        page.resize(width, height);
        page.until(&format!("{sizes}.every((size) => size >= 48)"));
        assert_eq!(
            page.value("document.documentElement.scrollHeight <= innerHeight"),
            true,
            "it fits {width}x{height}"
        );
        assert_eq!(
            page.value("document.documentElement.scrollWidth <= innerWidth"),
            true,
            "it fits {width}x{height}"
        );
    }
    assert_eq!(page.value("document.querySelectorAll('#rows tr').length"), 8);
    assert_eq!(page.text("#more"), "另有 7 条");
    assert_eq!(page.text("#count-emergency"), "5", "all are counted");
    let first = page.text("#rows tr:first-child");
    assert!(first.contains("紧急") && first.contains("未确认"), "{first}");
    page.keep_pictures("wall");
    page.assert_no_errors();
}
