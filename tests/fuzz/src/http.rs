//! Bodies posted to a running duty room, by a person who is signed in: each gets an answer, and none of them
//! is the server's fault.
use std::sync::OnceLock;
use std::time::Duration;

use shouwang_duty_room::{Broker, Clock, Config, Running, Web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const ALARM: &str = "01KANEXAMP0000000000000001";
const REQUESTS: [&str; 6] = ["acknowledge", "silence", "shelve", "unshelve", "reset", "out-of-service"];
const PATIENCE: Duration = Duration::from_secs(30);

struct Desk {
    runtime: Runtime,
    running: Running,
    cookie: String,
    _state: tempfile::TempDir,
}

/// The first byte chooses the request, the rest is its body.
pub(crate) fn run(data: &[u8]) {
    static DESK: OnceLock<Desk> = OnceLock::new();
    let desk = DESK.get_or_init(Desk::open);
    let Some((first, body)) = data.split_first() else { return };
    let request = REQUESTS[usize::from(*first) % REQUESTS.len()];
    let host = desk.running.web;
    let head = format!(
        "POST /api/v1/alarms/{ALARM}/{request} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Cookie: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        desk.cookie,
        body.len()
    );
    let answer = desk.runtime.block_on(ask(&desk.running, &[head.as_bytes(), body].concat()));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    assert!(status.is_some_and(|status| (200..500).contains(&status)), "{request}: {answer:?}");
}

impl Desk {
    fn open() -> Self {
        let runtime = Runtime::new().expect("threads");
        let state = tempfile::tempdir().expect("a folder");
        let config = Config {
            name: "duty-1".parse().expect("an id"),
            title: "fuzz".into(),
            state_dir: state.path().into(),
            broker: Broker::at("mqtt://127.0.0.1:1").expect("an address where nobody is"),
            web: Web::at("127.0.0.1:0".parse().expect("an address")),
            command_key: None,
            channels: vec![],
            organisation: shouwang_board::Organisation::default(),
            escalation: shouwang_board::Escalation::default(),
            handling: Vec::new(),
            night: shouwang_board::Night::default(),
            sounder: None,
        };
        let running =
            runtime.block_on(shouwang_duty_room::start(config, Clock::system())).expect("a duty room");
        let link = running.link();
        let path = link.splitn(4, '/').nth(3).expect("a path in the link");
        let head = format!("GET /{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", running.web);
        let answer = runtime.block_on(ask(&running, head.as_bytes()));
        let cookie = answer.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("set-cookie")
                .then(|| value.split(';').next().unwrap_or(value).to_owned())
        });
        Self { cookie: cookie.expect("the link signs in"), runtime, running, _state: state }
    }
}

async fn ask(running: &Running, request: &[u8]) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(running.web).await.expect("the duty room listens");
        // A body that is too long may be refused before it was sent.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer")
}
