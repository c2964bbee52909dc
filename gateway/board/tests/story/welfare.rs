//! Stories of who lives alone: how each rule stands is shown, and a pause is asked of the gateway, bounded and logged.
use shouwang_board::{DeskAsked, DeskStep, Input, Outcome, WelfareAsked};
use shouwang_message::*;

use crate::world::*;

fn rule(standing: WelfareStanding, pause: Option<WelfarePause>) -> WelfareDocument {
    WelfareDocument {
        id: id("flat-402"),
        name: "3号楼2单元402".into(),
        sign: WelfareSign::Water,
        standing,
        window_s: 43_200,
        active_at: None,
        trickles: false,
        pause,
    }
}

fn tells(world: &mut World, gateway: &str, welfare: Vec<WelfareDocument>) {
    let state = DeviceStateDocument::new(DeviceState::Online, wall(world.now), None);
    let state = DeviceStateDocument { welfare, ..state };
    world.arrive(&format!("{gateway}/device/inputs-1/state"), to_bytes(&state), true);
}

fn watched() -> World {
    let mut world = World::new();
    world.ready(1, 1);
    tells(&mut world, "gw-1", vec![rule(WelfareStanding::Watching, None)]);
    world
}

fn pause(world: &mut World, name: &str, gateway: Option<&str>, hours: Option<i64>) -> Outcome {
    let until = hours.map(|hours| Timestamp::from_unix_ms(wall(world.now).unix_ms() + hours * 3_600_000));
    let wish =
        WelfareAsked { rule: id(name), gateway: gateway.map(id), until, reason: WelfareReason::Hospital };
    let step = DeskStep::PauseWelfare(wish);
    let asked = DeskAsked { by: "u-7".into(), from: "192.0.2.7".into(), step };
    world.give(Input::DeskAsked { ticket: 9, asked });
    world.answers.pop().unwrap().1
}

fn refusal(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Refused { code, .. } => code,
        _ => "none",
    }
}

#[test]
fn a_stay_in_hospital_is_asked_of_the_gateway_and_shown_as_it_says() {
    let mut world = watched();
    assert_eq!(refusal(&pause(&mut world, "flat-999", None, Some(1))), "unknown_welfare");
    assert_eq!(refusal(&pause(&mut world, "flat-402", Some("gw-9"), Some(1))), "unknown_welfare");
    assert_eq!(refusal(&pause(&mut world, "flat-402", None, Some(-1))), "until");
    assert_eq!(refusal(&pause(&mut world, "flat-402", None, Some(91 * 24))), "too_long");
    let outcome = pause(&mut world, "flat-402", None, Some(72));
    assert!(matches!(&outcome, Outcome::Taken { row } if row["pending"] == true), "{outcome:?}");
    let (name, payload) = world.commands.last().unwrap().clone();
    assert_eq!((name, payload.alarm, payload.device.clone()), (CommandName::Pause, None, None));
    assert_eq!((payload.welfare, payload.reason.as_deref()), (Some(id("flat-402")), Some("hospital")));
    assert_eq!(payload.to.as_deref(), Some("heping/gw-1/pause"));
    let line = world.log.last().unwrap();
    assert!(
        line.what == "welfare.pause" && line.new.as_deref().unwrap().contains("hospital until"),
        "{line:?}"
    );
    let item = &world.board.welfare()[0];
    assert_eq!((&item["standing"], &item["pending"]["reason"]), (&"watching".into(), &"hospital".into()));

    // A killed room asks again; the gateway says yes, and how the rule stands.
    world.kill();
    world.ready(1, 2);
    world.reply("pause", &Reply { txn: payload.txn, ok: true, error: None });
    assert!(!world.kept.keys().any(|key| key.starts_with("asked/")));
    let told =
        WelfarePause { by: "u-7".into(), reason: WelfareReason::Hospital, until: payload.until.unwrap() };
    tells(&mut world, "gw-1", vec![rule(WelfareStanding::Paused, Some(told))]);
    let item = &world.board.welfare()[0];
    assert_eq!((&item["standing"], &item["pause"]["by"]), (&"paused".into(), &"u-7".into()), "{item}");
    assert_eq!(
        world.board.situation()["welfare"],
        serde_json::json!({ "rules": 1, "paused": 1, "unknown": 0 })
    );

    // Home again.
    pause(&mut world, "flat-402", None, None);
    let (_, payload) = world.commands.last().unwrap();
    assert_eq!((payload.until, payload.reason.as_deref()), (None, None));
}

#[test]
fn a_name_that_two_gateways_have_needs_its_gateway_too() {
    let mut world = watched();
    tells(&mut world, "gw-2", vec![rule(WelfareStanding::Unknown, None)]);
    assert_eq!(refusal(&pause(&mut world, "flat-402", None, Some(1))), "gateway_missing");
    assert!(matches!(pause(&mut world, "flat-402", Some("gw-2"), Some(1)), Outcome::Taken { .. }));
    assert_eq!(world.board.situation()["welfare"]["unknown"], 1);
}

#[test]
fn a_gateway_that_tells_too_much_is_cut_short() {
    let mut world = World::new();
    world.ready(1, 1);
    let many = |n: u32| WelfareDocument {
        id: id(&format!("flat-{n}")),
        name: "\u{202e}<b>".repeat(50),
        ..rule(WelfareStanding::Watching, None)
    };
    tells(&mut world, "gw-1", (0..60).map(many).collect());
    let items = world.board.welfare();
    assert_eq!(items.len(), shouwang_board::bounds::RULES_PER_DEVICE);
    let name = items[0]["name"].as_str().unwrap();
    assert!(name.chars().count() <= 150 && !name.contains('\u{202e}'), "{name}");
}
