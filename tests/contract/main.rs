//! The register map as a contract: the real firmware, the real shipped profile and the real engine, joined by
//! a line that loses, delays, garbles and doubles frames, while units are reset, gateways killed, cables cut
//! and people press, cancel, acknowledge, come and reset.
//!
//! A seed decides everything. What is held against the shipped decisions is in the simulation's `calls.rs`: no press lost,
//! none told twice, and no lamp that lies. A failed seed prints its last happenings; keep it as a test.
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, also in its own tools, and says how much it lived through"
)]

#[path = "../simulation/chance.rs"]
mod chance;
mod duty_room;
mod line;
mod site;
mod store;
#[path = "../../gateway/daemon/src/line/translate.rs"]
mod translate;
mod world;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use site::Site;

/// The promise is about at least this many.
const INTERLEAVINGS: u64 = 100_000;

/// Lives through the seeds on every processor; the first failure is told with its transcript.
fn hold(seeds: std::ops::Range<u64>) {
    let site = Site::new();
    let next = AtomicU64::new(seeds.start);
    let tally = [const { AtomicU64::new(0) }; 4];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match world::run(&site, seed) {
                        Ok(lived) => {
                            let counts = [lived.presses, lived.frames, lived.events, lived.simulated_ms];
                            for (sum, count) in tally.iter().zip(counts) {
                                sum.fetch_add(count, Relaxed);
                            }
                        }
                        Err(why) => {
                            next.store(seeds.end, Relaxed);
                            panic!("seed {seed}, {why}");
                        }
                    }
                }
            });
        }
    });
    let [presses, frames, events, ms] = tally.map(AtomicU64::into_inner);
    println!(
        "{} interleavings: {presses} presses, {frames} frames on the line, {events} events, {} virtual hours",
        seeds.end - seeds.start,
        ms / 3_600_000
    );
    assert!(presses >= seeds.end - seeds.start, "a world in which nobody presses proves nothing");
}

#[test]
fn no_press_is_lost_none_is_told_twice_and_no_lamp_lies() {
    hold(0..INTERLEAVINGS);
}

/// Seeds that once failed, with what was wrong.
#[test]
fn what_was_found_stays_mended() {
    let found = [
        (33, "a unit that was reset while a call was open showed idle until its first tick"),
        (457, "the late answer to an older read was taken for a counter that went back"),
        (483, "a lamp write that waited behind an echo told of an older press"),
        (2_570, "the same, in the order seen, then pressed again"),
        (3_009, "an echo whose answer was lost left the lamp calling for ever"),
        (4_746, "a call was ended by somebody who had not heard of its newest press"),
        (5_499, "a late count was recorded as the first press of an unknown unit, and the press again"),
        (7_555, "a late latch read let an unknown unit's press be taken for settled"),
        (41_069, "as 3009, across a reset of the unit"),
    ];
    let site = Site::new();
    for (seed, what) in found {
        if let Err(why) = world::run(&site, seed) {
            panic!("again: {what}\nseed {seed}, {why}");
        }
    }
}
