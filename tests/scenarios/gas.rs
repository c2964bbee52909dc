//! Gas and carbon monoxide: two heights of alarm, delays, warm-up, and values that cannot be.
use modbus_wire::Table;

use crate::devices::Manners;
use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

#[test]
fn gas_rises_from_low_to_high_and_the_high_one_explains_the_low() {
    let mut stage = Stage::settled(Site::new().gas("gas-kitchen", 5));
    stage.says("12 %LEL");
    stage.gas("gas-kitchen", 12);
    stage.run(8.0);
    stage.says("30 %LEL");
    stage.gas("gas-kitchen", 30);
    stage.run(4.0);
    stage.says("back to 15 %LEL: the high alarm clears after 30 s, the low one stays");
    stage.gas("gas-kitchen", 15);
    stage.run(34.0);
    stage.says("clean air; the low alarm clears after 60 s");
    stage.gas("gas-kitchen", 0);
    stage.run(64.0);
    pin!(stage);
}

#[test]
fn gas_straight_to_the_top_is_told_at_once() {
    let mut stage = Stage::settled(Site::new().gas("gas-kitchen", 5));
    stage.says("40 %LEL at once");
    stage.gas("gas-kitchen", 40);
    stage.run(8.0);
    pin!(stage);
}

#[test]
fn gas_over_range_is_an_alarm_and_a_fault() {
    let mut stage = Stage::settled(Site::new().gas("gas-kitchen", 5));
    stage.says("the head says 65535");
    stage.gas("gas-kitchen", 0xFFFF);
    stage.run(8.0);
    stage.says("it says 0 again");
    stage.gas("gas-kitchen", 0);
    stage.run(65.0);
    pin!(stage);
}

#[test]
fn our_restart_warms_nothing_up() {
    let mut stage = Stage::settled(Site::new().gas("gas-kitchen", 5));
    stage.says("the gas comes while the gateway restarts");
    stage.kill();
    stage.run(1.0);
    stage.gas("gas-kitchen", 40);
    stage.start();
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn a_head_that_comes_back_by_itself_warms_up_first() {
    let mut stage = Stage::settled(Site::new().gas("gas-kitchen", 5));
    stage.says("the head loses its power, and comes back reading 40 %LEL");
    stage.behaves("gas-kitchen", Manners::Dead);
    stage.run(25.0);
    stage.behaves("gas-kitchen", Manners::Good);
    stage.gas("gas-kitchen", 40);
    stage.run(30.0);
    stage.says("and still does when the 180 s are over");
    stage.run(180.0);
    pin!(stage);
}

#[test]
fn carbon_monoxide_alarms_by_height_and_time() {
    let mut stage = Stage::of(Site::new().device("co-boiler", 9, "greystone-cmd5b4"));
    stage.device("co-boiler").set(Table::HoldingRegister, 2, 215);
    let mut stage = stage.settle();
    stage.says("120 ppm for 10 min");
    stage.device("co-boiler").set(Table::HoldingRegister, 1, 120);
    stage.run(590.0);
    stage.says("nearly 10 min: nothing yet");
    stage.run(20.0);
    stage.says("320 ppm");
    stage.device("co-boiler").set(Table::HoldingRegister, 1, 320);
    stage.run(5.0);
    stage.says("it tells a fault: its concentration is not to be believed, and clears nothing");
    stage.device("co-boiler").set(Table::HoldingRegister, 1, 0);
    stage.device("co-boiler").set(Table::HoldingRegister, 7, 1);
    stage.run(80.0);
    stage.says("the fault is over, the air is clean");
    stage.device("co-boiler").set(Table::HoldingRegister, 7, 0);
    stage.run(80.0);
    pin!(stage);
}
