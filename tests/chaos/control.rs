//! The harness itself on trial: what it must not miss, done on purpose. An oracle that accepts these proves
//! nothing.
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;
use shouwang_tests::{Listener, clock, wait_for, wait_until};

use crate::oracle::{self, Oracle};
use crate::run::converge;
use crate::schedule::{Act, Who};
use crate::stores;
use crate::world::World;

const LIMIT: Duration = Duration::from_secs(20);

/// A world that has lived well: alarms were raised, heard, and are equal on both disks.
fn good_world(name: &str) -> (World, Oracle) {
    let mut world = World::start(name, true);
    let mut oracle = Oracle::new(&world);
    for device in 0..4 {
        world.apply(Act::Smoke(device, true));
    }
    converge(&mut world, &mut oracle);
    oracle.conclude(&world);
    assert!(oracle.violations.is_empty(), "{}", oracle.violations.join("\n"));
    (world, oracle)
}

#[test]
fn one_event_lost_changed_or_invented_is_seen() {
    let (mut world, _) = good_world("control-duty-room");
    assert_eq!((world.gateway.end(), world.duty_room.end()), ("exit 0".to_owned(), "exit 0".to_owned()));
    let committed = stores::committed(&world.gateway_state()).expect("the log");
    let file = world.duty_room_state().join("duty-room.db");
    let differences = || {
        let heard = stores::heard(&world.duty_room_state()).expect("what was heard");
        oracle::differences(&committed, &heard)
    };
    let doctor = |sql: &str| {
        let disk = Connection::open(&file).expect("the duty room's disk");
        assert_eq!(disk.execute(sql, []).expect("a doctored disk"), 1);
    };
    assert_eq!(differences(), [] as [&str; 0]);
    doctor(
        "INSERT INTO event SELECT site, gateway, log, sequence + 1000, time_ms, type, body FROM event WHERE sequence = 2",
    );
    assert!(matches!(&differences()[..], [one] if one.starts_with("heard and never committed")));
    doctor("DELETE FROM event WHERE sequence > 1000");
    doctor(
        "UPDATE event SET body = CAST(replace(body, 'true', 'false') AS BLOB) WHERE sequence = (SELECT max(sequence) FROM event)",
    );
    assert!(matches!(&differences()[..], [one] if one.starts_with("heard otherwise")), "{:?}", differences());
    doctor("DELETE FROM event WHERE sequence = (SELECT max(sequence) FROM event)");
    assert!(matches!(&differences()[..], [one] if one.starts_with("committed and not heard")));
    world.remove();
}

/// A duty room that says it has heard what it has not: the gateway closes it, and only the disks know better.
#[test]
fn a_receipt_for_what_is_on_no_disk_is_seen() {
    let (mut world, mut oracle) = good_world("control-receipt");
    let liar = Listener::start(&world.broker);
    world.apply(Act::Kill(Who::DutyRoom));
    let before = stores::mark(&world.gateway_state()).expect("the log");
    world.apply(Act::Smoke(5, true));
    let now = wait_for(LIMIT, "the alarm should be committed", || {
        stores::mark(&world.gateway_state()).ok().filter(|mark| mark.committed > before.committed)
    });
    oracle.look(&world);
    assert_eq!(oracle.violations, [] as [&str; 0], "an honest silence is no violation");
    let lie = json!({ "log": now.log, "up_to": now.committed, "armed": 0, "at": clock::wall() });
    liar.publish("heard/duty-1", true, lie.to_string());
    wait_until(LIMIT, "the gateway should believe the receipt", || {
        stores::mark(&world.gateway_state()).is_ok_and(|mark| mark.heard == now.committed)
    });
    oracle.look(&world);
    let seen = oracle.violations.iter().any(|violation| violation.contains("the gateway has closed"));
    assert!(seen, "the oracle saw only {:?}", oracle.violations);
    world.remove();
}

/// A register that the gateway was never told of, and a claim that is on no disk.
#[test]
fn a_missed_alarm_and_an_empty_claim_are_seen() {
    let (mut world, mut oracle) = good_world("control-claim");
    let liar = Listener::start(&world.broker);
    let committed = stores::committed(&world.gateway_state()).expect("the log");
    let mut event = committed.values().next_back().expect("an event").clone();
    event["data"]["revision"] = json!(77);
    liar.publish("event", false, event.to_string());
    wait_until(LIMIT, "the claim should be seen to be empty", || {
        oracle.look(&world);
        oracle.violations.iter().any(|violation| violation.starts_with("told and not on disk"))
    });
    world.registers[5].smoke = true;
    let wrong = oracle::disagreements("the log", &world.registers, &oracle::active_in(&committed));
    assert!(matches!(&wrong[..], [one] if one.starts_with("smoke-6 smokes")), "{wrong:?}");
    world.remove();
}

/// The shim's clock reaches the program: its events are dated as it says.
#[test]
fn a_shifted_clock_dates_events() {
    let (mut world, _) = good_world("control-clock");
    world.apply(Act::Clock(Who::Gateway, 365 * 86_400));
    let this_year = clock::wall().to_string();
    let is_dated_later =
        |event: &serde_json::Value| event["time"].as_str().is_some_and(|time| time[..4] > this_year[..4]);
    world.apply(Act::Smoke(5, true));
    wait_until(LIMIT, "an event should be dated a year later", || {
        let committed = stores::committed(&world.gateway_state()).unwrap_or_default();
        committed.values().any(is_dated_later)
    });
    world.remove();
}
