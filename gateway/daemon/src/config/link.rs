//! Checks of the wires: the lines, the broker, the keys and the addresses to listen on.
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use shouwang_catalog::strict::Step;
use shouwang_core::configuration::{LineKind, LineSettings, PollTimes};
use shouwang_core::profile::Parity;
use shouwang_message::{Id, Text};

use super::check::{At, Check, Taken};
use super::draft::{self, Commands, Framing, Line, Listen, Poll, Serial, Tcp, Uplink};
use super::keys::BadKey;
use super::{Broker, Link, Security, TrustedKeys};

const BAUDS: [u32; 9] = [1200, 2400, 4800, 9600, 14400, 19200, 38400, 57600, 115_200];

impl Check<'_> {
    /// None if one of them is wrong: what refers to lines by their index cannot be resolved then.
    pub(super) fn lines(&mut self, drafts: &[Line]) -> Option<(Vec<LineSettings>, Vec<Link>)> {
        let (mut names, mut wires) = (Taken::new(), Taken::new());
        let lines: Vec<_> = drafts
            .iter()
            .enumerate()
            .map(|(index, draft)| {
                let at = [Step::Key("line"), index.into()];
                let line = self.line(index, draft);
                if let Some(name) = &draft.name {
                    let what = Text::new("线名重复", "this line's name is taken");
                    self.once(&mut names, name.clone(), &[at[0], at[1], "name".into()], &what);
                }
                if let Some((_, link)) = &line {
                    let wire = match link {
                        Link::Serial { path, .. } => path.display().to_string(),
                        Link::Tcp { address, .. } => address.clone(),
                    };
                    let what = Text::new("这个端口已有一条线", "this wire has a line");
                    self.once(&mut wires, wire, &at, &what);
                }
                line
            })
            .collect();
        let all: Option<Vec<_>> = lines.into_iter().collect();
        all.map(|all| all.into_iter().unzip())
    }

    fn line(&mut self, index: usize, draft: &Line) -> Option<(LineSettings, Link)> {
        let line: At<'_> = &[Step::Key("line"), index.into()];
        let key = |key| [line[0], line[1], Step::Key(key)];
        let name = self.id(&key("name"), draft.name.as_ref());
        let has = |check: &Self, name| check.document.has(&key(name));
        let wire = match (has(self, "serial"), has(self, "tcp")) {
            (true, false) => draft.serial.as_ref().and_then(|serial| self.serial(&key("serial"), serial)),
            (false, true) => draft.tcp.as_ref().and_then(|tcp| self.tcp(&key("tcp"), tcp)),
            _ => {
                self.wrong(
                    line,
                    Text::new("一条线要有 serial 或 tcp 其中一个", "a line has either serial or tcp"),
                    Text::new(
                        "写 serial = { path = \"/dev/ttyRS485-1\" } 或 tcp = { address = \"主机:502\" }",
                        "write serial = { path = \"/dev/ttyRS485-1\" } or tcp = { address = \"host:502\" }",
                    ),
                );
                None
            }
        };
        let (kind, link) = wire?;
        let timeout = Duration::from_millis(draft.timeout_ms.unwrap_or(200).into());
        Some((LineSettings { name: name?, kind, timeout, poll: poll(&draft.poll) }, link))
    }

    fn serial(&mut self, at: At<'_>, draft: &Serial) -> Option<(LineKind, Link)> {
        let key = |key| [at, &[Step::Key(key)]].concat();
        let baud = draft.baud.unwrap_or(9600);
        if !BAUDS.contains(&baud) {
            let list = BAUDS.map(|baud| baud.to_string()).join(", ");
            self.wrong(
                &key("baud"),
                Text::new(format!("没有 {baud} 这个波特率"), format!("{baud} is no usual baud rate")),
                Text::new(format!("可以写：{list}"), format!("write one of: {list}")),
            );
        }
        let parity = match draft.parity {
            draft::Parity::None => Parity::None,
            draft::Parity::Even => Parity::Even,
            draft::Parity::Odd => Parity::Odd,
        };
        let stop_bits = draft.stop_bits.unwrap_or(1);
        let path = self.path(&key("path"), draft.path.as_ref())?;
        let bits = 9 + u8::from(parity != Parity::None) + stop_bits;
        Some((LineKind::Serial { baud, bits }, Link::Serial { path, baud, parity, stop_bits }))
    }

    fn tcp(&mut self, at: At<'_>, draft: &Tcp) -> Option<(LineKind, Link)> {
        let address = draft.address.clone()?;
        if host_and_port(&address).is_none() {
            self.wrong(
                &[at, &["address".into()]].concat(),
                Text::new("地址要写成 主机:端口", "an address is host:port"),
                Text::new("例如 192.168.1.20:502", "for example 192.168.1.20:502"),
            );
        }
        let rtu_frames = draft.framing == Framing::Rtu;
        let interface = draft.interface.clone();
        self.interface(&[at, &["interface".into()]].concat(), interface.as_deref());
        Some((LineKind::Tcp { rtu_frames }, Link::Tcp { address, rtu_frames, interface }))
    }

    /// That this is the name of one, if any is named.
    pub(super) fn interface(&mut self, at: At<'_>, name: Option<&str>) {
        if name.is_some_and(|name| !is_interface(name)) {
            self.wrong(
                at,
                Text::new("这不是网卡的名字", "this is no network interface's name"),
                Text::new(
                    "写 ip -brief link 列出的名字,例如 eth1",
                    "write one that ip -brief link lists, such as eth1",
                ),
            );
        }
    }

    pub(super) fn broker(&mut self, draft: &Uplink) -> Option<Broker> {
        let key = |key| [Step::Key("uplink"), Step::Key(key)];
        let username = self.words(&key("username"), draft.username.as_ref());
        let password_file = self.file(&key("password_file"), draft.password_file.as_ref(), true);
        if password_file.is_some() && username.is_none() {
            self.wrong(
                &key("password_file"),
                Text::new("有 password_file 却没有 username", "password_file without username"),
                Text::new("加上 username", "add username"),
            );
        }
        let url = draft.url.as_ref()?;
        let Some((tls, host, port)) = parse_url(url) else {
            self.wrong(
                &key("url"),
                Text::new(
                    format!("{url:?} 不是 broker 的地址"),
                    format!("{url:?} is not a broker's address"),
                ),
                Text::new("写成 mqtts://主机:8883", "write mqtts://host:8883"),
            );
            return None;
        };
        let security = if tls { self.tls(draft, &host) } else { self.plain(draft, &host) };
        Some(Broker { host, port, security, username, password_file })
    }

    fn tls(&mut self, draft: &Uplink, host: &str) -> Security {
        let key = |key| [Step::Key("uplink"), Step::Key(key)];
        if host.starts_with('[') {
            self.wrong(
                &key("url"),
                Text::new(
                    "证书认的是名字，不是 IPv6 地址",
                    "a certificate is for a name, not an IPv6 address",
                ),
                Text::new("写主机名", "write the host's name"),
            );
        }
        let ca_file = self.file(&key("ca_file"), draft.ca_file.as_ref(), false);
        let certificate = self.file(&key("client_certificate"), draft.client_certificate.as_ref(), false);
        let private = self.file(&key("client_key"), draft.client_key.as_ref(), true);
        if certificate.is_some() != private.is_some() {
            let one = if certificate.is_some() { "client_certificate" } else { "client_key" };
            self.wrong(
                &key(one),
                Text::new("客户端证书和私钥要一起写", "a client certificate and its key go together"),
                Text::new(
                    "client_certificate 和 client_key 都写上",
                    "write both client_certificate and client_key",
                ),
            );
        }
        let files = shouwang_trust::Files { ca_file, client: certificate.zip(private) };
        self.readable(&files);
        Security::Tls(files)
    }

    /// What is in the files; that they are there was looked at before, and is told once.
    fn readable(&mut self, files: &shouwang_trust::Files) {
        let named = files.ca_file.iter().chain(files.client.iter().flat_map(|(one, other)| [one, other]));
        if !self.look_at_files
            || named.clone().next().is_none()
            || named.into_iter().any(|file| !file.is_file())
        {
            return;
        }
        if let Err(error) = files.client(&shouwang_trust::Floor::of_the_build()) {
            let at = [Step::Key("uplink"), Step::Key(error.key().map_or("url", shouwang_trust::Key::as_str))];
            self.wrong(&at, error.what(), error.remedy());
        }
    }

    fn plain(&mut self, draft: &Uplink, host: &str) -> Security {
        let key = |key| [Step::Key("uplink"), Step::Key(key)];
        if !draft.allow_plaintext && !is_loopback(host) {
            self.wrong(
                &key("url"),
                Text::new(
                    "mqtt:// 不加密，只能连本机",
                    "mqtt:// is readable on the way, so only to this machine",
                ),
                Text::new(
                    "改用 mqtts://，或写 allow_plaintext = true",
                    "use mqtts://, or write allow_plaintext = true",
                ),
            );
        }
        for (name, file) in [
            ("ca_file", &draft.ca_file),
            ("client_certificate", &draft.client_certificate),
            ("client_key", &draft.client_key),
        ] {
            if file.is_some() {
                self.wrong(
                    &key(name),
                    Text::new(format!("mqtt:// 用不到 {name}"), format!("{name} has no use with mqtt://")),
                    Text::new("改用 mqtts://，或去掉它", "use mqtts://, or take it out"),
                );
            }
        }
        Security::Plain
    }

    pub(super) fn hearers(&mut self, draft: &Uplink) -> Vec<Id> {
        let mut taken = Taken::new();
        let mut hearers = Vec::new();
        for (index, name) in draft.hearers.iter().enumerate() {
            let at = [Step::Key("uplink"), "hearers".into(), index.into()];
            self.once(&mut taken, name, &at, &Text::new("值班室重复", "this duty room is named twice"));
            hearers.extend(self.id(&at, Some(name)));
        }
        hearers
    }

    pub(super) fn keys(&mut self, draft: &Commands) -> TrustedKeys {
        let mut keys = TrustedKeys::default();
        for (index, entry) in draft.trusted_keys.iter().enumerate() {
            let what = match keys.add(entry) {
                Ok(()) => continue,
                Err(BadKey::Form) => Text::new("不是 名字:密钥", "this is not name:key"),
                Err(BadKey::Key) => Text::new("不是 Ed25519 公钥", "this is not an Ed25519 public key"),
                Err(BadKey::Twice) => Text::new("这个名字已有密钥", "this name has a key already"),
            };
            let remedy = Text::new(
                "写成 \"duty-1:32 字节公钥的 base64\"",
                "write \"duty-1:base64 of the 32 bytes of the public key\"",
            );
            self.wrong(&[Step::Key("commands"), "trusted_keys".into(), index.into()], what, remedy);
        }
        keys
    }

    /// The address to listen on, if the section is there; `default` if it names none.
    pub(super) fn listen(
        &mut self,
        section: &str,
        draft: Option<&Listen>,
        default: SocketAddr,
        loopback_only: bool,
    ) -> Option<SocketAddr> {
        let Some(text) = &draft?.listen else { return Some(default) };
        let at = [Step::Key(section), Step::Key("listen")];
        let Ok(address) = text.parse::<SocketAddr>() else {
            self.wrong(
                &at,
                Text::new("监听地址要写成 IP:端口", "a listen address is IP:port"),
                Text::new(format!("例如 {default}"), format!("for example {default}")),
            );
            return None;
        };
        if loopback_only && !address.ip().is_loopback() {
            self.wrong(
                &at,
                Text::new(
                    "内置 broker 不认人，只能听本机",
                    "the embedded broker asks nobody's name, so it serves this machine only",
                ),
                Text::new(format!("写 {default}"), format!("write {default}")),
            );
        }
        Some(address)
    }
}

fn poll(draft: &Poll) -> PollTimes {
    let time = |wanted: Option<u32>, default: u32| Duration::from_millis(wanted.unwrap_or(default).into());
    PollTimes {
        alarm: time(draft.alarm_ms, 500),
        state: time(draft.state_ms, 5_000),
        slow: time(draft.slow_ms, 30_000),
    }
}

/// `mqtt[s]://host[:port]`: whether TLS, the host (brackets stay on IPv6), and the port.
fn parse_url(url: &str) -> Option<(bool, String, u16)> {
    let (tls, rest) = match url.split_once("://")? {
        ("mqtts", rest) => (true, rest),
        ("mqtt", rest) => (false, rest),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some((host, port)) = host_and_port(rest) {
        return Some((tls, host.to_owned(), port));
    }
    is_host(rest).then(|| (tls, rest.to_owned(), if tls { 8883 } else { 1883 }))
}

fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    (port != 0 && is_host(host)).then_some((host, port))
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    (1..=253).contains(&host.len())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// What Linux takes for one: 15 bytes at most.
fn is_interface(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b':'))
        && !matches!(name, "." | "..")
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
