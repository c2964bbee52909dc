//! Invariant 5: a disk in trouble holds no alarm back, whatever its trouble; and when it is well again the log
//! and the duty room are as if it had been well all the time.
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::{Listener, clock, wait_for, wait_until};

use crate::oracle::Oracle;
use crate::run::converge;
use crate::schedule::{Act, DEVICES, Who};
use crate::shim::Trouble;
use crate::world::World;

/// 500 ms for the disk, and what R1 allows an alarm on a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(10);
/// A heartbeat says how the store does every 10 s.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

const STORIES: &[(&str, Trouble)] = &[
    ("storage-full", Trouble::Full { every: 1 }),
    ("storage-write-errors", Trouble::WriteError { every: 1 }),
    ("storage-flush-errors", Trouble::SyncError { every: 1 }),
    ("storage-stands-still", Trouble::SlowSync { ms: 5_000 }),
];

#[test]
fn a_disk_in_trouble_holds_no_alarm_back() {
    std::thread::scope(|scope| {
        let stories: Vec<_> =
            STORIES.iter().map(|(name, trouble)| scope.spawn(|| tell(name, *trouble))).collect();
        for story in stories {
            story.join().expect("an alarm is told and kept");
        }
    });
}

fn tell(name: &str, trouble: Trouble) {
    let mut world = World::start(name, true);
    let mut oracle = Oracle::new(&world);
    let listener = Listener::start(&world.broker);
    world.apply(Act::Disk(Who::Gateway, Some(trouble)));
    let began = clock::now();
    for device in [0, DEVICES.len() - 1] {
        world.apply(Act::Smoke(device, true));
    }
    for device in [0, DEVICES.len() - 1] {
        let device = DEVICES[device].0;
        let told = wait_for(TOLD_WITHIN, &format!("{name}: {device} should be told"), || {
            newest_of(&listener, device)
        });
        println!(
            "{name}: {device} is told after {} ms, unlogged: {}",
            began.elapsed().as_millis(),
            told["unlogged"]
        );
        assert!(told["unlogged"] == true, "{name}: nothing is on disk, and yet: {told}");
    }
    wait_until(SHOWN_WITHIN, &format!("{name}: the page should show the store's trouble"), || {
        let (words, _) = world.duty_room.words();
        let rows = oracle.desk.rows(&words).unwrap_or_default();
        rows.iter()
            .any(|row| row["kind"] == "fault" && row["condition"].as_str().is_some_and(is_about_the_store))
    });
    oracle.look(&world);
    world.heal();
    converge(&mut world, &mut oracle);
    oracle.conclude(&world);
    assert!(oracle.violations.is_empty(), "{name}: {}", oracle.violations.join("\n"));
    assert!(oracle.counts.unlogged >= 2, "{name}: the oracle saw what the listener saw");
    world.remove();
}

/// Told unlogged, then killed: the next process begins where the disk ends, and the page follows it. An alarm
/// that nobody logged stays on the page until a person has seen it, and is raised anew if it still burns.
#[test]
fn what_was_told_unlogged_and_died_is_accounted_for() {
    let mut world = World::start("storage-died", true);
    let mut oracle = Oracle::new(&world);
    let listener = Listener::start(&world.broker);
    let (logged, never_logged) = (1, 2);
    world.apply(Act::Smoke(logged, true));
    converge(&mut world, &mut oracle);
    world.apply(Act::Disk(Who::Gateway, Some(Trouble::WriteError { every: 1 })));
    world.apply(Act::Smoke(logged, false));
    world.apply(Act::Smoke(never_logged, true));
    wait_until(TOLD_WITHIN, "both changes should be told unlogged", || {
        let told = |device: usize, active: bool| {
            newest_of(&listener, DEVICES[device].0)
                .is_some_and(|told| told["unlogged"] == true && told["active"] == active)
        };
        told(logged, false) && told(never_logged, true)
    });
    world.apply(Act::Kill(Who::Gateway));
    world.apply(Act::Smoke(logged, true));
    world.heal();
    converge(&mut world, &mut oracle);
    // A register that came back before anybody logged that it had gone is one cry.
    oracle.conclude(&world);
    assert!(oracle.violations.is_empty(), "{}", oracle.violations.join("\n"));
    assert_eq!(oracle.counts.died, 1, "one alarm died unlogged and was ended by a person");
    world.remove();
}

fn is_about_the_store(code: &str) -> bool {
    code.starts_with("store") || code.starts_with("storage")
}

/// The newest document of an alarm of this device.
fn newest_of(listener: &Listener, device: &str) -> Option<Value> {
    let messages = listener.messages();
    let alarms = messages.iter().rev().filter(|message| message.leaf.starts_with("alarm/"));
    let mut documents = alarms.filter_map(|message| serde_json::from_slice::<Value>(&message.payload).ok());
    documents.find(|document| document["device"] == device)
}
