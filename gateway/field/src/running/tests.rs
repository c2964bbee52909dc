//! Real ptys and sockets, and plain clients on them.
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio_modbus::client::Reader as _;
use tokio_modbus::prelude::{Slave, SlaveContext as _};

use super::*;
use crate::clock::millis;
use crate::made;

const SMOKE: &[u8] = &[1, 3, 0, 3, 0, 1, 0x74, 0x0A];
const NORMAL: &[u8] = &[1, 3, 2, 0, 0, 0xB8, 0x44];
const ALARM: &[u8] = &[1, 3, 2, 0, 1, 0x79, 0x84];

fn profiles() -> BTreeMap<String, Arc<shouwang_core::profile::Profile>> {
    [made::smoke(), made::level(), made::call()].into_iter().map(|one| (one.name.clone(), one)).collect()
}

fn field(text: &str) -> Running {
    let config = FieldConfig::from_toml(text, "test.toml").unwrap();
    start(&config, &profiles()).unwrap()
}

fn pty_field(baud: u32) -> Running {
    field(&format!(
        r#"
        line = [{{ name = "b3", pty = {{ baud = {baud} }} }}]
        device = [{{ id = "smoke-1", line = "b3", unit_id = 1, profile = "smoke" }}]
        "#
    ))
}

fn path(field: &Running, line: &str) -> std::path::PathBuf {
    match field.place(line) {
        Some(Place::Pty { path, .. }) => path,
        other => panic!("{line} is at {other:?}"),
    }
}

fn address(field: &Running, line: &str) -> SocketAddr {
    match field.place(line) {
        Some(Place::Tcp(address)) => address,
        other => panic!("{line} is at {other:?}"),
    }
}

fn plug_in(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn wait_for_bytes(client: &impl AsFd, ms: i64) -> bool {
    let wait = Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 };
    poll(&mut [PollFd::new(client, PollFlags::IN)], Some(&wait)).unwrap() > 0
}

/// Sends, then reads until so many bytes are there or nothing comes for a second.
fn ask(client: &mut (impl Read + Write + AsFd), request: &[u8], expected: usize) -> Vec<u8> {
    client.write_all(request).unwrap();
    let mut answer = Vec::new();
    while answer.len() < expected && wait_for_bytes(client, 1000) {
        let mut buffer = [0; 256];
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend(&buffer[..count]),
        }
    }
    answer
}

#[test]
fn a_plain_client_reads_a_smoke_detector_through_the_pty() {
    let field = pty_field(9600);
    let mut client = plug_in(&path(&field, "b3"));
    assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
    field.set("smoke-1", "smoke", Value::Bool(true)).unwrap();
    assert_eq!(ask(&mut client, SMOKE, 7), ALARM);
    field.set_raw("smoke-1", Table::HoldingRegister, 3, 0).unwrap();
    assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
    assert_eq!(field.register("smoke-1", Table::HoldingRegister, 3).unwrap(), Some(0));
    assert_eq!(field.register("smoke-1", Table::HoldingRegister, 4).unwrap(), None);
}

#[test]
fn the_wire_is_as_fast_as_its_baud_rate_says() {
    for baud in [9600, 115_200] {
        let field = pty_field(baud);
        let mut client = plug_in(&path(&field, "b3"));
        assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
        let theory = 15 * 10 * 1_000_000_000 / u64::from(baud) + millis(20);
        let share = || {
            let clock = Clock::start();
            assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
            clock.now() as f64 / theory as f64
        };
        let shares: Vec<f64> = std::iter::repeat_with(share).take(20).collect();
        let fastest = shares.into_iter().fold(f64::MAX, f64::min);
        println!("{baud} baud: {fastest:.4} of the theory");
        assert!(fastest >= 0.999, "faster than the wire: {fastest}");
        // Other programs may hold up most of them on few cores; alone each is within 1 %.
        assert!(fastest < 1.25, "{fastest}");
    }
}

#[test]
fn closing_and_opening_the_port_again_changes_nothing() {
    let field = pty_field(115_200);
    for _ in 0..3 {
        let mut client = plug_in(&path(&field, "b3"));
        rustix::termios::ioctl_tiocexcl(&client).unwrap();
        assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
    }
}

#[test]
fn an_answer_to_a_port_that_was_closed_is_lost_as_on_a_real_one() {
    let field = pty_field(115_200);
    let path = path(&field, "b3");
    let mut gone = plug_in(&path);
    gone.write_all(SMOKE).unwrap();
    assert!(wait_for_bytes(&gone, 1000), "the answer begins");
    drop(gone);
    // The line looks after its port before it takes an order, so now it knows that the client has left.
    field.replug("b3").unwrap();
    let mut next = plug_in(&path);
    let mut stale = 0;
    while wait_for_bytes(&next, 100) {
        stale += next.read(&mut [0; 16]).unwrap();
    }
    assert!(stale < NORMAL.len(), "what came before the closing is gone");
    assert_eq!(ask(&mut next, SMOKE, 7), NORMAL);
}

#[test]
fn a_line_that_is_plugged_in_again_is_behind_the_same_link() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("b3");
    let field = field(&format!(
        r#"
        line = [{{ name = "b3", pty = {{ baud = 115200, link = {link:?} }} }}]
        device = [{{ id = "smoke-1", line = "b3", unit_id = 1, profile = "smoke" }}]
        "#
    ));
    let mut client = plug_in(&link);
    assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
    field.unplug("b3").unwrap();
    assert!(!link.exists());
    assert_eq!(field.place("b3"), None);
    assert!(wait_for_bytes(&client, 1000));
    assert!(matches!(client.read(&mut [0; 8]), Ok(0) | Err(_)), "the client sees a hang-up");
    field.replug("b3").unwrap();
    field.replug("b3").unwrap();
    let mut client = plug_in(&link);
    assert_eq!(ask(&mut client, SMOKE, 7), NORMAL);
    field.stop();
    assert!(link.symlink_metadata().is_err(), "the link is gone with the field");
}

#[test]
fn a_link_never_replaces_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!("line = [{{ name = 'b3', pty = {{ link = {:?} }} }}]", file.path());
    let config = FieldConfig::from_toml(&text, "test.toml").unwrap();
    assert!(matches!(start(&config, &profiles()), Err(FieldError::Line { .. })));
    assert!(file.path().symlink_metadata().unwrap().is_file());
}

#[test]
fn a_converter_carries_rtu_frames_over_tcp() {
    let field = field(
        r#"
        line = [{ name = "roof", tcp = { listen = "127.0.0.1:0", framing = "rtu", baud = 115200 } }]
        device = [{ id = "smoke-1", line = "roof", unit_id = 1, profile = "smoke" }]
        "#,
    );
    let address = address(&field, "roof");
    let mut first = TcpStream::connect(address).unwrap();
    let mut second = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&mut first, SMOKE, 7), NORMAL);
    assert_eq!(ask(&mut second, SMOKE, 7), NORMAL);
    field.fault("smoke-1", Fault::Joined, true).unwrap();
    assert_eq!(ask(&mut first, SMOKE, 14), [NORMAL, NORMAL].concat());
    field.unplug("roof").unwrap();
    assert!(TcpStream::connect(address).is_err());
    field.replug("roof").unwrap();
    assert_eq!(ask(&mut TcpStream::connect(address).unwrap(), SMOKE, 14).len(), 14);
}

fn tcp_field() -> Running {
    field(
        r#"
        line = [{ name = "pump", tcp = { listen = "127.0.0.1:0" } }]
        [[device]]
        id = "level-1"
        line = "pump"
        unit_id = 9
        profile = "level"
        unit = "mm"
        values = { level_m = 3.41 }
        "#,
    )
}

/// As [`ask`], in Modbus TCP: unit id 9, holding registers 3 and 4.
fn read_level(client: &mut TcpStream) -> Vec<u8> {
    ask(client, &[0, 7, 0, 0, 0, 6, 9, 3, 0, 3, 0, 2], 13)
}

const LEVEL: &[u8] = &[0, 7, 0, 0, 0, 7, 9, 3, 4, 0, 0, 0x0D, 0x52];

#[tokio::test]
async fn another_authors_client_reads_over_tcp() {
    let field = tcp_field();
    let address = address(&field, "pump");
    let mut client = tokio_modbus::client::tcp::connect_slave(address, Slave(9)).await.unwrap();
    assert_eq!(client.read_holding_registers(3, 2).await.unwrap().unwrap(), [0, 3410]);
    let refused = client.read_holding_registers(100, 1).await.unwrap().unwrap_err();
    assert_eq!(refused, tokio_modbus::ExceptionCode::IllegalDataAddress);
    let refused = client.read_coils(0, 1).await.unwrap().unwrap_err();
    assert_eq!(refused, tokio_modbus::ExceptionCode::IllegalFunction);
    client.set_slave(Slave(8));
    let nobody = client.read_holding_registers(3, 1).await.unwrap().unwrap_err();
    assert_eq!(nobody, tokio_modbus::ExceptionCode::GatewayTargetDevice);
    // Stopping inside another runtime must not panic.
    field.stop();
}

#[test]
fn every_fault_of_a_tcp_line_can_be_seen() {
    let field = tcp_field();
    let mut client = TcpStream::connect(address(&field, "pump")).unwrap();
    let switch = |fault: &str, on| field.fault("level-1", fault.parse().unwrap(), on).unwrap();
    assert_eq!(read_level(&mut client), LEVEL);
    switch("exception 6", true);
    assert_eq!(ask(&mut client, &[0, 7, 0, 0, 0, 6, 9, 3, 0, 3, 0, 2], 9)[7..], [0x83, 6]);
    switch("exception 6", false);
    switch("slow 150", true);
    let clock = Clock::start();
    assert_eq!(read_level(&mut client), LEVEL);
    assert!(clock.now() >= millis(155));
    switch("slow 150", false);
    switch("dead", true);
    client.write_all(&[0, 7, 0, 0, 0, 6, 9, 3, 0, 3, 0, 2]).unwrap();
    assert!(!wait_for_bytes(&client, 100));
    switch("dead", false);
    assert_eq!(read_level(&mut client), LEVEL);
    switch("close", true);
    assert_eq!(read_level(&mut client), [0; 0]);
    switch("close", false);
    assert_eq!(read_level(&mut TcpStream::connect(address(&field, "pump")).unwrap()), LEVEL);
    assert!(field.fault("level-1", Fault::Joined, true).unwrap_err().to_string().contains("Modbus TCP"));
    assert!(field.fault("lavel-1", Fault::Dead, true).unwrap_err().to_string().contains("level-1"));
}

#[test]
fn a_tcp_line_survives_nonsense_and_being_unplugged() {
    let field = tcp_field();
    let address = address(&field, "pump");
    for nonsense in
        [&[0xFF; 300][..], &[0, 1, 0, 0, 0, 0, 9], &[0, 1, 0, 0, 0xFF, 0xFF, 9, 3], &[0, 1, 0, 9, 0, 2, 9, 3]]
    {
        let mut client = TcpStream::connect(address).unwrap();
        // The server may hang up while it is still being written to.
        let _ = client.write_all(nonsense);
    }
    let mut client = TcpStream::connect(address).unwrap();
    for unusual in [&[0x11][..], &[0x2B, 0x0E, 1, 0], &[0x16, 0, 0, 0, 0, 0, 0], &[0x64, 1, 2]] {
        let header = [0, 1, 0, 0, 0, u8::try_from(unusual.len() + 1).unwrap(), 9];
        let answer = ask(&mut client, &[&header, unusual].concat(), 9);
        assert_eq!(answer[7..], [unusual[0] | 0x80, 1], "{unusual:?}");
    }
    assert_eq!(read_level(&mut client), LEVEL);
    field.unplug("pump").unwrap();
    assert_eq!(read_level(&mut client), [0; 0]);
    assert!(TcpStream::connect(address).is_err());
    field.replug("pump").unwrap();
    assert_eq!(read_level(&mut TcpStream::connect(address).unwrap()), LEVEL);
}

#[test]
fn faults_can_be_switched_while_the_line_runs() {
    let field = pty_field(115_200);
    let mut client = plug_in(&path(&field, "b3"));
    field.fault("b3", "babble 20".parse().unwrap(), true).unwrap();
    assert!(wait_for_bytes(&client, 1000), "nobody was asked, and yet somebody speaks");
    field.fault("b3", "babble 20".parse().unwrap(), false).unwrap();
    while wait_for_bytes(&client, 100) {
        let _ = client.read(&mut [0; 256]).unwrap();
    }
    field.fault("smoke-1", Fault::Echo, true).unwrap();
    assert_eq!(ask(&mut client, SMOKE, 15), [SMOKE, NORMAL].concat());
    assert!(field.fault("smoke-1", Fault::Close, true).is_err());
}

#[test]
fn a_story_plays_by_itself_and_is_told() {
    let config = FieldConfig::from_toml(
        r#"
        line = [{ name = "b3", pty = {} }]
        device = [
            { id = "smoke-1", line = "b3", unit_id = 1, profile = "smoke", values = { smoke = true } },
            { id = "call-1", line = "b3", unit_id = 2, profile = "call", serial = 77 },
        ]
        step = [
            { at_s = 0.02, device = "call-1", press = true },
            { at_s = 0.01, device = "smoke-1", set = { smoke = false } },
            { at_s = 0.03, line = "b3", fault = "noisy 5" },
            { at_s = 0.03, line = "b3", unplug = true },
            { at_s = 3600.0, device = "smoke-1", set = { smoke = true } },
        ]
        "#,
        "test.toml",
    )
    .unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let field = start_telling(&config, &profiles(), move |step| tell.send(step.clone()).unwrap()).unwrap();
    let story: Vec<String> = told.iter().take(4).map(Result::unwrap).collect();
    assert_eq!(story, ["set smoke-1 smoke false", "press call-1 200", "fault b3 noisy 5 on", "unplug b3"]);
    assert_eq!(field.register("smoke-1", Table::HoldingRegister, 3).unwrap(), Some(0));
    // The contact settles first.
    while field.register("call-1", Table::InputRegister, 4).unwrap() == Some(0) {
        std::thread::yield_now();
    }
    assert_eq!(field.register("call-1", Table::InputRegister, 4).unwrap(), Some(1));
    assert_eq!(field.register("call-1", Table::InputRegister, 3).unwrap(), Some(77));
    assert_eq!(field.place("b3"), None);
    // The step of an hour from now must not keep anybody waiting.
    field.stop();
}

#[test]
fn everything_wrong_with_devices_and_steps_is_told_at_once() {
    let text = r#"line = [{ name = "b3", pty = {} }]
[[device]]
id = "smoke-1"
line = "b3"
unit_id = 1
profile = "smoke"
values = { smoke = 1, dust = 2 }
[[device]]
id = "level-1"
line = "b3"
unit_id = 2
profile = "level"
unit = "furlong"
[[device]]
id = "thing-1"
line = "b3"
unit_id = 3
profile = "thing"
"#;
    let config = FieldConfig::from_toml(text, "street.toml").unwrap();
    let error = start(&config, &profiles()).unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    assert!(lines[0].starts_with("street.toml:7:30: smoke has no point \"dust\""), "{error}");
    assert!(lines[1].starts_with("street.toml:7:20: smoke is true or false"), "{error}");
    assert!(lines[2].starts_with("street.toml:13:8: ") && lines[2].contains("mmH2O"), "{error}");
    assert!(lines[3].starts_with("street.toml:18:11: there is no profile \"thing\""), "{error}");
    let text = text
        .split("[[device]]\nid = \"level-1\"")
        .next()
        .unwrap()
        .replace("smoke = 1, dust = 2", "smoke = true");
    let step = "[[step]]\nat_s = 1.0\ndevice = \"smoke-1\"\npress = true\n";
    let config = FieldConfig::from_toml(&format!("{text}{step}"), "street.toml").unwrap();
    assert!(
        start(&config, &profiles())
            .unwrap_err()
            .to_string()
            .starts_with("street.toml:9:8: smoke is not a call")
    );
}
