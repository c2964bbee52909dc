//! The files of a TLS client: authorities, our certificate, its key. What is wrong with one names it and what to do.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use shouwang_message::Text;

use crate::Floor;

/// Longer is no file of certificates: all authorities of Debian together take a fifth of it.
const LONGEST: u64 = 1024 * 1024;

/// Where a client's certificates are, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Who may have signed the other side's certificate; none: the authorities that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate with its chain, and its private key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The key of a configuration that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    CaFile,
    ClientCertificate,
    ClientKey,
}

impl Key {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CaFile => "ca_file",
            Self::ClientCertificate => "client_certificate",
            Self::ClientKey => "client_key",
        }
    }
}

/// Why a client's files cannot be used. Displayed with the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}; {}", .0.what().en, .0.remedy().en)]
pub struct TrustError(Why);

#[derive(Debug)]
enum Why {
    Unread { key: Key, path: PathBuf, source: io::Error },
    TooLong { key: Key, path: PathBuf },
    NoPem { key: Key, path: PathBuf },
    NoCertificate { key: Key, path: PathBuf, source: rustls::Error },
    BadKey { path: PathBuf, source: rustls::Error },
    Strangers { certificate: PathBuf, key: PathBuf },
    NoAuthorities { why: String },
    Tls(rustls::Error),
}

impl Files {
    /// Reads them all and makes a client of TLS 1.2 or 1.3 that checks the other side's name and certificate, as of
    /// the clock's time or `floor`, whichever is later.
    pub fn client(&self, floor: &Floor) -> Result<ClientConfig, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(floor.clone()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TrustError(Why::Tls(error)))?
            .with_root_certificates(self.authorities()?);
        let Some((certificate, key)) = &self.client else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(Key::ClientCertificate, certificate)?;
        let signs = private_key(key)?;
        builder.with_client_auth_cert(chain, signs).map_err(|source| {
            TrustError(match source {
                rustls::Error::InconsistentKeys(_) => {
                    Why::Strangers { certificate: certificate.clone(), key: key.clone() }
                }
                rustls::Error::InvalidCertificate(_) => {
                    let (key, path) = (Key::ClientCertificate, certificate.clone());
                    Why::NoCertificate { key, path, source }
                }
                source => Why::BadKey { path: key.clone(), source },
            })
        })
    }

    fn authorities(&self) -> Result<RootCertStore, TrustError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca_file else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map_or_else(|| "none found".into(), ToString::to_string);
                return Err(TrustError(Why::NoAuthorities { why }));
            }
            return Ok(roots);
        };
        for certificate in certificates(Key::CaFile, path)? {
            roots.add(certificate).map_err(|source| {
                TrustError(Why::NoCertificate { key: Key::CaFile, path: path.clone(), source })
            })?;
        }
        Ok(roots)
    }
}

fn certificates(key: Key, path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let pem = read(key, path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(TrustError(Why::NoPem { key, path: path.to_owned() })) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TrustError> {
    let pem = read(Key::ClientKey, path)?;
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| TrustError(Why::NoPem { key: Key::ClientKey, path: path.to_owned() }))
}

fn read(key: Key, path: &Path) -> Result<Vec<u8>, TrustError> {
    let unread = |source| TrustError(Why::Unread { key, path: path.to_owned(), source });
    if fs::metadata(path).map_err(unread)?.len() > LONGEST {
        return Err(TrustError(Why::TooLong { key, path: path.to_owned() }));
    }
    fs::read(path).map_err(unread)
}

impl TrustError {
    /// The key of the configuration that names the file at fault; none: of no single file.
    pub fn key(&self) -> Option<Key> {
        match &self.0 {
            Why::Unread { key, .. }
            | Why::TooLong { key, .. }
            | Why::NoPem { key, .. }
            | Why::NoCertificate { key, .. } => Some(*key),
            Why::BadKey { .. } | Why::Strangers { .. } => Some(Key::ClientKey),
            Why::NoAuthorities { .. } => Some(Key::CaFile),
            Why::Tls(_) => None,
        }
    }

    pub fn what(&self) -> Text {
        self.0.what()
    }

    pub fn remedy(&self) -> Text {
        self.0.remedy()
    }
}

impl Why {
    fn what(&self) -> Text {
        match self {
            Self::Unread { key, path, source } => {
                let (key, path) = (key.as_str(), path.display());
                Text::new(
                    format!("{key} {path} 读不了：{source}"),
                    format!("{key} {path} cannot be read: {source}"),
                )
            }
            Self::TooLong { key, path } => {
                let (key, path) = (key.as_str(), path.display());
                Text::new(format!("{key} {path} 超过 1 MiB"), format!("{key} {path} is over 1 MiB"))
            }
            Self::NoPem { key, path } => {
                let (zh, en) = match key {
                    Key::ClientKey => ("私钥", "private key"),
                    Key::CaFile | Key::ClientCertificate => ("证书", "certificate"),
                };
                let (key, path) = (key.as_str(), path.display());
                Text::new(
                    format!("{key} {path} 里没有 PEM 格式的{zh}"),
                    format!("{key} {path} has no {en} in PEM form"),
                )
            }
            Self::NoCertificate { key, path, source } => {
                let (key, path) = (key.as_str(), path.display());
                Text::new(
                    format!("{key} {path} 里的证书读不懂：{source}"),
                    format!("the certificate in {key} {path} cannot be read: {source}"),
                )
            }
            Self::BadKey { path, source } => {
                let path = path.display();
                Text::new(
                    format!("client_key {path} 里的私钥用不了：{source}"),
                    format!("the private key in client_key {path} cannot be used: {source}"),
                )
            }
            Self::Strangers { certificate, key } => {
                let (certificate, key) = (certificate.display(), key.display());
                Text::new(
                    format!("client_key {key} 不是 client_certificate {certificate} 的私钥"),
                    format!("client_key {key} is not the key of client_certificate {certificate}"),
                )
            }
            Self::NoAuthorities { why } => Text::new(
                format!("系统里没有受信任的证书机构：{why}"),
                format!("the system has no certificates of authorities: {why}"),
            ),
            Self::Tls(error) => {
                Text::new(format!("TLS 起不来：{error}"), format!("TLS cannot be set up: {error}"))
            }
        }
    }

    fn remedy(&self) -> Text {
        match self {
            Self::Unread { .. } => Text::new(
                "检查路径，并让运行本程序的用户能读",
                "check the path, and let the user of this program read it",
            ),
            Self::TooLong { .. } => Text::new(
                "换成只有所需证书的文件",
                "name a file that holds the certificates needed and nothing else",
            ),
            Self::NoPem { key: Key::ClientKey, .. } => Text::new(
                "换成以 -----BEGIN PRIVATE KEY----- 开头、没有口令的文件",
                "name a file that begins with -----BEGIN PRIVATE KEY----- and has no passphrase",
            ),
            Self::NoPem { .. } | Self::NoCertificate { .. } => Text::new(
                "换成以 -----BEGIN CERTIFICATE----- 开头的文件；DER 可用 openssl x509 -inform der 转换",
                "name a file that begins with -----BEGIN CERTIFICATE-----; openssl x509 -inform der converts DER",
            ),
            Self::BadKey { .. } => Text::new(
                "用 ECDSA P-256、Ed25519 或 2048 位以上 RSA 的私钥",
                "use a key of ECDSA P-256, Ed25519, or RSA of 2048 bits and more",
            ),
            Self::Strangers { .. } => {
                Text::new("把成对的两个文件一起装上", "install the two files of one pair together")
            }
            Self::NoAuthorities { .. } => Text::new(
                "用 ca_file 指明机构，或安装 ca-certificates",
                "name one with ca_file, or install ca-certificates",
            ),
            Self::Tls(_) => Text::new("重新安装本程序", "install this program again"),
        }
    }
}
