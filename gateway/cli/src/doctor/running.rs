//! The service itself, if it runs: known by the lock on its state directory, and asked by its own health page.
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::finding::Finding;
use super::holder::{self, Holder};

const WITHIN: Duration = Duration::from_secs(5);
/// A longer answer is not looked at to its end.
const LONGEST: u64 = 8 * 1024 * 1024;

/// A running service.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) holder: Holder,
    /// What its `/metrics` said.
    pub(crate) metrics: Option<String>,
}

/// What a page answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Running {
    /// Whoever holds this lock, and what its page at `web` tells.
    pub(crate) fn find(lock: &Path, web: Option<SocketAddr>) -> Option<Self> {
        let holder = holder::of_lock(lock)?;
        let metrics = web.and_then(|web| get(web, "/metrics").ok());
        Some(Self {
            holder,
            metrics: metrics.filter(|answer| answer.status == 200).map(|answer| answer.body),
        })
    }
}

/// That it runs, and what its own pages say.
pub(crate) fn look(running: Option<&Running>, web: Option<SocketAddr>, unit: &str) -> Vec<Finding> {
    let Some(running) = running else {
        let what = ("服务没有在运行".to_owned(), "the service does not run".to_owned());
        return vec![Finding::notable(
            "service",
            what,
            format!("systemctl status {unit}; sudo systemctl start {unit}"),
        )];
    };
    let holder = &running.holder;
    let mut found = vec![Finding::good(
        "service",
        format!("服务在运行({holder})"),
        format!("the service runs ({holder})"),
    )];
    let Some(web) = web else { return found };
    for (path, check, zh, en) in [
        ("/healthz", "service.healthz", "主循环在转", "its loop turns"),
        ("/readyz", "service.readyz", "存得下,连得上 broker", "its store writes and the broker is connected"),
    ] {
        found.push(match get(web, path) {
            Ok(Answer { status: 200, .. }) => {
                Finding::good(check, format!("{path}:{zh}"), format!("{path}: {en}"))
            }
            Ok(answer) => {
                let body = answer.body.trim();
                let what = (format!("{path} 说:{body}"), format!("{path} says: {body}"));
                Finding::wrong(check, what, format!("journalctl -u {unit} -n 50"))
            }
            Err(error) => {
                let what = (
                    format!("健康页 http://{web}{path} 不应答:{error}"),
                    format!("the health page http://{web}{path} does not answer: {error}"),
                );
                Finding::unreached(check, what, format!("systemctl status {unit}"))
            }
        });
    }
    found
}

/// An address for everybody is also the machine's own.
pub(crate) fn own(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// One GET.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let address = own(address);
    let mut stream = TcpStream::connect_timeout(&address, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: body.to_owned() })
}
