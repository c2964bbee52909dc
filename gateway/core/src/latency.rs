//! How long an alarm can take from the device's register to our decision, worst case, from the configuration
//! alone: what `check` promises, and what the scheduler's tests and the benchmark hold it to.
//!
//! The worst moment for a register to change is just after it was read. It then waits for one round in which
//! everything that may come between comes between: the share of state and slow points and one block over it,
//! a command, the probes of whoever is dead, and one device that fails at that very moment.
use alloc::vec::Vec;
use core::time::Duration;

use crate::configuration::{DeviceSettings, LineSettings};
use crate::line::{ALARM_TO_OTHER, MANY_DEAD_PAUSE, are_few};
use crate::plan::{self, Block, Plan};
use crate::profile::PollClass;

/// Of each of a line's devices, in their order: the longest time from a change of a register of its alarm
/// blocks to the end of the exchange that reads it; of a condition that is confirmed, to the end of the second
/// read. Zero for a device without alarm blocks.
///
/// It holds while devices answer within their typical delay, with any of them dead and known to be, one more
/// failing or one answer garbled, and one command; each further command or failure adds its own exchange.
/// What a condition asks for by itself comes on top: its delay, its median, several readings in a row; and so
/// does the store's commit (a few ms).
pub fn worst_latencies(line: &LineSettings, devices: &[(&DeviceSettings, &Plan)]) -> Vec<Duration> {
    let costs: Vec<Cost> = devices.iter().map(|(device, plan)| Cost::of(line, device, plan)).collect();
    let round = worst_round(line, &costs);
    // The confirming read waits for the ask that is with the hands already.
    let under_way = most(&costs, |cost| cost.read);
    let latency = |cost: &Cost| match (cost.alarm.is_zero(), cost.is_confirmed) {
        (true, _) => Duration::ZERO,
        (false, false) => round + cost.read + cost.quiet,
        (false, true) => round + cost.read + cost.quiet + under_way + cost.read,
    };
    costs.iter().map(latency).collect()
}

/// What one device costs the line.
#[derive(Debug)]
struct Cost {
    /// All its alarm blocks.
    alarm: Duration,
    /// Its longest block that is no alarm's.
    other: Duration,
    /// A write to it, or one more read of its longest block.
    command: Duration,
    /// A short probe, and one as long as a normal ask.
    probe: Duration,
    patient: Duration,
    /// It dies: a normal ask in vain, and the retry.
    failure: Duration,
    /// Its longest alarm block, whose values are taken before the answer is on the wire.
    read: Duration,
    /// How long its alarm blocks may have to be left alone, by its own fault or wish.
    quiet: Duration,
    /// An alarm condition is confirmed by a second read.
    is_confirmed: bool,
}

impl Cost {
    fn of(line: &LineSettings, device: &DeviceSettings, plan: &Plan) -> Self {
        let timing = &device.profile.timing;
        let time = |block: &Block| plan::exchange_time(block, line, timing);
        let alarms = || plan.blocks.iter().filter(|block| block.class == PollClass::Alarm);
        let others = plan.blocks.iter().filter(|block| block.class != PollClass::Alarm);
        let other = others.map(time).max().unwrap_or_default();
        let read = alarms().map(time).max().unwrap_or_default();
        let command = other.max(read);
        let probe = plan::probe_time(line, timing);
        let wait = line.timeout.max(timing.reply_longest.unwrap_or_default());
        let patient = probe.max(plan::wait_time(line, wait));
        Self {
            alarm: alarms().map(time).sum(),
            other,
            command: if writable(device) { command.max(plan::write_time(line, timing)) } else { command },
            probe,
            patient,
            failure: plan::wait_time(line, wait) + probe + timing.turnaround,
            read,
            quiet: quiet(line, device, plan),
            is_confirmed: device.conditions.iter().any(|condition| {
                let point = device.profile.points.get(condition.point);
                condition.confirm && point.is_some_and(|point| point.poll == PollClass::Alarm)
            }),
        }
    }
}

/// After a miss, a block of the same shape waits until no late answer can be taken for its own; after a
/// write, the device may want to be left alone.
fn quiet(line: &LineSettings, device: &DeviceSettings, plan: &Plan) -> Duration {
    let late = plan::late_window(line.kind).filter(|_| has_twins(plan)).unwrap_or_default();
    let settle = device.profile.timing.settle_after_write;
    late + if writable(device) { settle } else { Duration::ZERO }
}

fn writable(device: &DeviceSettings) -> bool {
    let profile = &device.profile;
    profile.call.is_some() || profile.reset.is_some() || profile.points.iter().any(|point| point.writable)
}

/// An alarm block whose answer looks like another block's.
fn has_twins(plan: &Plan) -> bool {
    let twin = |one: &Block, other: &Block| {
        (one.table, one.count) == (other.table, other.count) && one.address != other.address
    };
    let alarms = plan.blocks.iter().filter(|block| block.class == PollClass::Alarm);
    alarms.into_iter().any(|alarm| plan.blocks.iter().any(|block| twin(alarm, block)))
}

/// The longest time between two reads of one alarm block, over all numbers of dead devices.
fn worst_round(line: &LineSettings, costs: &[Cost]) -> Duration {
    let once =
        most(costs, |cost| cost.other) + most(costs, |cost| cost.command) + most(costs, |cost| cost.failure);
    let (probe, patient) = (most(costs, |cost| cost.probe), most(costs, |cost| cost.patient));
    let mut alarms: Vec<Duration> = costs.iter().map(|cost| cost.alarm).collect();
    alarms.sort_unstable();
    let mut living: Duration = alarms.iter().sum();
    let mut worst = Duration::ZERO;
    // Whoever is dead is not read; that it is the quickest ones makes the longest round of the rest.
    for (dead, quickest) in alarms.iter().enumerate() {
        let rest = line.poll.alarm.max(living) + living / ALARM_TO_OTHER + once;
        worst = worst.max(rest + probes(dead, costs.len(), living, probe, patient));
        living = living.saturating_sub(*quickest);
    }
    worst
}

fn most(costs: &[Cost], part: fn(&Cost) -> Duration) -> Duration {
    costs.iter().map(part).max().unwrap_or_default()
}

/// What probes of `dead` devices add to a round of the living beyond the share of what is no alarm.
fn probes(dead: usize, all: usize, living: Duration, probe: Duration, patient: Duration) -> Duration {
    let each_once = probe * u32::try_from(dead.saturating_sub(1)).unwrap_or(u32::MAX) + patient;
    match dead {
        0 => Duration::ZERO,
        _ if are_few(dead, all) => patient,
        _ => each_once.min(living / MANY_DEAD_PAUSE + patient),
    }
}
