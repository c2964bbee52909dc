//! An open port and the conversation on it: one exchange at a time, waited for exactly.
//!
//! A line's thread and the installer's verbs both speak through this; when to speak and what counts as an
//! answer is decided by `modbus_wire::Conversation`.
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use modbus_wire::{Conversation, Failure, Framing, Response, Step, Timing};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use shouwang_core::Instant;
use shouwang_core::configuration::LineKind;
use shouwang_core::profile::{Parity, Table};

use shouwang_installer::{Heard, Order, Question, Wrote};

use super::{Link, tcp, translate};
use crate::clock;

/// A port that takes no byte for this long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(1);

/// Whom a wait gives way to.
pub trait Attention {
    /// Readable as soon as somebody wants a word.
    fn wake(&self) -> BorrowedFd<'_>;
    /// Called after each wait, with whether there was a word; true if it is time to end.
    fn is_over(&self, woken: bool) -> bool;
}

/// Why an exchange could not be finished.
#[derive(Debug)]
pub enum End {
    /// Somebody asked for it.
    Stopped,
    /// The port is gone, and this is what the system said.
    Lost(String),
}

impl From<Errno> for End {
    fn from(error: Errno) -> Self {
        Self::Lost(error.to_string())
    }
}

/// What was said and heard on one port, and how it speaks.
#[derive(Debug)]
pub struct Wire {
    pub conversation: Conversation,
    kind: LineKind,
}

/// Opens a line's port; a word on `wake` ends the attempt.
///
/// # Errors
/// The port is not there or held by another program; the host is unknown, or nobody accepts within 3 s; the network
/// interface is not there, or the kernel forbids to bind to it.
pub fn open(link: &Link, wake: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    match link {
        Link::Serial { path, baud, parity, stop_bits } => {
            shouwang_serial::open_port(path, speech(*baud, *parity, *stop_bits))
        }
        Link::Tcp { address, interface, .. } => tcp::connect_to(address, interface.as_deref(), wake),
    }
}

/// As the port takes it.
pub(super) fn speech(baud: u32, parity: Parity, stop_bits: u8) -> shouwang_serial::Speech {
    let parity = match parity {
        Parity::None => shouwang_serial::Parity::None,
        Parity::Even => shouwang_serial::Parity::Even,
        Parity::Odd => shouwang_serial::Parity::Odd,
    };
    shouwang_serial::Speech { baud, parity, stop_bits }
}

/// The line's kind, as the core counts its times.
pub fn kind(link: &Link) -> LineKind {
    match link {
        Link::Serial { baud, parity, stop_bits, .. } => {
            LineKind::Serial { baud: *baud, bits: 9 + u8::from(*parity != Parity::None) + stop_bits }
        }
        Link::Tcp { rtu_frames, .. } => LineKind::Tcp { rtu_frames: *rtu_frames },
    }
}

/// How long to wait for what on a line of this kind.
pub fn timing(kind: LineKind) -> Timing {
    match kind {
        LineKind::Serial { baud, bits } => Timing::serial(baud, u32::from(bits)),
        LineKind::Tcp { .. } => Timing::stream(),
    }
}

/// An installer's question as a request.
pub fn request(question: &Question) -> modbus_wire::Ask<'static> {
    let Question { unit_id, table, address, count, wait, .. } = *question;
    modbus_wire::Ask {
        unit_id,
        request: modbus_wire::Request::Read { table: translate::wire_table(table), address, count },
        first_byte_us: u32::try_from(wait.as_micros()).unwrap_or(u32::MAX),
    }
}

/// An installer's order as a request.
pub fn order(order: &Order) -> modbus_wire::Ask<'static> {
    let Order { unit_id, table, address, value, wait } = *order;
    let request = match table {
        Table::Coil | Table::DiscreteInput => modbus_wire::Request::WriteCoil { address, on: value != 0 },
        Table::HoldingRegister | Table::InputRegister => {
            modbus_wire::Request::WriteRegister { address, value }
        }
    };
    modbus_wire::Ask { unit_id, request, first_byte_us: u32::try_from(wait.as_micros()).unwrap_or(u32::MAX) }
}

impl Wire {
    /// Nothing was said yet.
    pub fn new(kind: LineKind, timing: Timing) -> Self {
        let framing = match kind {
            LineKind::Serial { .. } | LineKind::Tcp { rtu_frames: true } => Framing::Rtu,
            LineKind::Tcp { rtu_frames: false } => Framing::Tcp,
        };
        Self { conversation: Conversation::new(framing, timing), kind }
    }

    /// Carries out what the conversation has just begun; says when it ended. The conversation has the answer.
    ///
    /// # Errors
    /// The port is gone, or it is time to end.
    pub fn carry_out(
        &mut self,
        port: BorrowedFd<'_>,
        attention: &impl Attention,
        mut now: Instant,
    ) -> Result<Instant, End> {
        loop {
            match self.conversation.step(now.as_micros()) {
                Step::Wait { until } => now = self.wait(port, attention, Instant::from_micros(until))?,
                Step::Send => now = self.send(port)?,
                Step::Done | Step::Idle => return Ok(now),
            }
        }
    }

    /// What came of the last exchange, in an installer's words; none if what comes in is not Modbus TCP, and the
    /// connection must be given up.
    pub fn heard(&self) -> Option<Heard> {
        let delay = Duration::from_micros(self.conversation.reply_delay_us().unwrap_or(0).into());
        Some(match self.conversation.answer().map(|answer| answer.response) {
            Ok(Response::Registers(registers)) => Heard::Words(registers.iter().collect(), delay),
            Ok(Response::Bits(bits)) => Heard::Bits(bits.iter().collect(), delay),
            Ok(Response::Exception(code)) => Heard::Exception(code.0, delay),
            Err(Failure::Timeout) => Heard::Silence,
            Err(Failure::WrongUnitId(other)) => Heard::Other(other),
            Err(Failure::Stream) => return None,
            Ok(_) | Err(_) => Heard::Garbled,
        })
    }

    /// What came of an order.
    pub fn wrote(&self) -> Wrote {
        match self.conversation.answer().map(|answer| answer.response) {
            Ok(Response::Exception(code)) => Wrote::Exception(code.0),
            Ok(_) => Wrote::Confirmed,
            Err(_) => Wrote::Unclear,
        }
    }

    /// Waits for bytes or for `until`, hands over what came, and says what time it is.
    ///
    /// # Errors
    /// The port is gone, or it is time to end.
    pub fn wait(
        &mut self,
        port: BorrowedFd<'_>,
        attention: &impl Attention,
        until: Instant,
    ) -> Result<Instant, End> {
        let mut fds = [
            PollFd::from_borrowed_fd(port, PollFlags::IN),
            PollFd::from_borrowed_fd(attention.wake(), PollFlags::IN),
        ];
        match poll(&mut fds, clock::wait(clock::now(), until).as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let (came, woken) = (fds[0].revents(), !fds[1].revents().is_empty());
        if attention.is_over(woken) {
            return Err(End::Stopped);
        }
        let now = clock::now();
        if !came.is_empty() {
            self.receive(port, now)?;
        }
        Ok(now)
    }

    /// Writes the request. It leaves at the line's speed, whatever the write's return says.
    fn send(&mut self, port: BorrowedFd<'_>) -> Result<Instant, End> {
        let mut now = clock::now();
        let give_up = now + WRITE_WITHIN;
        let mut left = self.conversation.outgoing();
        let characters = u32::try_from(left.len()).unwrap_or(0);
        let leaves = now + self.kind.character() * characters;
        while !left.is_empty() {
            match rustix::io::write(port, left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if now < give_up => {
                    let mut fds = [PollFd::from_borrowed_fd(port, PollFlags::OUT)];
                    poll(&mut fds, clock::wait(now, give_up).as_ref())?;
                    now = clock::now();
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.conversation.sent(leaves.max(now).as_micros());
        Ok(now)
    }

    fn receive(&mut self, port: BorrowedFd<'_>, now: Instant) -> Result<(), End> {
        let mut bytes = [0; 512];
        match rustix::io::read(port, &mut bytes) {
            Ok(0) => Err(End::Lost("the other end hung up".into())),
            Ok(count) => {
                self.conversation.received(now.as_micros(), bytes.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
