//! The tutorial of the training bag, word for word: every command in it is run against the bag, and what it shows must
//! come.
use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::duty_room::PASSWORD;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending, root};
use shouwang_tests::{Visitor, clock, port, wait_for, wait_until};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(90);
const TUTORIAL: &str = "gateway/installer/TRAINING.md";
/// Where the tutorial has the bag's line; the test has its own.
const LINK: &str = "/tmp/shouwang-bag";

/// Where the tutorial has its broker, and its duty room's pages.
const BROKER: &str = "127.0.0.1:1883";
const PAGES: &str = "127.0.0.1:8080";
/// Devices of the walk test.
const WALKED: usize = 2;
/// "A newcomer takes the training bag from `scan` to a green walk test and a report in under ten minutes": this is
/// how much of it may be spent by the machine.
const MACHINE_MOST: Duration = Duration::from_secs(180);

/// What the tutorial does next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Typed where the bag runs.
    Hands(String),
    /// Done on a web page.
    Page(String),
    /// A command, and the lines shown below it.
    Run { command: String, shown: Vec<String> },
}

/// The blocks marked `console`: `$` before a command, `>` before what is typed into the bag, `#` before what is done on
/// a page, else what is shown. What a command is given between `<<'END'` and `END` belongs to it.
fn steps(tutorial: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut given) = (false, false);
    for line in tutorial.lines() {
        let newest = steps.iter_mut().rev().find_map(|step| match step {
            Step::Run { command, shown } => Some((command, shown)),
            _ => None,
        });
        if let (true, Some((command, _))) = (given, newest) {
            command.push_str(&format!("\n{line}"));
            given = line != "END";
        } else if line.starts_with("```") {
            inside = line == "```console";
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            steps.push(Step::Run { command: command.to_owned(), shown: Vec::new() });
            given = command.ends_with("<<'END'");
        } else if let (true, Some(order)) = (inside, line.strip_prefix("> ")) {
            steps.push(Step::Hands(order.to_owned()));
        } else if let (true, Some(done)) = (inside, line.strip_prefix("# ")) {
            steps.push(Step::Page(done.to_owned()));
        } else if inside
            && let Some(Step::Run { shown, .. }) =
                steps.iter_mut().rev().find(|step| matches!(step, Step::Run { .. }))
        {
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
    broker: String,
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
        let broker = format!("127.0.0.1:{}", port::free());
        Self { program, hands, orders: 0, link, broker, directory }
    }

    fn hands(&mut self, order: &str) {
        writeln!(self.hands, "{order}").expect("the bag takes orders");
        self.orders += 1;
        let orders = self.orders;
        let typed = || self.program.stdout().lines().filter(|line| line.starts_with("typed: ")).count();
        wait_until(LIMIT, "the bag should do what is typed", || typed() == orders);
        assert!(!self.program.stdout().contains("typed: error"), "{}", self.program.stdout());
    }

    /// As the tutorial has it, in the test's own places.
    fn here(&self, text: &str) -> String {
        text.replace(LINK, &self.link).replace(BROKER, &self.broker).replace(PAGES, "127.0.0.1:0")
    }

    /// A command as a newcomer's shell takes it, in the one folder.
    fn start(&self, number: usize, command: &str) -> Program {
        let mut command = self.here(command);
        if command.starts_with("shouwang scan") {
            // 50 ms, which is enough for devices, is not for processes on a busy machine.
            command.push_str(" --timeout-ms=400");
        }
        let path = std::env::var("PATH").expect("a path");
        let programs = binary().parent().expect("a folder").display().to_string();
        let mut shell = Command::new("sh");
        let command = if command.starts_with("shouwang ") { format!("exec {command}") } else { command };
        let shell = shell.args(["-c", &command]).env("PATH", format!("{programs}:{path}"));
        let mut program = Program::start(
            &format!("step-{number}"),
            shell.current_dir(self.directory.path()),
            self.directory.path(),
        );
        drop(program.take_stdin());
        program
    }

    /// Everything it said.
    fn run(&self, number: usize, command: &str) -> String {
        said(&mut self.start(number, command))
    }
}

fn said(program: &mut Program) -> String {
    let ending = ending(program.wait(LIMIT));
    format!("{}{}{ending}", program.stdout(), program.stderr())
}

/// What is shown but was not said, if anything.
fn unsaid(said: &str, shown: &[String]) -> Option<String> {
    let lines: Vec<_> = said.lines().map(essential).collect();
    let shown = shown.iter().filter(|line| !line.trim().is_empty());
    shown.map(|line| essential(line)).find(|line| !lines.iter().any(|said| said.starts_with(line)))
}

fn assert_shown(command: &str, said: &str, shown: &[String]) {
    let unsaid = unsaid(said, shown);
    assert_eq!(unsaid, None, "{command} should show this but says\n{said}");
}

/// The duty room of the tutorial, in a browser's place.
fn set_up(duty_room: &Program) -> Visitor {
    let words = wait_for(LIMIT, "the duty room should print its one-time code", || {
        Some(duty_room.stdout()).filter(|words| words.contains("one-time code "))
    });
    let address =
        words.split_once("http://").and_then(|(_, rest)| rest.split('/').next()).expect("its address");
    let mut lead = Visitor::new(address, LIMIT);
    lead.set_up(&words, "lead", PASSWORD).expect("the code makes the first account");
    wait_until(LIMIT, "the duty room should be connected", || {
        lead.get("/readyz").is_ok_and(|answer| answer.status == 200)
    });
    lead
}

/// Agrees to the walk test that the gateway keeps as asked for.
fn agree(lead: &Visitor, state: &Path) {
    let walk = wait_for(LIMIT, "the gateway should ask for a walk test", || {
        let database = rusqlite::Connection::open(state.join("gateway.db")).ok()?;
        let kept = "SELECT value FROM kept WHERE key = 'walk'";
        let kept: Vec<u8> = database.query_row(kept, [], |row| row.get(0)).ok()?;
        serde_json::from_slice::<Value>(&kept).ok()?["id"].as_str().map(str::to_owned)
    });
    wait_until(LIMIT, "the duty room should take the answer", || {
        let answer = lead.post(&format!("/api/v1/walks/{walk}"), &json!({ "agreed": true }));
        answer.is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn every_step_of_the_tutorial_does_what_it_shows() {
    let tutorial = std::fs::read_to_string(root().join(TUTORIAL)).expect("the tutorial");
    let steps = steps(&tutorial);
    let opens = Step::Run { command: "shouwang simulate --training".into(), shown: Vec::new() };
    assert_eq!(steps.first(), Some(&opens), "it begins with opening the bag");
    assert!(steps.len() > 10, "{steps:#?}");
    let mut bag = Bag::open();
    let began = clock::now();
    // What stays open, the duty room last; who looks at its pages; and a command that waits for what comes next.
    let mut open: Vec<Program> = Vec::new();
    let (mut lead, mut waiting, mut triggered) = (None, None, 0);
    for (number, step) in steps.iter().enumerate().skip(1) {
        match step {
            Step::Hands(order) => {
                if let Some(walk) = &waiting {
                    says(walk, "trigger it", WALKED);
                }
                bag.hands(order);
                // Whoever walks sees one row after the other turn green.
                if let Some(walk) = &waiting
                    && !order.ends_with("false")
                {
                    triggered += 1;
                    says(walk, "passed", triggered);
                }
            }
            Step::Page(done) if done.ends_with("/setup") => {
                lead = open.last().map(set_up);
            }
            Step::Page(done) => {
                assert_eq!(done, "同意走测");
                agree(lead.as_ref().expect("an account"), &bag.directory.path().join("gateway-state"));
            }
            Step::Run { command, shown } => {
                settle(&mut waiting);
                let mut program = bag.start(number, command);
                if command.starts_with("shouwang run") || command.starts_with("shouwang duty-room") {
                    open.push(program);
                } else if command.starts_with("shouwang walk-test") {
                    waiting = Some((program, command, shown));
                } else {
                    let mut told = said(&mut program);
                    // Who only looks at the line looks again where the machine was held up in the middle of an answer.
                    let looks = ["shouwang scan", "shouwang line health", "shouwang read"];
                    for again in 1..10 {
                        if looks.iter().any(|verb| command.starts_with(verb))
                            && unsaid(&told, shown).is_some()
                        {
                            told = bag.run(number + again * 100, command);
                        }
                    }
                    assert_shown(command, &told, shown);
                }
            }
        }
    }
    settle(&mut waiting);
    let took = clock::now() - began;
    println!("training bag: from scan to report in {:.1} s of the machine's time", took.as_secs_f64());
    assert!(took < MACHINE_MOST, "{took:?}");
    let report = std::fs::read_to_string(bag.directory.path().join("report.html")).expect("the report");
    for word in ["小李", "通过 passed 2/2", "YG-0012", "air-1、level-1、probe-1"] {
        assert!(report.contains(word), "{word} in {report}");
    }
}

/// A command that waits for hands, and what it should show in the end.
type Waiting<'s> = (Program, &'s String, &'s Vec<String>);

fn says((walk, ..): &Waiting<'_>, word: &str, times: usize) {
    wait_until(LIMIT, &format!("{word} should be said {times} times"), || {
        walk.stdout().matches(word).count() >= times
    });
}

/// A command that waited for hands has ended as shown.
fn settle(waiting: &mut Option<Waiting<'_>>) {
    if let Some((mut program, command, shown)) = waiting.take() {
        assert_shown(command, &said(&mut program), shown);
    }
}

/// One page that a newcomer reads from top to bottom, found from the front page.
#[test]
fn the_tutorial_is_one_page_and_linked() {
    let tutorial = std::fs::read_to_string(root().join(TUTORIAL)).expect("the tutorial");
    assert!(tutorial.lines().count() <= 190, "{} lines are no page", tutorial.lines().count());
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

/// What the bag hides shows in its line's health as well: where two talk at once, and where nobody does.
#[test]
fn the_health_of_the_bags_line_names_the_collision_and_the_dead_one() {
    let health = Bag::open().run(0, &format!("shouwang line health {LINK} --units 1,3,7 --seconds 4"));
    let finds = |what: &str| health.lines().any(|line| line.trim_start().starts_with(what));
    assert!(finds("unit id 1: ") && health.contains("two devices at one id"), "{health}");
    assert!(finds("unit id 3: never answers"), "{health}");
    assert!(!finds("unit id 7: never"), "{health}");
    assert!(health.ends_with("exit 4"), "{health}");
}
