//! `[broker]` and `[web]`: where the gateways are heard and where the pages are.
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

use shouwang_trust::{Files, Floor, Key};
use toml::Spanned;
use toml::de::DeTable;

use super::reader::Reader;
use super::{Broker, Web};
use crate::certificate::Certificate;
use crate::signing::Signer;

const BROKER_KEYS: &[&str] =
    &["url", "username", "password_file", "allow_plaintext", "ca_file", "client_certificate", "client_key"];
const WEB_KEYS: &[&str] = &["listen", "hosts", "public_url", "certificate", "key", "allow_plaintext"];

impl Reader<'_> {
    pub(super) fn broker(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Broker> {
        self.unknown_keys(table, "broker.", BROKER_KEYS);
        let allow_plaintext = self.flag(table, "allow_plaintext");
        let username = self.text(table, "username").map(|(_, username)| username);
        let password = self.secret(table, "password_file");
        let files = self.tls_files(table);
        let remedy = r#"write url = "mqtts://broker.example:8883""#;
        let (span, url) = self.required(table, span, "url", remedy)?;
        match broker_url(&url) {
            Err(what) => {
                self.problem(span, what, remedy);
                None
            }
            Ok((false, host, _)) if !allow_plaintext && !is_loopback(&host) => {
                let what = format!("{url} would send everything, the password too, in the clear");
                self.problem(
                    span,
                    what,
                    "use mqtts://, or set allow_plaintext = true on a network you trust",
                );
                None
            }
            Ok((false, host, port)) => {
                for key in [Key::CaFile, Key::ClientCertificate, Key::ClientKey].map(Key::as_str) {
                    if let Some((span, _)) = self.text(table, key) {
                        let what = format!("{key} has no use with mqtt://");
                        self.problem(span, what, "use mqtts://, or take it out");
                    }
                }
                Some(Broker { host, port, tls: None, username, password })
            }
            Ok((true, host, port)) => Some(Broker { host, port, tls: Some(files), username, password }),
        }
    }

    /// The certificates, as far as they are there; what is wrong with them is told at the key that names them.
    fn tls_files(&mut self, table: &DeTable<'_>) -> Files {
        let known = self.problems.len();
        let ca_file = self.ca_file(table);
        let certificate = self.named_file(table, "client_certificate", false);
        let key = self.named_file(table, "client_key", true);
        if certificate.is_some() != key.is_some() {
            let one = if certificate.is_some() { "client_certificate" } else { "client_key" };
            let span = table.get(one).map_or(0..0, Spanned::span);
            self.problem(
                span,
                "a client certificate and its key go together",
                "write both client_certificate and client_key",
            );
        }
        let files = Files { ca_file, client: certificate.zip(key) };
        // A machine without authorities of its own may still be prepared for one that has them.
        if self.problems.len() == known
            && files != Files::default()
            && let Err(error) = files.client(&Floor::of_the_build())
        {
            let at = error.key().and_then(|key| table.get(key.as_str()));
            self.problem(at.map_or(0..0, Spanned::span), error.what().en, error.remedy().en);
        }
        files
    }

    /// `[commands] key_file`: the key that gateways trust, kept elsewhere than in `state_dir`.
    pub(super) fn command_key(&mut self, top: &DeTable<'_>) -> Option<PathBuf> {
        if !top.contains_key("commands") {
            return None;
        }
        let (_, table) = self.table(top, "commands")?;
        self.unknown_keys(table, "commands.", &["key_file"]);
        let (span, file) = self.text(table, "key_file")?;
        let file = self.beside(&file);
        if let Err(error) = Signer::check(&file) {
            let remedy = "name the file command-key of a duty room's state_dir, or leave key_file out";
            self.problem(span, format!("key_file: {error}"), remedy);
        }
        Some(file)
    }

    pub(super) fn web(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Web> {
        self.unknown_keys(table, "web.", WEB_KEYS);
        let hosts = self.hosts(table);
        let public_url = self.public_url(table);
        let allow_plaintext = self.flag(table, "allow_plaintext");
        let certificate = self.certificate(span.clone(), table);
        let remedy = r#"write listen = "127.0.0.1:8080""#;
        let (span, listen) = self.required(table, span, "listen", remedy)?;
        match listen.parse() {
            Ok(listen) => Some(Web { listen, hosts, public_url, certificate, allow_plaintext }),
            Err(_) => {
                self.problem(span, format!("{listen:?} is not an address with a port"), remedy);
                None
            }
        }
    }

    fn certificate(&mut self, section: Range<usize>, table: &DeTable<'_>) -> Option<Certificate> {
        let Some((span, certificate)) = self.text(table, "certificate") else {
            if let Some(key) = table.get("key") {
                let remedy = r#"write certificate = "/etc/shouwang/duty-room.pem" too, or "generated""#;
                self.problem(key.span(), "a key without its certificate", remedy);
            }
            return None;
        };
        let key = self.text(table, "key");
        let certificate = match (certificate.as_str(), key) {
            ("generated", None) => return Some(Certificate::Generated),
            ("generated", Some((span, _))) => {
                self.problem(span, "a generated certificate has its own key", "leave key out");
                return None;
            }
            (_, None) => {
                let remedy =
                    r#"write key = "/etc/shouwang/secrets/duty-room.key", or certificate = "generated""#;
                self.problem(section, "certificate without its key", remedy);
                return None;
            }
            (file, Some((_, key))) => {
                Certificate::Files { certificate: self.beside(file), key: self.beside(&key) }
            }
        };
        if let Err(what) = certificate.read(&self.beside("")) {
            let remedy = "name PEM files: the certificate with those above it, and its key";
            self.problem(span, format!("certificate: {what}"), remedy);
        }
        Some(certificate)
    }

    fn public_url(&mut self, table: &DeTable<'_>) -> Option<String> {
        let (span, url) = self.text(table, "public_url")?;
        let after = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        // It stands in other programs' markup.
        let plain = |host: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~:/[]".contains(&byte);
            !host.is_empty() && !host.starts_with('/') && host.bytes().all(allowed)
        };
        if !after.is_some_and(plain) {
            let remedy = r#"write public_url = "https://duty.example.cn""#;
            self.problem(span, "public_url is not the address of a page", remedy);
            return None;
        }
        Some(url.trim_end_matches('/').to_owned())
    }

    fn hosts(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let Some(value) = table.get("hosts") else { return Vec::new() };
        let remedy = r#"write hosts = ["duty.example.cn"]"#;
        let Some(items) = value.get_ref().as_array() else {
            self.problem(value.span(), "hosts must be a list of names", remedy);
            return Vec::new();
        };
        let mut hosts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(host) if !host.is_empty() && !host.contains(['/', ':', ' ']) => {
                    hosts.push(host.to_ascii_lowercase());
                }
                _ => self.problem(item.span(), "a host is a name without scheme and port", remedy),
            }
        }
        hosts
    }
}

/// TLS or not, host, port.
pub(super) fn broker_url(url: &str) -> Result<(bool, String, u16), String> {
    let (tls, rest, default_port) = match (url.strip_prefix("mqtts://"), url.strip_prefix("mqtt://")) {
        (Some(rest), _) => (true, rest, 8883),
        (_, Some(rest)) => (false, rest, 1883),
        _ => return Err(format!("{url:?} does not begin with mqtts:// or mqtt://")),
    };
    let rest = rest.trim_end_matches('/');
    let bad = || format!("{url:?} is not a broker's address");
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| bad())?),
        _ => (rest, default_port),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || port == 0 || host.contains(['/', '@', ' ', '?', '#']) {
        return Err(bad());
    }
    Ok((tls, host.to_owned(), port))
}

pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
