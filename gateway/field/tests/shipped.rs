//! Every shipped profile makes a device that its own gateway side can read: the plan's requests are
//! answered, the readings are good, nothing is raised, and whatever is set is read.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use shouwang_catalog::Catalog;
use shouwang_core::Instant;
use shouwang_core::condition::{Judge, Judgement};
use shouwang_core::configuration::{DeviceSettings, Installed, LineKind, LineSettings, PollTimes};
use shouwang_core::decode::{Raw, decode};
use shouwang_core::decoder::Decoder;
use shouwang_core::input::Outcome;
use shouwang_core::plan::{Block, Plan};
use shouwang_core::profile::{Measures, Point, Profile, Table as Place};
use shouwang_core::reading::{NoData, Reading};
use shouwang_field::{Act, FieldConfig, Place as At, Running, Table, start};
use shouwang_message::{Place as Where, Value};
use tokio_modbus::client::{Context, Reader as _};
use tokio_modbus::prelude::{Slave, SlaveContext as _};

fn profiles() -> Vec<Arc<Profile>> {
    let shipped: Vec<_> = Catalog::shipped().iter().map(|entry| Arc::clone(&entry.profile)).collect();
    assert!(shipped.len() >= 5, "only {} profiles are shipped", shipped.len());
    shipped
}

/// The unit that the profile's own points are in, where an installer must state one.
fn unit(profile: &Profile) -> Option<String> {
    profile.points.iter().find(|point| point.scale.unit_from_device)?.unit.clone()
}

const HUNG_AT_M: f64 = 3.5;

/// Whether it looks down at the water, so that somebody must say from how high.
fn hangs(profile: &Profile) -> bool {
    profile.points.iter().any(|point| point.measures == Measures::Distance)
}

/// One device of every profile, the unit ids in their order, on one TCP line.
fn field(profiles: &[Arc<Profile>]) -> Running {
    let mut text = String::from("line = [{ name = 'all', tcp = { listen = '127.0.0.1:0' } }]\n");
    for (profile, unit_id) in profiles.iter().zip(1..) {
        text += &format!("[[device]]\nid = 'd-{unit_id}'\nline = 'all'\nunit_id = {unit_id}\n");
        text += &format!("profile = '{}'\nreply_ms = 0\n", profile.name);
        if let Some(unit) = unit(profile) {
            text += &format!("unit = '{unit}'\n");
        }
    }
    let config = FieldConfig::from_toml(&text, "all.toml").unwrap();
    start(&config, &Catalog::shipped()).unwrap()
}

fn settings(profile: &Arc<Profile>, unit_id: u8) -> DeviceSettings {
    DeviceSettings {
        id: format!("d-{unit_id}").parse().unwrap(),
        line: 0,
        unit_id,
        profile: Arc::clone(profile),
        conditions: profile.conditions.clone(),
        place: Where::default(),
        installed: Installed {
            unit: unit(profile),
            mounting_height_m: hangs(profile).then_some(HUNG_AT_M),
            ..Installed::default()
        },
    }
}

fn line() -> LineSettings {
    LineSettings {
        name: "all".parse().unwrap(),
        kind: LineKind::Tcp { rtu_frames: false },
        timeout: Duration::from_millis(200),
        poll: PollTimes { alarm: Duration::ZERO, state: Duration::ZERO, slow: Duration::ZERO },
    }
}

fn address(field: &Running, line: &str) -> SocketAddr {
    match field.place(line) {
        Some(At::Tcp(address)) => address,
        other => panic!("{line} is at {other:?}"),
    }
}

async fn read(client: &mut Context, block: &Block) -> Outcome {
    let (address, count) = (block.address, block.count);
    let words = |words| Outcome::Registers { words, delay_us: 0 };
    let bits = |bits| Outcome::Bits { bits, delay_us: 0 };
    match block.table {
        Place::Coil => client.read_coils(address, count).await.unwrap().map(bits),
        Place::DiscreteInput => client.read_discrete_inputs(address, count).await.unwrap().map(bits),
        Place::InputRegister => client.read_input_registers(address, count).await.unwrap().map(words),
        Place::HoldingRegister => client.read_holding_registers(address, count).await.unwrap().map(words),
    }
    .unwrap_or_else(|code| panic!("{block:?} was refused with {code}"))
}

#[tokio::test]
async fn every_request_of_every_plan_is_answered_with_good_readings_and_nothing_is_raised() {
    let profiles = profiles();
    let field = field(&profiles);
    let mut client = tokio_modbus::client::tcp::connect(address(&field, "all")).await.unwrap();
    for (profile, unit_id) in profiles.iter().zip(1..) {
        client.set_slave(Slave(unit_id));
        let device = settings(profile, unit_id);
        let plan = Plan::new(&device, &line());
        let mut decoder = Decoder::new(&device, &std::collections::BTreeMap::new());
        for block in plan.identity.iter().chain(&plan.blocks) {
            let outcome = read(&mut client, block).await;
            decoder.answered(&device, block, &outcome);
        }
        assert!(decoder.is_trusted() && !decoder.is_wrong_identity(), "{}", profile.name);
        for (index, point) in profile.points.iter().enumerate() {
            match decoder.reading(profile, index) {
                Reading::Good(_) => {}
                // "Never pressed" is the call unit's own word.
                Reading::Bad(NoData::NotSupported | NoData::ErrorValue) if profile.call.is_some() => {}
                other => panic!("{} {} reads {other:?}", profile.name, point.name),
            }
        }
        for condition in &profile.conditions {
            let mut state = Judge::new(condition);
            let reading = decoder.reading(profile, condition.point);
            for minute in 0..10 {
                let now = Instant::from_micros(minute * 60_000_000);
                let judgement = state.reading(now, &reading);
                assert!(
                    !matches!(judgement, Some(Judgement::Raised { .. })),
                    "{} {}",
                    profile.name,
                    condition.name
                );
            }
        }
    }
}

fn wire(table: Place) -> Table {
    match table {
        Place::Coil => Table::Coil,
        Place::DiscreteInput => Table::DiscreteInput,
        Place::InputRegister => Table::InputRegister,
        Place::HoldingRegister => Table::HoldingRegister,
    }
}

fn words(field: &Running, device: &str, point: &Point) -> Vec<u16> {
    let at = |offset| field.register(device, wire(point.table), point.address + offset).unwrap().unwrap();
    (0..point.kind.width()).map(at).collect()
}

fn reading(point: &Point, device: &DeviceSettings, words: &[u16], decimals: Option<u32>) -> Reading {
    let raw = if point.table.is_bits() { Raw::Bit(words[0] != 0) } else { Raw::Words(words) };
    decode(point, device, &raw, decimals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn whatever_a_point_can_say_can_be_set_and_is_read_again(noise in proptest::collection::vec(any::<u16>(), 64)) {
        let profiles = profiles();
        let field = field(&profiles);
        let mut proven = 0;
        for (profile, unit_id) in profiles.iter().zip(1..).filter(|(profile, _)| profile.call.is_none()) {
            let device = settings(profile, unit_id);
            let id = device.id.as_str();
            for (index, point) in profile.points.iter().enumerate() {
                let decimals = point.scale.decimals_from.map(|from| {
                    u32::from(words(&field, id, &profile.points[from])[0])
                });
                let mut raw: Vec<u16> = (0..usize::from(point.kind.width())).map(|at| noise[(index + at) % 64]).collect();
                if matches!(point.kind, shouwang_core::profile::Kind::Bool { bit: None, .. }) {
                    raw[0] &= 1;
                }
                let Reading::Good(value) = reading(point, &device, &raw, decimals) else { continue };
                // A sensor that looks down is set to what it sees, the air above the water.
                let seen = match (&value, point.measures) {
                    (Value::Number(level), Measures::Distance) => Value::Number(HUNG_AT_M - level),
                    _ => value.clone(),
                };
                field.set(id, &point.name, seen).unwrap();
                let again = reading(point, &device, &words(&field, id, point), decimals);
                prop_assert_eq!(again, Reading::Good(value), "{} {}", &profile.name, &point.name);
                proven += 1;
            }
        }
        prop_assert!(proven > 0);
    }
}

#[tokio::test]
async fn the_example_street_opens_and_can_be_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/street.toml");
    let field = start(&FieldConfig::load(&file).unwrap(), &Catalog::shipped()).unwrap();
    assert!(matches!(field.place("b3-rs485"), Some(At::Pty { .. })));
    let mut client =
        tokio_modbus::client::tcp::connect_slave(address(&field, "pump-house"), Slave(1)).await.unwrap();
    assert_eq!(
        client.read_holding_registers(3, 2).await.unwrap().unwrap(),
        [0, 2120],
        "3.12 m, 1 m above the datum"
    );
    assert_eq!(field.register("call-3-2-401", Table::InputRegister, 3).unwrap(), Some(4465));
    field.stop();
}

/// Sends a frame to an RTU line over TCP and reads so many bytes, or until nothing comes for a second.
fn exchange(client: &mut TcpStream, frame: &[u8], expected: usize) -> Vec<u8> {
    client.write_all(frame).unwrap();
    let mut answer = vec![0; expected];
    match client.read_exact(&mut answer) {
        Ok(()) => answer,
        Err(_) => Vec::new(),
    }
}

#[test]
fn the_shipped_ways_to_set_a_unit_id_and_to_reset_work_on_their_devices() {
    let catalog = Catalog::shipped();
    let mut proven = 0;
    for entry in catalog.iter() {
        for example in entry.examples.iter() {
            let resets = example.reset_ask.iter().map(|ask| (ask[0], ask[0], vec![ask.clone()]));
            for (from, to, asks) in example.set_unit_id.iter().cloned().chain(resets) {
                let text = format!(
                    "line = [{{ name = 'l', tcp = {{ listen = '127.0.0.1:0', framing = 'rtu', baud = 115200 }} }}]\n\
                     device = [{{ id = 'd', line = 'l', unit_id = {from}, profile = '{}' }}]",
                    entry.profile.name
                );
                let field = start(&FieldConfig::from_toml(&text, "one.toml").unwrap(), &catalog).unwrap();
                let mut client = TcpStream::connect(address(&field, "l")).unwrap();
                client.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                for ask in &asks {
                    // Every one of them is a single write, which is answered with itself.
                    assert_eq!(&exchange(&mut client, ask, ask.len()), ask, "{}", entry.profile.name);
                }
                field.act("d", Act::Restart).unwrap();
                assert_eq!(field.unit_id("d").unwrap(), to, "{}", entry.profile.name);
                proven += 1;
            }
        }
    }
    assert!(proven >= 3, "only {proven} examples");
}
