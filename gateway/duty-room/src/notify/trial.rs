//! One message through one channel, by hand: is it taken, and if not, why not. It says 【测试】.
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shouwang_board::{Notice, Recipient};
use shouwang_message::{AlarmId, Class, Id, Mode, Priority, Timestamp};

use super::answer::{self, Verdict};
use super::carrier::Carrier;
use super::http::Trust;
use super::queue::{Message, Sending};
use super::sms_modem::{Line, UNREACHED};
use super::{client, unreached, webhook};
use crate::clock::Clock;
use crate::config::channels::{Channel, ChannelKind};

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tested {
    /// The service took it, after so long.
    Taken { after: Duration },
    /// The service was not reached, or something else answered in its place.
    Unreached { code: String, text: String },
    /// The service said no, or not now.
    Refused { code: String, text: String },
}

/// The answers that do not come from the service.
const NOT_THE_SERVICE: [&str; 8] =
    ["dns", "connect", "tls", "timeout", "broken", "too-long", "not-its-answer", "no-trust"];

/// Sends one test message once. `to`: the phone, for a channel that reaches one person.
pub async fn test(channel: &Channel, page: Option<&str>, to: Option<&str>, clock: &Clock) -> Tested {
    let (began, wall) = (clock.now(), clock.wall());
    let client = |address| {
        client(address, channel, &mut Trust::default())
            .map_err(|text| Tested::Unreached { code: "no-trust".into(), text })
    };
    let message = Message::Single(Arc::new(notice(&channel.id, to, wall)));
    let sending = Sending { number: 1, message, part: 0, missed: 0 };
    let verdict = match &channel.kind {
        ChannelKind::Service(service) => {
            let client = match client(service.address()) {
                Ok(client) => client,
                Err(tested) => return tested,
            };
            Carrier::new(service.clone(), client, page).carry(&sending, wall).await
        }
        ChannelKind::Modem(modem) => match Line::start(&channel.id, modem, None) {
            Ok(line) => line.carry(&sending).await,
            Err(error) => return Tested::Unreached { code: "no-thread".into(), text: error.to_string() },
        },
        ChannelKind::Webhook { url, secret } => {
            let client = match client(url) {
                Ok(client) => client,
                Err(tested) => return tested,
            };
            match client.post(webhook::post(url, secret, event(&channel.id, wall), wall)).await {
                Ok(answer) => answer::webhook(&answer),
                Err(why) => unreached(why, url),
            }
        }
    };
    match verdict {
        Verdict::Taken => Tested::Taken { after: clock.now().since(began) },
        Verdict::Again { code, text, .. } if is_not_the_service(&code) => Tested::Unreached { code, text },
        Verdict::Refused { code, text } if code == UNREACHED => Tested::Unreached { code, text },
        Verdict::Again { code, text, .. } | Verdict::Refused { code, text } => Tested::Refused { code, text },
    }
}

fn is_not_the_service(code: &str) -> bool {
    NOT_THE_SERVICE.contains(&code) || code.starts_with("http-3")
}

/// The alarm's id as good as no alarm's: by the time and without chance.
fn test_id(wall: Timestamp) -> AlarmId {
    AlarmId::from_parts(wall.unix_ms().unsigned_abs(), 0)
}

/// On the clock on the wall: all of China is eight hours before UTC.
fn clock_time(wall: Timestamp) -> String {
    let seconds = (wall.unix_ms() / 1_000 + 8 * 3_600) % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

pub(super) fn notice(channel: &Id, to: Option<&str>, wall: Timestamp) -> Notice {
    let recipient = |phone: &str| Recipient {
        person: channel.clone(),
        name: "测试".into(),
        phone: Some(phone.into()),
        wecom: None,
    };
    Notice {
        ticket: 0,
        channel: channel.clone(),
        alarm: test_id(wall),
        class: Class::DigitalInput,
        priority: Priority::Ordinary,
        mode: Mode::Test,
        step: 0,
        revision_words: String::new(),
        title: "【测试】外呼通道测试".into(),
        place: "值班室".into(),
        place_masked: "值班室".into(),
        at: wall,
        lines: vec![("时间".into(), clock_time(wall)), ("说明".into(), "收到即正常,不需处置".into())],
        short: "【测试】【值班室】外呼通道测试,收到即正常,不需处置".into(),
        to: to.map(recipient).into_iter().collect(),
        sent_as: None,
        way: None,
        building: None,
        recovered: false,
    }
}

/// Of a type that no gateway tells.
fn event(channel: &Id, wall: Timestamp) -> Vec<u8> {
    let event = json!({
        "specversion": "1.0",
        "type": "shouwang.webhook.test.v1",
        "source": format!("shouwang/v1/webhook/{channel}"),
        "id": test_id(wall).to_string(),
        "time": wall,
        "datacontenttype": "application/json",
        "data": {"mode": "test", "text": {"zh": "【测试】外呼通道测试", "en": "A test of the channel"}},
    });
    // Texts always serialise.
    serde_json::to_vec(&event).unwrap_or_default()
}
