//! Rates, the trend, the estimate, and what the filter makes of waves, spikes and stuck sensors.
use std::time::Duration;

use shouwang_message::Clock;
use shouwang_river::{
    Estimate, Flag, Flags, Limits, Line, Lines, Moment, Rates, Recent, Rule, Trend, Waves, estimate,
};

fn minute(minute: i64) -> Moment {
    Moment::from_ms(minute * 60_000)
}

fn second(second: i64) -> Moment {
    Moment::from_ms(second * 1000)
}

fn bridge() -> Lines {
    let lines = Lines::default().with(Line::Warning, 3.3, Rule::default());
    lines.with(Line::Guarantee, 3.8, Rule::default())
}

/// A reading every five minutes up to `now`, by minutes before it.
fn every_five_minutes(stage_m: impl Fn(f64) -> f64) -> Recent {
    let mut recent = Recent::default();
    for before in (0..=180).step_by(5) {
        recent.take(minute(1000 - before), stage_m(before as f64), Flags::NONE);
    }
    recent
}

#[test]
fn eighteen_centimetres_an_hour_reach_the_guarantee_line_in_two_hours() {
    let rising = every_five_minutes(|before| 3.41 - before * 0.003);
    let rates = Rates::of(&rising, minute(1000));
    let cm = |rate: shouwang_river::Rate| rate.rise_m().map(|m| (m * 1000.0).round() / 10.0);
    assert_eq!(
        (cm(rates.ten_minutes), cm(rates.hour), cm(rates.three_hours)),
        (Some(3.0), Some(18.0), Some(54.0))
    );
    assert_eq!(Trend::of(&rising, minute(1000)), Some(Trend::Rising));
    let after = Duration::from_secs(130 * 60);
    let expected = Estimate { line: Line::Guarantee, level_m: 3.8, after };
    assert_eq!(estimate(&bridge(), &rising, minute(1000), Clock::Synced), Some(expected));
    assert_eq!(estimate(&bridge(), &rising, minute(1000), Clock::Unset), None);
}

#[test]
fn the_designs_own_example_is_an_hour_and_forty_minutes() {
    let rising = every_five_minutes(|before| 3.5 - before * 0.003);
    let said = estimate(&bridge(), &rising, minute(1000), Clock::Held).map(|estimate| estimate.after);
    assert_eq!(said, Some(Duration::from_secs(100 * 60)));
}

#[test]
fn there_is_no_estimate_without_a_good_fit() {
    let now = minute(1000);
    let none = |recent: &Recent| estimate(&bridge(), recent, now, Clock::Synced).is_none();
    assert!(none(&every_five_minutes(|before| 3.41 + before * 0.003)), "falling");
    assert!(none(&every_five_minutes(|before| 3.41 - before * 0.0001)), "more than six hours");
    assert!(
        none(&every_five_minutes(
            |before| 3.41 + if before % 10.0 > 1.0 { 0.05 } else { 0.0 } - before * 0.001
        )),
        "scatter"
    );
    assert!(none(&every_five_minutes(|before| 3.9 - before * 0.003)), "no line above");
    let mut few = Recent::default();
    (0..4).for_each(|index| few.take(minute(1000 - 15 * index), 3.41 - index as f64 * 0.045, Flags::NONE));
    assert!(none(&few), "four readings");
}

#[test]
fn flagged_readings_make_no_rate() {
    let mut recent = every_five_minutes(|_| 3.0);
    recent.take(minute(998), 4.5, Flags::NONE.with(Flag::Rate));
    let rates = Rates::of(&recent, minute(1000));
    assert_eq!(rates.hour.fit.map(|fit| fit.per_hour), Some(0.0));
    assert_eq!(Trend::of(&recent, minute(1000)), Some(Trend::Steady));
    let mut two = Recent::default();
    two.take(minute(1), 3.0, Flags::NONE);
    two.take(minute(2), 3.1, Flags::NONE);
    assert_eq!(Rates::of(&two, minute(2)).ten_minutes.fit, None, "two readings are no rate");
}

#[test]
fn a_spike_is_shown_and_decides_nothing_but_three_that_agree_are_real() {
    let mut waves = Waves::new(Limits::default());
    (0..10).for_each(|index| {
        waves.take(second(index * 5), 3.0, false);
    });
    let spike = waves.take(second(50), 4.5, false);
    assert_eq!((spike.stage_m, spike.flags), (Some(4.5), Flags::NONE.with(Flag::Rate)));
    assert_eq!(waves.take(second(55), 3.0, false).flags, Flags::NONE);
    let jump = [60, 65, 70].map(|at| waves.take(second(at), 4.5, false));
    assert_eq!(jump.map(|filtered| filtered.flags.is_empty()), [false, false, true]);
    assert_eq!(jump[2].stage_m, Some(4.5), "the river really moved");
}

#[test]
fn waves_are_not_spikes_and_their_median_stays_near() {
    let mut waves = Waves::new(Limits::default());
    for index in 0..400_i64 {
        // 24 cm from crest to trough every 13 s, read every 5 s.
        let wave_m = 0.12 * (index as f64 * 5.0 / 13.0 * std::f64::consts::TAU).sin();
        let filtered = waves.take(second(index * 5), 3.0 + wave_m, false);
        assert!(filtered.flags.is_empty(), "{index}: {filtered:?}");
        assert!(filtered.stage_m.is_none_or(|stage_m| (stage_m - 3.0).abs() < 0.1), "{filtered:?}");
    }
}

#[test]
fn a_flash_flood_is_followed_without_a_flag() {
    let mut waves = Waves::new(Limits::default());
    for at_s in (0..1800).step_by(5) {
        // 25 cm a minute, as fast as a gauge is asked to follow and more.
        let filtered = waves.take(second(at_s), 3.0 + 0.25 * at_s as f64 / 60.0, false);
        assert!(filtered.flags.is_empty(), "{at_s}: {filtered:?}");
    }
}

#[test]
fn a_stuck_sensor_is_flat_sooner_while_others_move() {
    let mut waves = Waves::new(Limits::default());
    let flat_from = |waves: &mut Waves, others_move| {
        (0..30 * 60).find(|at| waves.take(minute(*at), 3.0, others_move).flags.has(Flag::Flat))
    };
    assert_eq!(flat_from(&mut waves, false), Some(24 * 60));
    assert_eq!(flat_from(&mut Waves::new(Limits::default()), true), Some(6 * 60));
    assert!(waves.take(minute(2000), 3.01, true).flags.is_empty(), "a centimetre ends it");
}

#[test]
fn after_a_silence_the_river_is_where_it_is_found() {
    let mut waves = Waves::new(Limits::default());
    (0..5).for_each(|index| {
        waves.take(second(index * 5), 3.35, false);
    });
    let found = [1000, 1005, 1010].map(|at| waves.take(second(at), 2.5, false));
    assert!(found.iter().all(|filtered| filtered.flags.is_empty()), "{found:?}");
    assert_eq!(found.map(|filtered| filtered.stage_m), [None, None, Some(2.5)]);
}

#[test]
fn what_a_station_cannot_have_is_flagged() {
    let mut waves = Waves::new(Limits { range_m: (0.0, 8.0), ..Limits::default() });
    assert!(waves.take(second(0), 8.1, false).flags.has(Flag::Limit));
    assert!(waves.take(second(5), f64::NAN, false).flags.has(Flag::Limit));
    assert!(waves.take(second(10), 8.0, false).flags.is_empty());
}
