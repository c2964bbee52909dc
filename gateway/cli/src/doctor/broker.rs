//! The broker, one step after the other until one fails: its name, the connection, TLS and until when its certificate is
//! good, the log-in, and a message of ours that must come back.
//!
//! The client has a name of its own, so that a running gateway or duty room keeps its connection, and no will. The
//! message is not retained, and lies where nobody of ours listens.
use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet,
    QoS, SubscribeReasonCode, TlsConfiguration, Transport,
};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection};
use shouwang_core::Instant;
use shouwang_gateway::clock;
use tokio::time::timeout;

use super::certificate::{Standing, Validity, day};
use super::finding::{Finding, Report};
use crate::exit::Exit;

/// For each step.
const WITHIN: Duration = Duration::from_secs(5);

/// A broker as one end means to use it.
pub(crate) struct Wanted {
    /// With a client id that nobody else has.
    pub(crate) options: MqttOptions,
    /// Where the message goes and comes back.
    pub(crate) topic: String,
    /// The file with the password, if there is one.
    pub(crate) password_file: Option<PathBuf>,
    /// The command that shows the configuration's mistakes.
    pub(crate) check: String,
    /// It is the gateway's own, and the gateway does not run.
    pub(crate) is_asleep: bool,
}

/// Adds what was found, up to the first step that failed.
pub(crate) async fn look(wanted: Wanted, report: &mut Report) -> Result<(), Exit> {
    if wanted.is_asleep {
        return report.add(Finding::notable(
            "broker",
            (
                "内置 broker 只在网关运行时才有,没有检查".into(),
                "the embedded broker is there only while the gateway runs; not looked at".into(),
            ),
            "systemctl start shouwang-gateway",
        ));
    }
    let (host, port) = wanted.options.broker_address();
    let host = host.trim_matches(['[', ']']).to_owned();
    let addresses = report.during("broker: DNS", resolve(host.clone(), port)).await;
    let addresses = match addresses {
        // An address needs no name.
        Ok((addresses, _)) if host.parse::<IpAddr>().is_ok() => addresses,
        Ok((addresses, took)) => {
            report.add(resolved(&host, &addresses, took))?;
            addresses
        }
        Err(error) => return report.add(unresolved(&host, &error)),
    };
    let stream = match report.during("broker: TCP", connect(addresses)).await {
        Ok((stream, took)) => {
            let ms = millis(took);
            let (zh, en) = (
                format!("broker {host}:{port} 接受连接,{ms}"),
                format!("the broker {host}:{port} accepts, {ms}"),
            );
            report.add(Finding::good("broker.tcp", zh, en))?;
            stream
        }
        Err(error) => return report.add(not_connected(&host, port, &error)),
    };
    if let Transport::Tls(TlsConfiguration::Rustls(config)) = wanted.options.transport() {
        let shaken = report.during("broker: TLS", shake(config, host.clone(), stream)).await;
        let (finding, is_through) = judge_tls(&host, port, shaken);
        report.add(finding)?;
        if !is_through {
            return Ok(());
        }
    } else {
        drop(stream);
    }
    let findings = report.during("broker: MQTT", talk(&wanted, &host)).await;
    report.add_all(findings)
}

async fn resolve(host: String, port: u16) -> io::Result<(Vec<SocketAddr>, Duration)> {
    let began = clock::now();
    let asked =
        tokio::task::spawn_blocking(move || Ok((host.as_str(), port).to_socket_addrs()?.collect::<Vec<_>>()));
    let found: io::Result<Vec<_>> = within(asked).await;
    Ok((found?, clock::now().since(began)))
}

fn resolved(host: &str, addresses: &[SocketAddr], took: Duration) -> Finding {
    let shown: Vec<String> = addresses.iter().take(3).map(|address| address.ip().to_string()).collect();
    let (shown, ms) = (shown.join(" "), millis(took));
    Finding::good(
        "broker.dns",
        format!("域名 {host} 解析为 {shown},{ms}"),
        format!("the name {host} is {shown}, {ms}"),
    )
}

fn unresolved(host: &str, error: &io::Error) -> Finding {
    Finding::unreached(
        "broker.dns",
        (format!("域名 {host} 解析不了:{error}"), format!("the name {host} has no address: {error}")),
        format!("getent hosts {host}; resolvectl status"),
    )
}

async fn connect(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, Duration)> {
    let began = clock::now();
    let tried = tokio::task::spawn_blocking(move || {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses.into_iter().take(3) {
            match TcpStream::connect_timeout(&address, WITHIN) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    });
    let stream = tried.await.map_err(io::Error::other)??;
    Ok((stream, clock::now().since(began)))
}

fn not_connected(host: &str, port: u16, error: &io::Error) -> Finding {
    let (zh, en) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            format!("{host}:{port} 拒绝连接:那台机器在,broker 没有运行或端口写错"),
            format!(
                "{host}:{port} refuses: the machine is there, but no broker runs, or the port is another"
            ),
        ),
        io::ErrorKind::TimedOut => (
            format!("{host}:{port} 没有回音:网络不通,或被防火墙拦住"),
            format!("{host}:{port} is silent: no way there, or a firewall"),
        ),
        _ => (format!("连不上 {host}:{port}:{error}"), format!("{host}:{port} is not reached: {error}")),
    };
    Finding::unreached("broker.tcp", (zh, en), format!("ping -c 3 {host}; ip route get {host}"))
}

/// The broker's certificate, once the handshake is through, by the rules of the uplink itself.
async fn shake(
    config: Arc<ClientConfig>,
    host: String,
    mut stream: TcpStream,
) -> io::Result<Option<Validity>> {
    let shaken = tokio::task::spawn_blocking(move || {
        stream.set_read_timeout(Some(WITHIN))?;
        stream.set_write_timeout(Some(WITHIN))?;
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let mut connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let first = connection.peer_certificates().and_then(|chain| chain.first());
        Ok(first.and_then(|certificate| Validity::of(certificate)))
    });
    within(shaken).await
}

/// And whether it makes sense to go on.
fn judge_tls(host: &str, port: u16, shaken: io::Result<Option<Validity>>) -> (Finding, bool) {
    let show = format!(
        "openssl s_client -connect {host}:{port} -servername {host} </dev/null | openssl x509 -noout -dates"
    );
    let validity = match shaken {
        Ok(Some(validity)) => validity,
        Ok(None) => return (Finding::good("broker.tls", "TLS 已建立", "TLS stands"), true),
        Err(error) => return (not_trusted(host, &error, show), false),
    };
    let end = day(validity.until);
    let finding = match validity.standing(clock::wall().0) {
        Standing::Good(days) => Finding::good(
            "broker.tls",
            format!("TLS 已建立,broker 的证书到 {end},还有 {days} 天"),
            format!("TLS stands; the broker's certificate is good until {end}, {days} days"),
        ),
        Standing::EndsSoon(days) => Finding::notable(
            "broker.tls",
            (
                format!("broker 的证书 {end} 到期,只剩 {days} 天:请换证书"),
                format!("the broker's certificate ends on {end}, in {days} days: renew it"),
            ),
            show,
        ),
        // Trusted all the same: the uplink's rule for a clock that was never set.
        Standing::NotYet | Standing::Over => Finding::notable(
            "broker.tls",
            (
                format!("按本机时钟,broker 的证书 {end} 已过期或尚未生效"),
                format!(
                    "by this machine's clock the broker's certificate, until {end}, is over or not yet good"
                ),
            ),
            "timedatectl",
        ),
    };
    (finding, true)
}

fn not_trusted(host: &str, error: &io::Error, show: String) -> Finding {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = inner else {
        let what = (format!("TLS 握手失败:{error}"), format!("the TLS handshake failed: {error}"));
        return Finding::unreached("broker.tls", what, show);
    };
    let (zh, en, next) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "broker 的证书已过期(或本机时钟不对)".to_owned(),
            "the broker's certificate is over (or this clock is wrong)".to_owned(),
            show,
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "broker 的证书还没生效:多半是本机时钟不对".to_owned(),
            "the broker's certificate is not good yet: this clock is wrong, most likely".to_owned(),
            "timedatectl".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("broker 的证书不是给 {host} 的"),
            format!("the broker's certificate is not for {host}"),
            show,
        ),
        CertificateError::UnknownIssuer => (
            "不认识 broker 证书的签发机构:ca_file 写它的 CA".to_owned(),
            "the broker's certificate is from an authority we do not know: name it with ca_file".to_owned(),
            show,
        ),
        other => (
            format!("broker 的证书不可信:{other:?}"),
            format!("the broker's certificate is not trusted: {other:?}"),
            show,
        ),
    };
    Finding::wrong("broker.tls", (zh, en), next)
}

/// Logs in, and sends one message to itself.
async fn talk(wanted: &Wanted, host: &str) -> Vec<Finding> {
    let (client, mut events) = AsyncClient::new(wanted.options.clone(), 8);
    let mut network = NetworkOptions::new();
    network.set_connection_timeout(WITHIN.as_secs());
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    let began = clock::now();
    let admitted = match events.poll().await {
        Ok(_) => admitted(host, wanted, clock::now().since(began)),
        Err(error) => return vec![not_admitted(wanted, &error)],
    };
    let returned = timeout(WITHIN, send_to_self(&client, &mut events, &wanted.topic)).await;
    // A clean goodbye, if the broker still listens.
    if client.try_disconnect().is_ok() {
        let _ = timeout(Duration::from_millis(200), async { while events.poll().await.is_ok() {} }).await;
    }
    let lost = |why| lost(wanted, why);
    let came_back = match returned {
        Ok(Ok(took)) => {
            let (topic, ms) = (&wanted.topic, millis(took));
            Finding::good(
                "broker.probe",
                format!("发到 {topic} 的测试消息 {ms} 读回"),
                format!("a message to {topic} came back in {ms}"),
            )
        }
        // A broker may also show a client the door for what it may not write.
        Ok(Err(End::Refused)) => lost("subscribe"),
        Ok(Err(End::Broken(error))) => Finding::unreached(
            "broker.probe",
            (format!("连接断开:{error}"), format!("the connection ended: {error}")),
            format!("ping -c 3 {host}"),
        ),
        Err(_) => lost("read"),
    };
    vec![admitted, came_back]
}

fn admitted(host: &str, wanted: &Wanted, took: Duration) -> Finding {
    let ms = millis(took);
    let (zh, en) = match wanted.options.credentials() {
        Some(login) => (format!("用户 {} ", login.username), format!(" as {}", login.username)),
        None => ("不用密码".to_owned(), " without a password".to_owned()),
    };
    Finding::good(
        "broker.login",
        format!("{zh}登录 {host} 成功,{ms}"),
        format!("logged in at {host}{en}, {ms}"),
    )
}

fn not_admitted(wanted: &Wanted, error: &ConnectionError) -> Finding {
    let edit = wanted.password_file.as_ref().map(|path| format!("sudoedit {}", path.display()));
    let next = edit.unwrap_or_else(|| wanted.check.clone());
    if let ConnectionError::ConnectionRefused(code) = error {
        let (zh, en) = match code {
            ConnectReturnCode::BadUserNamePassword => ("用户名或密码不对", "user name or password is wrong"),
            ConnectReturnCode::NotAuthorized => {
                ("用户名、密码或证书不被允许", "user name, password or certificate is not allowed")
            }
            ConnectReturnCode::BadClientId => ("不接受这个客户端编号", "this client id is not accepted"),
            _ => ("暂时不服务", "it does not serve now"),
        };
        return Finding::wrong(
            "broker.login",
            (format!("broker 拒绝登录:{zh}"), format!("the broker refuses us: {en}")),
            next,
        );
    }
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if cause.contains("alert") {
        let what = (
            format!("broker 不接受本机的证书:{cause}"),
            format!("the broker does not take our certificate: {cause}"),
        );
        return Finding::wrong("broker.login", what, next);
    }
    Finding::unreached(
        "broker.login",
        (format!("登录没有完成:{cause}"), format!("the log-in did not end: {cause}")),
        next,
    )
}

fn lost(wanted: &Wanted, may_not: &str) -> Finding {
    let (topic, check) = (&wanted.topic, &wanted.check);
    let user = wanted.options.credentials().map_or_else(|| "USER".to_owned(), |login| login.username);
    Finding::wrong(
        "broker.probe",
        (
            format!(
                "测试消息没有从 {topic} 读回:broker 的权限表(ACL)不让写或读({may_not});给用户 {user} 加上 topic readwrite {topic}"
            ),
            format!(
                "the message to {topic} did not come back: the broker's access list forbids to write or to {may_not}; \
                 give the user {user}: topic readwrite {topic}"
            ),
        ),
        format!(
            "sudoedit /etc/mosquitto/acl && sudo systemctl reload mosquitto && {}",
            check.replace(" check ", " doctor ")
        ),
    )
}

/// Why the message did not come back.
enum End {
    Refused,
    Broken(String),
}

async fn send_to_self(client: &AsyncClient, events: &mut EventLoop, topic: &str) -> Result<Duration, End> {
    let broken = |error: &dyn std::fmt::Display| End::Broken(error.to_string());
    client.try_subscribe(topic, QoS::AtLeastOnce).map_err(|error| broken(&error))?;
    let words = format!("{{\"doctor\":{}}}", clock::now().as_micros());
    let mut sent: Option<Instant> = None;
    loop {
        match events.poll().await.map_err(|error| broken(&error))? {
            Event::Incoming(Packet::SubAck(answer)) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(End::Refused);
                }
                sent = Some(clock::now());
                client
                    .try_publish(topic, QoS::AtLeastOnce, false, words.clone())
                    .map_err(|error| broken(&error))?;
            }
            Event::Incoming(Packet::Publish(message)) if message.payload.as_ref() == words.as_bytes() => {
                return Ok(sent.map_or(Duration::ZERO, |at| clock::now().since(at)));
            }
            _ => {}
        }
    }
}

/// What a blocking step came to, or that it did not end.
async fn within<T>(step: tokio::task::JoinHandle<io::Result<T>>) -> io::Result<T> {
    match timeout(WITHIN, step).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

pub(crate) fn millis(took: Duration) -> String {
    match took.as_millis() {
        0 => "<1 ms".to_owned(),
        ms => format!("{ms} ms"),
    }
}
