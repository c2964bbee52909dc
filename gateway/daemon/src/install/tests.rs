//! Stories of the door: closed unless somebody at the box opened it, then for who knows the PIN, from its own page only.
use std::sync::atomic::{AtomicU64, Ordering};

use shouwang_core::engine::{DeviceSeen, LineSeen, Sight};
use shouwang_core::input::Input;
use shouwang_core::walk::WalkStep;
use shouwang_message::{Class, Clock, DeviceState, Place, StoreHealth, Text, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::*;
use crate::installing::Counter;

struct House {
    address: SocketAddr,
    pin: String,
    /// Seconds for which the door is open.
    open_s: Arc<AtomicU64>,
    steps: mpsc::Receiver<WalkStep>,
    _inputs: mpsc::Receiver<Input>,
    _state: tempfile::TempDir,
}

fn sight(open_s: u64) -> Sight {
    let device = |id: &str, name: &str| DeviceSeen {
        id: id.parse().unwrap(),
        line: "b3".parse().unwrap(),
        unit_id: 1,
        profile: "p".into(),
        class: Class::Smoke,
        title: Text::new("烟感", "Smoke"),
        place: Place { name: Some(name.into()), ..Place::default() },
        state: Some(DeviceState::Online),
        proven_at: None,
    };
    Sight {
        name: "和平社区 <7 号> 网关".into(),
        version: "0.1.0".into(),
        at: Timestamp::from_unix_ms(0),
        clock: Clock::Synced,
        store: StoreHealth::Ok,
        is_connected: true,
        unheard: 0,
        open_s,
        lines: vec![LineSeen { name: "b3".parse().unwrap(), is_up: true, lost: 0 }],
        devices: vec![device("smoke-402", "402"), device("smoke-403", "<script>403")],
        readings: vec![],
        walk: None,
        not_normal: vec![],
        refused: None,
    }
}

/// The pages before an event loop that says what the story wants.
async fn a_box() -> House {
    let state = tempfile::tempdir().unwrap();
    let file = pin::made(state.path()).unwrap();
    let pin = std::fs::read_to_string(file).unwrap().trim().to_owned();
    let (sender, inputs) = mpsc::channel(4);
    let (counter, mut wishes) = Counter::new(sender);
    let open_s = Arc::new(AtomicU64::new(0));
    let (stepped, steps) = mpsc::channel(4);
    let open = Arc::clone(&open_s);
    tokio::spawn(async move {
        while let Some(wish) = wishes.recv().await {
            if let Some(step) = wish.step {
                stepped.send(step).await.unwrap();
            }
            let _ = wish.answer.send(sight(open.load(Ordering::Relaxed)));
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings {
        listening: Listening { listen: address, interface: None },
        state_dir: state.path().to_owned(),
        config_file: state.path().join("gateway.toml"),
        profile_dirs: vec![],
    };
    let (_, lenders) = tokio::sync::watch::channel(Arc::from([]));
    tokio::spawn(async move { serve(listener, &settings, counter, lenders).await });
    House { address, pin, open_s, steps, _inputs: inputs, _state: state }
}

impl House {
    async fn ask(&self, line: &str, more: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let (host, length) = (self.address, body.len());
        let host = if more.contains("Host:") { String::new() } else { format!("Host: {host}\r\n") };
        let request = format!(
            "{line} HTTP/1.1\r\n{host}{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.strip_prefix("HTTP/1.1 ").unwrap().to_owned()
    }

    /// The cookie of a phone that came in.
    async fn enter(&self) -> String {
        let form = format!("name=%E8%80%81%E5%BC%A0&pin={}", self.pin);
        let entered = self.ask("POST /install/enter", "", &form).await;
        assert!(entered.starts_with("303"), "{entered}");
        let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    }
}

#[tokio::test]
async fn the_door_is_closed_until_somebody_at_the_box_opens_it_and_closes_again() {
    let house = a_box().await;
    let closed = house.ask("GET /install", "", "").await;
    assert!(closed.starts_with("403") && closed.contains("按一下盒子上的安装键"), "{closed}");
    let form = format!("name=x&pin={}", house.pin);
    assert!(
        house.ask("POST /install/enter", "", &form).await.starts_with("403"),
        "the PIN alone opens nothing"
    );
    house.open_s.store(3_600, Ordering::Relaxed);
    let open = house.ask("GET /install", "", "").await;
    assert!(
        open.starts_with("200") && open.contains("60 分钟") && open.contains("default-src 'none'"),
        "{open}"
    );
    let cookie = house.enter().await;
    let home = house.ask("GET /install", &cookie, "").await;
    assert!(home.contains("老张") && home.contains("已连接") && home.contains("&#60;7 号&#62;"), "{home}");
    house.open_s.store(0, Ordering::Relaxed);
    assert!(house.ask("GET /install", &cookie, "").await.starts_with("403"), "a cookie opens nothing either");
}

#[tokio::test]
async fn a_wrong_pin_waits_and_a_strangers_page_is_sent_away() {
    let house = a_box().await;
    house.open_s.store(60, Ordering::Relaxed);
    let own = format!("Origin: http://{}\r\n", house.address);
    let foreign = "Origin: http://evil.example\r\n";
    let form = format!("name=x&pin={}", house.pin);
    assert!(house.ask("POST /install/enter", foreign, &form).await.starts_with("421"));
    assert!(house.ask("GET /install", "Host: evil.example\r\n", "").await.starts_with("421"));
    for wrong in ["name=x&pin=1", "pin=", ""] {
        assert!(house.ask("POST /install/enter", &own, wrong).await.starts_with("403"), "{wrong}");
    }
    let soon = house.ask("POST /install/enter", &own, &form).await;
    assert!(soon.starts_with("429") && soon.contains("retry-after: "), "{soon}");
    assert!(house.ask("POST /install/enter", &own, &"9".repeat(20_000)).await.starts_with("413"));
}

#[tokio::test]
async fn only_who_is_in_walks_and_in_their_own_name() {
    let mut house = a_box().await;
    house.open_s.store(60, Ordering::Relaxed);
    let form = "step=ask&device=smoke-402&device=smoke-403";
    let outside = house.ask("POST /install/walk", "", form).await;
    assert!(outside.contains("name=\"pin\""), "{outside}");
    assert!(house.steps.try_recv().is_err());
    let cookie = house.enter().await;
    let page = house.ask("GET /install/walk", &cookie, "").await;
    assert!(page.contains("value=\"smoke-402\" checked") && page.contains("&#60;script&#62;403"), "{page}");
    assert!(house.ask("POST /install/walk", &cookie, form).await.starts_with("303"));
    let devices = ["smoke-402", "smoke-403"].map(|id| id.parse().unwrap()).to_vec();
    assert_eq!(house.steps.recv().await, Some(WalkStep::Ask { by: "老张".into(), devices }));
    let foreign = format!("{cookie}Origin: http://evil.example\r\n");
    assert!(house.ask("POST /install/walk", &foreign, "step=abort").await.starts_with("421"));
    assert!(house.ask("POST /install/walk", &cookie, "step=abort").await.starts_with("303"));
    assert_eq!(house.steps.recv().await, Some(WalkStep::Abort));
    assert!(house.ask("POST /install/leave", &cookie, "").await.starts_with("303"));
    assert!(house.ask("GET /install/walk.json", &cookie, "").await.contains("name=\"pin\""));
}
