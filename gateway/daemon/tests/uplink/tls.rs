//! TLS: our authority, the broker's name and our own certificate all count, and there is no way around.
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use shouwang_core::input::{Disconnect, Input};
use shouwang_gateway::config::{Broker as Settings, Security, TrustedKeys};
use shouwang_message::Leaf;
use shouwang_trust::Files;

use crate::broker::{Broker, next, publication, settings, uplink, will, write};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(directory: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        write(directory, &format!("{name}.pem"), &certificate.pem());
        Self { issuer: Issuer::new(params, key) }
    }

    fn issue(&self, directory: &Path, name: &str) {
        let mut params = CertificateParams::new(vec![name.into()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        write(directory, &format!("{name}.pem"), &certificate.pem());
        write(directory, &format!("{name}.key"), &key.serialize_pem());
    }
}

/// The first thing told of a connection, and of a message on it.
async fn attempt(settings: Settings) -> Input {
    let (mut uplink, mut told) = uplink(settings, TrustedKeys::default());
    uplink.connect(1, will());
    match next(&mut told).await {
        Input::Connected { connection: 1 } => {
            uplink.publish(1, Some(5), publication(Leaf::Event, "secret"));
            next(&mut told).await
        }
        other => other,
    }
}

#[tokio::test]
async fn the_broker_and_the_gateway_prove_who_they_are() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let ours = Authority::new(home.path(), "ours");
    let stranger = Authority::new(home.path(), "stranger");
    ours.issue(home.path(), "localhost");
    ours.issue(home.path(), "gw-0007");
    stranger.issue(home.path(), "impostor");
    let broker = Broker::start(&format!(
        "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true",
        at("ours.pem").display(),
        at("localhost.pem").display(),
        at("localhost.key").display(),
    ))
    .await;
    let tls = |ca: &str, client: Option<&str>| {
        let client = client.map(|name| (at(&format!("{name}.pem")), at(&format!("{name}.key"))));
        settings(broker.port, Security::Tls(Files { ca_file: Some(at(ca)), client }))
    };
    let lost = Input::Disconnected { connection: 1, why: Disconnect::Lost };
    let refused = Input::Disconnected { connection: 1, why: Disconnect::Refused };

    let receipted = Input::Receipted { connection: 1, token: 5 };
    assert_eq!(attempt(tls("ours.pem", Some("gw-0007"))).await, receipted);
    assert_eq!(attempt(tls("stranger.pem", Some("gw-0007"))).await, lost, "a broker of another authority");
    let mut by_address = tls("ours.pem", Some("gw-0007"));
    by_address.host = "127.0.0.1".into();
    assert_eq!(attempt(by_address).await, lost, "the certificate is for localhost");
    assert_eq!(attempt(settings(broker.port, Security::Plain)).await, lost, "no plain way in");
    assert_eq!(attempt(tls("ours.pem", Some("impostor"))).await, refused);
    assert_eq!(attempt(tls("ours.pem", None)).await, refused);
}
