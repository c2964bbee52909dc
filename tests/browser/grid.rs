//! A grid worker's phone and the board: a report that is written without a network becomes a case with its picture, who is
//! sent presses three buttons behind a link, and of two who would go one is told that another goes already.
use serde_json::{Value, json};
use shouwang_tests::{DutyRoom, Mosquitto};

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::river::{PHOTO, hold, keep_picture, offline, push};

/// What the design allows a first screen, bytes.
const HEAVIEST: usize = 50 * 1_024;

/// A duty room that knows two grid workers.
struct Grid {
    room: DutyRoom,
    _broker: Mosquitto,
}

impl Grid {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let keys = format!(
            "url = \"{}\"\n\n\
             [[organisation]]\nid = \"hp-07\"\nname = \"和平七网格\"\nkind = \"grid\"\n\n\
             [[person]]\nid = \"wang\"\nname = \"王网格\"\nrole = \"grid-worker\"\nof = \"hp-07\"\n\n\
             [[person]]\nid = \"li\"\nname = \"李网格\"\nrole = \"grid-worker\"\nof = \"hp-07\"\n",
            broker.url()
        );
        Self { room: DutyRoom::start_by(&keys, &[]), _broker: broker }
    }

    fn board(&self, browser: &Chromium) -> Page {
        let board = browser.page();
        board.open(&self.room.link());
        board.until("document.body.dataset.live === 'live'");
        board.start_watch();
        board
    }

    /// A new page of this person's own, as the lead makes it.
    fn page_of(&self, lead: &Page, person: &str) -> String {
        lead.open(&self.room.lead());
        lead.open(&self.room.page("/accounts"));
        lead.until("document.querySelectorAll('#workers tr').length === 2");
        let row = format!(
            "[...document.querySelectorAll('#workers tr')].find((row) => row.cells[0].innerText === '{person}')"
        );
        lead.value(&format!("{row}.querySelector('button').click()"));
        lead.until("document.querySelector('#workers-url').value.includes('/mine/')");
        look_at(lead, "people with their pages");
        lead.keep_pictures("people-pages");
        let url = lead.value("document.querySelector('#workers-url').value");
        url.as_str().expect("an address").to_owned()
    }

    fn cases(&self) -> Vec<Value> {
        let answer: Value = serde_json::from_str(&self.room.read("/api/v1/cases")).expect("JSON");
        answer["items"].as_array().cloned().unwrap_or_default()
    }
}

/// A telephone, of somebody who has no account.
fn phone(browser: &Chromium, address: &str) -> Page {
    let page = browser.page();
    hold(&page);
    page.open(&address.to_owned());
    page
}

fn fill(page: &Page, selector: &str, text: &str) {
    page.value(&format!("document.querySelector({}).value = {}", json!(selector), json!(text)));
}

/// Opens the case of the only row, and sends one of its forms.
fn send(board: &Page, form: &str, fields: &[(&str, &str)]) {
    board.until(&format!("document.querySelector('#card-case form.{form}') !== null"));
    for (field, text) in fields {
        fill(board, field, text);
    }
    push(board, &format!("#card-case form.{form} button"));
}

/// The links that the board shows to be sent, newest case only.
fn links(board: &Page) -> Vec<String> {
    board.until("document.querySelector('.links textarea')?.value.includes('/link/')");
    let text = board.value("document.querySelector('.links textarea').value");
    let text = text.as_str().unwrap_or_default();
    let address = |line: &str| line.find("http").and_then(|at| line.get(at..)).map(str::to_owned);
    text.lines().filter_map(address).collect()
}

#[test]
fn a_report_without_a_network_becomes_a_case_and_whoever_is_sent_closes_it_by_a_link() {
    let grid = Grid::new();
    let browser = Chromium::start();
    let own = grid.page_of(&browser.page(), "wang");

    // Written where there is no network, with a picture.
    let mine = phone(&browser, &own);
    mine.until("document.body.dataset.ready === 'yes'");
    look_at(&mine, "a grid worker's page");
    keep_picture(&mine, "mine-phone");
    assert_eq!(mine.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing sticks out");
    mine.until("navigator.serviceWorker.controller !== null");
    mine.value("fetch(location.href).then(() => true)");
    offline(&mine, true);
    fill(&mine, "#report [name=place]", "青石桥下穿");
    fill(&mine, "#report [name=words]", "水到膝盖,车过不去");
    assert!(mine.value(PHOTO).as_u64() > Some(50_000));
    push(&mine, "#report button");
    mine.until("document.querySelector('#waiting').innerText === '1 条待发'");
    mine.value("dispatchEvent(new Event('offline'))");
    mine.until("document.querySelector('#offline').checkVisibility()");
    keep_picture(&mine, "mine-offline");
    mine.ask("Page.reload", &json!({}));
    mine.until("document.body.dataset.ready === 'yes' && document.querySelector('#waiting').innerText === '1 条待发'");
    assert!(grid.cases().is_empty());
    offline(&mine, false);
    mine.value("dispatchEvent(new Event('online'))");
    mine.until("document.querySelector('#outbox').hidden");

    // On the board, once, with its picture; somebody is sent.
    let board = grid.board(&browser);
    board.until_row("青石桥下穿");
    board.click("#rows tr td.place");
    board.until("document.querySelector('#card-case .photos img')?.naturalWidth > 0");
    assert_eq!(grid.cases().len(), 1);
    send(&board, "dispatch", &[("#case-to", "王网格")]);
    let link = links(&board).remove(0);
    board.until("document.querySelector('.links svg') !== null");
    look_at(&board, "a board with a link to send");
    board.keep_pictures("board-link");

    // Behind the link: three buttons, no account, no script.
    let sent = phone(&browser, &link);
    sent.until("document.querySelector('form[action$=\"/receive\"]') !== null");
    let weight =
        sent.value("new Blob([document.documentElement.outerHTML]).size").as_u64().unwrap_or(u64::MAX);
    let style = grid.room.read("/assets/worker.css").len();
    println!("the link's page: {weight} bytes of HTML, {style} of style");
    assert!(usize::try_from(weight).is_ok_and(|weight| weight + style <= HEAVIEST));
    assert_eq!(sent.value("document.scripts.length"), 0);
    look_at(&sent, "a link");
    keep_picture(&sent, "link-phone");
    push(&sent, "form[action$=\"/receive\"] button");
    sent.until("document.querySelector('.done')?.innerText.includes('收到')");
    board.until("document.querySelector('.team.good')?.innerText.includes('王网格')");
    push(&sent, "form[action$=\"/arrive\"] button");
    sent.until("document.querySelectorAll('.done').length === 2");
    fill(&sent, "[name=result]", "real");
    fill(&sent, "[name=words]", "水已抽干,恢复通行");
    assert!(sent.value(&PHOTO.replace("0.95", "0.9")).as_u64() > Some(50_000), "another picture");
    push(&sent, "form.handle button");
    sent.until("document.querySelectorAll('.done').length === 3");
    keep_picture(&sent, "link-done");
    let case = grid.cases().remove(0);
    assert_eq!((&case["state"], case["photos"].as_array().map(Vec::len)), (&json!("handled"), Some(2)));
    sent.assert_no_errors();
    board.assert_no_errors();
}

#[test]
fn of_two_who_would_go_one_is_told_that_another_goes_already() {
    let grid = Grid::new();
    let browser = Chromium::start();
    let board = grid.board(&browser);
    let body = "JSON.stringify({ id: 'desk-000001', kind: 'fallen', place: '河堤三段', words: '缺口要填', at: new Date().toISOString() })";
    let told = board.value(&format!(
        "fetch('/api/v1/reports', {{ method: 'POST', headers: {{ 'Content-Type': 'application/json' }}, body: {body} }}).then((answer) => answer.status)"
    ));
    assert_eq!(told, 201);
    board.until_row("河堤三段");
    board.click("#rows tr td.place");
    send(&board, "broadcast", &[("#case-needed", "1"), ("#case-people", "王网格 李网格")]);
    let links = links(&board);
    assert_eq!(links.len(), 2);
    let (one, other) = (phone(&browser, &links[0]), phone(&browser, &links[1]));
    for page in [&one, &other] {
        page.until("document.querySelector('form[action$=\"/go\"] button') !== null");
    }
    push(&one, "form[action$=\"/go\"] button");
    push(&other, "form[action$=\"/go\"] button");
    let seen = |page: &Page| {
        page.until("document.querySelector('.done, .sentence') !== null");
        page.text(".done, .sentence")
    };
    let told = [seen(&one), seen(&other)];
    assert_eq!(told.iter().filter(|text| text.contains("您已认领")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|text| text.contains("已有人认领")).count(), 1, "{told:?}");
    let late = if told[0].contains("已有人认领") { &one } else { &other };
    look_at(late, "a task that others have");
    keep_picture(late, "link-full");
    board.until(
        "document.querySelector('#card-case .teams b')?.innerText.includes('需 1 人 · 已认领 1 · 已到 0')",
    );
    send(&board, "whistle", &[("#case-departments", "排水 交警")]);
    board.until("document.querySelectorAll('.team.bad').length === 2");
    look_at(&board, "a board with who goes and who is missing");
    board.keep_pictures("board-teams");
}

/// A duty room that takes what is told, and none of its pictures.
const NO_PICTURES: &str = "
    const ask = window.fetch;
    window.fetch = (path, how) => String(path).endsWith('/photo')
        ? Promise.resolve(Response.json({ error: { code: 'no_picture', text: { zh: '看不出是照片', en: 'No picture' } } }, { status: 422 }))
        : ask(path, how);";

#[test]
fn a_picture_that_is_refused_stays_in_the_phone_with_the_reason() {
    let grid = Grid::new();
    let browser = Chromium::start();
    let own = grid.page_of(&browser.page(), "wang");
    let mine = browser.page();
    hold(&mine);
    mine.before_scripts(NO_PICTURES);
    mine.open(&own);
    mine.until("document.body.dataset.ready === 'yes'");
    fill(&mine, "#report [name=place]", "青石桥下穿");
    assert!(mine.value(PHOTO).as_u64() > Some(50_000));
    push(&mine, "#report button");
    let said = "已送到,但照片没有收下: 看不出是照片";
    mine.until(&format!("document.querySelector('#outbox').innerText.includes({})", json!(said)));
    assert_eq!(grid.cases().len(), 1, "the words arrived");
    // Over a reload too, until its person drops it.
    mine.ask("Page.reload", &json!({}));
    mine.until("document.body.dataset.ready === 'yes' && document.querySelector('#waiting').innerText === '1 条待发'");
    assert!(mine.text("#outbox").contains(said), "{}", mine.text("#outbox"));
    push(&mine, "#outbox button");
    mine.until("document.querySelector('#outbox').hidden");
    assert_eq!(grid.cases().len(), 1);
    mine.assert_no_errors();
}
