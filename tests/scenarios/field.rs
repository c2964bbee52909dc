//! What is wrong in the field: silent devices, a cut line, refusals, strangers at a unit id.
use modbus_wire::Table;

use crate::devices::{Device, Manners};
use crate::pin;
use crate::site::Site;
use crate::stage::{SECOND, Stage};

fn three() -> Site {
    Site::new().smoke("smoke-401", 11).smoke("smoke-402", 12).smoke("smoke-403", 13)
}

#[test]
fn a_lost_device_is_a_fault_keeps_its_alarm_and_comes_back() {
    let mut stage = Stage::settled(three());
    stage.says("smoke in 402, then the detector burns");
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.behaves("smoke-402", Manners::Dead);
    stage.run(30.0);
    stage.says("it answers again, and there is no smoke");
    stage.smoke("smoke-402", false);
    stage.behaves("smoke-402", Manners::Good);
    stage.run(30.0);
    pin!(stage);
}

#[test]
fn a_device_that_is_alone_on_its_line_is_lost_by_its_own_name() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.says("the only device falls silent");
    stage.behaves("smoke-402", Manners::Dead);
    stage.run(30.0);
    stage.says("it answers again");
    stage.behaves("smoke-402", Manners::Good);
    stage.run(12.0);
    pin!(stage);
}

#[test]
fn a_line_whose_port_is_gone_is_one_fault() {
    let mut stage = Stage::settled(three());
    stage.says("the adapter is unplugged");
    stage.set_line(false);
    stage.run(60.0);
    stage.says("it is back");
    stage.set_line(true);
    stage.run(20.0);
    pin!(stage);
}

#[test]
fn a_port_that_comes_and_goes_hides_nobody() {
    let mut stage = Stage::settled(three());
    stage.says("the converter takes the connection and closes it at once, every 4 s");
    stage.set_line(false);
    for _ in 0..8 {
        stage.run(4.0);
        stage.set_line(true);
        stage.run(0.01);
        stage.set_line(false);
    }
    stage.says("it stays, but 402 is dead, and the port goes for 1 s in every 4");
    stage.behaves("smoke-402", Manners::Dead);
    for _ in 0..15 {
        stage.set_line(true);
        stage.run(3.0);
        stage.set_line(false);
        stage.run(1.0);
    }
    let transcript = stage.finish();
    let told = |what: &str| transcript.lines().filter(|line| line.contains(what)).count();
    assert_eq!(told("fault.raised A b3-rs485 line_down"), 1, "{transcript}");
    assert_eq!(told("fault.cleared A b3-rs485 line_down"), 1, "{transcript}");
    assert_eq!(told("smoke-402 timeout") + told("smoke-402 line_down"), 1, "{transcript}");
    assert_eq!(told("fault.raised"), 2, "{transcript}");
}

#[test]
fn hands_that_get_stuck_are_a_line_that_is_down() {
    let mut stage = Stage::settled(three());
    stage.says("the thread of the line hangs");
    stage.set_hands(true);
    stage.run(40.0);
    stage.says("it goes on");
    stage.set_hands(false);
    stage.run(10.0);
    let transcript = stage.finish();
    let at = |what: &str| {
        let line = transcript.lines().position(|line| line.contains(what));
        line.unwrap_or_else(|| panic!("no {what} in\n{transcript}"))
    };
    assert!(at("fault.raised A b3-rs485 line_down") < at("it goes on"), "{transcript}");
    assert!(at("device.state smoke-402 lost") < at("it goes on"), "{transcript}");
    assert!(at("it goes on") < at("fault.cleared A b3-rs485 line_down"), "{transcript}");
    assert!(at("it goes on") < at("device.state smoke-402 online"), "{transcript}");
}

#[test]
fn a_cut_cable_is_one_fault_of_the_line() {
    let mut stage = Stage::settled(three());
    stage.says("the cable is cut: the port is there, nobody answers");
    for device in ["smoke-401", "smoke-402", "smoke-403"] {
        stage.behaves(device, Manners::Dead);
    }
    stage.run(60.0);
    stage.says("it is mended");
    for device in ["smoke-401", "smoke-402", "smoke-403"] {
        stage.behaves(device, Manners::Good);
    }
    stage.run(40.0);
    pin!(stage);
}

#[test]
fn a_loop_that_hung_blames_no_line_for_its_own_absence() {
    for seconds in [6, 8, 15, 40] {
        let mut stage = Stage::settled(three());
        stage.says(
            "the port went for a second; it is back, and the event loop hangs: the answers wait for it",
        );
        stage.set_line(false);
        stage.run(1.0);
        stage.set_line(true);
        stage.now += seconds * SECOND;
        stage.run(30.0);
        stage.says("the cable is cut, and it hangs again");
        for device in ["smoke-401", "smoke-402", "smoke-403"] {
            stage.behaves(device, Manners::Dead);
        }
        stage.run(2.0);
        stage.now += seconds * SECOND;
        stage.run(8.0);
        let transcript = stage.finish();
        let (before, after) = transcript.split_once("the cable is cut").expect("both headlines");
        assert!(!before.contains("fault.raised"), "{seconds} s:\n{transcript}");
        let raised: Vec<_> = after.lines().filter(|line| line.contains("fault.raised")).collect();
        assert!(matches!(raised[..], [one] if one.contains("line_down")), "{seconds} s:\n{transcript}");
    }
}

#[test]
fn a_full_line_that_comes_back_loses_nobody() {
    let mut site = Site::new();
    for unit_id in 1..=24 {
        site = site.smoke(&format!("smoke-{unit_id}"), unit_id);
    }
    let mut stage = Stage::settled(site);
    stage.says("24 detectors; the adapter is away for a minute");
    stage.set_line(false);
    stage.run(60.0);
    stage.says("it is back");
    stage.set_line(true);
    stage.run(5.0);
    let transcript = stage.finish();
    let lost = transcript.lines().filter(|line| line.contains("fault.raised")).count();
    assert_eq!(lost, 1, "one fault of the line and none of a device:\n{transcript}");
}

#[test]
fn an_exception_is_a_reason_and_not_a_value() {
    let mut stage = Stage::settled(three());
    stage.says("smoke in 402, then it refuses: exception 4");
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.behaves("smoke-402", Manners::Refuses(4));
    stage.run(40.0);
    stage.says("it is well again, without smoke");
    stage.smoke("smoke-402", false);
    stage.behaves("smoke-402", Manners::Good);
    stage.run(20.0);
    pin!(stage);
}

#[test]
fn a_stranger_at_the_unit_id_is_never_written_to() {
    let mut stage =
        Stage::settled(Site::new().call("call-402", 12).smoke("smoke-403", 13).smoke("smoke-404", 14));
    stage.says("somebody puts a level probe at the call unit's unit id");
    let mut probe = Device::registers(12);
    probe.set(Table::InputRegister, 4, 99);
    probe.set(Table::DiscreteInput, 1, 1);
    *stage.device("call-402") = probe;
    stage.run(40.0);
    stage.says("the call unit is put back, and pressed");
    let now = stage.now;
    *stage.device("call-402") = Device::call(12, 123_456, 6, now);
    stage.run(12.0);
    stage.press("call-402");
    stage.run(3.0);
    pin!(stage);
}
