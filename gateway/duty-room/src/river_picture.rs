//! The picture that goes with a message to a village's groups: the sentence and the graph of a day, as a PNG.
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use shouwang_board::stations::{ManualReading, Sample, StationNow, gaps};
use shouwang_message::{Quality, Timestamp};
use shouwang_paper::glyphs::Pen;
use shouwang_paper::label::{fill, whole};
use shouwang_river::Colour;

use crate::clock::local;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 560;
/// The graph's edges: left, right, top, bottom.
const EDGES: (f32, f32, f32, f32) = (64.0, 560.0, 170.0, 510.0);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const INK: [u8; 3] = [0x16, 0x20, 0x2c];
const SOFT: [u8; 3] = [0x46, 0x52, 0x5f];
const WATER: [u8; 3] = [0x0b, 0x5c, 0xad];
const GRID: [u8; 3] = [0xdd, 0xe3, 0xea];
const GAP: [u8; 3] = [0xf0, 0xd9, 0xb5];

/// None if it cannot be written, which no picture of this size does.
pub(crate) fn png(
    now: &StationNow,
    samples: &[Sample],
    manual: &[ManualReading],
    wall: Timestamp,
    sentence: &str,
) -> Option<Vec<u8>> {
    let mut picture = RgbImage::from_pixel(WIDTH, HEIGHT, Rgb([255, 255, 255]));
    let from = wall.unix_ms() - DAY_MS;
    let shown: Vec<Sample> = samples.iter().copied().filter(|sample| sample.at.unix_ms() >= from).collect();
    let read: Vec<&ManualReading> = manual.iter().filter(|reading| reading.at.unix_ms() >= from).collect();
    fill(&mut picture, (0.0, 0.0), (WIDTH as f32, 14.0), ink_of(now.colour));
    let graph = Graph::of(now, &shown, &read, wall);
    for (from, to) in gaps(&shown, wall, now.interval_s) {
        let (left, right) = (graph.x(from.unix_ms()).max(EDGES.0), graph.x(to.unix_ms()));
        fill(&mut picture, (left, EDGES.2), (right, EDGES.3), GAP);
    }
    let pen = Pen::find();
    graph.grid(&mut picture, pen.as_ref());
    graph.lines(&mut picture, pen.as_ref(), now);
    graph.curve(&mut picture, &shown, &gaps(&shown, wall, now.interval_s));
    for reading in read {
        diamond(&mut picture, graph.x(reading.at.unix_ms()), graph.y(reading.stage_m));
    }
    if let Some(pen) = &pen {
        for (line, number) in broken(sentence, pen).iter().zip(0_u8..4) {
            pen.write(&mut picture, (20.0, 24.0 + 32.0 * f32::from(number)), 26.0, INK, line);
        }
        let foot = format!(
            "{} 制图 · 基准 {} · 辅助提示,以官方发布为准",
            local(wall, "%m-%d %H:%M"),
            now.info.datum
        );
        pen.write(&mut picture, (20.0, HEIGHT as f32 - 24.0), 16.0, SOFT, &foot);
    }
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).ok()?;
    Some(bytes)
}

/// The sentence in lines as wide as the picture.
fn broken(sentence: &str, pen: &Pen) -> Vec<String> {
    let mut lines = vec![String::new()];
    for character in sentence.chars() {
        let Some(line) = lines.last_mut() else { break };
        line.push(character);
        if pen.width(line, 26.0) > WIDTH as f32 - 66.0 {
            lines.push(String::new());
        }
    }
    lines
}

fn ink_of(colour: Colour) -> [u8; 3] {
    match colour {
        Colour::None => [0x87, 0x95, 0xa5],
        Colour::Blue => WATER,
        Colour::Yellow => [0xff, 0xd4, 0x00],
        Colour::Orange => [0xf2, 0x8c, 0x00],
        Colour::Red => [0xc8, 0x10, 0x2e],
    }
}

struct Graph {
    to_ms: i64,
    low: f64,
    high: f64,
}

impl Graph {
    fn of(now: &StationNow, samples: &[Sample], manual: &[&ManualReading], wall: Timestamp) -> Self {
        let good = samples.iter().filter(|sample| sample.quality != Quality::Bad);
        let stages = good.filter_map(|sample| sample.stage_m).chain(manual.iter().map(|one| one.stage_m));
        let (low, high) =
            stages.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), one| (low.min(one), high.max(one)));
        let (low, high) = if low > high {
            let first = now.lines.iter().next().map_or(1.0, |(_, level)| level);
            (first - 1.0, first)
        } else {
            (low, high)
        };
        let next = now.lines.next_above(high).map(|(_, level)| level).filter(|level| level - high < 3.0);
        let high = next.unwrap_or(high);
        let margin = ((high - low) * 0.08).max(0.05);
        Self { to_ms: wall.unix_ms(), low: low - margin, high: high + margin }
    }

    fn x(&self, at_ms: i64) -> f32 {
        let part = (at_ms - (self.to_ms - DAY_MS)) as f32 / DAY_MS as f32;
        EDGES.0 + part * (EDGES.1 - EDGES.0)
    }

    fn y(&self, stage_m: f64) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "a part of the picture's height")]
        let part = ((stage_m - self.low) / (self.high - self.low)) as f32;
        EDGES.3 - part * (EDGES.3 - EDGES.2)
    }

    fn grid(&self, picture: &mut RgbImage, pen: Option<&Pen>) {
        for number in 0..=4_u8 {
            let stage = self.low + (self.high - self.low) * f64::from(number) / 4.0;
            let y = self.y(stage);
            stroke(picture, (EDGES.0, y), (EDGES.1, y), 1.0, GRID);
            if let Some(pen) = pen {
                pen.write(picture, (12.0, y - 9.0), 18.0, SOFT, &format!("{stage:.2}"));
            }
        }
        for hours in [24, 18, 12, 6, 0] {
            let at = self.to_ms - hours * HOUR_MS;
            let label = local(Timestamp::from_unix_ms(at), "%H:%M");
            if let Some(pen) = pen {
                pen.write(picture, (self.x(at) - 22.0, EDGES.3 + 4.0), 18.0, SOFT, &label);
            }
        }
    }

    fn lines(&self, picture: &mut RgbImage, pen: Option<&Pen>, now: &StationNow) {
        for (line, level) in now.lines.iter().filter(|(_, level)| (self.low..=self.high).contains(level)) {
            let y = self.y(level);
            stroke(picture, (EDGES.0, y), (EDGES.1, y), 2.0, ink_of(now.lines.colour(line)));
            if let Some(pen) = pen {
                pen.write(
                    picture,
                    (EDGES.1 + 8.0, y - 11.0),
                    20.0,
                    INK,
                    &format!("{} {level:.2}", line.zh()),
                );
            }
        }
    }

    fn curve(&self, picture: &mut RgbImage, samples: &[Sample], gaps: &[(Timestamp, Timestamp)]) {
        let drawn = samples.iter().filter(|sample| sample.quality != Quality::Bad);
        let points: Vec<(Timestamp, f64)> =
            drawn.filter_map(|sample| Some((sample.at, sample.stage_m?))).collect();
        for pair in points.windows(2) {
            let [(before, one), (after, other)] = pair else { continue };
            if !gaps.iter().any(|(from, _)| from == before) {
                let (from, to) =
                    ((self.x(before.unix_ms()), self.y(*one)), (self.x(after.unix_ms()), self.y(*other)));
                stroke(picture, from, to, 3.0, WATER);
            }
        }
    }
}

/// A straight line, this many pixels wide.
fn stroke(picture: &mut RgbImage, from: (f32, f32), to: (f32, f32), width: f32, ink: [u8; 3]) {
    let (across, down) = (to.0 - from.0, to.1 - from.1);
    let steps = whole(across.abs().max(down.abs())).clamp(1, 4 * WIDTH);
    for step in 0..=steps {
        let part = step as f32 / steps as f32;
        let (x, y) = (from.0 + across * part, from.1 + down * part);
        fill(picture, (x - width / 2.0, y - width / 2.0), (x + width / 2.0, y + width / 2.0), ink);
    }
}

fn diamond(picture: &mut RgbImage, x: f32, y: f32) {
    for row in -8_i8..=8 {
        let half = 8.0 - f32::from(row.abs());
        fill(picture, (x - half, y + f32::from(row)), (x + half + 1.0, y + f32::from(row) + 1.0), INK);
    }
}
