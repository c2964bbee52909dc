//! The real gateway texts people by a modem on a pty when no duty room hears, and a modem that is dead, deaf or pulled
//! out stops nothing else.
use std::process::Command;
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_field::{EmulatedModem, FieldConfig, OnAir, Place, Running};
use shouwang_message::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto, clock, wait_until};

use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, assert_in_sequence};
use crate::supervision::{Hangs, hang};

const ACKNOWLEDGED: &str = "shouwang.alarm.acknowledged.v1";
const FAULT: &str = "shouwang.fault.raised.v1";
const PHONE: &str = "+8613800138000";
/// The contract's 30 s, and what a modem needs.
const TEXT_LIMIT: Duration = Duration::from_secs(40);
/// A modem is given a minute before it is a fault.
const FAULT_LIMIT: Duration = Duration::from_secs(65);
/// 15 s until a thread hangs, the same minute, and a busy machine.
const HUNG_LIMIT: Duration = Duration::from_secs(100);

struct House {
    field: Running,
    broker: Mosquitto,
    listener: Listener,
    configuration: Configuration,
    modem: EmulatedModem,
}

impl House {
    fn new() -> Self {
        let text = "line = [{ name = 'house', tcp = { listen = '127.0.0.1:0' } }]\n\
            [[device]]\nid = 'smoke-1'\nline = 'house'\nunit_id = 1\nprofile = 'renke-rs-yg-n01'\n\
            [[device]]\nid = 'smoke-2'\nline = 'house'\nunit_id = 2\nprofile = 'renke-rs-yg-n01'\n";
        let config = FieldConfig::from_toml(text, "field.toml").expect("a field");
        let field = shouwang_field::start(&config, &Catalog::shipped()).expect("a running field");
        let address = match field.place("house") {
            Some(Place::Tcp(address)) => address.to_string(),
            _ => String::new(),
        };
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let configuration = Configuration::new(&broker)
            .tcp_line("line-1", &address, "")
            .device("smoke-1", "line-1", 1, "renke-rs-yg-n01", "")
            .device("smoke-2", "line-1", 2, "renke-rs-yg-n01", "");
        let port = configuration.directory().join("ttyMODEM");
        let modem = EmulatedModem::start(&port).expect("a modem");
        let configuration = configuration.table(&format!(
            "[sms]\npath = \"{}\"\nring_emergencies = true\n[[sms.phone]]\nperson = \"u-7\"\nnumber = \"{PHONE}\"",
            port.display()
        ));
        Self { field, broker, listener, configuration, modem }
    }

    fn start(&self) -> Gateway {
        let gateway = Gateway::start(&self.configuration);
        self.listener.wait_for_state(START_LIMIT, "ready");
        for device in ["smoke-1", "smoke-2"] {
            self.listener.wait_for_device(START_LIMIT, device, "online");
        }
        gateway
    }

    fn smoke(&self, device: &str, is_smoking: bool) {
        self.field.set(device, "smoke", Value::Bool(is_smoking)).expect("a point that can be set");
    }

    /// The next text on the air; other things are passed over.
    fn text(&self, within: Duration) -> Option<String> {
        let begun = clock::now();
        while let Some(left) = within.checked_sub(begun.elapsed()) {
            match self.modem.on_air(left) {
                Some(OnAir::Text { to, text, part }) => {
                    assert_eq!(
                        (to.as_str(), part),
                        (PHONE, None),
                        "one SMS, to the one phone there is: {text}"
                    );
                    return Some(text);
                }
                Some(_) => {}
                None => return None,
            }
        }
        None
    }
}

#[test]
fn unheard_smoke_is_texted_and_rung_and_the_answer_reaches_the_duty_room() {
    let mut house = House::new();
    let check = Command::new(binary()).arg("check").arg("--config").arg(house.configuration.write()).output();
    let said = String::from_utf8_lossy(&check.expect("check runs").stdout).into_owned();
    assert!(said.contains("u-7 (*00) is texted by"), "{said}");
    assert!(!said.contains("13800138000"), "nobody's whole number is shown: {said}");
    let gateway = house.start();
    house.broker.stop();
    let began = clock::now();
    house.smoke("smoke-1", true);
    let text = house.text(TEXT_LIMIT).expect("a text");
    let took = began.elapsed();
    println!("unheard smoke was on the air after {:.1} s: {text}", took.as_secs_f64());
    assert!(took >= Duration::from_secs(30), "{took:?}");
    assert!(text.starts_with("【守望网关】"), "{text}");
    assert!(text.ends_with(" 3号楼2单元1烟感报警,值班室没听到,请处置,回复1确认"), "{text}");
    assert_eq!(house.modem.on_air(ALARM_LIMIT), Some(OnAir::Ringing { to: PHONE.into() }));

    house.modem.receive("10086", "1");
    house.modem.receive("13800138000", "1");
    house.broker.restart();
    let acknowledged = house.listener.wait_for_event(START_LIMIT * 2, ACKNOWLEDGED, "smoke-1");
    assert_eq!(acknowledged.json["data"]["acknowledged"]["by"], "u-7");
    assert_eq!(
        acknowledged.json["data"]["texted"][0]["to"], "u-7",
        "the alarm's own record says who was told"
    );
    house.smoke("smoke-1", false);
    let text = house.text(START_LIMIT).expect("whoever was told is told of its end");
    assert!(text.contains("烟感报警已恢复"), "{text}");
    assert_in_sequence(&house.listener);
    let said = gateway.stderr();
    assert!(!said.contains("13800138000"), "no log has a number: {said}");
    gateway.stop();
}

#[test]
fn a_modem_that_is_dead_and_then_pulled_out_is_a_fault_and_texts_as_soon_as_it_is_back() {
    let mut house = House::new();
    house.modem.change(|manners| manners.is_silent = true);
    let mut gateway = house.start();
    house.smoke("smoke-1", true);
    house.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-1");
    house.broker.stop();
    house.smoke("smoke-2", true);
    assert_eq!(house.text(TEXT_LIMIT), None, "it does not answer");
    house.modem.unplug();
    assert_eq!(house.text(FAULT_LIMIT - TEXT_LIMIT), None, "and now it has gone");
    assert!(gateway.is_running(), "which stops nothing else");
    house.modem.change(|manners| manners.is_silent = false);
    house.modem.replug();
    let text = house.text(FAULT_LIMIT).expect("a text once it is back");
    assert!(text.contains("3号楼2单元2烟感报警"), "{text}");
    assert_eq!(house.text(Duration::from_secs(1)), None, "what the duty room heard is its own to tell");
    house.broker.restart();
    house.listener.wait_for_event(START_LIMIT * 2, RAISED, "smoke-2");
    let told = |kind: &str| {
        let events = house.listener.events_of(kind);
        events.into_iter().find(|event| event.json["data"]["code"] == "sms")
    };
    wait_until(START_LIMIT, "the fault should be over", || told("shouwang.fault.cleared.v1").is_some());
    let fault = told(FAULT).expect("what ended has begun");
    let words = fault.json["data"]["text"]["zh"].as_str().unwrap_or_default();
    assert!(words.contains("短信模块"), "{words}");
    gateway.end();
    gateway.assert_no_errors();
}

/// Every other thread that hangs restarts the process (`supervision.rs`); this one must not.
#[test]
fn a_modem_thread_that_hangs_is_a_fault_and_restarts_nothing() {
    let house = House::new();
    let mut gateway = house.start();
    let tracer = hang(gateway.id(), Hangs::Threads("modem"), house.configuration.directory());
    let told = |kind: &str| {
        let events = house.listener.events_of(kind);
        events.into_iter().find(|event| event.json["data"]["code"] == "sms")
    };
    wait_until(HUNG_LIMIT, "the thread that hangs should be a fault", || told(FAULT).is_some());
    assert!(gateway.is_running(), "nothing else has ended");
    house.smoke("smoke-1", true);
    house.listener.wait_for_event(ALARM_LIMIT, RAISED, "smoke-1");
    drop(tracer);
    wait_until(START_LIMIT, "it moves again", || told("shouwang.fault.cleared.v1").is_some());
    assert_eq!(house.listener.events_of("shouwang.boot.v1").len(), 1, "nothing was restarted");
    gateway.end();
    gateway.assert_no_errors();
}
