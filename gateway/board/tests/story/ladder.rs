//! Stories of the ladder: who is told outside the room, when, in which words, what stops it, and what a restart
//! does not repeat.

use shouwang_board::organisation::{Hours, Responder};
use shouwang_board::{CaseStep, Conclusion, Input, ListState, Notice, Outcome, Request};
use shouwang_message::*;

use crate::people::*;
use crate::world::*;

pub(crate) fn change(sequence: u64, change: AlarmChange, document: AlarmDocument) -> Event {
    event(sequence, EventData::Alarm(change, document.into()))
}

pub(crate) fn cleared(document: AlarmDocument) -> AlarmDocument {
    AlarmDocument { active: false, cleared_at: Some(wall(Instant::default())), ..document }
}

pub(crate) fn burning() -> World {
    let mut world = World::with(settings());
    world.event(&raised(1, placed(smoke(1))));
    world
}

impl World {
    /// What is being told since the last look, in a line each, and every channel takes it.
    pub(crate) fn tells(&mut self) -> Vec<String> {
        self.notices(true).iter().map(words).collect()
    }

    /// The same, and every channel fails.
    pub(crate) fn fails(&mut self) -> Vec<String> {
        self.notices(false).iter().map(words).collect()
    }

    /// The alarm's row.
    pub(crate) fn row(&self) -> serde_json::Value {
        self.rows().into_iter().find(|row| row["id"] == SMOKE).unwrap()
    }

    pub(crate) fn is_channel_failing(&self) -> bool {
        self.shown().iter().any(|row| row == "fault channel_failing r0 active")
    }

    pub(crate) fn deliveries(&self) -> Vec<String> {
        let case = self.board.case(SMOKE.parse().unwrap()).unwrap();
        let text =
            |delivery: &serde_json::Value, name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
        let line = |delivery: &serde_json::Value| {
            let (channel, to) = (text(delivery, "channel"), text(delivery, "to"));
            format!("{channel} {to} {} {}", text(delivery, "result"), delivery["seconds"])
        };
        case["deliveries"].as_array().unwrap().iter().map(line).collect()
    }
}

/// `1 sms desk-1: 火警 · 待确认`.
pub(crate) fn words(notice: &Notice) -> String {
    let to: Vec<_> = notice.to.iter().map(|to| to.person.as_str()).collect();
    let news = if notice.revision_words.is_empty() { "" } else { " / " };
    format!(
        "{} {} {}: {}{news}{}",
        notice.step,
        notice.channel,
        to.join(","),
        notice.title,
        notice.revision_words
    )
}

#[test]
fn an_emergency_that_nobody_acknowledges_climbs_to_the_top() {
    let mut world = burning();
    assert_eq!(world.tells(), ["0 robot wang: 火警 · 待确认", "0 platform wang: 火警 · 待确认"]);
    world.pass(29);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells(), ["1 sms desk-1: 火警 · 待确认", "1 sms desk-2: 火警 · 待确认"]);
    world.pass(30);
    assert_eq!(world.tells(), ["2 voice desk-1: 火警 · 待确认", "2 voice desk-2: 火警 · 待确认"]);
    world.pass(119);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells(), ["3 sms chen: 火警 · 待确认", "3 voice chen: 火警 · 待确认"]);
    world.pass(3_600);
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
}

#[test]
fn the_words_say_what_and_where_and_fit_into_one_sms() {
    let mut world = burning();
    world.pass(30);
    let sms = world.told.iter().find(|notice| notice.channel == id("sms")).unwrap();
    assert_eq!(sms.short, "【值班室】3号楼2单元402烟感报警,请回复1确认");
    let voice = {
        world.pass(30);
        world.told.iter().find(|notice| notice.channel == id("voice")).unwrap()
    };
    assert_eq!(voice.short, "【值班室】3号楼2单元402烟感报警,请确认");
    assert_eq!((voice.place.as_str(), voice.place_masked.as_str()), ("3号楼2单元402", "3号楼2单元402"));
    assert_eq!(voice.building.as_deref(), Some("3"));
    let lines: Vec<_> = voice.lines.iter().map(|(label, value)| format!("{label} {value}")).collect();
    assert_eq!(lines, ["时间 16:00:00", "事件 烟感报警", "网格 HP-07"]);
}

#[test]
fn long_words_are_cut_and_an_exercise_always_says_so() {
    for (mode, prefix) in
        [(Mode::Simulated, "【模拟】"), (Mode::Test, "【测试】"), (Mode::Drill, "【演练】"), (Mode::Live, "")]
    {
        let mut world = World::with(settings());
        let place =
            Place { name: Some("很长的小区名字".repeat(20) + "402室"), ..placed(smoke(1)).place };
        let text = Text::new("很长的报警文字".repeat(20), "x");
        world.event(&raised(1, AlarmDocument { mode, place, text, ..smoke(1) }));
        world.pass(200);
        world.give(Input::Armed { boards: 1 });
        world.event(&change(2, AlarmChange::Cleared, cleared(AlarmDocument { mode, ..placed(smoke(2)) })));
        assert!(world.told.len() > 8, "{:?}", world.told);
        for notice in &world.told {
            assert!(notice.title.starts_with(prefix), "{notice:?}");
            assert!(notice.short.starts_with(&format!("{prefix}【值班室】")), "{notice:?}");
            assert!(notice.short.encode_utf16().count() <= 70, "{notice:?}");
            assert!(notice.recovered || notice.short.contains("402室很长"), "{notice:?}");
        }
    }
}

#[test]
fn a_place_in_an_installers_own_words_stays_out_of_groups() {
    let mut world = World::with(settings());
    let place = Place { name: Some("王奶奶家".into()), ..placed(smoke(1)).place };
    world.event(&raised(1, AlarmDocument { place, ..smoke(1) }));
    let notice = &world.told[0];
    assert_eq!((notice.place.as_str(), notice.place_masked.as_str()), ("王奶奶家", "3号楼2单元402"));
}

#[test]
fn an_acknowledgement_stops_it_and_a_case_that_stands_still_is_urged() {
    let mut world = burning();
    world.tells();
    world.pass(20);
    let by = Some(Acknowledged { by: "desk-1".into(), at: wall(world.now) });
    world.event(&change(
        2,
        AlarmChange::Acknowledged,
        AlarmDocument { acknowledged: by, ..placed(smoke(2)) },
    ));
    world.pass(299);
    assert!(world.tells().is_empty());
    world.pass(1);
    let urged = "火警 · 催办 / desk-1某 已受理 · 催办";
    assert_eq!(world.tells(), [format!("2 voice desk-1: {urged}"), format!("2 voice desk-2: {urged}")]);
    assert_eq!(world.row()["acknowledged"]["by"], "desk-1", "the acknowledgement stays");
    assert_eq!(world.row()["escalation"]["urged"], true);
    // Somebody does something: that ends the urging, and begins five minutes anew.
    world.pass(60);
    world.case("desk-1", CaseStep::Dispatch { to: "wang某".into() }, "");
    world.case("desk-1", CaseStep::Receive { person: None }, "");
    assert_eq!(world.tells().len(), 1, "only who is sent is told");
    world.pass(299);
    assert!(world.tells().is_empty(), "{:?}", world.escalation());
    world.pass(1);
    assert_eq!(world.tells().len(), 2);
    world.pass(120);
    assert_eq!(world.tells().len(), 2, "as after 180 s");
    world.case("desk-1", CaseStep::Arrive { person: None }, "");
    world.pass(3_600);
    assert!(world.tells().is_empty(), "whoever is on site is not urged");
}

#[test]
fn a_second_cry_climbs_anew_and_says_that_it_is_the_second() {
    let mut world = burning();
    world.tells();
    world.ask(1, "desk-1", Request::Acknowledge);
    world.pass(100);
    let again = AlarmDocument { occurrence: 2, ..placed(smoke(3)) };
    world.event(&change(2, AlarmChange::Repeated, again));
    let told = world.tells();
    assert_eq!(told, ["0 robot wang: 火警 · 待确认 / 第2次", "0 platform wang: 火警 · 待确认 / 第2次"]);
    world.pass(30);
    assert_eq!(world.tells().len(), 2);
}

#[test]
fn recovery_is_told_wherever_the_alarm_was_told() {
    let mut world = burning();
    world.tells();
    world.pass(30);
    world.tells();
    world.event(&change(2, AlarmChange::Cleared, cleared(placed(smoke(2)))));
    let over = "火警 · 已恢复 / 已恢复 16:00";
    let all =
        ["0 robot wang", "0 platform wang", "1 sms desk-1", "1 sms desk-2"].map(|to| format!("{to}: {over}"));
    assert!(world.told.iter().all(|notice| notice.recovered));
    assert_eq!(world.tells(), all);
    // Still nobody has acknowledged: it goes on.
    world.pass(30);
    assert_eq!(world.tells()[0], "2 voice desk-1: 火警 · 待确认 / 已恢复 16:00");
    // It comes back without a new cry: told anew, though not more often than every five minutes.
    world.event(&change(3, AlarmChange::Raised, placed(smoke(3))));
    world.pass(200);
    world.tells();
    world.pass(40);
    assert_eq!(world.tells()[0], "0 robot wang: 火警 · 待确认");
}

#[test]
fn a_room_in_which_nobody_listens_takes_the_second_path_at_once() {
    let mut world = World::with(settings());
    world.give(Input::Armed { boards: 0 });
    world.pass(30);
    world.event(&raised(1, placed(smoke(1))));
    assert_eq!(world.tells().len(), 4, "both on duty have their SMS");
    world.pass(30);
    assert!(world.tells().is_empty(), "once is enough");
    world.pass(30);
    assert_eq!(world.tells().len(), 2);

    let mut world = burning();
    world.tells();
    world.give(Input::Armed { boards: 0 });
    world.pass(30);
    assert_eq!(world.tells().len(), 2);
}

#[test]
fn a_telling_that_fails_is_tried_once_more_and_then_the_next_step_does_not_wait() {
    let mut world = burning();
    world.tells();
    world.pass(30);
    assert_eq!(world.fails().len(), 2);
    world.pass(9);
    assert!(world.fails().is_empty());
    assert!(world.is_channel_failing());
    world.pass(1);
    let again = "火警 · 待确认 / 重发";
    assert_eq!(world.fails(), [format!("1 sms desk-1: {again}"), format!("1 sms desk-2: {again}")]);
    assert_eq!(world.tells(), ["2 voice desk-1: 火警 · 待确认", "2 voice desk-2: 火警 · 待确认"]);
    assert_eq!(world.deliveries()[2], "sms desk-1某 failed 0.0");
    // The channel works again: the fault is over.
    world.pass(140);
    assert_eq!(world.tells().len(), 2);
    assert!(!world.is_channel_failing());
}

#[test]
fn each_step_and_each_result_is_in_the_logbook_and_on_the_case() {
    let mut world = burning();
    world.pass(1);
    world.tells();
    world.pass(29);
    world.told.clear();
    assert_eq!(
        world.escalation(),
        [
            "escalation.step step 0, 0 s",
            "tell.step robot wang某: waiting",
            "tell.step platform wang某: waiting",
            "tell.step robot wang某: delivered 1.0 s",
            "tell.step platform wang某: delivered 1.0 s",
            "escalation.step step 1, 30 s",
            "tell.step sms desk-1某: waiting",
            "tell.step sms desk-2某: waiting",
        ]
    );
    assert_eq!(
        world.deliveries(),
        [
            "robot wang某 delivered 1.0",
            "platform wang某 delivered 1.0",
            "sms desk-1某 waiting null",
            "sms desk-2某 waiting null"
        ]
    );
    let about = world.log.iter().all(|line| line.about.as_deref() == Some(SMOKE));
    assert!(about, "{:?}", world.log);
}

#[test]
fn whom_the_gateway_texted_while_nobody_heard_it_stands_first() {
    let mut world = burning();
    world.tells();
    let texted = ["desk-1", "u-9"].map(|to| Texted { to: to.into(), at: wall(world.now) });
    let known = AlarmDocument { texted: texted.into(), ..placed(smoke(2)) };
    world.event(&change(2, AlarmChange::Repeated, known));
    assert_eq!(
        world.deliveries()[..2],
        ["gateway-sms desk-1某 delivered null", "gateway-sms u-9 delivered null"]
    );
}

/// The network took the text, and says an hour later, or at once, that the phone cannot be reached.
#[test]
fn a_text_that_its_network_gives_up_failed_and_is_tried_again() {
    let mut world = burning();
    world.tells();
    world.pass(30);
    let notices = world.notices(true);
    let lost = notices.iter().find(|notice| words(notice) == "1 sms desk-1: 火警 · 待确认").unwrap();
    let result = shouwang_board::DeliveryResult::Failed {
        code: "undelivered".into(),
        text: "关机".into(),
        at: wall(world.now),
    };
    assert!(
        !world.deliveries().iter().any(|delivery| delivery.contains("failed")),
        "{:?}",
        world.deliveries()
    );
    for _ in 0..2 {
        world.give(Input::Told { ticket: lost.ticket, result: result.clone() });
    }
    let failed =
        world.deliveries().iter().filter(|delivery| delivery.contains("sms desk-1某 failed")).count();
    assert_eq!(failed, 1, "{:?}", world.deliveries());
    assert!(!world.is_channel_failing(), "the channel did what it could");
    world.pass(20);
    assert_eq!(world.tells(), ["1 sms desk-1: 火警 · 待确认 / 重发"], "to the one phone once more");
}

#[test]
fn what_was_told_stays_with_the_closed_case() {
    let mut world = burning();
    world.tells();
    world.ask(1, "desk-1", Request::Acknowledge);
    let by = Some(Acknowledged { by: "desk-1".into(), at: wall(world.now) });
    let over = AlarmDocument { acknowledged: by, latched: false, ..cleared(placed(smoke(2))) };
    world.event(&change(2, AlarmChange::Finished, over));
    world.tells();
    let what = CaseStep::Close { conclusion: Some(Conclusion::FalseAlarm), of: None };
    let Outcome::CaseTaken { .. } = world.case("desk-1", what, "油烟") else { panic!("not closed") };
    assert!(world.rows().is_empty());
    assert_eq!(world.deliveries().len(), 4);
    assert!(!world.kept.keys().any(|key| key.starts_with("ladder/")), "{:?}", world.kept.keys());
    let kept = &world.kept[&format!("closed/{SMOKE}")];
    let case = shouwang_board::closed_case(kept).unwrap();
    assert_eq!(case["deliveries"].as_array().unwrap().len(), 4);
}

#[test]
fn a_shelved_alarm_does_not_climb() {
    let mut world = World::with(settings());
    let until = Timestamp::from_unix_ms(wall(world.now).unix_ms() + 3_600_000);
    let shelved = Some(Shelved { by: "u-7".into(), until, reason: "检修".into() });
    let level = AlarmDocument { class: Class::WaterLevel, ..placed(smoke(1)) };
    world.event(&raised(1, level.clone()));
    world.tells();
    world.pass(10);
    world.event(&change(2, AlarmChange::Shelved, AlarmDocument { revision: 2, shelved, ..level.clone() }));
    world.pass(3_600);
    assert!(world.tells().is_empty());
    world.event(&change(3, AlarmChange::Unshelved, AlarmDocument { revision: 3, ..level }));
    world.pass(19);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells().len(), 2, "it goes on where it stood");
}

#[test]
fn a_channel_that_complains_is_a_row_before_it_is_needed() {
    let mut world = World::with(settings());
    let trouble = |text: &str| Some(Text::new(text, text));
    let mut complain = |channel: &str, trouble: Option<Text>| {
        world.give(Input::Troubled { channel: id(channel), trouble });
        world.rows().iter().map(|row| row["text"]["zh"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(complain("sms", trouble("没有 SIM 卡")), ["外呼通道 sms:没有 SIM 卡"]);
    assert_eq!(complain("sms", trouble("信号弱")), ["外呼通道 sms:信号弱"]);
    assert_eq!(complain("unknown", trouble("信号弱")).len(), 1);
    assert_eq!(complain("sms", None), Vec::<String>::new());
}

#[test]
fn who_is_sent_and_does_not_answer_is_followed_by_the_next_one() {
    let mut world = burning();
    world.ask(1, "desk-1", Request::Acknowledge);
    world.tells();
    world.case("desk-1", CaseStep::Dispatch { to: "wang某".into() }, "");
    let sms = &world.told[0];
    assert_eq!(sms.short, "【值班室】3号楼2单元402烟感报警,请前往处置,收到请回复1");
    assert_eq!(sms.sent_as.as_deref(), Some("wang某"), "a way of their own goes with it");
    assert_eq!(world.tells(), ["0 sms wang: 火警 · 派单 / desk-1某 已受理"]);
    world.pass(119);
    assert!(world.tells().is_empty());
    world.pass(1);
    assert_eq!(world.tells(), ["0 sms li: 火警 · 派单 / desk-1某 已受理"]);
    let case = world.board.case(SMOKE.parse().unwrap()).unwrap();
    assert_eq!(case["dispatched"][1]["name"], "li某");
    assert_eq!(case["dispatched"][1]["by"], "duty-1");
    // Li has got it, says so by SMS; nobody else is sent.
    world.pass(60);
    world.give(Input::Replied { phone: "13800138001".into(), text: "1".into(), sent_at: None });
    let case = world.board.case(SMOKE.parse().unwrap()).unwrap();
    assert_eq!(case["dispatched"][1]["answered"]["by"], "li");
    world.pass(250);
    assert!(world.tells().is_empty());
}

#[test]
fn with_nobody_left_to_send_the_logbook_says_so() {
    let mut world = burning();
    world.ask(1, "desk-1", Request::Acknowledge);
    world.case("desk-1", CaseStep::Dispatch { to: "wang".into() }, "");
    world.pass(60);
    world.kill();
    world.pass(60);
    let case = world.board.case(SMOKE.parse().unwrap()).unwrap();
    assert_eq!(case["dispatched"].as_array().unwrap().len(), 2, "also over a restart");
    world.pass(120);
    assert!(world.escalation().iter().any(|line| line.starts_with("escalation.nobody_left")));
}

#[test]
fn an_urgent_alarm_has_its_own_steps_and_a_rise_begins_anew() {
    let mut world = World::with(settings());
    let low = AlarmDocument { class: Class::Gas, priority: Priority::Urgent, ..placed(smoke(1)) };
    world.event(&raised(1, low.clone()));
    assert_eq!(world.tells(), ["0 robot wang: 燃气报警 · 待确认"]);
    world.pass(100);
    world.event(&change(
        2,
        AlarmChange::Raised,
        AlarmDocument { priority: Priority::Emergency, revision: 2, ..low },
    ));
    assert_eq!(world.tells().len(), 2);
    world.pass(30);
    assert_eq!(world.tells().len(), 2);
}

#[test]
fn responders_are_named_by_class_grid_and_hour() {
    let mut settings = settings();
    let table = |grid: Option<&str>, classes: &[Class], hours: &str, who: &str| Responder {
        grid: grid.map(id),
        classes: classes.to_vec(),
        hours: hours.parse().unwrap(),
        persons: vec![id(who)],
    };
    settings.organisation.responders = vec![
        table(Some("hp-07"), &[Class::Smoke], "08:00-20:00", "wang"),
        table(Some("hp-07"), &[], "20:00-08:00", "li"),
        table(Some("hp-08"), &[], "00:00-24:00", "zhao"),
    ];
    let organisation = &settings.organisation;
    let who = |class, grid: &str, minute| -> Vec<&str> {
        organisation.responsible(class, Some(grid), minute).iter().map(|person| person.id.as_str()).collect()
    };
    assert_eq!(who(Class::Smoke, "HP-07", 12 * 60), ["wang"]);
    assert_eq!(who(Class::Smoke, "HP-07", 23 * 60), ["li"]);
    assert_eq!(who(Class::Smoke, "HP-08", 23 * 60), ["zhao"]);
    assert_eq!(who(Class::Smoke, "nowhere", 12 * 60), ["wang", "zhao"], "rather the wrong one than nobody");
    assert_eq!(Hours::always().edges().count(), 2);
}

#[test]
fn without_channels_nothing_is_told_and_nothing_kept() {
    let mut world = World::new();
    world.event(&raised(1, placed(smoke(1))));
    world.pass(3_600);
    assert!(world.told.is_empty());
    assert!(!world.kept.keys().any(|key| key.starts_with("ladder/")));
    assert_eq!(world.board.cases(ListState::Open)[0]["deliveries"].as_array().unwrap().len(), 0);
}
