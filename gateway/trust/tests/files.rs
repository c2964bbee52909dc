//! The files of a TLS client: good ones are taken, and what is wrong with any names it and what to do.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};
use shouwang_trust::{Files, Floor, Key};

fn pair(directory: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    let paths = [format!("{name}.pem"), format!("{name}.key")].map(|file| directory.join(file));
    std::fs::write(&paths[0], certificate.pem()).unwrap();
    std::fs::write(&paths[1], key.serialize_pem()).unwrap();
    let [certificate, key] = paths;
    (certificate, key)
}

fn refusal(files: &Files) -> (Option<Key>, String) {
    let error = files.client(&Floor::of_the_build()).unwrap_err();
    (error.key(), error.to_string())
}

#[test]
fn good_files_are_taken_and_are_read_anew_each_time() {
    let home = tempfile::tempdir().unwrap();
    let (certificate, key) = pair(home.path(), "ours");
    let files =
        Files { ca_file: Some(certificate.clone()), client: Some((certificate.clone(), key.clone())) };
    let floor = Floor::of_the_build();
    assert!(files.client(&floor).is_ok());
    let (other, other_key) = pair(home.path(), "other");
    std::fs::rename(other, &certificate).unwrap();
    assert!(
        files.client(&floor).is_err(),
        "the certificate is another one now, and its key is not there yet"
    );
    std::fs::rename(other_key, &key).unwrap();
    assert!(files.client(&floor).is_ok());
}

#[test]
fn what_is_wrong_names_the_file_and_the_remedy() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (certificate, key) = pair(home.path(), "ours");
    let (_, stranger) = pair(home.path(), "stranger");
    std::fs::write(at("empty"), "").unwrap();
    std::fs::write(at("broken"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    std::fs::write(at("big"), vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let ca = |name: &str| Files { ca_file: Some(at(name)), client: None };
    let client = |certificate: &Path, key: &Path| Files {
        ca_file: Some(at("ours.pem")),
        client: Some((certificate.to_owned(), key.to_owned())),
    };
    for (files, named, key, words) in [
        (ca("missing"), "missing", Key::CaFile, "No such file"),
        (ca("empty"), "empty", Key::CaFile, "no certificate in PEM form"),
        (ca("ours.key"), "ours.key", Key::CaFile, "-----BEGIN CERTIFICATE-----"),
        (ca("broken"), "broken", Key::CaFile, "cannot be read"),
        (ca("big"), "big", Key::CaFile, "over 1 MiB"),
        (client(&at("missing"), &key), "missing", Key::ClientCertificate, "check the path"),
        (client(&certificate, &at("missing")), "missing", Key::ClientKey, "check the path"),
        (client(&certificate, &certificate), "ours.pem", Key::ClientKey, "-----BEGIN PRIVATE KEY-----"),
        (client(&certificate, &stranger), "stranger.key", Key::ClientKey, "is not the key of"),
        (client(&at("broken"), &key), "broken", Key::ClientCertificate, "cannot be read"),
    ] {
        let (at_fault, said) = refusal(&files);
        assert_eq!(at_fault, Some(key), "{said}");
        assert!(
            said.contains(named) && said.contains(words) && said.contains("; "),
            "{named}, {words}: {said}"
        );
    }
}
