//! Thirty poisons (rules.md, S6 and S7): leftovers, forgeries and rubbish on the duty room's topics. Not one of them
//! changes a row, hears an event or moves a gateway, and the next good event is heard as if nothing had been.
use shouwang_message::*;

use crate::world::*;

/// Gateway gw-1 in its twelfth boot, with a smoke alarm at revision 2 and a device that is online.
fn world() -> World {
    let mut world = World::new();
    world.ready(12, 3);
    world.heartbeat(12, 0);
    world.event(&raised(1, smoke(1)));
    world.event(&event(2, EventData::Alarm(AlarmChange::Repeated, smoke(2).into())));
    world.alarm(&smoke(2), false);
    device(&mut world, "smoke-3-2-402", DeviceState::Online, None, 0, false);
    world.heartbeat(12, 2);
    world
}

/// What a person sees of it, and what its gateway was told.
fn seen(world: &World) -> (Vec<String>, Vec<String>, usize) {
    let gateways =
        world.board.gateways().filter(|one| one.name.gateway == id("gw-1") && one.name.site == id("heping"));
    let gateways = gateways.map(|one| format!("{:?} {} {:?}", one.presence, one.up_to, one.title)).collect();
    (world.shown(), gateways, world.heard.len())
}

fn changed(document: &impl serde::Serialize, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(document).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

/// The alarm as a forger would have it: over.
fn over(revision: u32) -> AlarmDocument {
    AlarmDocument {
        active: false,
        latched: false,
        cleared_at: Some(wall(Instant::default())),
        acknowledged: Some(Acknowledged { by: "x".into(), at: wall(Instant::default()) }),
        ..smoke(revision)
    }
}

fn finished(document: AlarmDocument) -> EventData {
    EventData::Alarm(AlarmChange::Finished, document.into())
}

fn state(state: GatewayState, boot: u32, connection: u32) -> Vec<u8> {
    to_bytes(&StateDocument { state, boot, connection, at: wall(Instant::default()) })
}

fn heartbeat(boot: u32, sequence: Sequence) -> Vec<u8> {
    to_bytes(&Heartbeat {
        at: wall(Instant::default()),
        clock: Clock::Synced,
        boot,
        sequence,
        heard: Default::default(),
        outbox: OutboxHealth { unheard: 0, oldest_s: 0 },
        lines: vec![],
        store: StoreHealth::Failing,
    })
}

/// What it is, the topic below `shouwang/v1/`, the payload, and whether the broker had kept it.
type Poison = (&'static str, &'static str, Vec<u8>, bool);

fn leftovers() -> Vec<Poison> {
    let alarm = "heping/gw-1/alarm/01KANEXAMP0000000000000001";
    let device_state = |state| to_bytes(&DeviceStateDocument::new(state, wall(Instant::default()), None));
    let reply = Reply { txn: "t".into(), ok: true, error: None };
    vec![
        ("a kept event", "heping/gw-1/event", to_bytes(&event(3, finished(over(3)))), true),
        ("a kept heartbeat", "heping/gw-1/heartbeat", heartbeat(12, 99), true),
        ("a kept reply", "heping/gw-1/reply/acknowledge", to_bytes(&reply), true),
        ("a kept command", "heping/gw-1/command/reset", b"{}".to_vec(), true),
        ("the will of an older boot", "heping/gw-1/state", state(GatewayState::Lost, 11, 9), true),
        ("the will of an older connection", "heping/gw-1/state", state(GatewayState::Lost, 12, 2), false),
        ("the goodbye of an older boot", "heping/gw-1/state", state(GatewayState::Stopped, 11, 9), false),
        ("a heartbeat of an older boot", "heping/gw-1/heartbeat", heartbeat(11, 99), false),
        ("an older revision, kept", alarm, to_bytes(&over(1)), true),
        ("an older revision, now", alarm, to_bytes(&over(1)), false),
        (
            "an older device state",
            "heping/gw-1/device/smoke-3-2-402/state",
            device_state(DeviceState::Lost),
            true,
        ),
        (
            "an event heard before, with other words",
            "heping/gw-1/event",
            to_bytes(&event(2, finished(over(9)))),
            false,
        ),
    ]
}

fn forgeries() -> Vec<Poison> {
    let foreign = Event { gateway: id("gw-2"), ..event(1, finished(over(9))) };
    let elsewhere = Event { site: id("xingfu"), ..event(2, finished(over(9))) };
    let inside = AlarmDocument { gateway: id("gw-2"), ..over(9) };
    let good = event(3, finished(over(9)));
    let other_alarm = "heping/gw-1/alarm/01KANEXAMP0000000000000009";
    vec![
        ("another gateway's event on our topic", "heping/gw-1/event", to_bytes(&foreign), false),
        ("another site's event on our topic", "heping/gw-1/event", to_bytes(&elsewhere), false),
        ("our alarm told by another gateway", "heping/gw-2/event", to_bytes(&foreign), false),
        ("our alarm told by our namesake elsewhere", "xingfu/gw-1/event", to_bytes(&elsewhere), false),
        (
            "our alarm as another gateway's document",
            "heping/gw-2/alarm/01KANEXAMP0000000000000001",
            to_bytes(&inside),
            true,
        ),
        (
            "our alarm emptied by another gateway",
            "heping/gw-2/alarm/01KANEXAMP0000000000000001",
            Vec::new(),
            true,
        ),
        (
            "an event about another gateway's alarm",
            "heping/gw-1/event",
            to_bytes(&event(3, finished(inside))),
            false,
        ),
        ("a document of another alarm than its topic", other_alarm, to_bytes(&over(9)), true),
        (
            "sequence nought",
            "heping/gw-1/event",
            changed(&good, |event| event["sequence"] = "00000000000000000000".into()),
            false,
        ),
        (
            "a sequence that is not its id's",
            "heping/gw-1/event",
            changed(&good, |event| event["sequence"] = "00000000000000000007".into()),
            false,
        ),
        (
            "a source that is not its topic",
            "heping/gw-1/event",
            changed(&good, |event| event["source"] = "shouwang/v1/heping/gw-2".into()),
            false,
        ),
        (
            "an event of a kind that deletes",
            "heping/gw-1/event",
            changed(&good, |event| event["type"] = "shouwang.alarm.deleted.v1".into()),
            false,
        ),
    ]
}

fn rubbish() -> Vec<Poison> {
    let deep = vec![b'['; 60_000];
    let big = vec![b' '; 1 << 20];
    let word = changed(
        &StateDocument { state: GatewayState::Lost, boot: 13, connection: 1, at: wall(Instant::default()) },
        |state| {
            state["state"] = "burnt".into();
        },
    );
    vec![
        ("a wildcard in a topic", "heping/+/event", to_bytes(&event(3, finished(over(9)))), false),
        ("everything as a topic", "#", to_bytes(&event(3, finished(over(9)))), false),
        ("a path that climbs", "heping/gw-1/../gw-2/event", to_bytes(&event(3, finished(over(9)))), false),
        ("another duty room's receipt", "heping/gw-1/heard/duty-2", b"{}".to_vec(), true),
        ("a hundred thousand brackets", "heping/gw-1/event", deep, false),
        ("a mebibyte of nothing", "heping/gw-1/alarm/01KANEXAMP0000000000000001", big, true),
        ("bytes that are no UTF-8", "heping/gw-1/event", vec![0xFF, 0xFE, 0x00], false),
        ("an emptied state", "heping/gw-1/state", Vec::new(), true),
        ("a state with an unknown word", "heping/gw-1/state", word, true),
    ]
}

#[test]
fn no_poison_changes_anything_and_the_next_good_event_is_heard() {
    let poisons: Vec<Poison> = [leftovers(), forgeries(), rubbish()].concat();
    assert!(poisons.len() >= 30, "{}", poisons.len());
    let mut everything = world();
    for (name, topic, payload, retained) in poisons {
        let topic = format!("shouwang/v1/{topic}");
        let mut alone = world();
        for world in [&mut alone, &mut everything] {
            let before = seen(world);
            let input =
                shouwang_board::Input::Arrived { topic: topic.clone(), payload: payload.clone(), retained };
            world.give(input);
            assert_eq!(seen(world), before, "{name}");
        }
        // What it may have started, it must not finish either.
        alone.event(&event(3, finished(over(3))));
        alone.heartbeat(12, 3);
        assert_eq!(alone.heard.len(), 3, "after {name} the next event is heard");
        assert!(alone.shown().iter().all(|row| !row.contains("active")), "after {name}: {:?}", alone.shown());
    }
    everything.pass(5);
    everything.heartbeat(12, 2);
    let (shown, gateways, heard) = seen(&everything);
    assert_eq!((shown, heard), (lines("alarm smoke r2 active"), 2), "all of them together, {gateways:?}");
}
