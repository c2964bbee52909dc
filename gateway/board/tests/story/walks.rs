//! Stories of a walk test at a gateway: asked for there, agreed to here, and shown for as long as it lasts.
use shouwang_board::{DeskAsked, DeskStep, Input, Outcome};
use shouwang_message::*;

use crate::world::*;

fn walk() -> AlarmId {
    AlarmId::from_parts(7, 7)
}

/// The gateway's `/info`, with a walk test asked for by somebody who calls themselves so.
fn info_with_walk(world: &mut World, by: &str, accepted: Option<Acknowledged>) {
    info(world, &[("smoke-1", "b3"), ("smoke-2", "b3")]);
    let asked_at = wall(world.now);
    let walk = WalkInfo { id: walk(), by: by.into(), asked_at, accepted, devices: vec![id("smoke-1")] };
    let document = InfoDocument {
        name: "1".into(),
        version: "1".into(),
        log: LOG.parse().unwrap(),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices: vec![],
        stations: vec![],
        walk: Some(walk),
    };
    world.arrive("gw-1/info", to_bytes(&document), false);
}

fn answer(world: &mut World, agreed: bool) -> Outcome {
    let step = DeskStep::Walk { walk: walk(), agreed };
    world.give(Input::DeskAsked {
        ticket: 9,
        asked: DeskAsked { by: "u-7".into(), from: "192.0.2.7".into(), step },
    });
    world.answers.pop().unwrap().1
}

#[test]
fn an_installer_asks_and_a_person_on_watch_agrees() {
    let mut world = World::new();
    world.ready(1, 1);
    assert!(matches!(answer(&mut world, true), Outcome::Refused { code: "unknown_walk", .. }));
    info_with_walk(&mut world, "老张\u{202e}", None);
    let shown = &world.board.situation()["walks"][0];
    assert_eq!((&shown["by"], &shown["count"]), (&"老张".into(), &1.into()), "nothing turns the text around");
    assert!(shown["accepted"].is_null());
    let outcome = answer(&mut world, true);
    assert!(matches!(&outcome, Outcome::Taken { row } if row["pending"] == true), "{outcome:?}");
    let (name, payload) = world.commands.last().unwrap();
    assert_eq!((*name, payload.walk, payload.alarm), (CommandName::Test, Some(walk()), None));
    assert_eq!(payload.until.unwrap().unix_ms() - payload.at.unix_ms(), 7_200_000);
    let line = world.log.last().unwrap();
    assert_eq!((line.what.as_str(), line.new.as_deref()), ("walk.agree", Some("gw-1: 老张, 1 devices")));
    // The gateway says so, and then that it is over.
    let txn = payload.txn.clone();
    world.reply("test", &Reply { txn, ok: true, error: None });
    assert!(!world.kept.keys().any(|key| key.starts_with("asked/")));
    info_with_walk(&mut world, "老张", Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) }));
    assert_eq!(world.board.situation()["walks"][0]["accepted"]["by"], "u-7");
    assert!(matches!(answer(&mut world, true), Outcome::Refused { code: "accepted", .. }));
    info(&mut world, &[("smoke-1", "b3")]);
    assert_eq!(world.board.situation()["walks"].as_array().unwrap().len(), 0);
}

#[test]
fn a_person_on_watch_may_say_no_also_while_it_is_on() {
    let mut world = World::new();
    world.ready(1, 1);
    for accepted in [None, Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) })] {
        info_with_walk(&mut world, "老张", accepted);
        assert!(matches!(answer(&mut world, false), Outcome::Taken { .. }));
        let (_, payload) = world.commands.last().unwrap();
        assert_eq!((payload.walk, payload.until), (Some(walk()), Some(payload.at)));
        assert_eq!(world.log.last().unwrap().what, "walk.refuse");
    }
}
