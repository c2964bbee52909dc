//! Runs seeded worlds and tells whether a promise broke.
//!
//! `simulate (--seeds A..B | --seconds N) [--planted NAME|all] [--cover N]`. Seconds are of processor time, from
//! seed 0 on; with planted bugs, for each bug. The seeds that once failed come first. `--cover` prints which
//! fault struck in which state and fails if a pair was met less often. Exit 4 on a violation, a pair not covered
//! or a planted bug that no seed caught. A violation is made smaller and told with the last happenings of its
//! world; the same seed makes the same world again.
#![expect(clippy::print_stdout, reason = "the results are this program's output")]
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use shouwang_tests::simulation::{self, Coverage, Outcome, Scenario, Site, Violation};

/// A search or test found something wrong.
const FOUND: u8 = 4;
const BAD_ARGUMENTS: u8 = 2;
const USAGE: &str = "usage: simulate (--seeds A..B | --seconds N) [--planted NAME|all] [--cover N]";
/// Seeds that once failed, with what was wrong.
const KEPT: &str = include_str!("../../simulation/seeds");

#[derive(Default)]
struct Arguments {
    seeds: Option<Range<u64>>,
    seconds: Option<f64>,
    planted: Option<String>,
    cover: Option<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok(Arguments { planted: Some(name), seeds, seconds, .. }) => try_planted(&name, seeds, seconds),
        Ok(arguments) => live_through(&arguments),
        Err(what) => {
            println!("{what}; {USAGE}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
        match argument.as_str() {
            "--seeds" => parsed.seeds = Some(parse_seeds(value()?)?),
            "--seconds" => parsed.seconds = Some(number(value()?)? as f64),
            "--planted" => parsed.planted = Some(value()?.clone()),
            "--cover" => parsed.cover = Some(number(value()?)?),
            other => return Err(format!("{other} is no option")),
        }
    }
    if parsed.seeds.is_some() == parsed.seconds.is_some() {
        return Err("one of --seeds and --seconds is needed".into());
    }
    if parsed.planted.is_some() && parsed.cover.is_some() {
        return Err("--cover is not for planted bugs".into());
    }
    Ok(parsed)
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let bad = || format!("{text} is no range of seeds like 0..100");
    let (first, end) = text.split_once("..").ok_or_else(bad)?;
    let range = first.parse().map_err(|_| bad())?..end.parse().map_err(|_| bad())?;
    if range.is_empty() { Err(bad()) } else { Ok(range) }
}

fn kept_seeds() -> impl Iterator<Item = u64> {
    let seed = |line: &str| line.split_whitespace().next().and_then(|word| word.parse().ok());
    KEPT.lines().filter_map(seed)
}

/// What many worlds came to.
#[derive(Default)]
struct Sum {
    worlds: u64,
    lived_us: u64,
    collapsed_us: u64,
    slowest_healing_us: u64,
    events: usize,
    coverage: Coverage,
    violations: Vec<(u64, Violation)>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.worlds += 1;
        self.lived_us += outcome.lived_us;
        self.collapsed_us += outcome.collapsed_us;
        self.slowest_healing_us = self.slowest_healing_us.max(outcome.healed_in_us);
        self.events += outcome.events;
        self.coverage.add(&outcome.coverage);
        self.violations.extend(outcome.violation.map(|violation| (seed, violation)));
    }
}

/// Lives through a seed; a panic is a violation like any other.
fn run(site: &Site, seed: u64) -> Outcome {
    std::panic::catch_unwind(|| simulation::run(site, seed)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let what = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
        let violation = Violation { check: "no-panic", what, at_s: 0 };
        Outcome { violation: Some(violation), ..Outcome::default() }
    })
}

/// Runs seeds on every processor until they or the time is over, or `enough` says so.
fn run_all(
    first: u64,
    end: u64,
    cpu_limit_s: f64,
    kept: impl Iterator<Item = u64>,
    enough: impl Fn(&Sum) -> bool + Sync,
) -> Sum {
    let site = Site::default();
    let kept: Vec<u64> = kept.collect();
    let next = AtomicU64::new(0);
    let sum = Mutex::new(Sum::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Relaxed);
                    let seed = kept
                        .get(usize::try_from(place).unwrap_or(usize::MAX))
                        .copied()
                        .unwrap_or_else(|| first + place - kept.len() as u64);
                    let is_kept = place < kept.len() as u64;
                    if !is_kept && (seed >= end || cpu_seconds() >= cpu_limit_s) {
                        return;
                    }
                    let outcome = run(&site, seed);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, outcome);
                    if enough(&sum) {
                        next.store(u64::MAX / 2, Relaxed);
                        return;
                    }
                }
            });
        }
    });
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn live_through(arguments: &Arguments) -> ExitCode {
    let range = arguments.seeds.clone().unwrap_or(0..u64::MAX / 4);
    let limit = arguments.seconds.unwrap_or(f64::INFINITY);
    let sum = run_all(range.start, range.end, limit, kept_seeds(), |sum| sum.violations.len() >= 5);
    for (seed, violation) in &sum.violations {
        println!("seed {seed}: {violation}");
    }
    if let Some((seed, violation)) =
        sum.violations.iter().find(|(_, violation)| violation.check != "no-panic")
    {
        tell_smallest(*seed, violation);
    }
    let mut failed = !sum.violations.is_empty();
    if let Some(threshold) = arguments.cover {
        println!("{}", sum.coverage.table());
        let missing = sum.coverage.not_covering(threshold);
        failed |= !missing.is_empty();
        for pair in missing {
            println!("not covering: {pair}");
        }
    }
    let hours = |us: u64| us as f64 / 3.6e9;
    println!(
        "{{\"worlds\":{},\"simulated_hours\":{:.2},\"collapsed_hours\":{:.2},\"slowest_healing_s\":{:.1},\"cpu_s\":{:.2},\"events\":{},\"violations\":{}}}",
        sum.worlds,
        hours(sum.lived_us),
        hours(sum.collapsed_us),
        sum.slowest_healing_us as f64 / 1e6,
        cpu_seconds(),
        sum.events,
        sum.violations.len()
    );
    if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS }
}

fn tell_smallest(seed: u64, violation: &Violation) {
    let (smallest, outcome) = simulation::shrink(&Site::default(), &Scenario::new(seed), violation.check);
    println!("seed {seed} made smaller: {} lines, {} devices", smallest.lines.len(), smallest.devices.len());
    for happening in &smallest.happenings {
        let (at, lasts) = (happening.at as f64 / 1e6, happening.lasts as f64 / 1e6);
        println!("  {at:9.3} for {lasts:7.3} s: {:?}", happening.what);
    }
    if let Some(violation) = &outcome.violation {
        println!("  {violation}");
    }
    for line in outcome.transcript {
        println!("    {line}");
    }
}

#[cfg(not(planted))]
fn try_planted(_: &str, _: Option<Range<u64>>, _: Option<f64>) -> ExitCode {
    println!(
        "this build has no planted bugs: build it with RUSTFLAGS=\"--cfg planted\" and its own target folder"
    );
    ExitCode::from(BAD_ARGUMENTS)
}

#[cfg(planted)]
fn try_planted(name: &str, seeds: Option<Range<u64>>, seconds: Option<f64>) -> ExitCode {
    let chosen: Vec<_> = simulation::BUGS.iter().filter(|bug| name == "all" || bug.name == name).collect();
    if chosen.is_empty() {
        let names: Vec<_> = simulation::BUGS.iter().map(|bug| bug.name).collect();
        println!("no bug is called {name}; there are: {}", names.join(" "));
        return ExitCode::from(BAD_ARGUMENTS);
    }
    let seeds = seeds.unwrap_or(0..u64::MAX / 4);
    println!("{:<26}{:<44}{:>7}{:>9}  caught by", "planted bug", "breaks", "worlds", "CPU s");
    let mut missed = 0;
    for bug in &chosen {
        bug.plant();
        let began = cpu_seconds();
        let limit = seconds.map_or(f64::INFINITY, |seconds| began + seconds);
        let sum =
            run_all(seeds.start, seeds.end, limit, std::iter::empty(), |sum| !sum.violations.is_empty());
        let spent = cpu_seconds() - began;
        let caught = sum
            .violations
            .first()
            .map_or("MISSED".into(), |(seed, violation)| format!("{} (seed {seed})", violation.check));
        missed += u32::from(sum.violations.is_empty());
        println!("{:<26}{:<44}{:>7}{spent:>9.2}  {caught}", bug.name, bug.breaks, sum.worlds);
    }
    println!("{{\"planted\":{},\"missed\":{missed},\"cpu_s\":{:.2}}}", chosen.len(), cpu_seconds());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

/// This process's own time on processors; one figure of the result, no part of any decision in a world.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        |field: usize| after_name.split_whitespace().nth(field).and_then(|text| text.parse::<f64>().ok());
    // Fields 14 and 15 of proc(5); Linux counts user time in hundredths of a second.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}
