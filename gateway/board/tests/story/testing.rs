//! Stories of a device put to the test: asked of its gateway, bounded, logged, and shown.
use shouwang_board::{DeskAsked, DeskStep, DeviceTest, Input, Outcome};
use shouwang_message::*;

use crate::world::*;

fn test(world: &mut World, name: &str, minutes: u16) -> Outcome {
    let reason = Some("年检".into());
    let step = DeskStep::Test(DeviceTest { device: id(name), gateway: None, minutes, reason });
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
fn a_test_is_asked_of_the_gateway_for_two_hours_at_most() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3")]);
    assert_eq!(refusal(&test(&mut world, "smoke-9", 10)), "unknown_device");
    assert_eq!(refusal(&test(&mut world, "smoke-1", 121)), "too_long");
    assert!(world.commands.iter().all(|(name, _)| *name == CommandName::Resend));
    let outcome = test(&mut world, "smoke-1", 120);
    assert!(matches!(&outcome, Outcome::Taken { row } if row["pending"] == true), "{outcome:?}");
    let (name, payload) = world.commands.last().unwrap();
    assert_eq!(
        (*name, payload.alarm, payload.device.clone()),
        (CommandName::Test, None, Some(id("smoke-1")))
    );
    assert_eq!(payload.until.unwrap().unix_ms() - payload.at.unix_ms(), 7_200_000);
    let line = world.log.last().unwrap();
    assert_eq!((line.what.as_str(), line.note.as_deref()), ("device.test", Some("年检")));

    // The gateway says yes, and then that the device is in test.
    let txn = payload.txn.clone();
    world.reply("test", &Reply { txn, ok: true, error: None });
    assert!(!world.kept.keys().any(|key| key.starts_with("asked/")));
    device(&mut world, "smoke-1", DeviceState::Test, None, 0, false);
    let tests = &world.board.situation()["tests"];
    assert_eq!((&tests["count"], &tests["devices"][0]["device"]), (&1.into(), &"smoke-1".into()));

    // 0 minutes end it.
    test(&mut world, "smoke-1", 0);
    let (_, payload) = world.commands.last().unwrap();
    assert_eq!(payload.until, Some(payload.at));
}

#[test]
fn a_test_sounds_less_than_what_is_real_and_makes_no_flood() {
    let mut world = World::new();
    world.event(&raised(1, AlarmDocument { mode: Mode::Test, ..smoke(1) }));
    assert_eq!(world.rows()[0]["sound"], "double");
    let live = AlarmDocument { id: AlarmId::from_parts(2, 2), device: id("smoke-2"), ..smoke(1) };
    world.event(&raised(2, live));
    assert_eq!(world.rows().iter().filter(|row| row["sound"] == "sweep").count(), 1);
}

#[test]
fn a_name_that_two_gateways_have_needs_its_gateway() {
    let mut world = World::new();
    world.ready(1, 1);
    info(&mut world, &[("smoke-1", "b3")]);
    let state = DeviceStateDocument::new(DeviceState::Online, wall(world.now), None);
    world.arrive("gw-2/device/smoke-1/state", to_bytes(&state), false);
    assert_eq!(refusal(&test(&mut world, "smoke-1", 10)), "gateway_missing");
    let step = DeskStep::Test(DeviceTest {
        device: id("smoke-1"),
        gateway: Some(id("gw-1")),
        minutes: 10,
        reason: None,
    });
    world.give(Input::DeskAsked { ticket: 9, asked: DeskAsked { by: "u-7".into(), from: "a".into(), step } });
    assert!(matches!(world.answers.pop(), Some((9, Outcome::Taken { .. }))));
}
