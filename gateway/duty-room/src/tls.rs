//! How the broker is reached: in the clear, or by TLS with a named CA or the system's.
use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::{Broker, StartError};

pub(crate) fn transport(broker: &Broker) -> Result<Transport, StartError> {
    if !broker.tls {
        return Ok(Transport::tcp());
    }
    let roots = roots(broker)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))))
}

fn roots(broker: &Broker) -> Result<rustls::RootCertStore, StartError> {
    let mut roots = rustls::RootCertStore::empty();
    match &broker.ca_file {
        Some(path) => {
            let bad = |error: &dyn std::fmt::Display| {
                StartError::Tls(format!("ca_file {}: {error}", path.display()))
            };
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
        let message = "no CA certificate found: name one in [broker] ca_file, or install ca-certificates";
        return Err(StartError::Tls(message.into()));
    }
    Ok(roots)
}
