//! Real programs, real faults: `shouwang run`, mosquitto and `shouwang duty-room` are killed, frozen and
//! restarted, their network, disks and clocks misbehave, cables are pulled, while alarms come and go; all by a
//! schedule that follows from a seed. After healing it must be as if nothing had happened.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints the figures it measured"
)]

mod control;
mod desk;
mod oracle;
mod part;
mod proxy;
mod run;
mod schedule;
mod shim;
mod silence;
mod storage;
mod stores;
mod world;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use run::Outcome;

/// Seeds at a time: the programs mostly wait.
const AT_ONCE: usize = 3;

/// Chosen so that together they have every kind of fault, and one has a gateway with nothing to excuse it.
const THREE: &[u64] = &[83, 10_225, 14_696];

#[test]
fn three_seeds_of_chaos_lose_nothing() {
    run_all(THREE.to_vec(), Duration::from_secs(30));
}

/// `CHAOS_SEEDS=0..20 CHAOS_SECONDS=60`, which are also the defaults.
#[test]
#[ignore = "takes ten minutes; run by tests/long"]
fn many_seeds_of_chaos_lose_nothing() {
    let seeds = std::env::var("CHAOS_SEEDS").unwrap_or_else(|_| "0..20".into());
    let (first, end) = seeds.split_once("..").expect("CHAOS_SEEDS is like 0..20");
    let number = |text: &str| text.parse::<u64>().expect("a number in CHAOS_SEEDS");
    let seconds = std::env::var("CHAOS_SECONDS").map_or(60, |text| text.parse().expect("CHAOS_SECONDS"));
    run_all((number(first)..number(end)).collect(), Duration::from_secs(seconds));
}

fn run_all(seeds: Vec<u64>, length: Duration) {
    let waiting = Mutex::new(seeds.into_iter());
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(seed) = next() {
                    let outcome = run::run(seed, length);
                    println!("{outcome}");
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
                }
            });
        }
    });
    judge(&outcomes.into_inner().unwrap_or_else(PoisonError::into_inner));
}

/// No seed broke a promise; and there was something to break.
fn judge(outcomes: &[Outcome]) {
    let bad: Vec<u64> = outcomes
        .iter()
        .filter(|outcome| !outcome.violations.is_empty())
        .map(|outcome| outcome.seed)
        .collect();
    assert!(bad.is_empty(), "seeds {bad:?} broke a promise; their transcripts and logs are in target/chaos");
    let mut faults: BTreeMap<&str, u64> = schedule::ALL_FAULTS.iter().map(|fault| (*fault, 0)).collect();
    for (fault, times) in outcomes.iter().flat_map(|outcome| &outcome.faults) {
        *faults.entry(fault).or_default() += times;
    }
    println!("faults: {faults:?}");
    assert!(faults.values().all(|times| *times > 0), "a kind of fault never happened: {faults:?}");
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(count).sum::<u64>();
    let judged = [
        ("looks at both disks", sum(|outcome| outcome.counts.closed)),
        ("settled registers", sum(|outcome| outcome.counts.settled)),
        ("claims found on disk", sum(|outcome| outcome.counts.claims)),
    ];
    assert!(judged.iter().all(|(_, times)| *times > 0), "something was never judged: {judged:?}");
}
