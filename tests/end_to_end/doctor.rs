//! `doctor` on a site that is well and on one that is not: a broker with passwords and an access list, serial lines,
//! devices that answer and devices that do not, with a gateway running and without.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::process::Signal;
use serde_json::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::modbus_server::Table;
use shouwang_tests::program::{Program, ending, root};
use shouwang_tests::{ModbusServer, SerialLine, Visitor, port, wait_until};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const SMOKE: u16 = 3;
/// As the shipped access list names them.
const GATEWAY: &str = "heping/gw-0007";
const ROOM: &str = "duty-1";
const PASSWORD: &str = "zhi-you-wo-zhi-dao";

/// A gateway's site under one directory.
struct Site {
    directory: TempDir,
    port: u16,
    web: u16,
    broker: Option<Program>,
}

/// What `doctor` said.
struct Told {
    ending: String,
    stdout: String,
    stderr: String,
}

impl Site {
    fn new() -> Self {
        let directory = TempDir::with_prefix("shouwang-doctor-").expect("a directory for the site");
        let (port, web) = (port::free(), port::free());
        let site = Self { directory, port, web, broker: None };
        fs::create_dir(site.path("state")).expect("a state directory");
        fs::set_permissions(site.path("state"), fs::Permissions::from_mode(0o700)).expect("its rights");
        site.secret("mqtt", PASSWORD);
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn secret(&self, name: &str, words: &str) {
        fs::write(self.path(name), format!("{words}\n")).expect("a secret");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).expect("its rights");
    }

    /// A broker that knows this user by this password, and lets everybody do what the shipped list says.
    fn broker(&mut self, user: &str, password: &str) {
        let list = root().join("gateway/packaging/broker/mosquitto.acl");
        self.broker_with(user, password, &fs::read_to_string(list).expect("the shipped list"));
    }

    fn broker_with(&mut self, user: &str, password: &str, acl: &str) {
        let mut command = Command::new("mosquitto_passwd");
        let made = command.args(["-b", "-c"]).arg(self.path("passwords")).args([user, password]).status();
        assert!(made.is_ok_and(|made| made.success()), "mosquitto_passwd makes a password");
        fs::write(self.path("acl"), acl).expect("an access list");
        let at = self.directory.path().display();
        let text = format!(
            "listener {} 127.0.0.1\nuser root\nallow_anonymous false\npassword_file {at}/passwords\nacl_file {at}/acl\n\
             log_dest stderr\n",
            self.port
        );
        fs::write(self.path("mosquitto.conf"), text).expect("the broker's configuration");
        let mut command = Command::new("/usr/sbin/mosquitto");
        let command = command.arg("-c").arg(self.path("mosquitto.conf"));
        self.broker = Some(Program::start("mosquitto", command, self.directory.path()));
        let address = ("127.0.0.1", self.port);
        wait_until(LIMIT, "mosquitto should listen", || std::net::TcpStream::connect(address).is_ok());
    }

    /// `tables` are the lines and devices.
    fn configure(&self, tables: &str) -> PathBuf {
        let file = self.path("gateway.toml");
        let text = format!(
            "site = \"heping\"\ngateway = \"gw-0007\"\nname = \"和平社区 7 号网关\"\nstate_dir = \"state\"\n\
             [uplink]\nurl = \"mqtt://127.0.0.1:{}\"\nusername = \"{GATEWAY}\"\npassword_file = \"mqtt\"\n\
             [web]\nlisten = \"127.0.0.1:{}\"\n{tables}",
            self.port, self.web
        );
        fs::write(&file, text).expect("the gateway's configuration");
        file
    }

    fn doctor(&self, more: &[&str]) -> Told {
        let mut command = Command::new(binary());
        let command = command.arg("doctor").arg("--config").arg(self.path("gateway.toml")).args(more);
        told(command)
    }

    /// The same text on every machine: paths as on a box, and no figures of this machine.
    fn plain(&self, text: &str) -> String {
        let here = self.directory.path().display().to_string();
        let mut plain = String::new();
        for line in text.lines() {
            // What the machine under the test is like is not the story.
            if ["时钟", "供电", "闪存"].iter().any(|word| line.contains(word)) {
                continue;
            }
            let line = line.replace(&here, "/etc/shouwang").replace(&self.port.to_string(), "1883");
            // How many are good depends on what was left out above.
            let line = if line.starts_with("健康") {
                line.replace(|c: char| c.is_ascii_digit(), "N")
            } else {
                line
            };
            plain.push_str(&without_figures(&line.replace(&self.web.to_string(), "8081")));
            plain.push('\n');
        }
        plain
    }
}

fn told(command: &mut Command) -> Told {
    let directory = TempDir::with_prefix("shouwang-told-").expect("a directory for the output");
    let mut program = Program::start("doctor", command, directory.path());
    let ending = ending(program.wait(LIMIT));
    Told { ending, stdout: program.stdout(), stderr: program.stderr() }
}

/// Times, sizes and process numbers become N: every run of digits before ` ms` or ` MiB`, and after one of these.
fn without_figures(line: &str) -> String {
    const BEFORE: [&str; 5] = ["kill ", "-fp ", "共 ", "/dev/pts/", "of "];
    let is_digit = |c: char| c.is_ascii_digit();
    let (mut plain, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(is_digit) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c| !is_digit(c)).unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        plain.push_str(before);
        let is_process = after.starts_with(')') && plain.ends_with(", ");
        let is_size = [" ms", " MiB"].iter().any(|unit| after.starts_with(unit));
        let is_other = BEFORE.iter().any(|mark| plain.ends_with(mark));
        plain.push_str(if is_process || is_size || is_other { "N" } else { digits });
        rest = after;
    }
    plain.push_str(rest);
    // The name of this very test's process, as the system cuts it.
    let ours: String = std::fs::read_to_string("/proc/self/comm").unwrap_or_default().trim().to_owned();
    plain.replace(&ours, "minicom").replace("<N", "N")
}

fn devices(line: &str, units: &[u8]) -> String {
    let one = |unit: &u8| {
        format!(
            "[[device]]\nid = \"smoke-{unit}\"\nline = \"{line}\"\nunit_id = {unit}\nprofile = \"renke-rs-yg-n01\"\n\
             place = {{ name = \"3号楼2单元{unit}\" }}\n"
        )
    };
    units.iter().map(one).collect()
}

fn serial(name: &str, path: &Path) -> String {
    format!("[[line]]\nname = \"{name}\"\nserial = {{ path = \"{}\", baud = 9600 }}\n", path.display())
}

fn has(told: &Told, mark: char, words: &str) -> bool {
    told.stdout.lines().any(|line| line.starts_with(mark) && line.contains(words))
}

#[test]
fn a_healthy_site_is_called_healthy_with_the_gateway_away_and_with_it_running() {
    let mut site = Site::new();
    site.broker(GATEWAY, PASSWORD);
    let line = SerialLine::new();
    let mut server = ModbusServer::serial(line.devices_path());
    let tables = serial("b3-rs485", line.gateway_path()) + &devices("b3-rs485", &[1, 2]);
    [1, 2].iter().for_each(|unit| server.set(*unit, Table::Holding, SMOKE, &[0]));
    site.configure(&tables);

    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 0", "{}\n{}", told.stdout, told.stderr);
    for words in [
        "smoke-1 (unit id 1) answers",
        "smoke-2 (unit id 2) answers",
        "logged in",
        "gw-0007/doctor came back",
        "(mode 600)",
    ] {
        assert!(has(&told, '\u{2713}', words), "{words}\n{}", told.stdout);
    }
    insta::assert_snapshot!("doctor_healthy", site.plain(&told.stdout));

    // The same as a program reads it.
    let told = site.doctor(&["--json"]);
    let objects: Vec<Value> =
        told.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        objects.last().map(|last| last["healthy"].clone()),
        Some(Value::Bool(true)),
        "{}",
        told.stdout
    );
    assert!(objects.iter().any(|object| object["check"] == "broker.probe" && object["verdict"] == "good"));

    // The running gateway keeps its line, its broker and its database, and is asked itself.
    line.release();
    let mut command = Command::new(binary());
    let command = command.arg("run").arg("--config").arg(site.path("gateway.toml"));
    let mut gateway = Program::start("shouwang", command, site.directory.path());
    let health = Visitor::new(format!("127.0.0.1:{}", site.web), LIMIT);
    wait_until(LIMIT, "the gateway should be ready and read both", || {
        let metrics = health.get("/metrics").map(|answer| answer.body).unwrap_or_default();
        metrics.matches("shouwang_device_up{").count() == 2
            && !metrics.contains("\"} 0\nshouwang_device_up")
            && metrics.contains("device_up{device=\"smoke-2\"} 1")
            && metrics.contains("device_up{device=\"smoke-1\"} 1")
            && health.get("/readyz").is_ok_and(|answer| answer.status == 200)
    });
    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 0", "{}\n{}", told.stdout, told.stderr);
    for words in [
        "the service runs",
        "held by the running service",
        "smoke-2 is online",
        "/readyz",
        "came back",
        "database is sound",
    ] {
        assert!(has(&told, '\u{2713}', words), "{words}\n{}", told.stdout);
    }
    assert!(!told.stdout.contains("answers, "), "no device was asked: {}", told.stdout);
    assert_eq!(ending(gateway.stop(LIMIT)), "exit 0");
    let words = gateway.stderr();
    for trouble in ["ERROR", "line is down", "no connection to the broker"] {
        assert!(!words.contains(trouble), "the gateway was disturbed: {words}");
    }
}

#[test]
fn a_sick_site_is_told_what_is_wrong_and_each_with_the_next_command() {
    let mut site = Site::new();
    site.broker(GATEWAY, "another-password");
    let (held, line) = (SerialLine::new(), SerialLine::new());
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let other = open(held.gateway_path(), flags, Mode::empty()).expect("another program's port");
    flock(&other, FlockOperation::LockExclusive).expect("its lock");
    let mut server = ModbusServer::serial(line.devices_path());
    server.set(1, Table::Holding, SMOKE, &[0]);
    let nobody = port::free();
    let tables = serial("b3-rs485", line.gateway_path())
        + &devices("b3-rs485", &[1, 9])
        + &serial("b4-rs485", held.gateway_path())
        + &serial("b5-rs485", Path::new("/dev/ttyUSB9"))
        + &format!("[[line]]\nname = \"pump-house\"\ntcp = {{ address = \"127.0.0.1:{nobody}\" }}\n");
    site.configure(&tables);
    fs::write(site.path("state/gateway.db"), b"SQLite format 3\0 and then nothing that makes sense")
        .expect("a broken store");

    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 4", "{}\n{}", told.stdout, told.stderr);
    assert!(has(&told, '\u{2713}', "smoke-1 (unit id 1) answers"), "{}", told.stdout);
    for words in [
        "smoke-9 (line b3-rs485, unit id 9) does not answer",
        "is held by another program",
        "there is no port /dev/ttyUSB9",
        "the line pump-house does not open",
        "gateway.db is damaged",
        "user name",
    ] {
        assert!(has(&told, '\u{2717}', words), "{words}\n{}", told.stdout);
    }
    for line in told.stdout.lines().filter(|line| line.starts_with(['\u{2717}', '!'])) {
        assert!(line.contains("  \u{2192} "), "every finding ends with a command: {line}");
    }
    let plain = site.plain(&told.stdout).replace(&nobody.to_string(), "502");
    insta::assert_snapshot!("doctor_sick", plain);
}

#[test]
fn a_broker_that_is_away_or_keeps_us_from_our_topic_is_told_apart() {
    let mut site = Site::new();
    let line = SerialLine::new();
    let mut server = ModbusServer::serial(line.devices_path());
    server.set(1, Table::Holding, SMOKE, &[0]);
    site.configure(&(serial("b3-rs485", line.gateway_path()) + &devices("b3-rs485", &[1])));
    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 3", "{}\n{}", told.stdout, told.stderr);
    assert!(has(&told, '\u{2717}', "no broker runs"), "{}", told.stdout);

    // Its topics are another gateway's.
    line.release();
    site.broker_with(GATEWAY, PASSWORD, "pattern write shouwang/v1/%u/state\n");
    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 4", "{}\n{}", told.stdout, told.stderr);
    assert!(has(&told, '\u{2713}', "logged in"), "{}", told.stdout);
    assert!(has(&told, '\u{2717}', "topic readwrite shouwang/v1/heping/gw-0007/doctor"), "{}", told.stdout);
    assert!(told.stderr.contains("broker: MQTT 2 s"), "a wait of five seconds is named: {}", told.stderr);
}

#[test]
fn a_bad_configuration_ends_with_2_and_an_interrupt_with_130() {
    let site = Site::new();
    let file = site.configure("");
    fs::write(&file, "site = 7\n").expect("a bad file");
    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 2", "{}", told.stdout);
    assert!(told.stderr.contains("gateway.toml:1:"), "{}", told.stderr);

    // A line whose only device is silent: there is time for Ctrl-C.
    let line = SerialLine::new();
    let slow =
        serial("b3-rs485", line.gateway_path()) + "timeout_ms = 5000\n" + &devices("b3-rs485", &[1, 2, 3]);
    site.configure(&slow);
    let mut command = Command::new(binary());
    let mut program = Program::start(
        "doctor",
        command.arg("doctor").arg("--config").arg(site.path("gateway.toml")),
        site.directory.path(),
    );
    wait_until(LIMIT, "it should be asking", || {
        program.stderr().contains("line b3-rs485: smoke-1 (1/3) 2 s")
    });
    program.signal(Signal::INT);
    assert_eq!(ending(program.wait(LIMIT)), "exit 130", "{}", program.stdout());
    assert!(!program.stderr().contains("panicked"), "{}", program.stderr());
}

#[test]
fn a_duty_room_is_looked_at_and_nobody_is_sent_a_message() {
    let mut site = Site::new();
    site.broker(ROOM, PASSWORD);
    site.secret("robot", "11111111-2222");
    let text = format!(
        "name = \"duty-1\"\nstate_dir = \"state\"\n[broker]\nurl = \"mqtt://127.0.0.1:{}\"\nusername = \"{ROOM}\"\n\
         password_file = \"mqtt\"\n[web]\nlisten = \"127.0.0.1:{}\"\n[[channel]]\nid = \"group\"\nkind = \"wecom\"\n\
         key_file = \"robot\"\n",
        site.port, site.web
    );
    fs::write(site.path("gateway.toml"), text).expect("the duty room's configuration");
    let told = site.doctor(&[]);
    assert_eq!(told.ending, "exit 0", "{}\n{}", told.stdout, told.stderr);
    for words in
        ["duty room duty-1, 1 channels", "is free", "(wecom) is configured", "heard/duty-1 came back"]
    {
        assert!(has(&told, '\u{2713}', words), "{words}\n{}", told.stdout);
    }
    assert!(has(&told, '!', "nobody is woken"), "{}", told.stdout);
}

/// Marked words at every place where a person, a place, a number or a secret can stand; none may be in the bundle.
#[test]
fn a_support_bundle_holds_what_helps_and_not_one_marked_word() {
    let mut site = Site::new();
    site.secret("mqtt", "CANARY-mqtt-password");
    site.broker(GATEWAY, "CANARY-mqtt-password");
    let line = SerialLine::new();
    let tables = format!(
        "# CANARY-comment 13911112222\n{}[[device]]\nid = \"smoke-1\"\nline = \"b3-rs485\"\nunit_id = 1\n\
         profile = \"renke-rs-yg-n01\"\nplace = {{ building = \"CANARY-building\", entrance = \"CANARY-entrance\", \
         room = \"CANARY-room\", grid = \"CANARY-grid\", name = \"金丝雀小区3号楼\" }}\n\
         [[station]]\nid = \"bridge\"\nname = \"金丝雀桥\"\ndatum = \"金丝雀高程\"\nlines = {{ warning = 3.3 }}\n\
         [sms]\npath = \"/dev/ttyUSB8\"\n[[sms.phone]]\nperson = \"canary-person\"\nnumber = \"+8613812345678\"\n",
        serial("b3-rs485", line.gateway_path())
    );
    let file = site.configure(&tables);
    let text =
        fs::read_to_string(&file).expect("the configuration").replace("和平社区 7 号网关", "金丝雀社区");
    fs::write(&file, text).expect("the configuration");
    let bundle = site.path("support.tar");
    let told = site.doctor(&["--bundle", &bundle.display().to_string()]);
    assert_eq!(
        told.ending, "exit 4",
        "the modem is missing, the device silent: {}\n{}",
        told.stdout, told.stderr
    );
    assert!(has(&told, '\u{2713}', "the support bundle is"), "{}", told.stdout);
    assert_eq!(fs::metadata(&bundle).expect("the bundle").permissions().mode() & 0o777, 0o600);

    let listed = Command::new("tar").arg("-tf").arg(&bundle).output().expect("tar reads it");
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    for name in [
        "README.txt",
        "findings.txt",
        "configuration.toml",
        "log.txt",
        "store.json",
        "metrics.txt",
        "version.txt",
    ] {
        assert!(listed.contains(&format!("shouwang-bundle/{name}\n")), "{name}: {listed}");
    }
    let bytes = fs::read(&bundle).expect("the bundle");
    let text = String::from_utf8_lossy(&bytes);
    let lower = text.to_lowercase();
    for mark in ["canary", "金丝雀", "13911112222", "13812345678"] {
        let at = lower.find(mark).map(|at| {
            lower.get(at.saturating_sub(60)..).unwrap_or_default().chars().take(150).collect::<String>()
        });
        assert_eq!(at, None, "{mark}");
    }
    for kept in [
        "smoke-1",
        "renke-rs-yg-n01",
        "b3-rs485",
        "/dev/ttyUSB8",
        "does not answer",
        "shouwang 0.1.0",
        "warning = 3.3",
    ] {
        assert!(text.contains(kept), "{kept} in\n{text}");
    }

    let again = site.doctor(&["--bundle", &bundle.display().to_string()]);
    assert_eq!(again.ending, "exit 2", "nothing is written over: {}", again.stderr);
}
