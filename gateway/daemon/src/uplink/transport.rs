//! How a client reaches its broker: address, credentials, TLS; and what its errors mean.
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rumqttc::{
    ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, NetworkOptions, StateError, Transport,
};
use shouwang_core::input::Disconnect;
use shouwang_message::Text;
use shouwang_trust::{Floor, TrustError, trouble};

use super::Link;
use crate::config::{Broker, Security};

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
    #[error("setting up TLS for [uplink]: {0}")]
    Tls(#[from] TrustError),
}

/// Options of a client with a clean session, named after the gateway and `suffix`. Every file is read now.
pub(super) fn options(link: &Link, suffix: &str) -> Result<MqttOptions, TransportError> {
    options_as(&client_id(link, suffix), &link.broker, &link.floor)
}

/// The same under any client id.
pub(super) fn options_as(
    client: &str,
    broker: &Broker,
    floor: &Floor,
) -> Result<MqttOptions, TransportError> {
    let mut options = MqttOptions::new(client, &broker.host, broker.port);
    options
        .set_clean_session(true)
        .set_keep_alive(KEEP_ALIVE)
        .set_max_packet_size(PACKET_LIMIT, PACKET_LIMIT);
    if let Some(username) = &broker.username {
        let password = match &broker.password_file {
            Some(path) => {
                fs::read(path).map_err(|source| TransportError::Read { path: path.to_owned(), source })?
            }
            None => Vec::new(),
        };
        let password = String::from_utf8_lossy(&password);
        options.set_credentials(username, password.trim_end_matches(['\r', '\n']));
    }
    if let Security::Tls(files) = &broker.security {
        options.set_transport(Transport::tls_with_config(files.client(floor)?.into()));
    }
    Ok(options)
}

/// A gateway's id is its own within its site only, and one broker may serve several sites.
fn client_id(link: &Link, suffix: &str) -> String {
    format!("{}.{}{suffix}", link.site, link.gateway)
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
        // TLS 1.3 tells that our certificate is refused with the first answer only.
        other => trouble(other).is_some_and(|trouble| trouble.refused),
    };
    if refused { Disconnect::Refused } else { Disconnect::Lost }
}

/// What a person can do about a connection that could not be made; none if its error says enough.
pub(super) fn advice(link: &Link, error: &ConnectionError) -> Option<Text> {
    if let Some(trouble) = trouble(error) {
        return Some(trouble.text);
    }
    let plain = link.broker.security == Security::Plain;
    match error {
        ConnectionError::ConnectionRefused(_) => Some(Text::new(
            "broker 不接受这个用户或证书；核对 username、password_file 和 broker 的用户名单",
            "the broker does not accept this user or certificate; check username, password_file and its list of users",
        )),
        ConnectionError::Io(error) if plain && ended_the_talk(error) => Some(shouwang_trust::of_plain()),
        ConnectionError::MqttState(_) | ConnectionError::NotConnAck(_) if plain => {
            Some(shouwang_trust::of_plain())
        }
        // Nobody there, or nobody who answers: not a matter of what is spoken.
        _ => None,
    }
}

fn ended_the_talk(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Whether the connection ended because a message was larger than [`PACKET_LIMIT`].
pub(super) fn is_oversized(error: &ConnectionError) -> bool {
    use rumqttc::Error::PayloadSizeLimitExceeded;
    matches!(error, ConnectionError::MqttState(StateError::Deserialization(PayloadSizeLimitExceeded(_))))
}
