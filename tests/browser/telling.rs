//! Who is told outside the room, as the page shows it: when the next one is due, and what came of those before.
use crate::chromium::Chromium;
use crate::room::Room;

/// As a duty room with channels says it.
const TOLD: &str = "
    const ask = window.fetch;
    const soon = new Date(Date.now() + 95000).toISOString();
    const told = (channel, to, result, seconds, text) =>
        ({ channel, to, result, seconds, text, code: null, step: 0, occurrence: 1, purpose: 'step', at: soon, tries: 1 });
    window.fetch = async (path, how) => {
        const answer = await ask(path, how);
        if (how?.method === 'POST' || !answer.ok) return answer;
        if (/cases\\/[0-9A-Z]{26}$/.test(path)) {
            const deliveries = [told('group-wecom', '', 'delivered', 1.24, null), told('sms', '李强', 'waiting', null, null),
                told('sms', '李强', 'delivered', 3, null), told('voice', '陈书记', 'failed', 20, '无人接听')];
            return Response.json({ ...await answer.json(), deliveries });
        }
        if (!String(path).includes('state=open')) return answer;
        const items = (await answer.json()).items.map((one) => ({ ...one, escalation: { step: 1, of: 4, next_at: soon, urged: false } }));
        return Response.json({ items, count: items.length });
    };";

#[test]
fn the_next_step_counts_down_and_what_came_of_a_telling_stands_on_the_card() {
    let room = Room::new();
    let browser = Chromium::start();
    let page = browser.page();
    page.before_scripts(TOLD);
    page.open(&room.duty_room.link());
    page.until("document.body.dataset.live === 'live'");
    page.start_watch();
    room.smoke("smoke-3-2-402", true);
    page.until_row("3-2-402");
    page.until("/^升级 01:[0-3]\\d$/.test(document.querySelector('#rows .next')?.innerText)");
    page.until("document.querySelectorAll('#card .telling').length === 3");
    let told = page.text("#card .tellings");
    for part in ["group-wecom ✓ 1.2 s", "sms 李强 ✓ 3.0 s", "voice 陈书记 ✗"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    page.keep_pictures("board-told");
    page.assert_no_errors();
}
