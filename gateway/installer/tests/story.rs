//! Searches of imagined lines, on a clock that only the questions move.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shouwang_catalog::examples::{Example, Expected, Read};
use shouwang_catalog::{Catalog, Entry};
use shouwang_core::input::Outcome;
use shouwang_core::profile::{Parity, Table};
use shouwang_installer::{
    Bus, Candidate, Checkup, Doubt, Finding, Health, Heard, Lost, News, Order, Question, Report, Setting,
    Traffic, Wanted, Writing, Wrote, check_up, scan,
};

const WAIT: Duration = Duration::from_millis(50);

type Answering = Box<dyn FnMut(&Question) -> Heard>;

/// Who hangs where, and the time that went by.
struct Imagined {
    devices: BTreeMap<(String, u8), Answering>,
    setting: Setting,
    elapsed: Duration,
    asked: Vec<Question>,
    interrupt_after: usize,
    /// How many bytes of noise come in a tenth of a second, and in each exchange.
    noise: (u32, u32),
    stray_bytes: u32,
}

impl Imagined {
    fn new() -> Self {
        Self {
            devices: BTreeMap::new(),
            setting: Setting::usual(9600),
            elapsed: Duration::ZERO,
            asked: Vec::new(),
            interrupt_after: usize::MAX,
            noise: (0, 0),
            stray_bytes: 0,
        }
    }

    fn with(
        mut self,
        setting: Setting,
        unit_id: u8,
        device: impl FnMut(&Question) -> Heard + 'static,
    ) -> Self {
        self.devices.insert((setting.to_string(), unit_id), Box::new(device));
        self
    }

    fn scan(&mut self, wanted: &Wanted) -> Report {
        scan(self, wanted, WAIT, &candidates(), &mut |_: &News<'_>| ())
    }
}

impl Bus for Imagined {
    fn set(&mut self, setting: Setting) -> Result<(), Lost> {
        self.setting = setting;
        Ok(())
    }

    fn ask(&mut self, question: &Question) -> Result<Heard, Lost> {
        if self.asked.len() >= self.interrupt_after {
            return Err(Lost::Interrupted);
        }
        self.asked.push(*question);
        self.stray_bytes += self.noise.1;
        let device = self.devices.get_mut(&(self.setting.to_string(), question.unit_id));
        let heard = device.map_or(Heard::Silence, |device| device(question));
        self.elapsed += match heard.delay() {
            Some(delay) => self.setting.exchange(heard.characters()) + delay,
            None => self.setting.silent(question.wait),
        };
        Ok(heard)
    }

    fn traffic(&self) -> Traffic {
        Traffic { stray_bytes: self.stray_bytes, own_echoes: 0 }
    }

    fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl Writing for Imagined {
    fn write(&mut self, _: &Order) -> Result<Wrote, Lost> {
        unreachable!("who only looks writes nothing")
    }

    fn rest(&mut self, time: Duration) -> Result<(), Lost> {
        self.elapsed += time;
        self.stray_bytes += self.noise.0 * u32::try_from(time.as_millis() / 100).unwrap_or(0);
        Ok(())
    }

    fn see_through(&mut self, _: bool) {}
}

fn candidates() -> Vec<Candidate> {
    let catalog = Catalog::shipped();
    let of =
        |entry: &Entry| Candidate { name: entry.profile.name.clone(), profile: Arc::clone(&entry.profile) };
    catalog.iter().map(of).collect()
}

const REPLY: Duration = Duration::from_millis(12);

/// Has holding registers from 0 to 15 with these values, and refuses everything else.
fn registers(values: &'static [u16]) -> impl FnMut(&Question) -> Heard + 'static {
    move |question| {
        let from = usize::from(question.address);
        match values.get(from..from + usize::from(question.count)) {
            Some(words) if question.table == Table::HoldingRegister => Heard::Words(words.to_vec(), REPLY),
            _ => Heard::Exception(2, REPLY),
        }
    }
}

fn one_speed(units: std::ops::RangeInclusive<u8>) -> Wanted {
    Wanted { units: Some(units), settings: vec![Setting::usual(9600)] }
}

#[test]
fn a_line_with_two_devices_takes_as_long_as_computed_and_is_only_read() {
    let usual = Setting::usual(9600);
    let mut line = Imagined::new().with(usual, 3, registers(&[0, 0, 0, 1, 0, 0, 0, 0])).with(
        usual,
        12,
        registers(&[0, 0, 341, 7]),
    );
    let report = line.scan(&one_speed(1..=32));
    assert_eq!(report.requests, 32);
    assert_eq!(report.took, report.computed);
    assert!(report.took < Duration::from_millis(2200), "{:?}", report.took);
    let found: Vec<_> = report.devices.iter().map(|device| (device.unit_id, device.reply)).collect();
    assert_eq!(found, [(3, Some(REPLY)), (12, Some(REPLY))]);
    assert!(report.devices.iter().all(|device| device.doubts.is_empty()), "{:?}", report.devices);
    assert!(line.asked.iter().all(|question| question.unit_id != 0 && question.table.function() <= 4));
    assert_eq!((report.wire, report.ended), (shouwang_installer::WireTrouble::default(), None));
}

/// What an example shows at this address.
fn shown(reads: &[Read], table: Table, address: u16) -> Option<u16> {
    reads.iter().filter(|read| read.table == table).find_map(|read| {
        let index = usize::from(address.checked_sub(read.address)?);
        match &read.outcome {
            Outcome::Registers { words, .. } => words.get(index).copied(),
            Outcome::Bits { bits, .. } => bits.get(index).map(|bit| u16::from(*bit)),
            _ => None,
        }
    })
}

#[test]
fn each_shipped_model_fits_its_own_answers_wholly() {
    let catalog = Catalog::shipped();
    for entry in catalog.iter() {
        let healthy = |example: &&Example| {
            example.readings.iter().all(|(_, expected)| matches!(expected, Expected::Good(_)))
        };
        let Some(example) = entry.examples.iter().find(healthy) else { continue };
        let (reads, profile) = (example.reads.clone(), Arc::clone(&entry.profile));
        // Where the example shows nothing: what the identity check wants, or zero.
        let word = move |table: Table, address: u16| {
            let mut checks = profile.identity.iter();
            let check = checks.find(|check| (check.table, check.address) == (table, address));
            let expected = check.and_then(|check| check.expected.first().copied());
            shown(&reads, table, address).or(expected).unwrap_or(0)
        };
        let answer = move |question: &Question| {
            let addresses = question.address..question.address + question.count;
            let words = addresses.map(|address| word(question.table, address));
            if question.table.is_bits() {
                Heard::Bits(words.map(|word| word != 0).collect(), REPLY)
            } else {
                Heard::Words(words.collect(), REPLY)
            }
        };
        let report = Imagined::new().with(Setting::usual(9600), 1, answer).scan(&one_speed(1..=1));
        let fits = &report.devices[0].fits;
        let own = fits.iter().find(|fit| fit.profile == entry.profile.name);
        assert!(own.is_some_and(|own| own.agreed == own.asked), "{}: {fits:?}", entry.profile.name);
    }
}

#[test]
fn two_devices_on_one_id_are_a_conflict() {
    let mut turn = 0;
    let both_at_once = move |_: &Question| {
        turn += 1;
        if turn % 2 == 0 { Heard::Words(vec![0], REPLY) } else { Heard::Garbled }
    };
    let report = Imagined::new().with(Setting::usual(9600), 5, both_at_once).scan(&one_speed(1..=8));
    assert_eq!(report.devices[0].doubts, [Doubt::Garbled { bad: 3, of: 6 }]);
    assert!(report.has_conflict());

    let mut turn = 0;
    let in_turn = move |_: &Question| {
        turn += 1;
        Heard::Words(vec![if turn % 2 == 0 { 341 } else { 120 }], REPLY)
    };
    let report = Imagined::new().with(Setting::usual(9600), 5, in_turn).scan(&one_speed(1..=8));
    assert_eq!(report.devices[0].doubts, [Doubt::TwoMinds]);
}

#[test]
fn a_quantity_that_moves_is_no_conflict() {
    let mut level = 341;
    let rising = move |_: &Question| {
        level += 1;
        Heard::Words(vec![level], REPLY)
    };
    let report = Imagined::new().with(Setting::usual(9600), 5, rising).scan(&one_speed(1..=8));
    assert_eq!(report.devices[0].doubts, []);
}

#[test]
fn a_late_answer_is_found_by_its_own_id() {
    let slow = |question: &Question| {
        let reply = Duration::from_millis(120);
        if question.wait < reply { Heard::Silence } else { Heard::Words(vec![7], reply) }
    };
    // Its answer falls into the question to the next one.
    let mut told = false;
    let hears_it = move |_: &Question| {
        if std::mem::replace(&mut told, true) { Heard::Silence } else { Heard::Other(4) }
    };
    let usual = Setting::usual(9600);
    let report = Imagined::new().with(usual, 4, slow).with(usual, 6, hears_it).scan(&one_speed(1..=8));
    let found: Vec<_> = report.devices.iter().map(|device| (device.unit_id, device.doubts.clone())).collect();
    assert_eq!(found, [(4, vec![Doubt::Late])]);
}

#[test]
fn noise_that_was_heard_once_is_nobody() {
    let mut told = false;
    let once = move |_: &Question| {
        if std::mem::replace(&mut told, true) { Heard::Silence } else { Heard::Garbled }
    };
    let report = Imagined::new().with(Setting::usual(9600), 5, once).scan(&one_speed(1..=8));
    assert_eq!(report.devices, []);
    assert!(report.wire.swapped, "something answered, and never a frame");
}

#[test]
fn behind_modbus_tcp_a_missing_path_is_nobody_and_a_server_without_ids_is_one() {
    let tcp = Setting::Tcp { rtu_frames: false };
    let wanted = Wanted { units: Some(1..=40), settings: vec![tcp] };
    let mut gateway = Imagined::new();
    for unit_id in 1..=247 {
        let code = if unit_id % 2 == 0 { 10 } else { 11 };
        gateway = gateway.with(tcp, unit_id, move |_| Heard::Exception(code, REPLY));
    }
    let report = gateway.with(tcp, 9, |_| Heard::Words(vec![1], REPLY)).scan(&wanted);
    let found: Vec<_> = report.devices.iter().map(|device| device.unit_id).collect();
    assert_eq!(found, [9]);

    let mut server = Imagined::new();
    for unit_id in 1..=247 {
        server = server.with(tcp, unit_id, |_| Heard::Words(vec![1], REPLY));
    }
    let report = server.scan(&wanted);
    let found: Vec<_> = report.devices.iter().map(|device| (device.unit_id, device.doubts.clone())).collect();
    assert_eq!(found, [(1, vec![Doubt::EveryId])]);
}

#[test]
fn who_interrupts_keeps_what_was_found() {
    let usual = Setting::usual(9600);
    let mut line = Imagined::new().with(usual, 2, registers(&[0; 16]));
    line.interrupt_after = 5;
    let report = line.scan(&one_speed(1..=32));
    assert_eq!(report.ended, Some(Lost::Interrupted));
    let found: Vec<_> = report.devices.iter().map(|device| (device.unit_id, device.doubts.clone())).collect();
    assert_eq!(found, [(2, vec![Doubt::NotExamined])]);
}

#[test]
fn the_usual_search_finds_another_speed_and_a_far_id() {
    let slow = Setting::usual(4800);
    let usual = Setting::usual(9600);
    let mut line = Imagined::new().with(slow, 1, registers(&[0; 16])).with(usual, 200, registers(&[0; 16]));
    let report = line.scan(&Wanted::default());
    let found: Vec<_> =
        report.devices.iter().map(|device| (device.unit_id, device.setting.to_string())).collect();
    assert_eq!(found, [(1, "4800 8N1".to_owned()), (200, "9600 8N1".to_owned())]);
}

#[test]
fn a_device_that_takes_any_parity_is_found_once() {
    let even = Setting::Serial { baud: 9600, parity: Parity::Even, stop_bits: 1 };
    let usual = Setting::usual(9600);
    let mut line = Imagined::new().with(usual, 3, registers(&[7; 16])).with(even, 3, registers(&[7; 16]));
    line = line.with(even, 4, registers(&[7; 16]));
    let found: Vec<_> = line
        .scan(&Wanted::default())
        .devices
        .iter()
        .map(|device| (device.unit_id, device.setting.to_string()))
        .collect();
    assert_eq!(found, [(3, "9600 8N1".to_owned()), (4, "9600 8E1".to_owned())]);
}

fn checkup(line: &mut Imagined, units: &[u8]) -> Health {
    let wanted = Checkup {
        setting: Setting::usual(9600),
        units: units.to_vec(),
        lasts: Duration::from_secs(20),
        wait: Duration::from_millis(400),
        alone: true,
    };
    let health = check_up(line, &wanted, &mut |_, _| ());
    assert!(line.asked.iter().all(|question| question.unit_id != 0 && question.table.function() <= 4));
    health
}

#[test]
fn a_line_that_carries_well_has_no_findings() {
    let usual = Setting::usual(9600);
    let mut line = Imagined::new().with(usual, 3, registers(&[7; 16])).with(usual, 12, registers(&[7; 16]));
    let health = checkup(&mut line, &[]);
    let found: Vec<_> = health.units.iter().map(|unit| (unit.unit_id, unit.median())).collect();
    assert_eq!(found, [(3, Some(REPLY)), (12, Some(REPLY))]);
    assert_eq!(health.findings(), []);
    let took = health.took.as_secs_f64();
    assert!((20.0..20.5).contains(&took), "it lasts as long as wanted: {took}");
}

#[test]
fn what_is_wrong_with_a_line_is_told_apart() {
    let usual = Setting::usual(9600);
    let mut turn = 0;
    let every_tenth_garbled = move |_: &Question| {
        turn += 1;
        if turn % 10 == 0 { Heard::Garbled } else { Heard::Words(vec![7], REPLY) }
    };
    let mut line = Imagined::new().with(usual, 3, registers(&[7; 16])).with(usual, 4, every_tenth_garbled);
    let findings = checkup(&mut line, &[3, 4, 5]).findings();
    assert!(
        matches!(findings.as_slice(), [Finding::Garbled { unit_id: 4, .. }, Finding::Nobody { unit_id: 5 }]),
        "{findings:?}"
    );

    let mut quiet_noise = Imagined::new().with(usual, 3, registers(&[7; 16]));
    quiet_noise.noise = (2, 0);
    let findings = checkup(&mut quiet_noise, &[3]).findings();
    assert_eq!(findings, [Finding::Noise { bytes: 60, seconds: 3 }]);
    assert!(findings[0].suspects_bias());

    let mut floating = Imagined::new().with(usual, 3, registers(&[7; 16]));
    floating.noise = (0, 1);
    assert!(matches!(checkup(&mut floating, &[3]).findings().as_slice(), [Finding::Floating { .. }]));

    let mut swapped = Imagined::new().with(usual, 3, |_: &Question| Heard::Garbled);
    assert_eq!(checkup(&mut swapped, &[]).findings().first(), Some(&Finding::Swapped));

    let mut moody = 0;
    let slow_at_times = move |_: &Question| {
        moody += 1;
        Heard::Words(vec![7], if moody % 20 == 0 { REPLY * 20 } else { REPLY })
    };
    let mut line = Imagined::new().with(usual, 3, slow_at_times);
    assert!(matches!(checkup(&mut line, &[3]).findings().as_slice(), [Finding::Uneven { unit_id: 3, .. }]));
}
