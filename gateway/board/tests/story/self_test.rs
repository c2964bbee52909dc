//! A modem texts its own number once a week, and what does not come back is a fault before anybody needs it.
use shouwang_board::{DeliveryResult, Input, Settings};

use crate::people::*;
use crate::world::*;

const OWN: &str = "13800138099";
const HOUR: u64 = 3_600;
const WEEK: u64 = 7 * 24 * HOUR;
const FAULT: &str = "fault self_test_failed r0 active";

fn with_own_number() -> Settings {
    let mut settings = settings();
    settings.escalation.own_numbers = [(id("sms"), OWN.into())].into();
    settings
}

impl World {
    /// The text to itself, if one was sent since the last look; the network takes it.
    fn own_text(&mut self) -> Option<String> {
        let told = std::mem::take(&mut self.told);
        let notice = told.into_iter().find(|notice| notice.to[0].phone.as_deref() == Some(OWN))?;
        let at = wall(self.now);
        self.give(Input::Told { ticket: notice.ticket, result: DeliveryResult::Delivered { at } });
        Some(notice.short)
    }

    fn hears(&mut self, text: &str) {
        // As the network writes it.
        self.give(Input::Replied { phone: format!("+86{OWN}"), text: text.into(), sent_at: None });
    }
}

#[test]
fn a_text_that_comes_back_is_good_for_a_week() {
    let mut world = World::with(with_own_number());
    world.pass(299);
    assert_eq!(world.own_text(), None, "the modem looks for its network first");
    world.pass(1);
    let text = world.own_text().unwrap();
    assert!(text.starts_with("【测试】【值班室】短信自检 "), "{text}");
    world.pass(20);
    world.hears(&text);
    world.pass(WEEK - 1);
    assert_eq!((world.own_text(), world.shown()), (None, vec![]));
    world.pass(1);
    let second = world.own_text().unwrap();
    assert_ne!(second, text);
    // The one of last week, late, proves nothing.
    world.hears(&text);
    world.pass(600);
    assert_eq!(world.shown(), [FAULT]);
}

#[test]
fn what_does_not_come_back_is_a_fault_until_one_does() {
    let mut world = World::with(with_own_number());
    world.pass(300);
    world.own_text().unwrap();
    world.pass(599);
    assert!(world.shown().is_empty());
    world.pass(1);
    assert_eq!(world.shown(), [FAULT]);
    world.pass(HOUR - 1);
    assert_eq!(world.own_text(), None);
    world.pass(1);
    world.own_text().unwrap();
    world.pass(600 + HOUR);
    assert_eq!(world.shown(), [FAULT], "one row, however often it fails");
    let text = world.own_text().unwrap();
    world.hears(&text);
    assert!(world.shown().is_empty());
    let lines: Vec<_> = world.log.iter().filter(|line| line.what == "channel.self_test").collect();
    let words: Vec<_> = lines.iter().map(|line| line.new.as_deref().unwrap()).collect();
    let (sent, lost) = ("sms sent", "sms did not come back");
    assert_eq!(words, [sent, lost, sent, lost, sent, "sms came back"]);
}

#[test]
fn its_own_text_acknowledges_nothing_and_a_restart_forgets_no_week() {
    let mut world = World::with(with_own_number());
    world.event(&raised(1, placed(smoke(1))));
    world.pass(300);
    world.hears("1");
    assert!(world.rows()[0]["acknowledged"].is_null(), "a modem is nobody");
    let text = world.own_text().unwrap();
    world.hears(&text);
    world.pass(24 * HOUR);
    world.kill();
    world.pass(6 * 24 * HOUR - 1);
    assert_eq!(world.own_text(), None);
    world.pass(1);
    assert!(world.own_text().is_some());
}
