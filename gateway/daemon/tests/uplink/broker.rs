//! A mosquitto of our own on a free port, with what a test needs around it.
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, QoS};
use shouwang_core::input::Input;
use shouwang_core::output::Publication;
use shouwang_gateway::config::{Broker as Settings, Security, TrustedKeys};
use shouwang_gateway::uplink::Uplink;
use shouwang_message::{Leaf, Topic};
use shouwang_trust::Floor;
use tokio::sync::mpsc;

pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
    pub(crate) home: tempfile::TempDir,
}

impl Broker {
    /// With anonymous clients and these further lines of configuration.
    pub(crate) async fn start(further: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_at(port, home, further).await
    }

    pub(crate) async fn start_at(port: u16, home: tempfile::TempDir, further: &str) -> Self {
        let anonymous = if further.contains("password_file") { "" } else { "allow_anonymous true\n" };
        let conf = format!(
            "user root\nlistener {port} 127.0.0.1\n{anonymous}max_queued_messages 0\nmax_inflight_messages 0\n{further}\n"
        );
        let path = home.path().join("mosquitto.conf");
        std::fs::write(&path, conf).unwrap();
        let child = Command::new("/usr/sbin/mosquitto")
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Debian's package mosquitto is installed");
        let mut broker = Self { child, port, home };
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(broker.child.try_wait().unwrap().is_none(), "mosquitto has ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        broker
    }

    pub(crate) fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    pub(crate) fn plain(&self) -> Settings {
        settings(self.port, Security::Plain)
    }

    /// Everything that is published below this gateway from now on, and what is retained.
    pub(crate) async fn listen(&self) -> mpsc::UnboundedReceiver<Publish> {
        listen(MqttOptions::new("listener", "127.0.0.1", self.port)).await
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn listen(mut options: MqttOptions) -> mpsc::UnboundedReceiver<Publish> {
    options.set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("shouwang/#", QoS::AtLeastOnce).await.unwrap();
    while !matches!(events.poll().await.unwrap(), Event::Incoming(Packet::SubAck(_))) {}
    let (heard, hearing) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let _client = client;
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(Packet::Publish(publish)) = event
                && heard.send(publish).is_err()
            {
                break;
            }
        }
    });
    hearing
}

pub(crate) fn settings(port: u16, security: Security) -> Settings {
    Settings { host: "localhost".into(), port, security, username: None, password_file: None }
}

pub(crate) fn uplink(broker: Settings, keys: TrustedKeys) -> (Uplink, mpsc::Receiver<Input>) {
    let (tell, told) = mpsc::channel(64);
    let (site, gateway) = ("heping".parse().unwrap(), "gw-0007".parse().unwrap());
    let uplink = Uplink::new(site, gateway, broker, keys, Floor::of_the_build(), tell).unwrap();
    (uplink, told)
}

pub(crate) fn publication(leaf: Leaf, body: impl Into<Vec<u8>>) -> Publication {
    let retain = !matches!(leaf, Leaf::Event);
    let topic = Topic { site: "heping".parse().unwrap(), gateway: "gw-0007".parse().unwrap(), leaf };
    Publication { topic, body: body.into(), retain, at_least_once: true }
}

pub(crate) fn will() -> Publication {
    publication(Leaf::State, "gone")
}

/// The next thing the uplink tells; a test that waits this long has failed.
pub(crate) async fn next(told: &mut mpsc::Receiver<Input>) -> Input {
    tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("in time").expect("open")
}

pub(crate) async fn heard(hearing: &mut mpsc::UnboundedReceiver<Publish>) -> Publish {
    tokio::time::timeout(Duration::from_secs(20), hearing.recv()).await.expect("in time").expect("open")
}

pub(crate) fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
