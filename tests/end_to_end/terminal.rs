//! What a person sees and hears at a terminal: bars with the time that is left, and beeps for whoever has both hands full.
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::wait_until;

use crate::search::field;

const LIMIT: Duration = Duration::from_secs(60);
const SMOKE: &str = "[[device]]\nid = \"new-1\"\nline = \"b3\"\nunit_id = 1\nprofile = \"renke-rs-yg-n01\"\n";
const LEVEL: &str =
    "[[device]]\nid = \"new-2\"\nline = \"b3\"\nunit_id = 1\nprofile = \"generic-qdy30a\"\nunit = \"cm\"\n";
const BELL: char = '\u{7}';

/// `shouwang` with these words, whose screen is a terminal; what it shows there is on this program's standard output.
fn on_a_terminal(words: &str) -> Command {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command"]);
    command.arg(format!("{} {words}", binary().display())).arg("/dev/null");
    command
}

/// The seconds left that were shown, in their order.
fn left(screen: &str) -> Vec<f64> {
    let shown = screen.split("剩 left").skip(1);
    shown.filter_map(|after| after.split_whitespace().next()?.parse().ok()).collect()
}

#[test]
fn what_takes_longer_than_two_seconds_shows_how_much_is_left() {
    let (_field, place, directory) = field(SMOKE);
    for (name, words) in [
        ("scan", format!("scan {place} --units 1-20 --baud 9600 --timeout-ms=150")),
        ("health", format!("line health {place} --units 1 --seconds 4")),
    ] {
        let mut program = Program::start(name, &mut on_a_terminal(&words), directory.path());
        program.wait(LIMIT);
        let screen = program.stdout();
        let left = left(&screen);
        assert!(left.len() > 2, "{screen}");
        assert!(left.is_sorted_by(|one, next| one >= next), "{left:?}");
        assert!(left[0] > 2.0 && left[left.len() - 1] < 1.0, "{left:?}");
        assert!(screen.contains("下一步 next"), "{screen}");
    }
}

#[test]
fn the_bench_beeps_once_for_a_done_device_and_twice_for_a_refusal() {
    let (mut field, place, directory) = field(&format!("{SMOKE}{LEVEL}"));
    let mut hands = field.take_stdin();
    let plan = directory.path().join("site.csv");
    std::fs::write(&plan, "id,line,unit_id,profile\nsmoke-402,b3,11,renke-rs-yg-n01\n").expect("a plan");
    let words = format!("bench {place} --from {}", plan.display());
    let mut bench = Program::start("bench", &mut on_a_terminal(&words), directory.path());
    wait_until(LIMIT, "two at once should be refused", || bench.stdout().contains("refused:"));
    writeln!(hands, "unplug new-2").expect("the field takes orders");
    assert_eq!(ending(bench.wait(LIMIT)), "exit 0", "{}", bench.stdout());
    let screen = bench.stdout();
    assert!(screen.contains("好 done: 11"), "{screen}");
    assert!(screen.contains(&format!("下一步 next:  shouwang scan {place}")), "{screen}");
    let refusals = screen.matches("refused:").count();
    assert_eq!(screen.matches(BELL).count(), 1 + 2 * refusals, "{screen}");
}
