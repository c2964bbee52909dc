//! A real broker, a scripted gateway and a plain HTTP client around a started duty room.
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event as MqttEvent, MqttOptions, Packet, QoS};
use shouwang_duty_room::{Broker, Config, Running, Web};
use shouwang_message::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) const LOG: &str = "01KANEXAMPE000000000000AAA";
pub(crate) const SMOKE: &str = "01KANEXAMP0000000000000001";
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Mosquitto {
    child: Child,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
}

impl Mosquitto {
    pub(crate) async fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        let mut broker = Self { child: Self::spawn(dir.path(), port), port, dir };
        broker.wait().await;
        broker
    }

    fn spawn(dir: &Path, port: u16) -> Child {
        let file = dir.join("mosquitto.conf");
        std::fs::write(
            &file,
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"),
        )
        .unwrap();
        Process::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("install the Debian package mosquitto")
    }

    async fn wait(&mut self) {
        let listening = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, listening).await.expect("mosquitto listens");
    }

    /// Ends without a goodbye, forgetting everything, and starts again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(self.dir.path(), self.port);
        self.wait().await;
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn config(state_dir: &Path, broker_port: u16) -> Config {
    Config {
        name: id("duty-1"),
        title: "和平社区值班室".into(),
        state_dir: state_dir.into(),
        broker: Broker::at(&format!("mqtt://127.0.0.1:{broker_port}")).unwrap(),
        web: Web::at("127.0.0.1:0".parse().unwrap()),
        command_key: None,
        channels: vec![],
        organisation: shouwang_board::Organisation::default(),
        escalation: shouwang_board::Escalation::default(),
        handling: Vec::new(),
        night: shouwang_board::Night::default(),
        sounder: None,
    }
}

/// A duty room at noon, without a broker.
pub(crate) async fn alone() -> (Running, tempfile::TempDir) {
    let state = tempfile::tempdir().unwrap();
    let clock = shouwang_duty_room::Clock::at_hour(12);
    let running = shouwang_duty_room::start(config(state.path(), 1), clock).await.unwrap();
    (running, state)
}

/// A broker, where the duty room keeps what it knows, that room, and a gateway.
pub(crate) async fn met() -> (Mosquitto, tempfile::TempDir, Running, Gateway) {
    let broker = Mosquitto::start().await;
    let state = tempfile::tempdir().unwrap();
    let running = duty_room(state.path(), &broker).await;
    let gateway = Gateway::connect(&broker).await;
    (broker, state, running, gateway)
}

/// A started duty room whose subscriptions stand.
pub(crate) async fn duty_room(state_dir: &Path, broker: &Mosquitto) -> Running {
    started(config(state_dir, broker.port)).await
}

pub(crate) async fn started(config: Config) -> Running {
    let running = shouwang_duty_room::start(config, shouwang_duty_room::Clock::system()).await.unwrap();
    eventually("linked", async || running.is_linked()).await;
    running
}

pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let holding = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(timeout(PATIENCE, holding).await.is_ok(), "not within {PATIENCE:?}: {what}");
}

/// A gateway as far as MQTT sees it; what it is told arrives in `told`.
pub(crate) struct Gateway {
    client: AsyncClient,
    poll: tokio::task::JoinHandle<()>,
    told: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
}

impl Gateway {
    pub(crate) async fn connect(broker: &Mosquitto) -> Self {
        let mut options = MqttOptions::new("gw-1", "127.0.0.1", broker.port);
        options.set_max_packet_size(4 << 20, 4 << 20);
        let (client, mut events) = AsyncClient::new(options, 100);
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        let (tell, told) = mpsc::unbounded_channel();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        client.subscribe("shouwang/v1/heping/gw-1/command/+", QoS::AtLeastOnce).await.unwrap();
        client.subscribe("shouwang/v1/heping/gw-1/heard/+", QoS::AtLeastOnce).await.unwrap();
        let poll = tokio::spawn(async move {
            let mut ready = Some(ready);
            loop {
                match events.poll().await {
                    Ok(MqttEvent::Incoming(Packet::SubAck(_))) => {
                        ready.take().map(|ready| ready.send(()));
                    }
                    Ok(MqttEvent::Incoming(Packet::Publish(message))) => {
                        if tell.send((message.topic, message.payload.to_vec())).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        timeout(PATIENCE, is_ready).await.unwrap().unwrap();
        Self { client, poll, told }
    }

    pub(crate) async fn say(&self, leaf: &str, retained: bool, payload: Vec<u8>) {
        let topic = format!("shouwang/v1/heping/gw-1/{leaf}");
        self.client.publish(topic, QoS::AtLeastOnce, retained, payload).await.unwrap();
    }

    pub(crate) async fn event(&self, event: &Event) {
        self.say("event", false, to_bytes(event)).await;
    }

    /// Waits until the duty room says it heard everything up to here.
    pub(crate) async fn heard(&mut self, up_to: Sequence) -> HeardDocument {
        loop {
            let (topic, payload) = self.next("heard").await;
            assert_eq!(topic, "shouwang/v1/heping/gw-1/heard/duty-1");
            let document: HeardDocument = from_bytes(&payload).unwrap();
            assert!(document.up_to <= up_to, "{document:?} claims too much");
            if document.up_to == up_to {
                return document;
            }
        }
    }

    /// The next command of this name.
    pub(crate) async fn command(&mut self, name: CommandName) -> CommandPayload {
        let (_, payload) = self.next(&format!("command/{name}")).await;
        let command: Command = from_bytes(&payload).unwrap();
        from_bytes(command.payload.as_bytes()).unwrap()
    }

    async fn next(&mut self, wanted: &str) -> (String, Vec<u8>) {
        let next = async {
            loop {
                let (topic, payload) = self.told.recv().await.unwrap();
                if topic.contains(&format!("/{wanted}")) {
                    return (topic, payload);
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no {wanted} within {PATIENCE:?}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

/// A browser without a screen.
pub(crate) struct Browser {
    pub(crate) address: String,
    pub(crate) cookie: String,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} is no JSON", self.body))
    }
}

impl Browser {
    /// Signed in by the login link.
    pub(crate) async fn log_in(running: &Running) -> Self {
        let mut browser = Self { address: running.web.to_string(), cookie: String::new() };
        let link = running.link();
        let answer = browser.get(link.strip_prefix(&format!("http://{}", running.web)).unwrap()).await;
        assert_eq!(answer.status, 303);
        assert!(answer.head.contains("location: /\r\n"), "{}", answer.head);
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }

    /// The first account, `wang`, a lead with this password, made by the console's code.
    pub(crate) async fn first_lead(running: &Running, password: &str) -> Self {
        let mut browser = Self { address: running.web.to_string(), cookie: String::new() };
        let (_, code) = running.setup().unwrap();
        let wanted =
            serde_json::json!({ "code": code, "id": "wang", "name": "王班长", "password": password });
        let answer = browser.post("/api/v1/setup", &wanted.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        browser.cookie = cookie.split(';').next().unwrap().to_owned();
        browser
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.address), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\n",
            self.address
        );
        self.ask(&head, body).await
    }

    pub(crate) async fn ask(&self, head: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let cookie = &self.cookie;
        let request = format!(
            "{head}Cookie: {cookie}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // A server that refuses early may close before it has read everything.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: format!("{head}\r\n"), body: body.to_owned() }
    }

    /// The same with bytes, of which so many are announced.
    pub(crate) async fn ask_bytes(&self, head: &str, length: usize, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let cookie = &self.cookie;
        let head = format!("{head}Cookie: {cookie}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: format!("{head}\r\n"), body: body.to_owned() }
    }

    pub(crate) async fn alarms(&self) -> Vec<serde_json::Value> {
        let answer = self.get("/api/v1/alarms?state=open").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["items"].as_array().unwrap().clone()
    }

    /// The open rows once they are so: what a gateway told shows within half a second, not at once.
    pub(crate) async fn alarms_when(
        &self,
        holds: impl Fn(&[serde_json::Value]) -> bool,
    ) -> Vec<serde_json::Value> {
        let mut alarms = Vec::new();
        let are_so = async || {
            alarms = self.alarms().await;
            holds(&alarms)
        };
        eventually("rows that are so", are_so).await;
        alarms
    }
}

pub(crate) fn id(text: &str) -> Id {
    text.parse().unwrap()
}

pub(crate) fn moment() -> Timestamp {
    "2026-11-22T07:52:07.412Z".parse().unwrap()
}

pub(crate) fn smoke(revision: u32) -> AlarmDocument {
    AlarmDocument {
        revision,
        latched: true,
        value: Some(Value::Bool(true)),
        place: Place { name: Some("3号楼2单元402".into()), ..Place::default() },
        text: Text::new("烟感报警", "Smoke alarm"),
        ..AlarmDocument::new(
            SMOKE.parse().unwrap(),
            id("gw-1"),
            id("smoke-3-2-402"),
            "smoke".into(),
            Class::Smoke,
            Priority::Emergency,
            moment(),
        )
    }
}

pub(crate) fn event(sequence: Sequence, change: AlarmChange, document: AlarmDocument) -> Event {
    Event {
        site: id("heping"),
        gateway: id("gw-1"),
        log: LOG.parse().unwrap(),
        sequence,
        time: moment(),
        subject: "smoke-3-2-402".into(),
        data: EventData::Alarm(change, document.into()),
    }
}

pub(crate) fn raised(sequence: Sequence) -> Event {
    event(sequence, AlarmChange::Raised, smoke(1))
}
