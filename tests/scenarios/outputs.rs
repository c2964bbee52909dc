//! Outputs on the line: a person switches them for a while, alarms wait for none of it, and whatever happens on
//! the way they end up as wanted.
use modbus_wire::Table;
use proptest::prelude::*;
use shouwang_message::CommandName;

use crate::devices::Manners;
use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

const BOX: &str = "siren-1";

fn site() -> Site {
    Site::new().smoke("smoke-402", 12).siren(BOX, 20)
}

fn coil(stage: &mut Stage, address: u16) -> bool {
    stage.device(BOX).get(Table::Coil, address) != 0
}

fn switches(stage: &mut Stage, output: &str, on: Option<bool>, minutes: Option<i64>) {
    let mut payload = stage.payload("u-7");
    payload.output = Some(id(output));
    payload.on = on;
    payload.until = minutes.map(|minutes| stage.in_minutes(minutes));
    stage.commands(CommandName::WriteOutput, &payload);
}

#[test]
fn a_person_switches_an_output_for_a_while() {
    let mut stage = Stage::settled(site());
    stage.says("an output there is not; neither on nor off; for two hours");
    switches(&mut stage, "siren-back-door", Some(true), None);
    switches(&mut stage, "lamp-gate", None, None);
    switches(&mut stage, "lamp-gate", Some(true), Some(120));
    stage.run(1.0);
    assert!(!coil(&mut stage, 1));
    stage.says("the lamp on for five minutes");
    switches(&mut stage, "lamp-gate", Some(true), Some(5));
    stage.run(2.0);
    assert!(coil(&mut stage, 1));
    stage.tape.is_off = true;
    stage.run(297.0);
    assert!(coil(&mut stage, 1));
    stage.tape.is_off = false;
    stage.run(6.0);
    assert!(!coil(&mut stage, 1));
    stage.says("on, and off again");
    switches(&mut stage, "lamp-gate", Some(true), None);
    stage.run(1.0);
    assert!(coil(&mut stage, 1));
    switches(&mut stage, "lamp-gate", Some(false), None);
    stage.run(1.0);
    assert!(!coil(&mut stage, 1));
    pin!(stage);
}

#[test]
fn nobody_switches_a_sounding_siren_off_by_the_way() {
    let mut stage = Stage::settled(site());
    stage.smoke("smoke-402", true);
    stage.run(182.0);
    assert!(coil(&mut stage, 0));
    switches(&mut stage, "siren-gate", Some(false), None);
    stage.run(2.0);
    assert!(coil(&mut stage, 0), "that needs a silence, or an acknowledgement");
}

#[test]
fn a_stranger_at_the_sirens_unit_id_is_never_written_to() {
    let mut stage = Stage::settled(Site::new().call("call-402", 12).siren(BOX, 20));
    // The call unit has an identity; the box has none, so what protects is that a write goes to listed coils
    // only. A box that does not answer is not written to at all.
    stage.behaves(BOX, Manners::Dead);
    stage.run(30.0);
    stage.says("somebody wants the lamp of a box that is not there");
    switches(&mut stage, "lamp-gate", Some(true), None);
    stage.run(30.0);
    let transcript = stage.finish();
    let (_, after) = transcript.split_once("-- somebody wants").unwrap_or_else(|| panic!("{transcript}"));
    assert!(!after.contains("> 14 05"), "{after}");
}

#[test]
fn an_alarm_waits_for_no_output() {
    // The box is slow to fail: every write runs into its time-out.
    let mut site = site();
    for unit_id in 30..40 {
        site = site.smoke(&format!("smoke-{unit_id}"), unit_id);
    }
    let mut stage = Stage::settled(site);
    stage.behaves(BOX, Manners::LosesWrites);
    switches(&mut stage, "lamp-gate", Some(true), None);
    switches(&mut stage, "siren-gate", Some(true), None);
    stage.run(5.0);
    stage.says("smoke while two outputs are written in vain");
    stage.smoke("smoke-35", true);
    stage.run(2.0);
    let transcript = stage.finish();
    let (_, after) = transcript.split_once("-- smoke while").unwrap_or_else(|| panic!("{transcript}"));
    let raised =
        after.lines().find(|line| line.contains("alarm.raised")).unwrap_or_else(|| panic!("{after}"));
    let at = |line: &str| line.trim_start().split(' ').next().and_then(|at| at.parse::<f64>().ok());
    let began = transcript.lines().find(|line| line.contains("-- smoke while")).and_then(at);
    let took = at(raised).zip(began).map(|(raised, began)| raised - began);
    // One round of twelve detectors, a confirming read, and one write that waits for its time-out.
    assert!(took.is_some_and(|took| took < 1.6), "{took:?}\n{after}");
}

/// What may happen to a box and its line.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Manners(Manners),
    /// The module forgets, or somebody plays with it.
    Coil(u16, bool),
    Line(bool),
    Hands(bool),
    Wanted(bool),
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let manners = [Manners::Good, Manners::Dead, Manners::LosesWrites, Manners::Refuses(4)];
    prop_oneof![
        3 => prop::sample::select(manners.to_vec()).prop_map(Happens::Manners),
        3 => (0..2_u16, any::<bool>()).prop_map(|(address, on)| Happens::Coil(address, on)),
        2 => any::<bool>().prop_map(Happens::Line),
        1 => any::<bool>().prop_map(Happens::Hands),
        3 => any::<bool>().prop_map(Happens::Wanted),
        1 => Just(Happens::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever happened: once the world is well, the box does as it is told within 45 s (30 s of which a lost
    /// device may take to be probed again).
    #[test]
    fn outputs_end_up_as_wanted(story in prop::collection::vec((happens(), 1..12_u32), 1..12)) {
        let mut stage = Stage::settled(site());
        let mut wanted = false;
        for (happens, seconds) in story {
            match happens {
                Happens::Manners(manners) => stage.behaves(BOX, manners),
                Happens::Coil(address, on) => stage.device(BOX).set(Table::Coil, address, u16::from(on)),
                Happens::Line(is_up) => stage.set_line(is_up),
                Happens::Hands(is_stuck) => stage.set_hands(is_stuck),
                Happens::Wanted(on) => {
                    wanted = on;
                    switches(&mut stage, "siren-gate", Some(on), Some(60));
                }
                // What a person switched on does not survive the process.
                Happens::Restart => {
                    wanted = false;
                    stage.restart();
                }
            }
            stage.run(f64::from(seconds));
        }
        stage.behaves(BOX, Manners::Good);
        stage.set_hands(false);
        stage.set_line(true);
        stage.run(45.0);
        prop_assert_eq!((coil(&mut stage, 0), coil(&mut stage, 1)), (wanted, false));
    }
}
