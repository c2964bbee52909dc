//! Stories of answers by text: what the digit 1 from a pocket acknowledges, and what it does not.
use shouwang_board::{Input, Request};
use shouwang_message::*;

use crate::ladder::*;
use crate::people::*;
use crate::world::*;

#[test]
fn an_answer_by_sms_acknowledges_as_that_person() {
    let mut world = burning();
    world.pass(30);
    world.tells();
    world.give(Input::Replied { phone: "+8613800138004".into(), text: " 1\r\n".into(), sent_at: None });
    assert_eq!(world.row()["acknowledged"]["by"], "desk-2");
    assert_eq!(world.commands.last().unwrap().1.by, "desk-2");
    let line = world.log.iter().find(|line| line.what == "alarm.acknowledge").unwrap();
    assert_eq!((line.by.as_str(), line.from.as_str()), ("desk-2", "sms +86138****8004"));
    world.pass(60);
    assert!(world.tells().is_empty());
}

#[test]
fn every_other_answer_by_sms_is_a_line_of_the_logbook() {
    let mut world = burning();
    world.pass(30);
    world.tells();
    let mut reply = |phone: &str, text: &str| {
        world.give(Input::Replied { phone: phone.into(), text: text.into(), sent_at: None });
        let line = world.log.iter().rfind(|line| line.what == "sms.reply").unwrap();
        format!("{} {} {}", line.by, line.new.as_deref().unwrap(), line.note.as_deref().unwrap())
    };
    assert_eq!(reply("13800138003", "好的"), "desk-1 no answer that is understood 好的");
    assert_eq!(reply("13900139000", "1"), "139****9000 unknown number 1");
    assert_eq!(reply("13800138002", "1"), "zhao nothing was told to this number 1");
    assert!(world.row()["acknowledged"].is_null());
}

#[test]
fn an_answer_to_the_first_cry_does_not_acknowledge_the_second() {
    let mut world = burning();
    world.pass(30);
    world.tells();
    world.ask(1, "desk-1", Request::Acknowledge);
    let again = AlarmDocument { occurrence: 2, ..placed(smoke(3)) };
    world.event(&change(2, AlarmChange::Repeated, again));
    world.give(Input::Replied { phone: "13800138004".into(), text: "1".into(), sent_at: None });
    assert!(world.row()["acknowledged"].is_null());
    assert_eq!(world.log.last().unwrap().new.as_deref(), Some("newer_cry"));
}

#[test]
fn an_answer_that_was_late_does_not_acknowledge_what_came_after_it() {
    let mut world = burning();
    world.pass(30);
    world.tells();
    let answered_at = Some(wall(world.now));
    world.pass(600);
    let other = AlarmDocument { id: "01KANEXAMP0000000000000002".parse().unwrap(), ..placed(smoke(1)) };
    world.event(&raised(2, other));
    world.pass(30);
    world.give(Input::Replied { phone: "13800138004".into(), text: "1".into(), sent_at: answered_at });
    let by = |row: &serde_json::Value| row["acknowledged"]["by"].as_str().map(str::to_owned);
    let rows = world.rows();
    let of = |id: &str| rows.iter().find(|row| row["id"] == id).and_then(by);
    assert_eq!((of(SMOKE), of("01KANEXAMP0000000000000002")), (Some("desk-2".into()), None));
    let long_ago = Some(Timestamp::from_unix_ms(1_700_000_000_000));
    world.give(Input::Replied { phone: "13800138004".into(), text: "1".into(), sent_at: long_ago });
    assert_eq!(world.log.last().unwrap().new.as_deref(), Some("nothing was told to this number"));
}
