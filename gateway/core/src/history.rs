//! Samples on their way to the duty room: kept on disk until the broker has them, through days of outage.
//!
//! A document holds at most an hour of five-minute samples of one point. It is kept like any other state and
//! told after it is on disk, one at a time, when nothing that matters more is under way. Told twice it says
//! the same: a sample is known by its point and its time.
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use shouwang_message::{HistoryDocument, Id, Quality, Timestamp, from_bytes, to_bytes};

/// An hour of five-minute samples.
const MOST_READINGS: usize = 12;
/// About 3 MB: 72 hours of fifty stations in calm, or of five that rise fast all the time. The oldest goes.
const MOST_DOCUMENTS: usize = 4096;
const PREFIX: &str = "history/";

pub(crate) type Number = u64;

/// What waits to be told.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct History {
    documents: BTreeMap<Number, Kept>,
    next: Number,
    /// Per point, the document that still grows.
    #[serde(with = "crate::snapshot::pairs")]
    open: BTreeMap<(Id, String), (Number, HistoryDocument)>,
    /// Samples lost for want of room.
    dropped: u64,
    /// Samples lost for want of a time: the clock was not set.
    untimed: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(with = "crate::snapshot::body")]
    body: Vec<u8>,
    readings: usize,
    /// This body is on disk.
    saved: bool,
}

/// One sample of one point.
#[derive(Clone, Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) device: &'a Id,
    pub(crate) point: &'a str,
    pub(crate) unit: Option<&'a str>,
    pub(crate) at: Timestamp,
    pub(crate) value: Option<f64>,
    pub(crate) quality: Quality,
}

/// A key of the store, and what it is to hold.
pub(crate) type Change = (String, Option<Vec<u8>>);

impl History {
    /// What the store kept under this key; false if it is none of ours.
    pub(crate) fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        let Some(number) = key.strip_prefix(PREFIX).and_then(|number| number.parse::<Number>().ok()) else {
            return false;
        };
        let readings = from_bytes::<HistoryDocument>(value).map_or(0, |document| document.readings.len());
        self.documents.insert(number, Kept { body: value.to_vec(), readings, saved: true });
        self.next = self.next.max(number + 1);
        true
    }

    /// Takes a sample in; what the store is to keep and to forget for it.
    pub(crate) fn add(&mut self, sample: &Sample<'_>) -> Vec<Change> {
        let series = (sample.device.clone(), sample.point.into());
        let next = self.next;
        let (number, document) = self.open.entry(series.clone()).or_insert_with(|| {
            let (device, point) = series.clone();
            let unit = sample.unit.map(Into::into);
            (next, HistoryDocument { device, point, unit, readings: Vec::new() })
        });
        let number = *number;
        self.next = self.next.max(number + 1);
        document.readings.push((sample.at, sample.value, sample.quality));
        let (readings, body) = (document.readings.len(), to_bytes(document));
        if readings >= MOST_READINGS {
            self.open.remove(&series);
        }
        self.documents.insert(number, Kept { body: body.clone(), readings, saved: false });
        let mut changes = alloc::vec![(key(number), Some(body))];
        while self.documents.len() > MOST_DOCUMENTS
            && let Some((oldest, kept)) = self.documents.pop_first()
        {
            self.dropped = self.dropped.saturating_add(kept.readings as u64);
            changes.push((key(oldest), None));
        }
        changes
    }

    /// The disk is full: this sample finds no room, telemetry goes before alarms.
    pub(crate) fn drop_sample(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    /// The clock is not set: without a time this sample would be filed under a wrong year.
    pub(crate) fn drop_untimed(&mut self) {
        self.untimed = self.untimed.saturating_add(1);
    }

    /// This was committed.
    pub(crate) fn committed(&mut self, key: &str, value: Option<&[u8]>) {
        let number = key.strip_prefix(PREFIX).and_then(|number| number.parse::<Number>().ok());
        if let Some(kept) = number.and_then(|number| self.documents.get_mut(&number)) {
            kept.saved = value == Some(kept.body.as_slice());
        }
    }

    /// The oldest document that is on disk; from now on nothing is added to it.
    pub(crate) fn take_next(&mut self) -> Option<(Number, Vec<u8>)> {
        let (number, kept) = self.documents.iter().find(|(_, kept)| kept.saved)?;
        let (number, body) = (*number, kept.body.clone());
        self.open.retain(|_, (open, _)| *open != number);
        Some((number, body))
    }

    /// The broker has it: what the store is to forget.
    pub(crate) fn told(&mut self, number: Number) -> Option<Change> {
        self.documents.remove(&number).map(|_| (key(number), None))
    }

    pub(crate) fn waits(&self) -> bool {
        self.documents.values().any(|kept| kept.saved)
    }

    /// Samples lost since last asked.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        core::mem::take(&mut self.dropped)
    }

    /// Samples that had no time, since last asked.
    pub(crate) fn take_untimed(&mut self) -> u64 {
        core::mem::take(&mut self.untimed)
    }
}

/// Sorted as they were made, also as text.
fn key(number: Number) -> String {
    format!("{PREFIX}{number:016}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(device: &Id, minute: i64) -> Sample<'_> {
        let at = Timestamp::from_unix_ms(minute * 60_000);
        Sample { device, point: "level_m", unit: Some("m"), at, value: Some(3.0), quality: Quality::Good }
    }

    fn settle(history: &mut History, changes: &[Change]) {
        changes.iter().for_each(|(key, value)| history.committed(key, value.as_deref()));
    }

    #[test]
    fn an_hour_is_one_document_and_nothing_is_told_before_it_is_on_disk() {
        let device = "level-1".parse().unwrap();
        let mut history = History::default();
        let mut changes = Vec::new();
        for minute in (0..60).step_by(5) {
            changes = history.add(&sample(&device, minute));
            assert_eq!(changes[0].0, "history/0000000000000000");
        }
        assert_eq!(history.take_next(), None);
        settle(&mut history, &changes);
        let (number, body) = history.take_next().unwrap();
        assert_eq!(from_bytes::<HistoryDocument>(&body).unwrap().readings.len(), 12);
        assert_eq!(history.told(number), Some((changes[0].0.clone(), None)));
        assert_eq!(history.told(number), None, "once");
        assert_eq!(history.add(&sample(&device, 60))[0].0, "history/0000000000000001");
    }

    #[test]
    fn a_sample_added_after_the_commit_waits_for_the_next() {
        let device = "level-1".parse().unwrap();
        let mut history = History::default();
        let first = history.add(&sample(&device, 0));
        history.add(&sample(&device, 5));
        settle(&mut history, &first);
        assert!(!history.waits(), "the disk has an older body");
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_more_room_and_is_counted() {
        let device = "level-1".parse().unwrap();
        let mut history = History::default();
        let mut forgotten = 0;
        for hour in 0..5_000 {
            for minute in (0..60).step_by(5) {
                let changes = history.add(&sample(&device, hour * 60 + minute));
                forgotten += changes.iter().filter(|(_, value)| value.is_none()).count();
            }
        }
        assert_eq!((history.documents.len(), forgotten), (MOST_DOCUMENTS, 5_000 - MOST_DOCUMENTS));
        assert_eq!(history.take_dropped(), (5_000 - MOST_DOCUMENTS as u64) * 12);
    }
}
