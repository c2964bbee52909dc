//! A river without a sensor, and one whose sensor says otherwise: what a person reads off the staff sets the colour,
//! raises the alarm and takes it down again.
use shouwang_board::{Input, Outcome, ReadingAsked, Request, Sample};
use shouwang_message::*;

use crate::world::*;

pub(crate) fn station(device: Option<&str>) -> StationInfo {
    let lines = [("design", 3.0), ("warning", 3.3), ("guarantee", 3.8), ("record", 4.2)];
    StationInfo {
        device: device.map(id),
        point: device.map(|_| "level_m".into()),
        ..StationInfo::new(id("qingshi-bridge"), "青石桥", "1985 国家高程", lines)
    }
}

pub(crate) fn told(world: &mut World, stations: Vec<StationInfo>) {
    let document = InfoDocument {
        name: "1".into(),
        version: "1".into(),
        log: LOG.parse().unwrap(),
        boot: 1,
        configuration: "sha256:0".into(),
        lines: vec![],
        devices: vec![],
        stations,
        walk: None,
    };
    world.arrive("gw-1/info", to_bytes(&document), true);
}

/// The warning line, as the gateway tells that its sensor holds it.
pub(crate) fn warning_told(world: &World) -> AlarmDocument {
    AlarmDocument {
        text: Text::new("水位超警戒", "River over its warning line"),
        ..AlarmDocument::new(
            AlarmId::from_parts(7, 7),
            id("gw-1"),
            id("level-1"),
            "level_warning".into(),
            Class::WaterLevel,
            Priority::Urgent,
            wall(world.now),
        )
    }
}

/// A board that knows the bridge, with a sensor or without.
pub(crate) fn bridge(device: Option<&str>) -> World {
    let mut world = World::new();
    world.ready(1, 1);
    told(&mut world, vec![station(device)]);
    world
}

pub(crate) fn read_at(world: &mut World, n: u32, stage_m: f64, at: Timestamp) -> Outcome {
    let asked = ReadingAsked {
        station: id("qingshi-bridge"),
        id: format!("phone-{n:04}"),
        stage_m,
        at,
        by: "u-7".into(),
        from: "192.0.2.7".into(),
        on_disk: None,
    };
    world.give(Input::ReadingAsked { ticket: 9, asked });
    world.answers.pop().unwrap().1
}

/// Read now; what is answered, as JSON.
pub(crate) fn read(world: &mut World, n: u32, stage_m: f64) -> serde_json::Value {
    match read_at(world, n, stage_m, wall(world.now)) {
        Outcome::Taken { row } => *row,
        other => panic!("{other:?}"),
    }
}

/// Its gateway is there, and so is the sensor.
pub(crate) fn sensor(world: &mut World, stage_m: f64) {
    world.heartbeat(1, 0);
    let now = wall(world.now);
    sensor_at(world, stage_m, now);
}

pub(crate) fn sensor_at(world: &mut World, stage_m: f64, at: Timestamp) {
    let value = PointValue {
        value: Some(Value::Number(stage_m)),
        unit: Some("m".into()),
        quality: Quality::Good,
        why: None,
    };
    let values = [("level_m".to_owned(), value)].into();
    let document = ValuesDocument { at, values };
    world.arrive("gw-1/device/level-1/values", to_bytes(&document), false);
}

pub(crate) fn colour(world: &World) -> String {
    world.board.stations()[0]["colour"].as_str().unwrap().to_owned()
}

/// Each open alarm's condition, with what is true of it.
pub(crate) fn alarms(world: &World) -> Vec<String> {
    let rows = world.rows();
    let alarms = rows.iter().filter(|row| row["kind"] == "alarm");
    alarms
        .map(|row| {
            let mut line = row["condition"].as_str().unwrap().to_owned();
            for (flag, word) in
                [("active", "active"), ("explained", "explained"), ("provisional", "provisional")]
            {
                if row[flag] == true {
                    line.push(' ');
                    line.push_str(word);
                }
            }
            if let Some(by) = row["acknowledged"]["by"].as_str() {
                line.push_str(&format!(" by {by}"));
            }
            line
        })
        .collect()
}

#[test]
fn a_river_without_a_sensor_is_red_by_one_reading_and_calm_by_two() {
    let mut world = bridge(None);
    assert_eq!(colour(&world), "none");
    assert_eq!(read(&mut world, 1, 3.86)["colour"], "orange");
    // A jump tells every line it crossed, the highest first, and nothing twice.
    assert_eq!(
        alarms(&world),
        ["level_guarantee active", "level_warning active explained", "level_design active explained"]
    );
    let row = world.rows().remove(0);
    assert_eq!((&row["priority"], &row["class"]), (&"emergency".into(), &"water_level".into()));
    assert_eq!((&row["place"]["name"], &row["value"]), (&"青石桥".into(), &3.86.into()));
    assert_eq!(row["text"]["zh"], "水位超保证(人工读数)");
    assert_eq!(row["case"], "new");

    // One lower reading is no fall; two, ten minutes apart, leave a line; and so on down.
    world.pass(60);
    read(&mut world, 2, 3.1);
    assert_eq!(colour(&world), "orange");
    world.pass(660);
    read(&mut world, 3, 3.1);
    world.pass(660);
    read(&mut world, 4, 3.1);
    assert_eq!(colour(&world), "blue");
    assert!(alarms(&world).contains(&"level_design active".to_owned()), "{:?}", alarms(&world));
}

#[test]
fn it_is_acknowledged_here_and_survives_a_restart() {
    let mut world = bridge(None);
    read(&mut world, 1, 3.35);
    let id = world.rows()[0]["id"].as_str().unwrap().parse().unwrap();
    let commands = world.commands.len();
    world.give(Input::Asked { ticket: 3, asked: asked_about(id, Request::Acknowledge) });
    assert!(matches!(world.answers.pop(), Some((3, Outcome::Taken { .. }))));
    assert_eq!(alarms(&world)[0], "level_warning active by u-7");
    assert_eq!(world.commands.len(), commands, "no gateway is asked");
    let before = (alarms(&world), colour(&world));
    world.kill();
    assert_eq!((alarms(&world), colour(&world)), before);

    // Nothing else can be asked of it.
    let reset = asked_about(id, Request::Reset);
    world.give(Input::Asked { ticket: 4, asked: reset });
    assert!(matches!(world.answers.pop(), Some((4, Outcome::Refused { code: "own_alarm", .. }))));
    // It falls, is left, and with the acknowledgement it is over.
    for n in 2..6 {
        world.pass(660);
        read(&mut world, n, 2.5);
    }
    assert_eq!(colour(&world), "none");
    assert_eq!(alarms(&world), ["level_design"], "what nobody has seen stays");
    world.pass(60);
    let rises_again = read(&mut world, 9, 3.4);
    assert_eq!(rises_again["colour"], "yellow");
    let rows = world.rows();
    let rows = rows.iter().filter(|row| row["kind"] == "alarm");
    let cries: Vec<_> = rows.map(|row| row["occurrence"].clone()).collect();
    assert_eq!(cries, [1, 2], "the warning is a new alarm, the other has cried again: {:?}", alarms(&world));
}

#[test]
fn a_mistyped_reading_is_settled_by_the_second() {
    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.21);
    assert_eq!(colour(&world), "blue");
    let first = read(&mut world, 1, 4.31);
    assert_eq!((&first["ask"]["code"], &first["colour"]), (&"read_again".into(), &"red".into()));
    assert_eq!(first["ask"]["text"]["zh"], "与传感器相差 110 厘米,请再读一次水尺");
    assert_eq!(alarms(&world)[0], "level_record active");
    world.pass(120);
    sensor(&mut world, 3.22);
    assert_eq!(colour(&world), "red", "the higher counts until it is settled");
    let second = read(&mut world, 2, 3.23);
    assert_eq!((&second["ask"], &second["colour"]), (&serde_json::Value::Null, &"blue".into()));
    let held: Vec<_> = alarms(&world).into_iter().filter(|alarm| alarm.contains("active")).collect();
    assert_eq!(held, ["level_design active"], "both are over that one, and no gateway has told it");
}

#[test]
fn two_readings_alike_doubt_the_sensor() {
    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.41);
    read(&mut world, 1, 3.85);
    world.pass(120);
    sensor(&mut world, 3.41);
    assert_eq!(read(&mut world, 2, 3.86)["ask"]["code"], "sensor_doubted");
    assert_eq!(colour(&world), "orange");
    world.kill();
    told(&mut world, vec![station(Some("level-1"))]);
    sensor(&mut world, 3.41);
    assert_eq!(colour(&world), "orange", "it is doubted still");
}

#[test]
fn what_the_gateway_tells_needs_no_second_alarm() {
    let mut world = bridge(Some("level-1"));
    let document = warning_told(&world);
    world.event(&raised(1, document));
    assert_eq!(colour(&world), "yellow");
    read(&mut world, 1, 3.5);
    assert_eq!(alarms(&world), ["level_warning active"]);
    let a_second_later = wall(world.now + std::time::Duration::from_secs(1));
    read_at(&mut world, 2, 3.9, a_second_later);
    assert_eq!(alarms(&world), ["level_guarantee active", "level_warning active"]);
}

#[test]
fn a_late_reading_is_kept_and_changes_nothing_that_is_newer() {
    let mut world = bridge(None);
    world.pass(20 * 3_600);
    read(&mut world, 1, 2.5);
    let at = |world: &World, hours: u64| {
        Timestamp::from_unix_ms(wall(world.now).unix_ms() - i64::try_from(hours * 3_600_000).unwrap())
    };
    let earlier = at(&world, 1);
    assert!(matches!(read_at(&mut world, 2, 3.9, earlier), Outcome::Taken { .. }));
    assert_eq!(colour(&world), "none", "what was read since says otherwise");
    let mut world = bridge(None);
    world.pass(20 * 3_600);
    let ancient = at(&world, 13);
    assert!(matches!(read_at(&mut world, 1, 3.9, ancient), Outcome::Taken { .. }));
    assert_eq!((colour(&world), alarms(&world).len()), ("none".into(), 0), "13 hours ago");
    let sent_late = at(&world, 2);
    read_at(&mut world, 2, 3.9, sent_late);
    assert_eq!(world.rows()[0]["late_s"], 7_200, "raised when it was read, told that it is late");
}

#[test]
fn readings_go_to_the_disk_by_their_stations() {
    let mut world = bridge(Some("level-1"));
    sensor(&mut world, 3.41);
    let at = wall(world.now);
    let history = HistoryDocument {
        device: id("level-1"),
        point: "level_m".into(),
        unit: None,
        readings: vec![(at, Some(3.4), Quality::Good), (at, None, Quality::Bad)],
    };
    world.arrive("gw-1/history", to_bytes(&history), false);
    world.arrive("gw-2/history", to_bytes(&history), false);
    let good = Sample { at, stage_m: Some(3.41), quality: Quality::Good };
    let filled = Sample { stage_m: Some(3.4), ..good };
    let none = Sample { at, stage_m: None, quality: Quality::Bad };
    assert_eq!(
        world.recorded,
        [(id("qingshi-bridge"), vec![good]), (id("qingshi-bridge"), vec![filled, none])]
    );
    // A clock that runs ahead: its time is that of the arrival; its history is refused.
    let ahead = HistoryDocument {
        readings: vec![(Timestamp::from_unix_ms(at.unix_ms() + 3_600_000), None, Quality::Bad)],
        ..history
    };
    world.arrive("gw-1/history", to_bytes(&ahead), false);
    assert_eq!(world.recorded.len(), 2);
    assert_eq!(world.board.counts().refused["contradiction"], 1);
}

#[test]
fn a_station_that_its_gateway_no_longer_has_is_closed() {
    let mut world = bridge(None);
    let other = StationInfo { id: id("upper"), ..station(None) };
    told(&mut world, vec![other]);
    let listed: Vec<_> = world.board.stations().iter().map(|station| station["id"].clone()).collect();
    assert_eq!(listed, ["upper"]);
    let now = wall(world.now);
    assert_eq!(read_at(&mut world, 1, 3.2, now), Outcome::Unknown);
    assert_eq!(world.board.station(&id("qingshi-bridge")).unwrap()["listed"], false);
}

#[test]
fn rain_beside_the_station_is_shown_while_it_is_the_present() {
    let mut world = bridge(None);
    let rain = Some(RainGauge { device: id("inputs-1"), meter: id("rain") });
    told(&mut world, vec![StationInfo { rain, ..station(None) }]);
    let mm = |number: f64, quality| PointValue {
        value: Some(Value::Number(number)),
        unit: Some("mm".into()),
        quality,
        why: None,
    };
    let rain = |world: &World| world.board.station_now(world.now, &id("qingshi-bridge")).unwrap().rain_mm;
    let tells = |world: &mut World, quality| {
        world.heartbeat(1, 0);
        let values = [("rain_1h".to_owned(), mm(3.2, quality)), ("rain_24h".to_owned(), mm(41.0, quality))];
        let document = ValuesDocument { at: wall(world.now), values: values.into() };
        world.arrive("gw-1/device/inputs-1/values", to_bytes(&document), false);
    };
    assert_eq!(rain(&world), None);
    tells(&mut world, Quality::Good);
    assert_eq!(rain(&world), Some((3.2, 41.0)));
    world.pass(5);
    tells(&mut world, Quality::Bad);
    assert_eq!(rain(&world), None, "unknown is not none");
    tells(&mut world, Quality::Good);
    world.pass(600);
    assert_eq!(rain(&world), None, "of ten minutes ago");
}
