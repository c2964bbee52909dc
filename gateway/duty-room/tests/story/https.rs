//! Pages over HTTPS: a made certificate and one of one's own, what is said in the clear, a certificate replaced under open
//! pages, and who is answered without any.
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use shouwang_duty_room::{Certificate, Clock, Config, Running, Web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::desk::*;

fn config_with(state: &Path, certificate: Certificate) -> Config {
    let mut config = config(state, 1);
    config.web.certificate = Some(certificate);
    config
}

async fn start(config: Config) -> Running {
    shouwang_duty_room::start(config, Clock::at_hour(12)).await.unwrap()
}

/// A browser that trusts exactly this certificate.
async fn connect(
    running: &Running,
    trusted: &Path,
    version: &'static rustls::SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(trusted).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(running.web).await.unwrap();
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn say(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(running: &Running, path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{}\r\n{more}Connection: close\r\n\r\n",
        running.web.port()
    )
}

/// A certificate with its key as PEM files, put in place one after the other.
fn put(dir: &Path, name: &str) -> Certificate {
    let made =
        rcgen::generate_simple_self_signed(["localhost".to_owned(), format!("{name}.example")]).unwrap();
    let (certificate, key) = (dir.join("own.pem"), dir.join("own.key"));
    for (file, pem) in [(&key, made.signing_key.serialize_pem()), (&certificate, made.cert.pem())] {
        let new = dir.join("new");
        std::fs::write(&new, pem).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(new, file).unwrap();
    }
    Certificate::Files { certificate, key }
}

#[tokio::test]
async fn a_made_certificate_carries_a_log_in_whose_cookie_never_goes_out_in_the_clear() {
    let state = tempfile::tempdir().unwrap();
    let running = start(config_with(state.path(), Certificate::Generated)).await;
    assert!(running.address().starts_with("https://"));
    let file = state.path().join("https.pem");
    let link = running.link();
    let path = link.rsplit_once("/login/").map(|(_, token)| format!("/login/{token}")).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = connect(&running, &file, version).await.unwrap();
        let entered = say(&mut stream, &get(&running, &path, "")).await;
        let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
        assert!(!entered.contains("strict-transport-security"), "a browser has to be able to come back");
        let session = cookie.split(';').next().unwrap();
        let mut stream = connect(&running, &file, version).await.unwrap();
        let list =
            say(&mut stream, &get(&running, "/api/v1/alarms", &format!("Cookie: {session}\r\n"))).await;
        assert!(list.starts_with("HTTP/1.1 200 "), "{list}");
    }
    running.stop().await.unwrap();

    // The next start shows the same certificate: people compared its fingerprint once.
    let before = std::fs::read(&file).unwrap();
    let running = start(config_with(state.path(), Certificate::Generated)).await;
    assert_eq!(std::fs::read(&file).unwrap(), before);
    running.stop().await.unwrap();
}

#[tokio::test]
async fn in_the_clear_a_page_is_led_to_https_and_a_change_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let running = start(config_with(state.path(), Certificate::Generated)).await;
    let plain = async |request: &str| say(&mut TcpStream::connect(running.web).await.unwrap(), request).await;
    let led = plain(&get(&running, "/handover?lang=en", "")).await;
    assert!(led.starts_with("HTTP/1.1 308 "), "{led}");
    let port = running.web.port();
    assert!(led.contains(&format!("location: https://localhost:{port}/handover?lang=en\r\n")), "{led}");
    let foreign = plain("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await;
    assert!(foreign.starts_with("HTTP/1.1 400 ") && !foreign.contains("location"), "{foreign}");
    let change = plain(&format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n\
         Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    ))
    .await;
    assert!(change.starts_with("HTTP/1.1 400 ") && change.contains("只用 https://"), "{change}");
    assert!(!change.contains("set-cookie"), "{change}");
    for junk in ["\0\0\0\0", "\u{16}\u{3}\u{1}", "SSH-2.0-x\r\n\r\n"] {
        let mut stream = TcpStream::connect(running.web).await.unwrap();
        stream.write_all(junk.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
    }
    assert!(plain(&get(&running, "/", "")).await.starts_with("HTTP/1.1 308 "));
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_newcomers_and_open_pages_go_on() {
    let (state, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let running = start(config_with(state.path(), put(files.path(), "one"))).await;
    let first = running.certificate().unwrap();
    let pem = files.path().join("own.pem");
    let mut open = connect(&running, &pem, &rustls::version::TLS13).await.unwrap();
    put(files.path(), "two");
    eventually("the new certificate is shown", async || running.certificate().unwrap() != first).await;
    let list = say(&mut open, &get(&running, "/healthz", "")).await;
    assert!(list.starts_with("HTTP/1.1 200 "), "the page that was open: {list}");
    let mut newcomer = connect(&running, &pem, &rustls::version::TLS12).await.unwrap();
    assert!(say(&mut newcomer, &get(&running, "/healthz", "")).await.starts_with("HTTP/1.1 200 "));

    let second = running.certificate().unwrap();
    std::fs::write(files.path().join("own.key"), "cut off").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(running.certificate().unwrap(), second, "a bad one replaces nothing");
    assert!(connect(&running, &pem, &rustls::version::TLS13).await.is_ok());
    running.stop().await.unwrap();
}

/// Browsers are told to come by TLS only, once somebody they trust vouches for us.
#[tokio::test]
async fn only_a_certificate_that_others_vouch_for_is_remembered() {
    let (state, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (authority, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut root = rcgen::CertificateParams::new(vec![]).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    root.distinguished_name.push(rcgen::DnType::CommonName, "a county's own authority");
    let root_pem = root.self_signed(&authority).unwrap().pem();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &rcgen::Issuer::from_params(&root, &authority)).unwrap();
    let file = |name: &str, text: String| {
        let file = files.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    };
    let trusted = file("root.pem", root_pem.clone());
    let certificate = file("leaf.pem", format!("{}{root_pem}", leaf.pem()));
    let key = file("leaf.key", key.serialize_pem());
    let running = start(config_with(state.path(), Certificate::Files { certificate, key })).await;
    let mut stream = connect(&running, &trusted, &rustls::version::TLS13).await.unwrap();
    let page = say(&mut stream, &get(&running, "/login", "")).await;
    assert!(page.contains("strict-transport-security: max-age=31536000\r\n"), "{page}");
    running.stop().await.unwrap();
}

/// A real address of this machine, other than loopback; a machine without any has nobody to be answered.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: the kernel only chooses the address it would send from.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

#[tokio::test]
async fn in_the_clear_other_machines_get_no_log_in_unless_told() {
    let Some(address) = own_address() else { return };
    for (allow_plaintext, log_in) in [(false, 403), (true, 401)] {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(state.path(), 1);
        config.web = Web { allow_plaintext, ..Web::at((std::net::Ipv4Addr::UNSPECIFIED, 0).into()) };
        let running = start(config).await;
        let far = Browser { address: format!("{address}:{}", running.web.port()), cookie: String::new() };
        let typed = r#"{"account":"lead","password":"三号楼二单元四零二"}"#;
        let answer = far.post("/api/v1/session", typed).await;
        assert_eq!(answer.status, log_in, "{}", answer.body);
        assert_eq!(answer.body.contains(r#"certificate = \"generated\""#), !allow_plaintext);
        assert_eq!(far.get("/login").await.status, if allow_plaintext { 200 } else { 403 });
        assert_eq!(far.get("/healthz").await.status, 200);
        let near = Browser { address: format!("127.0.0.1:{}", running.web.port()), cookie: String::new() };
        assert_eq!(near.get("/login").await.status, 200);
        running.stop().await.unwrap();
    }
}

/// A proxy in front speaks TLS with browsers and the clear with us.
#[tokio::test]
async fn behind_a_proxy_cookies_are_secure_too() {
    let state = tempfile::tempdir().unwrap();
    let running = start(config(state.path(), 1)).await;
    let link = running.link();
    let path = link.rsplit_once("/login/").map(|(_, token)| format!("/login/{token}")).unwrap();
    for (passed_on, secure) in [("", false), ("X-Forwarded-Proto: https\r\n", true)] {
        let mut stream = TcpStream::connect(running.web).await.unwrap();
        let entered = say(&mut stream, &get(&running, &path, passed_on)).await;
        let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        assert_eq!(cookie.ends_with("; Secure"), secure, "{cookie}");
    }
    running.stop().await.unwrap();
}
