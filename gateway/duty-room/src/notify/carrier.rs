//! One channel's hands: makes the request that its kind wants, sends it once, and reads the answer.
use std::time::Duration;

use shouwang_board::Notice;
use shouwang_message::Timestamp;

use super::answer::{self, Verdict};
use super::bucket::Limit;
use super::card::{self, Card};
use super::http::{Client, Post, Unreached};
use super::queue::{Message, Parts, Rules, Sending};
use super::signed::hex;
use super::{dingtalk, feishu, sms_http, unreached, wecom};
use crate::config::channels::{Service, SmsHttp};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// WeCom allows 20 a minute.
const WECOM: &[Limit] = &[Limit { count: 18, per: MINUTE, kept: 6 }];
/// DingTalk allows 20 a minute and shuts out for ten minutes who sends more.
const DINGTALK: &[Limit] = &[Limit { count: 15, per: MINUTE, kept: 5 }];
/// Feishu allows 5 a second and 100 a minute.
const FEISHU: &[Limit] =
    &[Limit { count: 4, per: SECOND, kept: 1 }, Limit { count: 90, per: MINUTE, kept: 30 }];

#[derive(Debug)]
pub(super) struct Carrier {
    service: Service,
    client: Client,
    page: Option<String>,
}

impl Carrier {
    pub(super) fn new(service: Service, client: Client, page: Option<&str>) -> Self {
        Self { service, client, page: page.map(str::to_owned) }
    }

    pub(super) fn rules(&self) -> Rules {
        let (limits, parts) = match &self.service {
            Service::Wecom { .. } => (WECOM.to_vec(), Parts::CardAndMention),
            Service::Feishu { .. } => (FEISHU.to_vec(), Parts::CardAndMention),
            Service::Dingtalk { .. } => (DINGTALK.to_vec(), Parts::One),
            Service::SmsHttp(sms) => (vec![per_minute(sms)], Parts::EachRecipient),
        };
        Rules { limits, parts }
    }

    /// Makes one request, once.
    pub(super) async fn carry(&self, sending: &Sending, wall: Timestamp) -> Verdict {
        let address = self.client.address();
        let Some(post) = self.post(sending, wall) else { return unreached(Unreached::Request, address) };
        let answer = match self.client.post(post).await {
            Ok(answer) => answer,
            Err(why) => return unreached(why, address),
        };
        match &self.service {
            Service::Wecom { .. } => answer::wecom(&answer),
            Service::Dingtalk { .. } => answer::dingtalk(&answer),
            Service::Feishu { .. } => answer::feishu(&answer),
            Service::SmsHttp(sms) => answer::sms_http(&answer, &sms.success),
        }
    }

    pub(super) fn post(&self, sending: &Sending, wall: Timestamp) -> Option<Post> {
        let parts = sending.message.parts(self.rules().parts);
        let card = || Card::of(&sending.message, sending.missed, self.page.as_deref());
        match &self.service {
            Service::Wecom { base, key } => Some(wecom::post(base, key, &card(), (sending.part, parts))),
            Service::Dingtalk { base, token, secret } => {
                Some(dingtalk::post(base, token, secret, &card(), wall))
            }
            Service::Feishu { base, hook, secret } => {
                Some(feishu::post(base, hook, secret, &card(), (sending.part, parts), wall))
            }
            Service::SmsHttp(sms) => sms_post(sms, &sending.message, sending.part, wall),
        }
    }
}

fn per_minute(sms: &SmsHttp) -> Limit {
    let count = usize::try_from(sms.per_minute).unwrap_or(1).max(1);
    Limit { count, per: MINUTE, kept: count / 3 }
}

fn sms_post(sms: &SmsHttp, message: &Message, part: usize, wall: Timestamp) -> Option<Post> {
    let notice: &Notice = message.notices().last()?;
    let to = notice.to.get(part)?;
    let mut chance = [0; 16];
    getrandom::fill(&mut chance).ok()?;
    let time = notice.lines.iter().find(|(label, _)| label == "时间").map(|(_, time)| time.as_str());
    let words = sms_http::Words {
        text: card::short(message),
        title: card::one_line(&notice.title),
        place: card::one_line(&notice.place),
        time: card::one_line(time.unwrap_or_default()),
    };
    sms_http::post(sms, to, &words, wall, &hex(&chance))
}
