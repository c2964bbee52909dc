//! Every document of the contract, in the bytes that travel: each example is rebuilt as a value, written,
//! compared with the exact text and read back. A failing test here is a change of contract.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use std::collections::BTreeMap;
use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use shouwang_message::*;

const ALARM: &str = "01KANEXAMP0000000000000001";
const LOG: &str = "01KANEXAMPE000000000000AAA";

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The value writes exactly `text`, and `text` reads back as the value.
#[track_caller]
fn pinned<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, text: &str) {
    assert_eq!(String::from_utf8(to_bytes(value)).unwrap(), text);
    assert_eq!(&from_bytes::<T>(text.as_bytes()).unwrap(), value);
}

fn place() -> Place {
    Place {
        building: Some("3".into()),
        entrance: Some("2".into()),
        room: Some("402".into()),
        grid: Some("HP-07".into()),
        name: Some("3号楼2单元402".into()),
    }
}

const PLACE: &str = r#"{"building":"3","entrance":"2","room":"402","grid":"HP-07","name":"3号楼2单元402"}"#;

fn alarm() -> AlarmDocument {
    AlarmDocument {
        id: ALARM.parse().unwrap(),
        revision: 3,
        gateway: id("gw-0007"),
        device: id("smoke-3-2-402"),
        condition: "smoke".into(),
        class: Class::Smoke,
        priority: Priority::Emergency,
        mode: Mode::Live,
        active: true,
        acknowledged: None,
        latched: true,
        shelved: None,
        suppressed: None,
        out_of_service: None,
        occurrence: 1,
        raised_at: at("2026-11-22T07:52:07.412Z"),
        cleared_at: None,
        clock: Clock::Synced,
        value: Some(Value::Bool(true)),
        limit: None,
        unit: None,
        place: place(),
        text: Text::new("烟感报警", "Smoke alarm"),
        unlogged: false,
        texted: Vec::new(),
    }
}

#[test]
fn an_alarm_that_the_gateway_texted_says_whom() {
    let texted = vec![Texted { to: "u-7".into(), at: at("2026-11-22T07:52:41.000Z") }];
    let text = alarm_text().replace(
        r#""unlogged":false}"#,
        r#""unlogged":false,"texted":[{"to":"u-7","at":"2026-11-22T07:52:41.000Z"}]}"#,
    );
    pinned(&AlarmDocument { texted, ..alarm() }, &text);
}

fn alarm_text() -> String {
    format!(
        r#"{{"id":"{ALARM}","revision":3,"gateway":"gw-0007","device":"smoke-3-2-402","condition":"smoke","class":"smoke","priority":"emergency","mode":"live","active":true,"acknowledged":null,"latched":true,"shelved":null,"suppressed":null,"out_of_service":null,"occurrence":1,"raised_at":"2026-11-22T07:52:07.412Z","cleared_at":null,"clock":"synced","value":true,"limit":null,"unit":null,"place":{PLACE},"text":{{"zh":"烟感报警","en":"Smoke alarm"}},"unlogged":false}}"#
    )
}

fn event(data: EventData, subject: &str) -> Event {
    Event {
        site: id("heping"),
        gateway: id("gw-0007"),
        log: LOG.parse().unwrap(),
        sequence: 88412,
        time: at("2026-11-22T07:52:07.412Z"),
        subject: subject.into(),
        data,
    }
}

fn event_text(kind: &str, subject: &str, data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","type":"{kind}","source":"shouwang/v1/heping/gw-0007","id":"gw-0007/{LOG}/88412","sequence":"00000000000000088412","time":"2026-11-22T07:52:07.412Z","subject":"{subject}","datacontenttype":"application/json","data":{data}}}"#
    )
}

#[test]
fn state() {
    let state = StateDocument {
        state: GatewayState::Ready,
        boot: 12,
        connection: 3,
        at: at("2026-11-22T07:52:07.412Z"),
    };
    pinned(&state, r#"{"state":"ready","boot":12,"connection":3,"at":"2026-11-22T07:52:07.412Z"}"#);
}

#[test]
fn info() {
    let info = InfoDocument {
        name: "和平社区 7 号网关".into(),
        version: "0.1.0".into(),
        log: LOG.parse().unwrap(),
        boot: 12,
        configuration: "sha256:00".into(),
        lines: vec![LineInfo { name: id("b3-rs485"), kind: "serial".into(), alarm_round_ms: 820 }],
        devices: vec![DeviceInfo {
            id: id("smoke-3-2-402"),
            line: id("b3-rs485"),
            unit_id: 12,
            profile: "renke-rs-yg-n01".into(),
            class: Class::Smoke,
            title: Text::new("烟感", "Smoke"),
            place: place(),
            proven_at: None,
        }],
        stations: vec![StationInfo {
            id: id("qingshi-bridge"),
            name: "青石桥".into(),
            device: Some(id("level-1")),
            point: Some("level_m".into()),
            datum: "1985 国家高程".into(),
            lines: BTreeMap::from([("warning".into(), 3.3)]),
            rules: BTreeMap::new(),
            interval_s: None,
            range_m: None,
            flat_after_s: None,
            rain: None,
        }],
        walk: None,
    };
    let text = format!(
        r#"{{"name":"和平社区 7 号网关","version":"0.1.0","log":"{LOG}","boot":12,"configuration":"sha256:00","lines":[{{"name":"b3-rs485","kind":"serial","alarm_round_ms":820}}],"devices":[{{"id":"smoke-3-2-402","line":"b3-rs485","unit_id":12,"profile":"renke-rs-yg-n01","class":"smoke","title":{{"zh":"烟感","en":"Smoke"}},"place":{PLACE},"proven_at":null}}],"stations":[{{"id":"qingshi-bridge","name":"青石桥","device":"level-1","point":"level_m","datum":"1985 国家高程","lines":{{"warning":3.3}}}}]}}"#
    );
    pinned(&info, &text);
    let by_7 = Acknowledged { by: "u-7".into(), at: at("2026-11-22T07:53:00.000Z") };
    let walk = WalkInfo {
        id: ALARM.parse().unwrap(),
        by: "老张".into(),
        asked_at: at("2026-11-22T07:52:07.412Z"),
        accepted: Some(by_7),
        devices: vec![id("smoke-3-2-402")],
    };
    let text = format!(
        r#"{{"id":"{ALARM}","by":"老张","asked_at":"2026-11-22T07:52:07.412Z","accepted":{{"by":"u-7","at":"2026-11-22T07:53:00.000Z"}},"devices":["smoke-3-2-402"]}}"#
    );
    pinned(&walk, &text);
}

#[test]
fn heartbeat() {
    let heartbeat = Heartbeat {
        at: at("2026-11-22T07:52:07.412Z"),
        clock: Clock::Synced,
        boot: 12,
        sequence: 88412,
        heard: BTreeMap::from([(id("duty-1"), 88410)]),
        outbox: OutboxHealth { unheard: 2, oldest_s: 1 },
        lines: vec![LineHealth { name: id("b3-rs485"), good: 0.998, round_ms: 810, lost: 1 }],
        store: StoreHealth::Ok,
    };
    pinned(
        &heartbeat,
        r#"{"at":"2026-11-22T07:52:07.412Z","clock":"synced","boot":12,"sequence":88412,"heard":{"duty-1":88410},"outbox":{"unheard":2,"oldest_s":1},"lines":[{"name":"b3-rs485","good":0.998,"round_ms":810,"lost":1}],"store":"ok"}"#,
    );
}

#[test]
fn device_state_and_values() {
    let state = DeviceStateDocument::new(DeviceState::Online, at("2026-11-22T07:52:07.412Z"), None);
    pinned(&state, r#"{"state":"online","since":"2026-11-22T07:52:07.412Z","why":null}"#);
    let good = |value| PointValue { value: Some(value), unit: None, quality: Quality::Good, why: None };
    let values = ValuesDocument {
        at: at("2026-11-22T07:52:07.412Z"),
        values: BTreeMap::from([
            (
                "battery_v".into(),
                PointValue { value: None, unit: None, quality: Quality::Bad, why: Some("timeout".into()) },
            ),
            ("level_m".into(), PointValue { unit: Some("m".into()), ..good(Value::Number(3.412)) }),
            ("smoke".into(), good(Value::Bool(false))),
        ]),
    };
    pinned(
        &values,
        r#"{"at":"2026-11-22T07:52:07.412Z","values":{"battery_v":{"value":null,"quality":"bad","why":"timeout"},"level_m":{"value":3.412,"unit":"m","quality":"good"},"smoke":{"value":false,"quality":"good"}}}"#,
    );
}

#[test]
fn alarm_document() {
    pinned(&alarm(), &alarm_text());
}

#[test]
fn alarm_document_with_every_overlay_set() {
    let until = at("2026-11-22T08:52:07.000Z");
    let full = AlarmDocument {
        acknowledged: Some(Acknowledged { by: "u-7".into(), at: at("2026-11-22T07:53:00.000Z") }),
        shelved: Some(Shelved { by: "u-7".into(), until, reason: "维修".into() }),
        suppressed: Some(Suppressed { by: ALARM.parse().unwrap() }),
        out_of_service: Some(OutOfService { by: "u-8".into(), until, reason: "装修".into() }),
        cleared_at: Some(at("2026-11-22T07:54:00.000Z")),
        value: Some(Value::Number(25.0)),
        limit: Some(3.3),
        unit: Some("%LEL".into()),
        place: Place::default(),
        ..alarm()
    };
    let text = alarm_text()
        .replace(r#""acknowledged":null"#, r#""acknowledged":{"by":"u-7","at":"2026-11-22T07:53:00.000Z"}"#)
        .replace(
            r#""shelved":null"#,
            r#""shelved":{"by":"u-7","until":"2026-11-22T08:52:07.000Z","reason":"维修"}"#,
        )
        .replace(r#""suppressed":null"#, &format!(r#""suppressed":{{"by":"{ALARM}"}}"#))
        .replace(
            r#""out_of_service":null"#,
            r#""out_of_service":{"by":"u-8","until":"2026-11-22T08:52:07.000Z","reason":"装修"}"#,
        )
        .replace(r#""cleared_at":null"#, r#""cleared_at":"2026-11-22T07:54:00.000Z""#)
        .replace(r#""value":true,"limit":null,"unit":null"#, r#""value":25,"limit":3.3,"unit":"%LEL""#)
        .replace(PLACE, "{}");
    pinned(&full, &text);
}

#[test]
fn events_of_every_kind() {
    let alarm_changes = [
        (AlarmChange::Raised, "raised"),
        (AlarmChange::Repeated, "repeated"),
        (AlarmChange::Acknowledged, "acknowledged"),
        (AlarmChange::Silenced, "silenced"),
        (AlarmChange::Shelved, "shelved"),
        (AlarmChange::Unshelved, "unshelved"),
        (AlarmChange::Suppressed, "suppressed"),
        (AlarmChange::OutOfService, "out_of_service"),
        (AlarmChange::Cleared, "cleared"),
        (AlarmChange::Reset, "reset"),
        (AlarmChange::Finished, "finished"),
    ];
    for (change, word) in alarm_changes {
        let event = event(EventData::Alarm(change, Box::new(alarm())), "smoke-3-2-402");
        let kind = format!("shouwang.alarm.{word}.v1");
        pinned(&event, &event_text(&kind, "smoke-3-2-402", &alarm_text()));
    }
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
    }
}

#[test]
fn fault_events() {
    let mut fault = FaultDocument {
        id: ALARM.parse().unwrap(),
        gateway: id("gw-0007"),
        device: Some(id("smoke-3-2-402")),
        line: Some(id("b3-rs485")),
        code: "timeout".into(),
        class: Some(Class::Smoke),
        priority: Priority::Urgent,
        active: true,
        raised_at: at("2026-11-22T07:52:07.412Z"),
        cleared_at: None,
        clock: Clock::Held,
        place: Place::default(),
        text: Text::new("失联", "Lost"),
    };
    let text = format!(
        r#"{{"id":"{ALARM}","gateway":"gw-0007","device":"smoke-3-2-402","line":"b3-rs485","code":"timeout","class":"smoke","priority":"urgent","active":true,"raised_at":"2026-11-22T07:52:07.412Z","cleared_at":null,"clock":"held","place":{{}},"text":{{"zh":"失联","en":"Lost"}}}}"#
    );
    let raised = event(EventData::FaultRaised(fault.clone()), "smoke-3-2-402");
    pinned(&raised, &event_text("shouwang.fault.raised.v1", "smoke-3-2-402", &text));
    fault.active = false;
    fault.cleared_at = Some(at("2026-11-22T07:53:07.412Z"));
    let text = text
        .replace(r#""active":true"#, r#""active":false"#)
        .replace(r#""cleared_at":null"#, r#""cleared_at":"2026-11-22T07:53:07.412Z""#);
    let cleared = event(EventData::FaultCleared(fault), "smoke-3-2-402");
    pinned(&cleared, &event_text("shouwang.fault.cleared.v1", "smoke-3-2-402", &text));
}

#[test]
fn the_other_events() {
    let moment = at("2026-11-22T07:52:07.412Z");
    let gap = GapRecord {
        what: "events".into(),
        count: 7,
        from: None,
        to: moment,
        why: Text::new("存储已满", "store full"),
    };
    pinned(
        &event(EventData::Gap(gap), "gw-0007"),
        &event_text(
            "shouwang.gap.v1",
            "gw-0007",
            r#"{"what":"events","count":7,"from":null,"to":"2026-11-22T07:52:07.412Z","why":{"zh":"存储已满","en":"store full"}}"#,
        ),
    );
    let watched = WelfareDocument {
        id: id("flat-402"),
        name: "3号楼2单元402".into(),
        sign: WelfareSign::Water,
        standing: WelfareStanding::Paused,
        window_s: 43_200,
        active_at: Some(moment),
        trickles: true,
        pause: Some(WelfarePause { by: "u-7".into(), reason: WelfareReason::Hospital, until: moment }),
    };
    pinned(
        &watched,
        r#"{"id":"flat-402","name":"3号楼2单元402","sign":"water","standing":"paused","window_s":43200,"active_at":"2026-11-22T07:52:07.412Z","trickles":true,"pause":{"by":"u-7","reason":"hospital","until":"2026-11-22T07:52:07.412Z"}}"#,
    );
    let quiet = WelfareDocument { active_at: None, trickles: false, pause: None, ..watched };
    let text =
        r#"{"id":"flat-402","name":"3号楼2单元402","sign":"water","standing":"paused","window_s":43200}"#;
    pinned(&quiet, text);

    let state = DeviceStateDocument::new(DeviceState::Lost, moment, Some("timeout".into()));
    pinned(
        &event(EventData::DeviceState(state), "level-1"),
        &event_text(
            "shouwang.device.state.v1",
            "level-1",
            r#"{"state":"lost","since":"2026-11-22T07:52:07.412Z","why":"timeout"}"#,
        ),
    );
    let command = CommandRecord {
        name: CommandName::OutOfService,
        txn: "t-1".into(),
        by: "u-7".into(),
        at: moment,
        ok: false,
        code: Some("expired".into()),
        reason: None,
    };
    pinned(
        &event(EventData::Command(command), "level-1"),
        &event_text(
            "shouwang.command.v1",
            "level-1",
            r#"{"name":"out-of-service","txn":"t-1","by":"u-7","at":"2026-11-22T07:52:07.412Z","ok":false,"code":"expired","reason":null}"#,
        ),
    );
    let boot = BootRecord {
        boot: 12,
        version: "0.1.0".into(),
        configuration: "sha256:00".into(),
        clock: Clock::Unset,
    };
    pinned(
        &event(EventData::Boot(boot), "gw-0007"),
        &event_text(
            "shouwang.boot.v1",
            "gw-0007",
            r#"{"boot":12,"version":"0.1.0","configuration":"sha256:00","clock":"unset"}"#,
        ),
    );
    pinned(
        &event(EventData::Clock(ClockRecord { clock: Clock::Synced, step_ms: -1500 }), "gw-0007"),
        &event_text("shouwang.clock.v1", "gw-0007", r#"{"clock":"synced","step_ms":-1500}"#),
    );
}

#[test]
fn a_station_with_rules_of_its_own() {
    let station = StationInfo {
        id: id("qingshi-bridge"),
        name: "青石桥".into(),
        device: None,
        point: None,
        datum: "1985 国家高程".into(),
        lines: BTreeMap::from([("near".into(), 3.1), ("warning".into(), 3.3)]),
        rules: BTreeMap::from([(
            "warning".into(),
            LineRule { deadband_m: 0.05, on_delay_s: 0, off_delay_s: 300 },
        )]),
        interval_s: Some(60),
        range_m: Some((0.5, 8.0)),
        flat_after_s: Some(43_200),
        rain: Some(RainGauge { device: id("inputs-1"), meter: id("rain-bridge") }),
    };
    pinned(
        &station,
        r#"{"id":"qingshi-bridge","name":"青石桥","device":null,"point":null,"datum":"1985 国家高程","lines":{"near":3.1,"warning":3.3},"rules":{"warning":{"deadband_m":0.05,"on_delay_s":0,"off_delay_s":300}},"interval_s":60,"range_m":[0.5,8.0],"flat_after_s":43200,"rain":{"device":"inputs-1","meter":"rain-bridge"}}"#,
    );
}

#[test]
fn history_and_heard() {
    let history = HistoryDocument {
        device: id("level-1"),
        point: "level_m".into(),
        unit: Some("m".into()),
        readings: vec![(at("2026-11-22T07:50:00.000Z"), Some(3.41), Quality::Good)],
    };
    pinned(
        &history,
        r#"{"device":"level-1","point":"level_m","unit":"m","readings":[["2026-11-22T07:50:00.000Z",3.41,"good"]]}"#,
    );
    let heard = HeardDocument {
        log: LOG.parse().unwrap(),
        up_to: 88412,
        armed: 2,
        at: at("2026-11-22T07:52:07.412Z"),
    };
    pinned(&heard, &format!(r#"{{"log":"{LOG}","up_to":88412,"armed":2,"at":"2026-11-22T07:52:07.412Z"}}"#));
}

#[test]
fn commands_and_replies() {
    let payload = CommandPayload {
        txn: "t-1".into(),
        alarm: Some(ALARM.parse().unwrap()),
        by: "u-7".into(),
        at: at("2026-11-22T07:52:07.412Z"),
        expires: at("2026-11-22T08:02:07.412Z"),
        nonce: "n-1".into(),
        reason: None,
        occurrence: None,
        until: None,
        second: None,
        device: None,
        from: None,
        output: None,
        on: None,
        welfare: None,
        to: None,
        walk: None,
    };
    let text = format!(
        r#"{{"txn":"t-1","alarm":"{ALARM}","by":"u-7","at":"2026-11-22T07:52:07.412Z","expires":"2026-11-22T08:02:07.412Z","nonce":"n-1","reason":null}}"#
    );
    pinned(&payload, &text);
    let full = CommandPayload {
        alarm: None,
        reason: Some("补发".into()),
        occurrence: Some(2),
        until: Some(at("2026-11-22T08:02:07.412Z")),
        second: Some("u-8".into()),
        device: Some(id("level-1")),
        from: Some(88411),
        output: Some(id("siren-gate")),
        on: Some(true),
        welfare: Some(id("flat-402")),
        to: Some("heping/gw-0007/resend".into()),
        walk: Some(ALARM.parse().unwrap()),
        ..payload
    };
    let text = format!(
        r#"{{"txn":"t-1","alarm":null,"by":"u-7","at":"2026-11-22T07:52:07.412Z","expires":"2026-11-22T08:02:07.412Z","nonce":"n-1","reason":"补发","occurrence":2,"until":"2026-11-22T08:02:07.412Z","second":"u-8","device":"level-1","from":88411,"output":"siren-gate","on":true,"welfare":"flat-402","to":"heping/gw-0007/resend","walk":"{ALARM}"}}"#
    );
    pinned(&full, &text);

    let signed =
        Command { payload: text.clone(), key: Some("duty-1".into()), signature: Some("c2ln".into()) };
    let escaped = serde_json::to_string(&text).unwrap();
    pinned(&signed, &format!(r#"{{"payload":{escaped},"key":"duty-1","signature":"c2ln"}}"#));
    let unsigned = Command { key: None, signature: None, ..signed };
    pinned(&unsigned, &format!(r#"{{"payload":{escaped}}}"#));

    let refused = Reply {
        txn: "t-1".into(),
        ok: false,
        error: Some(CommandError { code: "expired".into(), text: Text::new("已过期", "Expired") }),
    };
    pinned(
        &refused,
        r#"{"txn":"t-1","ok":false,"error":{"code":"expired","text":{"zh":"已过期","en":"Expired"}}}"#,
    );
    pinned(&Reply { ok: true, error: None, ..refused }, r#"{"txn":"t-1","ok":true}"#);
}

#[test]
fn every_word_of_every_enumeration() {
    let words = json!({
        "class": Class::ALL, "priority": Priority::ALL, "mode": Mode::ALL, "command": CommandName::ALL,
        "device": DeviceState::ALL, "quality": Quality::ALL, "gateway": GatewayState::ALL,
        "sign": WelfareSign::ALL, "standing": WelfareStanding::ALL, "reason": WelfareReason::ALL,
        "store": StoreHealth::ALL, "clock": [Clock::Synced, Clock::Held, Clock::Unset],
    });
    assert_eq!(
        words,
        json!({
            "class": ["smoke", "gas", "co", "water_level", "call", "leak", "electrical", "air",
                "digital_input", "welfare", "siren", "report"],
            "priority": ["emergency", "urgent", "ordinary", "advisory"],
            "mode": ["live", "test", "drill", "simulated"],
            "command": ["acknowledge", "silence", "coming", "shelve", "unshelve", "out-of-service", "test",
                "reset", "resend", "read", "write-output", "reload", "pause"],
            "device": ["online", "lost", "fault", "out-of-service", "test"],
            "quality": ["good", "uncertain", "bad"],
            "gateway": ["ready", "lost", "stopped"],
            "sign": ["water", "door", "motion"],
            "standing": ["watching", "learning", "quiet", "paused", "unknown", "clock-unset"],
            "reason": ["away", "hospital"],
            "store": ["ok", "slow", "failing"],
            "clock": ["synced", "held", "unset"],
        })
    );
}

#[test]
fn an_unknown_field_of_a_newer_gateway_is_heard() {
    let newer = alarm_text().replacen('{', r#"{"floor":4,"#, 1);
    assert_eq!(from_bytes::<AlarmDocument>(newer.as_bytes()).unwrap(), alarm());
}
