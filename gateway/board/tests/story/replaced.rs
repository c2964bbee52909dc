//! Another unit in a device's place: the logbook has both numbers.
use shouwang_message::*;

use crate::world::*;

#[test]
fn a_replaced_unit_is_a_line_of_the_logbook_and_a_plain_reload_is_none() {
    let mut world = World::new();
    let record = |reason: Option<&str>| {
        EventData::Command(CommandRecord {
            name: CommandName::Reload,
            txn: "local-1".into(),
            by: "local".into(),
            at: wall(Instant::default()),
            ok: true,
            code: None,
            reason: reason.map(Into::into),
        })
    };
    world.event(&event(1, record(None)));
    world.event(&event(2, record(Some("a -> b"))));
    assert!(world.log.iter().all(|line| line.what != "device.replaced"), "the gateway's own reloads");
    world.event(&Event { subject: "smoke-3-2-402".into(), ..event(3, record(Some("YG-1 -> YG-2"))) });
    let line = world.log.iter().find(|line| line.what == "device.replaced").unwrap();
    assert_eq!((line.old.as_deref(), line.new.as_deref()), (Some("YG-1"), Some("YG-2")));
    assert_eq!((line.note.as_deref(), line.from.as_str()), (Some("smoke-3-2-402"), "gateway heping/gw-1"));
}
