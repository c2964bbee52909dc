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
