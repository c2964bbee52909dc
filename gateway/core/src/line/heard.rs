//! What an outcome means: for the block, for the device, for the line's budget.
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::Instant;

use super::choice::{Chosen, Kind, What};
use super::device::{Device, Turn};
use super::{Line, Outstanding, Purpose, Report};
use crate::configuration::LineKind;
use crate::input::{AskFailure, Outcome};
use crate::output::Request;
use crate::profile::PollClass;
use crate::reading::{NoData, Raw};

/// Probes of lost devices are spread over this much, so that they do not all fall due together.
const PROBE_JITTER: Duration = Duration::from_secs(1);

/// Modbus exceptions of a converter that found nobody: path unavailable, target did not respond.
const NOBODY_THERE: [u8; 2] = [10, 11];

/// An outcome, by what it says about the device.
enum Heard {
    Data(Raw),
    Confirmed,
    /// It answered, with a refusal or with something else than asked for.
    Refused(NoData),
    Nobody(NoData),
    LineDown,
}

/// A line that never falls silent is given up after this long (`modbus-wire`'s conversation).
const LONGEST_NOISE: Duration = Duration::from_secs(1);

impl Line {
    pub(super) fn end(
        &mut self,
        now: Instant,
        ended: Outstanding,
        outcome: &Outcome,
        reports: &mut Vec<Report>,
    ) {
        // What the wire can have taken: if nobody listened for longer, that was not this device's doing, and its
        // next probe must not be put off in proportion.
        let spent = now.since(ended.issued.max(self.free_at)).min(ended.timeout + LONGEST_NOISE);
        self.free_at = now;
        let heard = self.hear(&ended.request, outcome);
        self.account(&ended, &heard, spent);
        let Outstanding { chosen, request, .. } = ended;
        match &heard {
            Heard::Data(_) | Heard::Confirmed | Heard::Refused(_) => {
                if let Some(device) = self.devices.get_mut(chosen.device) {
                    device.answered(now, outcome.delay(), reports);
                }
            }
            Heard::Nobody(why) => {
                if let Some(device) = self.devices.get_mut(chosen.device) {
                    device.may_answer_late(now, &request);
                    if matches!(chosen.kind, Kind::Alarm | Kind::Other)
                        && chosen.what.turn().is_some_and(|turn| device.deserves_retry(turn, *why))
                        && (*why != NoData::Timeout || !self.budget.is_distressed(now))
                    {
                        self.urgent.push_back(Chosen { kind: Kind::Retry, ..chosen });
                        return;
                    }
                }
            }
            Heard::LineDown => self.blame(chosen.device),
        }
        let retried = chosen.kind == Kind::Retry;
        match chosen.what {
            What::Block(block) => {
                self.end_read(now, chosen.device, Turn::Block(block), retried, &request, heard, reports);
            }
            What::Identity(read) => {
                self.end_read(now, chosen.device, Turn::Identity(read), retried, &request, heard, reports);
            }
            What::Write { purpose, .. } => self.end_write(now, chosen.device, purpose, &heard, reports),
            What::Once { token, .. } => reports.push(Report::Once { token, outcome: outcome.clone() }),
        }
        if chosen.kind == Kind::Probe {
            self.account_probe(now, chosen.device, spent);
        }
    }

    fn hear(&self, request: &Request, outcome: &Outcome) -> Heard {
        let wanted = match request {
            Request::Read { count, .. } => Some(usize::from(*count)),
            _ => None,
        };
        let over_tcp = matches!(self.kind, LineKind::Tcp { .. });
        match outcome {
            Outcome::Registers { words, .. } if wanted == Some(words.len()) => {
                Heard::Data(Raw::Words(words.clone()))
            }
            Outcome::Bits { bits, .. } if wanted == Some(bits.len()) => Heard::Data(Raw::Bits(bits.clone())),
            Outcome::Written { .. } if wanted.is_none() => Heard::Confirmed,
            Outcome::Registers { .. } | Outcome::Bits { .. } | Outcome::Written { .. } => {
                Heard::Nobody(NoData::WrongAnswer)
            }
            Outcome::Exception { code, .. } if over_tcp && NOBODY_THERE.contains(code) => {
                Heard::Nobody(NoData::Exception(*code))
            }
            Outcome::Exception { code, .. } => Heard::Refused(NoData::Exception(*code)),
            Outcome::Failed(AskFailure::LineDown) => Heard::LineDown,
            Outcome::Failed(AskFailure::Timeout) => Heard::Nobody(NoData::Timeout),
            Outcome::Failed(AskFailure::Crc) => Heard::Nobody(NoData::Crc),
            Outcome::Failed(AskFailure::WrongUnitId) => Heard::Nobody(NoData::WrongUnitId),
            Outcome::Failed(AskFailure::WrongAnswer) => Heard::Nobody(NoData::WrongAnswer),
        }
    }

    fn account(&mut self, ended: &Outstanding, heard: &Heard, spent: Duration) {
        let good = matches!(heard, Heard::Data(_) | Heard::Confirmed | Heard::Refused(_));
        if ended.chosen.kind != Kind::Probe || good {
            self.ended = self.ended.saturating_add(1);
            self.good = self.good.saturating_add(u32::from(good));
        }
        if !good && ended.chosen.kind != Kind::Probe {
            self.budget.in_vain(self.free_at, spent);
        }
        match ended.chosen.kind {
            Kind::Alarm => self.budget.alarm_took(spent),
            Kind::Other if ended.delays_alarm => self.budget.other_took(spent),
            Kind::Other | Kind::Probe | Kind::Retry | Kind::Reread => {}
        }
    }

    /// A probe that found nobody pays for the next one's time; one that found somebody is free.
    fn account_probe(&mut self, now: Instant, device: usize, spent: Duration) {
        if self.devices.get(device).is_some_and(|device| device.misses > 0) {
            let silent = self.devices.iter().filter(|device| device.is_silent()).count();
            self.budget.probe_failed(now, spent, silent, self.devices.len());
        }
    }

    fn end_read(
        &mut self,
        now: Instant,
        place: usize,
        turn: Turn,
        retried: bool,
        request: &Request,
        heard: Heard,
        reports: &mut Vec<Report>,
    ) {
        let jitter = PROBE_JITTER.mul_f64(self.chance.unit());
        let Some(device) = self.devices.get_mut(place) else { return };
        match heard {
            Heard::Data(raw) => {
                device.block_answered(turn);
                identify(device, now, request, &raw, reports);
                if device.is_proven() {
                    report_read(device, now, turn, Ok(raw), reports);
                }
            }
            Heard::Refused(why) if device.is_identity(turn) => {
                // Busy is no statement about who it is.
                if !matches!(why, NoData::Exception(5 | 6)) {
                    mistake(device, now, reports);
                }
            }
            Heard::Refused(why) => {
                device.block_answered(turn);
                report_read(device, now, turn, Err(why), reports);
            }
            Heard::Nobody(why) => {
                device.block_missed(now, turn);
                let lost = device.missed(now, turn, retried, jitter);
                if lost {
                    self.budget.put_off_patience(now);
                    device.report_all(now, why, reports);
                    reports.push(Report::Lost { device: device.index, why });
                } else {
                    report_read(device, now, turn, Err(why), reports);
                }
                if device.is_silent() {
                    self.drop_writes(place, why, reports);
                }
            }
            Heard::LineDown => report_read(device, now, turn, Err(NoData::LineDown), reports),
            Heard::Confirmed => {}
        }
        if matches!(turn, Turn::Block(_)) {
            self.count_round(now);
        }
    }

    /// Writes are not repeated: whoever wanted it decides on what the device says next.
    fn end_write(
        &mut self,
        now: Instant,
        place: usize,
        purpose: Purpose,
        heard: &Heard,
        reports: &mut Vec<Report>,
    ) {
        if let Some(device) = self.devices.get_mut(place) {
            device.settles_at = now + device.timing.settle_after_write;
        }
        let outcome = match heard {
            Heard::Data(_) | Heard::Confirmed => Ok(()),
            Heard::Refused(why) | Heard::Nobody(why) => Err(*why),
            Heard::LineDown => Err(NoData::LineDown),
        };
        self.report_written(place, purpose, outcome, reports);
    }

    fn drop_writes(&mut self, place: usize, why: NoData, reports: &mut Vec<Report>) {
        while let Some(at) = self.writes.iter().position(|write| write.device == place) {
            if let Some(write) = self.writes.remove(at) {
                self.report_written(place, write.purpose, Err(why), reports);
            }
        }
    }

    pub(super) fn report_written(
        &self,
        place: usize,
        purpose: Purpose,
        outcome: Result<(), NoData>,
        reports: &mut Vec<Report>,
    ) {
        if let Some(device) = self.devices.get(place) {
            reports.push(Report::Written { device: device.index, purpose, outcome });
        }
    }

    /// A round is over when every alarm block of the living was read since it began.
    fn count_round(&mut self, now: Instant) {
        let mut living = 0;
        for device in self.devices.iter().filter(|device| !device.is_backed_off()) {
            for block in device.blocks.iter().filter(|block| block.class == PollClass::Alarm) {
                if !block.in_round && !block.is_backed_off() {
                    return;
                }
                living += 1;
            }
        }
        if living == 0 {
            return;
        }
        self.round = Some(now.since(self.round_began));
        self.round_began = now;
        self.budget.round_ended();
        for device in &mut self.devices {
            for block in &mut device.blocks {
                block.in_round = false;
            }
        }
    }
}

fn identify(device: &mut Device, now: Instant, request: &Request, raw: &Raw, reports: &mut Vec<Report>) {
    match device.recognise(request, raw) {
        Some(false) => mistake(device, now, reports),
        Some(true) if device.recognised(now) => {
            reports.push(Report::RightIdentity { device: device.index });
        }
        Some(true) | None => {}
    }
}

fn mistake(device: &mut Device, now: Instant, reports: &mut Vec<Report>) {
    let news = device.mistaken(now);
    device.report_all(now, NoData::WrongIdentity, reports);
    if news {
        reports.push(Report::WrongIdentity { device: device.index });
    }
}

fn report_read(
    device: &Device,
    at: Instant,
    turn: Turn,
    outcome: Result<Raw, NoData>,
    reports: &mut Vec<Report>,
) {
    match (turn, outcome) {
        (Turn::Block(block), outcome) => {
            reports.push(Report::Read { device: device.index, block, outcome, at });
        }
        // An identity read has no points of its own: without an answer, nothing was read at all.
        (Turn::Identity(_), Err(why)) => device.report_all(at, why, reports),
        (Turn::Identity(_), Ok(_)) => {}
    }
}
