//! A house with call buttons: emulated units on one line, the gateway, a broker, a duty room.
use std::time::{Duration, Instant};

use call_button::Display;
use serde_json::{Value, json};
use shouwang_tests::{
    Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, command, wait_for, wait_until,
};

use crate::bus::Bus;
use crate::lamp;
use crate::transcript::Transcript;
use crate::unit::{EmulatedUnit, Key};

/// Far above what anything here takes: a lost device is asked again every 10 s.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// Holding register 1, how far help has come (devices.md, section 9).
const INDICATOR: u16 = 1;
const ECHO: u16 = 0;
const READ_BITS: u8 = 2;
const READ_REGISTERS: u8 = 4;
/// More than the gateway wants to see of a unit before it takes it to be at rest.
const ROUNDS: usize = 6;
const PROFILE: &str = "shouwang-call-button";

/// The parts; dropped from the top, so that nobody speaks to what has ended.
#[derive(Debug)]
pub(crate) struct House {
    gateway: Option<Gateway>,
    duty_room: Option<DutyRoom>,
    pub(crate) listener: Listener,
    pub(crate) bus: Bus,
    pub(crate) units: Vec<EmulatedUnit>,
    configuration: Option<Configuration>,
    broker: Mosquitto,
    transcript: Transcript,
}

impl House {
    /// So many fresh units, all with the unit id 1; no gateway yet. Their serial numbers end in 0x77, 0x78..
    pub(crate) fn new(title: &'static str, units: u8) -> Self {
        let transcript = Transcript::of(title);
        let units: Vec<EmulatedUnit> = (0..units).map(|index| EmulatedUnit::start(0x77 + index)).collect();
        let bus = Bus::join(units.iter().map(EmulatedUnit::serial_port).collect());
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let duty_room = Some(DutyRoom::start(&broker));
        Self { gateway: None, duty_room, listener, bus, units, configuration: None, broker, transcript }
    }

    /// One unit, watched as `call-1`.
    pub(crate) fn with_one_button(title: &'static str) -> Self {
        let mut house = Self::new(title, 1);
        house.watch(&[1]);
        house
    }

    /// Starts the gateway with these unit ids, as `call-ID`, and waits until it knows all of them at rest: only
    /// then can it count presses. (Of a unit pressed before, it knows that somebody calls, but not how often.)
    pub(crate) fn watch(&mut self, unit_ids: &[u8]) {
        let line = Configuration::new(&self.broker).serial_line("stairs", self.bus.path(), 9600, "");
        let configuration = unit_ids.iter().fold(line, |configuration, unit_id| {
            configuration.device(&name(*unit_id), "stairs", *unit_id, PROFILE, "")
        });
        self.gateway = Some(Gateway::start(&configuration));
        self.configuration = Some(configuration);
        self.listener.wait_for_state(LIMIT, "ready");
        for unit_id in unit_ids {
            self.listener.wait_for_device(LIMIT, &name(*unit_id), "online");
            wait_until(LIMIT, &format!("{} should be read at rest", name(*unit_id)), || {
                [READ_BITS, READ_REGISTERS].iter().all(|function| self.reads(*unit_id, *function) >= ROUNDS)
            });
            self.wait_for_value(*unit_id, "pressed", &json!(false));
            self.wait_for_value(*unit_id, "press_count", &json!(0));
        }
        self.says("the gateway runs and knows every unit");
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.transcript.add("", text);
    }

    /// The moment before the first of `times` presses.
    pub(crate) fn press(&mut self, unit: usize, times: u32) -> Instant {
        let before = clock::now();
        for _ in 0..times {
            self.transcript.add("key", &format!("unit {unit}: the button, pressed and let go"));
            self.units.get_mut(unit).expect("a unit of this house").press(Key::Button);
        }
        before
    }

    /// The local cancel input.
    pub(crate) fn cancel(&mut self, unit: usize) {
        self.transcript.add("key", &format!("unit {unit}: cancel, pressed and let go"));
        self.units.get_mut(unit).expect("a unit of this house").press(Key::Cancel);
    }

    pub(crate) fn press_together(&mut self) -> Instant {
        let before = clock::now();
        self.transcript.add("key", "all units: the button, in the same moment");
        EmulatedUnit::press_together(&mut self.units);
        before
    }

    pub(crate) fn reset(&mut self, unit: usize) {
        self.units.get_mut(unit).expect("a unit of this house").reset();
        self.transcript.add("reset", &format!("unit {unit}"));
    }

    pub(crate) fn set_cut(&mut self, cut: bool) {
        self.bus.set_cut(cut);
        self.transcript.add("line", if cut { "cut" } else { "whole again" });
    }

    /// The open call of this device, once the events and the duty room agree that it counts so many presses.
    pub(crate) fn wait_for_call(&mut self, unit_id: u8, count: u32) -> Value {
        let device = name(unit_id);
        let told = wait_for(LIMIT, &format!("a call of {device} that counts {count} should be told"), || {
            let events = self.listener.events().into_iter().rev();
            let mut calls = events.filter(|event| event.subject() == device && is_cry(event.kind()));
            calls.find(|event| event.json["data"]["occurrence"] == count).map(|event| event.json)
        });
        let alarm = told["data"].clone();
        for (key, expected) in
            [("class", "call"), ("condition", "call"), ("priority", "emergency"), ("mode", "live")]
        {
            assert_eq!(alarm[key], expected, "{key} of {alarm}");
        }
        assert_eq!((&alarm["active"], &alarm["acknowledged"]), (&json!(true), &Value::Null), "{alarm}");
        let row = wait_for(LIMIT, &format!("the duty room should show that call of {device}"), || {
            let mut rows = self.duty_room().open_alarms().into_iter();
            rows.find(|row| row["id"] == alarm["id"] && row["occurrence"] == count)
        });
        assert_eq!((&row["device"], &row["acknowledged"]), (&alarm["device"], &Value::Null), "{row}");
        self.transcript.add("board", &format!("{device}: 一键呼叫, count {count}, unacknowledged"));
        alarm
    }

    /// The operator acknowledges what the board shows.
    pub(crate) fn acknowledge(&mut self, alarm: &Value) {
        self.transcript.add("board", "the operator acknowledges");
        self.duty_room().ask(id(alarm), "acknowledge", &json!({ "occurrence": alarm["occurrence"] }));
    }

    /// Somebody says over MQTT that they are on their way.
    pub(crate) fn comes(&mut self, alarm: &Value) {
        self.transcript.add("mqtt", "command/coming by u-7");
        let txn = format!("coming-{}", id(alarm));
        command::send(&self.listener, "coming", &command::payload(&txn, &txn, id(alarm), 60));
        let reply = command::reply(&self.listener, "coming", &txn);
        assert_eq!(reply["ok"], true, "{reply}");
    }

    /// Waits until the lamp register was told this, last of all, and the unit took it.
    pub(crate) fn wait_for_indicator(&mut self, unit_id: u8, since: Instant, expected: u16) {
        wait_until(LIMIT, &format!("unit id {unit_id} should take {expected} for its lamp"), || {
            self.bus.written(unit_id, INDICATOR, since).last() == Some(&expected)
        });
    }

    /// All that the lamp register was told since then.
    pub(crate) fn indicators(&self, unit_id: u8, since: Instant) -> Vec<u16> {
        self.bus.written(unit_id, INDICATOR, since)
    }

    /// All counts that were given back to the unit since then.
    pub(crate) fn echoes(&self, unit_id: u8, since: Instant) -> Vec<u16> {
        self.bus.written(unit_id, ECHO, since)
    }

    /// Waits until the unit's lamp itself says this.
    pub(crate) fn wait_for_lamp(&mut self, unit: usize, wanted: Display) {
        lamp::wait_for_lamp(self.units.get_mut(unit).expect("a unit of this house"), wanted);
        self.transcript.add("lamp", &format!("unit {unit} says {:?}", wanted.name()));
    }

    /// How often the unit answered this read.
    fn reads(&self, unit_id: u8, function: u8) -> usize {
        let exchanges = self.bus.exchanges().into_iter();
        let answers = exchanges.filter_map(|exchange| exchange.answer);
        answers.filter(|answer| answer.starts_with(&[unit_id, function])).count()
    }

    pub(crate) fn wait_for_value(&self, unit_id: u8, point: &str, expected: &Value) {
        let what = format!("{point} of {} should be told as {expected}", name(unit_id));
        wait_until(LIMIT, &what, || self.value(unit_id, point) == *expected);
    }

    /// A point's newest published value.
    fn value(&self, unit_id: u8, point: &str) -> Value {
        let values = self.listener.newest(&format!("device/{}/values", name(unit_id)));
        values.map_or(Value::Null, |values| values["values"][point]["value"].clone())
    }

    /// How many alarms were raised so far; each is a call of its own.
    pub(crate) fn raised(&self) -> usize {
        self.listener.events_of("shouwang.alarm.raised.v1").len()
    }

    /// Ends everything well: no ERROR line, exit code 0.
    pub(crate) fn close(mut self) {
        self.gateway.take().expect("a running gateway").stop();
        self.duty_room.take().expect("a running duty room").stop();
    }

    fn duty_room(&self) -> &DutyRoom {
        self.duty_room.as_ref().expect("a running duty room")
    }
}

impl Drop for House {
    /// However the story ended, it is told.
    fn drop(&mut self) {
        println!("{}", self.transcript.tell(&self.bus, &self.listener));
    }
}

pub(crate) fn name(unit_id: u8) -> String {
    format!("call-{unit_id}")
}

fn id(alarm: &Value) -> &str {
    alarm["id"].as_str().expect("an alarm has an id")
}

fn is_cry(kind: &str) -> bool {
    matches!(kind, "shouwang.alarm.raised.v1" | "shouwang.alarm.repeated.v1")
}
