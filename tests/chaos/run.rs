//! One seed: broken for a while, healed, and then as if nothing had happened; or why not.
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use shouwang_tests::{Listener, clock};

use crate::oracle::{Counts, Oracle};
use crate::schedule::{self, Act, Step, Who};
use crate::world::World;

/// Invariant 2: equal within this after healing.
const HEALED_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What came of a seed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) counts: Counts,
    pub(crate) events: usize,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) healed_in: Duration,
}

/// Runs a seed for this long. Files of a run without a violation are removed.
pub(crate) fn run(seed: u64, length: Duration) -> Outcome {
    let name = format!("seed-{seed}");
    let lived = std::panic::catch_unwind(AssertUnwindSafe(|| live(seed, &name, length)));
    let outcome = lived.unwrap_or_else(|_| Outcome {
        seed,
        violations: vec!["the harness itself gave up; see its message above".to_owned()],
        counts: Counts::default(),
        events: 0,
        faults: BTreeMap::new(),
        healed_in: Duration::ZERO,
    });
    let directory = shouwang_tests::program::root().join("target/chaos").join(&name);
    if outcome.violations.is_empty() {
        let _ = std::fs::remove_dir_all(directory);
    } else {
        let transcript = std::fs::read_to_string(directory.join("transcript.txt")).unwrap_or_default();
        println!("seed {seed}, kept in {}:\n{transcript}", directory.display());
        outcome.violations.iter().for_each(|violation| println!("seed {seed}: {violation}"));
    }
    outcome
}

fn live(seed: u64, name: &str, length: Duration) -> Outcome {
    let steps = schedule::make(seed, length);
    let mut world = World::start(name, seed.is_multiple_of(2));
    let mut oracle = Oracle::new(&world);
    let mut look_at = LOOK_EVERY;
    for Step { at, act } in &steps {
        while look_at < *at {
            world.pass_until(look_at);
            oracle.look(&world);
            look_at = world.elapsed().max(look_at) + LOOK_EVERY;
        }
        world.pass_until(*at);
        if !oracle.violations.is_empty() {
            break;
        }
        world.apply(*act);
    }
    world.heal();
    let healed_in =
        if oracle.violations.is_empty() { converge(&mut world, &mut oracle) } else { Duration::ZERO };
    end(&mut world, &mut oracle, &steps);
    if oracle.violations.is_empty() {
        oracle.conclude(&world);
    }
    for violation in &oracle.violations {
        world.say(violation);
    }
    let events = crate::stores::committed(&world.gateway_state()).map_or(0, |events| events.len());
    let (violations, counts) = (oracle.violations, oracle.counts);
    let mut faults = BTreeMap::new();
    for fault in steps.iter().filter_map(|step| step.act.fault()) {
        *faults.entry(fault).or_default() += 1;
    }
    Outcome { seed, violations, counts, events, faults, healed_in }
}

/// How long it took; what is left after a minute is a violation.
pub(crate) fn converge(world: &mut World, oracle: &mut Oracle) -> Duration {
    let began = clock::now();
    let latecomer = Listener::start(&world.broker);
    loop {
        world.pass_until(world.elapsed() + LOOK_EVERY / 2);
        oracle.look(world);
        let unmet = oracle.unmet(world, &latecomer, began.elapsed());
        if unmet.is_empty() {
            world.say("everything is as if nothing had happened");
            return began.elapsed();
        }
        if began.elapsed() >= HEALED_WITHIN {
            oracle.violations.extend(unmet.iter().map(|what| format!("a minute after healing: {what}")));
        }
        if !oracle.violations.is_empty() {
            return began.elapsed();
        }
    }
}

/// Both programs end when asked to, and have nothing to be ashamed of in what they said.
fn end(world: &mut World, oracle: &mut Oracle, steps: &[Step]) {
    world.say("SIGTERM to all");
    for who in [Who::Gateway, Who::DutyRoom] {
        let part = if who == Who::Gateway { &mut world.gateway } else { &mut world.duty_room };
        let ended = part.end();
        let (_, words) = part.words();
        if ended != "exit 0" {
            oracle.violations.push(format!("{who:?} was asked to end: {ended}"));
        }
        oracle
            .violations
            .extend(words.lines().filter(|line| line.contains("panicked at")).map(str::to_owned));
        // A disk that fails is an error to tell; whatever else happens outside is none.
        if !steps.iter().any(|step| matches!(step.act, Act::Disk(whose, Some(_)) if whose == who)) {
            let errors = words.lines().filter(|line| line.contains(" ERROR "));
            oracle.violations.extend(errors.map(|line| format!("{who:?} logged: {line}")));
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { closed, settled, claims, unlogged, died } = self.counts;
        let word = if self.violations.is_empty() { "equal" } else { "BROKEN" };
        write!(
            f,
            "seed {}: {} faults, {} events, {word} {:.1} s after healing; looks at both disks {closed}, settled \
             registers {settled}, claims found on disk {claims}, told unlogged {unlogged}, of \
             these died unlogged {died}",
            self.seed,
            self.faults.values().sum::<u64>(),
            self.events,
            self.healed_in.as_secs_f64()
        )
    }
}
