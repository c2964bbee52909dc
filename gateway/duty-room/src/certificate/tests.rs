//! Certificates of one's own and made ones: what is refused, what is kept, what replaces what.
use super::*;

fn wanted(wall: &str) -> Wanted {
    Wanted { room: "duty-1".into(), hosts: vec!["duty.example.cn".into()], wall: wall.parse().unwrap() }
}

/// A certificate and its key as files.
fn own(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed([format!("{name}.example")]).unwrap();
    let (certificate, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    (certificate, key)
}

#[test]
fn one_is_made_once_and_is_for_its_user_only() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Certificate::Generated.read(dir.path()), Ok(None));
    let made = Certificate::Generated.load(dir.path(), &wanted("2026-11-22T00:00:00.000Z")).unwrap().about;
    let file = dir.path().join("https.pem");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(made.ends.to_string(), "2036-01-01T00:00:00.000Z");
    assert!(made.is_self_signed && made.fingerprint.len() == 32 * 3 - 1, "{made:?}");
    // A clock that is not set makes none anew.
    for wall in ["2027-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z", "2035-11-30T00:00:00.000Z"] {
        assert_eq!(Certificate::Generated.load(dir.path(), &wanted(wall)).unwrap().about, made, "{wall}");
    }
    let anew = Certificate::Generated.load(dir.path(), &wanted("2035-12-10T00:00:00.000Z")).unwrap().about;
    assert_eq!(anew.ends.to_string(), "2045-01-01T00:00:00.000Z");
    std::fs::write(&file, "cut off by a power cu").unwrap();
    let mended = Certificate::Generated.load(dir.path(), &wanted("1970-01-01T00:00:00.000Z")).unwrap().about;
    assert_eq!(mended.ends.to_string(), "2036-01-01T00:00:00.000Z");
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own(dir.path(), "one");
    let (_, other_key) = own(dir.path(), "other");
    let files = |certificate: &Path, key: &Path| {
        let files = Certificate::Files { certificate: certificate.into(), key: key.into() };
        files.read(dir.path())
    };
    assert!(files(&certificate, &key).unwrap().unwrap().is_self_signed);
    let refused = |certificate: &Path, key: &Path| files(certificate, key).unwrap_err();
    assert!(refused(&certificate, &other_key).contains("the key does not fit"));
    assert!(refused(&key, &key).contains("there is no certificate in it"));
    assert!(refused(&certificate, &certificate).contains("everybody can read the key"));
    assert!(refused(&certificate, &dir.path().join("nowhere")).contains("nowhere: No such file"));
    assert!(refused(dir.path(), &key).contains("this is no PEM file"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&certificate, &key).contains("chmod 600"));
}

#[test]
fn a_half_replaced_pair_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = own(dir.path(), "one");
    let (new_certificate, new_key) = own(dir.path(), "two");
    let files = Certificate::Files { certificate: certificate.clone(), key: key.clone() };
    let holder = Holder::open(files, dir.path(), wanted("2026-11-22T00:00:00.000Z")).unwrap();
    let (before, seen) = (holder.current().about, holder.stamp());
    std::fs::rename(new_certificate, certificate).unwrap();
    assert_ne!(holder.stamp(), seen);
    assert!(holder.reload().unwrap_err().contains("the key does not fit"));
    assert_eq!(holder.current().about, before);
    std::fs::rename(new_key, key).unwrap();
    holder.reload().unwrap();
    assert_ne!(holder.current().about, before);
}
