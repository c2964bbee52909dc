//! Stories of rows that another row explains: right below it, marked, and never hidden behind nothing.
use shouwang_message::*;

use crate::world::*;

fn level(n: u64, priority: Priority, by: Option<u64>) -> AlarmDocument {
    AlarmDocument {
        id: AlarmId::from_parts(n, 0),
        condition: format!("c{n}"),
        priority,
        raised_at: Timestamp::from_unix_ms(i64::try_from(n).unwrap()),
        suppressed: by.map(|by| Suppressed { by: AlarmId::from_parts(by, 0) }),
        ..smoke(1)
    }
}

fn order(world: &World) -> Vec<String> {
    let name = |row: &serde_json::Value| {
        let mark = if row["explained"] == true { " explained" } else { "" };
        format!("{}{mark}", row["condition"].as_str().unwrap())
    };
    world.rows().iter().map(name).collect()
}

#[test]
fn explained_rows_stand_below_the_top_of_their_chain() {
    let mut world = World::new();
    let rows = [
        level(1, Priority::Ordinary, Some(2)),
        level(2, Priority::Urgent, Some(4)),
        level(3, Priority::Urgent, None),
        level(4, Priority::Emergency, None),
        level(5, Priority::Advisory, None),
    ];
    for (n, row) in (1..).zip(rows) {
        world.event(&raised(n, row));
    }
    assert_eq!(order(&world), ["c4", "c2 explained", "c1 explained", "c3", "c5"]);

    // The top one is acknowledged: what it explains goes down with it.
    let acknowledged = Some(Acknowledged { by: "u-7".into(), at: wall(Instant::default()) });
    let top = AlarmDocument { revision: 2, acknowledged, ..level(4, Priority::Emergency, None) };
    world.event(&event(6, EventData::Alarm(AlarmChange::Acknowledged, top.clone().into())));
    assert_eq!(order(&world), ["c3", "c5", "c4", "c2 explained", "c1 explained"]);

    // It is over and only waits for a person's conclusion, below all others: what is left speaks for itself, whatever
    // its gateway has said so far.
    let cleared_at = Some(wall(Instant::default()));
    let over = AlarmDocument { revision: 3, active: false, latched: false, cleared_at, ..top };
    world.event(&event(7, EventData::Alarm(AlarmChange::Finished, over.into())));
    assert_eq!(order(&world), ["c2", "c1 explained", "c3", "c5", "c4"]);
}

#[test]
fn what_nothing_in_the_list_explains_is_an_ordinary_row() {
    let mut world = World::new();
    world.event(&raised(1, level(1, Priority::Emergency, Some(9))));
    // Three that explain one another in a circle.
    world.event(&raised(2, level(2, Priority::Urgent, Some(3))));
    world.event(&raised(3, level(3, Priority::Urgent, Some(4))));
    world.event(&raised(4, level(4, Priority::Urgent, Some(2))));
    // Another gateway's alarm explains nothing here.
    let other = AlarmDocument { gateway: id("gw-2"), ..level(9, Priority::Advisory, None) };
    world.arrive(&format!("gw-2/alarm/{}", other.id), to_bytes(&other), true);
    assert_eq!(order(&world), ["c1", "c2", "c3", "c4", "c9"]);
}
