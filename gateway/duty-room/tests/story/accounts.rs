//! Who sits at the desk: the first account by the console's code, log-ins, roles, and what survives a restart.
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use shouwang_duty_room::{Clock, RecoverError, Running, logbook, recovery};
use shouwang_message::Timestamp;

use crate::desk::*;

const PASSWORD: &str = "青石桥 3.85 米";

async fn started(state: &Path) -> Running {
    shouwang_duty_room::start(config(state, 1), Clock::system()).await.unwrap()
}

fn stranger(running: &Running) -> Browser {
    Browser { address: running.web.to_string(), cookie: String::new() }
}

/// Takes the session that an answer gives.
fn seated(running: &Running, answer: &Answer) -> Browser {
    let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.unwrap_or_else(|| panic!("no session: {} {}", answer.head, answer.body));
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "this is no HTTPS");
    Browser { cookie: cookie.split(';').next().unwrap().to_owned(), ..stranger(running) }
}

async fn set_up(running: &Running) -> Browser {
    let (_, code) = running.setup().unwrap();
    let wanted = json!({ "code": code, "id": "wang", "name": "王班长", "password": PASSWORD });
    let answer = stranger(running).post("/api/v1/setup", &wanted.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    seated(running, &answer)
}

async fn log_in(running: &Running, account: &str, password: &str) -> Answer {
    let body = json!({ "account": account, "password": password });
    stranger(running).post("/api/v1/session", &body.to_string()).await
}

async fn add(lead: &Browser, id: &str, role: &str) -> Answer {
    let body = json!({ "id": id, "name": "李值班", "role": role, "password": PASSWORD });
    lead.post("/api/v1/accounts", &body.to_string()).await
}

fn code_of(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

async fn delete(browser: &Browser, path: &str) -> Answer {
    let head = format!("DELETE {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n", browser.address);
    browser.ask(&head, "").await
}

/// What, by whom and `new` of every line, the oldest first.
async fn lines(browser: &Browser) -> Vec<(String, String, Json)> {
    let page = browser.get("/api/v1/logbook?limit=1000").await.json();
    let text = |line: &Json, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let items = page["items"].as_array().unwrap().iter().rev();
    items.map(|line| (text(line, "what"), text(line, "by"), line["new"].clone())).collect()
}

#[tokio::test]
async fn the_first_account_is_made_once_by_who_reads_the_console() {
    let state = tempfile::tempdir().unwrap();
    let running = started(state.path()).await;
    let (page, code) = running.setup().unwrap();
    assert_eq!(page, format!("http://{}/setup", running.web));
    assert_eq!((code.len(), code.matches('-').count()), (14, 2), "{code}");
    assert!(stranger(&running).get("/setup").await.body.contains("一次性开通码"));
    let wanted = |code: &str, password: &str| {
        json!({ "code": code, "id": "wang", "name": "王班长", "password": password }).to_string()
    };
    for (body, expected) in [
        (wanted("0000-0000-0000", PASSWORD), (403, "code")),
        (wanted(&code, "12345678"), (422, "password_weak")),
        (wanted(&code, PASSWORD).replace("wang", "Wang!"), (422, "account_id")),
    ] {
        let answer = stranger(&running).post("/api/v1/setup", &body).await;
        assert_eq!(code_of(&answer), (expected.0, expected.1.to_owned()), "{body}");
    }
    running.stop().await.unwrap();

    let running = started(state.path()).await;
    assert_ne!(running.setup().unwrap().1, code, "a restart makes a new one");
    let answer = stranger(&running).post("/api/v1/setup", &wanted(&code, PASSWORD)).await;
    assert_eq!(code_of(&answer), (403, "code".into()), "the old one is dead");
    let lead = set_up(&running).await;
    let me = lead.get("/api/v1/session").await.json();
    assert_eq!(me["account"], json!({ "id": "wang", "name": "王班长", "role": "lead" }));
    assert_eq!((&me["expired"], &me["people"]["wang"]), (&false.into(), &"王班长".into()));
    assert_eq!(lead.get("/").await.status, 200);

    assert_eq!(running.setup(), None);
    assert_eq!(stranger(&running).get("/setup").await.status, 303);
    let other = wanted(&code, PASSWORD).replace("wang", "zhao");
    let answer = stranger(&running).post("/api/v1/setup", &other).await;
    assert_eq!(code_of(&answer), (409, "set_up".into()));
    running.stop().await.unwrap();
    logbook::verify(state.path()).unwrap();
}

#[tokio::test]
async fn a_lead_who_forgot_the_password_comes_back_by_a_code_made_on_the_machine() {
    let state = tempfile::tempdir().unwrap();
    let wall = || Clock::system().wall();
    assert!(recovery::issue(state.path(), None, wall()).is_err(), "no duty room was ever here");
    let running = started(state.path()).await;
    assert!(matches!(recovery::issue(state.path(), None, wall()), Err(RecoverError::NoAccount)));
    let lead = set_up(&running).await;
    add(&lead, "li", "operator").await;
    let come_back = async |account: &str, code: &str, password: &str| {
        let body = json!({ "account": account, "code": code, "password": password });
        stranger(&running).post("/api/v1/recovery", &body.to_string()).await
    };
    let answer = come_back("wang", "0000-0000-0000", "三号楼 402 的灯").await;
    assert_eq!(code_of(&answer), (403, "code".into()), "no code was made");

    assert!(matches!(recovery::issue(state.path(), Some("li"), wall()), Err(RecoverError::NoLead(..))));
    let old = recovery::issue(state.path(), Some("wang"), wall()).unwrap();
    let issued = recovery::issue(state.path(), None, wall()).unwrap();
    assert_eq!((issued.account.as_str(), issued.code.len()), ("wang", 14));
    let file = std::fs::metadata(state.path().join("recovery.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(state.path().join("recovery.json")).unwrap();
    assert!(!kept.contains(&issued.code.replace('-', "")), "{kept}");
    for (account, code, password, expected) in [
        ("wang", old.code.as_str(), "三号楼 402 的灯", (403, "code")),
        ("li", issued.code.as_str(), "三号楼 402 的灯", (403, "code")),
        ("wang", issued.code.as_str(), "12345678", (422, "password_weak")),
    ] {
        let answer = come_back(account, code, password).await;
        assert_eq!(code_of(&answer), (expected.0, expected.1.to_owned()), "{account} {code}");
    }
    let answer = come_back("wang", &issued.code, "三号楼 402 的灯").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let back = seated(&running, &answer);
    assert_eq!(back.get("/api/v1/session").await.json()["account"]["id"], "wang");
    assert_eq!(lead.get("/api/v1/session").await.status, 401, "every other session has ended");
    assert_eq!(code_of(&log_in(&running, "wang", PASSWORD).await), (401, "wrong".into()));
    let answer = come_back("wang", &issued.code, "三号楼 403 的灯").await;
    assert_eq!(code_of(&answer), (403, "code".into()), "good once");

    // One that nobody used in time is worth nothing.
    let past = Timestamp::from_unix_ms(wall().unix_ms() - 31 * 60_000);
    let late = recovery::issue(state.path(), None, past).unwrap();
    let answer = come_back("wang", &late.code, "三号楼 403 的灯").await;
    assert_eq!(code_of(&answer), (403, "code".into()));
    let told = lines(&back).await;
    assert!(told.iter().any(|(what, by, _)| what == "account.recovered" && by == "wang"), "{told:?}");
    running.stop().await.unwrap();
    let running = started(state.path()).await;
    assert_eq!(log_in(&running, "wang", "三号楼 402 的灯").await.status, 200);
    running.stop().await.unwrap();
    logbook::verify(state.path()).unwrap();
}

#[tokio::test]
async fn roles_are_kept_and_what_a_person_does_bears_their_name() {
    let state = tempfile::tempdir().unwrap();
    let running = started(state.path()).await;
    let lead = set_up(&running).await;
    for role in ["operator", "installer", "grid-worker", "viewer"] {
        let answer = add(&lead, &format!("li-{role}"), role).await;
        assert_eq!((answer.status, &answer.json()["role"]), (201, &role.into()), "{}", answer.body);
    }
    assert_eq!(code_of(&add(&lead, "li-viewer", "viewer").await), (409, "account_taken".into()));
    assert_eq!(add(&lead, "li-2", "admin").await.status, 422);
    let list = lead.get("/api/v1/accounts").await;
    assert_eq!(list.json()["items"].as_array().unwrap().len(), 5);
    assert!(!list.body.contains("argon2"), "no hash leaves the house");

    let operator = seated(&running, &log_in(&running, "li-operator", PASSWORD).await);
    assert_eq!(code_of(&add(&operator, "friend", "lead").await), (403, "role".into()));
    assert_eq!(operator.get("/api/v1/accounts").await.status, 403);
    let path = format!("/api/v1/alarms/{SMOKE}/acknowledge");
    assert_eq!(operator.post(&path, "{}").await.status, 404, "let through to find that there is none");
    let viewer = seated(&running, &log_in(&running, "li-viewer", PASSWORD).await);
    assert_eq!(viewer.get("/api/v1/alarms").await.status, 200);
    assert_eq!(code_of(&viewer.post(&path, "{}").await), (403, "role".into()));
    let answer = log_in(&running, "li-grid-worker", PASSWORD).await;
    assert_eq!(code_of(&answer), (403, "links_only".into()));

    let viewer_out = delete(&viewer, "/api/v1/session").await;
    assert_eq!(viewer_out.status, 200);
    assert!(viewer_out.head.contains("Max-Age=0"), "{}", viewer_out.head);
    assert_eq!(viewer.get("/api/v1/alarms").await.status, 401);
    let told = lines(&operator).await;
    let expected = [
        ("account.first", "wang", Json::Null),
        ("account.added", "wang", "li-operator (operator)".into()),
        ("account.added", "wang", "li-installer (installer)".into()),
        ("account.added", "wang", "li-grid-worker (grid-worker)".into()),
        ("account.added", "wang", "li-viewer (viewer)".into()),
        ("login", "li-operator", Json::Null),
        ("login", "li-viewer", Json::Null),
        ("logout", "li-viewer", Json::Null),
    ];
    for (line, expected) in told.iter().filter(|line| line.0 != "login.refused").zip(expected) {
        assert_eq!((line.0.as_str(), line.1.as_str(), &line.2), (expected.0, expected.1, &expected.2));
    }
    running.stop().await.unwrap();
    logbook::verify(state.path()).unwrap();
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_the_password_or_the_account() {
    let state = tempfile::tempdir().unwrap();
    let running = started(state.path()).await;
    let lead = set_up(&running).await;
    add(&lead, "li", "operator").await;
    let operator = seated(&running, &log_in(&running, "li", PASSWORD).await);
    running.stop().await.unwrap();

    let running = started(state.path()).await;
    assert_eq!(running.setup(), None);
    let again = |browser: &Browser| Browser { cookie: browser.cookie.clone(), ..stranger(&running) };
    let (lead, operator) = (again(&lead), again(&operator));
    let me = operator.get("/api/v1/session").await.json();
    assert_eq!(me["account"]["id"], "li", "an alarm may be sounding: nobody is thrown out");
    let database = std::fs::read(state.path().join("duty-room.db")).unwrap();
    let token = operator.cookie.split_once('=').unwrap().1;
    for secret in [token, PASSWORD] {
        let found = database.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        assert!(!found, "what lies on disk opens no door");
    }

    let change = |current: &str, new: &str| json!({ "current": current, "password": new }).to_string();
    let path = "/api/v1/accounts/li/password";
    let wrong = operator.post(path, &change("not this one", "烟感在三号楼")).await;
    assert_eq!(code_of(&wrong), (422, "password_length".into()));
    let wrong = operator.post(path, &change("not this one", "三号楼二单元烟感")).await;
    assert_eq!(code_of(&wrong), (403, "wrong_current".into()));
    let other = operator.post("/api/v1/accounts/wang/password", &change("", "三号楼二单元烟感")).await;
    assert_eq!(code_of(&other), (403, "role".into()));
    assert_eq!(operator.post(path, &change(PASSWORD, "三号楼二单元烟感")).await.status, 200);
    assert_eq!(operator.get("/api/v1/alarms").await.status, 401, "log in with the new one");
    assert_eq!(log_in(&running, "li", PASSWORD).await.status, 401);
    let operator = seated(&running, &log_in(&running, "li", "三号楼二单元烟感").await);

    assert_eq!(lead.post("/api/v1/accounts/li/disable", "{}").await.json()["disabled"], true);
    assert_eq!(operator.get("/api/v1/alarms").await.status, 401, "out at once");
    let answer = log_in(&running, "li", "三号楼二单元烟感").await;
    assert_eq!(code_of(&answer), (403, "disabled".into()));
    assert_eq!(code_of(&lead.post("/api/v1/accounts/wang/disable", "{}").await), (409, "last_lead".into()));
    assert_eq!(lead.post("/api/v1/accounts/nobody/enable", "{}").await.status, 404);
    assert_eq!(lead.post("/api/v1/accounts/li/enable", "{}").await.status, 200);
    running.stop().await.unwrap();

    let running = started(state.path()).await;
    let operator = Browser { cookie: operator.cookie, ..stranger(&running) };
    assert_eq!(operator.get("/api/v1/alarms").await.status, 401, "what was ended stays ended");
    assert_eq!(log_in(&running, "li", "三号楼二单元烟感").await.status, 200);
    running.stop().await.unwrap();
    logbook::verify(state.path()).unwrap();
}

#[tokio::test]
async fn wrong_passwords_wait_longer_and_the_right_one_is_let_in_after_its_wait() {
    let state = tempfile::tempdir().unwrap();
    let running = started(state.path()).await;
    let lead = set_up(&running).await;
    for account in ["wang", "nobody", "wang"] {
        let answer = log_in(&running, account, "a wrong password").await;
        assert_eq!(code_of(&answer), (401, "wrong".into()), "the same words for {account}");
    }
    let clock = Clock::system();
    let asked = clock.now();
    let answer = log_in(&running, "wang", PASSWORD).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let waited = clock.now().since(asked);
    assert!(waited >= Duration::from_secs(1), "let in after {waited:?}");
    eventually("a refused log-in is a line", async || {
        let lines = lines(&lead).await;
        let refused = lines.iter().find(|(what, ..)| what == "login.refused");
        refused.is_some_and(|(_, by, count)| (by == "wang" || by == "-") && count != "0")
    })
    .await;
    running.stop().await.unwrap();
}
