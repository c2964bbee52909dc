//! The README's first command: within seconds a person sees the whole path work.
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{clock, port, wait_for, wait_until};
use tempfile::TempDir;

/// Contract: the first alarm within 10 s, all four classes within 45 s.
const FIRST_ALARM: Duration = Duration::from_secs(10);
const ALL_CLASSES: Duration = Duration::from_secs(45);
const RAISED: &str = "shouwang.alarm.raised.v1";

#[test]
fn the_demo_tells_its_story() {
    let directory = TempDir::with_prefix("shouwang-demo-").expect("a directory for the demo");
    let listen = format!("127.0.0.1:{}", port::free());
    let mut command = Command::new(binary());
    command.args(["demo", "--json", "--seconds", "50", "--listen", &listen]);
    command.arg("--state").arg(directory.path().join("state"));
    let began = clock::now();
    let mut demo = Program::start("demo", &mut command, directory.path());

    let first = wait_for(FIRST_ALARM, "the demo should print its link", || lines(&demo).into_iter().next());
    let link = first["link"].as_str().unwrap_or_default();
    assert!(link.starts_with(&format!("http://{listen}/")), "the first line is the link: {first}");

    wait_until(FIRST_ALARM, "the first alarm should arrive within 10 s of the start", || {
        began.elapsed() > FIRST_ALARM || !alarms(&demo).is_empty()
    });
    assert!(!alarms(&demo).is_empty(), "no alarm in the first 10 s");
    for class in ["smoke", "gas", "water_level", "call"] {
        let left = ALL_CLASSES.saturating_sub(began.elapsed());
        wait_until(left, &format!("a {class} alarm should arrive within 45 s of the start"), || {
            alarms(&demo).iter().any(|line| line["class"] == class)
        });
    }
    assert!(alarms(&demo).iter().all(|line| line["device"].is_string()), "every line names its device");

    let status = demo.wait(Duration::from_secs(60));
    assert_eq!(ending(status), "exit 0", "{}", demo.stderr());
    assert!(!demo.stderr().contains("panicked"), "{}", demo.stderr());
}

fn alarms(demo: &Program) -> Vec<Value> {
    lines(demo).into_iter().filter(|line| line["type"] == RAISED).collect()
}

/// Whole lines so far; each is JSON.
fn lines(demo: &Program) -> Vec<Value> {
    let said = demo.stdout();
    let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(|line| serde_json::from_str(line).expect("a line of the demo is JSON")).collect()
}
