//! tokio-modbus 0.17. Left out, because it is wrong there: everything after a time-out (its RTU client takes
//! the late answer for the next one), noise before a frame (its RTU server ends), broadcast (its client waits).

use std::future::{Ready, ready};

use modbus_wire::{
    Bits, Conversation, ExceptionCode, Framing, Registers, Request, Response, Step, Timing, rtu, server, tcp,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio_modbus::client::{Context, Reader, Writer};
use tokio_modbus::{Slave, SlaveRequest};

use super::outgoing;
use crate::line::tcp_frame;
use crate::properties::{Exchange, exchanges};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limit = std::time::Duration::from_secs(60);
    runtime.block_on(async { tokio::time::timeout(limit, future).await.expect("it hangs") })
}

/// Answers one request on the wire with our server's side, and says what it understood.
async fn answer_once(mut wire: DuplexStream, framing: Framing, unit_id: u8, exchange: &Exchange) {
    let mut heard = Vec::new();
    loop {
        heard.push(wire.read_u8().await.expect("a request"));
        let (transaction, request) = match framing {
            Framing::Rtu if rtu::request_frame_len(&heard) == Some(heard.len()) => {
                let (asked, request) = server::decode(&heard).expect("a frame");
                assert_eq!(asked, unit_id);
                (0, request)
            }
            Framing::Tcp => match tcp::decode(&heard).expect("a stream") {
                Some((header, pdu)) => (header.transaction, Request::decode(pdu)),
                None => continue,
            },
            Framing::Rtu => continue,
        };
        assert_eq!(request, Ok(exchange.request()));
        let mut frame = [0; 256];
        let answer = match framing {
            Framing::Tcp => tcp_frame(transaction, unit_id, &exchange.response_pdu()),
            Framing::Rtu => {
                let len = server::answer(unit_id, &exchange.request(), &exchange.response(), &mut frame);
                frame[..len.expect("room")].to_vec()
            }
        };
        wire.write_all(&answer).await.expect("a listening client");
        return;
    }
}

/// Asks with their client; the answer must be the exchange's.
async fn ask_with_their_client(mut client: Context, exchange: &Exchange) {
    let bools = |bits: Bits<'_>| bits.iter().collect::<Vec<bool>>();
    let words = |registers: Registers<'_>| registers.iter().collect::<Vec<u16>>();
    let request = exchange.request();
    let (address, count) = (request.address(), request.count());
    let mut bits_read = None;
    let mut words_read = None;
    let result = match request {
        Request::Read { table, .. } => match table.read_function() {
            1 => client.read_coils(address, count).await.map(|r| r.map(|bits| bits_read = Some(bits))),
            2 => client
                .read_discrete_inputs(address, count)
                .await
                .map(|r| r.map(|bits| bits_read = Some(bits))),
            3 => client
                .read_holding_registers(address, count)
                .await
                .map(|r| r.map(|words| words_read = Some(words))),
            _ => client
                .read_input_registers(address, count)
                .await
                .map(|r| r.map(|words| words_read = Some(words))),
        },
        Request::WriteCoil { on, .. } => client.write_single_coil(address, on).await,
        Request::WriteRegister { value, .. } => client.write_single_register(address, value).await,
        Request::WriteCoils { bits, .. } => client.write_multiple_coils(address, &bools(bits)).await,
        Request::WriteRegisters { registers, .. } => {
            client.write_multiple_registers(address, &words(registers)).await
        }
    };
    let result = result.expect("no transport or protocol error");
    match exchange.response() {
        Response::Exception(code) => assert_eq!(result.map_err(u8::from), Err(code.0)),
        Response::Bits(bits) => assert_eq!(bits_read, Some(bools(bits))),
        Response::Registers(registers) => assert_eq!(words_read, Some(words(registers))),
        _ => assert_eq!(result, Ok(())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn its_client_and_our_server_agree(exchange in exchanges(), unit_id in 1..=247_u8, over_tcp: bool) {
        block_on(async {
            let (theirs, ours) = duplex(1024);
            let unit = Slave(unit_id);
            let (client, framing) = if over_tcp {
                (tokio_modbus::client::tcp::attach_slave(theirs, unit), Framing::Tcp)
            } else {
                (tokio_modbus::client::rtu::attach_slave(theirs, unit), Framing::Rtu)
            };
            tokio::join!(answer_once(ours, framing, unit_id, &exchange), ask_with_their_client(client, &exchange));
        });
    }
}

/// From here on their server's devices have nothing.
const NOTHING_FROM: u16 = 60_000;

fn bit_at(address: u16) -> bool {
    address.is_multiple_of(3)
}

#[derive(Clone, Copy)]
struct Device;

impl tokio_modbus::server::Service for Device {
    type Request = SlaveRequest<'static>;
    type Response = tokio_modbus::Response;
    type Exception = tokio_modbus::ExceptionCode;
    type Future = Ready<Result<Self::Response, Self::Exception>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        use tokio_modbus::{Request as Theirs, Response as Answer};
        let words = |address: u16, count: u16| (0..count).map(|n| address.wrapping_add(n)).collect();
        let bits = |address: u16, count: u16| (0..count).map(|n| bit_at(address.wrapping_add(n))).collect();
        ready(match asked.request {
            Theirs::ReadCoils(address, _) if address >= NOTHING_FROM => {
                Err(tokio_modbus::ExceptionCode::IllegalDataAddress)
            }
            Theirs::WriteSingleRegister(address, _) if address >= NOTHING_FROM => {
                Err(tokio_modbus::ExceptionCode::IllegalDataAddress)
            }
            Theirs::ReadCoils(address, count) => Ok(Answer::ReadCoils(bits(address, count))),
            Theirs::ReadDiscreteInputs(address, count) => {
                Ok(Answer::ReadDiscreteInputs(bits(address, count)))
            }
            Theirs::ReadHoldingRegisters(address, count) => {
                Ok(Answer::ReadHoldingRegisters(words(address, count)))
            }
            Theirs::ReadInputRegisters(address, count) => {
                Ok(Answer::ReadInputRegisters(words(address, count)))
            }
            Theirs::WriteSingleCoil(address, on) => Ok(Answer::WriteSingleCoil(address, on)),
            Theirs::WriteSingleRegister(address, value) => Ok(Answer::WriteSingleRegister(address, value)),
            Theirs::WriteMultipleCoils(address, bits) => {
                Ok(Answer::WriteMultipleCoils(address, bits.len() as u16))
            }
            Theirs::WriteMultipleRegisters(address, words) => {
                Ok(Answer::WriteMultipleRegisters(address, words.len() as u16))
            }
            _ => Err(tokio_modbus::ExceptionCode::IllegalFunction),
        })
    }
}

/// Whether our answer is what that device says.
fn is_what_the_device_says(request: &Request<'_>, response: &Response<'_>) -> bool {
    let (address, function) = (request.address(), request.function());
    let addresses = (0..request.count()).map(|n| address.wrapping_add(n));
    match response {
        Response::Exception(code) => {
            *code == ExceptionCode::ILLEGAL_DATA_ADDRESS
                && address >= NOTHING_FROM
                && [1, 6].contains(&function)
        }
        _ if address >= NOTHING_FROM && [1, 6].contains(&function) => false,
        Response::Bits(bits) => bits.iter().eq(addresses.map(bit_at)),
        Response::Registers(registers) => registers.iter().eq(addresses),
        written => Response::confirming(request) == Some(*written),
    }
}

async fn ask_their_server<S>(wire: &mut S, conversation: &mut Conversation, unit_id: u8, exchange: &Exchange)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = exchange.request();
    let frame = outgoing(conversation, unit_id, request);
    wire.write_all(&frame).await.expect("a listening server");
    let mut now = 1_000_100_000;
    while conversation.step(now) != Step::Done {
        let mut bytes = [0; 300];
        let len = wire.read(&mut bytes).await.expect("an answer");
        assert_ne!(len, 0, "the server hung up on {request:?}");
        conversation.received(now, &bytes[..len]);
        now += 10;
    }
    let answer = conversation.answer().unwrap_or_else(|failure| panic!("{failure:?} to {request:?}"));
    assert!(is_what_the_device_says(&request, &answer.response), "{request:?}: {:?}", answer.response);
}

fn agree_with_their_server(framing: Framing) {
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let served = tokio::spawn(async move {
            let on_connected = async |stream, _| Ok(Some((Device, stream)));
            let failed = |error| panic!("their server: {error}");
            match framing {
                Framing::Tcp => {
                    tokio_modbus::server::tcp::Server::new(listener).serve(&on_connected, failed).await
                }
                Framing::Rtu => {
                    tokio_modbus::server::rtu_over_tcp::Server::new(listener)
                        .serve(&on_connected, failed)
                        .await
                }
            }
        });
        let mut wire = TcpStream::connect(address).await.expect("their server");
        wire.set_nodelay(true).expect("a socket");
        let mut conversation = Conversation::new(framing, Timing::stream());
        let mut runner = TestRunner::default();
        for _ in 0..300 {
            let exchange = exchanges().new_tree(&mut runner).expect("an exchange").current();
            ask_their_server(&mut wire, &mut conversation, 17, &exchange).await;
        }
        served.abort();
    });
}

#[test]
fn its_tcp_server_and_our_conversation_agree() {
    agree_with_their_server(Framing::Tcp);
}

#[test]
fn its_rtu_server_and_our_conversation_agree() {
    agree_with_their_server(Framing::Rtu);
}
