//! Which boards can wake a person: told by the pages, passed on to the gateways, and shown to everybody.
use crate::desk::*;

#[tokio::test]
async fn the_gateways_hear_how_many_boards_can_sound() {
    let (_broker, _state, running, mut gateway) = met().await;
    gateway.event(&raised(1)).await;
    assert_eq!(gateway.heard(1).await.armed, 0);

    let browser = Browser::log_in(&running).await;
    let report = async |page: &str, armed: bool| {
        let path = format!("/api/v1/boards/{page}");
        let answer = browser.post(&path, &format!(r#"{{"armed":{armed}}}"#)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let count = answer.json();
        (count["live"].as_u64().unwrap(), count["armed"].as_u64().unwrap())
    };
    assert_eq!(report("page-one", true).await, (1, 1));
    assert_eq!(gateway.heard(1).await.armed, 1);
    assert_eq!(report("page-two", true).await, (2, 2));
    assert_eq!(gateway.heard(1).await.armed, 2);
    // The same again is no news; a page whose sound went is.
    assert_eq!(report("page-two", true).await, (2, 2));
    assert_eq!(report("page-one", false).await, (2, 1));
    assert_eq!(gateway.heard(1).await.armed, 1);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_report_needs_a_session_a_page_and_a_plain_answer() {
    let state = tempfile::tempdir().unwrap();
    let running = shouwang_duty_room::start(config(state.path(), 1), shouwang_duty_room::Clock::system())
        .await
        .unwrap();
    let stranger = Browser { address: running.web.to_string(), cookie: String::new() };
    assert_eq!(stranger.post("/api/v1/boards/page-one", r#"{"armed":true}"#).await.status, 401);
    let browser = Browser::log_in(&running).await;
    for (page, body, status) in [
        ("page-one", r#"{"armed":true}"#, 200),
        ("page-one", r#"{"armed":1}"#, 422),
        ("page-one", "{}", 422),
        ("page-one", r#"{"armed":true,"loud":true}"#, 422),
        ("short", r#"{"armed":true}"#, 422),
        ("page_one_", r#"{"armed":true}"#, 422),
    ] {
        let answer = browser.post(&format!("/api/v1/boards/{page}"), body).await;
        assert_eq!(answer.status, status, "{page} {body}: {}", answer.body);
    }
    for page in ["/", "/wall"] {
        assert_eq!(browser.get(page).await.status, 200);
        assert_eq!(stranger.get(page).await.status, 303, "{page}");
    }
    running.stop().await.unwrap();
}
