//! Stories of one line on virtual time: what is asked when, what it costs, and what is told.
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use shouwang_message::{Class, Instant};

use super::field::{Field, SERIAL, identity, point, polled, profile, ten_registers};
use super::{Presence, Purpose, Report};
use crate::configuration::LineKind;
use crate::input::{AskFailure, Outcome};
use crate::output::Request;
use crate::plan;
use crate::profile::PollClass;
use crate::reading::NoData;

const SECOND: Duration = Duration::from_secs(1);

fn sixteen(rest: bool) -> Field {
    Field::new(SERIAL, polled(0, 5000, 30_000), vec![ten_registers(rest); 16])
}

/// How much longer than their own theory the living took for a round, over 60 s from now.
fn living_ratio(field: &mut Field, dead: u8) -> f64 {
    for unit in 1..=dead {
        field.device(unit).alive = false;
    }
    let began = field.now;
    field.run(60 * SECOND);
    let rounds =
        (dead + 1..=16).map(|unit| field.answers(unit, 0).iter().filter(|at| **at > began).count()).min();
    let round = field.now.since(began).as_secs_f64() / rounds.unwrap_or(0) as f64;
    round / field.theory(dead + 1..=16).as_secs_f64()
}

#[test]
fn the_wire_never_waits_for_a_decision() {
    let ratio = living_ratio(&mut sixteen(false), 0);
    assert!(ratio <= 1.005, "{ratio}");
}

#[test]
fn the_dead_do_not_slow_the_living() {
    for (dead, most) in [(1, 1.03), (3, 1.08), (8, 1.5)] {
        let mut dead_from_the_start = sixteen(false);
        let ratio = living_ratio(&mut dead_from_the_start, dead);
        assert!(ratio <= most, "{dead} of 16 dead from the start: {ratio}");

        let mut dying = sixteen(false);
        dying.run(5 * SECOND);
        let ratio = living_ratio(&mut dying, dead);
        assert!(ratio <= most, "{dead} of 16 die: {ratio}");
        let ratio = living_ratio(&mut dying, dead);
        assert!(ratio <= most, "{dead} of 16 lost: {ratio}");
    }
}

#[test]
fn slow_models_that_die_take_a_third_at_most() {
    let mut slow = ten_registers(false);
    slow.timing.reply_longest = Some(Duration::from_millis(350));
    let mut field = Field::new(SERIAL, polled(0, 5000, 30_000), vec![slow; 16]);
    field.run(5 * SECOND);
    living_ratio(&mut field, 12);
    let ratio = living_ratio(&mut field, 12);
    assert!(ratio <= 1.5, "{ratio}");
    for unit in 1..=12 {
        let probes = field.exchanges.iter().filter(|(_, _, ask, _)| ask.unit_id == unit).map(|(at, ..)| *at);
        let probes: Vec<_> = probes.filter(|at| at.since(Instant::default()) > 60 * SECOND).collect();
        let gap = probes.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap();
        assert!(gap <= 30 * SECOND, "unit {unit} was left alone for {gap:?}");
    }
}

#[test]
fn many_dying_at_once_are_found_out_before_an_alarm_is_late() {
    let mut field = Field::new(SERIAL, polled(0, 5000, 30_000), vec![ten_registers(false); 60]);
    field.run(10 * SECOND);
    for unit in 1..=40 {
        field.device(unit).alive = false;
    }
    let began = field.now;
    field.run(30 * SECOND);
    for unit in 41..=60 {
        let gap = field.longest_gap(unit, 0, began);
        assert!(gap <= 6 * SECOND, "unit {unit} unread for {gap:?}");
    }
    assert_eq!(field.line.lost_count(), 40);
    assert!(field.line.mostly_silent());
}

#[test]
fn lost_is_told_between_10_and_30_s_and_the_first_answer_restores() {
    for (class, poll) in [(Class::Smoke, PollClass::Alarm), (Class::Air, PollClass::Slow)] {
        let mut points = vec![profile(class, vec![point(0, 2, poll)]); 2];
        points.push(ten_registers(true));
        let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), points);
        field.run(101 * SECOND);
        field.device(1).alive = false;
        let good = *field.answers(1, 0).last().unwrap();
        assert_eq!(field.line.presence(1), Presence::Online);
        assert!(field.run_until(40 * SECOND, |field| field.line.presence(1) == Presence::Lost));
        let told = field.now.since(good);
        assert!(told >= 10 * SECOND && told <= 30 * SECOND, "{class:?}: lost after {told:?}");
        let reads = field.reports.iter().rev().take(2).map(|(_, report)| report).collect::<Vec<_>>();
        assert!(matches!(reads[0], Report::Lost { device: 1, why: NoData::Timeout }));
        assert!(matches!(reads[1], Report::Read { device: 1, block: 0, outcome: Err(NoData::Timeout), .. }));

        field.run(60 * SECOND);
        field.device(1).alive = true;
        let back = field.now;
        assert!(field.run_until(12 * SECOND, |field| field.line.presence(1) == Presence::Online));
        assert!(matches!(field.reports.iter().rev().nth(1).unwrap().1, Report::Back { device: 1 }));
        assert!(field.now.since(back) <= Duration::from_millis(10_200));
        assert_eq!(field.line.presence(2), Presence::Online);
    }
}

#[test]
fn a_spare_part_that_is_slower_is_found_again() {
    let mut field = sixteen(false);
    field.run(5 * SECOND);
    field.device(4).alive = false;
    field.run(30 * SECOND);
    assert_eq!(field.line.presence(4), Presence::Lost);
    field.device(4).alive = true;
    field.device(4).delay = Duration::from_millis(150);
    assert!(field.run_until(31 * SECOND, |field| field.line.presence(4) == Presence::Online));
}

#[test]
fn state_and_slow_points_get_their_share_and_no_more() {
    let mut field = sixteen(true);
    field.run(10 * SECOND);
    let began = field.now;
    field.run(120 * SECOND);
    let plans =
        field.devices.iter().map(|device| (device, field.line.plan(usize::from(device.unit_id)).unwrap()));
    let promised = plan::alarm_round(&field.settings, plans);
    for unit in 1..=16 {
        let alarm = field.longest_gap(unit, 0, began);
        assert!(alarm <= promised, "alarm block of {unit} unread for {alarm:?}, promised {promised:?}");
        let state = field.longest_gap(unit, 1000, began);
        assert!(state <= 15 * SECOND, "state block of {unit} unread for {state:?}");
        let slow = field.longest_gap(unit, 2000, began);
        assert!(slow <= 45 * SECOND, "slow block of {unit} unread for {slow:?}");
    }
    let measured = field.line.round().unwrap();
    assert!(measured >= field.theory(1..=16) && measured <= promised, "{measured:?}");
}

#[test]
fn between_two_alarm_reads_that_are_due_goes_at_most_one_other() {
    let mut field = sixteen(true);
    field.device(1).alive = false;
    field.run(60 * SECOND);
    let is_alarm = |request: &Request| matches!(request, Request::Read { address: 0, .. });
    let asks: Vec<_> = field.exchanges.iter().filter(|(_, _, ask, _)| ask.unit_id != 1).collect();
    let others = asks.windows(2).filter(|two| two.iter().all(|(_, _, ask, _)| !is_alarm(&ask.request)));
    assert_eq!(others.count(), 0);
}

#[test]
fn calm_polling_keeps_its_intervals() {
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![ten_registers(true); 4]);
    field.run(120 * SECOND);
    assert!((238..=241).contains(&field.answers(2, 0).len()), "{}", field.answers(2, 0).len());
    assert!((24..=25).contains(&field.answers(2, 1000).len()));
    // Nothing but the class says how often: the device is never silent for long anyway.
    assert!((4..=5).contains(&field.answers(2, 2000).len()));
}

#[test]
fn a_reread_overtakes_everything_and_a_write_waits_less_than_a_second() {
    let mut field = sixteen(true);
    for dead in 14..=16 {
        field.device(dead).alive = false;
    }
    field.run(20 * SECOND);
    for round in 0..40_u16 {
        field.run(Duration::from_millis(777));
        let asked = field.now;
        field.line.reread(asked, 3, 0);
        for unit in 5..=12 {
            let request = Request::WriteRegister { address: 1, value: round };
            assert!(field.line.write(unit, Purpose::Indicator(round), request));
        }
        let read = |field: &Field| field.answers(3, 0).last().is_some_and(|at| *at > asked);
        assert!(field.run_until(SECOND / 2, read), "no re-read within 500 ms");
        let is_mine = |report: &Report| matches!(report, Report::Written { purpose: Purpose::Indicator(value), outcome: Ok(()), .. } if *value == round);
        let written = |field: &Field| field.reports.iter().filter(|(_, report)| is_mine(report)).count() == 8;
        field.run_until(2 * SECOND, written);
        let took = field.now.since(asked);
        assert!(took <= SECOND, "the last of 8 writes took {took:?}");
    }
}

#[test]
fn of_two_waiting_writes_for_one_purpose_the_newest_goes() {
    let mut field = sixteen(false);
    field.run(SECOND);
    let lamp = |value| Request::WriteRegister { address: 1, value };
    for value in 1..=3 {
        assert!(field.line.write(2, Purpose::Indicator(value), lamp(value)));
    }
    assert!(field.line.write(2, Purpose::Echo(9), Request::WriteRegister { address: 0, value: 9 }));
    field.run(SECOND);
    let written = field.reports.iter().filter_map(|(_, report)| match report {
        Report::Written { purpose, outcome, .. } => Some((*purpose, *outcome)),
        _ => None,
    });
    assert_eq!(written.collect::<Vec<_>>(), [(Purpose::Indicator(3), Ok(())), (Purpose::Echo(9), Ok(()))]);
    for unit in 1..=16 {
        for purpose in [Purpose::Reset, Purpose::Output] {
            let taken = field.line.write(unit, purpose, lamp(0));
            assert!(taken);
        }
    }
    assert!(!field.line.write(1, Purpose::Echo(1), lamp(0)), "a 33rd write must be refused");
}

#[test]
fn nothing_is_written_before_the_identity_is_proven_again() {
    let mut known = ten_registers(false);
    known.identity.push(identity(40, 7));
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![known]);
    let lamp = || Request::WriteRegister { address: 1, value: 2 };
    assert!(!field.line.write(1, Purpose::Indicator(2), lamp()));
    field.run(SECOND);
    let first = &field.exchanges[0].2.request;
    assert!(matches!(first, Request::Read { address: 40, .. }), "asked first: {first:?}");
    assert!(field.line.write(1, Purpose::Indicator(2), lamp()));
    field.run(SECOND);

    field.device(1).alive = false;
    field.run(20 * SECOND);
    assert!(!field.line.write(1, Purpose::Indicator(2), lamp()));
    field.device(1).alive = true;
    field.device(1).holds = 8;
    field.run(15 * SECOND);
    assert!(field.reports.iter().any(|(_, report)| *report == Report::WrongIdentity { device: 1 }));
    assert!(matches!(
        field.reports.last().unwrap().1,
        Report::Read { outcome: Err(NoData::WrongIdentity), .. } | Report::WrongIdentity { .. }
    ));
    assert!(!field.line.write(1, Purpose::Indicator(2), lamp()), "a stranger must not be written to");
    let began = field.now;
    field.run(60 * SECOND);
    assert_eq!(field.answers(1, 0).iter().filter(|at| **at > began).count(), 0);

    field.device(1).holds = 7;
    field.run(11 * SECOND);
    assert!(field.reports.iter().any(|(_, report)| *report == Report::RightIdentity { device: 1 }));
    assert!(field.line.write(1, Purpose::Indicator(2), lamp()));
}

#[test]
fn an_identity_inside_a_block_is_checked_with_every_read() {
    let mut known = ten_registers(false);
    known.identity.push(identity(3, 7));
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![known]);
    field.run(5 * SECOND);
    assert!(
        field.exchanges.iter().all(|(_, _, ask, _)| matches!(ask.request, Request::Read { address: 0, .. }))
    );
    assert!(field.line.is_proven(1));
    field.device(1).holds = 9;
    field.run(SECOND);
    assert!(!field.line.is_proven(1));
    assert!(!field.reports.iter().any(|(_, report)| matches!(
        report,
        Report::Read { outcome: Ok(crate::reading::Raw::Words(words)), .. } if words[0] == 9
    )));
}

#[test]
fn a_late_answer_cannot_be_taken_for_another_blocks() {
    let twins = profile(Class::Smoke, vec![point(0, 10, PollClass::Alarm), point(500, 10, PollClass::Alarm)]);
    let mut field = Field::new(SERIAL, polled(0, 5000, 30_000), vec![twins]);
    field.run(2 * SECOND);
    field.device(1).deaf_to.push(0);
    field.run(60 * SECOND);
    let window = Duration::from_millis(500);
    for pair in field.exchanges.windows(2) {
        let [(_, failed, first, outcome), (next, _, second, _)] = pair else { continue };
        let other_block = first.request != second.request;
        if *outcome == Outcome::Failed(AskFailure::Timeout) && other_block {
            assert!(
                next.since(*failed) >= window,
                "asked for the twin {:?} after a miss",
                next.since(*failed)
            );
        }
    }
    // The twin that does answer is read on, and the device is not lost for the other's sake.
    assert_eq!(field.line.presence(1), Presence::Online);
    assert!(field.longest_gap(1, 500, Instant::from_micros(2_000_000)) <= 5 * SECOND);
}

#[test]
fn noise_is_retried_and_an_exception_is_an_answer() {
    let mut field = sixteen(true);
    field.run(10 * SECOND);
    field.reports.clear();
    field.device(2).garbles = 1;
    field.device(3).refuses.push((1000, 2));
    field.run(10 * SECOND);
    let told = |device: usize| {
        field.reports.iter().filter_map(move |(_, report)| match report {
            Report::Read { device: of, outcome: Err(why), .. } if *of == device => Some(*why),
            _ => None,
        })
    };
    assert_eq!(told(2).count(), 0, "one garbled answer is retried silently");
    assert!(told(3).count() > 0 && told(3).all(|why| why == NoData::Exception(2)));
    assert_eq!(field.line.presence(3), Presence::Online);
    assert!(field.line.take_good_share() < 1.0);
    assert_eq!(field.line.take_good_share(), 1.0);
}

#[test]
fn a_converter_that_finds_nobody_is_no_device() {
    let kind = LineKind::Tcp { rtu_frames: false };
    let mut field = Field::new(kind, polled(500, 5000, 30_000), vec![ten_registers(false); 2]);
    field.device(1).refuses.push((0, 11));
    field.run(20 * SECOND);
    assert_eq!(field.line.presence(1), Presence::Lost);
    assert_eq!(field.line.presence(2), Presence::Online);
}

#[test]
fn after_a_write_the_device_settles() {
    let mut slow = ten_registers(false);
    slow.timing.settle_after_write = 3 * SECOND;
    slow.timing.turnaround = Duration::from_millis(40);
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![slow, ten_registers(false)]);
    field.run(SECOND);
    assert!(field.line.write(1, Purpose::Reset, Request::WriteRegister { address: 5, value: 1 }));
    field.run(10 * SECOND);
    let of_one: Vec<_> = field.exchanges.iter().filter(|(_, _, ask, _)| ask.unit_id == 1).collect();
    let write = of_one
        .iter()
        .position(|(_, _, ask, _)| matches!(ask.request, Request::WriteRegister { .. }))
        .unwrap();
    assert!(of_one[write + 1].0.since(of_one[write].1) >= 3 * SECOND);
    let again = field.exchanges.windows(2).filter(|pair| pair[0].2.unit_id == 1 && pair[1].2.unit_id == 1);
    assert!(again.into_iter().all(|pair| pair[1].2.turnaround == Duration::from_millis(40)));
}

#[test]
fn a_write_on_the_wire_of_a_line_that_goes_down_has_failed() {
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![ten_registers(true); 2]);
    field.run(5 * SECOND + Duration::from_millis(250));
    let request = Request::WriteCoil { address: 0, on: true };
    assert!(field.line.write(1, Purpose::Output, request.clone()));
    let asked: Vec<_> = core::iter::from_fn(|| field.line.next_ask(field.now)).collect();
    assert!(asked.iter().any(|ask| ask.request == request), "it is with the hands: {asked:?}");
    let mut reports = vec![];
    field.line.down(field.now, &mut reports);
    let failed = Report::Written { device: 1, purpose: Purpose::Output, outcome: Err(NoData::LineDown) };
    assert_eq!(reports.iter().filter(|report| **report == failed).count(), 1, "{reports:?}");
}

#[test]
fn a_line_that_goes_down_says_so_once_and_starts_over() {
    let mut field = Field::new(SERIAL, polled(500, 5000, 30_000), vec![ten_registers(true); 2]);
    field.run(5 * SECOND);
    assert!(field.line.write(1, Purpose::Output, Request::WriteCoil { address: 0, on: true }));
    let mut reports = vec![];
    let ask = field.exchanges.last().unwrap().2.id;
    field.line.down(field.now, &mut reports);
    let down =
        reports.iter().filter(|report| matches!(report, Report::Read { outcome: Err(NoData::LineDown), .. }));
    assert_eq!(down.count(), 6);
    assert!(reports.contains(&Report::Written {
        device: 1,
        purpose: Purpose::Output,
        outcome: Err(NoData::LineDown)
    }));
    assert_eq!(field.line.next_ask(field.now), None);
    assert_eq!(field.line.next_deadline(), None);
    reports.clear();
    field.line.answered(field.now, ask + 1, &Outcome::Failed(AskFailure::LineDown), &mut reports);
    assert!(reports.is_empty());
    assert_eq!(field.line.presence(1), Presence::Missing);
    field.line.up(field.now);
    assert!(field.line.next_ask(field.now).is_some());
}

#[test]
fn a_death_and_a_return_as_a_transcript() {
    let mut field = Field::new(SERIAL, polled(2000, 0, 0), vec![ten_registers(false); 2]);
    field.run(SECOND);
    field.device(2).alive = false;
    field.run(25 * SECOND);
    field.device(2).alive = true;
    field.run(8 * SECOND);
    let transcript = field.transcript();
    let of_two = transcript.lines().filter(|line| !line.contains("unit 1") && !line.contains("device: 1"));
    let of_two: Vec<_> = of_two.map(|line| line.split(", at:").next().unwrap()).collect();
    assert_eq!(of_two.join("\n"), DEATH_AND_RETURN.trim_matches('\n'));
}

const DEATH_AND_RETURN: &str = r"
    93 > unit 2 read 0+10 within 200: ok
    93 < Online { device: 2 }
  2258 > unit 2 read 0+10 within 200: Failed(Timeout)
  2320 > unit 2 read 0+10 within 50: Failed(Timeout)
  2320 < Read { device: 2, block: 0, outcome: Err(Timeout)
  5382 > unit 2 read 0+10 within 50: Failed(Timeout)
  5382 < Read { device: 2, block: 0, outcome: Err(Timeout)
 12444 > unit 2 read 0+10 within 50: Failed(Timeout)
 12444 < Read { device: 2, block: 0, outcome: Err(Timeout)
 12444 < Lost { device: 2, why: Timeout }
 22108 > unit 2 read 0+10 within 50: Failed(Timeout)
 22108 < Read { device: 2, block: 0, outcome: Err(Timeout)
 31509 > unit 2 read 0+10 within 50: ok
 31509 < Back { device: 2 }
 31556 > unit 2 read 0+10 within 200: ok
 33556 > unit 2 read 0+10 within 200: ok
";
