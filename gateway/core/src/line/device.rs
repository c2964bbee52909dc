//! What a line knows about one device: whether it answers, how fast, and when each block is due.
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shouwang_message::Instant;

use super::{Presence, Report};
use crate::configuration::{DeviceIndex, DeviceSettings, LineSettings, PollTimes};
use crate::output::Request;
use crate::plan::{Block, Plan, late_window};
use crate::planted::{self, Bug};
use crate::profile::{DeviceTiming, IdentityCheck, PollClass, Table};
use crate::reading::{NoData, Raw};

/// From this many misses in a row on, a device or a block is only probed.
const BACK_OFF_MISSES: u32 = 2;
/// A device is lost after this many misses in a row...
const LOST_MISSES: u32 = 3;
/// ...and this long without a good answer (rules.md section 3).
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Until a device that is missing is probed again, and then until it can be told lost.
const PROBE_MISSING: Duration = Duration::from_secs(3);
const PROBE_MISSING_AGAIN: Duration = Duration::from_secs(7);
/// Between probes of a lost device or a block nobody answers (contract.md, dead devices).
pub(super) const PROBE_LOST: Duration = Duration::from_secs(10);
/// How far a probe of a device without life-safety duty may be put off.
const PROBE_SLACK: Duration = Duration::from_secs(15);
/// A probe waits at least this long for a first byte (contract.md, dead devices).
const PROBE_WAIT: Duration = Duration::from_millis(50);
/// These probes of a device that never answered wait as long as a normal ask: how slow it is, nobody knows yet.
const PATIENT_PROBES: [u32; 2] = [3, 6];
/// A device is asked something at least this often, whatever its poll classes, so that its silence is told
/// within 30 s: three misses take 6 s more.
const ASKED_AT_LEAST: Duration = Duration::from_secs(20);
const LIFE_SAFETY_ASKED_AT_LEAST: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Device {
    pub(super) index: DeviceIndex,
    pub(super) unit_id: u8,
    pub(super) timing: DeviceTiming,
    pub(super) plan: Plan,
    pub(super) blocks: Vec<BlockState>,
    pub(super) presence: Presence,
    /// Misses in a row, over all blocks.
    pub(super) misses: u32,
    /// How often in a row the line went down under an ask to it.
    pub(super) ruins: u32,
    pub(super) probe_at: Instant,
    /// Nothing is asked before: it settles after a write.
    pub(super) settles_at: Instant,
    pub(super) last_asked: Instant,
    life_safety: bool,
    identity: Vec<Identity>,
    wrong: bool,
    /// It has answered since it or the line last came back.
    heard: bool,
    /// The last good answer, or when we began to ask.
    good_at: Instant,
    /// The slowest answer so far.
    slowest: Option<Duration>,
    typical: Duration,
    patience: Duration,
    late_window: Option<Duration>,
    late: Option<Late>,
    probes: u32,
    /// When a probe last waited as long as a normal ask.
    patient_at: Option<Instant>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BlockState {
    pub(super) class: PollClass,
    pub(super) interval: Duration,
    /// By its poll class.
    usual: Duration,
    pub(super) due: Instant,
    pub(super) asked: Option<Instant>,
    pub(super) misses: u32,
    /// Read since the present alarm round began.
    pub(super) in_round: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    check: IdentityCheck,
    /// What reads this register.
    read_by: Turn,
    proven: bool,
}

/// An answer that may still come, and which request it could be mistaken for.
#[derive(Debug, Serialize, Deserialize)]
struct Late {
    shape: (Table, u16),
    address: u16,
    until: Instant,
}

/// What a device is asked when it is its turn: one of its plan's blocks, or of its plan's identity reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    Block(usize),
    Identity(usize),
}

impl Device {
    pub(super) fn new(index: DeviceIndex, settings: &DeviceSettings, line: &LineSettings) -> Self {
        let profile = &settings.profile;
        let plan = Plan::new(settings, line);
        let blocks: Vec<_> = plan.blocks.iter().map(|block| BlockState::new(block, line.poll)).collect();
        let identity = profile.identity.iter().filter_map(|check| Identity::new(check, &plan)).collect();
        Self {
            index,
            unit_id: settings.unit_id,
            timing: profile.timing,
            plan,
            blocks,
            presence: Presence::NotYet,
            misses: 0,
            ruins: 0,
            probe_at: Instant::default(),
            settles_at: Instant::default(),
            last_asked: Instant::default(),
            life_safety: profile.class.is_life_safety(),
            identity,
            wrong: false,
            heard: false,
            good_at: Instant::default(),
            slowest: None,
            typical: profile.timing.typical(line.kind),
            patience: line.timeout.max(profile.timing.reply_longest.unwrap_or_default()),
            late_window: late_window(line.kind),
            late: None,
            probes: 0,
            patient_at: None,
        }
    }

    pub(super) fn line_up(&mut self, now: Instant) {
        self.start_over();
        self.good_at = now;
        self.last_asked = now;
        self.probe_at = now;
        self.settles_at = now + self.penance();
        self.all_due(now);
    }

    /// How long after the line's return it is not asked: the first time may be chance, then 1, 2, 4... seconds,
    /// as long as life-safety allows.
    fn penance(&self) -> Duration {
        match self.ruins {
            0 | 1 => Duration::ZERO,
            times => Duration::from_secs(1 << (times - 2).min(8)).min(LIFE_SAFETY_ASKED_AT_LEAST),
        }
    }

    pub(super) fn was_unwatched(&mut self, now: Instant, away: Duration) {
        self.good_at = (self.good_at + away).min(now);
    }

    pub(super) fn line_down(&mut self) {
        self.start_over();
        if self.presence == Presence::Online {
            self.presence = Presence::Missing;
        }
    }

    fn start_over(&mut self) {
        (self.misses, self.probes, self.late) = (0, 0, None);
        (self.heard, self.wrong) = (false, false);
        self.unprove();
        for block in &mut self.blocks {
            (block.misses, block.in_round) = (0, false);
        }
    }

    fn unprove(&mut self) {
        for identity in &mut self.identity {
            identity.proven = false;
        }
    }

    fn all_due(&mut self, now: Instant) {
        for block in &mut self.blocks {
            block.due = now;
        }
    }

    /// Silent for two asks or more, or another model: only probed.
    pub(super) fn is_backed_off(&self) -> bool {
        self.is_silent() || self.wrong
    }

    pub(super) fn is_silent(&self) -> bool {
        if planted::has(Bug::AsksTheDead) {
            return false;
        }
        self.misses >= BACK_OFF_MISSES || self.presence == Presence::Lost
    }

    pub(super) fn may_be_written(&self) -> bool {
        // What can only be written to cannot show that it is there.
        let answers = self.heard || (self.blocks.is_empty() && self.identity.is_empty());
        self.presence != Presence::Lost && answers && !self.wrong && self.is_proven()
    }

    pub(super) fn is_proven(&self) -> bool {
        self.identity.iter().all(|identity| identity.proven)
    }

    pub(super) fn block_of(&self, point: usize) -> Option<usize> {
        self.plan.blocks.iter().position(|block| block.points.contains(&point))
    }

    /// What to ask when this block's turn has come: the identity first, as long as it is not proven.
    pub(super) fn turn(&self, block: usize) -> Turn {
        let unproven = self.identity.iter().find(|identity| !identity.proven);
        let identity = unproven.or(self.identity.first().filter(|_| self.blocks.is_empty()));
        identity.map_or(Turn::Block(block), |identity| identity.read_by)
    }

    /// The block that waited longest; of a device with an identity only, block 0 stands for it.
    pub(super) fn oldest_block(&self) -> Option<usize> {
        let oldest =
            self.blocks.iter().enumerate().min_by_key(|(_, block)| block.asked).map(|(place, _)| place);
        oldest.or((!self.identity.is_empty()).then_some(0))
    }

    pub(super) fn request(&self, turn: Turn) -> Option<Request> {
        let block = match turn {
            Turn::Block(block) => self.plan.blocks.get(block)?,
            Turn::Identity(block) => self.plan.identity.get(block)?,
        };
        Some(Request::Read { table: block.table, address: block.address, count: block.count })
    }

    /// When something is next asked only because nothing else was for a while.
    pub(super) fn keep_alive_at(&self) -> Instant {
        if self.blocks.is_empty() && !self.heard {
            return self.good_at;
        }
        let most = match (self.misses, self.life_safety) {
            (0, true) => LIFE_SAFETY_ASKED_AT_LEAST,
            (0, false) => ASKED_AT_LEAST,
            _ => PROBE_MISSING,
        };
        self.last_asked + most
    }

    /// When a probe due at `due` is overdue: at once for life-safety devices.
    pub(super) fn probe_deadline(&self, due: Instant) -> Instant {
        if self.life_safety { due } else { due + PROBE_SLACK }
    }

    /// A late answer may still come.
    pub(super) fn may_blur(&self) -> bool {
        self.late.is_some()
    }

    /// Until when this request must not be asked because an answer to another one could be taken for its own.
    pub(super) fn blurred_until(&self, request: &Request) -> Instant {
        let Request::Read { table, address, count } = *request else { return Instant::default() };
        match &self.late {
            Some(late) if late.shape == (table, count) && late.address != address => late.until,
            _ => Instant::default(),
        }
    }

    /// How long to wait for the first byte of a normal ask.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    pub(super) fn late_window(&self) -> Option<Duration> {
        self.late_window
    }

    /// How long to wait when there is reason to expect nothing. A device that never answered is taken to be
    /// as fast as its model.
    pub(super) fn short_wait(&self) -> Duration {
        let longest = self.timing.reply_longest.unwrap_or_default();
        PROBE_WAIT.max(self.slowest.unwrap_or(self.typical) * 3).max(longest)
    }

    /// When a probe was last patient, while it is lost: who waited longest for that is next.
    pub(super) fn patient_since(&self) -> Option<Option<Instant>> {
        (self.presence == Presence::Lost).then_some(self.patient_at)
    }

    /// How long the probe sent now waits; as long as a normal ask if it is this device's turn for that.
    pub(super) fn next_probe_wait(&mut self, now: Instant, its_turn: bool) -> Duration {
        if self.presence != Presence::Lost {
            return self.short_wait();
        }
        self.probes = self.probes.saturating_add(1);
        let unknown = self.slowest.is_none() && PATIENT_PROBES.contains(&self.probes);
        if !its_turn && !unknown {
            return self.short_wait();
        }
        self.patient_at = Some(now);
        self.short_wait().max(self.patience)
    }

    /// Whether a failed ask is worth a second one at once: device and block were fine until now.
    pub(super) fn deserves_retry(&self, turn: Turn, why: NoData) -> bool {
        let fine = match turn {
            Turn::Block(block) => self.blocks.get(block).is_some_and(|block| block.misses == 0),
            Turn::Identity(_) => true,
        };
        self.misses == 0 && fine && (self.slowest.is_some() || why != NoData::Timeout)
    }

    pub(super) fn block_answered(&mut self, turn: Turn) {
        if let Turn::Block(block) = turn
            && let Some(block) = self.blocks.get_mut(block)
        {
            block.answered();
        }
    }

    pub(super) fn block_missed(&mut self, now: Instant, turn: Turn) {
        if let Turn::Block(block) = turn
            && let Some(block) = self.blocks.get_mut(block)
        {
            block.missed(now);
        }
    }

    /// It is asked this now; out of turn if once more for the same turn.
    pub(super) fn asked(&mut self, now: Instant, turn: Turn, out_of_turn: bool) {
        self.last_asked = now;
        let Turn::Block(block) = turn else { return };
        if let Some(block) = self.blocks.get_mut(block) {
            block.asked = Some(now);
            if !out_of_turn {
                // In phase with its own interval, unless it comes too late or too early for that.
                let next = if block.due <= now { block.due } else { now } + block.interval;
                block.due = next.max(now);
            }
        }
    }

    /// It answered, whatever: it is there.
    pub(super) fn answered(&mut self, now: Instant, delay: Option<Duration>, reports: &mut Vec<Report>) {
        let device = self.index;
        let was_backed_off = self.is_silent();
        match self.presence {
            Presence::NotYet => reports.push(Report::Online { device }),
            Presence::Lost => reports.push(Report::Back { device }),
            Presence::Online | Presence::Missing => {}
        }
        self.presence = Presence::Online;
        (self.misses, self.ruins, self.probes, self.heard) = (0, 0, 0, true);
        self.late = self.late.take().filter(|late| late.until > now);
        self.good_at = now;
        self.slowest = self.slowest.max(delay);
        if was_backed_off {
            self.all_due(now);
        }
    }

    /// Nobody answered, or not validly; `retried` if for the second time at once. True if that made it lost.
    pub(super) fn missed(&mut self, now: Instant, turn: Turn, retried: bool, jitter: Duration) -> bool {
        // One block that is not answered must not keep the alarm blocks from being asked.
        let weighs = match turn {
            Turn::Identity(_) => true,
            Turn::Block(block) => {
                self.blocks.get(block).is_some_and(|block| block.class == self.first_class())
            }
        };
        self.misses = self.misses.saturating_add(if retried && weighs { 2 } else { 1 });
        if self.misses >= BACK_OFF_MISSES {
            (self.heard, self.wrong) = (false, false);
            self.unprove();
        }
        if self.presence == Presence::Online {
            self.presence = Presence::Missing;
        }
        let lost = self.presence != Presence::Lost
            && self.misses >= LOST_MISSES
            && now.since(self.good_at) >= LOST_AFTER;
        if lost {
            self.presence = Presence::Lost;
        }
        let pause = match (self.presence, self.misses) {
            (Presence::Lost, _) => PROBE_LOST - jitter,
            (_, ..=BACK_OFF_MISSES) => PROBE_MISSING,
            _ => PROBE_MISSING_AGAIN,
        };
        self.probe_at = now + pause;
        lost
    }

    /// The class of its most urgent blocks.
    fn first_class(&self) -> PollClass {
        self.blocks.iter().map(|block| block.class).min().unwrap_or(PollClass::Slow)
    }

    /// The answer to this request may still come.
    pub(super) fn may_answer_late(&mut self, now: Instant, request: &Request) {
        if let (Some(window), Request::Read { table, address, count }) = (self.late_window, request) {
            self.late = Some(Late { shape: (*table, *count), address: *address, until: now + window });
        }
    }

    /// Holds an answer against the identity. None if it says nothing about it.
    pub(super) fn recognise(&mut self, request: &Request, raw: &Raw) -> Option<bool> {
        let Request::Read { table, address, .. } = *request else { return None };
        let mut verdict = None;
        for identity in &mut self.identity {
            let check = &identity.check;
            let offset = check.address.checked_sub(address).filter(|_| check.table == table);
            if let Some(found) = offset.and_then(|offset| value(raw, usize::from(offset))) {
                identity.proven = check.expected.contains(&found);
                verdict = Some(verdict.unwrap_or(true) && identity.proven);
            }
        }
        verdict
    }

    /// A device that will not say who it is is not the one we want.
    pub(super) fn is_identity(&self, turn: Turn) -> bool {
        self.identity.iter().any(|identity| identity.read_by == turn && !identity.proven)
    }

    /// Another model answers. True if that is news.
    pub(super) fn mistaken(&mut self, now: Instant) -> bool {
        self.unprove();
        self.probe_at = now + PROBE_LOST;
        !core::mem::replace(&mut self.wrong, true)
    }

    /// The right model answers. True if a wrong one did before.
    pub(super) fn recognised(&mut self, now: Instant) -> bool {
        let news = self.is_proven() && core::mem::replace(&mut self.wrong, false);
        if news {
            self.all_due(now);
        }
        news
    }

    pub(super) fn read_at_least(&mut self, now: Instant, point: usize, every: Duration) {
        for (state, block) in self.blocks.iter_mut().zip(&self.plan.blocks) {
            if block.points.contains(&point) {
                state.interval = state.usual.min(every);
                state.due = state.due.min(now + state.interval);
            }
        }
    }

    pub(super) fn report_all(&self, now: Instant, why: NoData, reports: &mut Vec<Report>) {
        let read = |block| Report::Read { device: self.index, block, outcome: Err(why), at: now };
        reports.extend((0..self.blocks.len()).map(read));
    }
}

impl BlockState {
    fn new(block: &Block, poll: PollTimes) -> Self {
        let interval = match block.class {
            PollClass::Alarm => poll.alarm,
            PollClass::State => poll.state,
            PollClass::Slow => poll.slow,
        };
        Self {
            class: block.class,
            interval,
            usual: interval,
            due: Instant::default(),
            asked: None,
            misses: 0,
            in_round: false,
        }
    }

    pub(super) fn is_backed_off(&self) -> bool {
        self.misses >= BACK_OFF_MISSES
    }

    fn answered(&mut self) {
        self.misses = 0;
        self.in_round = true;
    }

    fn missed(&mut self, now: Instant) {
        self.misses = self.misses.saturating_add(1);
        if self.is_backed_off() {
            self.due = now + PROBE_LOST;
        }
    }
}

impl Identity {
    fn new(check: &IdentityCheck, plan: &Plan) -> Option<Self> {
        let place = |blocks: &[Block]| blocks.iter().position(|block| reads(block, check));
        let read_by =
            place(&plan.blocks).map(Turn::Block).or_else(|| place(&plan.identity).map(Turn::Identity))?;
        Some(Self { check: check.clone(), read_by, proven: false })
    }
}

fn reads(block: &Block, check: &IdentityCheck) -> bool {
    block.table == check.table
        && check.address.checked_sub(block.address).is_some_and(|offset| offset < block.count)
}

fn value(raw: &Raw, place: usize) -> Option<u16> {
    match raw {
        Raw::Words(words) => words.get(place).copied(),
        Raw::Bits(bits) => bits.get(place).copied().map(u16::from),
    }
}
