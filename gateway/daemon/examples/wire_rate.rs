//! How near a line comes to what its baud rate allows: 16 devices of 10 holding registers each on a paced
//! pty, polled continuously, with 0, 1 and 3 of them dead. Prints the living's time for a round over its
//! theory (frames, two silences, the devices' delay), first while the others die, then while they are lost.
//!
//! `cargo run --release --example wire_rate -- [BAUD] [SECONDS]`
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement by hand: it ends where it fails"
)]

#[expect(dead_code, reason = "shared with the tests, which also want exceptions")]
#[path = "../tests/line/paced.rs"]
mod paced;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use paced::{PacedLine, Reply};
use shouwang_core::Instant;
use shouwang_core::configuration::{DeviceSettings, Installed, LineKind, LineSettings, PollTimes};
use shouwang_core::input::{Input, Outcome};
use shouwang_core::line::Line;
use shouwang_core::plan::wire_time;
use shouwang_core::profile::{Parity, Profile};
use shouwang_gateway::clock;
use shouwang_gateway::line::{Link, WireTap, spawn};
use shouwang_message::Place;

const DEVICES: u8 = 16;
const DELAY: Duration = Duration::from_millis(5);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let baud = arguments.next().map_or(9600, |text| text.parse().unwrap());
    let seconds = arguments.next().map_or(20, |text| text.parse().unwrap());
    for dead in [0, 1, 3] {
        measure(baud, dead, Duration::from_secs(seconds));
    }
}

fn measure(baud: u32, dead: u8, time: Duration) {
    let die_up_to = Arc::new(AtomicU8::new(0));
    let dying = Arc::clone(&die_up_to);
    let devices = move |unit_id, _: &modbus_wire::Request<'_>| match unit_id {
        unit_id if unit_id <= dying.load(Ordering::Relaxed) => Reply::Silence,
        _ => Reply::Normal { after: DELAY },
    };
    let field = PacedLine::start(baud, Box::new(devices));
    let (settings, devices) = configuration(baud);
    let mut line = Line::new(0, &settings, devices.iter().enumerate(), 1);
    let blocks = &line.plan(0).unwrap().blocks;
    let exchange = blocks.iter().map(|block| wire_time(block, &settings) + DELAY).sum::<Duration>();
    let theory = exchange * u32::from(DEVICES - dead);

    let (tell, told) = channel();
    let link = Link::Serial { path: field.path.clone(), baud, parity: Parity::None, stop_bits: 1 };
    let handle = spawn(0, link, WireTap::new(), move |at, input| {
        let _ = tell.send((at, input));
    });
    let handle = handle.unwrap();
    let began = clock::now();
    let warm = began + Duration::from_secs(2);
    let (lost, end) = (warm + time, warm + time * 2);
    let mut devices_of = std::collections::BTreeMap::new();
    let mut answers: Vec<Vec<Instant>> = vec![Vec::new(); usize::from(DEVICES)];
    let mut reports = Vec::new();
    let mut now = began;
    while now < end {
        if now >= warm {
            die_up_to.store(dead, Ordering::Relaxed);
        }
        while let Some(ask) = line.next_ask(now) {
            devices_of.insert(ask.id, ask.device);
            handle.ask(ask);
        }
        let wait = line.next_deadline().map_or(Duration::from_millis(100), |deadline| deadline.since(now));
        match told.recv_timeout(wait.min(Duration::from_millis(100))) {
            Ok((at, Input::Answered { ask, outcome, .. })) => {
                let device = devices_of.remove(&ask).unwrap();
                if let Outcome::Registers { .. } = outcome {
                    answers[device].push(at);
                }
                line.answered(at, ask, &outcome, &mut reports);
                reports.clear();
            }
            Ok((at, Input::LineUp { .. })) => line.up(at),
            Ok((_, other)) => println!("{other:?}"),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        now = clock::now();
    }
    let ratio = |from: Instant, to: Instant| {
        let living = answers.iter().skip(usize::from(dead));
        let cycles = living.map(|answers| {
            let within: Vec<_> = answers.iter().filter(|at| **at >= from && **at < to).collect();
            let spent = within.last().unwrap().since(**within.first().unwrap());
            spent.as_secs_f64() / (within.len() - 1) as f64
        });
        cycles.sum::<f64>() / f64::from(DEVICES - dead) / theory.as_secs_f64()
    };
    let (dying, lost) = (ratio(warm, lost), ratio(lost, end));
    println!("{baud} baud, {dead} of {DEVICES} dead: {dying:.4} while dying, {lost:.4} while lost");
}

fn configuration(baud: u32) -> (LineSettings, Vec<DeviceSettings>) {
    let zero = Duration::ZERO;
    let settings = LineSettings {
        name: "paced".parse().unwrap(),
        kind: LineKind::Serial { baud, bits: 10 },
        timeout: Duration::from_millis(200),
        poll: PollTimes { alarm: zero, state: zero, slow: zero },
    };
    let profile = Arc::new(profile());
    let device = |unit_id| DeviceSettings {
        id: format!("device-{unit_id}").parse().unwrap(),
        line: 0,
        unit_id,
        profile: Arc::clone(&profile),
        conditions: Vec::new(),
        place: Place::default(),
        installed: Installed::default(),
    };
    (settings, (1..=DEVICES).map(device).collect())
}

fn profile() -> Profile {
    let mut text = String::from(
        "vendor = \"Bench\"\nmodel = \"Ten\"\ntitle = { zh = \"十个\", en = \"Ten\" }\nclass = \"smoke\"\n\
         verified = \"bench\"\nsource = \"this measurement\"\n",
    );
    for address in 0..10 {
        let title = format!("{{ zh = \"点{address}\", en = \"Point {address}\" }}");
        let place = format!("table = \"holding_register\"\naddress = {address}\ntype = \"u16\"");
        write!(text, "[[point]]\nname = \"p{address}\"\ntitle = {title}\n{place}\npoll = \"alarm\"\n")
            .unwrap();
    }
    shouwang_catalog::parse(Path::new("bench-ten.toml"), text.as_bytes()).unwrap().0
}
