//! Certificate authorities and what they sign, as PEM files: ECDSA, made in a millisecond, valid when the test says.
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Valid from and until the first of January of these years.
pub(crate) type Years = [i32; 2];

/// Now, whenever the test runs.
pub(crate) const GOOD: Years = [2025, 2045];

/// Its own certificate is `NAME.pem` in its directory.
pub(crate) struct Authority {
    directory: PathBuf,
    name: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate, and its private key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let mut params = parameters(name, &[], [1970, 2049]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("an authority's certificate");
        std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).expect("a file");
        Self { directory: directory.to_owned(), name: name.to_owned(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.join(format!("{}.pem", self.name))
    }

    /// For a server of this DNS name, in `FILE.pem` and `FILE.key`.
    pub(crate) fn server(&self, file: &str, host: &str, years: Years) -> Pair {
        self.sign(file, &parameters(host, &[host], years))
    }

    /// For a client of this common name.
    pub(crate) fn client(&self, file: &str, name: &str, years: Years) -> Pair {
        self.sign(file, &parameters(name, &[], years))
    }

    fn sign(&self, file: &str, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        write(&self.directory, file, &certificate.pem(), &key)
    }
}

/// Signed by itself, by nobody else.
pub(crate) fn self_signed(directory: &Path, file: &str, host: &str) -> Pair {
    let key = KeyPair::generate().expect("a key");
    let certificate = parameters(host, &[host], GOOD).self_signed(&key).expect("a certificate");
    write(directory, file, &certificate.pem(), &key)
}

fn parameters(name: &str, hosts: &[&str], [from, until]: Years) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn write(directory: &Path, file: &str, certificate: &str, key: &KeyPair) -> Pair {
    let pair = Pair {
        certificate: directory.join(format!("{file}.pem")),
        key: directory.join(format!("{file}.key")),
    };
    std::fs::write(&pair.certificate, certificate).expect("a certificate's file");
    std::fs::write(&pair.key, key.serialize_pem()).expect("a key's file");
    std::fs::set_permissions(&pair.key, Permissions::from_mode(0o600)).expect("a secret key");
    pair
}
