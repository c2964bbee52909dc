//! The address of an HTTP service: encrypted, or on this machine.
use std::fmt;

use hyper::Uri;

use super::services::is_loopback;

/// `https://HOST[:PORT][/PATH][?QUERY]`; `http://` only to loopback.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    pub tls: bool,
    pub host: String,
    pub port: u16,
    /// Begins with `/`. May hold a key: never shown.
    pub(crate) path_and_query: String,
}

/// A path may be a secret, so that no log shows it.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.shown())
    }
}

impl Address {
    /// Longer is no address of a service.
    const LONGEST: usize = 2_048;

    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if url.len() > Self::LONGEST {
            return Err("an address of over 2048 bytes".into());
        }
        let bad = |why: &str| format!("not an address of an HTTP service: {why}");
        if url.contains('#') {
            return Err(bad("it has a #fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| bad("it must look like https://host/path"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it does not begin with https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("user and password do not belong in it"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str().rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((_, port)) => port.parse().map_err(|_| bad("its port is no number up to 65535"))?,
            None if tls => 443,
            None => 80,
        };
        if host.is_empty() || port == 0 {
            return Err(bad("it names no host or port"));
        }
        if !tls && !is_loopback(&host) {
            return Err(format!("http://{host} would send everything, the keys too, in the clear"));
        }
        let path_and_query = uri.path_and_query().map_or("/", |all| all.as_str()).to_owned();
        Ok(Self { tls, host, port, path_and_query })
    }

    /// The same service with this below its path, which is then without its query.
    pub(crate) fn below(&self, path: &str) -> String {
        let base = self.path_and_query.split('?').next().unwrap_or_default().trim_end_matches('/');
        format!("{base}{path}")
    }

    /// `Host:` as the request names it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Scheme, host and port: what may be shown.
    pub(crate) fn shown(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (url, wanted) in [
            ("https://qyapi.weixin.qq.com", Ok("https://qyapi.weixin.qq.com /")),
            ("https://relay.example:8443/a/b?c=d", Ok("https://relay.example:8443 /a/b?c=d")),
            ("http://127.0.0.1:81", Ok("http://127.0.0.1:81 /")),
            ("http://[::1]:81/x", Ok("http://[::1]:81 /x")),
            ("http://relay.example/", Err("http://relay.example would send")),
            ("https://user:pw@relay.example/", Err("not an address")),
            ("https://", Err("not an address")),
            ("https://relay.example:0/", Err("not an address")),
            ("https://relay.example:99999/", Err("not an address")),
            ("https://relay.example/#x", Err("not an address")),
            ("ftp://relay.example/", Err("not an address")),
            ("relay.example", Err("not an address")),
            ("https://re lay.example/", Err("not an address")),
        ] {
            let found = Address::parse(url);
            match (&found, wanted) {
                (Ok(found), Ok(wanted)) => {
                    assert_eq!(format!("{} {}", found.shown(), found.path_and_query), wanted);
                }
                (Err(found), Err(wanted)) => assert!(found.starts_with(wanted), "{url}: {found}"),
                _ => panic!("{url}: {found:?}"),
            }
        }
    }

    #[test]
    fn below_a_relays_path_and_nothing_secret_is_shown() {
        let relay = Address::parse("https://relay.example/wecom/?x=1").unwrap();
        assert_eq!(relay.below("/cgi-bin/webhook/send"), "/wecom/cgi-bin/webhook/send");
        let hook = Address::parse("https://hook.example/SECRET?key=SECRET").unwrap();
        assert_eq!(format!("{hook:?}"), "https://hook.example");
    }
}
