//! Finding the answer in what came in, and a name for everything else.

use super::{Conversation, Failure, Phase};
use crate::rtu::{self, FrameAt};
use crate::{Framing, Micros, Mismatch, tcp};

/// What the bytes at one place are to us.
enum Sight {
    Nothing,
    /// Perhaps a frame: more bytes will tell.
    Maybe,
    /// Our answer's or our echo's beginning.
    Begun,
    /// A frame of this length.
    Whole(Frame, usize),
}

#[derive(Clone, Copy)]
enum Frame {
    Echo,
    Answer,
    /// Valid, but not what we are waiting for.
    Other,
}

impl Conversation {
    /// Looks through what came in for the answer, and takes out every frame it can name.
    pub(super) fn scan(&mut self, now: Micros) {
        match (self.framing, self.phase) {
            // While we speak, only our own echo can come: it is looked at when we have ended.
            (Framing::Rtu, Phase::Sending) => {}
            (Framing::Rtu, Phase::Listening { .. }) => self.scan_rtu(now),
            (Framing::Rtu, _) if planted!(NoDrainAfterTimeout) && self.outcome.is_err() => {}
            (Framing::Rtu, _) => self.scan_rtu(now),
            (Framing::Tcp, _) => self.scan_tcp(now),
        }
    }

    /// Forgets up to `count` of the oldest bytes that came in, and counts them.
    pub(super) fn throw_away(&mut self, count: usize, now: Micros) {
        let thrown = count.min(self.incoming.as_slice().len());
        self.noise |= thrown > 0 && self.is_listening();
        add(&mut self.counts.stray_bytes, thrown);
        self.take_out(thrown, now);
    }

    /// Whether anything but our own echo has come since we asked.
    pub(super) fn heard_something(&self) -> bool {
        self.noise || self.nearest.is_some() || !self.incoming.as_slice().is_empty()
    }

    /// RTU: whether our answer's beginning lies in what came in.
    pub(super) fn answer_begun(&self) -> bool {
        self.framing == Framing::Rtu && self.tails().any(|tail| self.expected.begun_by(tail))
    }

    /// Why there is no answer, now that we stop listening.
    pub(super) fn verdict(&self) -> Failure {
        if let Some(near @ (Failure::EchoMismatch | Failure::WrongLength | Failure::WrongFunction(_))) =
            self.nearest
        {
            return near;
        }
        let incoming = self.incoming.as_slice();
        if self.framing == Framing::Tcp {
            return if incoming.is_empty() { Failure::Timeout } else { Failure::Truncated };
        }
        let odd = self.tails().find_map(|tail| self.odd_frame(tail));
        let cut_short = |tail: &[u8]| {
            (tail.len() >= 2 || tail.len() == incoming.len()) && self.expected.at(tail) == FrameAt::Maybe
        };
        match odd {
            Some(failure) => failure,
            None if self.tails().any(cut_short) => Failure::Truncated,
            None if self.answer_begun() => Failure::Crc,
            None if self.heard_something() => self.nearest.unwrap_or(Failure::Crc),
            None => Failure::Timeout,
        }
    }

    fn scan_rtu(&mut self, now: Micros) {
        let mut at = self.checked;
        let (mut open, mut begun) = (None, false);
        while let Some(tail) = self.incoming.as_slice().get(at..).filter(|tail| !tail.is_empty()) {
            match self.sight(tail, now) {
                Sight::Nothing => at += 1,
                // Inside of our answer, its own values can look like a frame.
                Sight::Whole(Frame::Other, _) if begun => at += 1,
                sight @ (Sight::Maybe | Sight::Begun) => {
                    begun |= matches!(sight, Sight::Begun);
                    open.get_or_insert(at);
                    at += 1;
                }
                Sight::Whole(frame, len) => {
                    self.throw_away(at, now);
                    self.meet(frame, len, now);
                    self.take_out(len, now);
                    (at, open, begun) = (0, None, false);
                }
            }
        }
        self.checked = open.unwrap_or(at);
    }

    fn sight(&self, tail: &[u8], now: Micros) -> Sight {
        let mine = if self.is_listening() { self.sight_of_mine(tail, now) } else { Sight::Nothing };
        if !matches!(mine, Sight::Nothing) {
            return mine;
        }
        match rtu::frame_at(tail) {
            FrameAt::No => Sight::Nothing,
            FrameAt::Maybe => Sight::Maybe,
            FrameAt::Whole(len) if self.taken_by_mistake(tail, len) => Sight::Whole(Frame::Answer, len),
            FrameAt::Whole(len) if self.answer_straddles(tail, len) => Sight::Maybe,
            FrameAt::Whole(len) => Sight::Whole(Frame::Other, len),
        }
    }

    /// The request's echo or its answer. On a line that echoes, a request that looks like its own answer
    /// must come back first.
    fn sight_of_mine(&self, tail: &[u8], now: Micros) -> Sight {
        let request = self.request.as_slice();
        let must_echo = self.echo.learned && !self.echo.seen;
        if (must_echo || !self.echo.ambiguous) && tail.starts_with(request) {
            return Sight::Whole(Frame::Echo, request.len());
        }
        if must_echo && request.starts_with(tail) {
            return Sight::Begun;
        }
        if must_echo && self.echo.ambiguous {
            return Sight::Nothing;
        }
        match self.expected.at(tail) {
            FrameAt::No => Sight::Nothing,
            FrameAt::Maybe => Sight::Begun,
            FrameAt::Whole(len) if self.is_exception_of_another(tail, now) => Sight::Whole(Frame::Other, len),
            FrameAt::Whole(len) => Sight::Whole(Frame::Answer, len),
        }
    }

    /// An exception has no size: it could be meant for a request we gave up.
    fn is_exception_of_another(&self, frame: &[u8], now: Micros) -> bool {
        frame.get(1).is_some_and(|function| function & 0x80 != 0)
            && self.late.blurs_exception(now, &self.expected, self.request.as_slice())
    }

    /// Whether our answer begins inside of this frame and ends behind it: then the frame is an accident of
    /// noise and our answer's first bytes.
    fn answer_straddles(&self, tail: &[u8], len: usize) -> bool {
        self.is_listening()
            && (1..len).any(|at| {
                let inner = tail.get(at..).unwrap_or_default();
                match self.expected.at(inner) {
                    FrameAt::Whole(inner_len) => at + inner_len > len,
                    FrameAt::Maybe => self.expected.begun_by(inner),
                    FrameAt::No => false,
                }
            })
    }

    /// The planted bug's answer: whatever our unit id sent. Never anything in what ships.
    fn taken_by_mistake(&self, tail: &[u8], len: usize) -> bool {
        planted!(MatchByUnitIdOnly)
            && self.is_listening()
            && tail.first() == Some(&self.expected.unit_id)
            && !tail.starts_with(self.request.as_slice())
            && self.is_fitting(tail.get(..len).unwrap_or_default())
    }

    fn is_fitting(&self, frame: &[u8]) -> bool {
        self.present_request().is_some_and(|request| self.fitting(&request, self.pdu(frame)).is_ok())
    }

    /// Deals with the frame of this length at the beginning of what came in.
    fn meet(&mut self, kind: Frame, len: usize, now: Micros) {
        let frame = self.incoming.as_slice().get(..len).unwrap_or_default();
        match kind {
            Frame::Echo => {
                self.echo.seen = true;
                add(&mut self.counts.own_echoes, 1);
            }
            Frame::Answer => {
                self.reply.replace(frame);
                self.reply_began_at = Some(self.incoming_since);
                if !self.echo.ambiguous {
                    self.echo.learned = self.echo.seen;
                }
                self.finish(now, Ok(()));
            }
            Frame::Other if self.late.explain(now, frame) => add(&mut self.counts.late_answers, 1),
            Frame::Other => self.meet_other(len),
        }
    }

    fn meet_other(&mut self, len: usize) {
        let frame = self.incoming.as_slice().get(..len).unwrap_or_default();
        let unit_id = frame.first().copied().unwrap_or(0);
        if unit_id != self.expected.unit_id {
            add(&mut self.counts.foreign_frames, 1);
            self.nearest = self.nearest.or(Some(Failure::WrongUnitId(unit_id)));
            return;
        }
        if self.is_listening() {
            let failure =
                self.present_request().and_then(|request| self.fitting(&request, self.pdu(frame)).err());
            self.nearest = nearer(self.nearest, failure);
        }
        add(&mut self.counts.stray_bytes, len);
    }

    /// A frame of our unit id that fills the rest of what came in, in a function or size nobody knows.
    fn odd_frame(&self, tail: &[u8]) -> Option<Failure> {
        if tail.first() != Some(&self.expected.unit_id) {
            return None;
        }
        let (_, pdu) = rtu::decode(tail).ok()?;
        self.present_request().and_then(|request| self.fitting(&request, pdu).err())
    }

    fn scan_tcp(&mut self, now: Micros) {
        while !self.broken {
            let (header, pdu) = match tcp::decode(self.incoming.as_slice()) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(_) => {
                    self.broken = true;
                    if !matches!(self.phase, Phase::Idle | Phase::Done) {
                        self.finish(now, Err(Failure::Stream));
                    }
                    break;
                }
            };
            let awaited = matches!(self.phase, Phase::Listening { .. } | Phase::Sending);
            if !awaited || header.transaction != self.transaction {
                add(&mut self.counts.late_answers, 1);
            } else if header.unit_id != self.expected.unit_id {
                add(&mut self.counts.foreign_frames, 1);
                self.finish(now, Err(Failure::WrongUnitId(header.unit_id)));
            } else {
                let request = self.present_request();
                let failure = request.and_then(|request| self.fitting(&request, pdu).err());
                let frame = self.incoming.as_slice().get(..header.frame_len()).unwrap_or_default();
                self.reply.replace(frame);
                self.reply_began_at = Some(self.incoming_since);
                self.finish(now, failure.map_or(Ok(()), Err));
            }
            self.take_out(header.frame_len(), now);
        }
        self.throw_away(usize::MAX, now);
    }

    fn take_out(&mut self, count: usize, now: Micros) {
        if count > 0 {
            self.incoming.cut(count);
            self.checked = self.checked.saturating_sub(count);
            self.incoming_since = now;
        }
    }

    fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Listening { .. })
    }

    fn tails(&self) -> impl Iterator<Item = &[u8]> {
        let incoming = self.incoming.as_slice();
        (0..incoming.len()).map(|at| incoming.get(at..).unwrap_or_default())
    }
}

impl From<Mismatch> for Failure {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Function(function) => Self::WrongFunction(function),
            Mismatch::Length => Self::WrongLength,
            Mismatch::Echo => Self::EchoMismatch,
        }
    }
}

/// The failure that says more about our device.
fn nearer(known: Option<Failure>, new: Option<Failure>) -> Option<Failure> {
    let rank = |failure: &Option<Failure>| match failure {
        Some(Failure::EchoMismatch) => 3,
        Some(Failure::WrongLength) => 2,
        Some(Failure::WrongFunction(_)) => 1,
        _ => 0,
    };
    if rank(&new) > rank(&known) { new } else { known }
}

fn add(count: &mut u32, more: usize) {
    *count = count.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
}
