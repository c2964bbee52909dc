//! A press on its way through the shipped programs: `shouwang simulate` with the call button's firmware on its
//! paced line, `shouwang run`, mosquitto, `shouwang duty-room`; and the lamp's answers on their way back.
//!
//! `cargo test -p shouwang-tests --test end_to_end calls -- --nocapture` prints each lamp transcript.
use std::io::Write;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use serde_json::{Value, json};
use shouwang_tests::gateway::binary;
use shouwang_tests::program::Program;
use shouwang_tests::{
    Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, command, wait_for, wait_until,
};

use crate::street::START_LIMIT;

const LIMIT: Duration = Duration::from_secs(20);
const CALL: &str = "call-1";
const LINE: &str = "b3";

/// One call unit, watched by a gateway that a duty room hears.
struct House {
    gateway: Option<Gateway>,
    field: Program,
    hand: ChildStdin,
    duty_room: DutyRoom,
    listener: Listener,
    configuration: Configuration,
    commands: u32,
    _broker: Mosquitto,
}

impl House {
    /// Returns when the unit is online and its lamp says so.
    fn new() -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let duty_room = DutyRoom::start(&broker);
        let configuration = Configuration::new(&broker);
        let directory = configuration.directory().to_owned();
        let (link, file) = (directory.join("b3"), directory.join("field.toml"));
        let text = format!(
            "[[line]]\nname = \"{LINE}\"\npty = {{ baud = 9600, link = \"{}\" }}\n\n\
             [[device]]\nid = \"{CALL}\"\nline = \"{LINE}\"\nunit_id = 12\nprofile = \"shouwang-call-button\"\n",
            link.display()
        );
        std::fs::write(&file, text).expect("the field's configuration");
        let mut simulate = Command::new(binary());
        simulate.arg("simulate").arg("--json").arg("--config").arg(file);
        let mut field = Program::start("field", &mut simulate, &directory);
        wait_until(START_LIMIT, "the field's line should be there", || link.exists());
        let configuration = configuration.serial_line(LINE, &link, 9600, "").device(
            CALL,
            LINE,
            12,
            "shouwang-call-button",
            "",
        );
        let hand = field.take_stdin();
        let mut house = Self {
            gateway: None,
            field,
            hand,
            duty_room,
            listener,
            configuration,
            commands: 0,
            _broker: broker,
        };
        house.launch();
        house.listener.wait_for_device(START_LIMIT, CALL, "online");
        house.lamps_end(&["idle"]);
        house
    }

    fn launch(&mut self) {
        self.gateway = Some(Gateway::start(&self.configuration));
    }

    fn kill(&mut self) {
        self.gateway.as_mut().expect("a running gateway").kill();
    }

    /// A line of the field's own language: what a hand does at the unit or its cable.
    fn hand(&mut self, does: &str) {
        let told = format!("\"done\":\"{does}");
        let count = || self.field.stdout().matches(&told).count();
        let before = count();
        writeln!(self.hand, "{does}").expect("the field listens");
        wait_until(LIMIT, &format!("the field should {does}"), || count() > before);
    }

    /// Everything the lamp has said so far.
    fn lamps(&self) -> Vec<String> {
        let said = self.field.stdout();
        let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines =
            whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("the field says JSON"));
        lines.filter_map(|line| Some(line["lamp"].as_str()?.to_owned())).collect()
    }

    /// Waits until the last things that the lamp said are these.
    fn lamps_end(&self, with: &[&str]) {
        let ends = || self.lamps().iter().map(String::as_str).collect::<Vec<_>>().ends_with(with);
        let began = clock::now();
        while !ends() {
            assert!(began.elapsed() < LIMIT, "the lamp should say {with:?} in the end: {:?}", self.lamps());
            clock::pause(Duration::from_millis(20));
        }
    }

    /// The call that the duty room shows, once the button was pressed so many times in it.
    fn call(&self, presses: u64) -> Value {
        let is_it = |row: &Value| {
            row["condition"] == "call" && row["finished"] == false && row["occurrence"] == presses
        };
        wait_for(LIMIT, &format!("the duty room should show the call, pressed {presses} times"), || {
            self.duty_room.open_alarms().into_iter().find(is_it)
        })
    }

    fn acknowledge(&self, call: &Value) {
        self.duty_room.ask(id(call), "acknowledge", &json!({}));
    }

    /// Somebody is coming: told by another program, as the page has no such button.
    fn comes(&mut self, call: &Value) {
        self.commands += 1;
        let txn = format!("coming-{}", self.commands);
        command::send(&self.listener, "coming", &command::payload(&txn, &txn, id(call), 30));
        assert_eq!(command::reply(&self.listener, "coming", &txn)["ok"], true);
    }

    /// The whole transcript of the lamp, and the clean end of everything.
    fn close(mut self, story: &str, lamps: &[&str]) {
        println!("{story}: {}", self.lamps().join(" > "));
        assert_eq!(self.lamps(), lamps, "{story}");
        let presses: Vec<u64> = (self.listener.events().iter())
            .filter(|event| {
                event.kind().starts_with("shouwang.alarm.r") && event.json["data"]["condition"] == "call"
            })
            .filter_map(|event| event.json["data"]["occurrence"].as_u64())
            .collect();
        assert!(presses.is_sorted(), "{story}: no press is told twice: {presses:?}");
        let gateway = self.gateway.take().expect("a running gateway");
        let said = gateway.stderr().len();
        gateway.stop();
        let log = std::fs::read_to_string(self.configuration.directory().join("shouwang.err"));
        let farewell = log.expect("what the gateway said").split_off(said);
        assert!(!farewell.contains(" WARN "), "a clean end is nothing to warn of: {farewell}");
        self.duty_room.stop();
    }
}

fn id(call: &Value) -> &str {
    call["id"].as_str().expect("an alarm has an id")
}

#[test]
fn held_too_long() {
    let mut house = House::new();
    house.hand(&format!("press {CALL} 33000"));
    let call = house.call(1);
    house.lamps_end(&["calling", "heard"]);
    house.acknowledge(&call);
    house.lamps_end(&["heard", "seen"]);
    let stuck = wait_for(Duration::from_secs(60), "the stuck button should be told", || {
        let events = house.listener.events_of("shouwang.fault.raised.v1");
        events.into_iter().find(|event| event.json.to_string().contains("button_stuck"))
    });
    assert_eq!(stuck.subject(), CALL);
    assert_eq!(house.call(1)["active"], true, "holding cancels nothing");
    house.close("held too long", &["idle", "calling", "heard", "seen"]);
}

#[test]
fn pressed_twice() {
    let mut house = House::new();
    house.hand(&format!("press {CALL}"));
    house.call(1);
    house.lamps_end(&["calling", "heard"]);
    house.hand(&format!("press {CALL}"));
    let call = house.call(2);
    house.lamps_end(&["calling", "heard", "calling", "heard"]);
    house.acknowledge(&call);
    house.lamps_end(&["heard", "seen"]);
    house.comes(&call);
    house.lamps_end(&["seen", "coming"]);
    house.hand(&format!("press {CALL}"));
    let call = house.call(3);
    assert!(call["acknowledged"].is_null(), "a press after the acknowledgement asks again: {call}");
    house.lamps_end(&["coming", "calling", "heard"]);
    house.close(
        "pressed twice, and again",
        &["idle", "calling", "heard", "calling", "heard", "seen", "coming", "calling", "heard"],
    );
}

#[test]
fn through_a_power_cut() {
    let mut house = House::new();
    house.kill();
    house.hand(&format!("press {CALL}"));
    house.lamps_end(&["idle", "calling"]);
    house.hand(&format!("restart {CALL}"));
    house.launch();
    let call = house.call(1);
    house.lamps_end(&["calling", "heard"]);
    house.acknowledge(&call);
    house.lamps_end(&["heard", "seen"]);
    // Reset while a call is open: it says so until it is told again how its call stands.
    house.hand(&format!("restart {CALL}"));
    house.lamps_end(&["seen", "fault", "seen"]);
    house.close("through power cuts", &["idle", "calling", "heard", "seen", "fault", "seen"]);
}

/// As soon as the commit is heard of, the gateway is killed: before the echo, or between echo and lamp.
#[test]
fn through_a_death_of_the_gateway_right_after_the_commit() {
    let mut house = House::new();
    house.hand(&format!("press {CALL}"));
    house.listener.wait_for_event(LIMIT, crate::street::RAISED, CALL);
    house.kill();
    house.launch();
    let call = house.call(1);
    house.lamps_end(&["calling", "heard"]);
    house.acknowledge(&call);
    house.lamps_end(&["heard", "seen"]);
    assert_eq!(house.listener.events_of(crate::street::RAISED).len(), 1, "the press is one call");
    house.close("a gateway killed after the commit", &["idle", "calling", "heard", "seen"]);
}

#[test]
fn with_the_line_down() {
    let mut house = House::new();
    house.hand(&format!("unplug {LINE}"));
    house.hand(&format!("press {CALL}"));
    let pressed = clock::now();
    house.lamps_end(&["idle", "calling"]);
    house.listener.wait_for_event(LIMIT, "shouwang.fault.raised.v1", LINE);
    assert!(house.listener.events_of(crate::street::RAISED).is_empty(), "nobody can know of the press yet");
    let down = pressed.elapsed().as_secs_f64();
    house.hand(&format!("replug {LINE}"));
    let call = house.call(1);
    let age_s = call["value"].as_f64().unwrap_or_default();
    let whole = pressed.elapsed().as_secs_f64();
    assert!(
        (down..=whole + 0.1).contains(&age_s),
        "the call says how old it is: {age_s} of {down} to {whole} s"
    );
    house.lamps_end(&["calling", "heard"]);
    house.close("with the line down", &["idle", "calling", "heard"]);
}
