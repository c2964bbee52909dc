//! One channel's evening on a virtual clock: what goes out at which second, and what is told of each notice.
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shouwang_board::Recipient;
use shouwang_message::{AlarmId, Class, Mode, Timestamp};

use super::*;

/// 18 a minute, 6 of them for emergencies.
const MINUTE: Limit = Limit { count: 18, per: Duration::from_secs(60), kept: 6 };

fn s(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

fn ms(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn person(id: &str) -> Recipient {
    let phone = Some("13800138000".into());
    Recipient { person: id.parse().unwrap(), name: "王小明".into(), phone, wecom: None }
}

/// Each ticket is another alarm's.
fn notice(ticket: u64, priority: Priority, building: &str) -> Notice {
    Notice {
        ticket,
        channel: "group".parse().unwrap(),
        alarm: AlarmId::from_parts(1_700_000_000_000, ticket.into()),
        class: Class::Smoke,
        priority,
        mode: Mode::Live,
        step: 0,
        revision_words: String::new(),
        title: "火警 · 待确认".into(),
        place: format!("{building}号楼{ticket}室"),
        place_masked: format!("{building}号楼"),
        at: Timestamp::from_unix_ms(1_700_000_000_000),
        lines: vec![],
        short: String::new(),
        to: vec![person("wang")],
        sent_as: None,
        way: None,
        building: (!building.is_empty()).then(|| building.into()),
        recovered: false,
    }
}

fn emergency(ticket: u64, building: &str) -> Notice {
    notice(ticket, Priority::Emergency, building)
}

fn ordinary(ticket: u64, building: &str) -> Notice {
    notice(ticket, Priority::Ordinary, building)
}

struct Channel {
    queue: Queue,
    now: Instant,
    /// `SECOND KIND TICKETS /PART`, as it went out.
    sent: Vec<String>,
    became: Vec<(u64, Became)>,
    under_way: VecDeque<u64>,
}

impl Channel {
    fn new(parts: Parts) -> Self {
        let queue = Queue::new(Rules { limits: vec![MINUTE], parts });
        Self { queue, now: s(100), sent: vec![], became: vec![], under_way: VecDeque::new() }
    }

    fn push(&mut self, notice: Notice) {
        self.queue.push(self.now, notice);
        self.look();
    }

    fn look(&mut self) {
        while let Some(sending) = self.queue.next(self.now) {
            let tickets: Vec<_> = sending.message.tickets().map(|ticket| ticket.to_string()).collect();
            let kind = match sending.message {
                Message::Single(_) => "single",
                Message::FollowUp(_) => "follow-up",
                Message::Digest(_) => "digest",
            };
            let part = if sending.part > 0 { format!(" /{}", sending.part) } else { String::new() };
            let missed =
                if sending.missed > 0 { format!(" missed {}", sending.missed) } else { String::new() };
            let at = self.now.as_micros() / 1_000_000 - 100;
            self.sent.push(format!("{at} {kind} {}{part}{missed}", tickets.join(",")));
            self.under_way.push_back(sending.number);
        }
        self.became.extend(self.queue.became());
    }

    fn answer(&mut self, verdict: Verdict) {
        let number = self.under_way.pop_front().expect("nothing is under way");
        self.queue.done(self.now, number, verdict);
        self.look();
    }

    /// Lets time pass with a channel that takes everything.
    fn taking_until(&mut self, until: Instant) {
        loop {
            while !self.under_way.is_empty() {
                self.answer(Verdict::Taken);
            }
            match self.queue.next_deadline(self.now).filter(|at| *at <= until) {
                Some(at) => self.now = at.max(self.now),
                None => break,
            }
            self.look();
        }
        self.now = until;
    }

    fn became(&self, ticket: u64) -> Vec<&str> {
        let word = |became: &'_ Became| match became {
            Became::Delivered => "delivered",
            Became::Digested => "digested",
            Became::Failed { .. } => "failed",
        };
        self.became.iter().filter(|(of, _)| *of == ticket).map(|(_, became)| word(became)).collect()
    }
}

fn again() -> Verdict {
    Verdict::Again { code: "timeout".into(), text: "没有回答".into(), after: None }
}

#[test]
fn an_emergency_goes_at_once_and_its_buildings_next_alarms_together_20_s_later() {
    let mut channel = Channel::new(Parts::One);
    channel.push(emergency(1, "3"));
    for ticket in 2..5 {
        channel.now = s(100 + ticket);
        channel.push(emergency(ticket, "3"));
    }
    channel.push(emergency(5, "4"));
    channel.taking_until(s(200));
    assert_eq!(channel.sent, ["0 single 1", "4 single 5", "20 follow-up 2,3,4"]);
    for ticket in 1..6 {
        assert_eq!(channel.became(ticket), ["delivered"]);
    }
}

#[test]
fn an_emergency_never_waits_for_a_lesser_alarms_company_and_a_step_for_nobody() {
    let mut channel = Channel::new(Parts::One);
    channel.push(ordinary(1, "3"));
    channel.push(ordinary(2, "3"));
    channel.push(emergency(3, "3"));
    channel.now = s(110);
    channel.push(Notice { step: 1, ..emergency(4, "3") });
    channel.push(Notice { recovered: true, ..emergency(5, "3") });
    channel.taking_until(s(200));
    assert_eq!(channel.sent, ["0 single 1", "0 single 3", "10 single 4", "20 follow-up 2,5"]);
}

#[test]
fn another_persons_phone_is_another_company() {
    let mut channel = Channel::new(Parts::EachRecipient);
    channel.push(emergency(1, "3"));
    channel.push(Notice { to: vec![person("li")], ..emergency(2, "3") });
    channel.push(emergency(3, "3"));
    channel.taking_until(s(200));
    assert_eq!(channel.sent, ["0 single 1", "0 single 2", "20 single 3"]);
}

#[test]
fn over_the_rate_the_rest_goes_in_one_digest_and_emergencies_use_their_reserve() {
    let mut channel = Channel::new(Parts::One);
    for ticket in 1..=30 {
        channel.push(ordinary(ticket, ""));
        channel.taking_until(channel.now);
    }
    assert_eq!(channel.sent.len(), 12);
    channel.push(emergency(31, ""));
    assert_eq!(channel.sent.last().unwrap(), "0 single 31");
    channel.taking_until(s(165));
    let last = "60 digest 13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30";
    assert_eq!(channel.sent[13..], [last]);
    assert_eq!((channel.became(12), channel.became(13)), (vec!["delivered"], vec!["digested"]));
}

#[test]
fn a_hundred_emergencies_in_a_minute_are_all_told_within_the_rate() {
    let mut channel = Channel::new(Parts::One);
    for ticket in 1..=100 {
        channel.push(emergency(ticket, ""));
        channel.taking_until(ms(100_000 + ticket * 600));
    }
    channel.taking_until(s(230));
    assert_eq!(channel.sent.len(), 19, "{:?}", channel.sent);
    assert_eq!(channel.became.len(), 100);
    assert!(channel.became.iter().all(|(_, became)| !matches!(became, Became::Failed { .. })));
}

#[test]
fn a_failure_is_tried_again_with_growing_pauses_and_told_when_it_is_the_second_in_a_row() {
    let mut channel = Channel::new(Parts::One);
    channel.push(emergency(1, ""));
    channel.answer(again());
    assert!(channel.became.is_empty() && channel.under_way.is_empty());
    let mut pauses = vec![];
    for _ in 0..8 {
        let at = channel.queue.next_deadline(channel.now).unwrap();
        pauses.push(at.since(channel.now).as_secs());
        channel.now = at;
        channel.look();
        channel.answer(again());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    let Became::Failed { code, text } = &channel.became[0].1 else { panic!("not failed") };
    assert_eq!(code, "timeout");
    assert!(text.contains("连续失败 2 次") && text.contains("2 failures in a row"), "{text}");
    // The group hears of it when the channel works again; who decided was told already.
    channel.taking_until(s(400));
    assert_eq!(channel.sent.last().unwrap(), "243 single 1");
    assert_eq!(channel.became.len(), 1);
}

#[test]
fn a_new_emergency_does_not_wait_for_the_pause_and_the_backlog_follows_as_a_digest() {
    let mut channel = Channel::new(Parts::One);
    for _ in 0..2 {
        channel.push(ordinary(1, ""));
    }
    for _ in 0..5 {
        if channel.under_way.is_empty() {
            channel.now = channel.queue.next_deadline(channel.now).unwrap();
            channel.look();
        }
        channel.answer(again());
    }
    channel.sent.clear();
    channel.push(emergency(9, ""));
    assert_eq!(channel.sent, ["15 single 9"]);
    channel.taking_until(s(200));
    assert_eq!(channel.sent, ["15 single 9", "15 digest 1,1"]);
    assert_eq!(channel.became(9), ["delivered"]);
}

#[test]
fn shut_out_for_ten_minutes_everybody_is_told_at_once_and_the_group_hears_it_later() {
    let mut channel = Channel::new(Parts::One);
    channel.push(emergency(1, ""));
    let after = Some(Duration::from_secs(600));
    channel.answer(Verdict::Again { code: "130101".into(), text: "被限制".into(), after });
    channel.push(emergency(2, ""));
    assert_eq!((channel.became(1), channel.became(2)), (vec!["failed"], vec!["failed"]));
    assert_eq!(channel.queue.next_deadline(channel.now), Some(s(700)));
    channel.taking_until(s(800));
    assert_eq!(channel.sent, ["0 single 1", "600 digest 1,2"]);
    assert_eq!(channel.became.len(), 2);
}

#[test]
fn what_is_refused_is_told_and_holds_up_nobody() {
    let mut channel = Channel::new(Parts::One);
    channel.push(ordinary(1, ""));
    channel.push(ordinary(2, ""));
    channel.answer(Verdict::Refused { code: "93000".into(), text: "key".into() });
    channel.taking_until(s(100));
    assert_eq!(channel.sent, ["0 single 1", "0 single 2"]);
    assert_eq!((channel.became(1), channel.became(2)), (vec!["failed"], vec!["delivered"]));
}

#[test]
fn an_emergency_takes_a_mention_and_a_card_and_only_the_failed_one_is_repeated() {
    let mut channel = Channel::new(Parts::CardAndMention);
    channel.push(emergency(1, ""));
    channel.answer(Verdict::Taken);
    channel.answer(again());
    channel.taking_until(s(110));
    assert_eq!(channel.sent, ["0 single 1", "0 single 1 /1", "1 single 1 /1"]);
    assert_eq!(channel.became(1), ["delivered"]);
    channel.push(ordinary(2, ""));
    channel.push(Notice { recovered: true, ..emergency(3, "") });
    channel.taking_until(s(120));
    assert_eq!(channel.sent[3..], ["10 single 2", "10 single 3"]);
}

#[test]
fn one_bad_number_does_not_keep_the_message_from_the_others() {
    let mut channel = Channel::new(Parts::EachRecipient);
    channel.push(Notice { to: vec![person("wang"), person("li")], ..emergency(1, "") });
    channel.answer(Verdict::Refused { code: "bad".into(), text: "number".into() });
    channel.answer(Verdict::Taken);
    assert_eq!(channel.sent, ["0 single 1", "0 single 1 /1"]);
    assert_eq!(channel.became(1), ["failed"]);
}

#[test]
fn a_personal_message_is_not_sent_late() {
    let mut channel = Channel::new(Parts::EachRecipient);
    for ticket in 1..=60 {
        channel.push(Notice { to: vec![person(&format!("p{ticket}"))], ..emergency(ticket, "") });
        channel.taking_until(channel.now);
    }
    channel.taking_until(s(99 + 300));
    channel.now = s(100 + 300);
    channel.look();
    let told = channel.became.iter().filter(|(_, became)| *became == Became::Delivered).count();
    assert!(told >= 60, "18 a minute: {told}");
    // Failed for good after the second failure: the board decides whether it is told again.
    let mut channel = Channel::new(Parts::EachRecipient);
    channel.push(emergency(1, ""));
    channel.answer(again());
    channel.now = s(102);
    channel.look();
    channel.answer(again());
    assert_eq!(channel.became(1), ["failed"]);
    channel.taking_until(s(999));
    assert_eq!(channel.sent, ["0 single 1", "2 single 1"]);
}

#[test]
fn a_slow_answer_does_not_hold_up_emergencies() {
    let mut channel = Channel::new(Parts::One);
    channel.push(ordinary(1, ""));
    channel.push(ordinary(2, ""));
    channel.push(emergency(3, ""));
    channel.push(emergency(4, ""));
    channel.push(emergency(5, ""));
    assert_eq!(channel.sent, ["0 single 1", "0 single 3", "0 single 4"]);
}

#[test]
fn over_the_capacity_the_oldest_and_least_urgent_is_counted_and_told() {
    let mut channel = Channel::new(Parts::One);
    channel.push(emergency(0, ""));
    channel.answer(again());
    channel.now = s(101);
    channel.look();
    channel.answer(again());
    for ticket in 1..=600 {
        let notice = if ticket % 10 == 0 { emergency(ticket, "") } else { ordinary(ticket, "") };
        channel.queue.push(channel.now, notice);
    }
    channel.look();
    let full = |became: &Became| matches!(became, Became::Failed { code, .. } if code == "queue_full");
    let lost: Vec<u64> = channel.became.iter().filter(|(_, b)| full(b)).map(|(ticket, _)| *ticket).collect();
    assert_eq!(lost.len(), 101);
    assert!(lost.iter().all(|ticket| ticket % 10 != 0));
    channel.taking_until(s(900));
    assert!(channel.sent.iter().any(|sent| sent.ends_with("missed 101")), "{:?}", channel.sent);
}

#[test]
fn after_an_hour_only_the_number_is_left() {
    let mut channel = Channel::new(Parts::One);
    channel.push(emergency(1, ""));
    while channel.now < s(3_800) {
        if channel.under_way.pop_front().is_some_and(|number| {
            channel.queue.done(channel.now, number, again());
            true
        }) {
            channel.look();
            continue;
        }
        let Some(at) = channel.queue.next_deadline(channel.now) else { break };
        channel.now = at;
        channel.look();
    }
    channel.sent.clear();
    channel.push(ordinary(2, ""));
    channel.taking_until(s(9_000));
    assert!(channel.sent[0].ends_with("single 2 missed 1"), "{:?}", channel.sent);
    assert_eq!(channel.became(1), ["failed"]);
}

proptest! {
    /// Whatever comes and whatever is answered: the rate holds, every notice gets one result, and the queue
    /// comes to rest.
    #[test]
    fn every_notice_gets_one_result(
        parts in prop::sample::select(vec![Parts::One, Parts::CardAndMention, Parts::EachRecipient]),
        steps in prop::collection::vec((0..30_u64, 0..4_u8, 0..3_u8, 0..8_u8, any::<bool>()), 1..120),
    ) {
        let mut channel = Channel::new(parts);
        let mut times: Vec<Instant> = vec![];
        for (ticket, (wait, kind, building, answer, recovered)) in (1..).zip(&steps) {
            let priority = [Priority::Emergency, Priority::Emergency, Priority::Urgent, Priority::Advisory]
                [usize::from(*kind)];
            let building = ["", "3", "4"][usize::from(*building)];
            let notice = Notice { recovered: *recovered, ..notice(ticket, priority, building) };
            let before = channel.sent.len();
            channel.push(notice);
            times.extend(std::iter::repeat_n(channel.now, channel.sent.len() - before));
            if !channel.under_way.is_empty() {
                let before = channel.sent.len();
                channel.answer(match answer {
                    0..=3 => Verdict::Taken,
                    4 | 5 => again(),
                    6 => Verdict::Refused { code: "x".into(), text: "x".into() },
                    _ => Verdict::Again { code: "y".into(), text: "y".into(), after: Some(Duration::from_secs(90)) },
                });
                times.extend(std::iter::repeat_n(channel.now, channel.sent.len() - before));
            }
            let before = channel.sent.len();
            let next = channel.now + Duration::from_secs(*wait);
            if let Some(at) = channel.queue.next_deadline(channel.now).filter(|at| *at <= next) {
                channel.now = at.max(channel.now);
                channel.look();
            }
            times.extend(std::iter::repeat_n(channel.now, channel.sent.len() - before));
            channel.now = channel.now.max(next);
        }
        for (place, at) in times.iter().enumerate() {
            let within = times[..=place].iter().filter(|t| at.since(**t) < MINUTE.per).count();
            prop_assert!(within <= MINUTE.count, "{within} in a minute");
        }
        channel.taking_until(s(100_000));
        prop_assert_eq!(channel.queue.next_deadline(channel.now), None);
        let mut results: BTreeMap<u64, usize> = BTreeMap::new();
        for (ticket, _) in &channel.became {
            *results.entry(*ticket).or_default() += 1;
        }
        let wanted: BTreeSet<u64> = (1..).zip(&steps).map(|(ticket, _)| ticket).collect();
        prop_assert_eq!(results.keys().copied().collect::<BTreeSet<_>>(), wanted);
        prop_assert!(results.values().all(|count| *count == 1), "{:?}", results);
    }
}
