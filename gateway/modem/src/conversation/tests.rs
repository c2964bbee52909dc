//! Stories on a virtual clock: a modem that is played line by line, and one that does anything.
use std::time::Duration;

use proptest::prelude::*;
use shouwang_message::Instant;

use super::*;

const ONE: &str = "00040D91683108108300F00000621122709000230131";

/// A conversation, its time, and a modem that answers by `answers`.
struct Desk {
    conversation: Conversation,
    now: Instant,
    written: Vec<String>,
    told: Vec<Event>,
    reopened: usize,
    /// First match of a command's beginning wins; an empty answer is silence.
    answers: Vec<(&'static str, &'static str)>,
}

const HEALTHY: [(&str, &str); 11] = [
    ("\u{1b}\rAT\r", "\r\nOK\r\n"),
    ("AT+CPIN?", "\r\n+CPIN: READY\r\n\r\nOK\r\n"),
    ("AT+CREG?", "\r\n+CREG: 0,1\r\n\r\nOK\r\n"),
    ("AT+CEREG?", "\r\n+CEREG: 0,0\r\n\r\nOK\r\n"),
    ("AT+CSQ", "\r\n+CSQ: 21,99\r\n\r\nOK\r\n"),
    ("AT+CMGS=", "\r\n> "),
    ("00", "\r\n+CMGS: 40\r\n\r\nOK\r\n"),
    ("ATD", "\r\nOK\r\n"),
    ("AT+CLCC", "\r\n+CLCC: 1,0,3,0,0,\"13800138000\",129\r\n\r\nOK\r\n"),
    ("AT+CHUP", "\r\nOK\r\n"),
    ("AT", "\r\nOK\r\n"),
];

impl Desk {
    fn new(differences: &[(&'static str, &'static str)]) -> Self {
        let now = Instant::from_micros(1_000_000);
        let answers = differences.iter().chain(&HEALTHY).copied().collect();
        let conversation = Conversation::new(now);
        let mut desk = Self { conversation, now, written: vec![], told: vec![], reopened: 0, answers };
        desk.conversation.opened(desk.now);
        desk.settle();
        desk
    }

    /// Plays the modem until nothing more is to be done now.
    fn settle(&mut self) {
        while let Some(output) = self.conversation.output() {
            match output {
                Output::Tell(event) => self.told.push(event),
                Output::Reopen => {
                    self.reopened += 1;
                    self.conversation.opened(self.now);
                }
                Output::Write(bytes) => {
                    let written = String::from_utf8(bytes).unwrap();
                    let answer = self.answers.iter().find(|(head, _)| written.starts_with(head));
                    let answer = answer.map_or("", |(_, answer)| answer);
                    self.written.push(written.trim().to_owned());
                    self.say(answer);
                }
            }
        }
    }

    fn say(&mut self, bytes: &str) {
        self.conversation.received(self.now, bytes.as_bytes());
        self.settle();
    }

    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while self.conversation.next_deadline() <= until {
            self.now = self.now.max(self.conversation.next_deadline());
            self.conversation.woke(self.now);
            self.settle();
        }
        self.now = until;
    }

    fn order(&mut self, id: u64, what: What) {
        self.order_to(id, "+8613800138000", what);
    }

    fn order_to(&mut self, id: u64, to: &str, what: What) {
        let to = to.parse().unwrap();
        self.conversation.order(self.now, Order { id: OrderId(id), to, what }).unwrap();
        self.settle();
    }

    fn text(&mut self, id: u64) {
        self.order(id, What::Text("请确认".into()));
    }

    fn took(&mut self) -> Vec<Event> {
        let mut told = std::mem::take(&mut self.told);
        told.retain(|event| !matches!(event, Event::Signal { .. }));
        told
    }

    fn count(&self, head: &str) -> usize {
        self.written.iter().filter(|written| written.starts_with(head)).count()
    }
}

fn sent(id: u64) -> Event {
    Event::Sent { id: OrderId(id) }
}

#[test]
fn a_modem_is_set_up_and_sends() {
    let mut desk = Desk::new(&[]);
    desk.pass(1);
    assert_eq!(desk.told, [Event::Signal { dbm: Some(-71) }, Event::Well]);
    let set_up = [
        "AT",
        "ATE0",
        "AT+CMEE=1",
        "AT+CPIN?",
        "AT+CMGF=0",
        "AT+CNMI=2,2,0,1",
        "AT+CREG?",
        "AT+CEREG?",
        "AT+CSQ",
    ];
    let written: Vec<&str> =
        desk.written.iter().map(|written| written.trim_start_matches("\u{1b}\r")).collect();
    assert_eq!(written, set_up);
    desk.written.clear();
    desk.took();
    desk.text(1);
    assert_eq!(desk.written, ["AT+CMGS=21", "0031000D91683108108300F00008AA068BF7786E8BA4\u{1a}"]);
    assert_eq!(desk.took(), [sent(1)]);
    desk.say("\r\n+CDS: 25\r\n0006280D91683108108300F0621122709000236211227090102300\r\n");
    assert_eq!(desk.took(), [Event::Delivered { id: OrderId(1) }]);
}

#[test]
fn without_reports_replies_are_still_heard() {
    let mut desk = Desk::new(&[("AT+CNMI=2,2,0,1", "\r\n+CMS ERROR: 303\r\n")]);
    desk.pass(1);
    desk.text(1);
    assert_eq!(desk.took(), [Event::Well, sent(1)]);
    assert!(desk.written.last().unwrap().starts_with("0011"), "no report is asked for");
    let mut deaf = Desk::new(&[("AT+CNMI", "\r\nERROR\r\n")]);
    deaf.pass(1);
    deaf.text(1);
    assert_eq!(deaf.took(), [Event::Troubled(Trouble::Deaf), sent(1)]);
}

#[test]
fn an_answer_arrives_in_the_middle_of_anything_and_once() {
    let mut desk = Desk::new(&[("00", "")]);
    desk.pass(1);
    desk.took();
    desk.text(1);
    desk.say(&format!("AT+CMGS=21\r\r\n+CMT: ,21\r\n{ONE}\r\n"));
    let received = desk.took();
    let [Event::Received { from, text, sent_at: Some(_) }] = &received[..] else { panic!("{received:?}") };
    assert_eq!((from.to_string().as_str(), text.as_str()), ("+8613800138000", "1"));
    desk.say("\r\n+CMGS: 7\r\n\r\nOK\r\n");
    assert_eq!(desk.took(), [sent(1)]);
    desk.say(&format!("\r\n+CMT: ,21\r\n{ONE}\r\n"));
    assert_eq!(desk.took(), [], "the network handed it over again");
}

#[test]
fn echo_late_prompts_and_noise_do_no_harm() {
    let mut desk = Desk::new(&[("AT+CMGS=", "AT+CMGS=21\r"), ("00", "")]);
    desk.pass(1);
    desk.took();
    desk.text(1);
    desk.pass(8);
    desk.say("\r\nRING\r\n\r\n+CREG: 1\r\nOK\r\n\u{fffd}\u{0}garbage");
    desk.say("\r\n> ");
    desk.say("0031000D91683108108300F00008AA068BF7786E8BA4\u{1a}\r\nOK?\r\n+CMGS: 12\r\n\r\nOK\r\n");
    assert_eq!(desk.took(), [sent(1)]);
    assert_eq!(desk.count("AT+CMGS="), 1);
}

#[test]
fn a_refused_text_is_tried_three_times_and_others_go_before() {
    let mut desk = Desk::new(&[("00", "\r\n+CMS ERROR: 500\r\n")]);
    desk.pass(1);
    desk.took();
    desk.text(1);
    desk.answers.remove(0);
    desk.text(2);
    assert_eq!(desk.took(), [sent(2)]);
    desk.pass(3);
    assert_eq!(desk.took(), [sent(1)]);
    desk.answers.insert(0, ("00", "\r\n+CMS ERROR: 500\r\n"));
    desk.written.clear();
    desk.text(3);
    desk.pass(14);
    let failed = Event::Failed { id: OrderId(3), why: Why::Refused("+CMS ERROR: 500".into()) };
    assert_eq!((desk.took(), desk.count("AT+CMGS=")), (vec![failed], 3));
}

#[test]
fn a_prompt_that_never_comes_is_cancelled_before_anything_else() {
    let mut desk = Desk::new(&[("AT+CMGS=", "")]);
    desk.pass(1);
    desk.took();
    desk.written.clear();
    desk.text(1);
    desk.pass(10);
    assert_eq!(&desk.written[..2], ["AT+CMGS=21", "\u{1b}\rAT"]);
    desk.answers.remove(0);
    desk.pass(10);
    assert_eq!(desk.took(), [sent(1)]);
}

#[test]
fn what_is_wrong_is_said_and_orders_do_not_wait_for_ever() {
    let stories: [(&'static str, &'static str, Trouble); 5] = [
        ("AT+CPIN?", "\r\n+CME ERROR: 10\r\n", Trouble::NoSim),
        ("AT+CPIN?", "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n", Trouble::PinWanted),
        ("AT+CMGF", "\r\nERROR\r\n", Trouble::NoPduMode),
        ("AT+CREG?", "\r\n+CREG: 0,2\r\n\r\nOK\r\n", Trouble::NotRegistered),
        ("", "", Trouble::Silent),
    ];
    for (command, answer, trouble) in stories {
        let mut desk = Desk::new(&[(command, answer)]);
        desk.text(1);
        desk.pass(29);
        assert_eq!(desk.took(), [Event::Troubled(trouble.clone())]);
        desk.pass(1);
        let why = Why::NotReady(Some(trouble), PATIENCE);
        assert_eq!(desk.took(), [Event::Failed { id: OrderId(1), why }]);
        desk.answers.remove(0);
        desk.pass(6);
        assert_eq!(desk.took(), [Event::Well]);
    }
}

#[test]
fn a_weak_signal_is_a_trouble_before_texts_fail_and_does_not_flutter() {
    let strength = |desk: &mut Desk, answer| {
        desk.answers.insert(0, ("AT+CSQ", answer));
        desk.pass(61);
        desk.took()
    };
    let mut desk = Desk::new(&[]);
    desk.pass(1);
    desk.took();
    let weak = "\r\n+CSQ: 5,99\r\n\r\nOK\r\n";
    assert_eq!([strength(&mut desk, weak), strength(&mut desk, weak)], [[], []]);
    assert_eq!(strength(&mut desk, weak), [Event::Troubled(Trouble::WeakSignal { dbm: -103 })]);
    assert_eq!(strength(&mut desk, "\r\n+CSQ: 9,99\r\n\r\nOK\r\n"), []);
    desk.text(1);
    assert_eq!(desk.took(), [sent(1)], "it is tried all the same");
    assert_eq!(strength(&mut desk, "\r\n+CSQ: 10,99\r\n\r\nOK\r\n"), [Event::Well]);
}

#[test]
fn a_port_that_goes_while_a_text_is_under_way_costs_a_pause_only() {
    let mut desk = Desk::new(&[("00", "")]);
    desk.pass(1);
    desk.took();
    desk.text(1);
    desk.conversation.closed(desk.now, "hung up");
    desk.settle();
    desk.pass(20);
    assert_eq!(desk.took(), [Event::Troubled(Trouble::Port("hung up".into()))]);
    desk.answers.remove(0);
    desk.conversation.opened(desk.now);
    desk.settle();
    desk.pass(1);
    assert_eq!(desk.took(), [Event::Well, sent(1)]);
}

#[test]
fn a_phone_rings_for_25_seconds() {
    let mut desk = Desk::new(&[]);
    desk.pass(1);
    desk.took();
    desk.order(1, What::Ring);
    desk.pass(24);
    assert_eq!((desk.took(), desk.count("ATD+8613800138000;")), (vec![], 1));
    desk.text(2);
    desk.pass(1);
    let rang = Event::Rang { id: OrderId(1), how: Rung::Unanswered };
    assert_eq!(desk.took(), [rang, sent(2)]);
    assert_eq!(desk.count("AT+CHUP"), 1);
}

/// Whoever gives the next text only when the one before has left is given the time for it.
#[test]
fn every_text_leaves_before_any_phone_rings() {
    let mut desk = Desk::new(&[]);
    desk.pass(1);
    desk.took();
    for person in 1..=4 {
        desk.text(person);
        desk.order_to(10 + person, &format!("1380013800{person}"), What::Ring);
        assert_eq!((desk.took(), desk.count("ATD")), (vec![sent(person)], 0));
        desk.pass(1);
    }
    desk.answers.insert(0, ("00", "\r\n+CMS ERROR: 500\r\n"));
    desk.text(5);
    desk.pass(12);
    assert_eq!((desk.took(), desk.count("ATD")), (vec![], 0), "nor while one waits for its next try");
    desk.answers.remove(0);
    desk.pass(4);
    assert_eq!((desk.took(), desk.count("ATD")), (vec![sent(5)], 1));
    desk.pass(4 * 26);
    assert_eq!(desk.count("ATD"), 4);
}

#[test]
fn a_text_does_not_wait_for_a_call_to_end_and_calls_leave_it_room() {
    let mut desk = Desk::new(&[]);
    desk.pass(1);
    desk.took();
    let id = |id| OrderId(id);
    for n in 0..40 {
        desk.order_to(n, &format!("138001380{n:02}"), What::Ring);
    }
    desk.order_to(40, "+86 138 0013 8003", What::Ring);
    let told = desk.took();
    assert_eq!(
        told.first(),
        Some(&Event::Failed { id: id(17), why: Why::TooManyRings }),
        "one rings, 16 wait"
    );
    assert_eq!(told.last(), Some(&Event::Failed { id: id(40), why: Why::RingsAlready }));
    desk.pass(3);
    desk.text(99);
    desk.pass(6);
    assert_eq!(desk.took(), [], "it rings long enough to wake somebody");
    desk.pass(2);
    assert_eq!(desk.took(), [Event::Rang { id: id(0), how: Rung::Unanswered }, sent(99)]);
}

#[test]
fn how_a_call_ended_is_said_as_far_as_it_is_known() {
    let ring = |differences: &[(&'static str, &'static str)], unasked: &str| {
        let mut desk = Desk::new(differences);
        desk.pass(1);
        desk.took();
        desk.order(1, What::Ring);
        desk.pass(5);
        desk.say(unasked);
        desk.pass(25);
        desk.took()
    };
    let rang = |how| vec![Event::Rang { id: OrderId(1), how }];
    let not_reached =
        |words: &str| vec![Event::Failed { id: OrderId(1), why: Why::NotReached(words.into()) }];
    let answered = ("AT+CLCC", "\r\n+CLCC: 1,0,0,0,0\r\n\r\nOK\r\n");
    assert_eq!(ring(&[answered], ""), rang(Rung::Answered));
    assert_eq!(ring(&[("AT+CLCC", "\r\nERROR\r\n"), ("AT+CHUP", "\r\nERROR\r\n")], ""), rang(Rung::Unknown));
    assert_eq!(ring(&[("ATD", "\r\nBUSY\r\n")], ""), not_reached("BUSY"));
    let dials = ("AT+CLCC", "\r\n+CLCC: 1,0,2,0,0\r\n\r\nOK\r\n");
    assert_eq!(ring(&[dials], "\r\nNO CARRIER\r\n"), not_reached("NO CARRIER"));
    assert_eq!(ring(&[], "\r\nBUSY\r\n"), rang(Rung::Unanswered));
    assert_eq!(ring(&[("AT+CLCC", "\r\nOK\r\n")], ""), not_reached("NO CARRIER"));
}

#[test]
fn too_much_is_refused() {
    let mut desk = Desk::new(&[("", "")]);
    let order = |id| Order { id: OrderId(id), to: "10086".parse().unwrap(), what: What::Text("长".into()) };
    for id in 0..ORDERS_MOST as u64 {
        desk.conversation.order(desk.now, order(id)).unwrap();
    }
    assert_eq!(desk.conversation.order(desk.now, order(99)), Err(order(99)));
    let mut desk = Desk::new(&[]);
    desk.order(1, What::Text("长".repeat(600)));
    desk.pass(1);
    assert_eq!(desk.took(), [Event::Well, Event::Failed { id: OrderId(1), why: Why::TooLong }]);
}

/// What a modem may say, whatever it was asked.
fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(HEALTHY.map(|(_, answer)| answer).to_vec()).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\r\nERROR\r\n", "\r\n+CMS ERROR: 500\r\n", "\r\nNO CARRIER\r\n", "> ", "\r\n+CMT: ,21\r\n", "\r\n+CDS: 3\r\n"])
            .prop_map(str::to_owned),
        1 => Just(format!("\r\n+CMT: ,21\r\n{ONE}\r\n")),
        1 => "\\PC{0,20}",
        1 => Just(String::new()),
    ]
}

proptest! {
    #[test]
    fn every_order_ends_once_whatever_the_modem_does(
        turns in prop::collection::vec((0_u64..20, anything(), 0_u8..12), 0..60)
    ) {
        let mut desk = Desk::new(&[]);
        let mut ordered = 0;
        for (seconds, said, act) in turns {
            match act {
                0 => desk.text(ordered),
                1 => desk.order(ordered, What::Ring),
                2 => desk.answers.insert(0, ("", "")),
                3 => desk.answers.truncate(HEALTHY.len()),
                4 => desk.conversation.closed(desk.now, "gone"),
                5 => desk.conversation.opened(desk.now),
                _ => {}
            }
            ordered += u64::from(act < 2);
            desk.settle();
            desk.say(&said);
            desk.pass(seconds);
        }
        desk.pass(3600);
        for id in 0..ordered {
            let ends = desk.told.iter().filter(|event| match event {
                Event::Sent { id: ended } | Event::Failed { id: ended, .. } | Event::Rang { id: ended, .. } => ended.0 == id,
                _ => false,
            });
            prop_assert_eq!(ends.count(), 1, "order {}", id);
        }
    }

    #[test]
    fn any_bytes_at_any_time_are_survived(turns in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), 0_u64..3), 0..40)) {
        let mut desk = Desk::new(&[]);
        desk.text(1);
        for (bytes, seconds) in turns {
            desk.conversation.received(desk.now, &bytes);
            desk.settle();
            desk.pass(seconds);
        }
        desk.pass(600);
        prop_assert!(desk.conversation.is_ready());
    }
}
