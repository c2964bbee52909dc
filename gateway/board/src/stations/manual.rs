//! What a person read off the staff: taken once however often it is sent, with its own time, and refused with words
//! where it cannot be.
use alloc::boxed::Box;
use alloc::string::String;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shouwang_message::{Id, Quality, Text, Timestamp};
use shouwang_river::Agreement;

use super::{FUTURE_MS, Sample, Station};
use crate::board::{Board, Effect};
use crate::logbook::LogLine;
use crate::requests::refused;
use crate::{Outcome, Output, kept};

/// Of one station, those that are remembered for judging; all are on disk.
const REMEMBERED: usize = 16;
/// Older than this it is no news: history is back-filled by the gateway, not by people.
const OLDEST_MS: i64 = 30 * 24 * 3_600_000;

/// How far below the lowest and above the highest line of a station a staff may still be read, metres.
const BELOW_M: f64 = 30.0;
const ABOVE_M: f64 = 10.0;

/// A person's reading of a staff gauge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ManualReading {
    /// Made by whoever sends it, 8 to 64 of `[A-Za-z0-9-]`: the same id is the same reading.
    pub id: String,
    pub station: Id,
    /// Metres in the station's datum.
    pub stage_m: f64,
    /// When the staff was read, by the phone's clock.
    pub at: Timestamp,
    /// Account id.
    pub by: String,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// What the sensor said about then.
    pub sensor_m: Option<f64>,
}

impl ManualReading {
    pub(crate) fn sample(&self) -> Sample {
        Sample { at: self.at, stage_m: Some(self.stage_m), quality: Quality::Good }
    }

    /// As far as can be: a phone whose clock is ahead read it when it arrived, at the latest.
    pub(crate) fn read_at(&self) -> Timestamp {
        self.at.min(self.received_at)
    }

    /// As the API has it.
    pub fn item(&self) -> Value {
        json!({ "id": self.id, "station": self.station, "stage_m": self.stage_m, "at": self.at,
            "source": "manual", "quality": "good", "by": self.by, "received_at": self.received_at,
            "sensor_m": self.sensor_m })
    }
}

/// A person sends a reading.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadingAsked {
    pub station: Id,
    pub id: String,
    pub stage_m: f64,
    pub at: Timestamp,
    /// Account id.
    pub by: String,
    /// The network address it came from.
    pub from: String,
    /// What the disk has under this id, as it was kept.
    pub on_disk: Option<String>,
}

impl Board {
    pub(crate) fn reading_asked(&mut self, ticket: u64, asked: ReadingAsked) {
        if let Err(outcome) = self.take_reading(ticket, asked) {
            self.out.push(Output::Answer { ticket, outcome });
        }
    }

    fn take_reading(&mut self, ticket: u64, asked: ReadingAsked) -> Result<(), Outcome> {
        let Some(station) = self.stations.get(&asked.station).filter(|station| station.listed) else {
            return Err(Outcome::Unknown);
        };
        is_made_by_a_phone(&asked.id)?;
        let remembered = station.manual.iter().find(|known| known.id == asked.id).cloned();
        let on_disk = asked.on_disk.as_deref().and_then(|text| serde_json::from_str(text).ok());
        if let Some(known) = remembered.or(on_disk) {
            return Err(repeated(&known, &asked));
        }
        objection(station, &asked, self.wall)?;
        if self.room() == 0 {
            return Err(refused("busy", "存储繁忙,请稍后再试", "The disk is behind: try again soon"));
        }
        let reading = ManualReading {
            id: asked.id,
            station: asked.station,
            stage_m: rounded(asked.stage_m),
            at: asked.at,
            by: asked.by,
            received_at: self.wall,
            sensor_m: None,
        };
        let sensor_m = self.sensor_beside(&reading.station, reading.read_at());
        let reading = ManualReading { sensor_m, ..reading };
        self.log.push(LogLine {
            at: self.wall,
            by: reading.by.clone(),
            from: asked.from,
            what: "reading.manual".into(),
            about: None,
            old: None,
            new: Some(alloc::format!("{} {:.2} m", reading.station, reading.stage_m)),
            note: Some(alloc::format!("{}", reading.at)),
        });
        self.keep.push((kept::reading_key(&reading.id), serde_json::to_string(&reading).ok()));
        let id = reading.station.clone();
        if let Some(station) = self.stations.get_mut(&id) {
            let place = station.manual.partition_point(|known| known.at <= reading.at);
            station.manual.insert(place, reading.clone());
            if station.manual.len() > REMEMBERED {
                station.manual.pop_front();
            }
        }
        self.judge(&id, &reading);
        self.keep_station(&id);
        let mut told = reading.item();
        told["colour"] = self.colour_of(&id).word().into();
        if let Some((code, text)) = self.stations.get(&id).and_then(|station| ask_again(&reading, station)) {
            told["ask"] = json!({ "code": code, "text": text });
        }
        self.effects.push(Effect::ValueAnswer { ticket, told });
        Ok(())
    }
}

/// To whole millimetres: what no staff shows is not kept.
fn rounded(metres: f64) -> f64 {
    // Well inside what an i64 holds: the objections came first.
    #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
    let millimetres = (metres * 1_000.0 + if metres < 0.0 { -0.5 } else { 0.5 }) as i64;
    millimetres as f64 / 1_000.0
}

fn repeated(known: &ManualReading, asked: &ReadingAsked) -> Outcome {
    let is_same = known.station == asked.station
        && known.at == asked.at
        && asked.stage_m.is_finite()
        && known.stage_m == rounded(asked.stage_m.clamp(-1e6, 1e6));
    if !is_same {
        return refused("id_taken", "这个 id 已用于另一次读数", "This id belongs to another reading");
    }
    let mut item = known.item();
    item["repeated"] = true.into();
    Outcome::Taken { row: Box::new(item) }
}

/// Whoever sends something made an id for it, so that sending it twice is one thing.
pub(crate) fn is_made_by_a_phone(id: &str) -> Result<(), Outcome> {
    let is_of_it = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (8..=64).contains(&id.len()) && id.chars().all(is_of_it) {
        return Ok(());
    }
    let en = "`id` has 8 to 64 characters of A-Z, a-z, 0-9 and -";
    Err(refused("id", "id 为 8 到 64 个字母、数字或 -", en))
}

/// What has not happened yet, and what is too long ago to be news.
pub(crate) fn is_about_now(at: Timestamp, wall: Timestamp) -> Result<(), Outcome> {
    let late_ms = at.unix_ms() - wall.unix_ms();
    if late_ms > FUTURE_MS {
        let en = "This time is more than 5 minutes ahead: check the phone's clock";
        return Err(refused("future", "时间比现在晚 5 分钟以上,请核对手机时间", en));
    }
    if late_ms < -OLDEST_MS {
        let en = "This is over 30 days old: it is not taken any more";
        return Err(refused("too_old", "已超过 30 天,不再接收", en));
    }
    Ok(())
}

/// What no staff of this station can have shown.
fn objection(station: &Station, asked: &ReadingAsked, wall: Timestamp) -> Result<(), Outcome> {
    is_about_now(asked.at, wall)?;
    let lines = station.info.lines.values().copied();
    let (lowest, highest) =
        lines.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), line| (low.min(line), high.max(line)));
    // What its sensor can measure is no bound for a flood over the highest line.
    let told = station.info.range_m.map(|(low, high)| (low.min(lowest), high.max(highest + 1.0)));
    let (lowest, highest) = told.unwrap_or((lowest - BELOW_M, highest + ABOVE_M));
    let is_possible = super::is_stage(asked.stage_m) && lowest <= asked.stage_m && asked.stage_m <= highest;
    if !is_possible {
        let en = "No staff of this station can show that: check the number and its decimal point";
        return Err(refused("impossible", "本站水尺不可能是这个读数,请核对数字和小数点", en));
    }
    Ok(())
}

/// Both may be mistaken: the person is asked once more before the sensor is doubted.
fn ask_again(reading: &ManualReading, station: &Station) -> Option<(&'static str, Text)> {
    let apart_cm = |one: f64, other: f64| rounded((one - other).abs()) * 100.0;
    match station.judged.staff.agreement() {
        Agreement::AskAgain { read_m, sensor_m } if read_m == reading.stage_m => {
            let cm = apart_cm(read_m, sensor_m);
            let zh = alloc::format!("与传感器相差 {cm:.0} 厘米,请再读一次水尺");
            let en = alloc::format!("{cm:.0} cm from what the sensor says: read the staff once more");
            Some(("read_again", Text::new(zh, en)))
        }
        Agreement::SensorDoubted { read_m, sensor_m } if read_m == reading.stage_m => {
            let cm = apart_cm(read_m, sensor_m);
            let zh = alloc::format!("传感器存疑:与水尺相差 {cm:.0} 厘米,以水尺为准");
            let en = alloc::format!("The sensor is doubted: {cm:.0} cm from the staff, which counts");
            Some(("sensor_doubted", Text::new(zh, en)))
        }
        _ => None,
    }
}
