//! What strangers send: bad topics, events that contradict themselves, and JSON made to hurt. All of it
//! gives an error; none of it panics.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
use proptest::prelude::*;
use shouwang_message::*;

const LOG: &str = "01KANEXAMPE000000000000AAA";

fn gap_event() -> serde_json::Value {
    serde_json::json!({
        "specversion": "1.0", "type": "shouwang.clock.v1", "source": "shouwang/v1/heping/gw-0007",
        "id": format!("gw-0007/{LOG}/88412"), "sequence": "00000000000000088412",
        "time": "2026-11-22T07:52:07.412Z", "subject": "gw-0007", "datacontenttype": "application/json",
        "data": {"clock": "synced", "step_ms": 0},
    })
}

/// The error of the sound event with one field replaced.
#[track_caller]
fn refused(field: &str, value: impl Into<serde_json::Value>) -> String {
    let mut event = gap_event();
    event[field] = value.into();
    from_bytes::<Event>(event.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_sound_event_is_read() {
    let event: Event = from_bytes(gap_event().to_string().as_bytes()).unwrap();
    assert_eq!((event.sequence, event.id()), (88412, format!("gw-0007/{LOG}/88412")));
}

#[test]
fn events_that_contradict_themselves_are_refused_whole() {
    assert!(refused("specversion", "0.3").contains("specversion"));
    assert!(refused("type", "shouwang.alarm.deleted.v1").contains("not an event type"));
    assert!(refused("type", "shouwang.boot.v1").contains("missing field"));
    for source in [
        "shouwang/v2/heping/gw-0007",
        "shouwang/v1/heping",
        "shouwang/v1/he+ping/gw-0007",
        "shouwang/v1/a/b/c",
    ] {
        refused("source", source);
    }
    assert!(refused("source", "shouwang/v1/heping/gw-0008").contains("contradicts"));
    assert!(refused("sequence", "00000000000000088413").contains("contradicts"));
    for id in [
        "gw-0007".to_owned(),
        format!("gw-0007/{LOG}"),
        format!("gw-0007/{LOG}/+88412"),
        format!("gw-0007/{LOG}/088412"),
        format!("gw-0007/{LOG}/88412/"),
        format!("gw-0007/{}/88412", LOG.to_lowercase()),
        format!("gw-0007/{LOG}/99999999999999999999999"),
        "gw-0007/not-a-ulid/88412".to_owned(),
    ] {
        refused("id", id);
    }
    refused("sequence", "88412");
    refused("sequence", 88412);
    refused("time", "yesterday");
    refused("data", serde_json::json!({"clock": "sundial", "step_ms": 0}));
}

#[test]
fn a_log_starts_at_one() {
    let mut event = gap_event();
    event["id"] = format!("gw-0007/{LOG}/0").into();
    event["sequence"] = "00000000000000000000".into();
    let error = from_bytes::<Event>(event.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("starts at 1"), "{error}");
}

#[test]
fn json_made_to_hurt_gives_an_error() {
    let deep = [vec![b'['; 100_000], b"{\"data\":".repeat(100_000)];
    let mut long = br#"{"specversion":""#.to_vec();
    long.resize(1 << 20, b'x');
    let nested_data = gap_event().to_string().replace(
        r#"{"clock":"synced","step_ms":0}"#,
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
    );
    let numbers =
        br#"{"log":"01KANEXAMPE000000000000AAA","up_to":1e999,"armed":1,"at":"2026-11-22T07:52:07.412Z"}"#;
    let inputs =
        deep.into_iter().chain([long, nested_data.into_bytes(), numbers.to_vec(), vec![], vec![0xff; 64]]);
    for bytes in inputs {
        assert!(from_bytes::<Event>(&bytes).is_err());
        assert!(from_bytes::<AlarmDocument>(&bytes).is_err());
        assert!(from_bytes::<HeardDocument>(&bytes).is_err());
        assert!(from_bytes::<ValuesDocument>(&bytes).is_err());
        assert!(from_bytes::<Reply>(&bytes).is_err());
    }
}

#[test]
fn wildcards_and_paths_are_no_ids() {
    for text in ["", "+", "#", "a/b", "..", "GW", "gw 7", "网关", "a_b", "a\0", &"a".repeat(33)] {
        assert!(text.parse::<Id>().is_err(), "{text:?}");
        assert!(from_bytes::<Id>(&to_bytes(&text)).is_err(), "{text:?}");
    }
    for text in
        ["", "01KANEXAMPE000000000000AA", "01KANEXAMPE000000000000AAAA", "81KANEXAMPE000000000000AAA", "+"]
    {
        assert!(text.parse::<AlarmId>().is_err(), "{text:?}");
    }
}

#[test]
fn bad_topics_are_refused() {
    for text in [
        "",
        "shouwang/v1",
        "shouwang/v1/heping",
        "shouwang/v1/heping/gw-0007",
        "shouwang/v1/heping/gw-0007/",
        "shouwang/v2/heping/gw-0007/state",
        "/shouwang/v1/heping/gw-0007/state",
        "shouwang/v1/+/gw-0007/state",
        "shouwang/v1/heping/#",
        "shouwang/v1/heping/gw-0007/state/",
        "shouwang/v1/heping/gw-0007/State",
        "shouwang/v1/heping/gw-0007/event/1",
        "shouwang/v1/heping/gw-0007/device/smoke-1",
        "shouwang/v1/heping/gw-0007/device/smoke-1/state/x",
        "shouwang/v1/heping/gw-0007/alarm/xyz",
        "shouwang/v1/heping/gw-0007/heard",
        "shouwang/v1/heping/gw-0007/command/format",
        "shouwang/v1/heping/gw-0007/reply/acknowledge/x",
        "$SYS/broker/uptime",
    ] {
        assert!(text.parse::<Topic>().is_err(), "{text:?}");
    }
    let long = "shouwang/v1/".repeat(10_000);
    assert!(long.parse::<Topic>().unwrap_err().0.len() < 200, "the error quotes a bounded piece");
}

fn ids() -> impl Strategy<Value = Id> {
    "[a-z0-9-]{1,32}".prop_map(|text| text.parse().unwrap())
}

fn topics() -> impl Strategy<Value = Topic> {
    let names = || prop::sample::select(CommandName::ALL);
    let leaves = prop_oneof![
        prop::sample::select(vec![Leaf::State, Leaf::Info, Leaf::Heartbeat, Leaf::Event, Leaf::History]),
        ids().prop_map(Leaf::DeviceState),
        ids().prop_map(Leaf::DeviceValues),
        ids().prop_map(Leaf::Heard),
        (0..1_u64 << 48, any::<u128>()).prop_map(|(ms, chance)| Leaf::Alarm(AlarmId::from_parts(ms, chance))),
        names().prop_map(Leaf::Command),
        names().prop_map(Leaf::Reply),
    ];
    (ids(), ids(), leaves).prop_map(|(site, gateway, leaf)| Topic { site, gateway, leaf })
}

proptest! {
    #[test]
    fn topics_round_trip(topic in topics()) {
        prop_assert_eq!(topic.to_string().parse::<Topic>(), Ok(topic));
    }

    #[test]
    fn any_text_as_topic_is_read_or_refused(text in "(shouwang/v1/)?[a-z0-9/+#-]{0,60}") {
        if let Ok(topic) = text.parse::<Topic>() {
            prop_assert_eq!(topic.to_string(), text);
        }
    }

    #[test]
    fn times_round_trip(ms in 0..=Timestamp::MAX_UNIX_MS) {
        let time = Timestamp::from_unix_ms(ms);
        prop_assert_eq!(time.to_string().len(), 24);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn any_bytes_give_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = from_bytes::<Event>(&bytes);
        let _ = from_bytes::<AlarmDocument>(&bytes);
        let _ = from_bytes::<InfoDocument>(&bytes);
    }

    #[test]
    fn a_sound_event_with_bytes_turned_never_panics(
        turns in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = gap_event().to_string().into_bytes();
        for (place, byte) in turns {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(event) = from_bytes::<Event>(&bytes) {
            prop_assert_eq!(from_bytes::<Event>(&to_bytes(&event)).unwrap(), event);
        }
    }
}
