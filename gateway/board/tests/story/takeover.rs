//! One gateway id from two machines is a security alarm; whatever one machine does in its life is none.
use proptest::prelude::*;
use shouwang_board::{Input, ListState, Request};
use shouwang_message::*;

use crate::world::*;

const OTHER_LOG: &str = "01KANEXAMPE000000000000CCC";

/// A connection as a gateway makes it: its birth, and who it is.
fn connects(world: &mut World, log: &str, boot: u32, connection: u32) {
    world.ready(boot, connection);
    tells(world, log, boot, false);
}

fn tells(world: &mut World, log: &str, boot: u32, retained: bool) {
    let info = InfoDocument {
        name: "gw-1".into(),
        version: "0.1.0".into(),
        log: log.parse().unwrap(),
        boot,
        configuration: "sha256:".into(),
        lines: Vec::new(),
        devices: Vec::new(),
        stations: Vec::new(),
        walk: None,
    };
    world.arrive("gw-1/info", to_bytes(&info), retained);
}

fn rows(world: &World) -> Vec<serde_json::Value> {
    world.rows().into_iter().filter(|row| row["condition"] == "two_machines").collect()
}

fn lines_of_the_logbook(world: &World) -> usize {
    world.log.iter().filter(|line| line.what == "security.two_machines").count()
}

#[test]
fn two_machines_that_take_the_connection_from_each_other_are_one_loud_row() {
    let mut world = World::new();
    connects(&mut world, LOG, 12, 1);
    connects(&mut world, OTHER_LOG, 1, 1);
    world.pass(1);
    connects(&mut world, LOG, 12, 2);
    assert!(rows(&world).is_empty(), "once may be a backup that was put back");
    world.pass(1);
    connects(&mut world, OTHER_LOG, 1, 2);
    let shown = rows(&world);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!((&shown[0]["kind"], &shown[0]["priority"]), (&"fault".into(), &"urgent".into()));
    let text = shown[0]["text"].to_string();
    assert!(
        text.contains("两台机器用同一个网关编号") && text.contains("two machines speak as this gateway"),
        "{text}"
    );
    for connection in 3..50 {
        connects(&mut world, LOG, 12, connection);
        connects(&mut world, OTHER_LOG, 1, connection);
        world.pass(2);
    }
    assert_eq!(rows(&world).len(), 1, "however often they do it");
    let line = world.log.iter().find(|line| line.what == "security.two_machines").unwrap().clone();
    assert_eq!(lines_of_the_logbook(&world), 1);
    assert_eq!(line.old, Some(format!("{LOG}/12")));
    assert_eq!(line.new, Some(format!("{OTHER_LOG}/1")));
}

#[test]
fn a_copied_disk_is_told_by_its_connections() {
    let mut world = World::new();
    connects(&mut world, LOG, 12, 7);
    connects(&mut world, LOG, 12, 2);
    connects(&mut world, LOG, 12, 8);
    assert!(rows(&world).is_empty());
    connects(&mut world, LOG, 12, 3);
    assert_eq!(rows(&world).len(), 1);
    // The copy was started a second time: its boot is another one.
    let mut world = World::new();
    for connection in 1..4 {
        connects(&mut world, LOG, 12, connection);
        connects(&mut world, LOG, 13, connection);
    }
    assert_eq!(rows(&world).len(), 1);
}

#[test]
fn it_stays_until_a_person_has_seen_it_and_ten_minutes_were_quiet() {
    let mut world = World::new();
    for connection in 1..4 {
        connects(&mut world, LOG, 12, connection);
        connects(&mut world, OTHER_LOG, 1, connection);
    }
    world.pass(500);
    world.kill();
    assert_eq!(rows(&world).len(), 1, "it outlives this process");
    world.pass(700);
    let shown = rows(&world);
    assert_eq!(shown.len(), 1, "nobody has seen it");
    let alarm = shown[0]["id"].as_str().unwrap().parse().unwrap();
    world.give(Input::Asked { ticket: 1, asked: asked_about(alarm, Request::Acknowledge) });
    assert!(rows(&world).is_empty());
    let finished = world.board.list(ListState::All);
    assert!(finished.iter().any(|row| row["condition"] == "two_machines"), "and is not forgotten");

    // Seen while it goes on: it stays until it is over.
    for connection in 5..8 {
        connects(&mut world, LOG, 12, connection);
        connects(&mut world, OTHER_LOG, 1, connection);
    }
    let alarm = rows(&world)[0]["id"].as_str().unwrap().parse().unwrap();
    world.give(Input::Asked { ticket: 2, asked: asked_about(alarm, Request::Acknowledge) });
    world.pass(590);
    assert_eq!(rows(&world).len(), 1);
    world.pass(20);
    assert!(rows(&world).is_empty());
    assert_eq!(lines_of_the_logbook(&world), 2);
}

#[test]
fn what_the_broker_kept_and_a_link_of_our_own_that_breaks_are_no_second_machine() {
    let mut world = World::new();
    connects(&mut world, LOG, 12, 1);
    for boot in 13..30 {
        world.give(Input::LinkDown);
        world.pass(3);
        world.give(Input::LinkUp);
        // What it kept of an older run, then the gateway itself, then what another subscription brings again.
        world.state(GatewayState::Ready, 12, 1, true);
        tells(&mut world, LOG, 12, true);
        connects(&mut world, LOG, boot, 1);
        tells(&mut world, LOG, 12, true);
    }
    assert!(rows(&world).is_empty());
}

#[test]
fn a_spare_that_stands_in_and_a_backup_that_is_put_back_are_none() {
    let mut world = World::new();
    connects(&mut world, LOG, 12, 1);
    world.pass(60);
    connects(&mut world, OTHER_LOG, 1, 1);
    world.pass(3_600);
    // Started again, so another boot.
    connects(&mut world, LOG, 13, 1);
    world.pass(3_600);
    // Its disk as it was before boot 13: that boot is counted once more.
    connects(&mut world, LOG, 14, 1);
    connects(&mut world, LOG, 13, 1);
    world.pass(3_600);
    connects(&mut world, OTHER_LOG, 1, 2);
    assert!(rows(&world).is_empty());
}

/// What happens to one machine.
#[derive(Clone, Debug)]
enum Life {
    Reconnects,
    Restarts,
    /// Its database was damaged, or somebody emptied its directory.
    NewLog,
    /// It tells its documents again: its configuration was changed.
    Tells,
    Pass(u64),
    OurLink,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn one_machine_is_never_two(lives in proptest::collection::vec(prop_oneof![
        4 => Just(Life::Reconnects),
        3 => Just(Life::Restarts),
        1 => Just(Life::NewLog),
        2 => Just(Life::Tells),
        2 => (0_u64..400).prop_map(Life::Pass),
        1 => Just(Life::OurLink),
    ], 1..60)) {
        let mut world = World::new();
        let (mut log, mut boot, mut connection) = (1_u128, 1, 1);
        for life in lives {
            let name = LogId::from_parts(1, log).to_string();
            match life {
                Life::Reconnects => connection += 1,
                Life::Restarts => (boot, connection) = (boot + 1, 1),
                Life::NewLog => (log, boot, connection) = (log + 1, 1, 1),
                Life::Tells => {
                    tells(&mut world, &name, boot, false);
                    continue;
                }
                Life::Pass(seconds) => {
                    world.pass(seconds);
                    continue;
                }
                Life::OurLink => {
                    world.give(Input::LinkDown);
                    world.give(Input::LinkUp);
                    world.state(GatewayState::Ready, boot, connection, true);
                    tells(&mut world, &name, boot, true);
                    continue;
                }
            }
            let name = LogId::from_parts(1, log).to_string();
            connects(&mut world, &name, boot, connection);
        }
        prop_assert!(rows(&world).is_empty());
        prop_assert_eq!(lines_of_the_logbook(&world), 0);
    }
}
