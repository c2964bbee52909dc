//! How the broker and the services of channels are reached by TLS: with a named CA, or the system's.
use std::path::Path;

use rumqttc::Transport;
use shouwang_trust::{Files, Floor};

use crate::Broker;

/// Reads the broker's files anew, so that a renewed certificate counts from this connection on.
pub(crate) fn transport(broker: &Broker, floor: &Floor) -> Result<Transport, String> {
    let Some(files) = &broker.tls else { return Ok(Transport::tcp()) };
    let config = files.client(floor).map_err(|error| format!("[broker] {error}"))?;
    Ok(Transport::tls_with_config(config.into()))
}

/// A client that trusts `ca_file`, or the system's certificates.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let files = Files { ca_file: ca_file.map(Path::to_owned), client: None };
    files.client(&Floor::of_the_build()).map_err(|error| error.to_string())
}
