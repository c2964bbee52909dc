//! The demo on a telephone: a mistyped reading, a station without a sensor and a phone without a network each end in the
//! right colour and with a group that is warned. What the demo prints for a phone opens without an account.
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::program::Program;
use shouwang_tests::wait_for;
use tempfile::TempDir;

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;
use crate::river::{hold, keep_picture, offline, push};

/// The demo has its first alarm within seconds; a machine that is held up has more.
const LIMIT: Duration = Duration::from_secs(60);

/// `shouwang demo`, and what it printed.
struct Demo {
    program: Program,
    _directory: TempDir,
}

impl Demo {
    fn start() -> Self {
        let directory = TempDir::with_prefix("shouwang-demo-").expect("a directory for the demo");
        let mut command = Command::new(binary());
        command.args(["demo", "--json", "--seconds", "300", "--listen", "127.0.0.1:0"]);
        command.arg("--state").arg(directory.path().join("state"));
        Self { program: Program::start("demo", &mut command, directory.path()), _directory: directory }
    }

    /// The first line of which this is true, once it is printed.
    fn line(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_for(LIMIT, what, || {
            let said = self.program.stdout();
            said.lines().filter_map(|line| serde_json::from_str(line).ok()).find(&is_it)
        })
    }

    fn phone(&self, which: &str) -> String {
        let line = self.line(which, |line| line["phone"] == which);
        line["url"].as_str().expect("an address").to_owned()
    }
}

/// Types a reading into a grid worker's own page.
fn read(mine: &Page, station: &str, stage: &str) {
    mine.value(&format!("document.querySelector('#reading [name=station]').value = {}", json!(station)));
    mine.value(&format!("document.querySelector('#reading [name=stage]').value = {}", json!(stage)));
    mine.value("document.querySelector('#said').textContent = ''");
    push(mine, "#reading button");
}

/// The phone says that it was sent, and has nothing left to send.
fn until_sent(mine: &Page) {
    mine.until(
        "document.querySelector('#said').innerText !== '' && document.querySelector('#outbox').hidden",
    );
}

/// The station's page has this colour, and the text for this group says so.
fn warn(desk: &Page, address: &str, station: &str, (colour, heading): (&str, &str), group: &str) {
    desk.open(&format!("{address}/river/{station}"));
    desk.until(&format!(
        "document.body.dataset.ready === 'yes' && document.querySelector('.now').classList.contains('{colour}')"
    ));
    keep_picture(desk, &format!("demo-{station}-{colour}"));
    push(desk, "#warn");
    desk.until(&format!("document.querySelector('#warning textarea').value.includes({})", json!(heading)));
    desk.until("document.querySelector('#picture').naturalWidth === 720");
    desk.value(&format!("document.querySelector('#warning [name=to]').value = {}", json!(group)));
    look_at(desk, "a group's message");
    assert_eq!(desk.value("document.documentElement.scrollWidth <= innerWidth"), true, "nothing sticks out");
    desk.value("document.querySelector('#warning').scrollIntoView()");
    keep_picture(desk, &format!("demo-{station}-{colour}-group"));
    push(desk, "#warning button:not([type])");
    desk.until("document.querySelector('#said').innerText === '已记下'");
    let logbook = desk.value("fetch('/api/v1/logbook?limit=50').then((answer) => answer.text())");
    assert!(logbook.as_str().is_some_and(|text| text.contains(group)), "{group} is in the logbook");
}

#[test]
fn three_readings_on_a_telephone_end_in_the_right_colour_and_a_warned_group() {
    let demo = Demo::start();
    let login = demo.line("the demo's link", |line| line["link"].is_string());
    let login = login["link"].as_str().expect("an address").to_owned();
    let address = login.split("/login/").next().unwrap_or_default().to_owned();
    let browser = Chromium::start();
    let mine = browser.page();
    hold(&mine);
    mine.open(&demo.phone("mine"));
    mine.until("document.body.dataset.ready === 'yes'");
    mine.until("navigator.serviceWorker.controller !== null");
    // The gateway has told its stations.
    let stations = "[...document.querySelectorAll('#reading option')].map((one) => one.value).sort().join()";
    let told =
        "fetch(location.href).then((answer) => answer.text()).then((text) => text.includes('下穿通道'))";
    let is_told = || (mine.value(told) == true).then_some(());
    wait_for(LIMIT, "the stations should be told", is_told);
    mine.ask("Page.reload", &json!({}));
    mine.until(&format!(
        "document.body.dataset.ready === 'yes' && {stations} === 'ford,qingshi-bridge,underpass'"
    ));
    keep_picture(&mine, "demo-mine");
    let desk = browser.page();
    hold(&desk);
    desk.open(&login);

    // A decimal point in the wrong place: the phone says so and keeps it, until it is dropped and typed again.
    read(&mine, "ford", "34.5");
    mine.until("document.querySelector('#outbox').innerText.includes('请核对数字和小数点')");
    assert!(mine.text("#outbox").contains("漫水桥 34.5 m"), "{}", mine.text("#outbox"));
    mine.value("document.querySelector('#outbox').scrollIntoView()");
    look_at(&mine, "a reading that cannot be");
    keep_picture(&mine, "demo-mistyped");
    push(&mine, "#outbox button");
    mine.until("document.querySelector('#outbox').hidden");
    read(&mine, "ford", "3.45");
    mine.until(
        "document.querySelector('#said').innerText !== '' && document.querySelector('#outbox').hidden",
    );
    warn(&desk, &address, "ford", ("yellow", "超警戒"), "漫水桥村民群");

    // No sensor there, and the water rises.
    read(&mine, "ford", "4.25");
    until_sent(&mine);
    warn(&desk, &address, "ford", ("red", "超历史最高"), "漫水桥转移群");

    // No network: it waits in the phone, over a reload too, and goes out with its own time.
    mine.value("fetch(location.href).then(() => true)");
    offline(&mine, true);
    read(&mine, "underpass", "0.55");
    mine.until("document.querySelector('#waiting').innerText === '1 条待发'");
    mine.value("dispatchEvent(new Event('offline'))");
    mine.until("document.querySelector('#offline').checkVisibility()");
    keep_picture(&mine, "demo-offline");
    mine.ask("Page.reload", &json!({}));
    mine.until("document.body.dataset.ready === 'yes' && document.querySelector('#waiting').innerText === '1 条待发'");
    offline(&mine, false);
    mine.value("dispatchEvent(new Event('online'))");
    until_sent(&mine);
    warn(&desk, &address, "underpass", ("orange", "超保证"), "下穿通道司机群");

    // The river's own sensor has sent the worker to the bridge meanwhile.
    let sent = browser.page();
    hold(&sent);
    sent.open(&demo.phone("link"));
    sent.until("document.querySelector('form[action$=\"/receive\"]') !== null");
    assert!(sent.text("main").contains("青石桥"), "{}", sent.text("main"));
    look_at(&sent, "the demo's link");
    keep_picture(&sent, "demo-link");
    push(&sent, "form[action$=\"/receive\"] button");
    sent.until("document.querySelector('.done')?.innerText.includes('收到')");
    for page in [&mine, &desk, &sent] {
        page.assert_no_errors();
    }
}
