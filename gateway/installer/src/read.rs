//! One device read once: by its profile, point by point, or raw.
use std::collections::BTreeMap;
use std::time::Duration;

use shouwang_core::decoder::Decoder;
use shouwang_core::profile::Table;
use shouwang_core::reading::Reading;
use shouwang_message::Text;

use crate::fits::{imagined, of};
use crate::{Bus, Candidate, Heard, Lost, Question, Setting};

/// A point's reading, named for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub point: String,
    pub title: Text,
    pub reading: Reading,
    pub unit: Option<String>,
}

/// All points of this profile, read from this unit id; what it refused is in the readings.
///
/// # Errors
/// The line is gone, or the installer asked to end.
pub fn read(
    bus: &mut impl Bus,
    unit_id: u8,
    setting: Setting,
    wait: Duration,
    candidate: &Candidate,
) -> Result<Vec<Named>, Lost> {
    let Some((device, plan)) = imagined(candidate, unit_id, setting) else { return Ok(Vec::new()) };
    let profile = &candidate.profile;
    let mut decoder = Decoder::new(&device, &BTreeMap::new());
    let wait = wait.max(profile.timing.reply_longest.unwrap_or_default());
    let mut heard = Vec::new();
    for block in plan.identity.iter().chain(&plan.blocks) {
        let answer = read_raw(bus, unit_id, block.table, block.address, block.count, wait)?;
        decoder.answered(&device, block, of(&answer));
        heard.push((block, answer));
    }
    // Once more, so that a scale that came after its value counts too.
    for (block, answer) in &heard {
        decoder.answered(&device, block, of(answer));
    }
    let named = profile.points.iter().enumerate().map(|(index, point)| Named {
        point: point.name.clone(),
        title: point.title.clone(),
        reading: decoder.reading(profile, index),
        unit: point.unit.clone(),
    });
    Ok(named.collect())
}

/// One read of registers or bits, without a profile.
///
/// # Errors
/// The line is gone, or the installer asked to end.
pub fn read_raw(
    bus: &mut impl Bus,
    unit_id: u8,
    table: Table,
    address: u16,
    count: u16,
    wait: Duration,
) -> Result<Heard, Lost> {
    bus.ask(&Question { unit_id, table, address, count, wait, known: true })
}
