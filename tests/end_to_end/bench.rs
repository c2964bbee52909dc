//! A morning in the workshop: `bench` gives the devices of a plan their unit ids, one after the other, on the
//! simulated field at its own pace.
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{wait_for, wait_until};
use tempfile::TempDir;

use crate::command_line::shouwang;
use crate::search::{field, found, objects};

const LIMIT: Duration = Duration::from_secs(60);
/// What the project promises for one device.
const PROMISED_S: f64 = 15.0;

const PLAN: &str = "\u{feff}编号 id,线路 line,地址 unit_id,型号 profile,楼栋 building,房间 room,探头单位 unit\r\n\
    smoke-402,b3,11,renke-rs-yg-n01,3,402,\r\n\
    smoke-403,b3,12,renke-rs-yg-n01,3,403,\r\n\
    level-1,b3,13,generic-qdy30a,,,cm\r\n";

/// Three new devices that lie beside the bench, off the line.
const BOX_OF_DEVICES: &str = r#"
[[device]]
id = "new-1"
line = "b3"
unit_id = 1
profile = "renke-rs-yg-n01"
faults = ["dead"]
[[device]]
id = "new-2"
line = "b3"
unit_id = 1
profile = "renke-rs-yg-n01"
faults = ["dead"]
[[device]]
id = "new-3"
line = "b3"
unit_id = 1
profile = "generic-qdy30a"
unit = "cm"
faults = ["dead"]
"#;

/// A bench with a plan on it.
struct Workshop {
    _field: Program,
    hands: ChildStdin,
    place: String,
    directory: TempDir,
}

impl Workshop {
    fn new(devices: &str, plan: &str) -> Self {
        let (mut field, place, directory) = field(devices);
        std::fs::write(directory.path().join("site.csv"), plan).expect("a plan");
        Self { hands: field.take_stdin(), _field: field, place, directory }
    }

    fn plan(&self) -> PathBuf {
        self.directory.path().join("site.csv")
    }

    fn bench(&self, name: &str) -> Program {
        let mut command = Command::new(binary());
        let command = command.args(["bench", &self.place, "--json", "--from"]).arg(self.plan());
        Program::start(name, command, self.directory.path())
    }

    fn hands(&mut self, order: &str) {
        writeln!(self.hands, "{order}").expect("the field takes orders");
    }
}

/// The first object that says this of this device; the test fails if none comes.
fn told(program: &Program, what: &str, key: &str, value: &Value) -> Value {
    wait_for(LIMIT, what, || objects(&program.stdout()).into_iter().find(|object| &object[key] == value))
}

#[test]
fn three_new_devices_get_their_planned_ids_within_their_promised_time() {
    let mut workshop = Workshop::new(BOX_OF_DEVICES, PLAN);
    let mut bench = workshop.bench("bench");
    told(&bench, "the first is awaited", "awaits", &json!("smoke-402"));
    workshop.hands("replug new-1");
    let first = told(&bench, "the first is done", "id", &json!("smoke-402"));
    assert_eq!((&first["done"], &first["unit_id"], &first["how"]), (&json!(true), &json!(11), &json!("set")));
    assert_eq!(first["label"], "smoke-402  地址 11  3号楼402  烟感");

    // Two at once: nothing is written until one is taken off.
    told(&bench, "the second is awaited", "awaits", &json!("smoke-403"));
    workshop.hands("replug new-3");
    workshop.hands("replug new-2");
    let refused = told(&bench, "two are refused", "done", &json!(false));
    assert!(refused["why"].as_str().is_some_and(|why| why.contains("nothing was written")), "{refused}");
    workshop.hands("unplug new-3");
    let second = wait_for(LIMIT, "the second is done", || {
        objects(&bench.stdout()).into_iter().find(|object| object["unit_id"] == 12 && object["done"] == true)
    });
    workshop.hands("replug new-3");
    let third = told(&bench, "the third is done", "id", &json!("level-1"));
    assert_eq!(ending(bench.wait(LIMIT)), "exit 0", "{}", bench.stderr());
    for done in [&first, &second, &third] {
        let seconds = done["seconds"].as_f64().expect("how long it took");
        println!("bench: {} in {seconds} s of its line's time (promised {PROMISED_S} s)", done["id"]);
        assert!(seconds <= PROMISED_S, "{done}");
    }
    let scan = shouwang(&[
        "scan",
        &workshop.place,
        "--units",
        "1-20",
        "--baud",
        "9600",
        "--timeout-ms=400",
        "--json",
    ]);
    assert_eq!(found(&scan.stdout).0, [11, 12, 13]);

    let again = workshop.bench("again").wait(LIMIT);
    assert_eq!(ending(again), "exit 0", "all is done: there is nothing to do");
}

#[test]
fn a_bench_that_was_left_is_gone_on_with() {
    let mut workshop = Workshop::new(BOX_OF_DEVICES, PLAN);
    let mut bench = workshop.bench("bench");
    workshop.hands("replug new-1");
    told(&bench, "the first is done", "id", &json!("smoke-402"));
    told(&bench, "the second is awaited", "awaits", &json!("smoke-403"));
    let mut other = workshop.bench("other");
    assert_eq!(ending(other.wait(LIMIT)), "exit 2", "one bench a plan");
    assert!(other.stderr().contains("another bench"), "{}", other.stderr());
    bench.signal(Signal::INT);
    assert_eq!(ending(bench.wait(LIMIT)), "exit 130");

    let mut bench = workshop.bench("later");
    let awaited = told(&bench, "the second is awaited", "awaits", &json!("smoke-403"));
    assert_eq!((&awaited["from"], &awaited["to"]), (&json!(1), &json!(12)));
    bench.signal(Signal::INT);
    bench.wait(LIMIT);
    // Who plans anew does anew.
    std::fs::write(workshop.plan(), PLAN.replace(",11,", ",21,")).expect("a plan");
    let bench = workshop.bench("replanned");
    told(&bench, "the first is awaited again", "awaits", &json!("smoke-402"));
}

/// Ctrl-C in the middle of the work: a recipe that has begun to write is seen through, and whatever was reached, the
/// same command goes on from there.
#[test]
fn ctrl_c_in_the_middle_of_a_device_leaves_nothing_half_done() {
    let mut workshop = Workshop::new(BOX_OF_DEVICES, PLAN);
    let mut bench = workshop.bench("bench");
    told(&bench, "the first is awaited", "awaits", &json!("smoke-402"));
    workshop.hands("replug new-1");
    let journal = workshop.directory.path().join("site.csv.bench");
    wait_until(LIMIT, "the first should be begun", || journal.exists());
    bench.signal(Signal::INT);
    assert_eq!(ending(bench.wait(LIMIT)), "exit 130", "{}", bench.stderr());
    let mut bench = workshop.bench("later");
    wait_until(LIMIT, "the first should be done, now or then", || {
        let known = std::fs::read_to_string(&journal).unwrap_or_default();
        let known: Value = serde_json::from_str(&known).unwrap_or_default();
        known["smoke-402"]["state"] == "done"
    });
    bench.signal(Signal::INT);
    assert_eq!(ending(bench.wait(LIMIT)), "exit 130", "{}", bench.stderr());
    let scan = shouwang(&[
        "scan",
        &workshop.place,
        "--units",
        "1-20",
        "--baud",
        "9600",
        "--timeout-ms=400",
        "--json",
    ]);
    assert_eq!(found(&scan.stdout).0, [11]);
}

/// The bench's power went between the first write and the proof: the device is at its new id, and may not have kept it.
#[test]
fn a_device_that_was_half_done_is_brought_to_its_end() {
    let devices = "[[device]]\nid = \"half\"\nline = \"b3\"\nunit_id = 13\nprofile = \"generic-qdy30a\"\nunit = \"cm\"\n";
    let plan = "id,line,unit_id,profile,unit\nlevel-1,b3,13,generic-qdy30a,cm\n";
    let workshop = Workshop::new(devices, plan);
    let begun =
        json!({"level-1": {"unit_id": 13, "profile": "generic-qdy30a", "state": "begun"}}).to_string();
    std::fs::write(workshop.directory.path().join("site.csv.bench"), begun).expect("what was begun");
    let mut bench = workshop.bench("bench");
    let done = told(&bench, "it is finished", "id", &json!("level-1"));
    assert_eq!((&done["done"], &done["how"]), (&json!(true), &json!("finished")));
    assert_eq!(ending(bench.wait(LIMIT)), "exit 0", "{}", bench.stderr());
}

#[test]
fn a_bad_plan_is_refused_before_the_line_is_touched() {
    let directory = TempDir::with_prefix("shouwang-bench-").expect("a directory");
    let plan = directory.path().join("site.csv");
    let bench =
        |plan: &Path| shouwang(&["bench", "/dev/ttyRS485-none", "--from", &plan.display().to_string()]);
    assert_eq!(bench(&plan).ending, "exit 2", "there is none");
    std::fs::write(&plan, "id,line,unit_id,profile\nsmoke-1,b3,300,renke-rs-yg-n1\n").expect("a plan");
    let outcome = bench(&plan);
    assert_eq!((outcome.ending.as_str(), outcome.stdout.as_str()), ("exit 2", ""));
    assert!(outcome.stderr.contains("row 2, column C: a unit id is a whole number"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("did you mean `renke-rs-yg-n01`"), "{}", outcome.stderr);
    std::fs::write(&plan, "id,line,unit_id,profile\n").expect("a plan");
    assert_eq!(bench(&plan).ending, "exit 2", "nothing is planned");
}
