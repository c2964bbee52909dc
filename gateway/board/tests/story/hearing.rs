//! Stories of hearing: in sequence, exactly once, saved before it is told, repaired when something is missing.
use proptest::prelude::*;
use shouwang_board::{Input, bounds};
use shouwang_message::*;

use crate::world::*;

#[test]
fn heard_is_told_only_after_the_commit() {
    let mut world = World::new();
    world.auto_commit = false;
    world.event(&raised(1, smoke(1)));
    assert_eq!(world.take_transcript(), lines("commit 1 [1]"));
    assert_eq!(world.shown(), lines("alarm smoke r1 active provisional"));
    world.give(Input::CommitFailed { transaction: 1 });
    assert!(world.take_transcript().iter().all(|line| !line.starts_with("heard")));
    world.commit();
    assert_eq!(world.take_transcript(), lines("commit 2 []\nheard gw-1 up to 1"));
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
}

#[test]
fn whatever_makes_it_speak_only_what_is_on_disk_is_told_as_heard() {
    let mut world = World::new();
    world.event(&tick(1));
    world.auto_commit = false;
    world.event(&tick(2));
    world.take_transcript();
    world.event(&tick(1));
    world.event(&tick(2));
    world.ready(1, 2);
    world.give(Input::Armed { boards: 1 });
    world.give(Input::LinkDown);
    world.give(Input::LinkUp);
    let told = world.take_transcript();
    let heard: Vec<_> = told.iter().filter(|line| line.starts_with("heard")).collect();
    assert_eq!(heard, ["heard gw-1 up to 1"; 4], "a duplicate of 1, ready, armed, link up");
}

#[test]
fn a_duplicate_is_not_committed_again_but_heard_is_repeated() {
    let mut world = World::new();
    world.event(&tick(1));
    world.take_transcript();
    world.event(&tick(1));
    assert_eq!(world.take_transcript(), lines("heard gw-1 up to 1"));
    assert_eq!((world.heard.len(), world.board.counts().duplicates), (1, 1));
}

#[test]
fn a_gap_asks_for_a_resend_and_closes_in_order() {
    let mut world = World::new();
    world.event(&tick(1));
    world.event(&tick(4));
    world.event(&tick(3));
    assert_eq!(
        world.take_transcript(),
        lines("commit 1 [1]\nheard gw-1 up to 1\ncommand gw-1 resend from 2")
    );
    // Nothing comes: asked again every 5 s.
    world.pass(11);
    assert_eq!(world.take_transcript(), lines("command gw-1 resend from 2\ncommand gw-1 resend from 2"));
    world.event(&tick(2));
    assert_eq!(world.take_transcript(), lines("commit 2 [2, 3, 4]\nheard gw-1 up to 4"));
    world.pass(10);
    assert_eq!(world.take_transcript(), Vec::<String>::new());
}

#[test]
fn asking_is_rate_limited() {
    let mut world = World::new();
    world.event(&tick(1));
    for sequence in [3, 5, 7, 9] {
        // Each hole is filled at once and the next one opens.
        world.event(&tick(sequence));
        world.event(&tick(sequence - 1));
    }
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn an_unknown_log_is_asked_for_from_its_beginning() {
    let mut world = World::new();
    world.event(&raised(88_412, smoke(1)));
    assert_eq!(world.take_transcript(), lines("command gw-1 resend from 1"));
    assert_eq!(world.shown(), lines("alarm smoke r1 active provisional"), "an alarm waits for nobody");
}

#[test]
fn what_is_gone_is_jumped_over_and_becomes_a_row() {
    let mut world = World::new();
    world.event(&tick(100));
    let txn = world.commands[0].1.txn.clone();
    let gone = CommandError { code: "too_old".into(), text: Text::new("已清除", "gone") };
    world.reply("resend", &Reply { txn, ok: false, error: Some(gone) });
    // The oldest it has still arrive after the reply; only then is it settled what is gone.
    world.pass(1);
    world.event(&tick(51));
    world.event(&tick(50));
    world.pass(1);
    assert!(world.heard.is_empty());
    world.pass(2);
    assert_eq!(world.heard.len(), 2);
    assert_eq!(world.shown(), lines("gap events_gone r0 active x49"));
    // 52 to 99 were never said to be gone: they are asked for.
    world.pass(6);
    assert_eq!(world.commands.last().unwrap().1.from, Some(52));
    for sequence in 52..100 {
        world.event(&tick(sequence));
    }
    assert_eq!(world.heard.last(), Some(&(LOG.parse().unwrap(), 100)));
}

#[test]
fn a_gap_that_lasts_is_shown() {
    let mut world = World::new();
    world.event(&tick(2));
    world.pass(31);
    assert!(world.shown().contains(&"gap events_missing r0 active gateway_lost".to_owned()));
}

#[test]
fn a_heartbeat_tells_that_the_newest_events_were_lost() {
    let mut world = World::new();
    world.event(&tick(1));
    world.heartbeat(1, 3);
    assert!(world.commands.is_empty(), "they may be on their way");
    world.pass(2);
    assert_eq!(world.commands[0].1.from, Some(2));
    world.event(&tick(2));
    world.event(&tick(3));
    world.heartbeat(1, 3);
    world.pass(20);
    assert_eq!(world.commands.len(), 1);
}

#[test]
fn after_a_kill_nothing_is_heard_twice_and_nothing_is_lost() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.auto_commit = false;
    world.event(&raised(2, AlarmDocument { id: AlarmId::from_parts(1, 1), ..smoke(1) }));
    world.auto_commit = true;
    world.kill();
    assert_eq!(world.shown(), lines("alarm smoke r1 active"), "what was committed is there");
    world.take_transcript();
    world.event(&raised(1, smoke(1)));
    world.event(&raised(2, AlarmDocument { id: AlarmId::from_parts(1, 1), ..smoke(1) }));
    assert_eq!(world.heard.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(world.board.counts().heard, 2);
}

#[test]
fn a_new_log_starts_at_one_beside_the_old() {
    let mut world = World::new();
    world.event(&tick(1));
    world.ready(12, 3);
    let log: LogId = "01KANEXAMPE000000000000BBB".parse().unwrap();
    world.event(&Event { log, ..tick(1) });
    world.state(GatewayState::Lost, 1, 1, false);
    assert_eq!(world.heard.len(), 2);
    assert_eq!(world.shown(), lines("gateway gateway_lost r0 active gateway_lost"));
}

#[test]
fn what_is_not_to_be_trusted_is_counted_and_ignored() {
    let mut world = World::new();
    let event = to_bytes(&raised(1, smoke(1)));
    world.arrive("gw-1/event", event.clone(), true);
    world.arrive("gw-2/event", event.clone(), false);
    world.arrive("gw-1/heard/duty-1", b"{}".to_vec(), true);
    world.arrive("gw-1/command/reset", b"{}".to_vec(), true);
    world.arrive("gw-1/event", vec![b'['; bounds::PAYLOAD_BYTES + 1], false);
    world.arrive("gw-1/event", vec![b'['; bounds::PAYLOAD_BYTES], false);
    world.arrive("gw-1/state", Vec::new(), true);
    world.arrive("gw-2/alarm/01KANEXAMP0000000000000001", to_bytes(&smoke(1)), true);
    let foreign = AlarmDocument { gateway: id("gw-2"), ..smoke(1) };
    world.arrive("gw-1/event", to_bytes(&raised(1, foreign)), false);
    let refused: Vec<_> = world.board.counts().refused.iter().map(|(k, v)| format!("{k} {v}")).collect();
    assert_eq!(refused, ["contradiction 3", "retained 1", "too_long 1", "topic 2", "unreadable 2"]);
    assert_eq!(world.board.gateways().count(), 0);
    assert!(world.rows().is_empty() && world.heard.is_empty() && world.transcript.is_empty());
}

#[test]
fn one_gateway_cannot_touch_anothers_alarm() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let forged = AlarmDocument {
        gateway: id("gw-2"),
        active: false,
        latched: false,
        cleared_at: Some(wall(world.now)),
        acknowledged: Some(Acknowledged { by: "x".into(), at: wall(world.now) }),
        ..smoke(9)
    };
    world.arrive("gw-2/alarm/01KANEXAMP0000000000000001", to_bytes(&forged), true);
    world.arrive("gw-2/alarm/01KANEXAMP0000000000000001", Vec::new(), true);
    let finish = EventData::Alarm(AlarmChange::Finished, forged.into());
    world.event(&Event { gateway: id("gw-2"), ..event(1, finish) });
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
}

#[test]
fn the_sixty_fifth_gateway_is_counted_and_told() {
    let mut world = World::new();
    for n in 0..=bounds::GATEWAYS {
        let document =
            StateDocument { state: GatewayState::Ready, boot: 1, connection: 1, at: wall(world.now) };
        world.arrive(&format!("g-{n}/state"), to_bytes(&document), false);
    }
    assert_eq!(world.board.gateways().count(), bounds::GATEWAYS);
    assert_eq!(world.shown(), lines("gap too_many_gateways r0 active"));
}

#[test]
fn more_events_than_the_disk_takes_are_left_to_be_resent() {
    let mut world = World::new();
    world.auto_commit = false;
    let many = bounds::UNCOMMITTED as u64 + 500;
    for sequence in 1..=many {
        world.event(&tick(sequence));
    }
    assert_eq!(world.board.uncommitted(), bounds::UNCOMMITTED);
    world.auto_commit = true;
    world.commit();
    world.pass(10);
    let from = world.commands.last().unwrap().1.from.unwrap();
    assert_eq!(from, bounds::UNCOMMITTED as u64 + 1);
    for sequence in from..=many {
        world.event(&tick(sequence));
    }
    let heard: Vec<_> = world.heard.iter().map(|(_, sequence)| *sequence).collect();
    assert_eq!(heard, (1..=many).collect::<Vec<_>>());
}

/// A gateway that resends what is asked for, over a link that drops, doubles and reorders.
fn deliver(world: &mut World, total: u64, chances: &[u8]) {
    let mut flying: Vec<u64> = (1..=total).collect();
    let mut asked = 0;
    for chance in chances {
        if flying.is_empty() {
            break;
        }
        let at = usize::from(*chance) * flying.len() / 256;
        match chance % 5 {
            0 => drop(flying.remove(at)),
            1 => world.event(&tick(flying[at])),
            2 => {
                // The disk is slow at times, and the broker goes and comes.
                world.auto_commit = !world.auto_commit;
                world.pass(u64::from(chance % 7));
                world.give(Input::LinkUp);
            }
            _ => {
                let sequence = flying.remove(at);
                world.event(&tick(sequence));
            }
        }
        for (name, payload) in world.commands.split_off(asked) {
            assert_eq!(name, CommandName::Resend);
            asked = 0;
            flying.extend(payload.from.unwrap()..=total);
        }
        flying.truncate(4 * usize::try_from(total).unwrap());
    }
    // Then all heals.
    world.auto_commit = true;
    world.commit();
    world.ready(1, 1);
    for _ in 0..10 {
        world.heartbeat(1, total);
        world.pass(6);
        for (_, payload) in std::mem::take(&mut world.commands) {
            for sequence in payload.from.unwrap()..=total {
                world.event(&tick(sequence));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_link_does_every_event_is_heard_once_and_in_order(
        total in 1_u64..60,
        chances in prop::collection::vec(any::<u8>(), 0..300),
        kill in prop::option::of(0_usize..300),
    ) {
        let mut world = World::new();
        world.event(&tick(1));
        let (before, after) = chances.split_at(kill.unwrap_or(0).min(chances.len()));
        deliver(&mut world, total, before);
        if kill.is_some() {
            world.kill();
            world.commands.clear();
        }
        deliver(&mut world, total, after);
        let heard: Vec<_> = world.heard.iter().map(|(_, sequence)| *sequence).collect();
        prop_assert_eq!(heard, (1..=total).collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_on_any_topic_make_it_panic(
        leaf in "(gw-1|gw-[0-9]{1,3})/(state|info|heartbeat|event|device/a/state|alarm/01KANEXAMP0000000000000001|reply/reset)",
        payload in prop::collection::vec(any::<u8>(), 0..200),
        retained in any::<bool>(),
    ) {
        let mut world = World::new();
        world.arrive(&leaf, payload, retained);
        world.pass(60);
    }
}
