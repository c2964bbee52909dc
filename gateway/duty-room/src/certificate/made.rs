//! A certificate that the duty room makes for itself: one file with the key, for its user only. It is good for ten years,
//! so that people compare its fingerprint once; it is made anew at a start within its last month.
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use shouwang_message::Timestamp;

use super::{Shown, Wanted, from_files};

/// The year from which it is good: a box whose clock is not set yet makes one that browsers take.
const FROM_YEAR: i32 = 2026;
const YEARS: i32 = 10;
const ANEW_WITHIN_MS: i64 = 30 * 24 * 3_600_000;

pub(super) fn file(state_dir: &Path) -> PathBuf {
    state_dir.join("https.pem")
}

/// The one that is there, or a new one: if there is none, it ends soon, or it cannot be read.
pub(super) fn load(state_dir: &Path, wanted: &Wanted) -> Result<Shown, String> {
    let file = file(state_dir);
    match from_files(&file, &file) {
        Ok(shown) if shown.about.ends.unix_ms() - wanted.wall.unix_ms() > ANEW_WITHIN_MS => return Ok(shown),
        Ok(_) => tracing::info!("the certificate made here ends soon: a new one is made"),
        Err(why) if file.exists() => tracing::warn!(%why, "a new certificate is made"),
        Err(_) => {}
    }
    let pem = make(wanted).map_err(|error| format!("cannot make a certificate: {error}"))?;
    write(state_dir, &file, &pem).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    from_files(&file, &file)
}

fn make(wanted: &Wanted) -> Result<String, rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(wanted.hosts.iter().cloned());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, format!("Shouwang {}", wanted.room));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(FROM_YEAR, 1, 1);
    params.not_after = date_time_ymd(year(wanted.wall).max(FROM_YEAR) + YEARS, 1, 1);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

fn year(wall: Timestamp) -> i32 {
    let text = wall.to_string();
    text.get(..4).and_then(|year| year.parse().ok()).unwrap_or(FROM_YEAR).clamp(FROM_YEAR, 9_000)
}

/// Whole or not at all.
fn write(state_dir: &Path, file: &Path, pem: &str) -> std::io::Result<()> {
    let new = state_dir.join(".https.pem.new");
    let _ = std::fs::remove_file(&new);
    let mut writing = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writing.write_all(pem.as_bytes())?;
    writing.sync_all()?;
    std::fs::rename(&new, file)?;
    std::fs::File::open(state_dir)?.sync_all()
}
