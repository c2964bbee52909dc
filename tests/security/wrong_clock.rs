//! A box whose clock begins in 1970, as those without a battery do: its certificates are judged as of its build or its
//! newest record, whichever is later, and what is good then is good.
use shouwang_tests::{DutyRoom, Gateway, Mosquitto, clock, wait_until};

use crate::authority::{Authority, GOOD, Years};
use crate::house::{House, RAISED, START_LIMIT, drawer, listener_lines, trusting};
use crate::shim::Shim;

/// Long over at the build, but good in 1970.
const LONG_OVER: Years = [1970, 2026];
/// Good at the build, over in the year of the newest record.
const OVER_BY_THE_RECORDS: Years = [1970, 2030];
/// The clock's year when the records are made.
const RECORDED: i64 = 2031;

fn shift_to(year: i64) -> i64 {
    const YEAR_S: i64 = 31_556_952;
    (year - 1970) * YEAR_S + 30 * 86_400 - clock::wall().unix_ms() / 1_000
}

/// A house whose broker shows a certificate of these years, and its clock.
fn house(years: Years) -> (House, Shim, tempfile::TempDir) {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", years);
    let lines = listener_lines(&server, None) + "allow_anonymous true\n";
    let house = House::new(Mosquitto::start_with_listener(&lines), |port| trusting(port, &ours.file()));
    let shim = Shim::new(drawer.path(), "clock");
    (house, shim, drawer)
}

#[test]
fn in_1970_a_good_certificate_is_good() {
    let (house, shim, _drawer) = house([2026, GOOD[1]]);
    shim.shift_clock(shift_to(1970));
    let gateway = Gateway::start_in(&house.configuration, &shim.environment());
    house.smoke(true);
    let raised = house.listener.wait_for_event(START_LIMIT, RAISED, "smoke-1");
    let time = raised.json["time"].as_str().unwrap_or_default().to_owned();
    assert!(time.starts_with("1970-"), "the shim does its part: {time}");
    assert_eq!(raised.json["data"]["clock"], "unset");
    gateway.stop();

    let authority = house.configuration.text();
    let authority = authority.lines().find(|line| line.starts_with("ca_file")).expect("a ca_file");
    let keys = format!("url = \"mqtts://localhost:{}\"\n{authority}", house.tap.port);
    let room = DutyRoom::launch_by(&keys, &shim.environment());
    wait_until(START_LIMIT, "the duty room should connect in 1970", || room.is_ready());
}

#[test]
fn in_1970_a_certificate_that_was_over_before_the_build_is_refused() {
    let (house, shim, _drawer) = house(LONG_OVER);
    shim.shift_clock(shift_to(1970));
    let gateway = Gateway::start_in(&house.configuration, &shim.environment());
    let line = house.wait_for_line(&gateway, "the broker's certificate expired on 2026-01-01");
    println!("{line}");
    assert!(house.listener.messages().is_empty());
    gateway.stop();
    house.tap.assert_only_tls();
}

/// The gateway ran in 2031; then its battery died. The certificate ended in 2030, after the build.
#[test]
fn in_1970_a_certificate_that_was_over_by_the_newest_record_is_refused() {
    let (house, shim, drawer) = house(OVER_BY_THE_RECORDS);
    shim.shift_clock(shift_to(1970));
    let gateway = Gateway::start_in(&house.configuration, &shim.environment());
    house.listener.wait_for_state(START_LIMIT, "ready");
    gateway.stop();
    let known = house.listener.messages().len();

    shim.shift_clock(shift_to(RECORDED));
    let gateway = Gateway::start_in(&house.configuration, &shim.environment());
    house.wait_for_line(&gateway, "expired on 2030-01-01 (judged as of 2031-");
    let refusals = |gateway: &Gateway| gateway.stderr().matches("(judged as of 2031-").count();
    gateway.signal(rustix::process::Signal::TERM);
    let mut gateway = gateway;
    wait_until(START_LIMIT, "it should end", || gateway.exited().is_some());
    let before = refusals(&gateway);

    shim.shift_clock(shift_to(1970));
    let gateway = Gateway::start_in(&house.configuration, &shim.environment());
    wait_until(START_LIMIT, "the newest record should count in 1970", || refusals(&gateway) > before);
    assert_eq!(house.listener.messages().len(), known, "nothing more was told");
    gateway.stop();

    // The control: to who has no such records the same certificate is good.
    let authority = drawer.path().join("ours.pem").display().to_string();
    let keys = format!("url = \"mqtts://localhost:{}\"\nca_file = \"{authority}\"\n", house.tap.port);
    let room = DutyRoom::launch_by(&keys, &shim.environment());
    wait_until(START_LIMIT, "a new duty room should believe its build", || room.is_ready());
}
