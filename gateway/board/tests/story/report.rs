//! A person saw what no sensor did: it is one case however often it is sent, as bad as the words say, and over when it is
//! handled.
use shouwang_board::{
    CaseAsked, CaseStep, Conclusion, DeskAsked, DeskStep, Input, ListState, Outcome, Report, ReportKind,
    Request, report_case,
};
use shouwang_message::*;

use crate::world::*;

pub(crate) fn report(world: &World, id: &str, kind: ReportKind) -> Report {
    Report {
        id: id.into(),
        kind,
        words: "水到膝盖".into(),
        place: "青石桥下穿".into(),
        grid: Some("HP-07".into()),
        spot: Some((30.123_456, 120.5)),
        is_dangerous: false,
        at: wall(world.now),
    }
}

impl World {
    pub(crate) fn desk(&mut self, by: &str, step: DeskStep) -> Outcome {
        let asked = DeskAsked { by: by.into(), from: "192.0.2.9".into(), step };
        self.give(Input::DeskAsked { ticket: 7, asked });
        self.answers.pop().unwrap().1
    }

    pub(crate) fn step_of(&mut self, case: AlarmId, by: &str, step: CaseStep) -> Outcome {
        self.case_with(CaseAsked { case, ..case_asked(by, step) })
    }

    fn reported(&mut self, report: &Report) -> AlarmId {
        let outcome = self.desk("wang", DeskStep::Report(report.clone()));
        assert!(matches!(outcome, Outcome::CaseTaken { .. }), "{outcome:?}");
        report_case("wang", &report.id, report.at)
    }
}

#[test]
fn a_flooded_road_without_a_sensor_is_a_case_once_and_over_when_handled() {
    let mut world = World::new();
    let flooded = report(&world, "phone-0001", ReportKind::FloodedRoad);
    let id = world.reported(&flooded);
    assert_eq!(world.shown(), ["alarm report_flooded_road r1 active"]);
    let row = &world.rows()[0];
    assert_eq!((&row["class"], &row["priority"]), (&"report".into(), &"ordinary".into()));
    assert_eq!((&row["place"]["name"], &row["place"]["grid"]), (&"青石桥下穿".into(), &"HP-07".into()));
    assert_eq!(row["text"]["zh"], "道路积水:水到膝盖");

    // Sent again, from wherever: the same one. Somebody else's of the same id is another.
    let again = world.desk("wang", DeskStep::Report(flooded.clone()));
    let Outcome::CaseAlready { case, already } = again else { panic!("{again:?}") };
    assert_eq!((&case["id"], &already["step"]), (&id.to_string().into(), &"report".into()));
    world.kill();
    assert!(matches!(world.desk("wang", DeskStep::Report(flooded.clone())), Outcome::CaseAlready { .. }));
    assert_eq!(world.rows().len(), 1);
    assert!(matches!(world.desk("li", DeskStep::Report(flooded)), Outcome::CaseTaken { .. }));
    assert_eq!(world.rows().len(), 2);

    // Whoever sends somebody has seen it; a picture is part of the case.
    let sent = world.step_of(id, "u-7", CaseStep::Dispatch { to: "王网格".into() });
    assert!(matches!(sent, Outcome::CaseTaken { .. }), "{sent:?}");
    world.step_of(id, "王网格", CaseStep::Photo { photo: "p-1".into() });
    assert!(matches!(
        world.step_of(id, "王网格", CaseStep::Photo { photo: "p-1".into() }),
        Outcome::CaseAlready { .. }
    ));
    world.step_of(id, "王网格", CaseStep::Arrive { person: Some("王网格".into()) });
    let handled = world.step_of(id, "王网格", CaseStep::Handle { conclusion: Conclusion::Real, of: None });
    let Outcome::CaseTaken { case } = handled else { panic!("{handled:?}") };
    assert_eq!((&case["state"], &case["photos"]), (&"handled".into(), &serde_json::json!(["p-1"])));
    assert_eq!(case["alarm"]["finished"], true);
    assert_eq!(world.rows().len(), 1, "what is handled is off the list");
    let closed = world.step_of(id, "u-7", CaseStep::Close { conclusion: None, of: None });
    assert!(matches!(closed, Outcome::CaseTaken { .. }), "{closed:?}");
    let steps: Vec<&str> = world
        .log
        .iter()
        .filter(|line| line.about == Some(id.to_string()))
        .map(|line| line.what.as_str())
        .collect();
    assert_eq!(
        steps,
        [
            "case.report",
            "alarm.acknowledge",
            "case.accept",
            "case.dispatch",
            "case.photo",
            "case.arrive",
            "case.handle",
            "case.close"
        ]
    );
}

#[test]
fn it_is_as_bad_as_the_words_say() {
    let mut world = World::new();
    for (n, kind, is_dangerous, priority) in [
        (1, ReportKind::FloodedRoad, false, "ordinary"),
        (2, ReportKind::FloodedRoad, true, "urgent"),
        (3, ReportKind::Wire, false, "urgent"),
        (4, ReportKind::Fire, false, "emergency"),
        (5, ReportKind::PersonInNeed, true, "emergency"),
        (6, ReportKind::Other, false, "ordinary"),
    ] {
        let told = Report { is_dangerous, ..report(&world, &format!("phone-000{n}"), kind) };
        let id = world.reported(&told);
        let row = world.rows().into_iter().find(|row| row["id"] == id.to_string()).unwrap();
        assert_eq!(row["priority"], priority, "{kind:?}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_words_and_nothing_fills_the_list() {
    let mut world = World::new();
    let good = report(&world, "phone-0001", ReportKind::Blocked);
    let minutes = |minutes: i64| Timestamp::from_unix_ms(good.at.unix_ms() + minutes * 60_000);
    for (wrong, code) in [
        (Report { id: "short".into(), ..good.clone() }, "id"),
        (Report { id: "../../etc/passwd".into(), ..good.clone() }, "id"),
        (Report { place: "  ".into(), ..good.clone() }, "place_missing"),
        (Report { at: minutes(6), ..good.clone() }, "future"),
        (Report { at: minutes(-31 * 24 * 60), ..good.clone() }, "too_old"),
    ] {
        let outcome = world.desk("wang", DeskStep::Report(wrong));
        assert!(
            matches!(outcome, Outcome::Refused { code: said, .. } if said == code),
            "{code}: {outcome:?}"
        );
    }
    for n in 0..20 {
        let more = report(&world, &format!("phone-1{n:03}"), ReportKind::Other);
        world.reported(&more);
    }
    let outcome = world.desk("wang", DeskStep::Report(good.clone()));
    assert!(matches!(outcome, Outcome::Refused { code: "too_many_reports", .. }), "{outcome:?}");
    assert!(matches!(world.desk("li", DeskStep::Report(good)), Outcome::CaseTaken { .. }), "others go on");

    // A gateway that calls something a report gets no say here.
    let strange = AlarmDocument { class: Class::Report, device: id("report"), ..smoke(1) };
    world.event(&raised(1, strange));
    world.ask(1, "u-7", Request::Shelve { until: wall(world.now), second: None });
    let (_, outcome) = world.answers.pop().unwrap();
    assert!(matches!(outcome, Outcome::Refused { code, .. } if code != "own_alarm"), "{outcome:?}");
    assert_eq!(world.board.cases(ListState::Open).len(), 22);
}
