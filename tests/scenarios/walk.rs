//! The walk test: only after the duty room agreed, only what is listed, each until its one trigger has been heard.
use shouwang_board::{DeskAsked, DeskStep, Input as BoardInput};
use shouwang_core::input::Input;
use shouwang_core::walk::{RowState, WalkState, WalkStep};
use shouwang_message::{InfoDocument, from_bytes};

use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

fn asks(stage: &mut Stage, devices: &[&str]) {
    let devices = devices.iter().map(|name| id(name)).collect();
    stage.give(Input::Walked(WalkStep::Ask { by: "老张".into(), devices }));
    stage.run(1.0);
}

/// Somebody on watch answers what the board shows.
fn answers(stage: &mut Stage, agreed: bool) {
    let Some(walk) = stage.engine().walk().map(|walk| walk.id) else { panic!("nobody asked") };
    let step = DeskStep::Walk { walk, agreed };
    let asked = DeskAsked { by: "u-7".into(), from: "192.0.2.7".into(), step };
    stage.tickets += 1;
    stage.tell_board(BoardInput::DeskAsked { ticket: stage.tickets, asked });
    stage.run(1.0);
}

fn rows(stage: &Stage) -> Vec<RowState> {
    stage.engine().walk().map(|walk| walk.rows.iter().map(|row| row.state).collect()).unwrap_or_default()
}

fn state(stage: &Stage) -> Option<WalkState> {
    stage.engine().walk().map(|walk| walk.state)
}

fn refused(stage: &Stage) -> &str {
    stage.engine().walk_refused().map_or("", |why| &why.en)
}

fn info(stage: &Stage) -> InfoDocument {
    let all = stage.retained("/info");
    let body = all.first().and_then(|told| told.split_once(' ')).map_or("", |(_, body)| body);
    from_bytes(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn each_trigger_turns_its_row_green_and_the_next_one_is_live() {
    let site = Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13).call("call-402", 20);
    let mut stage = Stage::settled(site);
    stage.says("老张 wants to walk 402, not 403");
    asks(&mut stage, &["smoke-402", "call-402"]);
    assert_eq!(rows(&stage), [RowState::Waiting; 2], "nothing is in test before somebody agreed");
    stage.says("u-7 agrees");
    answers(&mut stage, true);
    assert_eq!(rows(&stage), [RowState::Test; 2]);
    stage.says("smoke at 402");
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    assert_eq!(rows(&stage), [RowState::Test, RowState::Passed]);
    let Some(walk) = stage.engine().walk().cloned() else { panic!("the walk is gone") };
    let times = walk.rows[1].times;
    let total = times.total_ms().unwrap_or(u64::MAX);
    let (gateway, broker) = (times.gateway_ms.unwrap_or(0), times.broker_ms.unwrap_or(0));
    assert!(gateway >= 8 && gateway <= broker, "saved first: {times:?}");
    assert!(broker <= times.board_ms.unwrap_or(0) && total < 3_000, "{times:?}");
    assert_eq!(info(&stage).devices[0].proven_at, walk.rows[1].triggered_at);
    stage.says("the end is refused: 402 still smokes");
    stage.give(Input::Walked(WalkStep::Finish));
    assert!(refused(&stage).starts_with("Not back to normal: smoke-402"), "{}", refused(&stage));
    stage.says("402 clears, and then smokes in earnest");
    stage.smoke("smoke-402", false);
    stage.run(12.0);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.says("the call button of 402, twice");
    stage.press("call-402");
    stage.run(3.0);
    assert_eq!(rows(&stage), [RowState::Passed; 2]);
    stage.press("call-402");
    stage.run(3.0);
    stage.smoke("smoke-402", false);
    stage.run(12.0);
    stage.says("done");
    stage.give(Input::Walked(WalkStep::Finish));
    stage.run(1.0);
    assert_eq!(state(&stage), Some(WalkState::Finished), "{}", refused(&stage));
    assert!(info(&stage).walk.is_none());
    pin!(stage);
}

/// The first trigger is still on its way to the duty room, so its device is in test.
#[test]
fn a_second_trigger_is_live_also_while_the_first_one_is_on_its_way() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).call("call-402", 20));
    asks(&mut stage, &["smoke-402", "call-402"]);
    answers(&mut stage, true);
    stage.link_duty_room(false);
    let modes = |stage: &Stage| {
        let alarms = stage.retained("/alarm/");
        ["test", "live"].map(|mode| {
            let mode = format!("\"mode\":\"{mode}\"");
            alarms.iter().filter(|alarm| alarm.contains(&mode)).count()
        })
    };
    stage.press("call-402");
    stage.run(3.0);
    assert_eq!(rows(&stage), [RowState::Triggered, RowState::Test]);
    assert_eq!(modes(&stage), [1, 0]);
    stage.press("call-402");
    stage.run(3.0);
    assert_eq!(modes(&stage), [0, 1], "somebody needs help while their button is tested");
    assert_eq!(rows(&stage), [RowState::Triggered, RowState::Test], "the other device waits for its own");
    asks(&mut stage, &["smoke-402"]);
    assert!(refused(&stage).contains("老张"), "it says whose walk is under way: {}", refused(&stage));
}

#[test]
fn nobody_walks_without_the_duty_room_and_a_no_is_a_no() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    asks(&mut stage, &["smoke-402"]);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    assert!(stage.board_items().contains("\"mode\":\"live\""), "asking makes nothing a test");
    stage.smoke("smoke-402", false);
    stage.run(12.0);
    answers(&mut stage, false);
    assert_eq!(state(&stage), Some(WalkState::Refused));
    asks(&mut stage, &["smoke-402"]);
    assert!(refused(&stage).contains("open alarm"), "{}", refused(&stage));
    for devices in [&[][..], &["smoke-999"][..]] {
        asks(&mut stage, devices);
        assert!(!refused(&stage).is_empty());
    }
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    asks(&mut stage, &["smoke-402"]);
    stage.run(601.0);
    assert_eq!(state(&stage), Some(WalkState::Ended), "who waits for ten minutes asks again");
}

#[test]
fn what_is_not_triggered_in_five_minutes_is_live_again_and_missing() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    asks(&mut stage, &["smoke-402", "smoke-403"]);
    answers(&mut stage, true);
    stage.run(298.0);
    assert_eq!(rows(&stage), [RowState::Test; 2]);
    stage.run(4.0);
    assert_eq!(rows(&stage), [RowState::Missed; 2]);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    assert!(stage.board_items().contains("\"mode\":\"live\""), "its five minutes are over");
    stage.give(Input::Walked(WalkStep::Again { device: id("smoke-403") }));
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    assert_eq!(rows(&stage), [RowState::Missed, RowState::Passed]);
    stage.run(90.0);
    let both = stage.board_items();
    assert_eq!(
        both.matches("\"mode\":\"live\"").count(),
        2,
        "what still smokes after a minute is no test: {both}"
    );
    stage.run(7_200.0);
    assert_eq!(state(&stage), Some(WalkState::Ended), "after two hours it ends by itself");
}

#[test]
fn what_was_proven_outlives_a_restart_and_a_reload_and_not_another_unit() {
    let site = || Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13);
    let mut stage = Stage::settled(site());
    asks(&mut stage, &["smoke-402", "smoke-403"]);
    answers(&mut stage, true);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.smoke("smoke-402", false);
    stage.run(2.0);
    let proven = info(&stage).devices[0].proven_at;
    assert!(proven.is_some());
    stage.restart();
    stage.run(8.0);
    assert_eq!(info(&stage).devices[0].proven_at, proven);
    assert_eq!(rows(&stage), [RowState::Passed, RowState::Test], "the walk goes on");
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    assert_eq!(rows(&stage), [RowState::Passed; 2]);
    stage.edits(site().smoke("smoke-404", 14));
    stage.give(Input::ReloadWanted);
    stage.run(2.0);
    assert_eq!(info(&stage).devices[0].proven_at, proven);
    stage.edits(Site::new().smoke("smoke-402", 22).smoke("smoke-403", 13));
    stage.give(Input::ReloadWanted);
    stage.run(2.0);
    assert_eq!(info(&stage).devices[0].proven_at, None, "another unit has proven nothing");
    assert!(info(&stage).devices[1].proven_at.is_some());
}

#[test]
fn a_trigger_that_nobody_hears_proves_nothing() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    asks(&mut stage, &["smoke-402"]);
    answers(&mut stage, true);
    stage.link_duty_room(false);
    stage.smoke("smoke-402", true);
    stage.run(5.0);
    stage.smoke("smoke-402", false);
    assert_eq!(rows(&stage), [RowState::Triggered]);
    stage.run(15.0);
    stage.link_duty_room(true);
    stage.run(20.0);
    assert_eq!(rows(&stage), [RowState::Slow], "over ten seconds");
    assert_eq!(info(&stage).devices[0].proven_at, None);
}

#[test]
fn a_press_on_the_box_opens_the_installers_pages_for_an_hour() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).siren("box-inputs", 30).door());
    assert!(stage.open_s() > 3_500, "a new box is open at its first start");
    stage.run(3_600.0);
    assert_eq!(stage.open_s(), 0);
    stage.restart();
    stage.run(8.0);
    assert_eq!(stage.open_s(), 0, "a restart opens nothing");
    stage.device("box-inputs").set(modbus_wire::Table::DiscreteInput, 0, 1);
    stage.run(2.0);
    let open = stage.open_s();
    assert!(open > 3_590, "{open}");
    stage.run(60.0);
    assert!(stage.open_s() <= open - 60, "held down, it is one press");
}

#[test]
fn another_unit_in_its_place_is_unproven_and_the_open_alarm_stays() {
    let site = |number: &str| {
        let number = Some(number.to_owned());
        let street = Site::new().smoke("smoke-402", 12).installed(|installed| installed.serial_no = number);
        street.smoke("smoke-403", 13)
    };
    let mut stage = Stage::settled(site("YG-1"));
    asks(&mut stage, &["smoke-402", "smoke-403"]);
    answers(&mut stage, true);
    for name in ["smoke-402", "smoke-403"] {
        stage.smoke(name, true);
        stage.run(2.0);
        stage.smoke(name, false);
        stage.run(12.0);
    }
    stage.give(Input::Walked(WalkStep::Finish));
    stage.run(1.0);
    assert_eq!(state(&stage), Some(WalkState::Finished), "{}", refused(&stage));
    assert!(info(&stage).devices.iter().all(|device| device.proven_at.is_some()));
    stage.smoke("smoke-402", true);
    stage.run(3.0);
    let open = stage.retained("/alarm/");
    assert!(open.iter().any(|alarm| alarm.contains("\"active\":true")), "{open:?}");

    stage.edits(site("YG-2"));
    stage.give(Input::ReloadWanted);
    stage.run(3.0);
    let proven: Vec<bool> = info(&stage).devices.iter().map(|device| device.proven_at.is_some()).collect();
    assert_eq!(proven, [false, true], "only the unit that hangs there now is unproven");
    assert_eq!(stage.retained("/alarm/").len(), open.len(), "the alarm of its place stays");
    assert!(stage.board_items().contains("\"active\":true"));
    // A restart does not make the old unit's proof the new one's either.
    stage.restart();
    stage.run(3.0);
    assert_eq!(info(&stage).devices[0].proven_at, None);
    // A number that is noted for the first time says nothing of another unit.
    stage.reconfigure(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13).installed(|installed| {
        installed.serial_no = Some("YG-9".into());
    }));
    stage.restart();
    stage.run(3.0);
    assert!(info(&stage).devices[1].proven_at.is_some());
}
