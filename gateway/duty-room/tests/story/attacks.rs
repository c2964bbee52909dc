//! A hostile network in front of the real pages, while an alarm passes: slow visitors, endless and oversized bodies, requests
//! with two lengths, junk in every field. The alarm is on the page in time, and everybody bad is told so or cut.
use std::net::SocketAddr;
use std::time::Duration;

use shouwang_message::to_bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::desk::*;

/// Contract: on the page within 10 s, most within 2 s.
const ON_THE_PAGE_WITHIN: Duration = Duration::from_secs(10);
/// Bodies that never end hold the strangers' places for their 10 s at most; then it is the next one's turn.
const LET_IN_WITHIN: Duration = Duration::from_secs(20);

/// Sends what never becomes a request, and comes again when it is cut.
async fn never_done(web: SocketAddr, first: String, piece: &'static str) {
    loop {
        let Ok(mut stream) = TcpStream::connect(web).await else { continue };
        if stream.write_all(first.as_bytes()).await.is_ok() {
            while stream.write_all(piece.as_bytes()).await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// Visitors of every slow and greedy kind, until the set is dropped.
fn besiege(web: SocketAddr) -> JoinSet<()> {
    let mut besiegers = JoinSet::new();
    let post = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: {web}\r\nOrigin: http://{web}\r\nContent-Type: application/json\r\n"
    );
    for n in 0..240 {
        let (first, piece) = match n % 5 {
            0 => (String::new(), ""),
            1 => ("GET / HTTP/1.1\r\n".to_owned(), "X-Slow: 1\r\n"),
            2 => (format!("{post}Content-Length: 60000\r\n\r\n{{"), " "),
            3 => (format!("{post}Transfer-Encoding: chunked\r\n\r\n"), "4\r\nxxxx\r\n"),
            _ => {
                (format!("GET /api/v1/stream HTTP/1.1\r\nHost: {web}\r\nLast-Event-ID: '--\r\n\r\n"), "GET ")
            }
        };
        besiegers.spawn(never_done(web, first, piece));
    }
    besiegers
}

#[tokio::test]
async fn an_alarm_passes_through_a_siege_and_log_ins_too() {
    let (_broker, _state, running, gateway) = met().await;
    let browser = Browser::first_lead(&running, "三号楼二单元四零二").await;
    // A page that was open before, as those of the watch are.
    let mut page = TcpStream::connect(running.web).await.unwrap();
    let open =
        format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", running.web, browser.cookie);
    page.write_all(open.as_bytes()).await.unwrap();
    let besiegers = besiege(running.web);
    sleep(Duration::from_secs(2)).await;

    gateway.say("event", false, to_bytes(&raised(1))).await;
    let told = async {
        let mut text = String::new();
        let mut piece = [0; 4_096];
        while !text.contains("event: alarms\n") {
            let read = page.read(&mut piece).await.unwrap();
            assert!(read > 0, "the open page was cut: {text}");
            text.push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    };
    // The list, by connections that begin as a stranger's among all the others.
    let listed = async {
        loop {
            let answer = browser.get("/api/v1/alarms?state=open").await;
            if answer.status == 200 && answer.body.contains(SMOKE) {
                return;
            }
        }
    };
    timeout(ON_THE_PAGE_WITHIN, told).await.expect("the open page hears of the alarm");
    timeout(LET_IN_WITHIN, listed).await.expect("the list has it");

    // Somebody new comes in, too.
    let newcomer = Browser { address: running.web.to_string(), cookie: String::new() };
    let log_in = async {
        let typed = r#"{"account":"wang","password":"三号楼二单元四零二"}"#;
        while newcomer.post("/api/v1/session", typed).await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LET_IN_WITHIN, log_in).await.expect("a log-in");
    drop(besiegers);
    running.stop().await.unwrap();
}

/// Everything that is answered to these bytes, until the connection ends.
async fn answers(web: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(web).await.unwrap();
    // It may be refused before it was sent.
    let _ = stream.write_all(request).await;
    let _ = stream.shutdown().await;
    let mut bytes = Vec::new();
    let reading = timeout(Duration::from_secs(15), stream.read_to_end(&mut bytes)).await;
    reading.expect("an answer, or the end").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn two_lengths_hidden_requests_and_endless_bodies_are_refused() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let web = running.web;
    let head = |more: &str| {
        format!(
            "POST /api/v1/alarms/{SMOKE}/acknowledge HTTP/1.1\r\nHost: {web}\r\nOrigin: http://{web}\r\nCookie: {}\r\n\
             Content-Type: application/json\r\n{more}\r\n",
            browser.cookie
        )
    };
    let hidden = format!("GET /api/v1/alarms HTTP/1.1\r\nHost: {web}\r\nCookie: {}\r\n\r\n", browser.cookie);
    for lengths in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
    ] {
        let answer = answers(web, format!("{}0\r\n\r\n{hidden}", head(lengths)).as_bytes()).await;
        assert!(matches!(status(&answer), 400 | 0), "{lengths}: {answer}");
        assert!(!answer.contains("\"items\""), "{lengths}: the hidden request was answered: {answer}");
    }
    // A body without end is cut where it becomes too long.
    let endless = format!(
        "{}{}",
        head("Transfer-Encoding: chunked\r\n"),
        "1000\r\n".to_owned() + &"x".repeat(4_096) + "\r\n"
    );
    let endless = endless + &("1000\r\n".to_owned() + &"x".repeat(4_096) + "\r\n").repeat(40);
    assert_eq!(status(&answers(web, endless.as_bytes()).await), 413);
    // Zeros that grow a thousandfold when unpacked: nothing is unpacked.
    let packed =
        [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 8];
    let mut bomb =
        head(&format!("Content-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n", packed.len()))
            .into_bytes();
    bomb.extend(packed);
    assert_eq!(status(&answers(web, &bomb).await), 400);
    for line in [
        "GET / HTTP/9.9\r\n\r\n",
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = answers(web, line.as_bytes()).await;
        assert!(matches!(status(&answer), 400 | 421 | 505 | 0), "{line:?}: {answer}");
    }
    assert_eq!(browser.get("/api/v1/alarms").await.status, 200);
    running.stop().await.unwrap();
}

/// The marks by which other programs fall: none of them is a server error, and none is a person's session.
#[tokio::test]
async fn junk_in_every_place_is_refused_in_words() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let junk = [
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%2e%2e/",
        "' OR 1=1 --",
        "1;DROP TABLE event",
        "18446744073709551616",
        "-1",
        "NaN",
        "{}",
        "[]",
        "%ff%fe",
        "\u{202e}gnp.exe",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "<script>",
        "%0d%0aSet-Cookie:%20x=y",
    ];
    let percent = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%.-_/".contains(&byte);
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    for text in junk {
        let text = percent(text);
        for path in [
            format!("/{text}"),
            format!("/assets/{text}"),
            format!("/login/{text}"),
            format!("/handover/{text}"),
            format!("/cases/{text}/print"),
            format!("/api/v1/cases/{text}"),
            format!("/api/v1/alarms/{text}/resident"),
            format!("/api/v1/alarms?state={text}"),
            format!("/api/v1/alarms?state=open&since={text}"),
            format!("/api/v1/figures?month={text}&grid={text}"),
            format!("/api/v1/logbook?before={text}"),
            format!("/api/v1/devices?near={text}"),
            format!("/figures?month={text}&lang={text}"),
            format!("/?lang={text}"),
        ] {
            let answer = browser.get(&path).await;
            assert!((200..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.body);
            assert!(!answer.head.to_ascii_lowercase().contains("set-cookie: x=y"), "{path}: {}", answer.head);
        }
        for header in
            ["Cookie", "Last-Event-ID", "If-None-Match", "Accept-Language", "X-Forwarded-For", "Range"]
        {
            let head = format!(
                "GET /api/v1/session HTTP/1.1\r\nHost: {}\r\n{header}: shouwang_session={text}\r\n",
                running.web
            );
            let stranger = Browser { address: running.web.to_string(), cookie: "a=b".into() };
            assert_eq!(stranger.ask(&head, "").await.status, 401, "{header}: {text}");
        }
    }
    for body in [
        r#"{"id":{}}"#,
        r#"{"account":{},"password":[]}"#,
        r#"{"account":18446744073709551616,"password":"x"}"#,
        r#"{"account":"' OR 1=1 --","password":"' OR 1=1 --"}"#,
        r#"{"account":"lead","account":"lead","password":"x"}"#,
        r#"{"account":"\u0000","password":"\ud800"}"#,
        "\u{feff}{}",
    ] {
        let answer = browser.post("/api/v1/session", body).await;
        assert!(matches!(answer.status, 400 | 401 | 422), "{body}: {} {}", answer.status, answer.body);
    }
    running.stop().await.unwrap();
}

/// Many requests down one connection, none with a session that anybody was given.
#[tokio::test]
async fn guessed_sessions_open_nothing() {
    let (running, _state) = alone().await;
    let browser = Browser::log_in(&running).await;
    let real = browser.cookie.trim_start_matches("shouwang_session=").to_owned();
    let mut stream = TcpStream::connect(running.web).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    const GUESSES: usize = 2_000;
    let ask = async {
        for n in 0..GUESSES {
            // A digit of a real one changed, cut short, or any other.
            let guess = match n % 3 {
                0 => format!("{}{:x}", &real[..real.len() - 1], (n / 3) % 16),
                1 => real[..n % real.len()].to_owned(),
                _ => format!("{n:032x}"),
            };
            if guess == real {
                continue;
            }
            let last = if n + 1 == GUESSES { "Connection: close\r\n" } else { "" };
            let request = format!(
                "GET /api/v1/session HTTP/1.1\r\nHost: {}\r\nCookie: shouwang_session={guess}\r\n{last}\r\n",
                running.web
            );
            writing.write_all(request.as_bytes()).await.unwrap();
        }
    };
    let mut text = String::new();
    let (_, read) = tokio::join!(ask, timeout(Duration::from_secs(30), reading.read_to_string(&mut text)));
    read.expect("answers").unwrap();
    assert!(!text.contains("HTTP/1.1 200"), "a guess was taken for a session");
    assert!(text.matches("HTTP/1.1 401").count() > GUESSES * 9 / 10);
    running.stop().await.unwrap();
}
