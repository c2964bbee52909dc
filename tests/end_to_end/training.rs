//! The tutorial of the training bag, word for word: every command in it is run against the bag, and what it shows must
//! come.
use std::io::Write as _;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending, root};
use shouwang_tests::wait_until;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(90);
const TUTORIAL: &str = "gateway/installer/TRAINING.md";
/// Where the tutorial has the bag's line; the test has its own.
const LINK: &str = "/tmp/shouwang-bag";

/// What the tutorial does next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Typed where the bag runs.
    Hands(String),
    /// A command, and the lines shown below it.
    Run { command: String, shown: Vec<String> },
}

/// The blocks marked `console`: `$` before a command, `>` before what is typed into the bag, else what is shown.
fn steps(tutorial: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut inside = false;
    for line in tutorial.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            steps.push(Step::Run { command: command.to_owned(), shown: Vec::new() });
        } else if let (true, Some(order)) = (inside, line.strip_prefix("> ")) {
            steps.push(Step::Hands(order.to_owned()));
        } else if let (true, Some(Step::Run { shown, .. })) = (inside, steps.last_mut()) {
            shown.push(line.to_owned());
        }
    }
    steps
}

/// What differs from run to run is left out: times, and how often was asked.
fn essential(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let is_time = |index: usize| {
        words
            .get(index + 1)
            .is_some_and(|next| next.starts_with("ms") || next.starts_with("s,") || *next == "s")
    };
    let kept = words.iter().enumerate().filter(|(index, word)| !(is_number(word) && is_time(*index)));
    kept.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

struct Bag {
    program: Program,
    hands: ChildStdin,
    orders: usize,
    link: String,
    directory: TempDir,
}

impl Bag {
    fn open() -> Self {
        let directory = TempDir::with_prefix("shouwang-bag-").expect("a directory");
        let link = directory.path().join("line").display().to_string();
        let mut simulate = Command::new(binary());
        let simulate = simulate.args(["simulate", "--training", "--link", &link]);
        let mut program = Program::start("bag", simulate, directory.path());
        let hands = program.take_stdin();
        wait_until(LIMIT, "the bag should be open", || program.stdout().contains("line bag"));
        Self { program, hands, orders: 0, link, directory }
    }

    fn hands(&mut self, order: &str) {
        writeln!(self.hands, "{order}").expect("the bag takes orders");
        self.orders += 1;
        let orders = self.orders;
        let typed = || self.program.stdout().lines().filter(|line| line.starts_with("typed: ")).count();
        wait_until(LIMIT, "the bag should do what is typed", || typed() == orders);
        assert!(!self.program.stdout().contains("typed: error"), "{}", self.program.stdout());
    }

    /// Everything it said.
    fn run(&self, number: usize, command: &str) -> String {
        let mut words = command.split_whitespace();
        assert_eq!(words.next(), Some("shouwang"), "{command}");
        let mut arguments: Vec<String> = words.map(|word| word.replace(LINK, &self.link)).collect();
        if arguments.first().is_some_and(|verb| verb == "scan") {
            // 50 ms, which is enough for devices, is not for processes on a busy machine.
            arguments.push("--timeout-ms=400".into());
        }
        let mut process = Command::new(binary());
        let process = process.args(&arguments).current_dir(self.directory.path());
        let mut program = Program::start(&format!("step-{number}"), process, self.directory.path());
        drop(program.take_stdin());
        let ending = ending(program.wait(LIMIT));
        format!("{}{}{ending}", program.stdout(), program.stderr())
    }
}

#[test]
fn every_step_of_the_tutorial_does_what_it_shows() {
    let tutorial = std::fs::read_to_string(root().join(TUTORIAL)).expect("the tutorial");
    let steps = steps(&tutorial);
    let opens = Step::Run { command: "shouwang simulate --training".into(), shown: Vec::new() };
    assert_eq!(steps.first(), Some(&opens), "it begins with opening the bag");
    assert!(steps.len() > 10, "{steps:#?}");
    let mut bag = Bag::open();
    for (number, step) in steps.iter().enumerate().skip(1) {
        match step {
            Step::Hands(order) => bag.hands(order),
            Step::Run { command, shown } => {
                let said = bag.run(number, command);
                let lines: Vec<_> = said.lines().map(essential).collect();
                for line in shown.iter().filter(|line| !line.trim().is_empty()) {
                    let line = essential(&line.replace(LINK, &bag.link));
                    assert!(
                        lines.iter().any(|said| said.starts_with(&line)),
                        "{command} should show\n  {line}\nbut says\n{}",
                        lines.join("\n")
                    );
                }
            }
        }
    }
}

/// One page that a newcomer reads from top to bottom, found from the front page.
#[test]
fn the_tutorial_is_one_page_and_linked() {
    let tutorial = std::fs::read_to_string(root().join(TUTORIAL)).expect("the tutorial");
    assert!(tutorial.lines().count() <= 120, "{} lines are no page", tutorial.lines().count());
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README");
    assert!(readme.contains(TUTORIAL), "the README links {TUTORIAL}");
}

/// A scan of the whole bag only ever reads: every device says afterwards what it said before.
#[test]
fn a_scan_of_the_bag_changes_nothing_in_it() {
    let mut bag = Bag::open();
    bag.hands("unplug humid-b");
    let ids = ["--unit 1 --address 2000", "--unit 7 --table input --address 2002 --count 2"];
    let look = |bag: &Bag, from: usize| -> Vec<String> {
        let read =
            |(number, what): (usize, &&str)| bag.run(from + number, &format!("shouwang read {LINK} {what}"));
        ids.iter().enumerate().map(read).collect()
    };
    let before = look(&bag, 0);
    let scan = bag.run(10, &format!("shouwang scan {LINK} --units 1-20 --baud 9600,4800"));
    assert!(scan.contains("vega-vegapuls"), "{scan}");
    assert_eq!(look(&bag, 20), before);
}
