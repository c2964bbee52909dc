//! Whenever a part does not work, somebody is told: the gateway's own threads, the gateway itself, its line, its
//! disk, and the way to the duty room.
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Place, Running, Table};
use shouwang_message::Value as Setting;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::{Program, root};
use shouwang_tests::{
    Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, port, wait_for, wait_until,
};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, assert_in_sequence, name};

const FAULT: &str = "shouwang.fault.raised.v1";
/// Invariant I12: a hung part ends the process within 20 s.
const HUNG_LIMIT: Duration = Duration::from_secs(20);
/// Rules, section 9: a line that is down is told within 10 s.
const LINE_LIMIT: Duration = Duration::from_secs(10);
/// Contract: either end silent, or the way between, is shown within 30 s.
const SHOWN_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_line_thread_that_hangs_restarts_the_process() {
    a_thread_that_hangs_restarts_the_process(Hangs::Threads("line 0"), &["line line-1"]);
}

#[test]
fn a_store_thread_that_hangs_holds_no_alarm_and_restarts_the_process() {
    a_thread_that_hangs_restarts_the_process(Hangs::Threads("store-writer"), &["store"]);
}

#[test]
fn an_event_loop_that_hangs_restarts_the_process() {
    a_thread_that_hangs_restarts_the_process(Hangs::Main, &["event loop"]);
}

#[test]
fn a_watchdog_that_hangs_restarts_the_process_and_feeds_systemd_no_more() {
    a_thread_that_hangs_restarts_the_process(Hangs::Threads("watchdog"), &["watchdog"]);
}

/// The timers of the whole program may be in the hands of one of them: then the event loop stands still too.
#[test]
fn uplink_threads_that_hang_restart_the_process() {
    a_thread_that_hangs_restarts_the_process(Hangs::Threads("tokio-rt-worker"), &["runtime", "event loop"]);
}

#[derive(Clone, Copy)]
pub(crate) enum Hangs {
    /// All of this name.
    Threads(&'static str),
    Main,
}

fn a_thread_that_hangs_restarts_the_process(hangs: Hangs, parts: &[&str]) {
    let part = parts[0];
    let mut street = Street::tcp(2);
    let socket = street.configuration.directory().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket for systemd's part");
    systemd.set_nonblocking(true).expect("a socket that does not wait");
    let environment = [("NOTIFY_SOCKET", socket.display().to_string()), ("WATCHDOG_USEC", "20000000".into())];
    street.gateway = Some(Gateway::start_in(&street.configuration, &environment));
    street.listener.wait_for_state(START_LIMIT, "ready");
    for unit_id in 1..=2 {
        street.listener.wait_for_device(START_LIMIT, &name(unit_id), "online");
    }
    wait_until(ALARM_LIMIT, "systemd should hear that the gateway is ready and alive", || {
        let said = messages(&systemd);
        said.iter().any(|message| message == "WATCHDOG=1")
    });

    let gateway = street.gateway.as_mut().expect("a running gateway");
    let tracer = hang(gateway.id(), hangs, street.configuration.directory());
    let hung_at = clock::now();
    if part == "store" {
        // Law 1's only exception: told at once, marked, although nothing can be committed.
        street.devices.set(2, shouwang_tests::modbus_server::Table::Holding, 3, &[1]);
        let told = wait_for(ALARM_LIMIT, "the alarm should be told unlogged", || {
            street.listener.messages().into_iter().find_map(|message| {
                let document: Value = serde_json::from_slice(&message.payload).ok()?;
                let is_it = message.leaf.starts_with("alarm/") && document["device"] == "smoke-2";
                is_it.then_some(document)
            })
        });
        assert_eq!(told["unlogged"], true, "{told}");
        assert!(street.listener.events_of(RAISED).is_empty(), "its event waits for the disk");
    }
    let status = wait_for(HUNG_LIMIT, "the process should end itself", || gateway.exited());
    let took = hung_at.elapsed();
    println!("{part}: the process ended itself {:.1} s after the thread hung", took.as_secs_f64());
    assert_eq!(status.signal(), Some(6), "by abort, so that whoever keeps it running starts it anew");
    assert!(gateway.stderr().contains("ends itself"), "it says why: {}", gateway.stderr());
    let fed = messages(&systemd).iter().filter(|message| *message == "WATCHDOG=1").count();
    if part == "watchdog" {
        assert!(fed <= 2, "nobody pretends to systemd that all is well: fed {fed} times more");
    }
    drop(tracer);

    street.launch();
    let kind = |event: &shouwang_tests::listener::Heard| event.json["data"]["code"] == "restarted";
    let told = wait_for(START_LIMIT, "the next start should tell the cause", || {
        street.listener.events_of(FAULT).into_iter().find(kind)
    });
    let text = told.json["data"]["text"]["en"].as_str().unwrap_or_default().to_owned();
    assert!(parts.iter().any(|part| text.contains(part)), "{text}");
    if part == "store" {
        street.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-2");
    }
    assert_in_sequence(&street.listener);
    street.gateway.take().expect("a running gateway").end();
    // It is told once.
    street.launch();
    wait_until(START_LIMIT, "the third boot should be told", || {
        street.listener.events_of("shouwang.boot.v1").len() == 3
    });
    street.gateway.take().expect("a running gateway").end();
    let restarted = street.listener.events_of(FAULT).into_iter().filter(kind).count();
    assert_eq!(restarted, 1, "an orderly end has no cause to tell");
}

/// A database that was damaged while nobody looked is put aside, and what may be missing is told.
#[test]
fn a_damaged_database_is_put_aside_and_the_gap_is_told() {
    let mut street = Street::tcp(1);
    street.start();
    street.stop();
    let directory = street.configuration.state_directory();
    for file in ["gateway.db", "gateway.db-wal"] {
        let path = directory.join(file);
        if path.exists() {
            let length = std::fs::metadata(&path).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
            std::fs::write(&path, vec![0xA5; length]).expect("a file that rots");
        }
    }
    street.smoke(1, true);
    street.launch();
    let gap = street.listener.wait_for_event(START_LIMIT, "shouwang.gap.v1", "gw-0007");
    assert!(
        gap.json["data"]["why"]["en"].as_str().is_some_and(|why| why.contains("damaged")),
        "{}",
        gap.json
    );
    // Judged again from the field, not from memory.
    street.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-1");
    let aside = std::fs::read_dir(&directory).expect("the state directory").flatten();
    let aside: Vec<_> = aside.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(aside.iter().any(|name| name.starts_with("gateway.db") && name.len() > 14), "{aside:?}");
    street.gateway.take().expect("a running gateway").end();
}

#[test]
fn systemd_is_told_of_the_start_and_the_end() {
    let mut street = Street::tcp(1);
    let socket = street.configuration.directory().join("notify");
    let systemd = UnixDatagram::bind(&socket).expect("a socket for systemd's part");
    systemd.set_nonblocking(true).expect("a socket that does not wait");
    let environment = [("NOTIFY_SOCKET", socket.display().to_string())];
    street.gateway = Some(Gateway::start_in(&street.configuration, &environment));
    let mut said = Vec::new();
    wait_until(START_LIMIT, "READY=1", || {
        said.extend(messages(&systemd));
        said.contains(&"READY=1".to_owned())
    });
    street.listener.wait_for_state(START_LIMIT, "ready");
    street.stop();
    said.extend(messages(&systemd));
    assert_eq!(said, ["READY=1", "STOPPING=1"], "and no watchdog is fed that nobody asked for");
}

#[test]
fn a_line_that_is_unplugged_is_told_within_ten_seconds() {
    let mut street = Street::serial(3);
    street.start();
    let unplugged = clock::now();
    street.unplug();
    let since = |at| street.listener.events_of(FAULT).into_iter().filter(move |fault| fault.at > at);
    let fault = wait_for(LINE_LIMIT, "the line should be told down", || since(unplugged).next());
    println!("line down told after {:.1} s", (fault.at - unplugged).as_secs_f64());
    assert_eq!((fault.subject(), fault.json["data"]["code"].as_str()), ("line-1", Some("line_down")));
    clock::pause(LINE_LIMIT);
    assert_eq!(since(unplugged).count(), 1, "one fault of the line, not one for each device");
    street.stop();
}

#[test]
fn a_gateway_that_is_killed_is_lost_at_the_duty_room_in_time() {
    a_gateway_is_lost_at_the_duty_room(Signal::KILL);
}

#[test]
fn a_gateway_that_is_frozen_is_lost_at_the_duty_room_in_time() {
    a_gateway_is_lost_at_the_duty_room(Signal::STOP);
}

/// By the will if the connection breaks, by its silence if it stays half open.
fn a_gateway_is_lost_at_the_duty_room(signal: Signal) {
    let mut street = Street::tcp(1);
    street.start();
    let room = DutyRoom::start(&street.broker);
    let is_lost = |room: &DutyRoom| room.open_alarms().iter().any(|row| row.to_string().contains("网关失联"));
    // Its heartbeat makes it known here.
    clock::pause(Duration::from_secs(11));
    assert!(!is_lost(&room), "it is there: {:?}", room.open_alarms());
    let gateway = street.gateway.as_ref().expect("a running gateway");
    let at = clock::now();
    gateway.signal(signal);
    wait_until(SHOWN_LIMIT + Duration::from_secs(1), "the duty room should miss the gateway", || {
        is_lost(&room)
    });
    println!("{signal:?}: lost at the duty room after {:.1} s", at.elapsed().as_secs_f64());
    if signal == Signal::STOP {
        gateway.signal(Signal::CONT);
        wait_until(SHOWN_LIMIT, "a gateway that goes on should be there again", || !is_lost(&room));
        // To have been stopped as a whole is no hanging of a part.
        street.stop();
    }
    room.stop();
}

#[test]
fn the_box_shows_lost_contact_and_sounds_what_nobody_hears() {
    let field = Field::start();
    let mut broker = Mosquitto::start();
    let profiles = root().join("tests/profiles");
    let page = format!("127.0.0.1:{}", port::free());
    let configuration = Configuration::new(&broker);
    let pin_file = configuration.directory().join("pin");
    std::fs::write(&pin_file, "240917\n").expect("a PIN");
    std::fs::set_permissions(&pin_file, Permissions::from_mode(0o600)).expect("a secret PIN");
    let configuration = configuration
        .top(&format!("profile_dirs = [\"{}\"]", profiles.display()))
        .tcp_line("line-1", &field.address, "")
        .device("smoke-1", "line-1", 1, "renke-rs-yg-n01", "")
        .device("siren-1", "line-1", 20, "acme-siren-1", "")
        .table("[[output]]\nname = \"siren-gate\"\ndevice = \"siren-1\"\npoint = \"siren\"")
        .table("[[output]]\nname = \"lamp-gate\"\ndevice = \"siren-1\"\npoint = \"lamp\"")
        .table(&format!(
            "[local_alarm]\noutput = \"siren-gate\"\nno_contact = \"lamp-gate\"\n\
             silence = {{ device = \"siren-1\", point = \"quiet\" }}\n\
             silence_page = {{ listen = \"{page}\", pin_file = \"{}\" }}",
            pin_file.display()
        ));
    let check = Command::new(binary()).arg("check").arg("--config").arg(configuration.write()).output();
    let said = String::from_utf8_lossy(&check.expect("check runs").stdout).into_owned();
    for explained in [
        "output siren-gate: siren of siren-1, written by function 5 at address 0",
        "siren-gate sounds what no duty room hears for 30 s, or nobody acknowledges for 180 s",
        "lamp-gate is on while no duty room is reached",
        "silenced by siren-1 quiet",
        "and its PIN",
    ] {
        assert!(said.contains(explained), "{explained}:\n{said}");
    }
    let gateway = Gateway::start(&configuration);
    let listener = Listener::start_hearing(&broker, "duty-1");
    listener.wait_for_state(START_LIMIT, "ready");
    listener.wait_for_device(START_LIMIT, "siren-1", "online");
    wait_until(ALARM_LIMIT, "the box should be dark and quiet", || field.shown() == (false, false));

    broker.stop();
    let away = clock::now();
    field.smoke(true);
    wait_until(SHOWN_LIMIT, "the lamp should show lost contact", || field.shown().1);
    println!("lost contact shown after {:.1} s", away.elapsed().as_secs_f64());
    assert!(!field.shown().0, "the siren waits for its 30 s");
    wait_until(SHOWN_LIMIT, "the siren should sound", || field.shown().0);
    let sounded = away.elapsed();
    println!("unheard smoke sounds after {:.1} s", sounded.as_secs_f64());
    assert!((Duration::from_secs(30)..Duration::from_secs(34)).contains(&sounded), "{sounded:?}");

    field.press_for_quiet();
    wait_until(ALARM_LIMIT, "the button should silence it", || !field.shown().0);
    assert!(field.shown().1, "there is still no contact");

    field.smoke(false);
    clock::pause(Duration::from_secs(12));
    field.smoke(true);
    wait_until(ALARM_LIMIT, "a second cry should sound again", || field.shown().0);
    assert!(silence_by_page(&page, "111111").starts_with("HTTP/1.1 403"));
    assert!(field.shown().0, "a wrong PIN quiets nothing");
    assert!(silence_by_page(&page, "240917").starts_with("HTTP/1.1 200"));
    wait_until(ALARM_LIMIT, "the page should silence it", || !field.shown().0);
    broker.restart();
    wait_until(SHOWN_LIMIT * 2, "the lamp should go out", || !field.shown().1);
    listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-1");
    listener.wait_for_event(ALARM_LIMIT, "shouwang.alarm.silenced.v1", "smoke-1");
    gateway.stop();
}

/// What the silencing page answers to this PIN.
fn silence_by_page(page: &str, pin: &str) -> String {
    let mut stream = TcpStream::connect(page).expect("the silencing page");
    let length = "pin=".len() + pin.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {page}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\npin={pin}"
    );
    stream.write_all(request.as_bytes()).expect("a page that reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a page that answers");
    answer
}

/// A smoke alarm at unit id 1 and the siren's box at 20, simulated, on one TCP line.
struct Field {
    running: Running,
    address: String,
}

impl Field {
    fn start() -> Self {
        let mut catalog = Catalog::shipped();
        let siren = root().join("tests/profiles/acme-siren-1.toml");
        catalog.add_file(&siren).expect("the siren's profile");
        let text = "line = [{ name = 'box', tcp = { listen = '127.0.0.1:0' } }]\n\
            [[device]]\nid = 'smoke'\nline = 'box'\nunit_id = 1\nprofile = 'renke-rs-yg-n01'\n\
            [[device]]\nid = 'siren'\nline = 'box'\nunit_id = 20\nprofile = 'acme-siren-1'\n";
        let config = FieldConfig::from_toml(text, "field.toml").expect("a field");
        let running = shouwang_field::start(&config, &catalog).expect("a running field");
        let address = match running.place("box") {
            Some(Place::Tcp(address)) => address.to_string(),
            _ => String::new(),
        };
        Self { running, address }
    }

    fn smoke(&self, is_smoking: bool) {
        self.set("smoke", "smoke", is_smoking);
    }

    fn press_for_quiet(&self) {
        self.set("siren", "quiet", true);
        clock::pause(Duration::from_secs(2));
        self.set("siren", "quiet", false);
    }

    fn set(&self, device: &str, point: &str, value: bool) {
        self.running.set(device, point, Setting::Bool(value)).expect("a point that can be set");
    }

    /// The box's own coils: siren, lamp.
    fn shown(&self) -> (bool, bool) {
        let coil =
            |address| self.running.register("siren", Table::Coil, address).expect("the box") == Some(1);
        (coil(0), coil(1))
    }
}

/// Stops threads for as long as the process lives.
pub(crate) fn hang(process: u32, hangs: Hangs, directory: &std::path::Path) -> Program {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("a running process");
    let tids = tasks.flatten().map(|task| task.path()).filter_map(|task| {
        let tid: u32 = task.file_name()?.to_str()?.parse().ok()?;
        let comm = std::fs::read_to_string(task.join("comm")).ok()?;
        let is_it = match hangs {
            Hangs::Main => tid == process,
            Hangs::Threads(name) => comm.trim() == name,
        };
        is_it.then(|| tid.to_string())
    });
    let tids: Vec<String> = tids.collect();
    assert!(!tids.is_empty(), "a thread of this name");
    let script = root().join("tests/end_to_end/hang_thread.py");
    let mut command = Command::new("/usr/bin/python3");
    let tracer = Program::start("hang_thread", command.arg(script).args(&tids), directory);
    wait_until(ALARM_LIMIT, "the threads should hang", || tracer.stdout().lines().count() >= tids.len());
    tracer
}

fn messages(systemd: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 256];
    let next =
        || systemd.recv(&mut buffer).ok().map(|count| String::from_utf8_lossy(&buffer[..count]).into_owned());
    std::iter::from_fn(next).collect()
}
