//! A new duty room: the first account by the console's code, log-out, log-in, all by keyboard with a Chinese input
//! method, up to a board that names its operator.
use shouwang_tests::gateway::binary;
use shouwang_tests::{DutyRoom, Mosquitto};

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::page::Page;

const PASSWORD: &str = "三号楼二单元四零二";

/// Fills the field with this id and leaves the cursor there.
fn fill(page: &Page, id: &str, text: &str) {
    page.value(&format!("document.getElementById('{id}').focus()"));
    page.write(text);
}

#[test]
fn a_new_room_gets_its_lead_who_logs_out_and_in_again() {
    let broker = Mosquitto::start();
    let room = DutyRoom::start_for_the_first_time(&broker);
    let browser = Chromium::start();
    let page = browser.page();
    page.open(&room.page("/"));
    assert_eq!(page.value("location.pathname"), "/login", "a stranger is led to the log-in");

    page.open(&room.page("/setup"));
    page.until("document.activeElement.id === 'code'");
    let words = room.words();
    let code = words.split("one-time code ").nth(1).and_then(|rest| rest.split(' ').next());
    // As a wide input method types digits.
    let wide = |digit: char| char::from_u32(u32::from(digit) + 0xfee0).unwrap_or(digit);
    page.write(&code.unwrap_or_default().chars().filter(char::is_ascii_digit).map(wide).collect::<String>());
    fill(&page, "account", "wang");
    fill(&page, "name", "王班长");
    fill(&page, "password", PASSWORD);
    fill(&page, "again", "另一个密码");
    page.press("Enter");
    page.until("document.getElementById('told').innerText === '两次输入的密码不一样'");
    page.keep_pictures("setup");
    page.value("document.getElementById('again').value = ''");
    fill(&page, "again", PASSWORD);
    page.press("Enter");
    page.until("location.pathname === '/' && document.getElementById('me')?.innerText === '王班长'");
    page.until("document.body.dataset.by === 'wang'");

    page.open(&room.page("/accounts"));
    page.until("document.querySelectorAll('#people tr').length === 1");
    fill(&page, "add-id", "li");
    fill(&page, "add-name", "李<b>值班</b>");
    fill(&page, "add-password", "青石桥 3.85 米");
    fill(&page, "add-again", "青石桥 3.85 米");
    page.press("Enter");
    page.until("document.querySelectorAll('#people tr').length === 2");
    page.until("document.getElementById('people').innerText.includes('李<b>值班</b>')");
    page.keep_pictures("accounts");
    page.value("document.getElementById('log-out').focus()");
    page.press("Enter");
    page.until("location.pathname === '/login'");

    page.until("document.readyState === 'complete' && document.activeElement.id === 'account'");
    page.write("LI");
    fill(&page, "password", "not the password");
    page.press("Enter");
    page.until("document.getElementById('told').innerText === '账号或密码不对'");
    page.keep_pictures("login");
    page.value("document.getElementById('password').value = ''");
    fill(&page, "password", "青石桥 3.85 米");
    page.press("Enter");
    page.until("location.pathname === '/' && document.getElementById('me')?.innerText === '李<b>值班</b>'");

    // The only lead forgot the password: a code from the machine, by the way that the log-in shows.
    let said = std::process::Command::new(binary())
        .args(["account", "recover", "--json", "--state-dir"])
        .arg(room.state_directory())
        .output()
        .expect("the command runs");
    let issued: serde_json::Value = serde_json::from_slice(&said.stdout).expect("a JSON object");
    page.open(&room.page("/login"));
    page.value("document.querySelector('a[href=\"/recover\"]').focus()");
    page.press("Enter");
    page.until("location.pathname === '/recover' && document.activeElement.id === 'account'");
    page.write(issued["account"].as_str().unwrap_or_default());
    fill(&page, "code", issued["code"].as_str().unwrap_or_default());
    fill(&page, "password", "找回来的 3.85 米");
    fill(&page, "again", "找回来的 3.85 米");
    look_at(&page, "the way back");
    page.keep_pictures("recover");
    page.press("Enter");
    page.until("location.pathname === '/' && document.getElementById('me')?.innerText === '王班长'");
    page.assert_no_errors();
    room.stop();
}
