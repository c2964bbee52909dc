//! Words from outside that are markup, in every field that outsiders fill, on every page in a real browser: they stay
//! words. And a page of somebody else's, opened beside the board by a person who is logged in, does nothing.
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_message::*;
use shouwang_tests::duty_room::PASSWORD;
use shouwang_tests::{DutyRoom, Listener, Mosquitto, Visitor, clock, wait_until};

use crate::chromium::Chromium;
use crate::page::Page;

const LIMIT: Duration = Duration::from_secs(20);

/// What has opened other pages: each would set `pwned`, leave the site, or bring an element of its own.
const CORPUS: [&str; 16] = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror=pwned=1>",
    "\"><svg onload=pwned=1>",
    "' onmouseover='pwned=1' autofocus onfocus='pwned=1",
    "</script><script>pwned=1</script>",
    "</title><img src=x onerror=pwned=1>",
    "</textarea><iframe srcdoc=\"<script>parent.pwned=1</script>\">",
    "<a href=\"javascript:pwned=1\">x</a>",
    "javascript:pwned=1//",
    "<style>*{display:none!important}</style>",
    "<base href=\"//evil.example/\">",
    "<meta http-equiv=refresh content=\"0;url=//evil.example\">",
    "<form action=//evil.example><button autofocus>",
    "&lt;img src=x onerror=pwned=1&gt;",
    "{{constructor.constructor('pwned=1')()}}${pwned=1}#{pwned=1}",
    "<!--<math><mtext></form><mglyph><style><img src onerror=pwned=1>",
];
/// Elements that no page of ours has.
const FOREIGN: &str = "script:not([src]), style, iframe, object, embed, base, meta[http-equiv], [onerror], [onload], [onclick], \
                       [onfocus], [onmouseover], a[href^='javascript' i], form[action], img[src='x'], math";

fn id(text: &str) -> Id {
    text.parse().expect("an id")
}

fn place(evil: &str) -> Place {
    let evil = || Some(evil.to_owned());
    Place { building: evil(), entrance: evil(), room: evil(), grid: evil(), name: evil() }
}

/// A gateway under somebody else's control: every text of its documents is markup.
/// An alarm and a fault of each.
const ROWS: usize = 2 * CORPUS.len();

fn tell_everything(listener: &Listener) {
    let now = clock::wall();
    let log = LogId::from_parts(1_795_330_800_000, 7);
    let say = |leaf: &str, retain: bool, bytes: Vec<u8>| listener.publish(leaf, retain, bytes);
    let state = StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: now };
    say("state", true, to_bytes(&state));
    let mut devices = Vec::new();
    let mut sequence = 0;
    let mut event = |subject: &str, data: EventData| {
        sequence += 1;
        let event = Event {
            site: id("heping"),
            gateway: id("gw-0007"),
            log,
            sequence,
            time: now,
            subject: subject.to_owned(),
            data,
        };
        say("event", false, to_bytes(&event));
    };
    for (n, evil) in CORPUS.iter().enumerate() {
        let device = id(&format!("smoke-{n}"));
        devices.push(DeviceInfo {
            id: device.clone(),
            line: id("line-1"),
            unit_id: 1,
            profile: (*evil).into(),
            class: Class::Smoke,
            title: Text::new(*evil, *evil),
            place: place(evil),
            proven_at: None,
        });
        let alarm = AlarmId::from_parts(now.unix_ms().unsigned_abs(), n as u128);
        let document = AlarmDocument {
            latched: true,
            value: Some(shouwang_message::Value::Text((*evil).into())),
            unit: Some((*evil).into()),
            place: place(evil),
            text: Text::new(*evil, *evil),
            acknowledged: (n % 2 == 1).then(|| Acknowledged { by: (*evil).into(), at: now }),
            ..AlarmDocument::new(
                alarm,
                id("gw-0007"),
                device.clone(),
                (*evil).into(),
                Class::Smoke,
                Priority::Emergency,
                now,
            )
        };
        event(device.as_str(), EventData::Alarm(AlarmChange::Raised, document.into()));
        event(
            device.as_str(),
            EventData::FaultRaised(FaultDocument {
                id: AlarmId::from_parts(now.unix_ms().unsigned_abs(), 100 + n as u128),
                gateway: id("gw-0007"),
                device: Some(device.clone()),
                line: None,
                code: (*evil).into(),
                class: Some(Class::Smoke),
                priority: Priority::Ordinary,
                active: true,
                raised_at: now,
                cleared_at: None,
                clock: Clock::Synced,
                place: place(evil),
                text: Text::new(*evil, *evil),
            }),
        );
        let lost = DeviceStateDocument::new(DeviceState::Fault, now, Some((*evil).into()));
        say(&format!("device/{device}/state"), true, to_bytes(&lost));
        let value = PointValue {
            value: Some(shouwang_message::Value::Text((*evil).into())),
            unit: Some((*evil).into()),
            quality: Quality::Good,
            why: Some((*evil).into()),
        };
        let values = ValuesDocument { at: now, values: [((*evil).to_owned(), value)].into() };
        say(&format!("device/{device}/values"), true, to_bytes(&values));
        let refusal =
            json!({"txn": evil, "ok": false, "error": {"code": evil, "text": {"zh": evil, "en": evil}}});
        say("reply/acknowledge", false, refusal.to_string().into_bytes());
    }
    let info = InfoDocument {
        name: CORPUS[0].into(),
        version: CORPUS[1].into(),
        log,
        boot: 1,
        configuration: CORPUS[2].into(),
        lines: vec![LineInfo { name: id("line-1"), kind: CORPUS[3].into(), alarm_round_ms: 1 }],
        devices,
        stations: vec![],
        walk: None,
    };
    say("info", true, to_bytes(&info));
}

#[track_caller]
fn assert_only_words(page: &Page, path: &str) {
    assert_eq!(page.value("window.pwned ?? null"), Value::Null, "{path}: markup ran");
    assert_eq!(
        page.value(&format!(
            "[...document.querySelectorAll({})].map((it) => it.outerHTML).join()",
            json!(FOREIGN)
        )),
        "",
        "{path}"
    );
    page.assert_no_errors();
}

#[test]
fn what_outsiders_write_is_words_on_every_page() {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    let mut lead = Visitor::new(room.address(), LIMIT);
    // What is typed at the log-in, and what people are called.
    for evil in CORPUS.iter().take(2) {
        assert!(Visitor::new(room.address(), LIMIT).log_in(evil, evil).is_err());
    }
    lead.log_in("lead", PASSWORD).expect("the lead logs in");
    for (n, evil) in CORPUS.iter().take(4).enumerate() {
        let person =
            json!({"id": format!("person-{n}"), "name": evil, "role": "operator", "password": PASSWORD});
        let _ = lead.post("/api/v1/accounts", &person).expect("an answer");
    }
    tell_everything(&listener);
    wait_until(LIMIT, "everything should be listed", || room.open_alarms().len() >= ROWS);
    let alarm = room.open_alarms()[0]["id"].as_str().expect("an id").to_owned();
    let note = json!({"note": CORPUS[1]});
    let _ = lead.post(&format!("/api/v1/cases/{alarm}/note"), &note).expect("an answer");

    let chromium = Chromium::start();
    let page = chromium.page();
    let signed_in = room.lead();
    page.open(&signed_in);
    page.until_row(CORPUS[0]);
    page.until(&format!("document.querySelector('#card')?.innerText.includes({}) ?? false", json!("pwned")));
    assert_only_words(&page, "/");
    for path in [
        "/?lang=en",
        "/wall",
        "/handover",
        "/figures",
        "/residents",
        "/accounts",
        "/login",
        "/setup",
        "/recover",
    ] {
        page.open(&room.page(path));
        page.until("document.body.innerText.length > 0");
        clock::pause(Duration::from_millis(300));
        assert_only_words(&page, path);
    }
    page.open(&room.page(&format!("/cases/{alarm}/print")));
    page.until("document.body.innerText.length > 0");
    assert_only_words(&page, "a case on paper");
    for parameter in CORPUS {
        let encoded: String = parameter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        page.open(&room.page(&format!("/?lang={encoded}#{encoded}")));
        page.until("document.body.innerText.length > 0");
        assert_eq!(page.value("window.pwned ?? null"), Value::Null, "{parameter}");
    }
    room.stop();
}

/// A web server of somebody else's on this machine: one page, to whoever asks. For browsers it is the same site.
fn elsewhere(html: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4_096];
            let _ = stream.read(&mut request);
            let length = html.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(html.as_bytes()));
        }
    });
    format!("http://{address}/")
}

#[test]
fn a_page_of_somebody_elses_cannot_act_or_read_or_frame_the_board() {
    let broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let room = DutyRoom::start(&broker);
    tell_everything(&listener);
    wait_until(LIMIT, "the alarms should be listed", || room.open_alarms().len() >= ROWS);
    let unseen = |room: &DutyRoom| {
        let rows = room.open_alarms();
        rows.iter().filter(|row| row["acknowledged"].is_null()).count()
    };
    let before = unseen(&room);
    let target = room
        .open_alarms()
        .iter()
        .find(|row| row["acknowledged"].is_null() && row["class"] == "smoke")
        .expect("one")["id"]
        .clone();
    let act = room.page(&format!("/api/v1/alarms/{}/acknowledge", target.as_str().expect("an id")));
    let (list, stream, board) = (room.page("/api/v1/alarms"), room.page("/api/v1/stream"), room.page("/"));
    let evil = elsewhere(format!(
        "<!doctype html><body><form id=f method=post enctype=text/plain target=t action='{act}'><input name='{{\"reason\":\"' value='\"}}'></form>\
         <iframe name=t></iframe><iframe id=board src='{board}'></iframe><script>
         document.getElementById('f').submit();
         window.done = (async () => {{
           const said = [];
           for (const [url, more] of [
             ['{act}', {{method: 'POST', mode: 'no-cors', body: '{{}}', headers: {{'Content-Type': 'text/plain'}}}}],
             ['{act}', {{method: 'POST', mode: 'cors', body: '{{}}', headers: {{'Content-Type': 'application/json'}}}}],
             ['{list}', {{mode: 'cors'}}],
           ]) {{
             try {{ const answer = await fetch(url, {{credentials: 'include', ...more}}); said.push(answer.type === 'opaque' ? 'opaque' : await answer.text()); }}
             catch (error) {{ said.push('refused'); }}
           }}
           navigator.sendBeacon('{act}', '{{}}');
           said.push(await new Promise((told) => {{ const source = new EventSource('{stream}', {{withCredentials: true}}); source.onerror = () => told('refused'); source.onopen = () => told('open'); }}));
           return said.join(' ');
         }})();</script>"
    ));
    let chromium = Chromium::start();
    let page = chromium.page();
    page.open(&room.link());
    page.until("document.querySelectorAll('#rows tr').length > 3");
    page.open(&evil);
    assert_eq!(page.value("window.done"), "refused refused refused refused");
    assert_eq!(page.value("(() => { try { return document.getElementById('board').contentDocument?.title ?? 'closed' } catch { return 'closed' } })()"), "closed");
    clock::pause(Duration::from_millis(500));
    assert_eq!(unseen(&room), before, "nothing was acknowledged");
    // The person is still logged in, and may.
    room.ask(target.as_str().expect("an id"), "acknowledge", &json!({}));
    assert_eq!(unseen(&room), before - 1);
    room.stop();
}
