//! Modbus TCP: 256 devices of ten registers at 1 s on 8 lines, beside a libmodbus loop that does the same.
use std::fmt::Write;
use std::time::Duration;

use shouwang_field::{Running, Table as Registers};
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, clock, port};

use crate::table::Table;
use crate::ten::{ALL_ALARMS, REGISTERS, start_field, write_profiles};
use crate::{peer, process};

const LINES: u16 = 8;
const DEVICES_PER_LINE: u8 = 32;
const PERIOD_MS: u64 = 1000;
const MEASURE_S: u64 = 30;
/// While it is measured an alarm is raised this often, so that disk and broker are part of it.
const ALARM_EVERY: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn measure(table: &mut Table) {
    let broker = Mosquitto::start();
    let listener = Listener::start_hearing(&broker, "duty-1");
    let first_port = port::free_block(LINES);
    let mut configuration = Configuration::new(&broker);
    let profiles = configuration.directory().join("profiles");
    write_profiles(&profiles);
    let field = start_field(&field_config(first_port), &profiles);

    let [ports, lines, devices, registers, period] = [
        u64::from(first_port),
        u64::from(LINES),
        u64::from(DEVICES_PER_LINE),
        u64::from(REGISTERS),
        PERIOD_MS,
    ]
    .map(|number| number.to_string());
    let peer = peer::run(&["tcp", &ports, &lines, &devices, &registers, &period], MEASURE_S);
    assert_eq!(peer["failed"], 0, "the field answers everybody");
    let peer_s = peer["cpu_s"].as_f64().unwrap_or(f64::NAN) * MEASURE_S as f64
        / peer["seconds"].as_f64().unwrap_or(f64::NAN);

    configuration = configuration.top(&format!("profile_dirs = [\"{}\"]", profiles.display()));
    for line in 0..LINES {
        let address = format!("127.0.0.1:{}", first_port + line);
        let more = format!("poll = {{ alarm_ms = {PERIOD_MS} }}");
        configuration = configuration.tcp_line(&line_name(line), &address, &more);
        for unit_id in 1..=DEVICES_PER_LINE {
            configuration =
                configuration.device(&device(line, unit_id), &line_name(line), unit_id, ALL_ALARMS, "");
        }
    }
    let gateway = Gateway::start(&configuration);
    for line in 0..LINES {
        for unit_id in 1..=DEVICES_PER_LINE {
            listener.wait_for_device(LIMIT, &device(line, unit_id), "online");
        }
    }
    let began = clock::now();
    let before_s = process::cpu_s(gateway.id());
    for n in 0..(MEASURE_S / ALARM_EVERY.as_secs()) {
        clock::pause((ALARM_EVERY * u32::try_from(n + 1).unwrap_or(1)).saturating_sub(began.elapsed()));
        raise(&field, &device(0, u8::try_from(n + 1).unwrap_or(1)), 0);
    }
    let used_s = (process::cpu_s(gateway.id()) - before_s) * MEASURE_S as f64 / began.elapsed().as_secs_f64();
    let what = |of: &str| format!("TCP, 256 devices at 1 s: {of}");
    table.plain("tcp_libmodbus_cpu_s", &what("CPU s in 30 s, libmodbus loop"), peer_s, "s");
    table.plain("tcp_cpu_s", &what("CPU s in 30 s, shouwang"), used_s, "s");
    table.bounded("tcp_cpu_ratio", &what("CPU, shouwang / libmodbus loop"), used_s / peer_s, "x", 3.0);
    let resident = process::resident_mib(gateway.id());
    table.bounded("tcp_resident_mib", &what("resident memory"), resident, "MiB", 20.0);

    gateway.stop();
}

fn raise(field: &Running, device: &str, register: u16) {
    field.set_raw(device, Registers::HoldingRegister, register, 1).expect("a register of the field");
}

fn line_name(line: u16) -> String {
    format!("line-{line}")
}

fn device(line: u16, unit_id: u8) -> String {
    format!("device-{line}-{unit_id}")
}

fn field_config(first_port: u16) -> String {
    let mut text = String::new();
    for line in 0..LINES {
        let name = line_name(line);
        let port = first_port + line;
        writeln!(text, "[[line]]\nname = \"{name}\"\ntcp = {{ listen = \"127.0.0.1:{port}\" }}")
            .expect("text grows");
    }
    for line in 0..LINES {
        for unit_id in 1..=DEVICES_PER_LINE {
            writeln!(
                text,
                "[[device]]\nid = \"{}\"\nline = \"{}\"\nunit_id = {unit_id}\nprofile = \"{ALL_ALARMS}\"\nreply_ms = 0",
                device(line, unit_id),
                line_name(line)
            )
            .expect("text grows");
        }
    }
    text
}
