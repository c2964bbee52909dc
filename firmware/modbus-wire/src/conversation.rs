//! One client's conversation on one line. It says when to send and what, is told every byte and the time,
//! and says when there is an answer or why there is none. It does no I/O and reads no clock.
//!
//! On RTU nothing in an answer says which request it belongs to, so the rules are: speak only into silence
//! (what came before is thrown away and counted), take only a frame whose unit id, function, size and CRC
//! fit, and after a failure hold a request that the late answer could be mistaken for. On TCP the
//! transaction number settles it.

mod scan;

use crate::buffer::Buffer;
use crate::expected::Expected;
use crate::late::LateAnswers;
use crate::{EncodeError, Framing, MAX_PDU, MAX_TCP_FRAME, Micros, Request, Response, Timing, rtu, tcp};

/// The longest answer and as much noise before it.
const INCOMING: usize = 512;
/// A line that is never quiet for this long is babbling.
const BABBLE_US: Micros = 1_000_000;

/// What to ask whom.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// 1-247, by opt-in also 248-255; never 0.
    pub unit_id: u8,
    pub request: Request<'a>,
    /// Microseconds from the end of the request to the first byte of the answer.
    pub first_byte_us: u32,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Listen; hand over what comes; call again by then at the latest.
    Wait { until: Micros },
    /// Send [`Conversation::outgoing`] now, then call [`Conversation::sent`]. Said until then.
    Send,
    /// [`Conversation::answer`] has the result. Said until the next `begin`.
    Done,
    /// Nothing was asked.
    Idle,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing came.
    Timeout,
    /// Something came, but no valid frame; also a line that is never quiet.
    Crc,
    /// Only a frame of this other device came.
    WrongUnitId(u8),
    /// Our device answered another function than the one asked.
    WrongFunction(u8),
    /// Our device answered our function in another size.
    WrongLength,
    /// Our device confirmed another write than ours.
    EchoMismatch,
    /// The answer began and then went silent.
    Truncated,
    /// TCP: the framing is broken. Drop the connection; nothing is answered before [`Conversation::reset`].
    Stream,
}

/// What came back: exactly what was asked for, or the device's exception.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub pdu: &'a [u8],
    /// The whole frame, for transcripts.
    pub frame: &'a [u8],
    pub response: Response<'a>,
}

/// What went by without being an answer. Counted when it is thrown away; stops at the maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that belonged to no frame, or to one nobody waited for.
    pub stray_bytes: u32,
    /// Valid frames of other devices.
    pub foreign_frames: u32,
    /// Our own requests, heard back from a half-duplex adapter.
    pub own_echoes: u32,
    /// Asks that failed with [`Failure::Crc`].
    pub crc_errors: u32,
    /// Asks that failed with [`Failure::Truncated`].
    pub truncated: u32,
    /// Answers that came after we had given up.
    pub late_answers: u32,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle,
    /// Waiting for the hold to pass and the line to be quiet.
    Quiet {
        hold_until: Micros,
        give_up_at: Micros,
    },
    Sending,
    /// `first_by`: when the answer must have begun; `until`: when even a line that never stops is given up.
    Listening {
        first_by: Micros,
        until: Micros,
    },
    Done,
}

/// What is known about our own requests coming back.
#[derive(Clone, Copy, Debug, Default)]
struct Echo {
    /// The last request that could tell came back.
    learned: bool,
    /// The present request came back.
    seen: bool,
    /// The present request looks like its own answer (functions 5 and 6 always do).
    ambiguous: bool,
}

/// One client's conversation on one line.
///
/// ```
/// # use modbus_wire::*;
/// let mut line = Conversation::new(Framing::Rtu, Timing::serial(9600, 10));
/// let request = Request::Read { table: Table::HoldingRegister, address: 3, count: 1 };
/// line.begin(0, &Ask { unit_id: 1, request, first_byte_us: 200_000 })?;
/// assert_eq!(line.step(0), Step::Wait { until: 3_646 }); // 3.5 characters of silence
/// assert_eq!(line.step(3_646), Step::Send);
/// assert_eq!(line.outgoing(), [0x01, 0x03, 0x00, 0x03, 0x00, 0x01, 0x74, 0x0A]);
/// line.sent(12_000);
/// line.received(40_000, &[0x01, 0x03, 0x02, 0x00, 0x01, 0x79, 0x84]);
/// assert_eq!(line.step(40_000), Step::Done);
/// let Ok(Answer { response: Response::Registers(registers), .. }) = line.answer() else { unreachable!() };
/// assert_eq!(registers.get(0), Some(1));
/// # Ok::<(), EncodeError>(())
/// ```
pub struct Conversation {
    framing: Framing,
    timing: Timing,
    phase: Phase,
    outcome: Result<(), Failure>,
    request: Buffer<MAX_TCP_FRAME>,
    reply: Buffer<MAX_TCP_FRAME>,
    expected: Expected,
    first_byte_us: u32,
    transaction: u16,
    /// The present request was given up a moment ago.
    retry: bool,
    sent_at: Option<Micros>,
    reply_began_at: Option<Micros>,
    /// The last byte in or out.
    last_byte_at: Option<Micros>,
    incoming: Buffer<INCOMING>,
    /// The oldest byte of `incoming` came then.
    incoming_since: Micros,
    /// No frame begins before this place in `incoming`.
    checked: usize,
    /// While listening: noise was thrown away; the frame that came nearest to an answer.
    noise: bool,
    nearest: Option<Failure>,
    echo: Echo,
    late: LateAnswers,
    /// TCP framing was broken.
    broken: bool,
    counts: Counts,
}

impl core::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Conversation")
            .field("framing", &self.framing)
            .field("phase", &self.phase)
            .field("outcome", &self.outcome)
            .field("incoming", &self.incoming.as_slice())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Conversation {
    #[must_use]
    pub fn new(framing: Framing, timing: Timing) -> Self {
        Self {
            framing,
            timing,
            phase: Phase::Idle,
            outcome: Err(Failure::Timeout),
            request: Buffer::new(),
            reply: Buffer::new(),
            expected: Expected::nothing(),
            first_byte_us: 0,
            transaction: 0,
            retry: false,
            sent_at: None,
            reply_began_at: None,
            last_byte_at: None,
            incoming: Buffer::new(),
            incoming_since: 0,
            checked: 0,
            noise: false,
            nearest: None,
            echo: Echo::default(),
            late: LateAnswers::none(),
            broken: false,
            counts: Counts::default(),
        }
    }

    /// Takes the next ask; nothing is sent before [`Self::step`] says so. An ask still under way is given up.
    ///
    /// # Errors
    /// The request cannot be asked at all; the conversation stays as it was.
    pub fn begin(&mut self, now: Micros, ask: &Ask<'_>) -> Result<(), EncodeError> {
        if ask.unit_id == 0 {
            return Err(EncodeError::UnitId);
        }
        let mut pdu = [0; MAX_PDU];
        let pdu_len = ask.request.encode(&mut pdu)?;
        let pdu = pdu.get(..pdu_len).unwrap_or_default();
        let transaction = self.transaction.wrapping_add(1);
        let mut frame = [0; MAX_TCP_FRAME];
        let frame_len = match self.framing {
            Framing::Rtu => rtu::encode(ask.unit_id, pdu, &mut frame)?,
            Framing::Tcp => tcp::encode(transaction, ask.unit_id, pdu, &mut frame)?,
        };

        if let Phase::Sending | Phase::Listening { .. } = self.phase {
            self.owe(now, self.sent_at.unwrap_or(now));
        }
        self.transaction = transaction;
        self.request.replace(frame.get(..frame_len).unwrap_or_default());
        self.expected = Expected::new(ask.unit_id, &ask.request, pdu);
        self.first_byte_us = ask.first_byte_us;
        self.reply.clear();
        (self.sent_at, self.reply_began_at) = (None, None);
        (self.noise, self.nearest) = (false, None);
        match self.framing {
            Framing::Tcp if self.broken => self.finish(now, Err(Failure::Stream)),
            Framing::Tcp => self.phase = Phase::Sending,
            Framing::Rtu => self.phase = self.await_quiet(now),
        }
        Ok(())
    }

    /// What to do next. Call it after every event, with everything handed over that has come in by `now`.
    pub fn step(&mut self, now: Micros) -> Step {
        match self.phase {
            Phase::Idle => Step::Idle,
            Phase::Sending => Step::Send,
            Phase::Done => Step::Done,
            Phase::Quiet { hold_until, give_up_at } => self.step_quiet(now, hold_until, give_up_at),
            Phase::Listening { first_by, until } => {
                let until = self.deadline(first_by, until);
                if now < until {
                    return Step::Wait { until };
                }
                let failure = self.verdict();
                self.finish(now, Err(failure));
                Step::Done
            }
        }
    }

    /// The bytes to send when [`Self::step`] says so.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        if let Phase::Sending = self.phase { self.request.as_slice() } else { &[] }
    }

    /// The last byte of the request has left the wire at `now`, which the caller knows from baud rate and
    /// length; it may lie ahead.
    pub fn sent(&mut self, now: Micros) {
        self.last_byte_at = self.last_byte_at.max(Some(now));
        if let Phase::Sending = self.phase {
            let first_by = now.saturating_add(u64::from(self.first_byte_us));
            let answer_us = self.timing.characters_us(self.expected.frame_len);
            let until = first_by.saturating_add(answer_us).saturating_add(u64::from(self.timing.gap_us));
            self.sent_at = Some(now);
            self.phase = Phase::Listening { first_by, until };
            self.scan(now);
        }
    }

    /// Bytes came in; at any time, asked or not.
    pub fn received(&mut self, now: Micros, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.last_byte_at = self.last_byte_at.max(Some(now));
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.incoming.as_slice().is_empty() {
                self.incoming_since = now;
            }
            rest = self.incoming.append(rest);
            self.scan(now);
            if self.incoming.is_full() {
                self.throw_away(INCOMING / 2, now);
            }
        }
    }

    /// The result; valid after [`Self::step`] said `Done`.
    ///
    /// # Errors
    /// Why there is no answer. A device's exception is an answer.
    pub fn answer(&self) -> Result<Answer<'_>, Failure> {
        let Phase::Done = self.phase else { return Err(Failure::Timeout) };
        self.outcome?;
        let frame = self.reply.as_slice();
        let pdu = self.pdu(frame);
        let request = self.present_request().ok_or(Failure::WrongLength)?;
        let response = self.fitting(&request, pdu)?;
        Ok(Answer { pdu, frame, response })
    }

    /// Microseconds from the end of the request to the first byte of the answer; `None` without an answer.
    /// Noise right before the answer counts as its beginning.
    #[must_use]
    pub fn reply_delay_us(&self) -> Option<u32> {
        let delay = self.reply_began_at?.saturating_sub(self.sent_at?);
        Some(u32::try_from(delay).unwrap_or(u32::MAX))
    }

    /// Bytes that came and belong to nothing yet; while nobody is asked they are noise that was not counted so far.
    #[must_use]
    pub fn unjudged_bytes(&self) -> usize {
        self.incoming.as_slice().len()
    }

    /// The frame of the present or last request, for transcripts.
    #[must_use]
    pub fn request_frame(&self) -> &[u8] {
        self.request.as_slice()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The line was opened: forgets the ask, and waits out the answers that a process before us may still be
    /// owed, for they would look like ours. Counts stay, and so does what was learned about echoes: not
    /// expecting one would turn it into a write's confirmation.
    pub fn reset(&mut self, now: Micros) {
        self.throw_away(INCOMING, now);
        self.phase = Phase::Idle;
        self.outcome = Err(Failure::Timeout);
        self.last_byte_at = Some(now);
        self.late = match self.framing {
            Framing::Rtu => LateAnswers::unknown(now.saturating_add(u64::from(self.timing.late_window_us))),
            Framing::Tcp => LateAnswers::none(),
        };
        self.broken = false;
    }

    fn await_quiet(&mut self, now: Micros) -> Phase {
        let request = self.request.as_slice();
        let hold_until = self.late.hold_until(now, &self.expected, request).max(now);
        self.retry = self.late.is_retry(now, &self.expected, request);
        self.echo.ambiguous = self.expected.appears_in(request);
        self.echo.seen = false;
        // On a line nobody has listened to yet, listen first.
        self.last_byte_at.get_or_insert(now);
        let patience = BABBLE_US.saturating_add(u64::from(self.timing.silence_us));
        Phase::Quiet { hold_until, give_up_at: hold_until.saturating_add(patience) }
    }

    fn step_quiet(&mut self, now: Micros, hold_until: Micros, give_up_at: Micros) -> Step {
        let last_byte_at = self.last_byte_at.unwrap_or(0);
        let quiet_at = last_byte_at.saturating_add(u64::from(self.timing.silence_us)).max(hold_until);
        let undrained = planted!(NoDrainAfterTimeout) && self.outcome.is_err();
        if now >= quiet_at || undrained {
            if !undrained {
                self.throw_away(INCOMING, now);
            }
            (self.noise, self.nearest) = (false, None);
            self.phase = Phase::Sending;
            Step::Send
        } else if now >= give_up_at {
            self.finish(now, Err(Failure::Crc));
            Step::Done
        } else {
            Step::Wait { until: quiet_at.min(give_up_at) }
        }
    }

    /// When to stop listening: when the answer should have begun, or a gap after the last byte if something
    /// is coming in; an answer that has begun ends with its own gap.
    fn deadline(&self, first_by: Micros, until: Micros) -> Micros {
        let Some(last_byte_at) = self.last_byte_at.filter(|_| self.heard_something()) else {
            return first_by;
        };
        let pause_ends = last_byte_at.saturating_add(u64::from(self.timing.gap_us));
        if self.answer_begun() { pause_ends.min(until) } else { pause_ends.max(first_by).min(until) }
    }

    fn finish(&mut self, now: Micros, outcome: Result<(), Failure>) {
        let one_more = |count: &mut u32| *count = count.saturating_add(1);
        match outcome {
            Err(Failure::Crc) => one_more(&mut self.counts.crc_errors),
            Err(Failure::Truncated) => one_more(&mut self.counts.truncated),
            _ => {}
        }
        if let Some(sent_at) = self.sent_at.filter(|_| outcome.is_err() || self.retry) {
            self.owe(now, sent_at);
        }
        self.phase = Phase::Done;
        self.outcome = outcome;
    }

    /// The answer to what was sent may come late, or for the second time.
    fn owe(&mut self, now: Micros, sent_at: Micros) {
        if self.framing == Framing::Rtu {
            let given_up_at = sent_at.saturating_add(u64::from(self.first_byte_us)).max(now);
            let until = given_up_at.saturating_add(u64::from(self.timing.late_window_us));
            self.late.owe(now, &self.expected, self.request.as_slice(), until);
        }
    }

    fn pdu<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        match self.framing {
            Framing::Rtu => frame.get(1..frame.len().saturating_sub(2)).unwrap_or_default(),
            Framing::Tcp => frame.get(tcp::HEADER_LEN..).unwrap_or_default(),
        }
    }

    fn present_request(&self) -> Option<Request<'_>> {
        Request::decode(self.pdu(self.request.as_slice())).ok()
    }

    /// The response in a PDU, if it is one to this request.
    fn fitting<'p>(&self, request: &Request<'_>, pdu: &'p [u8]) -> Result<Response<'p>, Failure> {
        let response = Response::decode(request, pdu).map_err(Failure::from);
        #[cfg(planted)]
        if planted!(MatchByUnitIdOnly) {
            return response.or_else(|failure| Response::decode_loosely(request, pdu).ok_or(failure));
        }
        response
    }
}
