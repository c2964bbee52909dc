//! A duty room with something to hear: the simulated field, the real gateway, mosquitto, the real duty room.
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Place, Running};
use shouwang_tests::port::free;
use shouwang_tests::{Configuration, DutyRoom, Gateway, Listener, Mosquitto, clock, wait_until};

const LIMIT: Duration = Duration::from_secs(30);

const FIELD: &str = r#"
[[line]]
name = "b3"
tcp = { listen = "127.0.0.1:0" }
[[device]]
id = "smoke-3-2-402"
line = "b3"
unit_id = 1
profile = "renke-rs-yg-n01"
[[device]]
id = "smoke-3-2-403"
line = "b3"
unit_id = 2
profile = "renke-rs-yg-n01"
[[device]]
id = "gas-3-1-101"
line = "b3"
unit_id = 3
profile = "es-ch4-01"
unit = "%LEL"
values = { gas_lel = 1 }
[[device]]
id = "gas-canteen"
line = "b3"
unit_id = 4
profile = "es-ch4-01"
unit = "%LEL"
values = { gas_lel = 1 }
[[device]]
id = "air-pump-room"
line = "b3"
unit_id = 5
profile = "renke-rs-ws-n01"
values = { temperature = 20 }
[[device]]
id = "new"
line = "b3"
unit_id = 6
profile = "renke-rs-yg-n01"
"#;

/// The name of a place that is no place: it must stay text.
pub(crate) const EVIL: &str = "<script>window.pwned=1</script><img src=x onerror=pwned=1>";

/// Two smoke alarms next door to each other, the second in a place with an evil name; gas; and gas in a canteen.
pub(crate) struct Room {
    pub(crate) duty_room: DutyRoom,
    pub(crate) listener: Listener,
    field: Running,
    _gateway: Gateway,
    configuration: Configuration,
    /// Where the installer's pages are.
    install: String,
    broker: Mosquitto,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self::around(DutyRoom::start)
    }

    /// The same where it is night.
    pub(crate) fn at_night() -> Self {
        Self::around(DutyRoom::start_at_night)
    }

    fn around(duty_room: impl FnOnce(&Mosquitto) -> DutyRoom) -> Self {
        let broker = Mosquitto::start();
        let listener = Listener::start(&broker);
        let duty_room = duty_room(&broker);
        let field = FieldConfig::from_toml(FIELD, "field").expect("the field's configuration");
        let field = shouwang_field::start(&field, &Catalog::shipped()).expect("the field starts");
        let Some(Place::Tcp(address)) = field.place("b3") else { panic!("a TCP line") };
        let device = |id: &str, unit_id: u8, profile: &str, more: &str| {
            format!(
                "[[device]]\nid = \"{id}\"\nline = \"b3\"\nunit_id = {unit_id}\nprofile = \"{profile}\"\n{more}"
            )
        };
        let place = |entrance: u8, room: &str, name: &str| {
            format!(
                "place = {{ building = \"3\", entrance = \"{entrance}\", room = \"{room}\", grid = \"HP-07\", name = '{name}' }}"
            )
        };
        let install = format!("127.0.0.1:{}", free());
        let configuration = Configuration::new(&broker)
            .table(&format!("[install]\nlisten = \"{install}\""))
            .tcp_line("b3", &address.to_string(), "poll = { alarm_ms = 200, slow_ms = 300 }")
            .table(&device("smoke-3-2-402", 1, "renke-rs-yg-n01", &place(2, "402", "3号楼2单元402")))
            .table(&device("smoke-3-2-403", 2, "renke-rs-yg-n01", &format!("place = {{ name = '{EVIL}' }}")))
            .table(&device(
                "gas-3-1-101",
                3,
                "es-ch4-01",
                &format!("unit = \"%LEL\"\n{}", place(1, "101", "3号楼1单元101 厨房")),
            ))
            .table(&device(
                "gas-canteen",
                4,
                "es-ch4-01",
                "unit = \"%LEL\"\nplace = { grid = \"HP-02\", name = \"社区食堂\" }\n\
                 [device.condition.gas_low]\non_delay_s = 0",
            ))
            .table(&device(
                "air-pump-room",
                5,
                "renke-rs-ws-n01",
                "place = { grid = \"HP-02\", name = \"地下泵房\" }\n[device.condition.hot]\non_delay_s = 0",
            ));
        let gateway = Gateway::start(&configuration);
        for id in ["smoke-3-2-402", "smoke-3-2-403", "gas-3-1-101", "gas-canteen", "air-pump-room"] {
            listener.wait_for_device(LIMIT, id, "online");
        }
        Self { duty_room, listener, field, _gateway: gateway, configuration, install, broker }
    }

    /// The installer's pages of the box: a new one opens them for an hour.
    pub(crate) fn install_page(&self) -> String {
        format!("http://{}/install", self.install)
    }

    /// What stands on the box's label.
    pub(crate) fn pin(&self) -> String {
        let file = self.configuration.state_directory().join("install-pin");
        std::fs::read_to_string(file).expect("the PIN").trim().to_owned()
    }

    pub(crate) fn smoke(&self, device: &str, smoke: bool) {
        self.field.set(device, "smoke", shouwang_message::Value::Bool(smoke)).expect("the field's smoke");
    }

    /// Smoke while the broker stands still for longer than an alarm may take.
    pub(crate) fn late_smoke(&self) {
        self.broker.signal(Signal::STOP);
        self.smoke("smoke-3-2-402", true);
        clock::pause(Duration::from_secs(7));
        self.broker.signal(Signal::CONT);
    }

    /// From 10 it is urgent, from 25 an emergency.
    pub(crate) fn gas(&self, device: &str, percent: f64) {
        self.field.set(device, "gas_lel", shouwang_message::Value::Number(percent)).expect("the field's gas");
    }

    /// Above 40 degC it is advisory: nobody's life hangs on it.
    pub(crate) fn heat(&self, celsius: f64) {
        let celsius = shouwang_message::Value::Number(celsius);
        self.field.set("air-pump-room", "temperature", celsius).expect("the field's temperature");
    }

    /// Waits until the duty room has told its gateways that so many boards can sound.
    #[track_caller]
    pub(crate) fn wait_for_armed(&self, limit: Duration, boards: u32) {
        wait_until(limit, &format!("the gateways should hear of {boards} armed boards"), || {
            let heard: Option<Value> = self.listener.newest("heard/duty-1");
            heard.is_some_and(|heard| heard["armed"] == boards)
        });
    }
}
