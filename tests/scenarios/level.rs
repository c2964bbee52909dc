//! The river: a level rises through its lines, jumps, and falls back slowly.
use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

fn river(level_mm: i16) -> Stage {
    let mut stage = Stage::of(Site::new().river("level-1", 7));
    stage.level_mm("level-1", level_mm);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage.run(60.0);
    stage.tape.begin(stage.now);
    stage
}

#[test]
fn a_level_rises_through_its_lines_and_falls_back() {
    let mut stage = river(2_500);
    stage.says("3.35 m: over design and warning");
    stage.level_mm("level-1", 3_350);
    stage.run(100.0);
    stage.says("3.85 m: over guarantee");
    stage.level_mm("level-1", 3_850);
    stage.run(100.0);
    stage.says("3.79 m: under the line, but not by the deadband");
    stage.level_mm("level-1", 3_790);
    stage.run(700.0);
    stage.says("3.40 m for 10 min and more: only guarantee clears");
    stage.level_mm("level-1", 3_400);
    stage.run(650.0);
    stage.says("2.50 m for 20 min and more: one line after the other");
    stage.level_mm("level-1", 2_500);
    stage.run(1_250.0);
    pin!(stage);
}

#[test]
fn a_jump_is_told_at_its_highest_line() {
    let mut stage = river(2_500);
    stage.says("a wave of 4.3 m, gone after 20 s");
    stage.level_mm("level-1", 4_300);
    stage.run(20.0);
    stage.level_mm("level-1", 2_500);
    stage.run(100.0);
    stage.says("4.3 m, and it stays");
    stage.level_mm("level-1", 4_300);
    stage.run(100.0);
    pin!(stage);
}

#[test]
fn a_level_out_of_range_never_clears() {
    let mut stage = river(3_350);
    stage.says("over warning; then the probe says 32767");
    stage.run(30.0);
    stage.level_mm("level-1", 0x7FFF);
    stage.run(700.0);
    stage.says("it says 2.50 m again");
    stage.level_mm("level-1", 2_500);
    stage.run(660.0);
    pin!(stage);
}

#[test]
fn a_station_whose_readings_are_never_what_it_can_have_is_a_fault() {
    let site = Site::new().river("level-1", 7).station(|station| station.range_m = Some((1.0, 8.0)));
    let mut stage = Stage::of(site);
    stage.level_mm("level-1", 2_500);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage.run(60.0);
    stage.tape.begin(stage.now);
    stage.tape.shows_judgements_only = true;
    stage.says("0.20 m for a minute: a spike");
    stage.level_mm("level-1", 200);
    stage.run(60.0);
    stage.level_mm("level-1", 2_500);
    stage.run(60.0);
    stage.says("0.20 m for good");
    stage.level_mm("level-1", 200);
    stage.run(400.0);
    stage.says("2.50 m again");
    stage.level_mm("level-1", 2_500);
    stage.run(60.0);
    pin!(stage);
}

#[test]
fn a_river_at_risk_is_read_more_often_and_no_alarm_waits_for_it() {
    let mut stage = Stage::of(Site::new().state_poll(20).smoke("smoke-1", 3).river("level-1", 7));
    stage.level_mm("level-1", 2_500);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage.run(300.0);
    let calm = stage.asked_in(600.0);
    assert_eq!((calm[&7], stage_samples(&mut stage, 600.0)), (30, 2), "a sample every five minutes");
    stage.level_mm("level-1", 3_350);
    stage.run(1_200.0);
    let above = stage.asked_in(600.0);
    assert_eq!((above[&7], stage_samples(&mut stage, 600.0)), (60, 10), "above warning every minute");
    for step in 1..=6 {
        stage.level_mm("level-1", 3_350 + 20 * step);
        stage.run(60.0);
    }
    let mut rising = 0;
    let before = stage.history.len();
    for step in 7..=16 {
        stage.level_mm("level-1", 3_350 + 20 * step);
        let asked = stage.asked_in(60.0);
        rising += asked[&7];
        assert!(asked[&3] >= 119, "smoke is asked twice a second all the while: {asked:?}");
    }
    assert!((118..=122).contains(&rising), "asked {rising} times in ten minutes");
    let told = stage.history.len() - before;
    assert!((20..=24).contains(&told), "every half minute, and at each step: {told}");
}

/// How many samples came in so many seconds.
fn stage_samples(stage: &mut Stage, seconds: f64) -> usize {
    let before = stage.history.len();
    stage.run(seconds);
    stage.history.len() - before
}
