//! 四个第一 and 四项考核 of a grid's month: how long to find, accept, reach and handle; how well told, in time, and liked.
use serde_json::{Value, json};
use shouwang_board::Figures;
use shouwang_message::*;

/// A case as it is kept: seen, here, accepted, on site and handled so many seconds after the first of November.
fn case(n: u128, class: &str, priority: &str, times: [i64; 5], more: &Value) -> String {
    let at = |s: i64| Timestamp::from_unix_ms(1_793_462_400_000 + s * 1_000);
    let [seen, here, accepted, there, handled] = times;
    let stamp = |s: i64| json!({ "by": "u-7", "at": at(s) });
    let mut case = json!({
        "about": { "id": AlarmId::from_parts(1_793_462_400_000, n), "site": "heping", "gateway": "gw-1",
            "device": "report", "condition": "x", "class": class, "priority": priority, "mode": "live",
            "raised_at": at(seen), "place": { "grid": "HP-07", "name": "青石路口" }, "text": { "zh": "", "en": "" } },
        "state": "rated", "occurrence": 1, "conclusion": "real", "duplicate_of": null, "accepted": stamp(accepted),
        "dispatched": [], "claimed": null, "on_site": stamp(there), "call_back": null, "handled": stamp(handled),
        "stars": 5, "rated": stamp(handled + 60), "closed": null, "departments": [], "photos": [], "revision": 1,
        "steps": [{ "step": "report", "by": "u-7", "at": at(here), "old": "new", "new": "new" }],
    });
    for (field, value) in more.as_object().unwrap() {
        case[field] = value.clone();
    }
    case.to_string()
}

#[test]
fn a_grids_month_has_four_timers_and_four_figures() {
    let mut figures = Figures::default();
    let add = |figures: &mut Figures, case: String| assert!(figures.add(&case));
    // Reported with a picture, and handled within the day.
    let photo = json!({ "photos": ["x"] });
    add(&mut figures, case(1, "report", "urgent", [0, 20, 50, 350, 7_200], &photo));
    // Without a picture, and rated badly.
    let bad = json!({ "stars": 2 });
    add(&mut figures, case(2, "report", "ordinary", [0, 40, 100, 400, 259_200], &bad));
    // Told by a device: nobody saw it before, and five hours are too long for an emergency.
    add(&mut figures, case(3, "smoke", "emergency", [0, 0, 10, 310, 18_000], &json!({})));
    // Nobody has concluded it.
    let open =
        json!({ "state": "accepted", "conclusion": null, "handled": null, "stars": null, "rated": null });
    add(&mut figures, case(4, "smoke", "emergency", [0, 0, 30, 330, 0], &open));
    let grid = &figures.grids()[0];
    let p50 =
        [&grid.to_find, &grid.to_acknowledge, &grid.to_arrive, &grid.to_handle].map(|times| times.p50_s);
    assert_eq!(p50, [Some(20), Some(30), Some(300), Some(18_000)]);
    assert_eq!((grid.to_find.count, grid.to_find.slowest_s), (2, Some(40)), "of reports only");
    assert_eq!(grid.quality_rate, Some(0.5), "the picture, and the device's with a conclusion");
    assert_eq!(
        (grid.in_time_rate, grid.handled_rate),
        (Some(0.5), Some(0.75)),
        "72 h to the second is in time"
    );
    assert_eq!(grid.satisfied_rate, Some(2.0 / 3.0));
    let nothing = Figures::default().whole();
    assert_eq!((nothing.quality_rate, nothing.in_time_rate, nothing.to_handle.p50_s), (None, None, None));
}
