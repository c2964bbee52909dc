//! A box on two networks: its installer's pages are on the one that was named, and its Modbus line goes out by the other.
use std::process::Command;

use shouwang_tests::gateway::binary;
use shouwang_tests::network::{TO_DEVICES, TO_PHONE, TwoNetworks};
use shouwang_tests::port::free;
use shouwang_tests::program::{Program, ending};
use shouwang_tests::{Configuration, Gateway, Mosquitto, wait_until};
use tempfile::TempDir;

use crate::street::START_LIMIT;

const DEVICE: &str =
    "[[device]]\nid = \"smoke-1\"\nline = \"b3\"\nunit_id = 1\nprofile = \"renke-rs-yg-n01\"\n";
/// Packets that show by which way a line goes.
const MANY: u64 = 200;
/// The system says a word of its own on each cable now and then.
const FEW: u64 = 20;

/// What a browser without eyes gets from there: how it ended, and what came.
fn curl(mut command: Command, url: &str) -> (String, String) {
    let done = command.args(["--silent", "--show-error", "--max-time", "5", url]).output();
    let done = done.expect("curl runs: `tests/run` installs it");
    (ending(done.status), String::from_utf8_lossy(&done.stdout).into_owned())
}

/// A smoke alarm on Modbus TCP at this address.
fn device(mut command: Command, directory: &TempDir, name: &str, listen: &str) -> Program {
    let file = directory.path().join(format!("{name}.toml"));
    let text = format!("[[line]]\nname = \"b3\"\ntcp = {{ listen = \"{listen}\" }}\n{DEVICE}");
    std::fs::write(&file, text).expect("the field's file");
    let program = Program::start(name, command.arg("simulate").arg("--config").arg(&file), directory.path());
    wait_until(START_LIMIT, "the device should be there", || program.stdout().contains(listen));
    program
}

#[test]
fn the_installers_pages_are_on_the_named_interface_only() {
    let broker = Mosquitto::start();
    let Some(networks) = TwoNetworks::start() else { return on_the_named_loopback_address_only(&broker) };
    let pages = format!("http://{}:8083/install", TO_PHONE.ours);
    let table = |interface: &str| format!("[install]\nlisten = \"{}:8083\"\n{interface}", TO_PHONE.ours);
    let start = |configuration: &Configuration| Gateway::start_by(networks.in_box(binary()), configuration);
    let opens = || curl(networks.outside("curl"), &pages).1.contains("name=\"pin\"");
    let configuration = |interface: &str| {
        Configuration::new(&broker)
            .top("device = []")
            .tcp_line("b3", "127.0.0.1:1", "")
            .table(&table(interface))
    };
    let named = configuration(&format!("interface = \"{}\"", TO_PHONE.interface));
    let mut gateway = start(&named);
    wait_until(START_LIMIT, "the pages should be there for a phone on the named network", opens);
    let elsewhere = format!("http://{}:8083/install", TO_DEVICES.ours);
    assert_eq!(curl(networks.outside("curl"), &elsewhere).0, "exit 7", "no page at the other address");

    // A machine answers for each of its addresses on each of its cables, so the way to the named one is tried by the other.
    let way = format!("route add {}/32 via {} dev {}", TO_PHONE.ours, TO_DEVICES.ours, TO_DEVICES.far_end());
    networks.ip_outside(&way);
    let (refused, body) = curl(networks.outside("curl"), &pages);
    assert_eq!(
        (refused.as_str(), body.as_str()),
        ("exit 7", ""),
        "refused to who comes in by another interface"
    );
    gateway.end();
    gateway.assert_no_errors();

    // That way does lead there: a page that names no interface is reached by it.
    let unnamed = configuration("");
    let _gateway = start(&unnamed);
    wait_until(START_LIMIT, "the way by the other cable should lead to the box", opens);
}

fn on_the_named_loopback_address_only(broker: &Mosquitto) {
    let port = free();
    let configuration = Configuration::new(broker)
        .top("device = []")
        .table(&format!("[install]\nlisten = \"127.0.0.2:{port}\""))
        .tcp_line("b3", "127.0.0.1:1", "");
    let _gateway = Gateway::start(&configuration);
    let page = |address: &str| curl(Command::new("curl"), &format!("http://{address}:{port}/install"));
    wait_until(START_LIMIT, "the pages should be there", || page("127.0.0.2").1.contains("name=\"pin\""));
    assert_eq!(page("127.0.0.3").0, "exit 7");
}

#[test]
fn a_line_really_goes_out_by_its_own_interface() {
    // What can be told apart without, `a_line_whose_interface_is_gone_is_down_and_the_others_go_on` does.
    let Some(networks) = TwoNetworks::start() else { return };
    let broker = Mosquitto::start();
    let directory = TempDir::with_prefix("shouwang-networks-").expect("a directory");
    let address = format!("{}:1502", TO_DEVICES.theirs);
    let _device = device(networks.outside(binary()), &directory, "device", &address);
    // The routes would rather have it go by the phone's cable, where that address is reached as well.
    networks.ip_in_box(&format!("route add {}/32 dev {}", TO_DEVICES.theirs, TO_PHONE.interface));
    let line = format!(
        "[[line]]\nname = \"b3\"\ntcp = {{ address = \"{address}\", interface = \"{}\" }}\npoll = {{ alarm_ms = 0 }}\n{DEVICE}place = {{ name = \"402\" }}",
        TO_DEVICES.interface
    );
    let configuration = Configuration::new(&broker).table(&line);
    let beside = networks.sent_by(TO_PHONE);
    let gateway = Gateway::start_by(networks.in_box(binary()), &configuration);
    wait_until(START_LIMIT, "the line should ask by its own cable", || networks.sent_by(TO_DEVICES) > MANY);
    let is_silent = || networks.sent_by(TO_PHONE) < beside + FEW;
    assert!(is_silent(), "and by no other");

    networks.ip_in_box(&format!("link del {}", TO_DEVICES.interface));
    let word = format!("binding to the interface {}", TO_DEVICES.interface);
    wait_until(START_LIMIT, "without its cable the line should be down", || gateway.stderr().contains(&word));
    assert!(is_silent(), "it does not take another way");
    gateway.assert_no_errors();
}
