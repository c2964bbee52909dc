//! The broker is away for a while: how fast the first alarm is told after its return.
use std::time::Duration;

use shouwang_tests::{Gateway, Listener, Mosquitto, clock, wait_for};

use crate::many::{Many, device};
use crate::server::Server;
use crate::table::Table;

const MANY: Many = Many { lines: 8, devices: 32, alarm_ms: 1000 };
const OUTAGE: Duration = Duration::from_secs(20);
const OUTAGES: u16 = 2;
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(table: &mut Table) {
    let mut server = Server::start(MANY.lines);
    let mut broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let configuration = MANY.configuration(&broker, &server);
    let gateway = Gateway::start(&configuration);
    MANY.wait_until_online(&listener, LIMIT);
    let mut worst_ms = 0_f64;
    for outage in 0..OUTAGES {
        worst_ms = worst_ms.max(first_after_outage_ms(&mut broker, &listener, &mut server, outage));
    }
    gateway.stop();
    let what = format!("broker away for 20 s, {OUTAGES} times: first alarm after its return, worst");
    table.bounded("outage_first_ms", &what, worst_ms, "ms", 1000.0);
}

/// An alarm is raised while the broker is away, each time another; how long after its return it arrives.
fn first_after_outage_ms(
    broker: &mut Mosquitto,
    listener: &Listener,
    server: &mut Server,
    outage: u16,
) -> f64 {
    broker.stop();
    let away = clock::now();
    server.set(1, 1, outage, 1);
    clock::pause(OUTAGE.saturating_sub(away.elapsed()));
    broker.restart();
    let back = clock::now();
    let (device, condition) = (device(1, 1), format!("c{outage}"));
    let arrived = wait_for(LIMIT, "the alarm should arrive after the outage", || {
        let events = listener.events_of("shouwang.alarm.raised.v1");
        let mut ours = events.iter().filter(|event| event.subject() == device);
        ours.find(|event| event.json["data"]["condition"] == condition).map(|event| event.at)
    });
    arrived.saturating_duration_since(back).as_secs_f64() * 1000.0
}
