//! The driver on a real pty against a modem that was written from the other side.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use shouwang_field::{EmulatedModem, OnAir};
use shouwang_modem::{Event, Modem, Number, OrderId, Rung, Settings, Trouble};

const PATIENCE: Duration = Duration::from_secs(20);
const PHONE: &str = "+8613800138000";

struct House {
    modem: Modem,
    emulated: EmulatedModem,
    told: Receiver<Event>,
    _directory: tempfile::TempDir,
}

fn house(prepare: impl FnOnce(&EmulatedModem)) -> House {
    let directory = tempfile::tempdir().unwrap();
    let link: PathBuf = directory.path().join("ttyMODEM");
    let emulated = EmulatedModem::start(&link).unwrap();
    prepare(&emulated);
    let (teller, told) = channel();
    let told_to = move |event| drop(teller.send(event));
    let modem = Modem::spawn(Settings { path: link, baud: 115_200 }, || {}, told_to).unwrap();
    House { modem, emulated, told, _directory: directory }
}

impl House {
    fn expect(&self, wanted: &Event) {
        let mut others = Vec::new();
        loop {
            match self.told.recv_timeout(PATIENCE) {
                Ok(event) if event == *wanted => return,
                Ok(event) => others.push(event),
                Err(_) => panic!("{wanted:?} is not told; {others:?}"),
            }
        }
    }

    fn text(&self, id: u64, text: &str) {
        self.modem.text(OrderId(id), number(), text.into()).unwrap();
    }

    fn received(&self) -> (Number, String) {
        loop {
            let event = self.told.recv_timeout(PATIENCE).expect("a text is told");
            if let Event::Received { from, text, .. } = event {
                return (from, text);
            }
        }
    }
}

fn number() -> Number {
    PHONE.parse().unwrap()
}

fn on_air(text: &str, part: Option<(u8, u8, u8)>) -> Option<OnAir> {
    Some(OnAir::Text { to: PHONE.into(), text: text.into(), part })
}

#[test]
fn an_alarm_reaches_a_phone_and_the_answer_comes_back() {
    let house = house(|_| {});
    let words = "【值班室】3号楼2单元402烟感报警,请确认";
    house.text(1, words);
    assert_eq!(house.emulated.on_air(PATIENCE), on_air(words, None));
    house.expect(&Event::Sent { id: OrderId(1) });
    house.expect(&Event::Delivered { id: OrderId(1) });
    house.emulated.receive(PHONE, "1");
    assert_eq!(house.received(), (number(), "1".into()));
    house.emulated.receive("13800138000", "收到,马上去");
    assert_eq!(house.received().1, "收到,马上去");
}

#[test]
fn a_long_text_arrives_in_its_parts() {
    let house = house(|modem| modem.change(|manners| manners.insists_on_echo = true));
    let words = format!("{}🔥请确认", "烟".repeat(66));
    house.text(1, &words);
    assert_eq!(house.emulated.on_air(PATIENCE), on_air(&"烟".repeat(66), Some((1, 2, 1))));
    assert_eq!(house.emulated.on_air(PATIENCE), on_air("🔥请确认", Some((1, 2, 2))));
    house.expect(&Event::Sent { id: OrderId(1) });
}

#[test]
fn a_moody_modem_gets_its_text_through() {
    let house = house(|modem| {
        modem.change(|manners| {
            (manners.refuses_texts, manners.thinks_ms, manners.insists_on_echo) = (1, 700, true);
        });
    });
    house.text(1, "请确认");
    house.expect(&Event::Sent { id: OrderId(1) });
    assert_eq!(house.emulated.on_air(PATIENCE), on_air("请确认", None));
}

#[test]
fn trouble_is_told_and_its_end() {
    let house = house(|modem| modem.change(|manners| manners.has_sim = false));
    house.expect(&Event::Troubled(Trouble::NoSim));
    house.emulated.change(|manners| manners.has_sim = true);
    house.expect(&Event::Well);
}

#[test]
fn a_modem_pulled_out_and_put_back_sends_what_waited() {
    let house = house(|_| {});
    house.expect(&Event::Well);
    house.emulated.unplug();
    let gone = |event: &Event| matches!(event, Event::Troubled(Trouble::Port(_)));
    while !gone(&house.told.recv_timeout(PATIENCE).expect("the port has gone")) {}
    house.text(1, "请确认");
    house.emulated.replug();
    assert_eq!(house.emulated.on_air(PATIENCE), on_air("请确认", None));
    house.expect(&Event::Sent { id: OrderId(1) });
    house.emulated.receive(PHONE, "1");
    assert_eq!(house.received().1, "1", "it hands over texts again, although it had forgotten to");
}

/// As both ends use it: the next text is handed over when the one before has left, and each phone is to ring.
#[test]
fn the_second_persons_text_does_not_wait_for_the_first_persons_phone() {
    let house = house(|_| {});
    for id in 1..=2 {
        house.text(id, "请确认");
        house.modem.ring(OrderId(10 + id), number()).unwrap();
        house.expect(&Event::Sent { id: OrderId(id) });
    }
    for _ in 1..=2 {
        assert_eq!(house.emulated.on_air(PATIENCE), on_air("请确认", None));
    }
    assert_eq!(house.emulated.on_air(PATIENCE), Some(OnAir::Ringing { to: PHONE.into() }));
}

#[test]
fn a_phone_that_is_taken_is_let_go() {
    let house = house(|modem| modem.change(|manners| manners.answers_calls = true));
    house.modem.ring(OrderId(1), number()).unwrap();
    assert_eq!(house.emulated.on_air(PATIENCE), Some(OnAir::Ringing { to: PHONE.into() }));
    house.expect(&Event::Rang { id: OrderId(1), how: Rung::Answered });
    assert_eq!(house.emulated.on_air(PATIENCE), Some(OnAir::HungUp));
}
