//! Line threads on real ports: ptys with paced devices, and TCP servers that behave and that do not.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a story ends where it fails")]

mod paced;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use modbus_wire::{Request as WireRequest, rtu};
use paced::{PacedLine, Reply};
use shouwang_core::input::{AskFailure, Input, Outcome};
use shouwang_core::output::{Ask, Request};
use shouwang_core::profile::{Parity, Table};
use shouwang_gateway::clock;
use shouwang_gateway::line::{LineHandle, Link, WireTap, spawn};

/// Nothing here takes long; this is for machines that are busy with something else.
const PATIENCE: Duration = Duration::from_secs(20);
const BAUD: u32 = 38_400;

struct Running {
    handle: LineHandle,
    told: Receiver<Input>,
    next_id: u64,
}

fn tcp_link(address: SocketAddr, rtu_frames: bool, interface: Option<&str>) -> Link {
    Link::Tcp { address: address.to_string(), rtu_frames, interface: interface.map(str::to_owned) }
}

impl Running {
    fn start(link: Link, tap: WireTap) -> Self {
        let (tell, told) = channel();
        let handle = spawn(0, link, tap, move |_, input| {
            let _ = tell.send(input);
        });
        Self { handle: handle.unwrap(), told, next_id: 1 }
    }

    fn serial(path: &Path) -> Self {
        let link = Link::Serial { path: path.into(), baud: BAUD, parity: Parity::None, stop_bits: 1 };
        let mut running = Self::start(link, WireTap::new());
        running.up();
        running
    }

    fn tcp(address: SocketAddr, rtu_frames: bool) -> Self {
        let mut running = Self::start(tcp_link(address, rtu_frames, None), WireTap::new());
        running.up();
        running
    }

    fn next(&mut self) -> Input {
        self.told.recv_timeout(PATIENCE).expect("the line says something in time")
    }

    fn up(&mut self) {
        assert_eq!(self.next(), Input::LineUp { line: 0 });
    }

    fn ask(&mut self, unit_id: u8, timeout_ms: u64, request: Request) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.handle.ask(Ask {
            id,
            device: 0,
            unit_id,
            request,
            timeout: Duration::from_millis(timeout_ms),
            late_window: Duration::from_millis(500),
            turnaround: Duration::ZERO,
        });
        id
    }

    fn outcome(&mut self, id: u64) -> Outcome {
        match self.next() {
            Input::Answered { ask, outcome, .. } if ask == id => outcome,
            other => panic!("instead of the answer to {id}: {other:?}"),
        }
    }

    fn get(&mut self, unit_id: u8, timeout_ms: u64, request: Request) -> Outcome {
        let id = self.ask(unit_id, timeout_ms, request);
        self.outcome(id)
    }

    fn words(&mut self, unit_id: u8, address: u16) -> Vec<u16> {
        match self.get(unit_id, 2000, read(address, 3)) {
            Outcome::Registers { words, .. } => words,
            other => panic!("{other:?}"),
        }
    }
}

fn read(address: u16, count: u16) -> Request {
    Request::Read { table: Table::HoldingRegister, address, count }
}

fn all_well(_: u8, _: &WireRequest<'_>) -> Reply {
    Reply::Normal { after: Duration::from_millis(2) }
}

#[test]
fn a_serial_line_carries_every_kind_of_request() {
    let devices = |unit_id: u8, _: &WireRequest<'_>| match unit_id {
        9 => Reply::Exception { code: 2 },
        _ => Reply::Normal { after: Duration::from_millis(2) },
    };
    let field = PacedLine::start(BAUD, Box::new(devices));
    let mut line = Running::serial(&field.path);
    // Two ahead: both are worked off in order.
    let first = line.ask(1, 2000, read(100, 3));
    let second = line.ask(2, 2000, Request::Read { table: Table::DiscreteInput, address: 0, count: 5 });
    let Outcome::Registers { words, delay_us } = line.outcome(first) else { panic!("no registers") };
    assert_eq!(words, [100, 101, 102]);
    assert!(delay_us >= 2000, "answered after {delay_us} us");
    let Outcome::Bits { bits, .. } = line.outcome(second) else { panic!("no bits") };
    assert_eq!(bits, [true, false, false, true, false]);
    for write in [
        Request::WriteCoil { address: 3, on: true },
        Request::WriteRegister { address: 3, value: 7 },
        Request::WriteRegisters { address: 3, values: vec![1, 2, 3] },
    ] {
        assert!(matches!(line.get(1, 2000, write), Outcome::Written { .. }));
    }
    assert!(matches!(line.get(9, 2000, read(0, 1)), Outcome::Exception { code: 2, .. }));
}

#[test]
fn silence_is_told_when_its_time_is_over_and_the_line_goes_on() {
    let devices = |unit_id: u8, request: &WireRequest<'_>| match unit_id {
        9 => Reply::Silence,
        _ => all_well(unit_id, request),
    };
    let field = PacedLine::start(BAUD, Box::new(devices));
    let mut line = Running::serial(&field.path);
    let asked = clock::now();
    assert_eq!(line.get(9, 100, read(0, 1)), Outcome::Failed(AskFailure::Timeout));
    let took = clock::now().since(asked);
    assert!(took >= Duration::from_millis(100), "gave up after {took:?}");
    assert_eq!(line.words(1, 5), [5, 6, 7]);
}

#[test]
fn an_answer_that_comes_too_late_is_never_anothers_value() {
    let devices = |_: u8, request: &WireRequest<'_>| match request {
        WireRequest::Read { address: 100, .. } => Reply::Normal { after: Duration::from_millis(60) },
        _ => Reply::Normal { after: Duration::from_millis(2) },
    };
    let field = PacedLine::start(BAUD, Box::new(devices));
    let mut line = Running::serial(&field.path);
    for address in [200, 300] {
        let late = line.ask(1, 20, read(100, 3));
        let next = line.ask(1, 2000, read(address, 3));
        assert_eq!(line.outcome(late), Outcome::Failed(AskFailure::Timeout));
        let Outcome::Registers { words, .. } = line.outcome(next) else { panic!("no registers") };
        assert_eq!(words, [address, address + 1, address + 2]);
    }
}

#[test]
fn a_line_that_hangs_up_is_opened_again_by_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("port");
    let field = PacedLine::start(BAUD, Box::new(all_well));
    symlink(&field.path, &path).unwrap();
    let mut line = Running::serial(&path);
    assert_eq!(line.words(1, 5), [5, 6, 7]);

    drop(field);
    assert!(matches!(line.next(), Input::LineDown { line: 0, .. }));
    let lost = line.ask(1, 100, read(0, 1));
    std::fs::remove_file(&path).unwrap();
    let Input::LineDown { why, .. } = line.next() else { panic!("does not say that it cannot be opened") };
    assert!(why.contains("port"), "{why}");

    let field = PacedLine::start(BAUD, Box::new(all_well));
    symlink(&field.path, &path).unwrap();
    line.up();
    let id = line.ask(1, 2000, read(8, 1));
    assert!(id > lost, "of the ask while it was down nothing is told");
    assert!(matches!(line.outcome(id), Outcome::Registers { .. }));
}

#[test]
fn a_port_has_one_owner() {
    let field = PacedLine::start(BAUD, Box::new(all_well));
    let mut first = Running::serial(&field.path);
    let link = Link::Serial { path: field.path.clone(), baud: BAUD, parity: Parity::None, stop_bits: 1 };
    let mut second = Running::start(link, WireTap::new());
    assert!(matches!(second.next(), Input::LineDown { .. }));
    drop(second);
    assert_eq!(first.words(1, 5), [5, 6, 7]);
}

#[test]
fn dropping_a_line_does_not_wait_for_an_answer() {
    let field = PacedLine::start(BAUD, Box::new(|_, _| Reply::Silence));
    let mut line = Running::serial(&field.path);
    line.ask(1, 600_000, read(0, 1));
    let began = clock::now();
    drop(line);
    assert!(clock::now().since(began) < PATIENCE);
}

#[test]
fn the_tap_shows_whole_frames() {
    let field = PacedLine::start(BAUD, Box::new(all_well));
    let tap = WireTap::new();
    let mut shown = tap.listen();
    let link = Link::Serial { path: field.path.clone(), baud: BAUD, parity: Parity::None, stop_bits: 1 };
    let mut line = Running::start(link, tap);
    line.up();
    line.get(1, 2000, read(1, 1));
    let exchange = shown.blocking_recv().unwrap();
    assert_eq!(exchange.request, [0x01, 0x03, 0x00, 0x01, 0x00, 0x01, 0xD5, 0xCA]);
    assert_eq!(exchange.answer, [0x01, 0x03, 0x02, 0x00, 0x01, 0x79, 0x84]);
}

/// One connection at a time, each handled as told.
fn tcp_server(mut handle: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            handle(stream);
        }
    });
    address
}

/// The next request frame with an MBAP header, if the client is still there.
fn mbap_request(stream: &mut TcpStream) -> Option<[u8; 12]> {
    let mut frame = [0; 12];
    stream.read_exact(&mut frame).ok().map(|()| frame)
}

fn mbap_answer(transaction: [u8; 2], unit_id: u8, value: u16) -> Vec<u8> {
    let [high, low] = value.to_be_bytes();
    vec![transaction[0], transaction[1], 0, 0, 0, 5, unit_id, 3, 2, high, low]
}

#[test]
fn another_transactions_answer_is_not_ours() {
    let address = tcp_server(|mut stream| {
        while let Some(frame) = mbap_request(&mut stream) {
            let stale = mbap_answer([frame[0], frame[1].wrapping_sub(1)], frame[6], 666);
            let _ = stream.write_all(&stale);
            if frame[9] != 9 {
                let _ = stream.write_all(&mbap_answer([frame[0], frame[1]], frame[6], 42));
            }
        }
    });
    let mut line = Running::tcp(address, false);
    let value = |outcome| match outcome {
        Outcome::Registers { words, .. } => words,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(line.get(1, 2000, read(1, 1))), [42]);
    assert_eq!(line.get(1, 50, read(9, 1)), Outcome::Failed(AskFailure::Timeout));
    assert_eq!(value(line.get(1, 2000, read(2, 1))), [42]);
}

#[test]
fn a_connection_that_breaks_or_babbles_is_made_anew() {
    let mut connections = 0;
    let address = tcp_server(move |mut stream| {
        connections += 1;
        let request = mbap_request(&mut stream);
        match (connections, request) {
            // Closed with a request unread or unanswered: the client gets a reset or an end.
            (1, _) => {}
            (2, _) => {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
                let _ = mbap_request(&mut stream);
            }
            (_, mut request) => {
                while let Some(frame) = request {
                    let _ = stream.write_all(&mbap_answer([frame[0], frame[1]], frame[6], 1));
                    request = mbap_request(&mut stream);
                }
            }
        }
    });
    let mut line = Running::tcp(address, false);
    line.ask(1, 5000, read(1, 1));
    assert!(matches!(line.next(), Input::LineDown { .. }));
    line.up();
    assert_eq!(line.get(1, 5000, read(1, 1)), Outcome::Failed(AskFailure::LineDown));
    assert!(matches!(line.next(), Input::LineDown { .. }));
    line.up();
    assert!(matches!(line.get(1, 5000, read(1, 1)), Outcome::Registers { .. }));
}

#[test]
fn a_converter_carries_rtu_frames() {
    let address = tcp_server(|mut stream| {
        let mut frame = [0; 8];
        while stream.read_exact(&mut frame).is_ok() {
            let mut out = [0; 256];
            let len = rtu::encode(frame[0], &[3, 2, 0, 77], &mut out).unwrap();
            // In pieces, as networks do.
            let _ = stream.write_all(&out[..3]);
            let _ = stream.flush();
            let _ = stream.write_all(&out[3..len]);
        }
    });
    let mut line = Running::tcp(address, true);
    for _ in 0..20 {
        let Outcome::Registers { words, .. } = line.get(1, 2000, read(1, 1)) else { panic!("no answer") };
        assert_eq!(words, [77]);
    }
}

#[test]
fn nobody_listening_is_said_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut line = Running::start(tcp_link(address, false, None), WireTap::new());
    let Input::LineDown { why, .. } = line.next() else { panic!("up?") };
    assert!(why.contains("refused"), "{why}");
    let listener = TcpListener::bind(address).unwrap();
    line.up();
    drop(listener);
}

/// By loopback the server is reached; by an interface that is not there nobody goes, although a route would lead there.
#[test]
fn a_line_goes_out_by_its_own_interface_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut line = Running::start(tcp_link(address, false, Some("lo")), WireTap::new());
    line.up();
    drop(line);
    listener.accept().unwrap();
    let mut line = Running::start(tcp_link(address, false, Some("no-such-0")), WireTap::new());
    let Input::LineDown { why, .. } = line.next() else { panic!("up?") };
    assert!(why.contains("no-such-0") && why.contains("there is no such interface"), "{why}");
    drop(line);
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came by another way");
}

mod independent {
    //! tokio-modbus as the other end: an implementation that shares nothing with ours.
    use super::*;
    use std::future;
    use tokio_modbus::server::Service;
    use tokio_modbus::server::tcp::{Server, accept_tcp_connection};
    use tokio_modbus::{ExceptionCode, Request as TheirRequest, Response};

    struct Registers;

    impl Service for Registers {
        type Request = TheirRequest<'static>;
        type Response = Response;
        type Exception = ExceptionCode;
        type Future = future::Ready<Result<Response, ExceptionCode>>;

        fn call(&self, request: Self::Request) -> Self::Future {
            future::ready(match request {
                TheirRequest::ReadHoldingRegisters(address, count) => {
                    Ok(Response::ReadHoldingRegisters((address..address + count).collect()))
                }
                TheirRequest::WriteSingleCoil(address, on) => Ok(Response::WriteSingleCoil(address, on)),
                TheirRequest::WriteMultipleRegisters(address, values) => {
                    Ok(Response::WriteMultipleRegisters(address, u16::try_from(values.len()).unwrap()))
                }
                TheirRequest::ReadDiscreteInputs(_, count) => {
                    Ok(Response::ReadDiscreteInputs((0..count).map(|place| place % 3 == 0).collect()))
                }
                _ => Err(ExceptionCode::IllegalFunction),
            })
        }
    }

    #[test]
    fn a_tcp_line_and_an_independent_server_understand_each_other() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = thread::spawn(move || {
            runtime.block_on(async {
                let server = Server::new(listener);
                let accept = |stream, address| async move {
                    accept_tcp_connection(stream, address, |_| Ok(Some(Registers)))
                };
                let serve = server.serve(&accept, |error| panic!("{error}"));
                tokio::select! { _ = serve => {}, _ = stopped => {} }
            });
        });
        let mut line = Running::tcp(address, false);
        for address in 0..200 {
            assert_eq!(line.words(1, address), [address, address + 1, address + 2]);
        }
        let Outcome::Bits { bits, .. } =
            line.get(1, 2000, Request::Read { table: Table::DiscreteInput, address: 0, count: 9 })
        else {
            panic!("no bits")
        };
        assert_eq!(bits, [true, false, false, true, false, false, true, false, false]);
        assert!(matches!(
            line.get(1, 2000, Request::WriteCoil { address: 1, on: true }),
            Outcome::Written { .. }
        ));
        assert!(matches!(
            line.get(1, 2000, Request::WriteRegisters { address: 1, values: vec![1, 2] }),
            Outcome::Written { .. }
        ));
        let coils = Request::Read { table: Table::Coil, address: 0, count: 9 };
        assert!(matches!(line.get(1, 2000, coils), Outcome::Exception { code: 1, .. }));
        let _ = stop.send(());
        server.join().unwrap();
    }
}
