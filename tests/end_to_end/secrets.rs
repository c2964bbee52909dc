//! Canaries and doors: both ends run with every secret marked and at the level at which they say most; no mark is found in
//! anything they say. And what they listen on is what was configured: a scan of their sockets finds nothing else.
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::{Program, root};
use shouwang_tests::{
    Configuration, Gateway, Listener, ModbusServer, Mosquitto, Visitor, port, wait_for, wait_until,
};
use tempfile::TempDir;

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, name};

const STOP_LIMIT: Duration = Duration::from_secs(10);
const SMOKE: u16 = 3;
const MQTT_GATEWAY: &str = "canary-mqtt-gateway-5d1f";
const MQTT_DUTY_ROOM: &str = "canary-mqtt-duty-room-77c2";
const ROBOT: &str = "canary-robot-key-e3a9";
const DINGTALK_TOKEN: &str = "canary-dingtalk-token-40bb";
const DINGTALK_SECRET: &str = "SECcanary-dingtalk-secret-91de";
const PASSWORD: &str = "canary-word-of-hers-1c";
const WRONG_PASSWORD: &str = "canary-word-mistyped-b6";
const OTHER_PASSWORD: &str = "canary-word-of-another-2e";
const PIN: &str = "93027461";
const RESIDENT: &str = "canary欧阳老人";
const PHONE: &str = "13977001234";

/// A file that only its owner may read.
fn secret(directory: &Path, name: &str, text: &str) -> PathBuf {
    let file = directory.join(name);
    std::fs::write(&file, format!("{text}\n")).expect("a file for a secret");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("its rights");
    file
}

/// A gateway and a duty room among real parts, with marked secrets, saying all they can.
struct House {
    listener: Listener,
    gateway: Gateway,
    room: Program,
    lead: Visitor,
    web: String,
    silence_page: String,
    address: String,
    alarm: String,
    directory: TempDir,
    _configuration: Configuration,
    broker: Mosquitto,
    _devices: ModbusServer,
}

impl House {
    fn new() -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let directory = TempDir::with_prefix("shouwang-secrets-").expect("a directory");
        let (room, address, lead) = duty_room(&broker, directory.path());
        let mut devices = ModbusServer::tcp();
        devices.set(1, Table::Holding, SMOKE, &[0]);
        let (web, silence_page) =
            (format!("127.0.0.1:{}", port::free()), format!("127.0.0.1:{}", port::free()));
        let configuration = gateway(&broker, &devices, &web, &silence_page);
        let gateway = Gateway::start_in(&configuration, &[("SHOUWANG_LOG", "debug".into())]);
        listener.wait_for_state(START_LIMIT, "ready");
        listener.wait_for_device(START_LIMIT, &name(1), "online");
        devices.set(1, Table::Holding, SMOKE, &[1]);
        let raised = listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
        let alarm = raised.json["data"]["id"].as_str().expect("an alarm's id").to_owned();
        Self {
            listener,
            gateway,
            room,
            lead,
            web,
            silence_page,
            address,
            alarm,
            directory,
            _configuration: configuration,
            broker,
            _devices: devices,
        }
    }
}

/// With robots whose services are away, so that it also says what went wrong; and its first account.
fn duty_room(broker: &Mosquitto, directory: &Path) -> (Program, String, Visitor) {
    let file = |name: &str, text: &str| secret(directory, name, text).display().to_string();
    let nobody = port::free();
    let text = format!(
        "name = \"duty-1\"\nstate_dir = \"{}\"\n[broker]\nurl = \"{}\"\nusername = \"duty-1\"\npassword_file = \"{}\"\n\
         [web]\nlisten = \"127.0.0.1:0\"\n[night]\nfrom = \"00:00\"\nto = \"00:00\"\n\
         [[channel]]\nid = \"wecom\"\nkind = \"wecom\"\nkey_file = \"{}\"\nurl = \"http://127.0.0.1:{nobody}\"\n\
         [[channel]]\nid = \"dingtalk\"\nkind = \"dingtalk\"\ntoken_file = \"{}\"\nsecret_file = \"{}\"\n\
         url = \"http://127.0.0.1:{nobody}\"\n",
        directory.join("state").display(),
        broker.url(),
        file("mqtt", MQTT_DUTY_ROOM),
        file("robot", ROBOT),
        file("token", DINGTALK_TOKEN),
        file("dingtalk", DINGTALK_SECRET),
    );
    let configuration = directory.join("duty-room.toml");
    std::fs::write(&configuration, text).expect("the duty room's configuration");
    let mut command = Command::new(binary());
    command.env("SHOUWANG_LOG", "debug").arg("duty-room").arg("--config").arg(&configuration);
    let room = Program::start("duty-room", &mut command, directory);
    let words = wait_for(START_LIMIT, "the duty room should print its one-time code", || {
        room.stdout().contains("one-time code ").then(|| room.stdout())
    });
    let address =
        words.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address").to_owned();
    let mut lead = Visitor::new(&address, START_LIMIT);
    lead.set_up(&words, "lead", PASSWORD).expect("the first account");
    (room, address, lead)
}

fn gateway(broker: &Mosquitto, devices: &ModbusServer, web: &str, silence_page: &str) -> Configuration {
    let configuration = Configuration::new(broker);
    let file = |name: &str, text: &str| secret(configuration.directory(), name, text).display().to_string();
    let (mqtt, pin) = (file("mqtt", MQTT_GATEWAY), file("pin", PIN));
    configuration
        .top(&format!("profile_dirs = [\"{}\"]", root().join("tests/profiles").display()))
        // Still below [uplink].
        .table(&format!("username = \"gw-0007\"\npassword_file = \"{mqtt}\""))
        .tcp_line("line-1", devices.address(), "")
        .device(&name(1), "line-1", 1, "renke-rs-yg-n01", "")
        .device("siren-1", "line-1", 20, "acme-siren-1", "")
        .table("[[output]]\nname = \"siren-gate\"\ndevice = \"siren-1\"\npoint = \"siren\"")
        .table(&format!(
            "[local_alarm]\noutput = \"siren-gate\"\nsilence_page = {{ listen = \"{silence_page}\", pin_file = \"{pin}\" }}"
        ))
        .table(&format!("[web]\nlisten = \"{web}\""))
}

/// A secret as it is, and as programs write it elsewhere.
fn forms(secret: &str) -> Vec<String> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let bytes = format!("{:?}", secret.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']).to_owned();
    let base64 = STANDARD.encode(secret);
    vec![secret.to_owned(), hex.to_uppercase(), hex, bytes, base64.trim_end_matches('=').to_owned()]
}

#[test]
fn no_secret_is_in_anything_that_is_said() {
    let mut house = House::new();
    let address = house.address.clone();
    let lead = &mut house.lead;
    let mut secrets: Vec<(&str, String)> = [
        ("the gateway's MQTT password", MQTT_GATEWAY),
        ("the duty room's MQTT password", MQTT_DUTY_ROOM),
        ("the robot's key", ROBOT),
        ("DingTalk's token", DINGTALK_TOKEN),
        ("DingTalk's secret", DINGTALK_SECRET),
        ("a password", PASSWORD),
        ("a mistyped password", WRONG_PASSWORD),
        ("another password", OTHER_PASSWORD),
        ("the PIN", PIN),
        ("a resident's name", RESIDENT),
        ("a resident's phone", PHONE),
    ]
    .map(|(what, text)| (what, text.to_owned()))
    .into();
    secrets.push((
        "a session",
        lead.cookie().and_then(|cookie| cookie.split('=').nth(1)).expect("a session").to_owned(),
    ));
    let seed =
        std::fs::read_to_string(house.directory.path().join("state/command-key")).expect("the command key");
    secrets.push(("the command key", seed.trim().to_owned()));

    // Everything that people do with secrets, right and wrong.
    for (account, password) in
        [("lead", WRONG_PASSWORD), ("nobody", WRONG_PASSWORD), (WRONG_PASSWORD, WRONG_PASSWORD)]
    {
        assert!(Visitor::new(&address, START_LIMIT).log_in(account, password).is_err());
    }
    let body = json!({"id": "operator", "name": "值班员", "role": "operator", "password": OTHER_PASSWORD});
    assert_eq!(lead.post("/api/v1/accounts", &body).expect("an answer").status, 201);
    let mut operator = Visitor::new(&address, START_LIMIT);
    operator.log_in("operator", OTHER_PASSWORD).expect("the operator logs in");
    secrets.push((
        "a session",
        operator.cookie().and_then(|cookie| cookie.split('=').nth(1)).expect("one").to_owned(),
    ));
    let card = json!({"building": "3", "entrance": "2", "room": "1", "name": RESIDENT, "phone": PHONE, "born": 1941,
        "hearing": "good", "can_open": false, "dialect": "", "oxygen": true, "notes": "",
        "key_holder": {"name": RESIDENT, "phone": PHONE}, "contacts": [{"name": RESIDENT, "phone": PHONE}],
        "consent": "2026-01-05", "keep_until": "2099-01-01"});
    let kept = lead.post("/api/v1/residents", &card).expect("an answer");
    assert_eq!(kept.status, 200, "{}", kept.body);
    wait_until(ALARM_LIMIT, "the alarm should be listed", || {
        operator.open_alarms().is_ok_and(|rows| rows.iter().any(|row| row["id"] == *house.alarm))
    });
    let path = format!("/api/v1/alarms/{}/acknowledge", house.alarm);
    assert_eq!(operator.post(&path, &json!({})).expect("an answer").status, 200);
    house.listener.wait_for_event(ALARM_LIMIT, "shouwang.alarm.acknowledged.v1", &name(1));
    for pin in [PIN, "93027462"] {
        let visitor = Visitor::new(&house.silence_page, START_LIMIT);
        let _ = visitor.form("/", &format!("pin={pin}"));
    }
    let tried = Command::new(binary())
        .args(["channel", "test", "wecom", "--config"])
        .arg(house.directory.path().join("duty-room.toml"))
        .env("SHOUWANG_LOG", "debug")
        .output()
        .expect("channel test runs");
    let recovered = Command::new(binary())
        .args(["check", "--config"])
        .arg(house.directory.path().join("duty-room.toml"))
        .output()
        .expect("check runs");
    // What is no request ends a connection early, which is told at this level only.
    let mut noise = TcpStream::connect(&address).expect("the duty room listens");
    noise.write_all(b"\0\0\r\n\r\n").expect("a page that reads");
    let _ = noise.read_to_end(&mut Vec::new());
    house.broker.restart();
    wait_until(START_LIMIT, "both ends should be back", || {
        operator.get("/readyz").is_ok_and(|answer| answer.status == 200)
    });

    let text = |answer: Result<shouwang_tests::visitor::Answer, String>| {
        answer.map(|answer| answer.body).unwrap_or_default()
    };
    let gateway_web = Visitor::new(&house.web, START_LIMIT);
    let messages: String = house
        .listener
        .messages()
        .iter()
        .map(|message| format!("{} {}\n", message.leaf, String::from_utf8_lossy(&message.payload)))
        .collect();
    let mut said = vec![
        ("MQTT", messages),
        ("the gateway's /metrics", text(gateway_web.get("/metrics"))),
        ("the duty room's /metrics", text(house.lead.get("/metrics"))),
        ("the logbook", text(house.lead.get("/api/v1/logbook.csv"))),
        ("openapi.json", text(house.lead.get("/api/openapi.json"))),
        (
            "channel test",
            format!("{}{}", String::from_utf8_lossy(&tried.stdout), String::from_utf8_lossy(&tried.stderr)),
        ),
        (
            "check",
            format!(
                "{}{}",
                String::from_utf8_lossy(&recovered.stdout),
                String::from_utf8_lossy(&recovered.stderr)
            ),
        ),
    ];
    house.gateway.end();
    house.room.stop(STOP_LIMIT);
    said.push(("the duty room's journal", house.room.stderr()));
    said.push(("the duty room's console", house.room.stdout()));
    said.push(("the gateway's journal", house.gateway.stderr()));
    for (where_said, words) in &said {
        assert!(!words.is_empty(), "{where_said} says something");
        for (what, secret) in &secrets {
            for form in forms(secret) {
                let place = words.lines().find(|line| line.contains(&form));
                assert!(place.is_none(), "{what} is in {where_said}: {}", place.unwrap_or_default());
            }
        }
    }
    let journal =
        said.iter().find(|(place, _)| *place == "the duty room's journal").map(|(_, words)| words.as_str());
    assert!(journal.is_some_and(|words| words.contains("DEBUG")), "the level that says most");
}

/// TCP ports on which this process listens, and UDP ports that it holds, as the kernel has them.
fn doors(process: u32) -> (BTreeSet<SocketAddr>, usize) {
    let sockets: BTreeSet<String> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .expect("a running process")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table =
        |name: &str| std::fs::read_to_string(format!("/proc/{process}/net/{name}")).unwrap_or_default();
    let own = |table: String| -> Vec<(String, String)> {
        let rows =
            table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>();
        let own = rows.iter().filter(|row| row.get(9).is_some_and(|inode| sockets.contains(*inode)));
        own.map(|row| (row[1].to_owned(), row[3].to_owned())).collect()
    };
    const LISTEN: &str = "0A";
    let listening =
        ["tcp", "tcp6"].into_iter().flat_map(|name| own(table(name))).filter(|(_, state)| state == LISTEN);
    let udp = ["udp", "udp6"].into_iter().map(|name| own(table(name)).len()).sum();
    (listening.map(|(local, _)| written(&local)).collect(), udp)
}

/// `0100007F:1F90` is 127.0.0.1:8080: the address in the machine's byte order, the port in the network's.
fn written(local: &str) -> SocketAddr {
    let (address, port) = local.split_once(':').expect("an address and a port");
    let port = u16::from_str_radix(port, 16).expect("a port");
    let word = |text: &str| u32::from_str_radix(text, 16).expect("hexadecimal").to_ne_bytes();
    if address.len() == 8 {
        return SocketAddr::from((word(address), port));
    }
    let mut bytes = [0; 16];
    for (place, part) in bytes.chunks_mut(4).zip(address.as_bytes().chunks(8)) {
        place.copy_from_slice(&word(std::str::from_utf8(part).expect("hexadecimal")));
    }
    SocketAddr::from((bytes, port))
}

#[test]
fn nothing_listens_but_what_was_configured() {
    let house = House::new();
    let parse = |address: &String| address.parse::<SocketAddr>().expect("an address");
    let (gateway, udp) = doors(house.gateway.id());
    assert_eq!(
        gateway,
        BTreeSet::from([parse(&house.web), parse(&house.silence_page)]),
        "the gateway's doors"
    );
    assert_eq!(udp, 0, "the gateway holds no UDP port");
    let (room, udp) = doors(house.room.id());
    assert_eq!(room, BTreeSet::from([parse(&house.address)]), "the duty room's doors");
    assert_eq!(udp, 0, "the duty room holds no UDP port");
    assert!(gateway.iter().chain(&room).all(|door| door.port() != 502), "no Modbus server");
}
