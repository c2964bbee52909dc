//! Absence is data: a value that is not there is null with its reason, never 0, false or -1.
use modbus_wire::Table;
use shouwang_message::{Quality, ValuesDocument, from_bytes};

use crate::devices::Manners;
use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn what_is_not_known_is_null_with_its_reason() {
    let site = Site::new()
        .smoke("smoke-402", 12)
        .gas("gas-kitchen", 5)
        .device("radar-1", 246, "vega-vegapuls")
        .installed(|installed| installed.unit = Some("m".into()))
        .call("call-402", 13)
        .river("level-1", 7);
    let mut stage = Stage::of(site);
    stage.level_mm("level-1", 1_000);
    let mut stage = stage.settle();
    stage.says("the radar's echo is lost, with 3.41 m still in its register");
    for (address, word) in [(101, 1), (2002, 0x405A), (2003, 0x3D71)] {
        stage.device("radar-1").set(Table::InputRegister, address, word);
    }
    stage.run(12.0);
    stage.says("it says not-a-number");
    for (address, word) in [(101, 0), (2002, 0x7FC0), (2003, 0)] {
        stage.device("radar-1").set(Table::InputRegister, address, word);
    }
    stage.run(12.0);
    stage.says("smoke says 65535, which is neither yes nor no");
    stage.device("smoke-402").set(Table::HoldingRegister, 3, 0xFFFF);
    stage.run(12.0);
    stage.says("the probe refuses, the methane head falls silent, the call unit too");
    stage.behaves("level-1", Manners::Refuses(2));
    stage.behaves("gas-kitchen", Manners::Dead);
    stage.behaves("call-402", Manners::Dead);
    stage.run(40.0);
    for retained in stage.retained("/values") {
        let Some((topic, body)) = retained.split_once(' ') else { panic!("{retained}") };
        let document: ValuesDocument =
            from_bytes(body.as_bytes()).unwrap_or_else(|error| panic!("{topic}: {error}"));
        for (name, point) in document.values {
            let is_null = point.value.is_none();
            assert_eq!(is_null, point.quality == Quality::Bad, "{topic} {name} {point:?}");
            assert_eq!(point.why.is_some(), point.quality != Quality::Good, "{topic} {name} {point:?}");
        }
    }
    pin!(stage);
}
