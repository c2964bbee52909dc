//! The box texts people itself, when no duty room hears.
use shouwang_core::input::{Input, ModemTrouble};
use shouwang_message::{Class, Clock, CommandName, Text, Timestamp};

use crate::pin;
use crate::site::Site;
use crate::stage::{SECOND, Stage};

fn site() -> Site {
    Site::new().smoke("402", 12).smoke("403", 13).phone("u-7", 30, &[]).phone("u-8", 180, &[])
}

/// Nobody hears, from now on.
fn deaf(site: Site) -> Stage {
    let mut stage = Stage::settled(site);
    stage.link_duty_room(false);
    stage
}

/// What this phone got.
fn got(stage: &Stage, phone: usize) -> Vec<&str> {
    let texts = stage.modem.sent.iter().filter(|(_, to, _)| *to == phone);
    texts.map(|(_, _, words)| words.as_str()).collect()
}

fn answers(stage: &mut Stage, phone: usize, words: &str, sent_at: Option<Timestamp>) {
    stage.give(Input::TextReceived { phone, words: words.into(), sent_at });
}

#[test]
fn smoke_that_no_duty_room_hears_is_texted_and_the_answer_acknowledges() {
    let mut stage = Stage::settled(site());
    stage.says("the duty room is away; smoke");
    stage.link_duty_room(false);
    stage.smoke("402", true);
    stage.run(29.0);
    assert!(stage.modem.sent.is_empty(), "it has half a minute to hear it");
    stage.run(6.0);
    assert_eq!(got(&stage, 0).len(), 1);
    assert!(got(&stage, 1).is_empty(), "the second waits for three minutes");
    stage.says("u-7 answers 1");
    let now = stage.duty_room_wall();
    answers(&mut stage, 0, "1", Some(now));
    stage.run(300.0);
    assert_eq!(stage.modem.sent.len(), 1, "once, and nobody else once somebody has answered");
    stage.says("the smoke is gone");
    stage.smoke("402", false);
    stage.run(20.0);
    stage.says("the duty room is back, and learns all of it");
    stage.link_duty_room(true);
    stage.run(10.0);
    assert_eq!(got(&stage, 0)[1..], ["【守望网关】3号楼402烟感报警已恢复15:05"]);
    pin!(stage);
}

#[test]
fn what_a_duty_room_hears_is_its_own_to_tell() {
    let mut stage = Stage::settled(site());
    stage.smoke("402", true);
    stage.run(600.0);
    stage.link_duty_room(false);
    stage.run(600.0);
    assert!(stage.modem.sent.is_empty(), "it was heard");
    stage.says("smoke next door, and the duty room is back after 25 s");
    stage.smoke("403", true);
    stage.run(25.0);
    stage.link_duty_room(true);
    stage.run(600.0);
    assert!(stage.modem.sent.is_empty());
}

#[test]
fn after_three_minutes_the_next_person_is_told_and_each_hears_of_its_end() {
    let mut stage = deaf(site());
    stage.smoke("402", true);
    stage.run(179.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (1, 0));
    stage.run(10.0);
    assert_eq!(got(&stage, 1).len(), 1);
    stage.smoke("402", false);
    stage.run(20.0);
    for phone in [0, 1] {
        assert!(got(&stage, phone)[1].contains("已恢复"), "{:?}", got(&stage, phone));
    }
    stage.run(600.0);
    assert_eq!(stage.modem.sent.len(), 4);
}

#[test]
fn a_further_cry_is_told_and_a_flapping_detector_is_no_storm() {
    let mut stage = deaf(site());
    stage.smoke("402", true);
    stage.run(40.0);
    for _ in 0..30 {
        stage.smoke("402", false);
        stage.run(11.0);
        stage.smoke("402", true);
        stage.run(9.0);
    }
    let texts = got(&stage, 0);
    let again = texts.iter().filter(|words| words.contains("(第")).count();
    assert!((6..=11).contains(&again), "10 minutes of flapping: {texts:#?}");
    assert!(texts.len() <= 25, "{texts:#?}");
}

#[test]
fn a_flood_is_counted_and_named_as_far_as_it_fits() {
    let names: Vec<String> = (0..20).map(|n| format!("{}", 401 + n)).collect();
    let site = names.iter().zip(20..).fold(Site::new(), |site, (name, unit_id)| site.smoke(name, unit_id));
    let mut stage = deaf(site.phone("u-7", 30, &[]));
    stage.smoke("401", true);
    stage.run(2.0);
    for name in &names {
        stage.smoke(name, true);
    }
    stage.run(120.0);
    let texts = got(&stage, 0);
    assert_eq!(texts.len(), 2, "the first at once, the rest of the building together: {texts:#?}");
    assert!(texts[0].contains("401烟感报警") && texts[1].contains("紧急报警19起"), "{texts:#?}");
    let now = stage.duty_room_wall();
    answers(&mut stage, 0, "1", Some(now));
    stage.run(2.0);
    let transcript = stage.finish();
    let acknowledged = transcript.matches("alarm.acknowledged").count();
    assert!((2..=4).contains(&acknowledged), "what the last text named, and no more: {acknowledged}");
}

#[test]
fn further_alarms_of_one_building_join_one_text_and_another_building_does_not_wait() {
    let site = Site::new().smoke("402", 12).smoke("403", 13).smoke("404", 14).smoke("away", 15).building("9");
    let mut stage = deaf(site.phone("u-7", 30, &[]));
    for name in ["402", "403", "404", "away"] {
        stage.smoke(name, true);
        stage.run(6.0);
    }
    stage.run(60.0);
    let texts = got(&stage, 0);
    assert_eq!(texts.len(), 3, "{texts:#?}");
    assert!(texts[0].contains("402") && texts[1].contains("away") && texts[2].contains("2起"), "{texts:#?}");
}

#[test]
fn everybody_is_told_of_their_own_classes_only() {
    let site = Site::new().smoke("402", 12).call("call-402", 14);
    let mut stage = deaf(site.phone("fire", 30, &[Class::Smoke]).phone("care", 30, &[Class::Call]));
    stage.press("call-402");
    stage.run(40.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (0, 1));
    stage.smoke("402", true);
    stage.run(40.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (1, 1));
}

#[test]
fn only_a_plain_1_after_the_text_acknowledges() {
    let mut stage = deaf(site());
    answers(&mut stage, 0, "1", None);
    stage.smoke("402", true);
    stage.run(40.0);
    let now = stage.duty_room_wall();
    let before = Timestamp::from_unix_ms(now.unix_ms() - 600_000);
    answers(&mut stage, 0, "收到,马上去", Some(now));
    answers(&mut stage, 0, "1", Some(before));
    answers(&mut stage, 1, "1", Some(now));
    answers(&mut stage, 9, "1", Some(now));
    stage.run(2.0);
    let retained = stage.retained("/alarm/").concat();
    assert!(retained.contains(r#""acknowledged":null"#), "{retained}");
    stage.says("a clock that nobody trusts judges no answer");
    stage.set_clock(-365 * 86_400_000, Clock::Unset);
    answers(&mut stage, 0, "\u{ff11} ", Some(before));
    stage.run(2.0);
    let transcript = stage.finish();
    assert_eq!(transcript.matches("alarm.acknowledged").count(), 1, "{transcript}");
}

#[test]
fn a_restart_tells_nothing_twice_and_forgets_nobody() {
    let mut stage = deaf(site());
    stage.smoke("402", true);
    stage.run(40.0);
    assert_eq!(stage.modem.sent.len(), 1);
    stage.restart();
    stage.run(100.0);
    assert_eq!(stage.modem.sent.len(), 1, "u-7 knows");
    stage.run(60.0);
    assert_eq!(got(&stage, 1).len(), 1, "u-8's three minutes go on counting");
    stage.restart();
    let now = stage.duty_room_wall();
    answers(&mut stage, 0, "1", Some(now));
    stage.smoke("402", false);
    stage.run(30.0);
    assert_eq!(stage.modem.sent.len(), 4, "both are told of the end: {:#?}", stage.modem.sent);
    let transcript = stage.finish();
    assert!(transcript.contains("alarm.acknowledged"), "{transcript}");
}

#[test]
fn a_modem_that_cannot_send_is_a_fault_and_tells_everything_once_it_can() {
    let mut stage = deaf(site());
    stage.modem.works = false;
    let text = Text::new("短信模块没有登记", "the modem is not registered");
    stage.give(Input::ModemFound { trouble: Some(ModemTrouble { text, sends: false }) });
    stage.smoke("402", true);
    stage.run(55.0);
    stage.smoke("403", true);
    stage.run(300.0);
    assert!(stage.modem.sent.is_empty());
    stage.modem.works = true;
    stage.give(Input::ModemFound { trouble: None });
    stage.run(200.0);
    for phone in [0, 1] {
        let texts = got(&stage, phone).concat();
        assert!(texts.contains("402") && texts.contains("403"), "{texts}");
    }
    stage.link_duty_room(true);
    stage.run(10.0);
    let transcript = stage.finish();
    let fault = "gw-0007 sms, urgent, the modem is not registered";
    assert!(
        transcript.contains(&format!("fault.raised D {fault}")) || transcript.contains(fault),
        "{transcript}"
    );
    assert!(transcript.matches(fault).count() >= 2, "raised and cleared:\n{transcript}");
}

#[test]
fn a_network_that_refuses_one_phone_is_a_fault_and_keeps_nobody_else_waiting() {
    let mut stage = deaf(Site::new().smoke("402", 12).phone("u-7", 30, &[]).phone("u-8", 30, &[]));
    stage.modem.refuses = Some(0);
    stage.smoke("402", true);
    stage.run(75.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (0, 1), "u-8 is told meanwhile");
    stage.run(200.0);
    stage.modem.refuses = None;
    stage.run(70.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (1, 1), "and u-7 as soon as it goes");
    let transcript = stage.finish();
    let tries = transcript.matches("to u-7:").count();
    assert!((3..=5).contains(&tries), "once in a minute and a half: {tries}");
    let fault = "gw-0007 sms, urgent, The gateway's texts do not reach u-7: there is no network";
    assert_eq!(transcript.matches(fault).count(), 2, "raised and cleared:\n{transcript}");
}

#[test]
fn quiet_is_for_the_siren_and_not_for_the_phones() {
    let mut stage = deaf(Site::new().smoke("402", 12).siren("siren-1", 20).phone("u-7", 60, &[]));
    stage.smoke("402", true);
    stage.run(32.0);
    let siren = |stage: &mut Stage| stage.device("siren-1").get(modbus_wire::Table::Coil, 0) != 0;
    assert!(siren(&mut stage));
    stage.give(Input::QuietWanted);
    stage.run(2.0);
    assert!(!siren(&mut stage));
    stage.run(40.0);
    assert_eq!(got(&stage, 0).len(), 1, "nobody has acknowledged anything");
}

#[test]
fn a_disk_that_hangs_does_not_keep_the_phone_quiet() {
    let mut stage = deaf(site());
    stage.set_disk(crate::stage::Disk::Hangs);
    stage.smoke("402", true);
    stage.run(40.0);
    assert_eq!(got(&stage, 0).len(), 1);
    let first = stage.modem.sent[0].0;
    assert!(first <= 60 * SECOND, "{first}");
}

/// Two alarms far apart, both told to both; the second is over before the first person answers.
#[test]
fn a_late_1_never_answers_an_older_alarm_than_the_last_text_named() {
    let site = Site::new().smoke("402", 12).smoke("away", 15).building("9");
    let mut stage = deaf(site.phone("u-7", 30, &[]).phone("u-8", 30, &[]));
    stage.smoke("402", true);
    stage.run(60.0);
    stage.smoke("away", true);
    stage.run(60.0);
    assert_eq!((got(&stage, 0).len(), got(&stage, 1).len()), (2, 2), "{:?}", stage.modem.sent);
    answers(&mut stage, 1, "1", None);
    stage.smoke("away", false);
    stage.run(30.0);
    let mut payload = stage.payload("u-8");
    payload.alarm = Some(stage.alarm('B'));
    stage.commands(CommandName::Reset, &payload);
    stage.run(60.0);
    stage.restart();
    stage.run(10.0);
    answers(&mut stage, 0, "1", None);
    stage.run(2.0);
    let retained = stage.retained("/alarm/").concat();
    assert!(retained.contains(r#""acknowledged":null"#), "smoke in 402 is nobody's yet: {retained}");
    let transcript = stage.finish();
    assert_eq!(transcript.matches("alarm.acknowledged").count(), 1, "{transcript}");
    assert!(transcript.contains("unknown_alarm"), "{transcript}");
}

#[test]
fn the_last_text_is_the_one_that_left_last_whatever_the_clock_says() {
    let site = Site::new().smoke("402", 12).smoke("away", 15).building("9");
    let mut stage = deaf(site.phone("u-7", 30, &[]));
    stage.smoke("402", true);
    stage.run(60.0);
    stage.set_clock(-3_600_000, Clock::Synced);
    stage.smoke("away", true);
    stage.run(60.0);
    let now = Timestamp::from_unix_ms(stage.duty_room_wall().unix_ms() - 3_600_000);
    answers(&mut stage, 0, "1", Some(now));
    stage.run(2.0);
    for alarm in stage.retained("/alarm/") {
        let is_open = alarm.contains(r#""acknowledged":null"#);
        assert_eq!(is_open, alarm.contains(r#""device":"402""#), "{alarm}");
    }
}

#[test]
fn a_dead_card_is_told_while_weak_signal_is_a_fault_and_so_is_its_end() {
    let mut stage = deaf(site());
    let weak = Text::new("短信模块信号弱", "the signal is weak");
    let card = Text::new("短信模块读不到 SIM 卡", "there is no SIM card");
    let trouble = |text: &Text, sends| Some(ModemTrouble { text: text.clone(), sends });
    stage.give(Input::ModemFound { trouble: trouble(&weak, true) });
    stage.run(100.0);
    stage.give(Input::ModemFound { trouble: trouble(&card, false) });
    stage.run(100.0);
    stage.give(Input::ModemFound { trouble: trouble(&weak, true) });
    stage.run(100.0);
    stage.give(Input::ModemFound { trouble: None });
    stage.run(5.0);
    stage.link_duty_room(true);
    stage.run(10.0);
    let transcript = stage.finish();
    let told = |words: &str| transcript.matches(words).count();
    assert_eq!(told("gw-0007 sms, ordinary, the signal is weak"), 4, "twice, with its end: {transcript}");
    assert_eq!(told("gw-0007 sms, urgent, there is no SIM card"), 2, "{transcript}");
}

/// The broker is there, and no duty room: what is retained says at once whom the box has texted.
#[test]
fn whom_the_box_texted_is_told_at_once_and_is_a_change_of_its_own() {
    let mut stage = deaf(site());
    stage.smoke("402", true);
    stage.run(20.0);
    let before = stage.retained("/alarm/").concat();
    assert!(before.contains(r#""revision":1"#) && !before.contains("texted"), "{before}");
    stage.run(20.0);
    let told = stage.retained("/alarm/").concat();
    assert!(told.contains(r#""revision":2"#) && told.contains(r#""texted":[{"to":"u-7""#), "{told}");
    stage.restart();
    stage.run(5.0);
    assert_eq!(stage.retained("/alarm/").concat(), told, "one revision has one content");
    stage.link_duty_room(true);
    stage.run(10.0);
    let list = stage.board_items();
    assert!(list.contains(r#""provisional":false"#) && !list.contains(r#""provisional":true"#), "{list}");
}

#[test]
fn a_text_that_the_network_gives_up_is_told_and_tried_again_a_few_times() {
    let mut stage = deaf(Site::new().smoke("402", 12).phone("u-7", 30, &[]).phone("u-8", 30, &[]));
    stage.modem.cannot_deliver = Some(0);
    stage.smoke("402", true);
    stage.run(60.0);
    let told = stage.retained("/alarm/").concat();
    assert!(told.contains("u-8") && !told.contains("u-7"), "u-7 was not told: {told}");
    answers(&mut stage, 0, "1", None);
    stage.run(600.0);
    stage.link_duty_room(true);
    stage.run(10.0);
    let retained = stage.retained("/alarm/").concat();
    assert!(retained.contains(r#""acknowledged":null"#), "nobody has seen it: {retained}");
    let transcript = stage.finish();
    assert_eq!(transcript.matches("to u-7:").count(), 3, "{transcript}");
    let fault = "gw-0007 sms, urgent, The gateway's texts do not reach u-7: it is switched off";
    assert!(transcript.contains(fault), "{transcript}");
}

/// 20 phones and a new building every minute: after ten of them an operator has had enough of us for an hour.
#[test]
fn an_emergency_that_waits_for_room_is_a_fault() {
    let site = (0..12_u8).fold(Site::new(), |site, n| {
        site.smoke(&format!("{}", 401 + u32::from(n)), 20 + n).building(&format!("{n}"))
    });
    let mut stage = deaf((0..20).fold(site, |site, n| site.phone(&format!("u-{n}"), 30, &[])));
    for n in 0..12 {
        stage.smoke(&format!("{}", 401 + n), true);
        stage.run(65.0);
    }
    assert_eq!(stage.modem.sent.len(), 200);
    stage.link_duty_room(true);
    stage.run(10.0);
    let transcript = stage.finish();
    assert!(transcript.contains("gw-0007 sms, urgent, The gateway has sent as many texts"), "{transcript}");
}
