//! How the broker and the services of channels are reached by TLS: with a named CA, or the system's.
use std::path::Path;
use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::{Broker, StartError};

pub(crate) fn transport(broker: &Broker) -> Result<Transport, StartError> {
    if !broker.tls {
        return Ok(Transport::tcp());
    }
    let config = client(broker.ca_file.as_deref()).map_err(StartError::Tls)?;
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))))
}

/// A client that trusts `ca_file`, or the system's certificates.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let roots = roots(ca_file)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn roots(ca_file: Option<&Path>) -> Result<rustls::RootCertStore, String> {
    let mut roots = rustls::RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let bad = |error: &dyn std::fmt::Display| format!("ca_file {}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| bad(&error))? {
                let certificate = certificate.map_err(|error| bad(&error))?;
                roots.add(certificate).map_err(|error| bad(&error))?;
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
        }
    }
    if roots.is_empty() {
        return Err("no CA certificate found: name one in ca_file, or install ca-certificates".into());
    }
    Ok(roots)
}
