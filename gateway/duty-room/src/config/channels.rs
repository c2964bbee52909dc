//! `[[channel]]`: the ways out of the house, each with its service's address and its secrets in files of their own.
mod sms_http;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use shouwang_message::Id;
use toml::de::DeTable;

use super::Secret;
pub use super::address::Address;
use super::reader::Reader;
pub use sms_http::SmsHttp;
pub(crate) use sms_http::{Coding, Field, Success};

/// One way out of the house.
#[derive(Clone, Debug)]
pub struct Channel {
    pub id: Id,
    pub kind: ChannelKind,
    /// PEM; none: the system's certificates.
    pub ca_file: Option<PathBuf>,
}

/// What it is for.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// Tells people.
    Service(Service),
    /// Every event as a CloudEvent to another program, signed.
    Webhook { url: Address, secret: Secret },
}

/// A service that carries messages to people.
#[derive(Clone, Debug)]
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
const KINDS: &str = "wecom, dingtalk, feishu, webhook, sms-http";

impl ChannelKind {
    /// The word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Service(Service::Wecom { .. }) => "wecom",
            Self::Service(Service::Dingtalk { .. }) => "dingtalk",
            Self::Service(Service::Feishu { .. }) => "feishu",
            Self::Service(Service::SmsHttp(_)) => "sms-http",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// It rings one person's phone, at night too; a group's robot is silent then.
    pub fn is_personal(&self) -> bool {
        matches!(self, Self::Service(Service::SmsHttp(_)))
    }

    pub(crate) fn address(&self) -> &Address {
        match self {
            Self::Service(
                Service::Wecom { base, .. } | Service::Dingtalk { base, .. } | Service::Feishu { base, .. },
            ) => base,
            Self::Service(Service::SmsHttp(sms)) => &sms.url,
            Self::Webhook { url, .. } => url,
        }
    }
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
            let Some(channel) = self.channel(span.clone(), table) else { continue };
            if !ids.insert(channel.id.clone()) {
                let what = format!("two channels are called {}", channel.id);
                self.problem(span, what, "give each its own id");
            }
            channels.push(channel);
        }
        channels
    }

    fn channel(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Channel> {
        let id = self.id(table, span.clone(), "group-1");
        let remedy = format!("write one of {KINDS}");
        let (kind_span, kind) = self.required(table, span.clone(), "kind", &remedy)?;
        let kind = match kind.as_str() {
            "wecom" => self.wecom(span, table).map(ChannelKind::Service),
            "dingtalk" => self.dingtalk(span, table).map(ChannelKind::Service),
            "feishu" => self.feishu(span, table).map(ChannelKind::Service),
            "sms-http" => {
                self.sms_http(span, table).map(|sms| ChannelKind::Service(Service::SmsHttp(Box::new(sms))))
            }
            "webhook" => self.webhook(span, table),
            _ => {
                self.problem(kind_span, format!("{kind:?} is no kind of channel"), remedy);
                return None;
            }
        };
        let ca_file = self.ca_file(table);
        Some(Channel { id: id?, kind: kind?, ca_file })
    }

    fn wecom(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Service> {
        self.unknown_keys(table, "channel.", &["id", "kind", "key_file", "url", "ca_file"]);
        let base = self.base(table, "https://qyapi.weixin.qq.com");
        let key = self.needed_secret(table, span, "key_file", "the key=... of the robot's webhook address");
        Some(Service::Wecom { base: base?, key: key? })
    }

    fn dingtalk(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Service> {
        self.unknown_keys(table, "channel.", &["id", "kind", "token_file", "secret_file", "url", "ca_file"]);
        let base = self.base(table, "https://oapi.dingtalk.com");
        let token = self.needed_secret(table, span.clone(), "token_file", "the robot's access_token=...");
        let secret =
            self.needed_secret(table, span, "secret_file", "the robot's 加签 secret, which begins with SEC");
        Some(Service::Dingtalk { base: base?, token: token?, secret: secret? })
    }

    fn feishu(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<Service> {
        self.unknown_keys(table, "channel.", &["id", "kind", "hook_file", "secret_file", "url", "ca_file"]);
        let base = self.base(table, "https://open.feishu.cn");
        let hook = self.needed_secret(table, span.clone(), "hook_file", "what follows /hook/ in its address");
        let secret = self.needed_secret(table, span, "secret_file", "the robot's 签名校验 secret");
        Some(Service::Feishu { base: base?, hook: hook?, secret: secret? })
    }

    fn webhook(&mut self, span: Range<usize>, table: &DeTable<'_>) -> Option<ChannelKind> {
        self.unknown_keys(table, "channel.", &["id", "kind", "url", "secret_file", "ca_file"]);
        let url = self.service(table, span.clone());
        let secret =
            self.needed_secret(table, span, "secret_file", "a long random text that the receiver knows too");
        Some(ChannelKind::Webhook { url: url?, secret: secret? })
    }

    /// The robots' own service, unless a relay stands before it.
    fn base(&mut self, table: &DeTable<'_>, own: &str) -> Option<Address> {
        let (span, url) = self.text(table, "url").unwrap_or((0..0, own.to_owned()));
        self.address(span, &url)
    }

    fn service(&mut self, table: &DeTable<'_>, span: Range<usize>) -> Option<Address> {
        let remedy = r#"write url = "https://service.example/path""#;
        let (span, url) = self.required(table, span, "url", remedy)?;
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

    /// A secret goes into a header, a path or a query: plain characters only.
    fn needed_secret(
        &mut self,
        table: &DeTable<'_>,
        section: Range<usize>,
        key: &str,
        what: &str,
    ) -> Option<Secret> {
        let Some(value) = table.get(key) else {
            self.problem(section, format!("{key} is missing"), format!("name a file with {what}"));
            return None;
        };
        let span = value.span();
        let secret = self.secret(table, key)?;
        if secret.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(secret);
        }
        self.problem(span, format!("{key} holds more than a secret"), format!("put only {what} in"));
        None
    }
}
