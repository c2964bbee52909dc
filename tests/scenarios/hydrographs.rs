//! Six hydrographs whose shapes are published, through the whole way from the register to the alarm; beside the
//! alarms stands what a river page would say, read from the samples that were told.
use std::f64::consts::TAU;

use shouwang_message::{Clock, Quality};
use shouwang_river::{
    Flag, Flags, Lines, Moment, Rate, Rates, Recent, Stage as Reading, Trend, colour_after, estimate,
};

use crate::pin;
use crate::site::Site;
use crate::stage::Stage;

/// Between two registers, s: the device is polled as often.
const STEP_S: f64 = 5.0;

/// Plays a stage in metres by hours, and notes what the page would say every `note_h` hours.
fn play(site: Site, hours: f64, note_h: f64, stage_m: impl Fn(f64) -> f64) -> Stage {
    let lines = Lines::of(site.last_station());
    let mut stage = Stage::of(site);
    stage.level_mm("level-1", mm(stage_m(0.0)));
    let mut stage = stage.settle();
    stage.tape.shows_judgements_only = true;
    let begin = stage.now;
    let (mut at_s, mut next_note_s) = (0.0, note_h * 3600.0);
    while at_s < hours * 3600.0 {
        stage.level_mm("level-1", mm(stage_m(at_s / 3600.0)));
        at_s += STEP_S;
        stage.run((begin + (at_s * 1e6) as u64).saturating_sub(stage.now) as f64 / 1e6);
        if at_s >= next_note_s {
            next_note_s += note_h * 3600.0;
            let said = page(&stage, &lines);
            stage.tape.note(stage.now, "river", &said);
        }
    }
    stage
}

fn mm(metres: f64) -> i16 {
    (metres * 1000.0).round() as i16
}

/// What a duty room makes of the history it was told: stage, colour, rates, trend, estimate and flags.
fn page(stage: &Stage, lines: &Lines) -> String {
    let now = Moment::from(stage.duty_room_wall());
    let samples: Vec<_> = stage.history.iter().flat_map(|(_, document)| document.readings.clone()).collect();
    let mut recent = Recent::default();
    let mut readings = Vec::new();
    for (at, value, quality) in &samples {
        let Some(value) = *value else { continue };
        let flags = if *quality == Quality::Good { Flags::NONE } else { Flags::NONE.with(Flag::Sigma) };
        recent.take(Moment::from(*at), value, flags);
        readings.push(Reading::new(Moment::from(*at), value, (*quality).into()));
    }
    let cm = |rate: Rate| rate.rise_m().map_or("-".to_owned(), |m| format!("{:+.0}", m * 100.0));
    let rates = Rates::of(&recent, now);
    let newest = recent.newest().map_or("-".to_owned(), |(_, stage_m, _)| format!("{stage_m:.2}"));
    let flagged = samples.iter().filter(|(_, _, quality)| *quality != Quality::Good).count();
    let next = estimate(lines, &recent, now, Clock::Synced)
        .map_or(String::new(), |next| format!(", {} in {} min", next.line.name(), next.after.as_secs() / 60));
    format!(
        "{newest} m {} {}, {}/{}/{} cm in 10 min/1 h/3 h{next}; {} samples, {flagged} flagged",
        colour_after(lines, readings).word(),
        Trend::of(&recent, now).map_or("-", Trend::word),
        cm(rates.ten_minutes),
        cm(rates.hour),
        cm(rates.three_hours),
        samples.len(),
    )
}

/// Nash's gamma-shaped unit hydrograph (1957) of n linear reservoirs, 1 at its peak after `peak_h`.
fn gamma(hours: f64, n: f64, peak_h: f64) -> f64 {
    let t = hours / peak_h;
    if t <= 0.0 { 0.0 } else { t.powf(n - 1.0) * ((n - 1.0) * (1.0 - t)).exp() }
}

/// A flash flood: Nash's cascade of four reservoirs with its peak after 75 minutes.
#[test]
fn a_flash_flood_rises_through_every_line_and_comes_down_slowly() {
    let stage = play(Site::new().river("level-1", 7), 6.0, 0.5, |hours| 2.5 + 1.9 * gamma(hours, 4.0, 1.25));
    pin!(stage);
}

/// A slow rise: the SCS dimensionless unit hydrograph (National Engineering Handbook 630, chapter 16), whose
/// curve is a gamma with n = 4.7, with its peak after ten hours.
#[test]
fn a_slow_rise_is_seen_coming() {
    let stage = play(Site::new().river("level-1", 7), 12.0, 1.0, |hours| 2.6 + 0.8 * gamma(hours, 4.7, 10.0));
    pin!(stage);
}

/// A tide: the principal lunar constituent M2, period 12.4206 h.
#[test]
fn a_tide_goes_over_its_warning_line_and_back() {
    let tide = |hours: f64| 3.0 - 0.4 * (hours / 12.4206 * TAU).cos();
    pin!(play(Site::new().river("level-1", 7), 13.0, 1.0, tide));
}

/// Waves: Airy's linear wave of 13 s and 30 cm from trough to crest, under the warning line but for its crests.
#[test]
fn waves_raise_nothing_that_the_river_does_not() {
    let waves = |hours: f64| 3.2 + 0.15 * (hours * 3600.0 / 13.0 * TAU).sin();
    pin!(play(Site::new().river("level-1", 7), 1.0, 0.25, waves));
}

/// A spike: single values as IOOS QARTOD's spike test looks for, one alone and two together, over the record.
#[test]
fn spikes_are_shown_and_raise_nothing() {
    let spiky = |hours: f64| match (hours * 3600.0) as u64 {
        600..605 | 1800..1810 => 4.5,
        _ => 2.8,
    };
    pin!(play(Site::new().river("level-1", 7), 1.0, 0.25, spiky));
}

/// A stuck sensor: the flat line of IOOS QARTOD's flat-line test, over the warning line; then it lets go.
#[test]
fn a_stuck_sensor_is_a_fault_and_clears_nothing() {
    // A river is never quite still.
    let ripple = |hours: f64| if ((hours * 720.0) as u64).is_multiple_of(2) { 0.0 } else { 0.002 };
    let stuck = |hours: f64| match hours {
        hours if hours < 1.0 => 3.2 + 0.15 * hours + ripple(hours),
        hours if hours < 5.0 => 3.35,
        hours => 2.9 + ripple(hours),
    };
    let site = Site::new().river("level-1", 7).station(|station| station.flat_after_s = Some(3 * 3600));
    pin!(play(site, 6.0, 0.5, stuck));
}
