//! Devices behind a gateway on Modbus TCP, which says itself, by exceptions 10 and 11, that nobody answers it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
use std::collections::BTreeMap;
use std::time::Duration;

use shouwang_catalog::Catalog;
use shouwang_core::profile::Table;
use shouwang_installer::{
    Bus, Candidate, Change, Checkup, Heard, Lost, Order, Question, Refused, Setting, Traffic, Writing, Wrote,
    check_up, set_unit_id,
};

const REPLY: Duration = Duration::from_millis(8);
const SMOKE: u16 = 3;
const UNIT_ID: u16 = 2000;

/// The gateway, and who hangs behind it: holding registers by unit id.
struct Behind {
    devices: BTreeMap<u8, BTreeMap<u16, u16>>,
    /// What the gateway says in the place of a device that does not answer.
    nobody: u8,
    /// Devices confirm a new unit id at the new one, which the gateway does not hear.
    confirms_elsewhere: bool,
    setting: Setting,
    elapsed: Duration,
}

impl Behind {
    fn new(nobody: u8, units: &[u8]) -> Self {
        let device = |unit_id: &u8| (*unit_id, BTreeMap::from([(SMOKE, 0), (UNIT_ID, u16::from(*unit_id))]));
        Self {
            devices: units.iter().map(device).collect(),
            nobody,
            confirms_elsewhere: false,
            setting: Setting::Tcp { rtu_frames: false },
            elapsed: Duration::ZERO,
        }
    }

    fn number(&mut self, from: u8, to: u8) -> Result<(), Refused> {
        let catalog = Catalog::shipped();
        let entry = catalog.iter().find(|entry| entry.profile.name == "renke-rs-yg-n01").unwrap();
        let candidate = Candidate { name: entry.profile.name.clone(), profile: entry.profile.clone() };
        let change = Change { from, to, setting: self.setting, wait: Duration::from_millis(400) };
        set_unit_id(self, &candidate, change, || Ok(()))
    }

    fn units(&self) -> Vec<u8> {
        self.devices.keys().copied().collect()
    }
}

impl Bus for Behind {
    fn set(&mut self, setting: Setting) -> Result<(), Lost> {
        self.setting = setting;
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Heard, Lost> {
        self.elapsed += REPLY;
        let Some(device) = self.devices.get(&question.unit_id) else {
            return Ok(Heard::Exception(self.nobody, REPLY));
        };
        let words: Option<Vec<u16>> = (question.address..question.address + question.count)
            .map(|address| device.get(&address).copied())
            .collect();
        Ok(match words {
            Some(words) if question.table == Table::HoldingRegister => Heard::Words(words, REPLY),
            _ => Heard::Exception(2, REPLY),
        })
    }

    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl Writing for Behind {
    fn write(&mut self, order: &Order) -> Result<Wrote, Lost> {
        let Some(mut device) = self.devices.remove(&order.unit_id) else {
            return Ok(Wrote::Exception(self.nobody));
        };
        device.insert(order.address, order.value);
        let now = if order.address == UNIT_ID { u8::try_from(order.value).unwrap() } else { order.unit_id };
        self.devices.insert(now, device);
        let unheard = self.confirms_elsewhere && now != order.unit_id;
        Ok(if unheard { Wrote::Exception(self.nobody) } else { Wrote::Confirmed })
    }

    fn rest(&mut self, time: Duration) -> Result<(), Lost> {
        self.elapsed += time;
        Ok(())
    }

    fn see_through(&mut self, _: bool) {}
}

#[test]
fn an_id_without_a_device_is_free_whichever_way_the_gateway_says_so() {
    for nobody in [10, 11] {
        let mut line = Behind::new(nobody, &[7, 9]);
        assert_eq!(line.number(7, 12), Ok(()), "exception {nobody}");
        assert_eq!(line.units(), [9, 12]);
        assert_eq!(line.number(12, 9), Err(Refused::Taken(9)), "exception {nobody}");
        assert_eq!(line.number(30, 31), Err(Refused::Nobody(30)), "exception {nobody}");
        line.confirms_elsewhere = true;
        assert_eq!(line.number(12, 13), Ok(()), "exception {nobody}: read back, though nobody confirmed");
    }
    // A device's own refusal is a device.
    let mut line = Behind::new(4, &[7]);
    assert_eq!(line.number(7, 12), Err(Refused::Taken(12)));
    // On a serial line nobody speaks in another's place: 10 and 11 are a device's.
    let mut line = Behind::new(11, &[7]);
    line.setting = Setting::usual(9600);
    assert_eq!(line.number(7, 12), Err(Refused::Taken(12)));
}

#[test]
fn a_lines_health_counts_nobody_as_silent() {
    let mut line = Behind::new(11, &[7]);
    let wanted = Checkup {
        setting: line.setting,
        units: vec![7, 8],
        lasts: Duration::from_secs(2),
        wait: Duration::from_millis(400),
        alone: true,
    };
    let health = check_up(&mut line, &wanted, &mut |_, _| ());
    let told: Vec<_> =
        health.units.iter().map(|unit| (unit.unit_id, unit.good > 0, unit.silent > 0)).collect();
    assert_eq!(told, [(7, true, false), (8, false, true)]);
}
