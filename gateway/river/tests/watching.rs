//! Lines and colours: up at once, down slowly, and what must hold for every river.
use std::time::Duration;

use proptest::prelude::*;
use shouwang_river::{
    Colour, Crossing, Flag, Flags, Line, Lines, Moment, Recent, Rule, Stage, Trust, Watch, colour_after,
};

fn bridge() -> Lines {
    [(Line::Design, 3.0), (Line::Warning, 3.3), (Line::Guarantee, 3.8), (Line::Record, 4.2)]
        .into_iter()
        .fold(Lines::default(), |lines, (line, level_m)| lines.with(line, level_m, Rule::default()))
}

fn second(second: i64) -> Moment {
    Moment::from_ms(second * 1000)
}

fn good(at_s: i64, stage_m: f64) -> Stage {
    Stage::new(second(at_s), stage_m, Trust::Good)
}

/// What happened, in short: `+warning`, `-record`.
fn short(crossings: &[Crossing]) -> Vec<String> {
    let say = |crossing: &Crossing| match crossing {
        Crossing::Reached { line, .. } => format!("+{}", line.name()),
        Crossing::Left { line, .. } => format!("-{}", line.name()),
    };
    crossings.iter().map(say).collect()
}

#[test]
fn a_jump_shows_every_line_it_crossed_the_highest_first() {
    let mut watch = Watch::new(bridge());
    assert_eq!(short(&watch.take(good(0, 4.3))), [""; 0]);
    assert_eq!(watch.next_deadline(), Some(second(60)));
    assert_eq!(short(&watch.woke(second(60))), ["+record", "+guarantee", "+warning", "+design"]);
    assert_eq!(watch.colour(), Colour::Red);
}

#[test]
fn a_line_with_a_short_delay_takes_the_lower_ones_along() {
    let quick = Rule { on_delay: Duration::ZERO, ..Rule::default() };
    let mut watch = Watch::new(bridge().with(Line::Guarantee, 3.8, quick));
    assert_eq!(short(&watch.take(good(0, 3.9))), ["+guarantee", "+warning", "+design"]);
}

#[test]
fn what_a_person_reads_counts_at_once() {
    let mut watch = Watch::new(bridge());
    let crossings = watch.take(Stage::new(second(0), 3.41, Trust::Read));
    assert_eq!(short(&crossings), ["+warning", "+design"]);
}

#[test]
fn it_comes_down_one_line_at_a_time_each_with_its_own_deadband_and_delay() {
    let slow = Rule { deadband_m: 0.2, off_delay: Duration::from_secs(1200), ..Rule::default() };
    let mut watch = Watch::new(bridge().with(Line::Warning, 3.3, slow));
    watch.take(Stage::new(second(0), 3.9, Trust::Read));
    let mut said = Vec::new();
    for at_s in (300..=6000).step_by(300) {
        for crossing in short(&watch.take(good(at_s, 2.9))) {
            said.push(format!("{at_s} {crossing} {}", watch.colour().word()));
        }
    }
    assert_eq!(said, ["900 -guarantee yellow", "2100 -warning blue", "2700 -design none"]);
}

#[test]
fn a_reading_within_the_deadband_begins_the_wait_anew_and_a_missing_one_only_stops_it() {
    let mut watch = Watch::new(bridge());
    watch.take(Stage::new(second(0), 3.35, Trust::Read));
    watch.take(good(100, 3.1));
    watch.take(good(500, 3.1));
    watch.take(good(510, 3.28));
    watch.take(good(520, 3.1));
    watch.take(good(920, 3.1));
    watch.missing();
    assert_eq!(short(&watch.take(good(5000, 3.1))), [""; 0], "nobody knows what was meanwhile");
    assert_eq!(short(&watch.take(good(5200, 3.1))), ["-warning"]);
}

#[test]
fn rough_water_widens_the_deadband() {
    let mut watch = Watch::new(bridge());
    watch.take(Stage::new(second(0), 3.35, Trust::Read));
    for at_s in (60..3600).step_by(60) {
        let rough = Stage { sigma_m: 0.05, ..good(at_s, 3.22) };
        assert_eq!(short(&watch.take(rough)), [""; 0]);
    }
    assert!(watch.holds(Line::Warning));
}

#[test]
fn the_pair_is_judged_beside_the_colours() {
    let quick = Rule { on_delay: Duration::ZERO, ..Rule::default() };
    let lines = bridge().with(Line::Prepare, 3.1, quick).with(Line::Evacuate, 3.5, quick);
    let mut watch = Watch::new(lines);
    assert_eq!(short(&watch.take(good(0, 3.2))), ["+prepare"]);
    assert_eq!((watch.colour(), watch.evacuation()), (Colour::None, Some(Line::Prepare)));
    assert_eq!(short(&watch.take(good(60, 3.6))), ["+design", "+evacuate"]);
    assert_eq!(short(&watch.woke(second(120))), ["+warning"]);
    assert_eq!(watch.evacuation(), Some(Line::Evacuate));
}

#[test]
fn what_was_held_before_a_restart_is_still_held() {
    let mut watch = Watch::new(bridge());
    assert!(watch.restore(Line::Warning));
    assert!(!watch.restore(Line::Evacuate), "this station has no such line");
    assert_eq!(watch.colour(), Colour::Yellow);
    assert_eq!(short(&watch.take(good(0, 3.4))), [""; 0]);
}

fn any_stage() -> impl Strategy<Value = f64> {
    (250_u32..500).prop_map(|cm| f64::from(cm) / 100.0)
}

fn any_trust() -> impl Strategy<Value = Trust> {
    prop_oneof![Just(Trust::Good), Just(Trust::Doubted), Just(Trust::Rejected), Just(Trust::Read)]
}

fn any_readings() -> impl Strategy<Value = Vec<Stage>> {
    let reading = (0_i64..20_000, any_stage(), any_trust());
    proptest::collection::vec(reading, 0..60).prop_map(|readings| {
        readings.into_iter().map(|(at_s, stage_m, trust)| Stage::new(second(at_s), stage_m, trust)).collect()
    })
}

proptest! {
    /// While the river rises, the colour never falls.
    #[test]
    fn colours_are_monotone_upward(mut stages in proptest::collection::vec(any_stage(), 1..60),
                                   gaps in proptest::collection::vec(1_i64..900, 60)) {
        stages.sort_by(f64::total_cmp);
        let (mut watch, mut at_s, mut colour) = (Watch::new(bridge()), 0, Colour::None);
        for (stage_m, gap) in stages.into_iter().zip(gaps) {
            at_s += gap;
            watch.take(good(at_s, stage_m));
            prop_assert!(watch.colour() >= colour);
            colour = watch.colour();
        }
    }

    /// Whatever came before: readings that are missing or flagged leave no line.
    #[test]
    fn nothing_is_left_by_a_missing_or_flagged_reading(
        before in any_readings(),
        after in proptest::collection::vec((1_i64..4000, any_stage(), 0_u8..7), 0..60),
    ) {
        let mut watch = Watch::new(bridge());
        let mut before = before;
        before.sort_by_key(|stage| stage.at);
        before.into_iter().for_each(|stage| { watch.take(stage); });
        let mut at_s = 20_000;
        for (gap, stage_m, what) in after {
            at_s += gap;
            let crossings = match Flag::ALL.get(usize::from(what)) {
                Some(flag) => watch.take(Stage::new(second(at_s), stage_m, Flags::NONE.with(*flag).into())),
                None => { watch.missing(); Vec::new() }
            };
            let left = crossings.iter().filter(|crossing| matches!(crossing, Crossing::Left { .. })).count();
            prop_assert_eq!(left, 0);
        }
    }

    /// Back-fill: the order of arrival does not matter, nor does a reading that comes twice.
    #[test]
    fn the_order_of_arrival_does_not_matter(readings in any_readings(), seed in any::<u64>()) {
        let mut mixed = readings.clone();
        mixed.extend(readings.iter().step_by(2).copied());
        let mut state = seed | 1;
        mixed.sort_by_cached_key(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 20
        });
        prop_assert_eq!(colour_after(&bridge(), mixed.clone()), colour_after(&bridge(), readings.clone()));
        let recent = |stages: &[Stage]| {
            let mut recent = Recent::default();
            stages.iter().for_each(|stage| recent.take(stage.at, stage.stage_m, Flags::NONE));
            recent
        };
        prop_assert_eq!(recent(&mixed), recent(&readings));
    }
}
