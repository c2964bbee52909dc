//! The whole of it with real programs: field, gateway, broker, duty room, and what can go wrong between them.
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Place, Running};
use shouwang_message::Value;
use shouwang_tests::gateway::binary;
use shouwang_tests::program::root;
use shouwang_tests::{Mosquitto, clock, port, wait_for};

use crate::part::Part;
use crate::proxy::{Mode, Proxy};
use crate::schedule::{Act, DEVICES, Link, SERIAL, TCP, Who};
use crate::shim::{Shim, Trouble};

const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Everything that runs. Dropping it ends it; the files stay.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) directory: PathBuf,
    pub(crate) gateway: Part,
    pub(crate) duty_room: Part,
    pub(crate) broker: Mosquitto,
    pub(crate) gateway_page: u16,
    pub(crate) duty_room_page: u16,
    pub(crate) registers: Vec<Register>,
    networks: BTreeMap<Link, Proxy>,
    shims: BTreeMap<Who, Shim>,
    field: Running,
    /// What now keeps the gateway from reading or from writing.
    uneasy: BTreeSet<String>,
    calm_since: Instant,
    began: Instant,
    transcript: std::fs::File,
}

/// A device's smoke register as the harness set it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    pub(crate) device: &'static str,
    pub(crate) smoke: bool,
    pub(crate) since: Instant,
    /// How often it began to smoke.
    pub(crate) rises: u64,
}

impl World {
    /// Starts everything below `target/chaos/NAME` and returns when the gateway and the duty room are ready.
    pub(crate) fn start(name: &str, broker_keeps: bool) -> Self {
        let directory = root().join("target/chaos").join(name);
        let _ = std::fs::remove_dir_all(&directory);
        for part in ["gateway", "broker", "duty-room"] {
            std::fs::create_dir_all(directory.join(part)).expect("a directory for a part");
        }
        let field = start_field(&directory);
        let broker = Mosquitto::start_in(&directory.join("broker"), broker_keeps);
        let networks: BTreeMap<_, _> =
            [Link::Gateway, Link::DutyRoom].map(|link| (link, Proxy::start(broker.port()))).into();
        let shims: BTreeMap<_, _> = [(Who::Gateway, "gateway"), (Who::DutyRoom, "duty-room")]
            .map(|(who, name)| (who, Shim::new(&directory, name)))
            .into();
        let (gateway_page, duty_room_page) = (port::free(), port::free());
        let gateway_file = directory.join("gateway/gateway.toml");
        let text = gateway_toml(&directory, &networks[&Link::Gateway].url(), gateway_page, &field);
        std::fs::write(&gateway_file, text).expect("the gateway's configuration");
        let duty_room_file = directory.join("duty-room/duty-room.toml");
        let text = duty_room_toml(&directory, &networks[&Link::DutyRoom].url(), duty_room_page);
        std::fs::write(&duty_room_file, text).expect("the duty room's configuration");
        let gateway = part("gateway", "run", &gateway_file, &shims[&Who::Gateway]);
        let duty_room = part("duty-room", "duty-room", &duty_room_file, &shims[&Who::DutyRoom]);
        let transcript = std::fs::File::create(directory.join("transcript.txt")).expect("a transcript");
        let now = clock::now();
        let register =
            |(device, _): &(&'static str, _)| Register { device, smoke: false, since: now, rises: 0 };
        let registers = DEVICES.iter().map(register).collect();
        let mut world = Self {
            directory,
            gateway,
            duty_room,
            broker,
            gateway_page,
            duty_room_page,
            registers,
            networks,
            shims,
            field,
            uneasy: BTreeSet::new(),
            calm_since: now,
            began: now,
            transcript,
        };
        world.duty_room.start();
        world.gateway.start();
        for page in [gateway_page, duty_room_page] {
            wait_for(START_LIMIT, "gateway and duty room should be ready", || crate::desk::ready(page).ok());
        }
        (world.began, world.calm_since) = (clock::now(), clock::now());
        world
    }

    pub(crate) fn gateway_state(&self) -> PathBuf {
        self.directory.join("gateway/state")
    }

    pub(crate) fn duty_room_state(&self) -> PathBuf {
        self.directory.join("duty-room/state")
    }

    /// Since everything was ready.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// A line of the transcript.
    pub(crate) fn say(&mut self, what: &str) {
        let at = self.began.elapsed().as_secs_f64();
        writeln!(self.transcript, "[{at:7.3}] {what}").expect("writing the transcript");
    }

    /// Since when nothing hindered the gateway from reading the field and writing its log; none if it does.
    pub(crate) fn calm_since(&self) -> Option<Instant> {
        self.uneasy.is_empty().then_some(self.calm_since)
    }

    /// Lets time pass until `at` after the start, and looks after the programs meanwhile.
    pub(crate) fn pass_until(&mut self, at: Duration) {
        while self.elapsed() < at {
            self.tend();
            clock::pause(LOOK_AGAIN);
        }
    }

    /// Programs that ended by themselves are started again, as an init system would.
    pub(crate) fn tend(&mut self) {
        for words in [self.gateway.tend(), self.duty_room.tend()].into_iter().flatten() {
            self.say(&words);
            if words.starts_with("gateway") {
                self.calm_since = clock::now();
            }
        }
    }

    pub(crate) fn apply(&mut self, act: Act) {
        self.say(&act.to_string());
        match act {
            Act::Kill(who) | Act::End(who) | Act::Start(who) | Act::Freeze(who) | Act::Thaw(who) => {
                self.signal(act, who);
            }
            Act::Network(link, mode) => self.networks[&link].set(mode),
            Act::Reset(link) => self.networks[&link].reset(),
            Act::Disk(who, trouble) => {
                self.shims[&who].trouble(trouble);
                let harmless = matches!(trouble, Some(Trouble::SlowSync { ms: ..=50 }));
                self.hinder(who == Who::Gateway && !harmless, "disk", trouble.is_some());
            }
            Act::Clock(who, off) => self.shims[&who].shift_clock(off),
            Act::Unplug(line) => {
                // Overlapping faults may pull a cable that is out already.
                let _ = self.field.unplug(line);
                self.hinder(true, line, true);
            }
            Act::Replug(line) => {
                if self.field.place(line).is_none() {
                    self.field.replug(line).expect("a cable can be put back");
                }
                self.hinder(true, line, false);
            }
            Act::Smoke(device, smoke) => self.smoke(device, smoke),
        }
    }

    /// Everything that was broken works again; what was lost stays lost.
    pub(crate) fn heal(&mut self) {
        self.say("everything heals");
        for line in [SERIAL, TCP] {
            self.apply(Act::Replug(line));
        }
        for who in [Who::Gateway, Who::DutyRoom] {
            self.apply(Act::Disk(who, None));
            self.apply(Act::Clock(who, 0));
        }
        for link in [Link::Gateway, Link::DutyRoom] {
            self.apply(Act::Network(link, Mode::Pass));
        }
        for who in [Who::Broker, Who::Gateway, Who::DutyRoom] {
            self.apply(Act::Thaw(who));
            self.apply(Act::Start(who));
        }
    }

    pub(crate) fn smoke(&mut self, device: usize, smoke: bool) {
        let register = &mut self.registers[device];
        if register.smoke != smoke {
            register.rises += u64::from(smoke);
            (register.smoke, register.since) = (smoke, clock::now());
            let set = self.field.set(register.device, "smoke", Value::Bool(smoke));
            set.expect("a register of the field");
        }
    }

    /// Ends it and removes its files.
    pub(crate) fn remove(self) {
        let directory = self.directory.clone();
        drop(self);
        // A leftover is cleared away by the next start.
        let _ = std::fs::remove_dir_all(directory);
    }

    fn signal(&mut self, act: Act, who: Who) {
        if who == Who::Broker {
            return self.signal_broker(act);
        }
        let part = if who == Who::Gateway { &mut self.gateway } else { &mut self.duty_room };
        let mut words = None;
        match act {
            Act::Kill(_) => part.kill(),
            Act::End(_) => words = Some(part.end()),
            Act::Freeze(_) => part.freeze(),
            Act::Thaw(_) => part.thaw(),
            _ => part.start(),
        }
        if let Some(words) = words {
            self.say(&format!("{who:?}: {words}"));
        }
        let away = matches!(act, Act::Kill(_) | Act::End(_));
        if away || matches!(act, Act::Start(_)) {
            self.hinder(who == Who::Gateway, "process", away);
        } else {
            self.hinder(who == Who::Gateway, "frozen", matches!(act, Act::Freeze(_)));
        }
    }

    fn signal_broker(&mut self, act: Act) {
        match act {
            Act::Kill(_) => self.broker.kill(),
            Act::End(_) => {
                self.broker.signal(Signal::CONT);
                self.broker.stop();
            }
            Act::Freeze(_) => self.broker.signal(Signal::STOP),
            Act::Thaw(_) => self.broker.signal(Signal::CONT),
            _ if !self.broker.is_running() => self.broker.restart(),
            _ => {}
        }
    }

    fn hinder(&mut self, it_counts: bool, what: &str, hindered: bool) {
        if it_counts {
            if hindered {
                self.uneasy.insert(what.to_owned())
            } else {
                self.uneasy.remove(what)
            };
            self.calm_since = clock::now();
        }
    }
}

fn part(name: &'static str, verb: &'static str, file: &Path, shim: &Shim) -> Part {
    let mut command = Command::new(binary());
    command.arg(verb).arg("--config").arg(file).env("RUST_BACKTRACE", "1");
    shim.preload(&mut command);
    let directory = file.parent().expect("a file in a directory");
    Part::new(name, directory, command)
}

fn start_field(directory: &Path) -> Running {
    let link = directory.join(SERIAL);
    let mut text = format!(
        "[[line]]\nname = \"{SERIAL}\"\npty = {{ baud = 9600, link = \"{}\" }}\n\n\
         [[line]]\nname = \"{TCP}\"\ntcp = {{ listen = \"127.0.0.1:0\" }}\n",
        link.display()
    );
    for (unit_id, (device, line)) in (1..).zip(DEVICES) {
        text += &format!(
            "\n[[device]]\nid = \"{device}\"\nline = \"{line}\"\nunit_id = {unit_id}\nprofile = \"renke-rs-yg-n01\"\n"
        );
    }
    let config = FieldConfig::from_toml(&text, "field.toml").expect("the field's configuration");
    shouwang_field::start(&config, &Catalog::shipped()).expect("the field starts")
}

fn gateway_toml(directory: &Path, url: &str, page: u16, field: &Running) -> String {
    let Some(Place::Tcp(address)) = field.place(TCP) else { panic!("the field has a TCP line") };
    let mut text = format!(
        "site = \"heping\"\ngateway = \"gw-0007\"\nname = \"和平社区 7 号网关\"\nstate_dir = \"{0}/gateway/state\"\n\n\
         [uplink]\nurl = \"{url}\"\nhearers = [\"duty-1\"]\n\n[web]\nlisten = \"127.0.0.1:{page}\"\n\n\
         [[line]]\nname = \"{SERIAL}\"\nserial = {{ path = \"{0}/{SERIAL}\", baud = 9600 }}\n\n\
         [[line]]\nname = \"{TCP}\"\ntcp = {{ address = \"{address}\" }}\n",
        directory.display()
    );
    for (unit_id, (device, line)) in (1..).zip(DEVICES) {
        // Short, so that a run of half a minute has many alarms.
        text += &format!(
            "\n[[device]]\nid = \"{device}\"\nline = \"{line}\"\nunit_id = {unit_id}\nprofile = \"renke-rs-yg-n01\"\n\
             place = {{ name = \"{device}\" }}\n[device.condition.smoke]\noff_delay_s = 1\n"
        );
    }
    text
}

fn duty_room_toml(directory: &Path, url: &str, page: u16) -> String {
    format!(
        "name = \"duty-1\"\ntitle = \"和平社区值班室\"\nstate_dir = \"{}/duty-room/state\"\n\n\
         [broker]\nurl = \"{url}\"\n\n[web]\nlisten = \"127.0.0.1:{page}\"\n",
        directory.display()
    )
}
