//! Memory over four minutes of 256 devices at 1 s, with an alarm raised or cleared five times a second.
use std::time::Duration;

use shouwang_tests::{DutyRoom, Gateway, Listener, Mosquitto, clock};

use crate::many::Many;
use crate::process;
use crate::server::Server;
use crate::table::Table;

const MANY: Many = Many { lines: 32, devices: 8, alarm_ms: 1000 };
const SOAK: Duration = Duration::from_secs(240);
const SETTLED: Duration = Duration::from_secs(60);
const FLIP_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn measure(table: &mut Table) {
    let mut server = Server::start(MANY.lines);
    let broker = Mosquitto::start();
    let room = DutyRoom::start(&broker);
    let listener = Listener::start(&broker);
    let configuration = MANY.configuration(&broker, &server);
    let gateway = Gateway::start(&configuration);
    MANY.wait_until_online(&listener, SETTLED);
    drop(listener);
    let began = clock::now();
    let (mut settled_mib, mut flips) = (None, 0_u16);
    while began.elapsed() < SOAK {
        // The same ten devices over and over: an alarm that stands cries again.
        let (line, unit_id) = MANY.nth(flips / 2 % 10);
        server.set(line, unit_id, 0, 1 - flips % 2);
        flips += 1;
        clock::pause(FLIP_EVERY);
        if began.elapsed() >= SETTLED {
            settled_mib.get_or_insert_with(|| process::resident_mib(gateway.id()));
        }
    }
    let (settled, end) = (settled_mib.unwrap_or(f64::NAN), process::resident_mib(gateway.id()));
    gateway.stop();
    room.stop();
    let what = |of: &str| format!("soak of 256 devices at 1 s, 5 changes of alarms a second: {of}");
    table.plain("soak_1_min_mib", &what("memory after 1 min"), settled, "MiB");
    table.plain("soak_end_mib", &what("memory after 4 min"), end, "MiB");
    table.bounded("soak_growth", &what("growth"), end / settled, "x", 1.05);
}
