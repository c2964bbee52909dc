//! Why two sides did not come together by TLS, in words that say what to do next.
use std::error::Error;
use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription as Alert, CertificateError as Bad};
use shouwang_message::{Text, Timestamp};

/// What is wrong, and whose it is to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Waiting will not help: the broker refuses our certificate.
    pub refused: bool,
    /// Cause and remedy in one sentence.
    pub text: Text,
}

/// What TLS says about a connection that failed; none if TLS is not the reason.
pub fn trouble(error: &(dyn Error + 'static)) -> Option<Trouble> {
    let error = of_tls(error)?;
    let (refused, (zh, en)) = match error {
        rustls::Error::InvalidCertificate(bad) => (false, certificate(bad)),
        rustls::Error::AlertReceived(alert) => alerted(*alert),
        rustls::Error::PeerIncompatible(_) => (false, too_old()),
        rustls::Error::InvalidMessage(_) => (
            false,
            (
                "对方在这个端口不说 TLS；核对端口，加密的端口通常是 8883".into(),
                "the other side does not speak TLS on this port; check the port, 8883 is usual for it".into(),
            ),
        ),
        rustls::Error::NoCertificatesPresented => (
            false,
            (
                "对方没有出示证书；检查 broker 的 certfile".into(),
                "the broker shows no certificate; check its certfile".into(),
            ),
        ),
        other => (
            false,
            (
                format!("TLS 连接失败：{other}；检查两端的证书"),
                format!("the TLS connection failed: {other}; check the certificates of both ends"),
            ),
        ),
    };
    Some(Trouble { refused, text: Text::new(zh, en) })
}

/// For a connection without TLS that ended before the broker said a word.
pub fn of_plain() -> Text {
    Text::new(
        "broker 没有说 MQTT 就断开了；如果这个端口要求 TLS，把地址写成 mqtts://",
        "the broker ended the connection without a word of MQTT; if this port wants TLS, write mqtts:// in url",
    )
}

fn too_old() -> (String, String) {
    (
        "对方只会 TLS 1.2 以前的版本，不安全；请升级 broker 或打开 TLS 1.2".into(),
        "the other side speaks no TLS 1.2 or newer; update the broker, or allow TLS 1.2 there".into(),
    )
}

fn certificate(bad: &Bad) -> (String, String) {
    let renew = |zh: String, en: String| {
        (
            format!("{zh}；请更换 broker 的证书，并核对本机时钟"),
            format!("{en}; renew the broker's certificate, and check this machine's clock"),
        )
    };
    match bad {
        Bad::Expired => renew("对方的证书已过期".into(), "the broker's certificate has expired".into()),
        Bad::ExpiredContext { time, not_after } => {
            let (time, end) = (date(*time), date(*not_after));
            renew(
                format!("对方的证书 {end} 已过期（按 {time} 判断）"),
                format!("the broker's certificate expired on {end} (judged as of {time})"),
            )
        }
        Bad::NotValidYet => {
            renew("对方的证书还没生效".into(), "the broker's certificate is not valid yet".into())
        }
        Bad::NotValidYetContext { time, not_before } => {
            let (time, begin) = (date(*time), date(*not_before));
            renew(
                format!("对方的证书 {begin} 才生效（按 {time} 判断）"),
                format!("the broker's certificate is not valid before {begin} (judged as of {time})"),
            )
        }
        Bad::UnknownIssuer | Bad::BadSignature => nobody(),
        // Signed by itself; the library below has no name of its own for it.
        other if other.to_string().contains("CaUsedAsEndEntity") => nobody(),
        Bad::NotValidForName => wrong_name("这个地址的", " this address"),
        Bad::NotValidForNameContext { expected, presented } => {
            let (expected, presented) = (expected.to_str(), presented.join(", "));
            wrong_name(
                &format!(" {expected}，而是给 {presented} 的"),
                &format!(" {expected} but for {presented}"),
            )
        }
        Bad::Revoked => renew("对方的证书已吊销".into(), "the broker's certificate was revoked".into()),
        other => (
            format!("对方的证书不能接受（{other}）；请更换 broker 的证书"),
            format!("the broker's certificate is not acceptable ({other}); renew it"),
        ),
    }
}

fn nobody() -> (String, String) {
    (
        "不认识签发对方证书的机构；用 ca_file 指明它，或核对地址是否写错".into(),
        "the broker's certificate is signed by nobody we trust; name its authority with ca_file, or check the address".into(),
    )
}

fn wrong_name(zh: &str, en: &str) -> (String, String) {
    (
        format!("对方的证书不是给{zh}；地址里写证书上的名字，或重新签发"),
        format!(
            "the broker's certificate is not for{en}; write a name of the certificate in url, or have it issued anew"
        ),
    )
}

fn alerted(alert: Alert) -> (bool, (String, String)) {
    match alert {
        Alert::ProtocolVersion | Alert::InsufficientSecurity => (false, too_old()),
        Alert::AccessDenied
        | Alert::BadCertificate
        | Alert::CertificateExpired
        | Alert::CertificateRequired
        | Alert::CertificateRevoked
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::UnsupportedCertificate => (
            true,
            (
                format!(
                    "broker 拒绝了本机的证书（{alert:?}）；换成它信任的机构签发、没有过期的 client_certificate"
                ),
                format!(
                    "the broker refuses our certificate ({alert:?}); install a client_certificate in date that its authority signed"
                ),
            ),
        ),
        other => (
            false,
            (
                format!("broker 中止了 TLS（{other:?}）；看 broker 的日志"),
                format!("the broker ended TLS ({other:?}); look into its log"),
            ),
        ),
    }
}

/// Libraries wrap it in their own errors, and in `io::Error`.
fn of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = within.and_then(|within| of_tls(within)) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn date(time: UnixTime) -> String {
    let ms = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000);
    let text = Timestamp::from_unix_ms(ms).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_found_however_it_is_wrapped() {
        let expired = rustls::Error::InvalidCertificate(Bad::ExpiredContext {
            time: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000)),
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_700_000_000)),
        });
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, expired));
        let found = trouble(&wrapped).unwrap();
        assert!(!found.refused);
        assert_eq!(
            found.text.en,
            "the broker's certificate expired on 2023-11-14 (judged as of 2027-01-15); renew the broker's \
             certificate, and check this machine's clock"
        );
        assert_eq!(trouble(&io::Error::from(io::ErrorKind::ConnectionReset)), None);
    }

    #[test]
    fn only_a_refused_certificate_is_not_worth_another_try() {
        let refused = |error: rustls::Error| trouble(&error).map(|trouble| trouble.refused);
        assert_eq!(refused(rustls::Error::AlertReceived(Alert::UnknownCA)), Some(true));
        assert_eq!(refused(rustls::Error::AlertReceived(Alert::ProtocolVersion)), Some(false));
        assert_eq!(refused(rustls::Error::InvalidCertificate(Bad::UnknownIssuer)), Some(false));
    }
}
