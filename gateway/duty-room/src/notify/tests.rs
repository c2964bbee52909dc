//! Real requests to services on this machine: every byte that a provider looks at, and what we make of answers
//! that are slow, broken, false or not the provider's.
#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]
mod service;
mod whole_way;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use proptest::prelude::*;
use shouwang_board::Recipient;
use shouwang_message::{AlarmId, Class, Mode, Priority, Timestamp};

use super::queue::{Message as Told, Sending};
use super::*;
use crate::config::Config;
use service::{Reply, Service, json};

const WALL: i64 = 1_700_000_000_000;
const ALARM: &str = "01JD0000000000000000000000";
const OK_WECOM: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
const OK_FEISHU: &str = r#"{"code":0,"msg":"success","data":{}}"#;

fn wall() -> Timestamp {
    Timestamp::from_unix_ms(WALL)
}

/// One channel as it is configured, with its secrets in files.
fn channel(lines: &str, secrets: &[(&str, &str)]) -> Channel {
    let dir = tempfile::tempdir().unwrap();
    for (name, secret) in secrets {
        let path = dir.path().join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let text = format!(
        "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://localhost\"\n[web]\nlisten = \
         \"127.0.0.1:0\"\n[[channel]]\nid = \"c\"\n{lines}\n"
    );
    let config = Config::parse(&dir.path().join("duty-room.toml"), &text);
    config.unwrap_or_else(|error| panic!("{error}")).channels.remove(0)
}

fn wecom_at(url: &str) -> Channel {
    channel(&format!("kind = \"wecom\"\nurl = \"{url}\"\nkey_file = \"key\""), &[("key", "KEY\n")])
}

fn carrier(channel: &Channel) -> Carrier {
    let ChannelKind::Service(service) = &channel.kind else { panic!("no service") };
    Carrier::new(
        service.clone(),
        client(service.address(), channel, &mut Trust::default()).unwrap(),
        Some("https://duty.example"),
    )
}

fn wang() -> Recipient {
    let phone = Some("+8613800138000".into());
    Recipient { person: "wang".parse().unwrap(), name: "王小明".into(), phone, wecom: None }
}

fn li() -> Recipient {
    let phone = Some("13900139000".into());
    Recipient { person: "li".parse().unwrap(), name: "李四".into(), phone, wecom: Some("lisi".into()) }
}

fn fire() -> Notice {
    Notice {
        ticket: 1,
        channel: "c".parse().unwrap(),
        alarm: ALARM.parse().unwrap(),
        class: Class::Smoke,
        priority: Priority::Emergency,
        mode: Mode::Live,
        step: 0,
        revision_words: String::new(),
        title: "火警 · 待确认".into(),
        place: "和平社区王小明家 3号楼2单元402".into(),
        place_masked: "3号楼2单元402".into(),
        at: wall(),
        lines: vec![("时间".into(), "03:12:07(第2次)".into()), ("事件".into(), "烟感报警".into())],
        short: "【值班室】3号楼2单元402烟感报警,请确认".into(),
        to: vec![wang()],
        sent_as: None,
        way: None,
        building: Some("3".into()),
        recovered: false,
    }
}

fn another(ticket: u64, place: &str) -> Arc<Notice> {
    let alarm = AlarmId::from_parts(WALL.unsigned_abs(), ticket.into());
    Arc::new(Notice { ticket, alarm, place: place.into(), place_masked: place.into(), ..fire() })
}

fn one(notice: Notice, part: usize) -> Sending {
    Sending { number: 1, message: Told::Single(Arc::new(notice)), part, missed: 0 }
}

/// The verdict in a word: `taken`, `again CODE`, `refused CODE`.
fn short(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Taken => "taken".into(),
        Verdict::Again { code, .. } => format!("again {code}"),
        Verdict::Refused { code, .. } => format!("refused {code}"),
    }
}

#[tokio::test]
async fn wecom_gets_a_mention_and_a_card() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let carrier = carrier(&wecom_at(&service.url));
    let notice = Notice { to: vec![wang(), li()], ..fire() };
    for part in [0, 1] {
        assert_eq!(short(&carrier.carry(&one(notice.clone(), part), wall()).await), "taken");
    }
    let (mention, card) = (service.next().await, service.next().await);
    assert_eq!(mention.line, "POST /cgi-bin/webhook/send?key=KEY HTTP/1.1");
    assert_eq!(mention.header("content-type"), Some("application/json"));
    assert_eq!(Some(mention.header("host").unwrap()), service.url.strip_prefix("http://"));
    assert_eq!(
        mention.body,
        r#"{"msgtype":"text","text":{"content":"【紧急】火警 · 待确认 3号楼2单元402,请立即处理","mentioned_list":["@all","lisi"],"mentioned_mobile_list":["13800138000"]}}"#
    );
    assert_eq!(card.line, mention.line);
    assert_eq!(
        card.body,
        r#"{"msgtype":"markdown","markdown":{"content":"**🔥 火警 · 待确认**\n> 位置:<font color=\"warning\">3号楼2单元402</font>\n> 时间:03:12:07(第2次)\n> 事件:烟感报警\n[打开处置页](https://duty.example/#01JD0000000000000000000000)"}}"#
    );
}

#[tokio::test]
async fn good_news_and_exercises_mention_nobody_by_force() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let carrier = carrier(&wecom_at(&service.url));
    let over = Notice {
        recovered: true,
        title: "火警 · 已恢复".into(),
        revision_words: "第2次 · 已恢复 04:05".into(),
        to: vec![],
        ..fire()
    };
    carrier.carry(&one(over, 0), wall()).await;
    let body = service.next().await.body;
    assert!(
        body.starts_with(r#"{"msgtype":"markdown","markdown":{"content":"**✅ 火警 · 已恢复**\n"#),
        "{body}"
    );
    assert!(body.contains(r#"color=\"info\""#) && body.contains("> 变化:第2次 · 已恢复 04:05"), "{body}");
    for (mode, all) in [(Mode::Drill, true), (Mode::Test, false), (Mode::Simulated, false)] {
        carrier.carry(&one(Notice { mode, ..fire() }, 0), wall()).await;
        assert_eq!(service.next().await.body.contains("@all"), all, "{mode}");
    }
}

#[tokio::test]
async fn dingtalk_is_signed_in_its_address() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let lines = format!(
        "kind = \"dingtalk\"\nurl = \"{}/relay\"\ntoken_file = \"token\"\nsecret_file = \"secret\"",
        service.url
    );
    let carrier = carrier(&channel(&lines, &[("token", "T"), ("secret", "SEC0123456789abcdef")]));
    assert_eq!(short(&carrier.carry(&one(fire(), 0), wall()).await), "taken");
    let request = service.next().await;
    assert_eq!(
        request.line,
        "POST /relay/robot/send?access_token=T&timestamp=1700000000000\
         &sign=TSZbRFUuvaSQaRKUpF970OPCb2%2FLcQAP3wOvwZIzBZk%3D HTTP/1.1"
    );
    assert_eq!(
        request.body,
        r#####"{"msgtype":"markdown","markdown":{"title":"火警 · 待确认 3号楼2单元402","text":"#### 🔥 火警 · 待确认\n> 3号楼2单元402\n\n> 时间:03:12:07(第2次)\n\n> 事件:烟感报警\n\n[处置](https://duty.example/#01JD0000000000000000000000) @13800138000"},"at":{"atMobiles":["13800138000"],"isAtAll":false}}"#####
    );
    carrier.carry(&one(Notice { to: vec![], ..fire() }, 0), wall()).await;
    assert!(service.next().await.body.ends_with(r#""at":{"atMobiles":[],"isAtAll":true}}"#));
}

#[tokio::test]
async fn feishu_is_signed_in_its_body() {
    let service = Service::start(vec![json(OK_FEISHU)]).await;
    let lines = format!(
        "kind = \"feishu\"\nurl = \"{}\"\nhook_file = \"hook\"\nsecret_file = \"secret\"",
        service.url
    );
    let carrier = carrier(&channel(&lines, &[("hook", "ID"), ("secret", "demo")]));
    for part in [0, 1] {
        assert_eq!(short(&carrier.carry(&one(fire(), part), wall()).await), "taken");
    }
    let (mention, card) = (service.next().await, service.next().await);
    assert_eq!(mention.line, "POST /open-apis/bot/v2/hook/ID HTTP/1.1");
    assert_eq!(
        mention.body,
        r#"{"timestamp":"1700000000","sign":"8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=","msg_type":"text","content":{"text":"<at user_id=\"all\">所有人</at> 【紧急】火警 · 待确认 3号楼2单元402,请立即处理"}}"#
    );
    assert_eq!(
        card.body,
        r#"{"timestamp":"1700000000","sign":"8oT2n3SMKFfEnDoiwer8BUM/SjKLwe9SqoEIHlhDTKo=","msg_type":"interactive","card":{"config":{"wide_screen_mode":true},"header":{"template":"red","title":{"tag":"plain_text","content":"火警 · 待确认 · 3号楼2单元402"}},"elements":[{"tag":"div","text":{"tag":"lark_md","content":"**时间** 03:12:07(第2次)\n**事件** 烟感报警"}},{"tag":"action","actions":[{"tag":"button","text":{"tag":"plain_text","content":"打开处置页"},"type":"danger","url":"https://duty.example/#01JD0000000000000000000000"}]}]}}"#
    );
}

#[tokio::test]
async fn an_sms_provider_gets_its_own_json_signed_over_the_body() {
    let service = Service::start(vec![json(r#"{"data":{"code":0}}"#)]).await;
    let lines = format!(
        r#"kind = "sms-http"
url = "{}/v1/send?app=7"
fields = {{ to = ["{{mobile}}"], template = 1001, flash = false, params = {{ text = "{{text}}", who = "{{person}}" }} }}
headers = {{ X-Key = "{{key}}", X-Time = "{{timestamp}}", X-Sign = "v1 {{signature}}" }}
signature = {{ over = "{{timestamp}}\n{{path}}\n{{body}}", encoding = "base64" }}
key_file = "key"
secret_file = "secret"
success = {{ status = 200, pointer = "/data/code", equals = "0" }}"#,
        service.url
    );
    let carrier = carrier(&channel(&lines, &[("key", "K"), ("secret", "S")]));
    assert_eq!(short(&carrier.carry(&one(fire(), 0), wall()).await), "taken");
    let request = service.next().await;
    assert_eq!(request.line, "POST /v1/send?app=7 HTTP/1.1");
    let body = r#"{"flash":false,"params":{"text":"【值班室】3号楼2单元402烟感报警,请确认","who":"王小明"},"template":1001,"to":["13800138000"]}"#;
    assert_eq!(request.body, body);
    assert_eq!((request.header("x-key"), request.header("x-time")), (Some("K"), Some("1700000000")));
    let over = format!("1700000000\n/v1/send?app=7\n{body}");
    let sign = signed::base64(&signed::hmac(b"S", over.as_bytes()));
    assert_eq!(request.header("x-sign"), Some(format!("v1 {sign}").as_str()));
    service.then(vec![json(r#"{"data":{"code":15}}"#)]);
    assert_eq!(short(&carrier.carry(&one(fire(), 0), wall()).await), "refused 15");
}

#[tokio::test]
async fn another_gets_a_form_with_the_signature_in_a_field() {
    let service = Service::start(vec![Reply::Http(202, "", String::new())]).await;
    let lines = format!(
        r#"kind = "sms-http"
url = "{}/send"
body = "form"
fields = {{ phone = "{{phone}}", msg = "{{text}}&", sign = "{{signature}}" }}
signature = {{ over = "{{phone}}{{timestamp_ms}}" }}
secret_file = "secret""#,
        service.url
    );
    let carrier = carrier(&channel(&lines, &[("secret", "S")]));
    let notice = Notice { short: "a b&c".into(), to: vec![li(), wang()], ..fire() };
    assert_eq!(short(&carrier.carry(&one(notice, 1), wall()).await), "taken");
    let request = service.next().await;
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let sign = signed::hex(&signed::hmac(b"S", b"+86138001380001700000000000"));
    assert_eq!(request.body, format!("msg=a%20b%26c%26&phone=%2B8613800138000&sign={sign}"));
    let nobody = Notice { to: vec![], ..fire() };
    assert_eq!(short(&carrier.carry(&one(nobody, 0), wall()).await), "refused request");
}

#[tokio::test]
async fn what_is_not_the_providers_yes_is_no_yes() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let carrier = carrier(&wecom_at(&service.url));
    let long = format!("{{\"errcode\":0,\"errmsg\":\"{}\"}}", "x".repeat(70_000));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &b" ".repeat(80_000)].concat();
    for (reply, wanted) in [
        (json("<html>请先登录</html>"), "again not-its-answer"),
        (json(r#"{"errcode":0"#), "again not-its-answer"),
        (json(r#"{"errcode":45009,"errmsg":"freq"}"#), "again 45009"),
        (json(&long), "again too-long"),
        (Reply::Raw(endless), "again too-long"),
        (Reply::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()), "again broken"),
        (Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"err".to_vec()), "again broken"),
        (Reply::Raw(Vec::new()), "again broken"),
        (Reply::Reset, "again broken"),
        (Reply::Http(500, "", OK_WECOM.into()), "again http-500"),
        (Reply::Http(429, "Retry-After: 7\r\n", String::new()), "again http-429"),
        (Reply::Http(302, "Location: http://127.0.0.1:9/\r\n", String::new()), "again http-302"),
        (Reply::Http(404, "", String::new()), "refused http-404"),
    ] {
        service.then(vec![reply.clone()]);
        assert_eq!(short(&carrier.carry(&one(fire(), 0), wall()).await), wanted, "{reply:?}");
    }
    service.then(vec![Reply::Http(429, "Retry-After: 7\r\n", String::new())]);
    let Verdict::Again { after, text, .. } = carrier.carry(&one(fire(), 0), wall()).await else { panic!() };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert!(!text.contains("KEY"), "{text}");
}

#[tokio::test]
async fn who_does_not_answer_is_given_up() {
    let service = Service::start(vec![Reply::Silence]).await;
    let channel = wecom_at(&service.url);
    let ChannelKind::Service(kind) = channel.kind.clone() else { panic!("no service") };
    let mut client = client(kind.address(), &channel, &mut Trust::default()).unwrap();
    assert_eq!(client.within, Duration::from_secs(10));
    client.within = Duration::from_millis(200);
    let carrier = Carrier::new(kind, client, None);
    assert_eq!(short(&carrier.carry(&one(fire(), 0), wall()).await), "again timeout");
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn who_is_not_there_is_said_without_the_key() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let Verdict::Again { code, text, .. } = carrier(&wecom_at(&url)).carry(&one(fire(), 0), wall()).await
    else {
        panic!("reached")
    };
    assert_eq!(code, "connect");
    assert!(text.contains("连接不上") && text.contains(&url) && !text.contains("KEY"), "{text}");
}

/// A certificate for `localhost`, and who accepts with it.
fn certificate() -> (String, tokio_rustls::TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let pem = made.cert.pem();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (pem, tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn over_tls_only_who_is_trusted_hears_the_key() {
    let (pem, acceptor) = certificate();
    let service = Service::start_tls(vec![json(OK_WECOM)], acceptor).await;
    let lines = |ca: &str| {
        format!("kind = \"wecom\"\nurl = \"{}\"\nkey_file = \"key\"\nca_file = \"{ca}\"", service.url)
    };
    let (other, _) = certificate();
    let dir = tempfile::tempdir().unwrap();
    for (name, pem) in [("ca.pem", &pem), ("other.pem", &other)] {
        std::fs::write(dir.path().join(name), pem).unwrap();
    }
    let ca = |name: &str| dir.path().join(name).display().to_string();
    let trusted = channel(&lines(&ca("ca.pem")), &[("key", "KEY")]);
    assert_eq!(short(&carrier(&trusted).carry(&one(fire(), 0), wall()).await), "taken");
    let strange = channel(&lines(&ca("other.pem")), &[("key", "KEY")]);
    assert_eq!(short(&carrier(&strange).carry(&one(fire(), 0), wall()).await), "again tls");
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_test_message_says_so_and_what_became_of_it() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let (channel, clock) = (wecom_at(&service.url), Clock::system());
    assert!(matches!(test(&channel, None, None, &clock).await, Tested::Taken { .. }));
    let body = service.next().await.body;
    assert!(
        body.contains("**🔔 【测试】外呼通道测试**") && !body.contains("@all") && !body.contains("]("),
        "{body}"
    );
    service.then(vec![json(r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#)]);
    let Tested::Refused { code, .. } = test(&channel, None, None, &clock).await else {
        panic!("not refused")
    };
    assert_eq!(code, "93000");
    service.then(vec![Reply::Http(503, "", String::new())]);
    assert!(matches!(test(&channel, None, None, &clock).await, Tested::Refused { .. }));
    service.then(vec![Reply::Http(200, "", "<html>".into())]);
    assert!(matches!(test(&channel, None, None, &clock).await, Tested::Unreached { .. }));
}

#[tokio::test]
async fn follow_ups_and_digests_list_each_alarm_once() {
    let service = Service::start(vec![json(OK_WECOM)]).await;
    let carrier = carrier(&wecom_at(&service.url));
    let mut notices: Vec<_> = (2..16).map(|n| another(n, &format!("3号楼{n}室"))).collect();
    notices.push(Arc::new(Notice {
        title: "火警 · 已恢复".into(),
        recovered: true,
        ..(*notices[0]).clone()
    }));
    let message = Told::Digest(notices);
    carrier.carry(&Sending { number: 1, message, part: 1, missed: 3 }, wall()).await;
    let body: serde_json::Value = serde_json::from_str(&service.next().await.body).unwrap();
    let text = body["markdown"]["content"].as_str().unwrap();
    assert!(
        text.starts_with("**🔔 汇总 14 起(紧急 13)**\n> 03:12:07(第2次) 3号楼3室 火警 · 待确认\n"),
        "{text}"
    );
    assert!(text.contains("> 另有 4 起,见值班页\n> 此前另有 3 条未能发出,见值班页\n"), "{text}");
    assert!(text.ends_with("[打开处置页](https://duty.example/)") && !text.contains("3号楼2室"), "{text}");
    let message = Told::FollowUp(vec![another(2, "3号楼202"), another(3, "3号楼203")]);
    assert_eq!(
        card::short(&message),
        "【值班室】同楼续报 2 起(紧急 2):3号楼202火警 · 待确认;3号楼203火警 · 待确认"
    );
    let many = Told::Digest((2..40).map(|n| another(n, "3号楼2单元402室")).collect());
    let text = card::short(&many);
    assert!(text.encode_utf16().count() <= 70 && text.ends_with('…'), "{text}");
}

proptest! {
    /// Whatever a notice says: no group reads a whole phone number, a recipient's name, the place for personal
    /// eyes, or markup; and every body stays within what its robot takes.
    #[test]
    fn no_group_body_holds_a_whole_number_or_a_name(
        words in "[ <>@\\[\\]*`a-z0-9\n号楼单元室]{0,200}",
        digits in "1[3-9][0-9]{9}",
        between in prop::sample::select(vec!["", " ", "-"]),
        count in 1..30_u64,
        robot in 0..3_usize,
        part in 0..2_usize,
        emergency in any::<bool>(),
    ) {
        let number = format!("{}{between}{}{between}{}", &digits[..3], &digits[3..7], &digits[7..]);
        let text = format!("{words}。{number}。<@all>");
        let notices: Vec<_> = (0..count).map(|ticket| {
            let alarm = AlarmId::from_parts(WALL.unsigned_abs(), ticket.into());
            Arc::new(Notice {
                ticket,
                alarm,
                priority: if emergency { Priority::Emergency } else { Priority::Urgent },
                title: text.clone(),
                place: "王小明家".into(),
                place_masked: text.clone(),
                lines: vec![("说明".into(), text.clone()), (text.clone(), "x".into())],
                revision_words: text.clone(),
                to: vec![Recipient { phone: Some(digits.clone()), ..wang() }, li()],
                ..fire()
            })
        }).collect();
        let message = if count == 1 { Told::Single(notices[0].clone()) } else { Told::Digest(notices) };
        let channels = [
            ("kind = \"wecom\"\nkey_file = \"a\"", 4_300),
            ("kind = \"dingtalk\"\ntoken_file = \"a\"\nsecret_file = \"a\"", 20_000),
            ("kind = \"feishu\"\nhook_file = \"a\"\nsecret_file = \"a\"", 20_000),
        ];
        let channel = channel(channels[robot].0, &[("a", "SECRET")]);
        let post = carrier(&channel).post(&Sending { number: 1, message, part, missed: 1 }, wall()).unwrap();
        prop_assert!(post.body.len() <= channels[robot].1, "{}", post.body.len());
        let body: serde_json::Value = serde_json::from_slice(&post.body).unwrap();
        // What a robot needs to mention somebody is no text that the group reads.
        let mut shown = String::new();
        texts(&body, &mut shown);
        let shown = shown.replace(&format!("@{digits}"), "").replace("@13900139000", "");
        for hidden in [digits.as_str(), number.as_str(), "13900139000", "王小明", "李四", "SECRET"] {
            prop_assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        prop_assert!(!shown.contains("<@all>"), "{shown}");
    }
}

/// All texts but those of mentions.
fn texts(value: &serde_json::Value, shown: &mut String) {
    match value {
        serde_json::Value::String(text) => shown.push_str(&format!("{text}\n")),
        serde_json::Value::Array(items) => items.iter().for_each(|item| texts(item, shown)),
        serde_json::Value::Object(named) => {
            let mention = |name: &str| matches!(name, "mentioned_mobile_list" | "mentioned_list" | "at");
            named.iter().filter(|(name, _)| !mention(name)).for_each(|(_, value)| texts(value, shown));
        }
        _ => {}
    }
}
