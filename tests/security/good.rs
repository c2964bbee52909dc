//! What is meant to work, works: an alarm reaches the duty room, and nobody on the way could read a word of it.
use shouwang_tests::{DutyRoom, Mosquitto, wait_for, wait_until};

use crate::authority::{Authority, GOOD};
use crate::house::{
    ALARM_LIMIT, House, RAISED, START_LIMIT, drawer, listener_lines, password_lines, showing, trusting,
};
use crate::tap::Tap;

#[test]
fn by_client_certificates_an_alarm_reaches_the_board_and_its_acknowledgement_the_gateway() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let broker = Mosquitto::start_with_listener(&listener_lines(&server, Some(&ours.file())));
    let own = ours.client("gw-0007", "heping/gw-0007", GOOD);
    let house = House::new(broker, |port| trusting(port, &ours.file()) + &showing(&own));
    assert_eq!(house.check().0, 0, "{}", house.check().1);

    let gateway = house.start();
    house.listener.wait_for_device(START_LIMIT, "smoke-1", "online");
    let at_the_room = Tap::to(house.broker.further_port());
    let room_pair = ours.client("duty-1", "duty-1", GOOD);
    let room = DutyRoom::start_by(&(trusting(at_the_room.port, &ours.file()) + &showing(&room_pair)), &[]);
    house.smoke(true);
    let row = wait_for(ALARM_LIMIT, "the alarm should be on the board", || {
        room.open_alarms().into_iter().find(|row| row["device"] == "smoke-1")
    });
    let id = row["id"].as_str().expect("an alarm's id").to_owned();
    room.ask(&id, "acknowledge", &serde_json::json!({}));
    house.listener.wait_for_event(ALARM_LIMIT, "shouwang.alarm.acknowledged.v1", "smoke-1");
    wait_until(ALARM_LIMIT, "the board should have the gateway's word", || {
        let rows = room.open_alarms();
        rows.iter().any(|row| row["id"] == id.as_str() && row["pending"] != true)
    });
    gateway.stop();
    room.stop();
    println!(
        "mTLS: {} connections of the gateway and {} of the duty room, all of them TLS to the last byte",
        house.tap.assert_only_tls(),
        at_the_room.assert_only_tls()
    );
}

#[test]
fn by_passwords_over_tls_an_alarm_reaches_the_board() {
    let drawer = drawer();
    let ours = Authority::new(drawer.path(), "ours");
    let server = ours.server("server", "localhost", GOOD);
    let lines = listener_lines(&server, None)
        + &password_lines(
            drawer.path(),
            &[("heping/gw-0007", "correct horse"), ("duty-1", "battery staple")],
        );
    let broker = Mosquitto::start_with_listener(&lines);
    let secret = |name: &str, password: &str| {
        let file = drawer.path().join(name);
        std::fs::write(&file, format!("{password}\n")).expect("a secret");
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
        std::fs::set_permissions(&file, mode).expect("a secret of its owner");
        file.display().to_string()
    };
    let (gateway_file, room_file) = (secret("gateway", "correct horse"), secret("room", "battery staple"));
    let user = |name: &str, file: &str| format!("username = \"{name}\"\npassword_file = \"{file}\"\n");
    let house =
        House::new(broker, |port| trusting(port, &ours.file()) + &user("heping/gw-0007", &gateway_file));
    assert_eq!(house.check().0, 0, "{}", house.check().1);

    let gateway = house.start();
    house.listener.wait_for_device(START_LIMIT, "smoke-1", "online");
    let at_the_room = Tap::to(house.broker.further_port());
    let keys = trusting(at_the_room.port, &ours.file()) + &user("duty-1", &room_file);
    let room = DutyRoom::start_by(&keys, &[]);
    house.smoke(true);
    wait_until(ALARM_LIMIT, "the alarm should be on the board", || {
        room.open_alarms().iter().any(|row| row["device"] == "smoke-1")
    });
    house.tap.assert_only_tls();
    at_the_room.assert_only_tls();
    let words = [gateway.stderr(), room.stderr(), room.words()].concat();
    assert!(!words.contains("correct horse") && !words.contains("battery staple"), "no log has a password");
    gateway.stop();
    room.stop();
}

/// A wrong `ca_file` is put right under the running programs: the next connection reads it.
#[test]
fn a_changed_certificate_file_counts_from_the_next_connection_on() {
    let drawer = drawer();
    let (ours, strangers) =
        (Authority::new(drawer.path(), "ours"), Authority::new(drawer.path(), "strangers"));
    let server = ours.server("server", "localhost", GOOD);
    let broker = Mosquitto::start_with_listener(&(listener_lines(&server, None) + "allow_anonymous true\n"));
    let named = drawer.path().join("ca.pem");
    std::fs::copy(strangers.file(), &named).expect("a ca_file");
    let house = House::new(broker, |port| trusting(port, &named));
    let gateway = house.start();
    let at_the_room = Tap::to(house.broker.further_port());
    let room = DutyRoom::launch_by(&trusting(at_the_room.port, &named), &[]);
    house.wait_for_line(&gateway, "signed by nobody we trust");
    wait_until(START_LIMIT, "the duty room should say why", || {
        room.stderr().contains("signed by nobody we trust")
    });
    assert!(!room.is_ready());

    std::fs::copy(ours.file(), &named).expect("the right ca_file");
    wait_until(START_LIMIT, "the duty room should connect", || room.is_ready());
    house.smoke(true);
    house.listener.wait_for_event(START_LIMIT, RAISED, "smoke-1");
    // And away again: what is not there names the file and the remedy, and the next good one heals it.
    std::fs::remove_file(&named).expect("no ca_file");
    let mut broker = house.broker;
    broker.restart();
    let said = wait_for(START_LIMIT, "the gateway should miss the file", || {
        gateway.stderr().lines().find(|line| line.contains("could not be prepared")).map(str::to_owned)
    });
    assert!(said.contains(&named.display().to_string()) && said.contains("check the path"), "{said}");
    std::fs::copy(ours.file(), &named).expect("the right ca_file");
    let before = house.listener.events().len();
    house.listener.wait_for_state(START_LIMIT, "ready");
    assert!(house.listener.events().len() >= before);
    gateway.stop();
    room.stop();
    house.tap.assert_only_tls();
    at_the_room.assert_only_tls();
}
