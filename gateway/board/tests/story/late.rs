//! What comes late says for how long nobody here knew: also after a restart, and whatever becomes of it.
use std::time::Duration;

use shouwang_message::*;

use crate::world::*;

fn late(world: &World) -> serde_json::Value {
    world.rows().into_iter().find(|row| row["id"] == SMOKE).unwrap()["late_s"].clone()
}

/// A gateway that was cut off brings its alarm so many milliseconds after it was raised.
fn after(world: &mut World, ms: u64, document: AlarmDocument) {
    let raised_at = wall(world.now);
    world.now = world.now + Duration::from_millis(ms);
    world.event(&raised(1, AlarmDocument { raised_at, ..document }));
}

#[test]
fn an_alarm_that_its_gateway_could_not_tell_says_how_late_it_is() {
    let mut world = World::new();
    after(&mut world, 8_400, smoke(1));
    assert_eq!(late(&world), 8);
    world.kill();
    assert_eq!(late(&world), 8, "a restart makes it no later");
    let raised_at = Timestamp::from_unix_ms(wall(world.now).unix_ms() - 8_400);
    let cleared = AlarmDocument { raised_at, active: false, cleared_at: Some(wall(world.now)), ..smoke(2) };
    world.event(&event(2, EventData::Alarm(AlarmChange::Cleared, cleared.into())));
    assert_eq!(late(&world), 8);
}

#[test]
fn what_the_topic_told_in_time_is_not_late_because_its_event_is() {
    let mut world = World::new();
    let document = AlarmDocument { raised_at: wall(world.now), ..smoke(1) };
    world.alarm(&document, true);
    world.now = world.now + Duration::from_secs(60);
    world.event(&raised(1, document));
    assert!(late(&world).is_null());
}

#[test]
fn what_comes_in_time_or_without_a_trusted_clock_or_cries_again_says_nothing() {
    let mut world = World::new();
    after(&mut world, 5_000, smoke(1));
    assert!(late(&world).is_null());
    let mut world = World::new();
    after(&mut world, 60_000, AlarmDocument { clock: Clock::Unset, ..smoke(1) });
    assert!(late(&world).is_null(), "its time means nothing");
    let mut world = World::new();
    after(&mut world, 60_000, AlarmDocument { occurrence: 2, ..smoke(1) });
    assert!(late(&world).is_null(), "nobody knows when the second cry was");
}
