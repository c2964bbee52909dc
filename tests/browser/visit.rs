//! An installer's visit to a serial line as it really is, the training bag's: whoever is found gets their unit id by phone,
//! at whatever speed they speak; two phones are kept apart, and a phone that was away goes on. The first visit comes from
//! another network.
use std::time::Duration;

use serde_json::json;
use shouwang_catalog::Catalog;
use shouwang_field::{FieldConfig, Running};
use shouwang_tests::gateway::binary;
use shouwang_tests::network::{TO_PHONE, TwoNetworks};
use shouwang_tests::port::free;
use shouwang_tests::{Configuration, Gateway, Listener, Mosquitto};
use tempfile::TempDir;

use crate::axe::look_at;
use crate::chromium::Chromium;
use crate::install::{PHONE, enter, fill, phone_at, tap};
use crate::page::Page;

const LIMIT: Duration = Duration::from_secs(60);
/// A hundred questions, on a line that the gateway asks all the while.
const SCANNED: Duration = Duration::from_secs(240);

/// The training bag on its line, and a gateway that watches one device of it, the probe at unit id 3.
struct Bag {
    field: Running,
    listener: Listener,
    gateway: Gateway,
    configuration: Configuration,
    install: String,
    _broker: Mosquitto,
    _directory: TempDir,
}

/// Where the box is, from the phone's place.
enum Way {
    SameMachine,
    /// By a cable that is named in the configuration.
    Cable(Box<TwoNetworks>),
    /// This kernel knows no other networks.
    Loopback,
}

impl Way {
    fn another_network() -> Self {
        TwoNetworks::start().map_or(Self::Loopback, |networks| Self::Cable(Box::new(networks)))
    }

    fn pages(&self) -> (String, &str) {
        match self {
            Self::SameMachine => (format!("127.0.0.1:{}", free()), ""),
            Self::Cable(_) => (format!("{}:8083", TO_PHONE.ours), "interface = \"install0\""),
            Self::Loopback => (format!("127.0.0.2:{}", free()), ""),
        }
    }

    fn browser(&self) -> Chromium {
        match self {
            Self::Cable(networks) => Chromium::start_by(networks.outside("sh")),
            Self::SameMachine | Self::Loopback => Chromium::start(),
        }
    }

    fn gateway(&self, configuration: &Configuration) -> Gateway {
        match self {
            Self::Cable(networks) => Gateway::start_by(networks.in_box(binary()), configuration),
            Self::SameMachine | Self::Loopback => Gateway::start(configuration),
        }
    }
}

impl Bag {
    fn open() -> Self {
        let bag = Self::open_to(&Way::SameMachine);
        bag.listener.wait_for_device(LIMIT, "level-3", "online");
        bag
    }

    /// The box is where the phone comes from; its broker is not, which keeps no installer from working.
    fn open_to(from: &Way) -> Self {
        let directory = TempDir::with_prefix("shouwang-bag-").expect("a directory for the bag");
        let line = directory.path().join("line");
        let field = FieldConfig::training(&line).expect("the bag's configuration");
        let field = shouwang_field::start(&field, &Catalog::shipped()).expect("the bag opens");
        let broker = Mosquitto::start();
        let listener = Listener::start_hearing(&broker, "duty-1");
        let (install, interface) = from.pages();
        let configuration = Configuration::new(&broker)
            .table(&format!("[install]\nlisten = \"{install}\"\n{interface}"))
            .serial_line("bag", &line, 9600, "poll = { alarm_ms = 500 }")
            .device("level-3", "bag", 3, "generic-qdy30a", "unit = \"cm\"");
        let (_broker, _directory) = (broker, directory);
        let bag = Self {
            field,
            listener,
            gateway: from.gateway(&configuration),
            configuration,
            install: format!("http://{install}/install"),
            _broker,
            _directory,
        };
        bag.plug("probe-e", true);
        bag
    }

    /// A hand on its plug.
    fn plug(&self, device: &str, plugged: bool) {
        let fault = "dead".parse().expect("a fault");
        self.field.fault(device, fault, !plugged).expect("a device of the bag");
    }

    /// A phone whose owner is in, before the lines.
    fn phone(&self, browser: &Chromium, name: &str) -> Page {
        let phone = phone_at(browser, &self.install);
        let pin = std::fs::read_to_string(self.configuration.state_directory().join("install-pin"));
        enter(&phone, name, pin.expect("the PIN").trim());
        phone.until("document.querySelector('a[href=\"/install/scan\"]') !== null");
        tap(&phone, "a[href='/install/scan']");
        phone.until(&format!("{SETTING} !== null"));
        phone
    }

    fn unit_id(&self, device: &str) -> u8 {
        self.field.unit_id(device).expect("a device of the bag")
    }
}

/// The choice of another setting.
const SETTING: &str = "document.querySelector('select[name=setting]')";

/// A machine that is held up in the middle of an answer misses somebody: then a person tries again.
const TRIES: usize = 5;

/// Does this on the phone, waits for the next page and until no scan is under way there, and again until this holds.
fn insist(phone: &Page, limit: Duration, expected: &str, act: impl Fn()) {
    for _ in 0..TRIES {
        phone.value("window.isBefore = true");
        act();
        phone.within(limit, "window.isBefore === undefined && document.querySelector('#running') === null");
        if phone.value(expected) == true {
            return;
        }
    }
    panic!("{TRIES} times in vain: {expected}; the page says {}", phone.text("main"));
}

/// Scans at this setting (the line's own if it says nothing) until this was found.
fn scan(phone: &Page, setting: &str, found: &str) {
    insist(phone, SCANNED, found, || {
        phone.value(&format!("{SETTING}.value = '{setting}'"));
        tap(phone, "form[action='/install/scan'] button");
    });
}

fn has(link: &str) -> String {
    format!("document.querySelector('a[href$=\"{link}\"]') !== null")
}

/// What the device says now, by the profile that the page was told to use.
fn reads(phone: &Page, profile: &str, point: &str, value: &str) {
    phone.until("document.querySelector('#profile') !== null");
    phone.value(&format!("document.querySelector('#profile').value = '{profile}'"));
    tap(phone, "form[method=get] button");
    phone.within(LIMIT, &format!("location.search.includes('profile={profile}') && {}", says(point, value)));
}

fn says(point: &str, value: &str) -> String {
    format!(
        "(document.querySelector('[data-values] p[data-point={point}]')?.innerText.includes('{value}') ?? false)"
    )
}

/// Writes this unit id by the page's form until this holds.
fn give(phone: &Page, unit_id: u8, expected: &str) {
    insist(phone, LIMIT, expected, || {
        phone.value(&format!("document.querySelector('#to').value = '{unit_id}'"));
        tap(phone, "form:has(#to) button");
    });
}

fn alert(words: &str) -> String {
    format!("(document.querySelector('[role=alert]')?.innerText.includes('{words}') ?? false)")
}

#[test]
fn a_phone_on_another_network_gives_a_new_device_the_next_unit_id_and_watches_it() {
    let from = Way::another_network();
    let bag = Bag::open_to(&from);
    let browser = from.browser();
    let phone = bag.phone(&browser, "老张");
    let conflict = "document.querySelector('main').innerText.includes('像有两台设备同一地址')";
    scan(&phone, "", &format!("{} && {conflict}", has("unit=1")));
    bag.plug("humid-b", false);
    scan(&phone, "", &format!("{} && !{conflict}", has("unit=1")));

    tap(&phone, "a[href$='unit=1']");
    reads(&phone, "renke-rs-yg-n01", "smoke", "false");
    assert_eq!(phone.value("document.querySelector('#to').value"), "2", "the next that nobody has");
    give(&phone, 7, &alert("地址 7 已有设备"));
    assert_eq!(bag.unit_id("smoke-a"), 1, "nothing was written");
    give(&phone, 2, "location.search.includes('unit=2')");
    phone.until(&says("smoke", "false"));
    assert_eq!(bag.unit_id("smoke-a"), 2);
    look_at(&phone, "a device with its new unit id");
    phone.keep_picture("install-unit-id", PHONE.0, PHONE.1);

    // Undone, the old id answers and the new one is silent; and once more.
    insist(&phone, LIMIT, "location.search.includes('unit=1&')", || {
        tap(&phone, "form:has([name=to][type=hidden]) button");
    });
    phone.until(&says("smoke", "false"));
    assert_eq!(bag.unit_id("smoke-a"), 1);
    give(&phone, 2, "location.search.includes('unit=2')");
    phone.until(&says("smoke", "false"));
    fill(&phone, &[("#building", "3"), ("#entrance", "2"), ("#room", "402")]);
    tap(&phone, "form:has(input[value=add]) button");
    phone.within(LIMIT, "document.querySelector('#state')?.innerText.includes('online') ?? false");
    phone.assert_no_errors();
    bag.gateway.assert_no_errors();
}

#[test]
fn a_device_at_another_speed_is_found_from_the_phone_while_the_line_goes_on() {
    let bag = Bag::open();
    let browser = Chromium::start();
    let phone = bag.phone(&browser, "老张");
    scan(&phone, "4800-8N1", &has("unit=14&at=4800-8N1"));
    phone.keep_picture("install-other-setting", PHONE.0, PHONE.1);
    tap(&phone, "a[href$='at=4800-8N1']");
    reads(&phone, "shouwang-call-button", "serial_number", "70001");
    assert!(phone.text("#elsewhere").contains("9600 8N1"), "{}", phone.text("#elsewhere"));
    assert!(!phone.is_shown("#room"), "it cannot be watched at that speed");
    look_at(&phone, "a device at another speed");
    // It keeps its speed when it gets its unit id.
    give(&phone, 15, "location.search.includes('unit=15&at=4800-8N1')");
    phone.until(&says("serial_number", "70001"));
    assert_eq!(bag.unit_id("call-c"), 15);

    let told = bag.listener.messages();
    let lost = told.iter().filter(|told| {
        told.leaf == "device/level-3/state" && String::from_utf8_lossy(&told.payload).contains("\"lost\"")
    });
    assert_eq!(lost.count(), 0, "the line's own device was asked all the while");
    phone.assert_no_errors();
    bag.gateway.assert_no_errors();
}

#[test]
fn two_phones_are_kept_apart_and_one_that_was_away_goes_on() {
    let bag = Bag::open();
    bag.plug("humid-b", false);
    let browser = Chromium::start();
    let first = bag.phone(&browser, "老张");
    let second = bag.phone(&browser, "小李");
    // All unit ids: it takes its time.
    first.value("document.querySelector('input[name=far]').checked = true");
    tap(&first, "form[action='/install/scan'] button");
    first.until("document.querySelector('#running')?.innerText.includes('老张 正在扫描 bag') ?? false");

    // The other one sees whose it is, and cannot write meanwhile.
    tap(&second, "form[action='/install/scan'] button");
    second.until(&alert("老张 正在用这条线"));
    second.open(&format!("{}/device?line=bag&unit=1&profile=renke-rs-yg-n01", bag.install));
    second.until("document.querySelector('#to') !== null");
    give(&second, 9, &alert("老张 正在用这条线"));
    assert_eq!(bag.unit_id("smoke-a"), 1, "nothing was written");

    // The first one's phone is away for a while; the scan is not.
    let away = |is_away: bool| {
        let how = json!({"offline": is_away, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        first.ask("Network.emulateNetworkConditions", &how);
    };
    away(true);
    first.until("document.querySelector('#running-said')?.innerText.includes('连接断了') ?? false");
    away(false);
    first.within(SCANNED, "document.querySelector('#running') === null");
    if first.value(&has("unit=1")) != true {
        scan(&first, "", &has("unit=1"));
    }

    // Both see what was found; both want to number the same device, and the later one is told.
    second.open(&format!("{}/scan", bag.install));
    second.until(&has("unit=1"));
    for (phone, profile) in [(&first, "renke-rs-yg-n01"), (&second, "renke-rs-yg-n01")] {
        tap(phone, "a[href$='unit=1']");
        phone.until("document.querySelector('#profile') !== null");
        phone.value(&format!("document.querySelector('#profile').value = '{profile}'"));
        tap(phone, "form[method=get] button");
        phone.within(
            LIMIT,
            &format!(
                "location.search.includes('profile={profile}') && document.querySelector('#to') !== null"
            ),
        );
    }
    give(&second, 4, "location.search.includes('unit=4')");
    second.until(&says("smoke", "false"));
    assert_eq!(bag.unit_id("smoke-a"), 4);
    give(&first, 5, &alert("地址 1 没有设备应答"));
    assert_eq!(bag.unit_id("smoke-a"), 4, "the later one changed nothing");
    for phone in [&first, &second] {
        phone.assert_no_errors();
    }
    bag.gateway.assert_no_errors();
}
