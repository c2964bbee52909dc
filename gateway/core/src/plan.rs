//! Which blocks to read so that every point is covered with the least time on the wire.
//!
//! Alarm points are planned first and alone, so that nothing slower lengthens the alarm round; points
//! of other classes that lie inside an alarm block ride along for free. Holes are read over when that
//! costs less than another exchange.
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::configuration::{DeviceSettings, LineKind, LineSettings};
use crate::profile::{BlockRules, DeviceTiming, Point, PollClass, Profile, Table};

/// One read request, and the points whose values are in its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    pub table: Table,
    pub address: u16,
    /// Registers, or bits in a bit table; never 0, never over the limits.
    pub count: u16,
    pub class: PollClass,
    /// Indexes into the profile's points, in rising order.
    pub points: Vec<usize>,
}

/// All reads of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By class, then table and address; blocks that prove the identity come first in their class.
    pub blocks: Vec<Block>,
    /// Reads without points: identity checks that no block above covers. Asked before the device is
    /// trusted, again after every return.
    pub identity: Vec<Block>,
}

impl Plan {
    /// The cheapest plan for this device on this line.
    pub fn new(device: &DeviceSettings, line: &LineSettings) -> Self {
        Self::of(&device.profile, line)
    }

    /// The cheapest plan for a model on a line.
    pub fn of(profile: &Profile, line: &LineSettings) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for class in [PollClass::Alarm, PollClass::State, PollClass::Slow] {
            for table in [Table::Coil, Table::DiscreteInput, Table::InputRegister, Table::HoldingRegister] {
                let mut wanted = Vec::new();
                for (index, point) in profile.points.iter().enumerate() {
                    if point.poll != class || point.table != table {
                        continue;
                    }
                    match blocks.iter_mut().find(|block| block.covers(table, &point.span())) {
                        Some(block) => block.points.push(index),
                        None => wanted.push(index),
                    }
                }
                blocks.extend(partition(profile, line, table, class, &wanted));
            }
        }
        for block in &mut blocks {
            block.points.sort_unstable();
        }
        let identity = identity_blocks(profile, &blocks);
        blocks
            .sort_by_key(|block| (block.class, !proves_identity(profile, block), block.table, block.address));
        Self { blocks, identity }
    }
}

impl Block {
    fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.count)
    }

    fn covers(&self, table: Table, span: &Range<u32>) -> bool {
        self.table == table && u32::from(self.address) <= span.start && span.end <= self.end()
    }
}

/// Time on the wire of one read, both frames and both silences, without the device's own delay.
/// Frames are 8 and 5 + 2n characters (5 + n/8 for bits), a silence is 3.5 characters and never under
/// 1.75 ms, as the Modbus specification fixes it above 19,200 baud. Zero on TCP.
pub fn wire_time(block: &Block, line: &LineSettings) -> Duration {
    exchange_characters(line.kind, answer_characters(block.table, block.count))
}

/// [`wire_time`] and the device's typical delay; a silence is at least the turnaround it needs.
pub fn exchange_time(block: &Block, line: &LineSettings, timing: &DeviceTiming) -> Duration {
    let turnaround = timing.turnaround.saturating_sub(silence(line.kind));
    wire_time(block, line) + timing.typical(line.kind) + turnaround
}

/// The contract's alarm round of a line: the alarm blocks of its living devices by [`exchange_time`],
/// over 0.9, plus the longest other block and the longest probe.
pub fn alarm_round<'a>(
    line: &LineSettings,
    devices: impl IntoIterator<Item = (&'a DeviceSettings, &'a Plan)>,
) -> Duration {
    let mut alarm = Duration::ZERO;
    let mut other = Duration::ZERO;
    let mut probe = Duration::ZERO;
    for (device, plan) in devices {
        let timing = &device.profile.timing;
        for block in &plan.blocks {
            let time = exchange_time(block, line, timing);
            match block.class {
                PollClass::Alarm => alarm += time,
                PollClass::State | PollClass::Slow => other = other.max(time),
            }
        }
        probe = probe.max(probe_time(line, timing));
    }
    alarm * 10 / 9 + other + probe
}

/// How long a lost device holds the line: its request, and max(50 ms, 3 x its slowest answer, its
/// longest delay). The slowest answer is the typical one as long as none was measured.
pub fn probe_time(line: &LineSettings, timing: &DeviceTiming) -> Duration {
    let wait = Duration::from_millis(50)
        .max(timing.typical(line.kind) * 3)
        .max(timing.reply_longest.unwrap_or_default());
    wait_time(line, wait)
}

/// A read request, and a wait in vain.
pub(crate) fn wait_time(line: &LineSettings, wait: Duration) -> Duration {
    line.kind.character() * REQUEST_CHARACTERS + silence(line.kind) + wait
}

/// A write of one register, with function 16 where that is longer.
pub(crate) fn write_time(line: &LineSettings, timing: &DeviceTiming) -> Duration {
    exchange_characters(line.kind, WRITE_CHARACTERS) + timing.typical(line.kind)
}

/// How long after a time-out an answer may still come; none where a transaction number tells it apart.
/// The serial figure is the wire's own: half a second and the longest frame.
pub(crate) fn late_window(kind: LineKind) -> Option<Duration> {
    match kind {
        LineKind::Serial { .. } => Some(Duration::from_millis(500) + kind.character() * 256),
        LineKind::Tcp { rtu_frames: true } => Some(Duration::from_secs(1)),
        LineKind::Tcp { rtu_frames: false } => None,
    }
}

const REQUEST_CHARACTERS: u32 = 8;
/// Three characters more in the request than a read has, and the answer.
const WRITE_CHARACTERS: u32 = 3 + 8;

fn answer_characters(table: Table, count: u16) -> u32 {
    let count = u32::from(count);
    5 + if table.is_bits() { count.div_ceil(8) } else { 2 * count }
}

fn exchange_characters(kind: LineKind, answer: u32) -> Duration {
    kind.character() * (REQUEST_CHARACTERS + answer) + silence(kind) * 2
}

/// Quiet time between two frames.
pub(crate) fn silence(kind: LineKind) -> Duration {
    match kind {
        LineKind::Serial { .. } => (kind.character() * 7 / 2).max(Duration::from_micros(1750)),
        LineKind::Tcp { .. } => Duration::ZERO,
    }
}

/// The best way to read the first points of an order: less is better, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    cost: Duration,
    blocks: u32,
    registers: u32,
    /// Where its last block begins.
    start: usize,
}

/// Cuts the points, in the order of their addresses, into the runs whose reads cost least in sum;
/// of equal cost the fewest blocks, then registers. No cheaper cut exists that is not a cut into runs: of two interleaved
/// blocks, one can always give its points in the overlap to the other without growing it.
fn partition(
    profile: &Profile,
    line: &LineSettings,
    table: Table,
    class: PollClass,
    wanted: &[usize],
) -> Vec<Block> {
    let mut order: Vec<(Range<u32>, usize)> = wanted
        .iter()
        .filter_map(|index| profile.points.get(*index).map(|point| (point.span(), *index)))
        .collect();
    order.sort_by_key(|(span, index)| (span.start, *index));
    let delay = profile.timing.typical(line.kind);
    let mut best: Vec<Option<Cut>> = vec![None; order.len() + 1];
    if let Some(none) = best.first_mut() {
        *none = Some(Cut::default());
    }
    for end in 1..=order.len() {
        let mut chosen: Option<Cut> = None;
        let mut reach = 0;
        for start in (0..end).rev() {
            let Some(run) = order.get(start..end) else { continue };
            reach = reach.max(run.first().map_or(0, |(span, _)| span.end));
            let Some((_, count)) = extent(profile, table, run, reach) else { continue };
            let Some(Some(before)) = best.get(start).copied() else { continue };
            let cut = Cut {
                cost: before.cost + exchange_characters(line.kind, answer_characters(table, count)) + delay,
                blocks: before.blocks + 1,
                registers: before.registers + u32::from(count),
                start,
            };
            if chosen.is_none_or(|least| cut < least) {
                chosen = Some(cut);
            }
        }
        if let Some(slot) = best.get_mut(end) {
            *slot = chosen;
        }
    }
    cut(profile, table, class, &order, &best)
}

fn cut(
    profile: &Profile,
    table: Table,
    class: PollClass,
    order: &[(Range<u32>, usize)],
    best: &[Option<Cut>],
) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut end = order.len();
    while let Some(Some(Cut { start, .. })) = best.get(end).copied().filter(|_| end > 0) {
        let run = order.get(start..end).unwrap_or_default();
        let reach = run.iter().map(|(span, _)| span.end).max().unwrap_or(0);
        if let Some((address, count)) = extent(profile, table, run, reach) {
            let points = run.iter().map(|(_, index)| *index).collect();
            blocks.push(Block { table, address, count, class, points });
        }
        end = start;
    }
    blocks
}

/// Address and count of a read over this run of points that ends at `reach`; none where the device
/// or the standard does not allow it.
fn extent(profile: &Profile, table: Table, run: &[(Range<u32>, usize)], reach: u32) -> Option<(u16, u16)> {
    let rules = &profile.blocks;
    let mut start = run.first()?.0.start;
    let mut end = reach;
    if rules.no_joining_over_holes && has_hole(&profile.points, table, start..end) {
        return None;
    }
    if rules.even_counts && !table.is_bits() && (end - start) % 2 == 1 {
        if end < 65_536 {
            end += 1;
        } else {
            start -= 1;
        }
    }
    let count = u16::try_from(end - start).ok()?;
    (count <= limit(rules, table)).then_some((u16::try_from(start).ok()?, count))
}

fn limit(rules: &BlockRules, table: Table) -> u16 {
    if table.is_bits() { rules.max_bits.min(2000) } else { rules.max_registers.min(125) }
}

fn has_hole(points: &[Point], table: Table, span: Range<u32>) -> bool {
    let mut covered = span.start;
    while covered < span.end {
        let reach = points
            .iter()
            .filter(|point| point.table == table && point.span().start <= covered)
            .map(|point| point.span().end)
            .max();
        match reach {
            Some(reach) if reach > covered => covered = reach,
            _ => return true,
        }
    }
    false
}

fn proves_identity(profile: &Profile, block: &Block) -> bool {
    profile.identity.iter().any(|check| block.covers(check.table, &one(check.address)))
}

fn one(address: u16) -> Range<u32> {
    let start = u32::from(address);
    start..start + 1
}

/// Neighbouring checks share a read; the rest of the rules hold for them as for points.
fn identity_blocks(profile: &Profile, blocks: &[Block]) -> Vec<Block> {
    let mut wanted: Vec<(Table, u16)> = profile
        .identity
        .iter()
        .filter(|check| !blocks.iter().any(|block| block.covers(check.table, &one(check.address))))
        .map(|check| (check.table, check.address))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut reads: Vec<Block> = Vec::new();
    for (table, address) in wanted {
        match reads.last_mut() {
            Some(last)
                if last.table == table
                    && last.end() == u32::from(address)
                    && last.count < limit(&profile.blocks, table) =>
            {
                last.count += 1;
            }
            _ => reads.push(Block { table, address, count: 1, class: PollClass::Slow, points: Vec::new() }),
        }
    }
    if profile.blocks.even_counts {
        for read in reads.iter_mut().filter(|read| !read.table.is_bits() && read.count % 2 == 1) {
            if read.end() == 65_536 {
                read.address -= 1;
            }
            read.count += 1;
        }
    }
    reads
}
