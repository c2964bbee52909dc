//! What an answer means: taken, to be tried again (and when), or refused; with a sentence that says what to do.
//! The codes and their limits are those that the three robots publish.
use std::time::Duration;

use serde_json::Value;

use crate::config::channels::Success;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// May work later; `after`: the other side wants to be left alone for so long.
    Again {
        code: String,
        text: String,
        after: Option<Duration>,
    },
    /// The same request will never work.
    Refused {
        code: String,
        text: String,
    },
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// From `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// How long a robot's minute lasts.
const MINUTE: Duration = Duration::from_secs(60);
/// DingTalk's punishment for more than 20 messages a minute.
const DINGTALK_SHUT: Duration = Duration::from_secs(600);
/// Nobody who says "later" is believed for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Characters of another's words in a sentence of ours.
const EXCERPT: usize = 80;

pub(crate) fn wecom(answer: &Answer) -> Verdict {
    let Some((code, words)) = code_of(answer, "errcode", "errmsg") else { return not_ours(answer) };
    let (after, zh, en) = match code {
        0 => return Verdict::Taken,
        45009 => {
            (Some(MINUTE), "超过每分钟 20 条,一分钟后再发", "over 20 messages a minute; again in a minute")
        }
        -1 | 45033 | 50001 => (Some(MINUTE / 6), "服务繁忙,稍后再发", "the service is busy; again soon"),
        93000 => (
            None,
            "key 无效,或机器人已被移出群,请重新复制 key",
            "the key is invalid; copy it from the robot again",
        ),
        40008 | 40058 | 44004 | 45002 => {
            (None, "消息格式或长度不被接受", "the message's form or length is not accepted")
        }
        _ => (None, "企业微信拒绝", "WeCom refused"),
    };
    provider(code, after, zh, en, &words)
}

pub(crate) fn dingtalk(answer: &Answer) -> Verdict {
    let Some((code, words)) = code_of(answer, "errcode", "errmsg") else { return not_ours(answer) };
    let (after, zh, en) = match code {
        0 => return Verdict::Taken,
        130101 => (
            Some(DINGTALK_SHUT),
            "超过每分钟 20 条,被限制 10 分钟",
            "over 20 messages a minute; shut out for 10 minutes",
        ),
        -1 => (Some(MINUTE / 6), "服务繁忙,稍后再发", "the service is busy; again soon"),
        310000 => (
            None,
            "安全设置不符:核对加签密钥、关键词、IP 名单和本机时钟",
            "its security settings do not match: check the secret, keywords, address list and this clock",
        ),
        300001 | 400101 => (
            None,
            "access_token 无效,请重新复制",
            "the access_token is invalid; copy it from the robot again",
        ),
        _ => (None, "钉钉拒绝", "DingTalk refused"),
    };
    provider(code, after, zh, en, &words)
}

pub(crate) fn feishu(answer: &Answer) -> Verdict {
    // It answers some refusals with HTTP 400 and the same JSON.
    let Some((code, words)) = code_of(answer, "code", "msg") else { return not_ours(answer) };
    let (after, zh, en) = match code {
        0 => return Verdict::Taken,
        11232 => (Some(MINUTE / 6), "超过频率限制,稍后再发", "over the rate limit; again soon"),
        19021 => (
            None,
            "签名不对,或时间相差超过 1 小时:核对密钥和本机时钟",
            "the signature is wrong or the time over 1 h off: check the secret and this clock",
        ),
        19022 => (None, "本机 IP 不在机器人的名单里", "this address is not on the robot's list"),
        19024 => (None, "消息里没有机器人要求的关键词", "the message lacks the robot's keyword"),
        19001 => (None, "机器人地址无效,请重新复制", "the robot's address is invalid; copy it again"),
        9499 => (None, "消息格式不被接受", "the message's form is not accepted"),
        _ => (None, "飞书拒绝", "Feishu refused"),
    };
    provider(code, after, zh, en, &words)
}

/// A webhook's receiver says all it has to say by the status.
pub(crate) fn webhook(answer: &Answer) -> Verdict {
    by_status(answer).unwrap_or(Verdict::Taken)
}

/// An SMS or voice provider: the status, and one value in its JSON if the configuration names one.
pub(crate) fn sms_http(answer: &Answer, success: &Success) -> Verdict {
    let wanted = if success.status == 0 {
        (200..300).contains(&answer.status)
    } else {
        answer.status == success.status
    };
    if !wanted {
        return by_status(answer).unwrap_or_else(|| not_ours(answer));
    }
    let Some((pointer, equals)) = &success.value else { return Verdict::Taken };
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return not_ours(answer) };
    let found = match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => return not_ours(answer),
        Some(other) => other.to_string(),
    };
    if found == *equals {
        return Verdict::Taken;
    }
    let text =
        format!("短信平台拒绝:{pointer} 是 {0} · the provider refused: {pointer} is {0}", excerpt(&found));
    Verdict::Refused { code: excerpt(&found), text }
}

fn provider(code: i64, after: Option<Duration>, zh: &str, en: &str, words: &str) -> Verdict {
    let text = format!("{zh} · {en} ({code} {})", excerpt(words));
    let code = code.to_string();
    match after {
        Some(after) => Verdict::Again { code, text, after: Some(after) },
        None => Verdict::Refused { code, text },
    }
}

/// The provider's number and words, if the body is its JSON. A server's trouble is not the robot's answer.
fn code_of(answer: &Answer, code: &str, words: &str) -> Option<(i64, String)> {
    if answer.status == 429 || answer.status >= 500 {
        return None;
    }
    let body: Value = serde_json::from_slice(&answer.body).ok()?;
    let said = body.get(words).and_then(Value::as_str).unwrap_or_default();
    Some((body.get(code)?.as_i64()?, said.to_owned()))
}

/// None: the status is a good one.
fn by_status(answer: &Answer) -> Option<Verdict> {
    let status = answer.status;
    let code = format!("http-{status}");
    let again = |zh: &str, en: &str, after| {
        Some(Verdict::Again { code: code.clone(), text: format!("{zh} · {en} (HTTP {status})"), after })
    };
    let refused = |zh: &str, en: &str| {
        Some(Verdict::Refused { code: code.clone(), text: format!("{zh} · {en} (HTTP {status})") })
    };
    match status {
        200..300 => None,
        429 | 503 => {
            let after = answer.retry_after.map(|after| after.min(LONGEST_WAIT));
            again("对方要求稍后再发", "the other side asks to wait", after)
        }
        408 | 500.. => again("对方服务器出错", "the other side's server failed", None),
        300..=399 => again(
            "被转到别的地址(可能要先登录网络),请核对 url",
            "sent elsewhere (a network's log-in page?); check the url",
            None,
        ),
        401 | 403 => {
            refused("对方不认可密钥或签名", "the other side does not accept the key or the signature")
        }
        404 | 410 => refused("地址不存在,请核对 url", "there is no such address; check the url"),
        413 => refused("消息太长", "the message is too long"),
        _ => refused("对方拒绝", "the other side refused"),
    }
}

/// Not what this provider says: a proxy, a log-in page of the network, a server in trouble.
fn not_ours(answer: &Answer) -> Verdict {
    by_status(answer).unwrap_or_else(|| {
        let text = "收到的不是该服务的回答(可能被网络登录页或代理截住) · the answer is not from this service (a \
                    network's log-in page or a proxy?)";
        Verdict::Again { code: "not-its-answer".into(), text: text.into(), after: None }
    })
}

/// A bounded piece of another's words, on one line.
fn excerpt(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: None, body: body.into() }
    }

    /// `taken`, `again CODE SECONDS` or `refused CODE`.
    fn short(verdict: &Verdict) -> String {
        match verdict {
            Verdict::Taken => "taken".into(),
            Verdict::Again { code, after: Some(after), .. } => format!("again {code} {}", after.as_secs()),
            Verdict::Again { code, after: None, .. } => format!("again {code}"),
            Verdict::Refused { code, .. } => format!("refused {code}"),
        }
    }

    #[test]
    fn the_robots_numbers() {
        type Read = fn(&Answer) -> Verdict;
        let table: &[(Read, u16, &str, &str)] = &[
            (wecom, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "taken"),
            (wecom, 200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, "again 45009 60"),
            (wecom, 200, r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#, "refused 93000"),
            (wecom, 200, r#"{"errcode":4711}"#, "refused 4711"),
            (dingtalk, 200, r#"{"errcode":0,"errmsg":"ok"}"#, "taken"),
            (dingtalk, 200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, "again 130101 600"),
            (dingtalk, 200, r#"{"errcode":310000,"errmsg":"sign not match"}"#, "refused 310000"),
            (feishu, 200, r#"{"code":0,"msg":"success","data":{}}"#, "taken"),
            (feishu, 200, r#"{"code":11232,"msg":"frequency limited"}"#, "again 11232 10"),
            (feishu, 200, r#"{"code":19021,"msg":"sign match fail"}"#, "refused 19021"),
            (feishu, 200, r#"{"code":19022,"msg":"Ip Not Allowed"}"#, "refused 19022"),
            (feishu, 200, r#"{"code":19024,"msg":"Key Words Not Found"}"#, "refused 19024"),
            (feishu, 400, r#"{"code":9499,"msg":"Bad Request"}"#, "refused 9499"),
            // Whatever is not the robot's own JSON is no success, also with 200.
            (wecom, 200, "<html>Welcome to the hotel</html>", "again not-its-answer"),
            (wecom, 200, "{}", "again not-its-answer"),
            (wecom, 200, r#"{"errcode":"0"}"#, "again not-its-answer"),
            (dingtalk, 200, "", "again not-its-answer"),
            (feishu, 200, r#"{"errcode":0}"#, "again not-its-answer"),
            (wecom, 302, "", "again http-302"),
            (wecom, 500, r#"{"errcode":0}"#, "again http-500"),
            (feishu, 404, "", "refused http-404"),
        ];
        for (read, status, body, wanted) in table {
            assert_eq!(short(&read(&answer(*status, body))), *wanted, "{status} {body}");
        }
    }

    #[test]
    fn who_says_later_is_believed_for_ten_minutes_at_most() {
        let later = |after_s| Answer { retry_after: Some(Duration::from_secs(after_s)), ..answer(429, "") };
        assert_eq!(short(&webhook(&later(30))), "again http-429 30");
        assert_eq!(short(&webhook(&later(86_400))), "again http-429 600");
        assert_eq!(short(&webhook(&answer(503, ""))), "again http-503");
        assert_eq!(short(&webhook(&answer(204, ""))), "taken");
        assert_eq!(short(&webhook(&answer(400, ""))), "refused http-400");
    }

    #[test]
    fn an_sms_provider_by_status_and_value() {
        let plain = Success { status: 0, value: None };
        assert_eq!(short(&sms_http(&answer(201, "whatever"), &plain)), "taken");
        assert_eq!(short(&sms_http(&answer(403, ""), &plain)), "refused http-403");
        let exact = Success { status: 200, value: Some(("/Code".into(), "OK".into())) };
        assert_eq!(short(&sms_http(&answer(200, r#"{"Code":"OK"}"#), &exact)), "taken");
        assert_eq!(short(&sms_http(&answer(201, r#"{"Code":"OK"}"#), &exact)), "again not-its-answer");
        assert_eq!(short(&sms_http(&answer(200, r#"{"Code":"isv.AMOUNT"}"#), &exact)), "refused isv.AMOUNT");
        assert_eq!(short(&sms_http(&answer(200, "<html>"), &exact)), "again not-its-answer");
        let number = Success { status: 200, value: Some(("/data/0/status".into(), "0".into())) };
        assert_eq!(short(&sms_http(&answer(200, r#"{"data":[{"status":0}]}"#), &number)), "taken");
    }

    #[test]
    fn anothers_words_are_bounded_and_on_one_line() {
        let body = serde_json::json!({"errcode": 1, "errmsg": "x\r\n".repeat(9_000)}).to_string();
        let Verdict::Refused { text, .. } = wecom(&answer(200, &body)) else { panic!("not refused") };
        assert!(text.chars().count() < 140 && !text.contains('\n'), "{text}");
    }
}
