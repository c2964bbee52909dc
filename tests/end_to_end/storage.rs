//! A gateway that starts while its disk is in trouble watches and tells all the same, and logs it later.
use std::time::Duration;

use serde_json::Value;
use shouwang_tests::visitor::Answer;
use shouwang_tests::{Gateway, Listener, Visitor, port, wait_for, wait_until};

use crate::shim::{Shim, Trouble};
use crate::street::{ALARM_LIMIT, RAISED, START_LIMIT, Street, assert_in_sequence, name};

/// Failed commits are tried again every second.
const HEALED_LIMIT: Duration = Duration::from_secs(10);
/// A heartbeat comes every 10 s.
const HEARTBEAT_LIMIT: Duration = Duration::from_secs(20);

/// A street whose gateway's disk and health page are at hand.
struct Site {
    street: Street,
    shim: Shim,
    page: u16,
}

#[test]
fn a_start_on_a_full_disk_continues_its_log() {
    let mut site = Site::new();
    site.start();
    site.street.listener.wait_for_device(START_LIMIT, &name(1), "online");
    site.street.smoke(1, true);
    let before = site.street.listener.wait_for_event(ALARM_LIMIT, RAISED, &name(1));
    site.street.kill();

    site.shim.trouble(Some(Trouble::Full { every: 1 }));
    let told = site.watches_without_its_disk();
    site.shim.trouble(None);
    site.logs_what_it_told(&told);

    let listener = &site.street.listener;
    let known = listener.newest(&leaf(&before.json["data"])).expect("the alarm from before");
    assert_eq!((&known["active"], &known["unlogged"]), (&true.into(), &false.into()), "{known}");
    assert_eq!(listener.events_of(RAISED).len(), 2, "each smoke is one cry");
    let boots = listener.events_of("shouwang.boot.v1");
    let boots: Vec<&Value> = boots.iter().map(|event| &event.json["data"]["boot"]).collect();
    assert_eq!(boots, [1, 2]);
    site.end();
}

#[test]
fn a_first_start_on_a_disk_that_fails_begins_its_log_later() {
    let mut site = Site::new();
    site.shim.trouble(Some(Trouble::WriteError { every: 1 }));
    let told = site.watches_without_its_disk();
    site.shim.trouble(None);
    site.logs_what_it_told(&told);
    site.end();
}

#[test]
fn a_disk_that_stays_bad_holds_up_no_end() {
    let mut site = Site::new();
    site.shim.trouble(Some(Trouble::SyncError { every: 1 }));
    site.watches_without_its_disk();
    site.street.gateway.as_mut().expect("a running gateway").end();
}

impl Site {
    fn new() -> Self {
        let page = port::free();
        let mut street = Street::tcp(2);
        street.configuration = street.configuration.table(&format!("[web]\nlisten = \"127.0.0.1:{page}\"\n"));
        let shim = Shim::new(street.configuration.directory(), "gateway");
        Self { street, shim, page }
    }

    fn start(&mut self) {
        let environment = self.shim.environment();
        self.street.gateway = Some(Gateway::start_in(&self.street.configuration, &environment));
    }

    /// Starts on a disk in trouble: an alarm is told unlogged, and everybody can see why.
    fn watches_without_its_disk(&mut self) -> Value {
        let seen = self.street.listener.messages().len();
        self.start();
        self.wait_for_new_state(seen, "ready");
        self.street.smoke(2, true);
        let told = wait_for(ALARM_LIMIT, "the alarm should be told without the disk", || {
            newest_alarm(&self.street.listener, &name(2))
        });
        assert_eq!(told["unlogged"], true, "{told}");
        assert_eq!(told["active"], true, "{told}");
        let heartbeat = || {
            let messages = self.street.listener.messages();
            let newest = messages.iter().skip(seen).rfind(|message| message.leaf == "heartbeat")?;
            let told = serde_json::from_slice::<Value>(&newest.payload).ok()?;
            (told["store"] == "failing").then_some(told)
        };
        wait_for(HEARTBEAT_LIMIT, "the heartbeat should say that the store fails", heartbeat);
        // The page is told once a second.
        wait_until(ALARM_LIMIT, "the health page should say why it is not ready", || {
            let because =
                |answer: Answer| answer.status == 503 && answer.body.contains("the store does not write");
            readyz(self.page).is_some_and(because)
        });
        let raised = self.street.listener.events_of(RAISED);
        assert!(raised.iter().all(|event| event.json["subject"] != name(2)), "its event waits for the disk");
        assert!(self.street.gateway.as_mut().expect("a started gateway").is_running());
        told
    }

    /// The disk is well: the same alarm, by the same process, as an event and no longer marked.
    fn logs_what_it_told(&mut self, told: &Value) {
        let event = self.street.listener.wait_for_event(HEALED_LIMIT, RAISED, &name(2));
        assert_eq!(event.json["data"]["id"], told["id"]);
        assert_eq!(event.json["data"]["unlogged"], false);
        wait_until(HEALED_LIMIT, "the retained document should be logged", || {
            let newest = self.street.listener.newest(&leaf(told));
            newest.is_some_and(|document| document["unlogged"] == false && document["active"] == true)
        });
        wait_until(HEALED_LIMIT, "the gateway should be ready", || {
            readyz(self.page).is_some_and(|answer| answer.status == 200)
        });
        assert_in_sequence(&self.street.listener);
    }

    fn end(mut self) {
        self.street.gateway.as_mut().expect("a running gateway").end();
        assert_in_sequence(&self.street.listener);
    }

    fn wait_for_new_state(&self, seen: usize, state: &str) {
        wait_until(START_LIMIT, "the gateway should say that it is there", || {
            let messages = self.street.listener.messages();
            let mut states = messages.iter().skip(seen).filter(|message| message.leaf == "state");
            states.any(|message| {
                serde_json::from_slice::<Value>(&message.payload).is_ok_and(|told| told["state"] == state)
            })
        });
    }
}

fn leaf(alarm: &Value) -> String {
    format!("alarm/{}", alarm["id"].as_str().unwrap_or_default())
}

fn newest_alarm(listener: &Listener, device: &str) -> Option<Value> {
    let messages = listener.messages();
    let alarms = messages.iter().rev().filter(|message| message.leaf.starts_with("alarm/"));
    let mut documents = alarms.filter_map(|message| serde_json::from_slice::<Value>(&message.payload).ok());
    documents.find(|document| document["device"] == device)
}

/// What the health page answers; nothing while nobody listens.
fn readyz(page: u16) -> Option<Answer> {
    Visitor::new(format!("127.0.0.1:{page}"), ALARM_LIMIT).get("/readyz").ok()
}
