//! How a client reaches its broker: address, credentials, TLS; and what its errors mean.
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, NetworkOptions, StateError, Transport,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use shouwang_core::input::Disconnect;

use super::Link;
use crate::config::Security;

/// A silent broker is noticed after one to two times this, and our silence by the broker after 1.5 times this:
/// R5 allows 30 s, and what is noticed must still be shown.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// From the first packet to the broker's word, name resolution and TLS included.
const CONNECT_LIMIT_S: u64 = 5;
/// Larger packets end the connection. A message's own limits are checked where it is read or made.
const PACKET_LIMIT: usize = 2 * 1024 * 1024;

/// Why the uplink's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    #[error("reading {path} for the uplink: {source}; check [uplink] and the file's rights")]
    Read { path: PathBuf, source: io::Error },
    #[error("reading {path} for the uplink: no {what} in PEM form in it")]
    Pem { path: PathBuf, what: &'static str },
    #[error("the system has no certificates of authorities: {0}; name one with ca_file in [uplink]")]
    NoAuthorities(String),
    #[error("setting up TLS for the uplink: {0}")]
    Tls(#[from] rustls::Error),
}

/// Options of a client with a clean session, named after the gateway and `suffix`.
pub(super) fn options(link: &Link, suffix: &str) -> Result<MqttOptions, TransportError> {
    let broker = &link.broker;
    let mut options = MqttOptions::new(format!("{}{suffix}", link.gateway), &broker.host, broker.port);
    options
        .set_clean_session(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(PACKET_LIMIT, PACKET_LIMIT);
    if let Some(username) = &broker.username {
        let password = match &broker.password_file {
            Some(path) => read(path)?,
            None => Vec::new(),
        };
        let password = String::from_utf8_lossy(&password);
        options.set_credentials(username, password.trim_end_matches(['\r', '\n']));
    }
    if let Security::Tls { ca_file, client } = &broker.security {
        let client = client.as_ref().map(|(certificate, key)| (certificate.as_path(), key.as_path()));
        let config = tls(ca_file.as_deref(), client)?;
        options.set_transport(Transport::tls_with_config(config.into()));
    }
    Ok(options)
}

pub(super) fn tune(events: &mut EventLoop) {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(CONNECT_LIMIT_S);
    events.set_network_options(network);
}

/// Refused: waiting will not help, somebody must change something at the broker or here.
pub(super) fn why(error: &ConnectionError) -> Disconnect {
    let refused = match error {
        ConnectionError::ConnectionRefused(code) => matches!(
            code,
            ConnectReturnCode::BadUserNamePassword
                | ConnectReturnCode::NotAuthorized
                | ConnectReturnCode::BadClientId
        ),
        other => alerted(other),
    };
    if refused { Disconnect::Refused } else { Disconnect::Lost }
}

/// Whether the connection ended because a message was larger than [`PACKET_LIMIT`].
pub(super) fn is_oversized(error: &ConnectionError) -> bool {
    use rumqttc::Error::PayloadSizeLimitExceeded;
    matches!(error, ConnectionError::MqttState(StateError::Deserialization(PayloadSizeLimitExceeded(_))))
}

/// Whether the broker has refused our certificate; TLS 1.3 tells that with the first answer only.
fn alerted(error: &ConnectionError) -> bool {
    use AlertDescription as A;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut inner = None;
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner = inner.or_else(|| io?.downcast_ref::<rustls::Error>());
        cause = error.source();
    }
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            A::AccessDenied
                | A::BadCertificate
                | A::CertificateExpired
                | A::CertificateRequired
                | A::CertificateRevoked
                | A::CertificateUnknown
                | A::UnknownCA
                | A::UnsupportedCertificate
        ))
    )
}

/// TLS 1.2 or 1.3, the broker's name checked against the given authorities, else the system's.
fn tls(ca_file: Option<&Path>, client: Option<(&Path, &Path)>) -> Result<ClientConfig, TransportError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities(ca_file)?);
    Ok(match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let pem = read(key)?;
            let key = PrivateKeyDer::from_pem_slice(&pem)
                .map_err(|_| TransportError::Pem { path: key.to_owned(), what: "private key" })?;
            builder.with_client_auth_cert(chain, key)?
        }
    })
}

fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, TransportError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map_or_else(|| "none found".into(), ToString::to_string);
                return Err(TransportError::NoAuthorities(why));
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let missing = || TransportError::Pem { path: path.to_owned(), what: "certificate" };
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(|_| missing())?;
    if found.is_empty() { Err(missing()) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TransportError> {
    fs::read(path).map_err(|source| TransportError::Read { path: path.to_owned(), source })
}
