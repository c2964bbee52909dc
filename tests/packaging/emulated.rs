//! The program for ARM boxes on an emulated processor: it knows itself, checks a configuration, and tells an alarm over a
//! real broker to the real duty room; killed with one that nobody has heard, it tells it after its next start.
use shouwang_gateway::watchdog::Cause;
use shouwang_tests::listener::Heard;
use shouwang_tests::{DutyRoom, wait_until};
use tempfile::TempDir;

use crate::program::Built;
use crate::street::{LIMIT, RAISED, Street, name};

#[test]
fn the_aarch64_program_tells_an_alarm() {
    tells_an_alarm(&Built::of("arm64", "emulated"));
}

/// A panic ends the process there at once; which part it was is on record all the same.
#[test]
fn a_panic_on_aarch64_leaves_its_cause() {
    let directory = TempDir::with_prefix("shouwang-panic-").expect("a directory for the cause");
    let panics = Built::of("arm64", "emulated").beside("panics");
    let outcome = panics.run(&[directory.path().to_str().expect("a path in UTF-8")]);
    assert_eq!(outcome.ending, "signal 6", "{}", outcome.stderr);
    assert!(outcome.stderr.contains("as it must"), "it says why: {}", outcome.stderr);
    let cause = Cause::of_the_last_end(directory.path()).expect("a cause");
    assert_eq!(cause, Cause { part: "line b3".into(), hung_ms: None });
}

#[test]
#[ignore = "slow to build: tests/long packages"]
fn the_released_aarch64_program_tells_an_alarm() {
    tells_an_alarm(&Built::of("arm64", "small"));
}

#[test]
#[ignore = "slow to build: tests/long packages"]
fn the_released_armv7_program_tells_an_alarm() {
    tells_an_alarm(&Built::of("armhf", "small"));
}

fn tells_an_alarm(program: &Built) {
    knows_its_version(program);
    let mut street = Street::new(2);
    checks_its_configuration(program, &street);
    street.watch_with(program.command());
    street.smoke(1);
    let unheard = street.listener.wait_for_event(LIMIT, RAISED, &name(1));
    street.kill();

    let duty_room = DutyRoom::start(&street.broker);
    street.watch_with(program.command());
    wait_until_heard(&street, &duty_room, &unheard);
    street.smoke(2);
    let told = street.listener.wait_for_event(LIMIT, RAISED, &name(2));
    wait_until_heard(&street, &duty_room, &told);

    let boot = street.listener.newest("info").expect("the gateway tells about itself")["boot"].clone();
    assert_eq!(boot, 2, "the same log goes on");
    assert!(street.listener.events_of("shouwang.gap.v1").is_empty(), "nothing was lost");
    street.stop();
    duty_room.stop();
}

fn wait_until_heard(street: &Street, duty_room: &DutyRoom, event: &Heard) {
    wait_until(LIMIT, &format!("the duty room should have heard event {}", event.sequence()), || {
        let heard = street.listener.newest("heard/duty-1");
        heard.is_some_and(|heard| heard["up_to"].as_u64() >= Some(event.sequence()))
    });
    wait_until(LIMIT, &format!("the board should show {}", event.subject()), || {
        duty_room.open_alarms().iter().any(|row| row["id"] == event.json["data"]["id"])
    });
}

fn knows_its_version(program: &Built) {
    let version = program.run(&["--version"]);
    assert_eq!(version.ending, "exit 0", "{}", version.stderr);
    assert_eq!(version.stdout.trim(), concat!("shouwang ", env!("CARGO_PKG_VERSION")));
}

fn checks_its_configuration(program: &Built, street: &Street) {
    let file = street.configuration.write();
    let good = program.run(&["check", "--config", &file.display().to_string()]);
    assert_eq!(good.ending, "exit 0", "{}{}", good.stdout, good.stderr);
    assert!(good.stdout.contains("line-1"), "the line's alarm round is told: {}", good.stdout);

    let bad = street.configuration.directory().join("bad.toml");
    std::fs::write(&bad, street.configuration.text().replace("unit_id = 2", "unit_id = 300"))
        .expect("a bad file");
    let refused = program.run(&["check", "--config", &bad.display().to_string()]);
    assert_eq!(refused.ending, "exit 2", "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("bad.toml:"), "it says where: {}", refused.stderr);
}
