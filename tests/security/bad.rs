//! What must not work, does not: no message leaves, nothing is readable on the way, and the log says why and what to do.
//! Each story prints what its user sees.
use std::path::Path;

use shouwang_tests::{Mosquitto, clock, wait_until};

use crate::authority::{Authority, GOOD, Pair, self_signed};
use crate::house::{House, START_LIMIT, drawer, listener_lines, showing, trusting};

/// Starts the gateway and sees it fail: the log has these words in both languages, `/readyz` tells no broker, nothing
/// arrived, and nothing was readable. After the first failure smoke makes it hurry: haste finds no other way either.
fn is_kept_out(house: &House, zh: &str, en: &str) {
    let (exit, _) = house.check();
    let gateway = house.start();
    let line = house.wait_for_line(&gateway, en);
    assert!(line.contains(zh) && line.contains("WARN"), "{zh}: {line}");
    house.smoke(true);
    let tries = house.tap.sent().len();
    wait_until(START_LIMIT, "it should try again, in haste if it may", || {
        house.tap.sent().len() > tries + 2 || gateway.stderr().contains("Refused")
    });
    let (status, body) = house.readiness().expect("the health page answers");
    assert_eq!(status, 503, "{body}");
    assert!(house.listener.messages().is_empty(), "{:?}", house.listener.messages());
    gateway.stop();
    let connections = house.tap.assert_only_tls();
    assert!(connections > 0, "it did try");
    println!(
        "check: exit {exit}\nlog: {line}\n/readyz: {status} {body}\n{connections} connections, only TLS"
    );
    assert_eq!(exit, 0, "the configuration itself is sound");
}

/// A broker that shows this certificate to a gateway that trusts this authority.
fn showing_to(server: &Pair, trusted: &Path) -> House {
    let lines = listener_lines(server, None) + "allow_anonymous true\n";
    House::new(Mosquitto::start_with_listener(&lines), |port| trusting(port, trusted))
}

#[test]
fn a_broker_of_another_authority() {
    let drawer = drawer();
    let (ours, other) = (Authority::new(drawer.path(), "ours"), Authority::new(drawer.path(), "other"));
    let house = showing_to(&other.server("server", "localhost", GOOD), &ours.file());
    is_kept_out(
        &house,
        "不认识签发对方证书的机构",
        "signed by nobody we trust; name its authority with ca_file",
    );
}

#[test]
fn a_broker_that_signed_for_itself() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let house = showing_to(&self_signed(drawer.path(), "server", "localhost"), &ours.file());
    is_kept_out(&house, "不认识签发对方证书的机构", "signed by nobody we trust");
}

#[test]
fn a_broker_whose_certificate_has_expired() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let house = showing_to(&ours.server("server", "localhost", [2020, 2024]), &ours.file());
    is_kept_out(
        &house,
        "2024-01-01 已过期",
        "the broker's certificate expired on 2024-01-01 (judged as of 20",
    );
}

#[test]
fn a_broker_whose_certificate_is_not_valid_yet() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let house = showing_to(&ours.server("server", "localhost", [2048, 2049]), &ours.file());
    is_kept_out(&house, "2048-01-01 才生效", "not valid before 2048-01-01");
}

#[test]
fn a_broker_of_another_name() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let house = showing_to(&ours.server("server", "broker.example", GOOD), &ours.file());
    is_kept_out(&house, "不是给 localhost", "is not for localhost but for");
}

#[test]
fn a_broker_that_speaks_tls_1_1_only() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let openssl = drawer.path().join("openssl.cnf");
    let text = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = old\n\
        [old]\nMinProtocol = TLSv1.1\nMaxProtocol = TLSv1.1\nCipherString = ALL:@SECLEVEL=0\n";
    std::fs::write(&openssl, text).expect("a configuration of OpenSSL");
    let lines = listener_lines(&server, None) + "allow_anonymous true\ntls_version tlsv1.1\n";
    let environment = [("OPENSSL_CONF", openssl.display().to_string())];
    let broker = Mosquitto::start_with_listener_in(&lines, &environment);
    let house = House::new(broker, |port| trusting(port, &ours.file()));
    // The control: who accepts so old a version gets in.
    let said = old_client(house.broker.further_port());
    assert!(said.contains("TLSv1.1"), "the broker does speak TLS 1.1: {said}");
    is_kept_out(&house, "TLS 1.2 以前", "speaks no TLS 1.2 or newer");
}

/// The version that a client of any version agrees on with the broker.
fn old_client(port: u16) -> String {
    let program = "import socket, ssl, sys, warnings\nwarnings.simplefilter('ignore')\n\
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\nc.check_hostname = False\nc.verify_mode = ssl.CERT_NONE\n\
        c.set_ciphers('ALL:@SECLEVEL=0')\nc.minimum_version = ssl.TLSVersion.TLSv1_1\n\
        s = c.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))))\nprint(s.version())";
    let told =
        std::process::Command::new("/usr/bin/python3").args(["-c", program, &port.to_string()]).output();
    let told = told.expect("Debian's python3 runs");
    String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr)
}

#[test]
fn a_stranger_is_refused_by_the_broker() {
    let drawer = drawer();
    let (ours, other) = (Authority::new(drawer.path(), "ours"), Authority::new(drawer.path(), "other"));
    let server = ours.server("server", "localhost", GOOD);
    let lines = listener_lines(&server, Some(&ours.file()));
    let stranger = other.client("stranger", "heping/gw-0007", GOOD);
    let keys = |port| trusting(port, &ours.file()) + &showing(&stranger);
    let house = House::new(Mosquitto::start_with_listener(&lines), keys);
    is_kept_out(&house, "broker 拒绝了本机的证书", "the broker refuses our certificate (UnknownCA)");
}

#[test]
fn an_expired_certificate_of_ours_is_refused_by_the_broker() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let lines = listener_lines(&server, Some(&ours.file()));
    let own = ours.client("gw-0007", "heping/gw-0007", [2020, 2024]);
    let keys = |port| trusting(port, &ours.file()) + &showing(&own);
    let house = House::new(Mosquitto::start_with_listener(&lines), keys);
    is_kept_out(&house, "broker 拒绝了本机的证书", "the broker refuses our certificate (CertificateExpired)");
}

#[test]
fn who_shows_no_certificate_where_one_is_wanted() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let lines = listener_lines(&server, Some(&ours.file()));
    let house = House::new(Mosquitto::start_with_listener(&lines), |port| trusting(port, &ours.file()));
    is_kept_out(
        &house,
        "broker 拒绝了本机的证书",
        "the broker refuses our certificate (CertificateRequired)",
    );
}

#[test]
fn a_plain_port_that_is_asked_for_tls() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let house = House::new(Mosquitto::start_with_listener("allow_anonymous true"), |port| {
        trusting(port, &ours.file())
    });
    let gateway = house.start();
    clock::pause(std::time::Duration::from_secs(3));
    println!("{}", gateway.stderr());
    assert_eq!(house.readiness().map(|(status, _)| status), Some(503));
    assert!(house.listener.messages().is_empty());
    assert!(house.tap.assert_only_tls() > 0, "there is no way back to plain text");
    gateway.stop();
}

#[test]
fn a_tls_port_that_is_asked_in_plain_text() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let lines = listener_lines(&server, None) + "allow_anonymous true\n";
    let house = House::new(Mosquitto::start_with_listener(&lines), |port| {
        format!("url = \"mqtt://127.0.0.1:{port}\"\n")
    });
    let gateway = house.start();
    let line = house.wait_for_line(&gateway, "if this port wants TLS, write mqtts:// in url");
    println!("{line}");
    assert!(line.contains("把地址写成 mqtts://"), "{line}");
    assert!(house.listener.messages().is_empty());
    gateway.stop();
}

/// Plain text to another machine is refused before anything is sent.
#[test]
fn plain_text_to_another_machine_is_no_configuration() {
    let house = House::new(Mosquitto::start_with_listener("allow_anonymous true"), |_| {
        "url = \"mqtt://192.0.2.1:1883\"\n".to_owned()
    });
    let (exit, said) = house.check();
    assert_eq!(exit, 2, "{said}");
    assert!(said.contains("use mqtts://, or write allow_plaintext = true"), "{said}");
}

/// What is wrong with the files is said at the key that names them, by `check`, and by `run` the same.
#[test]
fn files_that_cannot_be_used_are_told_with_their_place_and_the_remedy() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let (own, other) = (ours.client("own", "gw", GOOD), ours.client("other", "gw", GOOD));
    let garbage = drawer.path().join("garbage.pem");
    std::fs::write(&garbage, "not a certificate\n").expect("a file");
    let mixed = Pair { certificate: own.certificate.clone(), key: other.key };
    let broken = Pair { certificate: garbage.clone(), key: own.key.clone() };
    let ca = ours.file();
    for (keys, key, what, remedy) in [
        (
            trusting(8883, &garbage),
            "ca_file",
            "garbage.pem has no certificate in PEM form",
            "BEGIN CERTIFICATE",
        ),
        (trusting(8883, &ca) + &showing(&mixed), "client_key", "is not the key of", "two files of one pair"),
        (
            trusting(8883, &ca) + &showing(&broken),
            "client_certificate",
            "no certificate in PEM",
            "BEGIN CERTIFICATE",
        ),
        (trusting(8883, Path::new("/nowhere/ca.pem")), "ca_file", "/nowhere/ca.pem", "check the path"),
    ] {
        let house = House::new(Mosquitto::start_with_listener("allow_anonymous true"), |_| keys);
        let text = house.configuration.text();
        let line = text.lines().position(|line| line.starts_with(key)).expect("the key") + 1;
        let (exit, said) = house.check();
        assert_eq!(exit, 2, "{said}");
        assert!(said.contains(&format!("gateway.toml:{line}:")), "{line}: {said}");
        assert!(said.contains(what) && said.contains(remedy), "{what}, {remedy}: {said}");
        println!("{said}");
    }
}
