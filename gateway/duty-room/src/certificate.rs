//! The certificate under which the pages are shown: files of one's own, or one made at the first start. Whoever comes
//! for the first time compares its fingerprint; when it ends, or a new one cannot be used, the board shows it.
mod made;
mod written;

use std::fmt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use shouwang_board::Input;
use shouwang_message::Timestamp;
use tokio::sync::mpsc;

use crate::eventloop::Message;
use crate::stop::Stopped;

/// Longer is no file with certificates.
const LONGEST: u64 = 256 * 1_024;
/// How soon a replaced file is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After so many looks the board is told again when the certificate ends: clocks get set, days go by.
const TELL_EVERY_LOOKS: u32 = 720;

/// Where the certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificate {
    /// PEM files: the certificate with those between it and its root, and its key.
    Files { certificate: PathBuf, key: PathBuf },
    /// Made by the duty room itself and kept in its `state_dir`; signed by nobody else.
    Generated,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// SHA-256 of the certificate as browsers show it.
    pub fingerprint: String,
    /// Browsers refuse it from then on.
    pub ends: Timestamp,
    /// Signed by its own key: browsers ask people whether they trust it.
    pub is_self_signed: bool,
}

/// A certificate with its key, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) about: About,
    pub(crate) server: Arc<ServerConfig>,
}

/// What a certificate made here is made for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) room: String,
    /// Names and addresses by which browsers call.
    pub(crate) hosts: Vec<String>,
    pub(crate) wall: Timestamp,
}

impl Certificate {
    /// What the files say. One that is generated may not be there yet, which is no error: none.
    ///
    /// The error names the file and what is wrong with it.
    pub fn read(&self, state_dir: &Path) -> Result<Option<About>, String> {
        match self {
            Self::Files { certificate, key } => from_files(certificate, key).map(|shown| Some(shown.about)),
            Self::Generated => {
                let file = made::file(state_dir);
                if !file.exists() {
                    return Ok(None);
                }
                from_files(&file, &file).map(|shown| Some(shown.about))
            }
        }
    }

    /// Reads the files; makes the one that is to be made.
    fn load(&self, state_dir: &Path, wanted: &Wanted) -> Result<Shown, String> {
        match self {
            Self::Files { certificate, key } => from_files(certificate, key),
            Self::Generated => made::load(state_dir, wanted),
        }
    }

    fn files(&self, state_dir: &Path) -> Vec<PathBuf> {
        match self {
            Self::Files { certificate, key } => vec![certificate.clone(), key.clone()],
            Self::Generated => vec![made::file(state_dir)],
        }
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint)
    }
}

/// The certificate in use. A replaced file is used for connections that come after; those that are open go on.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    certificate: Certificate,
    state_dir: PathBuf,
    wanted: Wanted,
    current: Mutex<Shown>,
}

/// How files were when they were looked at: time, length and inode of each.
type Stamp = Vec<Option<(i64, i64, u64, u64)>>;

impl Holder {
    pub(crate) fn open(certificate: Certificate, state_dir: &Path, wanted: Wanted) -> Result<Self, String> {
        let current = Mutex::new(certificate.load(state_dir, &wanted)?);
        let inner = Inner { certificate, state_dir: state_dir.into(), wanted, current };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn current(&self) -> Shown {
        self.inner.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stamp(&self) -> Stamp {
        let stamp = |file: PathBuf| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.mtime(), about.mtime_nsec(), about.len(), about.ino()))
        };
        self.inner.certificate.files(&self.inner.state_dir).into_iter().map(stamp).collect()
    }

    /// Takes what the files say now. If they cannot be used the one before stays, and the error says why.
    fn reload(&self) -> Result<(), String> {
        let shown = self.inner.certificate.load(&self.inner.state_dir, &self.inner.wanted)?;
        *self.inner.current.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(())
    }

    /// Looks after the files until the duty room stops, and tells the board when the certificate ends.
    pub(crate) async fn watch(self, to_loop: mpsc::Sender<Message>, mut stopped: Stopped) {
        let mut seen = self.stamp();
        let mut trouble = None;
        let mut looks = 0_u32;
        loop {
            if looks.is_multiple_of(TELL_EVERY_LOOKS) {
                let ends = self.current().about.ends;
                let input = Input::Certified { ends, trouble: trouble.clone() };
                if to_loop.send(Message::Input(input)).await.is_err() {
                    return;
                }
            }
            if tokio::time::timeout(LOOK_EVERY, stopped.wait()).await.is_ok() {
                return;
            }
            looks = looks.wrapping_add(1);
            let looking = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let stamp = looking.stamp();
                let changed = (stamp != seen).then(|| looking.reload());
                (stamp, changed)
            });
            let Ok((stamp, changed)) = looked.await else { return };
            seen = stamp;
            match changed {
                None => continue,
                Some(Ok(())) => {
                    let fingerprint = self.current().about.fingerprint;
                    tracing::info!(%fingerprint, "the pages have a new certificate");
                    trouble = None;
                }
                Some(Err(why)) => {
                    tracing::warn!(%why, "the new certificate cannot be used: the one before stays");
                    trouble = Some(why);
                }
            }
            looks = 0;
        }
    }
}

/// A certificate and its key out of PEM files.
fn from_files(certificate: &Path, key: &Path) -> Result<Shown, String> {
    let about_key = readable(key)?;
    if about_key.permissions().mode() & 0o007 != 0 {
        let key = key.display();
        return Err(format!("everybody can read the key {key}: run chmod 600 {key}"));
    }
    readable(certificate)?;
    let bad = |file: &Path, error: &dyn fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(certificate, &error))?;
    let key_of = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
    shown(chain, key_of).map_err(|error| bad(certificate, &error))
}

fn readable(file: &Path) -> Result<std::fs::Metadata, String> {
    let about = std::fs::metadata(file).map_err(|error| format!("{}: {error}", file.display()))?;
    if about.len() > LONGEST || !about.is_file() {
        return Err(format!("{}: this is no PEM file of at most 256 KiB", file.display()));
    }
    Ok(about)
}

/// A chain and its key as a server shows them: TLS 1.2 or newer, and the key must be the certificate's.
fn shown(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Shown, String> {
    let own = chain.first().ok_or("there is no certificate in it")?;
    let says = written::read(own).ok_or("this is no X.509 certificate")?;
    let hex: Vec<String> = Sha256::digest(own).iter().map(|byte| format!("{byte:02X}")).collect();
    let about = About { fingerprint: hex.join(":"), ends: says.ends, is_self_signed: says.is_self_signed };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| format!("the key does not fit the certificate, or neither can be used: {error}"))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Shown { about, server: Arc::new(server) })
}

#[cfg(test)]
mod tests;
