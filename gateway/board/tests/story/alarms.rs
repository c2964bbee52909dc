//! Stories of the list: provisional rows, acknowledging, lost gateways and devices, order, bounds.
use shouwang_board::{CaseStep, Conclusion, Input, ListState, Outcome, Request};
use shouwang_message::*;

use crate::world::*;

fn acknowledged(document: AlarmDocument, by: &str) -> AlarmDocument {
    AlarmDocument {
        revision: document.revision + 1,
        acknowledged: Some(Acknowledged { by: by.into(), at: wall(Instant::default()) }),
        ..document
    }
}

fn change(sequence: u64, change: AlarmChange, document: AlarmDocument) -> Event {
    event(sequence, EventData::Alarm(change, document.into()))
}

#[test]
fn a_retained_alarm_is_shown_before_its_event() {
    let mut world = World::new();
    world.alarm(&smoke(1), true);
    assert_eq!(world.shown(), lines("alarm smoke r1 active provisional"));
    world.event(&raised(1, smoke(1)));
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
    // The document runs ahead of its event again; an older one changes nothing.
    world.alarm(&acknowledged(smoke(2), "u-7"), true);
    world.alarm(&smoke(2), true);
    assert_eq!(world.shown(), lines("alarm smoke r3 active provisional by u-7"));
}

#[test]
fn an_emptied_topic_deletes_nothing_that_was_not_finished() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.alarm(&smoke(1), true);
    world.arrive(&format!("gw-1/alarm/{SMOKE}"), Vec::new(), false);
    world.heartbeat(1, 1);
    world.pass(5);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
}

#[test]
fn an_alarm_shown_but_never_logged_is_a_loss() {
    let mut world = World::new();
    world.event(&tick(1));
    world.alarm(&AlarmDocument { unlogged: true, ..smoke(1) }, false);
    world.arrive(&format!("gw-1/alarm/{SMOKE}"), Vec::new(), false);
    world.heartbeat(1, 2);
    assert_eq!(world.shown(), lines("alarm smoke r1 active provisional"), "its event may still come");
    world.event(&tick(2));
    world.heartbeat(1, 2);
    assert_eq!(world.shown(), lines("gap never_logged r0 active"));
}

#[test]
fn what_was_told_unlogged_and_died_with_its_process_gives_way_to_the_log() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    // The disk fails: it cleared and cried again, and nothing of it is on disk when the process is killed.
    let cleared = AlarmDocument { active: false, cleared_at: Some(wall(world.now)), ..smoke(4) };
    world.alarm(&AlarmDocument { unlogged: true, ..cleared }, false);
    assert_eq!(world.shown(), lines("alarm smoke r4 cleared provisional"));
    world.event(&raised(1, smoke(1)));
    assert_eq!(
        world.shown(),
        lines("alarm smoke r4 cleared provisional"),
        "an echo of the log says nothing new"
    );
    world.ready(2, 1);
    world.alarm(&smoke(1), false);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"), "the next process tells what it has on disk");
    world.alarm(&smoke(2), false);
    world.event(&change(2, AlarmChange::Repeated, smoke(2)));
    assert_eq!(world.shown(), lines("alarm smoke r2 active"));
}

fn unlogged_and_cleared(revision: u32) -> AlarmDocument {
    let cleared_at = Some(wall(Instant::default()));
    AlarmDocument { active: false, cleared_at, unlogged: true, ..smoke(revision) }
}

#[test]
fn a_new_process_ends_the_word_of_what_was_told_unlogged() {
    let mut world = World::new();
    world.ready(1, 1);
    world.event(&raised(1, smoke(1)));
    world.alarm(&unlogged_and_cleared(3), false);
    world.ready(1, 2);
    assert_eq!(
        world.shown(),
        lines("alarm smoke r3 cleared provisional"),
        "the same process, connected again"
    );
    // Power is cut, and the broker loses the document that the next process tells.
    world.ready(2, 1);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"), "as it was last logged");
    world.alarm(&unlogged_and_cleared(2), false);
    assert_eq!(world.shown(), lines("alarm smoke r2 cleared provisional"), "its own word counts");
}

#[test]
fn a_new_log_ends_the_word_of_what_was_told_unlogged() {
    let mut world = World::new();
    world.ready(3, 1);
    world.event(&raised(1, smoke(1)));
    world.alarm(&unlogged_and_cleared(3), false);
    // Its database was damaged and put aside: boots are counted from 1 again.
    world.event(&Event { log: "01KANEXAMPE000000000000BBB".parse().unwrap(), ..tick(1) });
    assert_eq!(world.shown(), lines("alarm smoke r1 active"), "as it was last logged");
}

#[test]
fn where_nothing_logged_was_known_the_log_says_what_is_so() {
    let mut world = World::new();
    world.heartbeat(1, 0);
    world.alarm(&unlogged_and_cleared(3), false);
    world.heartbeat(2, 1);
    assert_eq!(world.shown(), lines("alarm smoke r3 cleared provisional"));
    world.event(&raised(1, smoke(1)));
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));

    // Or its own process does, whose disk fails too.
    let mut world = World::new();
    world.heartbeat(1, 0);
    world.alarm(&unlogged_and_cleared(3), false);
    world.heartbeat(2, 1);
    world.alarm(&AlarmDocument { unlogged: true, ..smoke(2) }, false);
    assert_eq!(world.shown(), lines("alarm smoke r2 active provisional"));
}

#[test]
fn an_acknowledgement_is_stored_shown_sent_and_confirmed() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.take_transcript();
    world.auto_commit = false;
    world.ask(1, "u-7", Request::Acknowledge);
    assert_eq!(world.take_transcript(), lines("commit 2 []"), "save, then speak");
    assert_eq!(world.shown(), lines("alarm smoke r1 active pending by u-7"));
    assert!(world.answers.is_empty());
    world.commit();
    world.auto_commit = true;
    assert_eq!(world.take_transcript(), lines("command gw-1 acknowledge"));
    let (1, Outcome::Taken { row }) = &world.answers[0] else { panic!("{:?}", world.answers) };
    assert_eq!((&row["pending"], &row["acknowledged"]["by"]), (&true.into(), &"u-7".into()));

    // A second person is told who was first, before and after the gateway's word.
    world.ask(2, "u-8", Request::Acknowledge);
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(smoke(1), "u-7")));
    world.ask(3, "u-8", Request::Acknowledge);
    for (_, outcome) in &world.answers[1..] {
        let Outcome::AlreadyAcknowledged { acknowledged, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!(acknowledged.by, "u-7");
    }
    assert_eq!(world.shown(), lines("alarm smoke r2 active by u-7"));
    world.pass(9);
    assert!(!world.kept.keys().any(|key| key.starts_with("asked/")));
}

#[test]
fn an_unconfirmed_request_is_sent_again_with_a_new_nonce_and_after_a_kill() {
    let mut world = World::new();
    world.ready(1, 1);
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.pass(16);
    world.ready(1, 2);
    world.kill();
    let sent: Vec<_> = world.commands.iter().filter(|(name, _)| *name == CommandName::Acknowledge).collect();
    assert_eq!(sent.len(), 4, "at once, after 15 s, on ready, after the restart");
    for (_, payload) in &sent {
        assert_eq!((&payload.txn, payload.at), (&sent[0].1.txn, sent[0].1.at));
        assert_eq!(payload.expires.unix_ms() - payload.at.unix_ms(), 600_000);
    }
    let nonces: std::collections::BTreeSet<_> = sent.iter().map(|(_, payload)| &payload.nonce).collect();
    assert_eq!(nonces.len(), 4);
    assert_eq!(world.shown(), lines("alarm smoke r1 active pending by u-7"));
}

#[test]
fn a_refused_request_is_taken_back_and_says_why() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Reset);
    let txn = world.commands[0].1.txn.clone();
    let error = CommandError { code: "still_active".into(), text: Text::new("仍在报警", "Still active") };
    world.reply("reset", &Reply { txn, ok: false, error: Some(error) });
    assert_eq!(world.shown(), lines("alarm smoke r1 active refused still_active"));
}

#[test]
fn a_reply_of_another_gateway_confirms_nothing() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Silence);
    let txn = world.commands[0].1.txn.clone();
    world.arrive("gw-2/reply/silence", to_bytes(&Reply { txn, ok: true, error: None }), false);
    assert_eq!(world.shown(), lines("alarm smoke r1 active pending"));
}

#[test]
fn a_request_nobody_confirms_expires_and_is_told() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.pass(599);
    assert!(world.shown().contains(&"alarm smoke r1 active pending gateway_lost by u-7".to_owned()));
    world.pass(2);
    assert_eq!(
        world.shown(),
        lines(
            "alarm smoke r1 active gateway_lost\ngateway gateway_lost r0 active gateway_lost\ngap commands r0 active gateway_lost"
        )
    );
    assert!(!world.kept.keys().any(|key| key.starts_with("asked/")));
}

#[test]
fn a_second_cry_needs_a_new_acknowledgement() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ask(1, "u-7", Request::Acknowledge);
    world.event(&change(2, AlarmChange::Repeated, AlarmDocument { occurrence: 2, ..smoke(2) }));
    assert_eq!(world.shown(), lines("alarm smoke r2 active"));
}

#[test]
fn what_must_not_be_asked_is_refused_here() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let until = Timestamp::from_unix_ms(wall(world.now).unix_ms() + 1_800_000);
    world.ask(1, "u-7", Request::Shelve { until, second: None });
    world.ask(2, "u-7", Request::OutOfService { until, second: Some("u-7".into()) });
    let codes: Vec<_> = world
        .answers
        .iter()
        .map(|(_, outcome)| match outcome {
            Outcome::Refused { code, .. } => *code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, ["never_shelved", "reason_missing"]);
    assert!(world.commands.is_empty());
}

#[test]
fn a_finished_alarm_leaves_the_list_and_does_not_come_back() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    let mut done = acknowledged(smoke(4), "u-7");
    (done.active, done.latched, done.cleared_at) = (false, false, Some(wall(world.now)));
    world.event(&change(2, AlarmChange::Finished, done));
    world.alarm(&smoke(1), true);
    assert_eq!(world.shown(), lines("alarm smoke r5 cleared by u-7"), "it waits for a person's conclusion");
    world.ask(1, "u-8", Request::Reset);
    assert!(matches!(world.answers[0].1, Outcome::Refused { code: "finished", .. }));
    world.kill();
    let row = &world.rows()[0];
    assert_eq!((&row["finished"], &row["case"]), (&true.into(), &"accepted".into()));
    world.case("u-8", CaseStep::Handle { conclusion: Conclusion::Real, of: None }, "");
    assert!(world.rows().is_empty());
    assert_eq!(world.board.list(ListState::All).len(), 1);
    world.kill();
    assert_eq!((world.rows().len(), world.board.list(ListState::All).len()), (0, 1));
}

#[test]
fn a_finished_row_shows_its_last_event() {
    let mut world = World::new();
    let ended = |revision, class| AlarmDocument {
        active: false,
        latched: false,
        cleared_at: Some(wall(Instant::default())),
        acknowledged: Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) }),
        class,
        ..smoke(revision)
    };
    world.event(&raised(1, smoke(1)));
    // The finish is here first; nothing that comes after it goes back to what was before.
    world.event(&change(3, AlarmChange::Finished, ended(3, Class::Smoke)));
    assert_eq!(world.shown(), lines("alarm smoke r3 cleared provisional by u-7"));
    world.event(&change(2, AlarmChange::Cleared, ended(2, Class::Smoke)));
    assert_eq!(world.shown(), lines("alarm smoke r3 cleared by u-7"));

    // In order, and off the list at once: the same.
    let mut world = World::new();
    world.event(&raised(1, AlarmDocument { class: Class::Leak, ..smoke(1) }));
    world.event(&change(2, AlarmChange::Cleared, ended(2, Class::Leak)));
    world.event(&change(3, AlarmChange::Finished, ended(3, Class::Leak)));
    world.kill();
    let finished = world.board.list(ListState::All);
    assert_eq!((&finished[0]["revision"], &finished[0]["provisional"]), (&3.into(), &false.into()));
}

#[test]
fn a_gateway_is_lost_by_its_newest_will_only() {
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.ready(2, 5);
    world.state(GatewayState::Lost, 2, 4, false);
    world.state(GatewayState::Lost, 1, 9, true);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
    world.state(GatewayState::Lost, 2, 5, false);
    assert_eq!(
        world.shown(),
        lines("alarm smoke r1 active gateway_lost\ngateway gateway_lost r0 active gateway_lost")
    );
    world.ready(2, 6);
    assert_eq!(world.shown(), lines("alarm smoke r1 active"));
    world.state(GatewayState::Stopped, 2, 6, false);
    assert_eq!(world.shown()[1], "gateway gateway_stopped r0 active gateway_lost");
}

#[test]
fn a_silent_gateway_is_lost_after_thirty_seconds_and_back_on_a_heartbeat() {
    let mut world = World::new();
    world.ready(1, 1);
    world.pass(29);
    world.heartbeat(1, 0);
    world.pass(29);
    assert!(world.rows().is_empty());
    world.pass(1);
    assert_eq!(world.shown(), lines("gateway gateway_lost r0 active gateway_lost"));
    world.heartbeat(1, 0);
    assert!(world.rows().is_empty());
}

#[test]
fn while_our_own_link_is_down_no_gateway_is_judged() {
    let mut world = World::new();
    world.ready(1, 1);
    world.give(Input::LinkDown);
    world.pass(120);
    assert_eq!(world.shown(), lines("fault broker_down r0 active"));
    world.give(Input::LinkUp);
    world.pass(29);
    assert!(world.rows().is_empty());
    world.pass(2);
    assert_eq!(world.shown(), lines("gateway gateway_lost r0 active gateway_lost"));
}

fn device_state(state: DeviceState, world: &World) -> Vec<u8> {
    to_bytes(&DeviceStateDocument::new(state, wall(world.now), Some("timeout".into())))
}

#[test]
fn a_lost_device_is_one_fault_however_it_is_told() {
    let mut world = World::new();
    world.ready(1, 1);
    let lost = device_state(DeviceState::Lost, &world);
    world.arrive("gw-1/device/smoke-3-2-402/state", lost, true);
    world.pass(5);
    assert_eq!(world.shown(), lines("fault device_lost r0 active"));
    let fault = FaultDocument {
        id: AlarmId::from_parts(5, 5),
        gateway: id("gw-1"),
        device: Some(id("smoke-3-2-402")),
        line: None,
        code: "timeout".into(),
        class: Some(Class::Smoke),
        priority: Priority::Urgent,
        active: true,
        raised_at: wall(world.now),
        cleared_at: None,
        clock: Clock::Synced,
        place: Place::default(),
        text: Text::new("失联", "Lost"),
    };
    world.event(&event(1, EventData::FaultRaised(fault.clone())));
    assert_eq!(world.shown(), lines("fault timeout r0 active"));
    world.kill();
    assert_eq!(world.shown(), lines("fault timeout r0 active"));
    world.event(&event(2, EventData::FaultCleared(FaultDocument { active: false, ..fault })));
    let online = device_state(DeviceState::Online, &world);
    world.arrive("gw-1/device/smoke-3-2-402/state", online, true);
    world.pass(10);
    assert!(world.rows().is_empty());
}

#[test]
fn a_gap_stays_until_a_person_has_seen_it() {
    let mut world = World::new();
    let record = GapRecord {
        what: "readings".into(),
        count: 7,
        from: None,
        to: wall(world.now),
        why: Text::new("队列已满", "queue full"),
    };
    world.event(&event(1, EventData::Gap(record.clone())));
    world.event(&event(2, EventData::Gap(record)));
    world.kill();
    assert_eq!(world.shown(), lines("gap readings r0 active x14"));
    let alarm = world.rows()[0]["id"].as_str().unwrap().parse().unwrap();
    let asked = asked_about(alarm, Request::Acknowledge);
    world.give(Input::Asked { ticket: 1, asked });
    assert!(matches!(world.answers[0].1, Outcome::Taken { .. }));
    assert!(world.rows().is_empty());
}

#[test]
fn rows_are_in_the_order_in_which_people_should_act() {
    let mut world = World::new();
    let make = |n: u64, priority, active, by: Option<&str>| AlarmDocument {
        id: AlarmId::from_parts(n, 0),
        condition: format!("c{n}"),
        priority,
        active,
        raised_at: Timestamp::from_unix_ms(i64::try_from(n).unwrap()),
        acknowledged: by.map(|by| Acknowledged { by: by.into(), at: wall(Instant::default()) }),
        ..smoke(1)
    };
    let rows = [
        make(1, Priority::Emergency, true, Some("u-7")),
        make(2, Priority::Advisory, true, None),
        make(3, Priority::Emergency, false, None),
        make(4, Priority::Emergency, true, None),
        make(5, Priority::Urgent, true, None),
        make(6, Priority::Emergency, true, None),
    ];
    for (n, row) in (1..).zip(rows) {
        world.event(&raised(n, row));
    }
    let order: Vec<_> =
        world.rows().iter().map(|row| row["condition"].as_str().unwrap().to_owned()).collect();
    assert_eq!(order, ["c4", "c6", "c5", "c2", "c3", "c1"]);
}

#[test]
fn the_hash_tells_lists_apart_and_is_stable() {
    let mut world = World::new();
    assert_eq!(world.board.open_hash(), "cbf29ce484222325", "FNV-1a of nothing");
    world.event(&raised(1, smoke(1)));
    let first = world.board.open_hash();
    world.event(&change(2, AlarmChange::Acknowledged, acknowledged(smoke(1), "u-7")));
    let second = world.board.open_hash();
    assert_ne!(first, second);
    world.kill();
    assert_eq!(world.board.open_hash(), second);
}

#[test]
fn texts_from_outside_are_bounded_and_plain() {
    let mut world = World::new();
    let text = Text::new(format!("烟\u{202e}感\u{7}{}", "x".repeat(5_000)), "<script>alert(1)</script>");
    world.event(&raised(1, AlarmDocument { text, ..smoke(1) }));
    let row = &world.rows()[0];
    let zh = row["text"]["zh"].as_str().unwrap();
    assert!(zh.starts_with("烟感xxx") && zh.chars().count() == 200);
    assert_eq!(row["text"]["en"], "<script>alert(1)</script>", "escaping is the page's work");
}

#[test]
fn twenty_thousand_rows_are_the_bound_and_an_emergency_still_gets_in() {
    let mut world = World::new();
    let bound = shouwang_board::bounds::OPEN_ROWS + shouwang_board::bounds::GAP_ROWS;
    for n in 0..bound as u64 {
        let row = AlarmDocument { id: AlarmId::from_parts(n, 1), priority: Priority::Advisory, ..smoke(1) };
        world.alarm(&row, true);
    }
    world.alarm(&AlarmDocument { priority: Priority::Advisory, ..smoke(1) }, true);
    assert_eq!(world.rows().len(), bound + 1, "refused, with one row that says so");
    world.event(&raised(1, smoke(1)));
    let rows = world.shown();
    assert_eq!(rows[0], "alarm smoke r1 active");
    assert!(rows.iter().any(|row| row.starts_with("gap rows_not_shown") && row.ends_with("x2")));
    assert_eq!(rows.len(), bound + 1);
}

/// No event tells it: a row is no less on disk for it, in whatever order the two arrive.
#[test]
fn whom_the_gateway_texted_needs_no_event() {
    let texted = |revision| {
        let texted = vec![Texted { to: "u-7".into(), at: wall(Instant::default()) }];
        AlarmDocument { texted, ..smoke(revision) }
    };
    let mut world = World::new();
    world.alarm(&texted(2), true);
    assert_eq!(world.shown(), lines("alarm smoke r2 active provisional"));
    world.event(&raised(1, smoke(1)));
    assert_eq!(world.shown(), lines("alarm smoke r2 active"));
    let mut world = World::new();
    world.event(&raised(1, smoke(1)));
    world.alarm(&texted(2), true);
    assert_eq!(world.shown(), lines("alarm smoke r2 active"));
    world.alarm(&AlarmDocument { active: false, ..texted(3) }, true);
    assert_eq!(world.shown(), lines("alarm smoke r3 cleared provisional"), "anything else does");
    world.kill();
    world.alarm(&texted(2), true);
    assert_eq!(world.shown(), lines("alarm smoke r2 active"), "over a restart too");
}
