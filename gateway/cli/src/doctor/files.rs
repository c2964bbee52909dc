//! The files that a configuration names: secrets must be nobody else's to read, certificates good for a while yet.
//! Which they are is told by their keys, so that a new one is not forgotten.
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use shouwang_core::Timestamp;
use toml::Value;

use super::certificate::{Standing, Validity, day};
use super::finding::Finding;

/// A larger one is none of ours.
const LONGEST: u64 = 1024 * 1024;

/// A file that the configuration names, by the key that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) key: String,
    pub(crate) path: PathBuf,
}

/// All of them, in the file's order.
pub(crate) fn named(configuration: &toml::Table, beside: &Path) -> Vec<Named> {
    let mut found = Vec::new();
    for (key, value) in configuration {
        collect(key, value, beside, &mut found);
    }
    found
}

fn collect(key: &str, value: &Value, beside: &Path, found: &mut Vec<Named>) {
    match value {
        // "generated" is no file but a word: the duty room makes one.
        Value::String(text) if is_file(key) && text != "generated" => {
            found.push(Named { key: key.to_owned(), path: beside.join(text) });
        }
        Value::Table(table) => table.iter().for_each(|(key, value)| collect(key, value, beside, found)),
        Value::Array(list) => list.iter().for_each(|value| collect(key, value, beside, found)),
        _ => {}
    }
}

fn is_file(key: &str) -> bool {
    key.ends_with("_file") || matches!(key, "client_certificate" | "client_key" | "certificate" | "key")
}

pub(crate) fn look(named: &[Named], now: Timestamp) -> Vec<Finding> {
    named.iter().map(|named| one(named, now)).collect()
}

fn one(named: &Named, now: Timestamp) -> Finding {
    let (key, shown) = (&named.key, named.path.display());
    let meta = match fs::metadata(&named.path) {
        Ok(meta) => meta,
        Err(error) => {
            let what = (
                format!("{key} 的文件 {shown} 读不了:{error}"),
                format!("{key}: {shown} cannot be read: {error}"),
            );
            return Finding::wrong("file", what, format!("sudo ls -l {shown}"));
        }
    };
    let text = (meta.len() <= LONGEST).then(|| fs::read(&named.path));
    let Some(Ok(text)) = text else {
        let what =
            (format!("当前用户读不了 {key} 的文件 {shown}"), format!("{key}: {shown} is not ours to read"));
        return Finding::wrong(
            "file",
            what,
            format!("sudo ls -l {shown}; sudo shouwang doctor --config FILE"),
        );
    };
    let mode = meta.mode() & 0o777;
    let certificates = Validity::of_pem(&text);
    // The first that ends is the one to act on.
    if let Some(first) = certificates.iter().min_by_key(|validity| validity.until) {
        return dated(key, &named.path, *first, now);
    }
    // The group is the service's own, as the package sets it up.
    if mode & 0o007 != 0 {
        let what = (
            format!("密钥文件 {shown}({key})谁都能读(权限 {mode:o})"),
            format!("the secret {shown} ({key}) is open to everybody (mode {mode:o})"),
        );
        return Finding::wrong("file", what, format!("sudo chmod 600 {shown}"));
    }
    Finding::good(
        "file",
        format!("密钥文件 {shown}({key})只有该看的人能看(权限 {mode:o})"),
        format!("the secret {shown} ({key}) is private (mode {mode:o})"),
    )
}

fn dated(key: &str, path: &Path, validity: Validity, now: Timestamp) -> Finding {
    let (shown, end) = (path.display(), day(validity.until));
    let show = format!("openssl x509 -noout -dates -in {shown}");
    match validity.standing(now) {
        Standing::Good(days) => Finding::good(
            "certificate",
            format!("证书 {shown}({key})到 {end},还有 {days} 天"),
            format!("the certificate {shown} ({key}) is good until {end}, {days} days"),
        ),
        Standing::EndsSoon(days) => Finding::notable(
            "certificate",
            (
                format!("证书 {shown}({key}){end} 到期,只剩 {days} 天:请换新"),
                format!("the certificate {shown} ({key}) ends on {end}, in {days} days: renew it"),
            ),
            show,
        ),
        Standing::Over => Finding::wrong(
            "certificate",
            (
                format!("证书 {shown}({key})已在 {end} 过期"),
                format!("the certificate {shown} ({key}) ended on {end}"),
            ),
            show,
        ),
        Standing::NotYet => Finding::wrong(
            "certificate",
            (
                format!("证书 {shown}({key})还没生效:多半是本机时钟不对"),
                format!("the certificate {shown} ({key}) is not good yet: this clock is wrong, most likely"),
            ),
            "timedatectl",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn every_file_is_found_and_a_secret_that_anybody_can_read_is_wrong() {
        let home = tempfile::tempdir().unwrap();
        let secret = home.path().join("mqtt");
        fs::write(&secret, "hunter2\n").unwrap();
        let text =
            "[uplink]\npassword_file = \"mqtt\"\n[[channel]]\nurl = \"https://x\"\nkey_file = \"gone\"\n";
        let found = named(&text.parse().unwrap(), home.path());
        let keys: Vec<&str> = found.iter().map(|named| named.key.as_str()).collect();
        assert!(keys.contains(&"password_file") && keys.contains(&"key_file") && keys.len() == 2, "{keys:?}");
        let password = found.iter().find(|named| named.key == "password_file").unwrap();
        for (mode, verdict) in [(0o600, Verdict::Good), (0o640, Verdict::Good), (0o644, Verdict::Wrong)] {
            fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
            let finding = one(password, Timestamp::from_unix_ms(0));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
        let gone = found.iter().find(|named| named.key == "key_file").unwrap();
        assert_eq!(one(gone, Timestamp::from_unix_ms(0)).verdict, Verdict::Wrong);
    }
}
