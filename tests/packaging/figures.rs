//! What the shipped program takes on this machine: its size, its memory with 64 devices, and the time from its start to
//! the first request on a line. `cargo test -p shouwang-tests --test packaging figures -- --ignored --nocapture`
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use shouwang_tests::{Configuration, Gateway, Mosquitto, clock, wait_for};

use crate::program::Built;
use crate::street::{LIMIT, Street, name};

/// What `gateway/packaging/binary` refuses more than.
const MOST_BYTES: u64 = 12 * 1024 * 1024;
const DEVICES: u8 = 64;
const MOST_MIB: f64 = 20.0;
const FIRST_POLL_WITHIN: Duration = Duration::from_secs(2);
/// Long enough for every queue to have been used.
const LIVES_FOR: Duration = Duration::from_secs(20);

#[test]
#[ignore = "slow to build: tests/long packages"]
fn every_program_fits_into_its_box() {
    for arch in ["arm64", "armhf", "amd64"] {
        let bytes = Built::of(arch, "small").bytes();
        println!("{arch}: {bytes} bytes");
        let is_for_boxes = arch != "amd64";
        assert!(
            !is_for_boxes || bytes <= MOST_BYTES,
            "{arch}: {bytes} bytes are more than boxes were promised, {MOST_BYTES}"
        );
    }
}

#[test]
#[ignore = "slow to build: tests/long packages"]
fn memory_with_64_devices() {
    let program = Built::of("amd64", "small");
    let mut street = Street::new(DEVICES);
    street.watch_with(program.command());
    for unit_id in 1..=DEVICES {
        street.listener.wait_for_device(LIMIT, &name(unit_id), "online");
    }
    for unit_id in 1..=DEVICES / 2 {
        street.smoke(unit_id);
    }
    clock::pause(LIVES_FOR);
    let id = street.gateway.as_ref().map(Gateway::id).expect("a running gateway");
    let resident = resident_mib(id);
    println!("resident with {DEVICES} devices, half of them in alarm: {resident:.1} MiB");
    assert!(resident <= MOST_MIB, "{resident:.1} MiB are resident");
    street.stop();
}

#[test]
#[ignore = "slow to build: tests/long packages"]
fn start_to_first_poll() {
    let program = Built::of("amd64", "small");
    let device = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let address = device.local_addr().expect("its address").to_string();
    let broker = Mosquitto::start();
    let configuration = Configuration::new(&broker).tcp_line("line-1", &address, "");
    let configuration = configuration.device("smoke-1", "line-1", 1, "renke-rs-yg-n01", "");
    let began = clock::now();
    let _gateway = Gateway::start_by(program.command(), &configuration);
    let (mut stream, _) = device.accept().expect("the gateway connects");
    stream.read_exact(&mut [0]).expect("the gateway asks");
    let took = began.elapsed();
    println!("from the start of the program to its first request: {} ms", took.as_millis());
    assert!(took <= FIRST_POLL_WITHIN, "the first poll came after {took:?}");
}

fn resident_mib(id: u32) -> f64 {
    wait_for(LIMIT, "proc(5) should tell of the gateway", || {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    }) / 1024.0
}
