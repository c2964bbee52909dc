//! The hands of a Modbus TCP line. The server is tokio-modbus: another author's framing, so that the
//! gateway's own is not only tested against itself.
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use modbus_wire::{Bits, MAX_PDU, MAX_RTU_FRAME, Registers, Request, Response, Table, rtu};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Runtime};
use tokio::task::AbortHandle;
use tokio_modbus::server::Service;
use tokio_modbus::server::tcp::Server;
use tokio_modbus::{ExceptionCode, SlaveRequest};

use crate::clock::Clock;
use crate::port::{Place, Port};
use crate::street::{Street, pdu};

/// What serves all Modbus TCP lines of a field: they need no exact time, so one thread is enough.
#[derive(Debug)]
pub(crate) struct TcpServing(Option<Runtime>);

impl TcpServing {
    pub(crate) fn start() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("field-tcp")
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }

    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.0.as_ref().map(Runtime::handle)
    }
}

impl Drop for TcpServing {
    fn drop(&mut self) {
        // Waiting for its thread would panic where the field itself is run by a runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running Modbus TCP line.
#[derive(Debug)]
pub(crate) struct TcpPort {
    runtime: Handle,
    street: Arc<Mutex<Street>>,
    clock: Clock,
    address: SocketAddr,
    serving: Mutex<Option<Serving>>,
}

#[derive(Debug)]
struct Serving {
    abort: AbortHandle,
    /// Hangs up when the listener and all connections are gone.
    ended: Receiver<()>,
}

/// A device at the end of a converter's line that does not exist: what a converter says instead.
const NOBODY_THERE: ExceptionCode = ExceptionCode::GatewayTargetDevice;

impl TcpPort {
    pub(crate) fn start(
        runtime: Handle,
        listen: SocketAddr,
        street: Arc<Mutex<Street>>,
        clock: Clock,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let port = Self { runtime, street, clock, address, serving: Mutex::new(None) };
        port.serve(listener)?;
        Ok(port)
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let _context = self.runtime.enter();
        let server = Server::new(tokio::net::TcpListener::from_std(listener)?);
        let (running, ended) = channel();
        let (street, clock) = (Arc::clone(&self.street), self.clock);
        let task = self.runtime.spawn(async move {
            let _running = running;
            let server = server;
            let connected = |stream: TcpStream, _| {
                let closed = Arc::new(AtomicBool::new(false));
                let answering = Answering { street: Arc::clone(&street), clock, closed: Arc::clone(&closed) };
                async move {
                    stream.set_nodelay(true)?;
                    Ok(Some((answering, Closable { stream, closed })))
                }
            };
            // A client that sends nonsense loses its connection; the line goes on.
            let _ = server.serve(&connected, |_| {}).await;
        });
        *self.lock() = Some(Serving { abort: task.abort_handle(), ended });
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Serving>> {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port for TcpPort {
    fn place(&self) -> Option<Place> {
        self.lock().as_ref().map(|_| Place::Tcp(self.address))
    }

    fn unplug(&self) -> io::Result<()> {
        let serving = self.lock().take();
        if let Some(serving) = serving {
            serving.abort.abort();
            // Always an error: nothing is ever sent.
            let _ = serving.ended.recv();
        }
        Ok(())
    }

    fn replug(&self) -> io::Result<()> {
        if self.lock().is_some() {
            return Ok(());
        }
        self.serve(TcpListener::bind(self.address)?)
    }

    fn wake(&self) {}

    fn stop(&self) {
        // Unplugging a socket cannot fail.
        let _ = self.unplug();
    }
}

impl Drop for TcpPort {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Answers the requests of one connection.
struct Answering {
    street: Arc<Mutex<Street>>,
    clock: Clock,
    closed: Arc<AtomicBool>,
}

type Answer = Result<Option<tokio_modbus::Response>, ExceptionCode>;

impl Service for Answering {
    type Request = SlaveRequest<'static>;
    type Response = Option<tokio_modbus::Response>;
    type Exception = ExceptionCode;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn call(&self, asked: Self::Request) -> Self::Future {
        let (delay, answer) = self.answer(asked.slave, &asked.request);
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            answer
        })
    }
}

impl Answering {
    /// Every device of the line hears the request as a frame; the first who answers is heard.
    fn answer(&self, unit_id: u8, request: &tokio_modbus::Request<'_>) -> (Duration, Answer) {
        let mut street = self.street.lock().unwrap_or_else(PoisonError::into_inner);
        if street.closes(unit_id) {
            self.closed.store(true, Ordering::Relaxed);
            return (Duration::ZERO, Ok(None));
        }
        if !street.has_unit_id(unit_id) {
            return (Duration::ZERO, Err(NOBODY_THERE));
        }
        let mut request_pdu = [0; MAX_PDU];
        let mut frame = [0; MAX_RTU_FRAME];
        let len = encode(request, &mut request_pdu);
        let request_pdu = request_pdu.get(..len).unwrap_or_default();
        let len = rtu::encode(unit_id, request_pdu, &mut frame).unwrap_or(0);
        let replies = street.hear(self.clock.now(), frame.get(..len).unwrap_or_default());
        match replies.first() {
            Some(reply) => (
                Duration::from_nanos(reply.delay),
                decode(request_pdu, pdu(&reply.bytes).unwrap_or_default()),
            ),
            None => (Duration::ZERO, Ok(None)),
        }
    }
}

/// The request's PDU again. What this field does not speak keeps only its function code, which is all that
/// it is refused for.
fn encode(request: &tokio_modbus::Request<'_>, out: &mut [u8]) -> usize {
    use tokio_modbus::Request as Asked;
    let packed = |bits: &[bool]| -> Vec<u8> {
        bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    };
    let read = |table, address, count| Request::Read { table, address, count };
    let bytes: Vec<u8>;
    let spoken = match request {
        Asked::ReadCoils(address, count) => Some(read(Table::Coil, *address, *count)),
        Asked::ReadDiscreteInputs(address, count) => Some(read(Table::DiscreteInput, *address, *count)),
        Asked::ReadInputRegisters(address, count) => Some(read(Table::InputRegister, *address, *count)),
        Asked::ReadHoldingRegisters(address, count) => Some(read(Table::HoldingRegister, *address, *count)),
        Asked::WriteSingleCoil(address, on) => Some(Request::WriteCoil { address: *address, on: *on }),
        Asked::WriteSingleRegister(address, value) => {
            Some(Request::WriteRegister { address: *address, value: *value })
        }
        Asked::WriteMultipleCoils(address, coils) => {
            bytes = packed(coils);
            let count = u16::try_from(coils.len()).unwrap_or(u16::MAX);
            Bits::new(&bytes, count).map(|bits| Request::WriteCoils { address: *address, bits })
        }
        Asked::WriteMultipleRegisters(address, words) => {
            bytes = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            Registers::from_bytes(&bytes)
                .map(|registers| Request::WriteRegisters { address: *address, registers })
        }
        _ => None,
    };
    let encoded = spoken.and_then(|request| request.encode(out).ok());
    encoded.unwrap_or_else(|| {
        // A count that no frame can carry, or another function: a bare function code is refused alike.
        out.iter_mut().zip([request.function_code().value()]).for_each(|(place, code)| *place = code);
        1
    })
}

/// The answer's PDU in the server library's terms; silence for what is not an answer.
fn decode(request: &[u8], answer: &[u8]) -> Answer {
    use tokio_modbus::Response as Told;
    if let [function, code] = answer
        && function & 0x80 != 0
    {
        return Err(ExceptionCode::new(*code));
    }
    let Ok(request) = Request::decode(request) else { return Ok(None) };
    let table = match request {
        Request::Read { table, .. } => Some(table),
        _ => None,
    };
    Ok(match Response::decode(&request, answer) {
        Ok(Response::Bits(bits)) if table == Some(Table::Coil) => {
            Some(Told::ReadCoils(bits.iter().collect()))
        }
        Ok(Response::Bits(bits)) => Some(Told::ReadDiscreteInputs(bits.iter().collect())),
        Ok(Response::Registers(words)) if table == Some(Table::InputRegister) => {
            Some(Told::ReadInputRegisters(words.iter().collect()))
        }
        Ok(Response::Registers(words)) => Some(Told::ReadHoldingRegisters(words.iter().collect())),
        Ok(Response::WroteCoil { address, on }) => Some(Told::WriteSingleCoil(address, on)),
        Ok(Response::WroteRegister { address, value }) => Some(Told::WriteSingleRegister(address, value)),
        Ok(Response::WroteCoils { address, count }) => Some(Told::WriteMultipleCoils(address, count)),
        Ok(Response::WroteRegisters { address, count }) => Some(Told::WriteMultipleRegisters(address, count)),
        Ok(Response::Exception(_)) | Err(_) => None,
    })
}

/// A connection that ends when its service says so.
#[derive(Debug)]
struct Closable {
    stream: TcpStream,
    closed: Arc<AtomicBool>,
}

impl AsyncRead for Closable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The server reads again as soon as the service has not answered, and takes this for the end.
        if self.closed.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Closable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
