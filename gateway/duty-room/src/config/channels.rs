//! `[[channel]]`: the ways out of the house, each with its service's address and its secrets in files of their own.
mod sms_http;
mod sms_modem;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use shouwang_board::Reach;
use shouwang_message::Id;
use toml::de::DeTable;

use super::Secret;
pub use super::address::Address;
use super::reader::{Reader, Value};
pub use sms_http::SmsHttp;
pub(crate) use sms_http::{Coding, Field, Success};
pub use sms_modem::SmsModem;

/// One way out of the house.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    pub id: Id,
    pub kind: ChannelKind,
    /// PEM; none: the system's certificates.
    pub ca_file: Option<PathBuf>,
}

/// What it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// Tells people.
    Service(Service),
    /// Every event as a CloudEvent to another program, signed.
    Webhook { url: Address, secret: Secret },
    /// Texts and rings persons by a mobile modem, which also brings back what they answer.
    Modem(SmsModem),
}

/// A service that carries messages to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// A group's robot in WeCom (企业微信).
    Wecom { base: Address, key: Secret },
    /// A group's robot in DingTalk (钉钉), signed.
    Dingtalk { base: Address, token: Secret, secret: Secret },
    /// A group's robot in Feishu (飞书), signed.
    Feishu { base: Address, hook: Secret, secret: Secret },
    /// An SMS or voice provider.
    SmsHttp(Box<SmsHttp>),
}

/// Channels of one duty room.
const CHANNELS: usize = 16;
const KINDS: &str = "wecom, dingtalk, feishu, webhook, sms-http, sms-modem";

impl ChannelKind {
    /// The word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Service(Service::Wecom { .. }) => "wecom",
            Self::Service(Service::Dingtalk { .. }) => "dingtalk",
            Self::Service(Service::Feishu { .. }) => "feishu",
            Self::Service(Service::SmsHttp(_)) => "sms-http",
            Self::Webhook { .. } => "webhook",
            Self::Modem(_) => "sms-modem",
        }
    }

    /// It rings one person's phone, at night too; a group's robot is silent then.
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::Service(Service::SmsHttp(_)) | Self::Modem(_))
    }
}

impl Service {
    pub(crate) fn address(&self) -> &Address {
        match self {
            Self::Wecom { base, .. } | Self::Dingtalk { base, .. } | Self::Feishu { base, .. } => base,
            Self::SmsHttp(sms) => &sms.url,
        }
    }
}

/// What each channel that tells people reaches.
pub(super) fn reaches(channels: &[Channel]) -> BTreeMap<Id, Reach> {
    let reach = |channel: &Channel| match channel.kind {
        ChannelKind::Webhook { .. } => None,
        ChannelKind::Modem(_) => Some((channel.id.clone(), Reach::Person { answers: true })),
        _ if channel.kind.is_personal() => Some((channel.id.clone(), Reach::Person { answers: false })),
        _ => Some((channel.id.clone(), Reach::Group)),
    };
    channels.iter().filter_map(reach).collect()
}

/// Modems that know their own number.
pub(super) fn own_numbers(channels: &[Channel]) -> BTreeMap<Id, String> {
    let own = |channel: &Channel| match &channel.kind {
        ChannelKind::Modem(modem) => Some((channel.id.clone(), modem.own_number.clone()?)),
        _ => None,
    };
    channels.iter().filter_map(own).collect()
}

/// What one `[[channel]]` says, and where it stands.
struct Section<'t> {
    table: &'t DeTable<'t>,
    span: Range<usize>,
}

impl Reader<'_> {
    pub(super) fn channels(&mut self, top: &DeTable<'_>) -> Vec<Channel> {
        let mut channels = Vec::new();
        let mut ids = BTreeSet::new();
        for (number, (span, table)) in self.tables(top, "channel").into_iter().enumerate() {
            if number == CHANNELS {
                let what = format!("more than {CHANNELS} channels");
                self.problem(span, what, "leave some out");
                break;
            }
            let section = Section { table, span };
            let Some(channel) = self.channel(&section) else { continue };
            if !ids.insert(channel.id.clone()) {
                let what = format!("two channels are called {}", channel.id);
                self.problem(section.span, what, "give each its own id");
            }
            channels.push(channel);
        }
        channels
    }

    fn channel(&mut self, section: &Section<'_>) -> Option<Channel> {
        let id = self.id(section.table, section.span.clone(), "group-1");
        let remedy = format!("write one of {KINDS}");
        let (kind_span, kind) = self.required(section.table, section.span.clone(), "kind", &remedy)?;
        let kind = match kind.as_str() {
            "wecom" => self.wecom(section).map(ChannelKind::Service),
            "dingtalk" => self.dingtalk(section).map(ChannelKind::Service),
            "feishu" => self.feishu(section).map(ChannelKind::Service),
            "sms-http" => {
                self.sms_http(section).map(|sms| ChannelKind::Service(Service::SmsHttp(Box::new(sms))))
            }
            "sms-modem" => self.sms_modem(section).map(ChannelKind::Modem),
            "webhook" => self.webhook(section),
            _ => {
                self.problem(kind_span, format!("{kind:?} is no kind of channel"), remedy);
                return None;
            }
        };
        let ca_file = self.ca_file(section.table);
        Some(Channel { id: id?, kind: kind?, ca_file })
    }

    fn wecom(&mut self, section: &Section<'_>) -> Option<Service> {
        self.unknown_keys(section.table, "channel.", &["id", "kind", "key_file", "url", "ca_file"]);
        let base = self.base(section.table, "https://qyapi.weixin.qq.com");
        let key = self.needed_key(section, "key_file", "the key=... of the robot's webhook address");
        Some(Service::Wecom { base: base?, key: key? })
    }

    fn dingtalk(&mut self, section: &Section<'_>) -> Option<Service> {
        self.unknown_keys(
            section.table,
            "channel.",
            &["id", "kind", "token_file", "secret_file", "url", "ca_file"],
        );
        let base = self.base(section.table, "https://oapi.dingtalk.com");
        let token = self.needed_key(section, "token_file", "the robot's access_token=...");
        let secret =
            self.needed_secret(section, "secret_file", "the robot's 加签 secret, which begins with SEC");
        Some(Service::Dingtalk { base: base?, token: token?, secret: secret? })
    }

    fn feishu(&mut self, section: &Section<'_>) -> Option<Service> {
        self.unknown_keys(
            section.table,
            "channel.",
            &["id", "kind", "hook_file", "secret_file", "url", "ca_file"],
        );
        let base = self.base(section.table, "https://open.feishu.cn");
        let hook = self.needed_key(section, "hook_file", "what follows /hook/ in its address");
        let secret = self.needed_secret(section, "secret_file", "the robot's 签名校验 secret");
        Some(Service::Feishu { base: base?, hook: hook?, secret: secret? })
    }

    fn webhook(&mut self, section: &Section<'_>) -> Option<ChannelKind> {
        self.unknown_keys(section.table, "channel.", &["id", "kind", "url", "secret_file", "ca_file"]);
        let url = self.service(section);
        let secret =
            self.needed_secret(section, "secret_file", "a long random text that the receiver knows too");
        Some(ChannelKind::Webhook { url: url?, secret: secret? })
    }

    /// The robots' own service, unless a relay stands before it.
    fn base(&mut self, table: &DeTable<'_>, own: &str) -> Option<Address> {
        let (span, url) = self.text(table, "url").unwrap_or((0..0, own.to_owned()));
        self.address(span, &url)
    }

    fn service(&mut self, section: &Section<'_>) -> Option<Address> {
        let remedy = r#"write url = "https://service.example/path""#;
        let (span, url) = self.required(section.table, section.span.clone(), "url", remedy)?;
        self.address(span, &url)
    }

    fn address(&mut self, span: Range<usize>, url: &str) -> Option<Address> {
        match Address::parse(url) {
            Ok(address) => Some(address),
            Err(what) => {
                let remedy = "write https://host/path; http:// reaches this machine only";
                self.problem(span, format!("url: {what}"), remedy);
                None
            }
        }
    }

    /// What stands in a robot's address: not the whole address.
    fn needed_key(&mut self, section: &Section<'_>, key: &str, what: &str) -> Option<Secret> {
        let span = section.table.get(key).map(Value::span).unwrap_or_default();
        let secret = self.needed_secret(section, key, what)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if secret.reveal().bytes().all(is_plain) {
            return Some(secret);
        }
        self.problem(span, format!("{key} holds more than the key"), format!("put only {what} into it"));
        None
    }

    fn needed_secret(&mut self, section: &Section<'_>, key: &str, what: &str) -> Option<Secret> {
        if section.table.get(key).is_none() {
            let span = section.span.clone();
            self.problem(span, format!("{key} is missing"), format!("name a file with {what}"));
        }
        self.secret(section.table, key)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const HEAD: &str = "name = \"d\"\nstate_dir = \"s\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \"127.0.0.1:0\"\n";

    /// Beside it stand the files `plain`, `url`, and `open`, which everybody can read.
    fn read(channels: &str) -> Result<Vec<Channel>, Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        let files = [("plain", "abc-1", 0o600), ("url", "https://x/?key=abc", 0o600), ("open", "abc", 0o644)];
        for (name, text, mode) in files {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let here = format!("{}/", dir.path().display());
        match Config::parse(&dir.path().join("x.toml"), &format!("{HEAD}{channels}")) {
            Ok(config) => Ok(config.channels),
            Err(error) => Err(error.to_string().replace(&here, "").lines().map(str::to_owned).collect()),
        }
    }

    #[test]
    fn every_kind() {
        let channels = read(
            r#"
[[channel]]
id = "w"
kind = "wecom"
key_file = "plain"
[[channel]]
id = "d"
kind = "dingtalk"
token_file = "plain"
secret_file = "plain"
[[channel]]
id = "f"
kind = "feishu"
hook_file = "plain"
secret_file = "plain"
[[channel]]
id = "h"
kind = "webhook"
url = "http://127.0.0.1:1/x"
secret_file = "url"
[[channel]]
id = "s"
kind = "sms-http"
url = "https://sms.example/x"
fields = { to = "{phone}", list = [1, true, { text = "{text}" }] }
per_minute = 10
"#,
        )
        .unwrap();
        let address = |kind: &ChannelKind| match kind {
            ChannelKind::Service(service) => service.address().clone(),
            ChannelKind::Webhook { url, .. } => url.clone(),
            ChannelKind::Modem(_) => panic!("no modem is configured here"),
        };
        let shown: Vec<_> =
            channels.iter().map(|c| format!("{} {} {:?}", c.id, c.kind.word(), address(&c.kind))).collect();
        assert_eq!(
            shown,
            [
                "w wecom https://qyapi.weixin.qq.com",
                "d dingtalk https://oapi.dingtalk.com",
                "f feishu https://open.feishu.cn",
                "h webhook http://127.0.0.1:1",
                "s sms-http https://sms.example"
            ]
        );
        assert_eq!(channels.iter().filter(|c| c.kind.is_personal()).count(), 1);
        assert!(!format!("{channels:?}").contains("abc"), "{channels:?}");
    }

    #[test]
    fn everything_wrong_at_once_with_its_place() {
        let found = read(
            r#"[[channel]]
id = "w"
kind = "wecom"
key_file = "url"
url = "http://relay.example"
colour = "red"
[[channel]]
id = "w"
kind = "dingtalk"
token_file = "plain"
secret_file = "open"
[[channel]]
id = "x"
kind = "pigeon"
[[channel]]
id = "s"
kind = "sms-http"
url = "https://sms.example/x"
body = "form"
fields = { who = "{fone}", deep = [1] }
headers = { Host = "x", X-Key = "{key}" }
signature = { over = "{body}" }
success = { status = 99, pointer = "code", equals = "OK" }
per_minute = 0
"#,
        )
        .unwrap_err();
        let wanted = [
            "x.toml:10:12: key_file holds more than the key; put only the key=... of the robot's webhook address into it",
            "x.toml:11:7: url: http://relay.example would send everything, the keys too, in the clear; write https://host/path; http:// reaches this machine only",
            "x.toml:12:1: unknown key channel.colour; known here: id, kind, key_file, url, ca_file",
            "x.toml:17:15: everybody can read secret_file open; run chmod 600 open",
            "x.toml:20:8: \"pigeon\" is no kind of channel; write one of wecom, dingtalk, feishu, webhook, sms-http, sms-modem",
            "x.toml:21:1: secret_file is missing; name a file with the provider's signing secret",
            "x.toml:26:18: there is no {fone} here, only {phone} {mobile} {text} {title} {place} {person} {time} {key} {timestamp} {timestamp_ms} {nonce} {signature}; a brace itself is written {{ or }}",
            "x.toml:27:13: Host is not for you to set; leave it out",
            "x.toml:29:22: status must be from 200 to 599, not 99; write a number from 200 to 599",
            "x.toml:29:11: pointer (beginning with /) and equals belong together; write for example pointer = \"/code\", equals = \"OK\"",
            "x.toml:30:14: per_minute must be from 1 to 6000, not 0; write a number from 1 to 6000",
        ];
        for problem in wanted {
            assert!(found.iter().any(|found| found == problem), "{problem}\n{found:#?}");
        }
        assert_eq!(found.len(), wanted.len(), "{found:#?}");
    }

    #[test]
    fn a_template_that_cannot_work_is_refused() {
        let with = |lines: &str| {
            let head = "[[channel]]\nid = \"s\"\nkind = \"sms-http\"\nurl = \"https://sms.example/x\"\n";
            read(&format!("{head}{lines}")).map(|_| ()).unwrap_err().join("\n")
        };
        for (lines, wanted) in [
            ("fields = { text = \"{text}\" }", "no field says whom the message is for"),
            ("fields = { to = \"{phone}\", key = \"{key}\" }", "no key_file is named"),
            (
                "fields = { to = \"{phone}\", sign = \"{signature}\" }",
                "{signature} is used and not described",
            ),
            ("fields = { to = \"{phone}\" }\nsecret_file = \"plain\"", "secret_file signs nothing"),
            (
                "fields = { to = \"{phone}\" }\nsecret_file = \"plain\"\nsignature = { over = \"{body}\" }",
                "the signature is not sent",
            ),
            (
                "fields = { to = \"{phone}\", s = \"{signature}\" }\nsecret_file = \"plain\"\n\
                 signature = { over = \"{body}\" }",
                "the signature would be over itself",
            ),
            ("body = \"form\"\nfields = { to = [\"{phone}\"] }", "a form has no lists and sections"),
        ] {
            let found = with(lines);
            assert!(found.contains(wanted) && found.lines().count() == 1, "{lines}: {found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            text in "(id|kind|url|fields|headers|success|signature|=|\\{|\\}|\\[|\\]|\"sms-http\"|\"wecom\"|\"|,|\n|[a-z0-9 ])*",
        ) {
            let _ = Config::parse(Path::new("x.toml"), &format!("{HEAD}[[channel]]\n{text}"));
        }
    }
}
