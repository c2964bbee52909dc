//! The certificate of the pages comes to its end, is replaced, and cannot be.
use shouwang_board::Input;
use shouwang_message::Timestamp;

use crate::world::*;

const DAY_MS: i64 = 24 * 3_600_000;

fn certified(world: &mut World, days: i64, trouble: Option<&str>) -> Vec<String> {
    let ends = Timestamp::from_unix_ms(wall(world.now).unix_ms() + days * DAY_MS);
    world.give(Input::Certified { ends, trouble: trouble.map(str::to_owned) });
    let told = |row: &serde_json::Value| {
        row["condition"].as_str().is_some_and(|code| code.starts_with("certificate")).then(|| {
            format!(
                "{} {} {}",
                row["condition"].as_str().unwrap(),
                row["priority"].as_str().unwrap(),
                row["text"]["zh"].as_str().unwrap()
            )
        })
    };
    world.rows().iter().filter_map(told).collect()
}

#[test]
fn its_end_is_told_thirty_days_ahead_and_is_urgent_when_it_came() {
    let mut world = World::new();
    assert!(certified(&mut world, 31, None).is_empty());
    let warned = certified(&mut world, 30, None);
    assert_eq!(warned.len(), 1);
    assert!(warned[0].starts_with("certificate_ends ordinary 值班室网页的证书还有 30 天到期"), "{warned:?}");
    assert_eq!(certified(&mut world, 29, None), warned, "the days that are left are no news");
    let ended = certified(&mut world, 0, None);
    assert!(ended.len() == 1 && ended[0].starts_with("certificate_ended urgent"), "{ended:?}");
    assert!(certified(&mut world, 365, None).is_empty(), "replaced");
}

#[test]
fn a_new_one_that_cannot_be_used_is_told_with_its_reason() {
    let mut world = World::new();
    let told = certified(&mut world, 20, Some("the key\u{202e} does not fit"));
    assert!(told.len() == 1 && told[0].contains("(the key does not fit)"), "{told:?}");
    assert_eq!(certified(&mut world, 20, Some("the key\u{202e} does not fit")), told);
    let other = certified(&mut world, 20, Some("no such file"));
    assert!(other.len() == 1 && other[0].contains("no such file"), "{other:?}");
    assert!(certified(&mut world, 365, None).is_empty());
}
