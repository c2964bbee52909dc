//! Runs seeded worlds and tells whether a promise broke.
//!
//! `simulate --seeds A..B [--planted NAME|all]`. Exit 4 on a violation, or on a planted bug that no seed
//! catches. A violation prints the last happenings of its world; the same seed makes the same world again.
#![expect(clippy::print_stdout, reason = "the results are this program's output")]
use std::ops::Range;
use std::process::ExitCode;

use shouwang_tests::simulation;

/// A search or test found something wrong.
const FOUND: u8 = 4;
const BAD_ARGUMENTS: u8 = 2;
const USAGE: &str = "usage: simulate --seeds A..B [--planted NAME|all]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match parse(&arguments) {
        Ok((seeds, None)) => live_through(seeds),
        Ok((seeds, Some(name))) => try_planted(seeds, &name),
        Err(what) => {
            println!("{what}; {USAGE}");
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn parse(arguments: &[String]) -> Result<(Range<u64>, Option<String>), String> {
    let mut seeds = None;
    let mut planted = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--seeds" => seeds = Some(parse_seeds(value()?)?),
            "--planted" => planted = Some(value()?.clone()),
            other => return Err(format!("{other} is no option")),
        }
    }
    Ok((seeds.ok_or("--seeds is missing")?, planted))
}

fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let bad = || format!("{text} is no range of seeds like 0..100");
    let (first, end) = text.split_once("..").ok_or_else(bad)?;
    let range = first.parse().map_err(|_| bad())?..end.parse().map_err(|_| bad())?;
    if range.is_empty() { Err(bad()) } else { Ok(range) }
}

fn live_through(seeds: Range<u64>) -> ExitCode {
    let count = seeds.end - seeds.start;
    let (mut simulated_s, mut events, mut violations) = (0, 0, 0_u64);
    for seed in seeds {
        let outcome = simulation::run(seed);
        simulated_s += outcome.simulated_s;
        events += outcome.events;
        if let Some(violation) = outcome.violation {
            violations += 1;
            println!("seed {seed}: {violation}");
            for line in outcome.transcript {
                println!("  {line}");
            }
        }
    }
    let hours = simulated_s as f64 / 3600.0;
    let cpu_s = cpu_seconds();
    println!(
        "{{\"seeds\":{count},\"simulated_hours\":{hours:.2},\"cpu_s\":{cpu_s:.2},\"events\":{events},\"violations\":{violations}}}"
    );
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

#[cfg(not(planted))]
fn try_planted(_: Range<u64>, _: &str) -> ExitCode {
    println!(
        "this build has no planted bugs: build it with RUSTFLAGS=\"--cfg planted\" and its own target folder"
    );
    ExitCode::from(BAD_ARGUMENTS)
}

#[cfg(planted)]
fn try_planted(seeds: Range<u64>, name: &str) -> ExitCode {
    let chosen: Vec<_> = simulation::BUGS.iter().filter(|bug| name == "all" || bug.name == name).collect();
    if chosen.is_empty() {
        println!(
            "no bug is called {name}; there are: {}",
            simulation::BUGS.iter().map(|bug| bug.name).collect::<Vec<_>>().join(" ")
        );
        return ExitCode::from(BAD_ARGUMENTS);
    }
    let mut missed = 0;
    for bug in &chosen {
        match simulation::catch(bug, seeds.clone()) {
            Some((seed, violation)) => println!("{} caught by {} seed {seed}", bug.name, violation.check),
            None => {
                missed += 1;
                println!("{} missed", bug.name);
            }
        }
    }
    let (count, cpu_s) = (seeds.end - seeds.start, cpu_seconds());
    println!("{{\"seeds\":{count},\"planted\":{},\"missed\":{missed},\"cpu_s\":{cpu_s:.2}}}", chosen.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) }
}

/// This process's own time on a processor; one figure of the result, no part of any decision.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks =
        |field: usize| after_name.split_whitespace().nth(field).and_then(|text| text.parse::<f64>().ok());
    // Fields 14 and 15 of proc(5); Linux counts user time in hundredths of a second.
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}
