//! Overlays hide and always end by themselves: shelved, out of service, test. None of them clears.
use shouwang_board::Request;
use shouwang_message::CommandName;

use crate::pin;
use crate::site::{Site, id};
use crate::stage::Stage;

/// A river over its warning line.
fn high_water() -> Stage {
    let mut stage = Stage::of(Site::new().river("level-1", 7));
    stage.level_mm("level-1", 3_310);
    let mut stage = stage.settle();
    stage.tape.is_off = true;
    stage.run(120.0);
    stage.tape.begin(stage.now);
    stage
}

/// The letter of the alarm of this condition.
fn letter(stage: &Stage, condition: &str) -> char {
    let retained = stage.retained("/alarm/");
    let topic = retained.iter().find(|document| document.contains(&format!("\"condition\":\"{condition}\"")));
    let topic = topic.unwrap_or_else(|| panic!("no alarm of {condition}"));
    let alarm = topic.split([' ', '/']).nth(5).and_then(|alarm| alarm.parse().ok());
    let alarm = alarm.unwrap_or_else(|| panic!("no id in {topic}"));
    ('A'..='Z').find(|letter| stage.tape.names.alarm(*letter) == Some(alarm)).unwrap_or('?')
}

#[test]
fn smoke_is_never_shelved() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12));
    stage.smoke("smoke-402", true);
    stage.run(1.0);
    stage.says("a command from elsewhere wants to shelve it");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm('A'));
    payload.until = Some(stage.in_minutes(30));
    payload.reason = Some("cooking".into());
    payload.second = Some("u-9".into());
    stage.commands(CommandName::Shelve, &payload);
    stage.run(1.0);
    pin!(stage);
}

#[test]
fn a_level_is_shelved_for_an_hour_by_one_and_comes_back_by_itself() {
    let mut stage = high_water();
    let warning = letter(&stage, "level_warning");
    stage.says("u-7 shelves the warning without a reason");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm(warning));
    payload.until = Some(stage.in_minutes(30));
    stage.commands(CommandName::Shelve, &payload);
    stage.run(1.0);
    stage.says("for two hours alone");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm(warning));
    payload.until = Some(stage.in_minutes(120));
    payload.reason = Some("sluice works".into());
    stage.commands(CommandName::Shelve, &payload);
    stage.run(1.0);
    stage.says("for two days with a second person");
    let mut payload = stage.payload("u-7");
    payload.alarm = Some(stage.alarm(warning));
    payload.until = Some(stage.in_minutes(2 * 24 * 60));
    payload.reason = Some("sluice works".into());
    payload.second = Some("u-9".into());
    stage.commands(CommandName::Shelve, &payload);
    stage.run(1.0);
    stage.says("for an hour alone, on the page");
    let until = stage.in_minutes(60);
    stage.asks_because("u-7", warning, Request::Shelve { until, second: None }, Some("sluice works"));
    stage.run(2.0);
    stage.says("an hour later");
    stage.run(3_600.0);
    pin!(stage);
}

#[test]
fn two_shelve_for_a_day_and_unshelve_before() {
    let mut stage = high_water();
    let warning = letter(&stage, "level_warning");
    stage.says("u-7 and u-9 shelve for 24 hours");
    let until = stage.in_minutes(24 * 60);
    let request = Request::Shelve { until, second: Some("u-9".into()) };
    stage.asks_because("u-7", warning, request, Some("sluice works"));
    stage.run(2.0);
    stage.says("the river rises over guarantee: that is another alarm, and loud");
    stage.level_mm("level-1", 3_900);
    stage.run(100.0);
    stage.says("u-9 takes the shelving back");
    stage.asks("u-9", warning, Request::Unshelve);
    stage.run(2.0);
    pin!(stage);
}

#[test]
fn out_of_service_is_shown_and_ends_by_itself() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("an installer takes 402 out of service for 10 min");
    let mut payload = stage.payload("u-3");
    payload.device = Some(id("smoke-402"));
    payload.until = Some(stage.in_minutes(10));
    payload.reason = Some("renovation".into());
    stage.commands(CommandName::OutOfService, &payload);
    stage.run(1.0);
    stage.says("smoke in 402 and in 403");
    stage.smoke("smoke-402", true);
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    stage.says("the 10 min are over, 402 still smokes");
    stage.run(600.0);
    pin!(stage);
}

#[test]
fn a_test_is_marked_and_masks_no_other_device() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("402 is put to test for 5 min; both are smoked at");
    let mut payload = stage.payload("u-3");
    payload.device = Some(id("smoke-402"));
    payload.until = Some(stage.in_minutes(5));
    stage.commands(CommandName::Test, &payload);
    stage.run(1.0);
    stage.smoke("smoke-402", true);
    stage.smoke("smoke-403", true);
    stage.run(2.0);
    stage.says("402 clears and the test is over");
    stage.smoke("smoke-402", false);
    stage.run(310.0);
    stage.says("then there is real smoke in 402, on the alarm that nobody reset");
    stage.smoke("smoke-402", true);
    stage.run(3.0);
    pin!(stage);
}

#[test]
fn what_still_smokes_when_the_test_ends_is_no_test() {
    let mut stage = Stage::settled(Site::new().smoke("smoke-402", 12).smoke("smoke-403", 13));
    stage.says("402 is put to test for 5 min and smoked at");
    let mut payload = stage.payload("u-3");
    payload.device = Some(id("smoke-402"));
    payload.until = Some(stage.in_minutes(5));
    stage.commands(CommandName::Test, &payload);
    stage.run(1.0);
    stage.smoke("smoke-402", true);
    stage.run(2.0);
    stage.acknowledges("u-3", 'A');
    stage.run(2.0);
    stage.says("the smoke stays until the test is over, and longer");
    stage.run(300.0);
    pin!(stage);
}
