//! Stories of telling people outside the room.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#[path = "world/world.rs"]
mod world;

use shouwang_board::Input;
use world::*;

#[test]
fn an_answer_from_a_number_that_nobody_knows_is_a_line_of_the_logbook() {
    let mut world = World::new();
    world.give(Input::Replied { phone: "+8613800138000".into(), text: "1".into() });
    let said: Vec<_> = world.log.iter().map(|line| (line.what.as_str(), line.from.as_str())).collect();
    assert_eq!(said, [("sms.reply", "sms +86138****8000")]);
}
