//! The parts by themselves: when one of these fails, the gateway is not to blame.
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::Duration;

use shouwang_tests::modbus_server::Table;
use shouwang_tests::{Listener, ModbusServer, Mosquitto, SerialLine, wait_until};

use crate::street::START_LIMIT;

#[test]
fn pymodbus_answers_over_a_serial_line() {
    let line = SerialLine::new();
    let mut server = ModbusServer::serial(line.devices_path());
    server.set(1, Table::Holding, 3, &[1]);
    let mut wire = OpenOptions::new().read(true).write(true).open(line.gateway_path()).unwrap();
    // devices.md, section 7: smoke.
    wire.write_all(&[0x01, 0x03, 0x00, 0x03, 0x00, 0x01, 0x74, 0x0A]).unwrap();
    // Read apart, so that a silent server fails the test instead of holding it up.
    let (told, hears) = mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = [0; 7];
        told.send(wire.read_exact(&mut answer).map(|()| answer))
    });
    let answer = hears.recv_timeout(START_LIMIT).unwrap().unwrap();
    assert_eq!(answer, [0x01, 0x03, 0x02, 0x00, 0x01, 0x79, 0x84]);
}

#[test]
fn pymodbus_answers_over_tcp_and_is_silent_for_a_lost_unit() {
    let mut server = ModbusServer::tcp();
    server.set(1, Table::Holding, 3, &[1]);
    server.set(2, Table::Holding, 3, &[1]);
    server.lose(2);
    let mut wire = TcpStream::connect(server.address()).unwrap();
    let ask = |wire: &mut TcpStream, transaction: u8, unit_id: u8| {
        wire.write_all(&[0, transaction, 0, 0, 0, 6, unit_id, 3, 0, 3, 0, 1]).unwrap();
    };
    let mut answer = [0; 11];
    wire.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    ask(&mut wire, 1, 2);
    assert!(wire.read_exact(&mut answer).is_err(), "a lost unit says nothing, not even an exception");
    wire.set_read_timeout(Some(START_LIMIT)).unwrap();
    ask(&mut wire, 2, 1);
    wire.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0, 2, 0, 0, 0, 5, 1, 3, 2, 0, 1]);
}

#[test]
fn a_listener_misses_nothing_while_the_broker_is_away() {
    let mut broker = Mosquitto::start();
    let listener = Listener::start(&broker);
    let speaker = Listener::start(&broker);
    let heard = |leaf: &str| listener.newest(leaf).is_some();
    speaker.publish("device/before/state", true, "{}");
    wait_until(START_LIMIT, "the first message should arrive", || heard("device/before/state"));

    let subscriptions = listener.subscriptions();
    broker.stop();
    speaker.publish("device/during/state", true, "{}");
    broker.restart();
    wait_until(START_LIMIT, "the message of the outage should arrive", || heard("device/during/state"));
    wait_until(START_LIMIT, "the listener should be back", || listener.subscriptions() > subscriptions);
}
