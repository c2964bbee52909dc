//! The pages and the API from outside, without a broker: who may ask, what is refused and how, and whether a
//! page can know that it is live.
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use shouwang_duty_room::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::desk::*;

#[tokio::test]
async fn without_a_session_pages_redirect_and_the_api_refuses() {
    let (running, _state) = alone().await;
    let stranger = Browser { address: running.web.to_string(), cookie: "shouwang_session=0".into() };
    let page = stranger.get("/").await;
    assert_eq!(page.status, 303);
    assert!(page.head.contains("location: /login\r\n"));
    assert!(stranger.get("/login").await.body.contains("忘记密码请找班长重设"));
    assert!(stranger.get("/login?lang=en").await.body.contains("The lead of the watch sets a new one"));
    assert_eq!(stranger.get("/login/00000000000000000000000000000000").await.status, 303);
    for path in ["/api/v1/alarms", "/api/v1/stream"] {
        let answer = stranger.get(path).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &"login".into()), "{path}");
    }
    let answer = stranger.post(&format!("/api/v1/alarms/{SMOKE}/acknowledge"), "{}").await;
    assert_eq!(answer.status, 401);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_page_is_chinese_unless_asked_and_has_a_strict_policy() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains(r#"lang="zh-CN""#) && page.body.contains("页面已断线"));
    assert!(page.head.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    assert!(!page.body.contains("style=") && !page.body.contains("onclick"));
    assert!(browser.get("/?lang=en").await.body.contains("This page is offline"));
    let english = format!("GET / HTTP/1.1\r\nHost: {}\r\nAccept-Language: en-GB\r\n", running.web);
    assert!(browser.ask(&english, "").await.body.contains(r#"lang="en""#));
    for asset in ["board.js", "board.css", "icon.svg"] {
        assert_eq!(browser.get(&format!("/assets/{asset}")).await.status, 200);
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn changes_need_json_and_our_own_origin() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let web = running.web;
    let path = format!("/api/v1/alarms/{SMOKE}/acknowledge");
    let json = "Content-Type: application/json\r\n";
    for (headers, status) in [
        (format!("Origin: http://evil.example\r\n{json}"), 403),
        (json.to_owned(), 403),
        (format!("Origin: null\r\n{json}"), 403),
        (format!("Sec-Fetch-Site: cross-site\r\n{json}"), 403),
        (format!("Sec-Fetch-Site: same-origin\r\n{json}"), 404),
        (format!("Origin: http://{web}\r\n{json}"), 404),
        (format!("Origin: http://{web}\r\nContent-Type: text/plain\r\n"), 415),
        (format!("Origin: http://{web}\r\n"), 415),
    ] {
        let answer = browser.ask(&format!("POST {path} HTTP/1.1\r\nHost: {web}\r\n{headers}"), "{}").await;
        assert_eq!(answer.status, status, "{headers}");
        assert!(answer.json()["error"]["text"]["zh"].is_string());
    }
    for (host, status) in [("evil.example", 421), ("localhost", 200), ("192.168.1.5:8080", 200), ("", 421)] {
        let answer = browser.ask(&format!("GET /api/v1/alarms HTTP/1.1\r\nHost: {host}\r\n"), "").await;
        assert_eq!(answer.status, status, "{host}");
    }
    running.stop().await.unwrap();
}

#[tokio::test]
async fn bad_requests_get_a_reason() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let path = format!("/api/v1/alarms/{SMOKE}/acknowledge");
    let deep = "[".repeat(60_000);
    let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(201));
    let huge = "x".repeat(70_000);
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("not json", 400),
        ("[]", 422),
        (r#"{"id":{}}"#, 422),
        (r#"{"reason":18446744073709551616}"#, 422),
        (deep.as_str(), 422),
        (long.as_str(), 422),
        (huge.as_str(), 413),
        ("{}", 404),
    ] {
        let answer = browser.post(&path, body).await;
        assert_eq!(answer.status, status, "{}", body.chars().take(30).collect::<String>());
    }
    for path in [
        "/api/v1/alarms/..%2f..%2fetc/acknowledge",
        "/api/v1/alarms/'%20OR%201=1/acknowledge",
        "/api/v1/alarms/01kanexamp0000000000000001/acknowledge",
        &format!("/api/v1/alarms/{SMOKE}/delete"),
        &format!("/api/v1/alarms/{SMOKE}/resend"),
    ] {
        assert_eq!(browser.post(path, "{}").await.status, 404, "{path}");
    }
    let shelve = browser.post(&format!("/api/v1/alarms/{SMOKE}/shelve"), "{}").await;
    assert_eq!((shelve.status, &shelve.json()["error"]["code"]), (422, &"until_missing".into()));
    for method in ["DELETE", "PUT", "PATCH"] {
        for path in ["/api/v1/alarms", &path] {
            let head =
                format!("{method} {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\n", running.web);
            assert_eq!(browser.ask(&head, "").await.status, 405, "{method} {path}");
        }
    }
    assert_eq!(browser.get("/api/v1/alarms?state=closed").await.status, 422);
    assert_eq!(browser.get("/../../etc/passwd").await.status, 404);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_stream_ticks_and_says_that_the_broker_is_away() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let mut stream = TcpStream::connect(running.web).await.unwrap();
    let request = format!(
        "GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nLast-Event-ID: junk\r\n\r\n",
        running.web, browser.cookie
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let two_ticks = async {
        let mut piece = [0; 4_096];
        while text.matches("event: tick\n").count() < 2 {
            let read = stream.read(&mut piece).await.unwrap();
            assert!(read > 0, "the stream ended: {text}");
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
    };
    timeout(Duration::from_secs(4), two_ticks).await.expect("a tick every 2 s");
    assert!(text.contains("content-type: text/event-stream"));
    let data = text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let tick: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(
        (&tick["sequence"], &tick["broker"], &tick["hash"]),
        (&0.into(), &false.into(), &"cbf29ce484222325".into())
    );
    assert!(tick["at"].is_string());

    assert_eq!(browser.get("/healthz").await.status, 200);
    let ready = browser.get("/readyz").await;
    assert_eq!((ready.status, &ready.json()["broker"]), (503, &"disconnected".into()));
    // Stopping cuts the live page instead of waiting for it.
    running.stop().await.unwrap();
}

#[tokio::test]
async fn too_many_and_too_slow_visitors_do_not_lock_others_out_for_long() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let mut slow = Vec::new();
    for _ in 0..80 {
        let mut stream = TcpStream::connect(running.web).await.unwrap();
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nX: ").await;
        slow.push(stream);
    }
    slow.truncate(40);
    let list = async { while browser.get("/api/v1/alarms").await.status != 200 {} };
    timeout(Duration::from_secs(10), list).await.expect("a seat");
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\nX: {}\r\n", running.web, "x".repeat(20_000));
    assert!(matches!(browser.ask(&long, "").await.status, 431 | 0));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn the_state_is_for_its_user_only() {
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().join("made");
    let running = shouwang_duty_room::start(config(&dir, 1), Clock::system()).await.unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in std::fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    running.stop().await.unwrap();
}
