//! What the answer to our request must look like on an RTU line, so that it is found among noise and other
//! people's frames, and nothing else is taken for it.

use crate::Request;
use crate::buffer::Buffer;
use crate::rtu::{self, FrameAt};

const EXCEPTION_FRAME_LEN: usize = 5;

/// The beginning and the length of the one answer we accept, besides an exception.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// Unit id, function and byte count of a read; the first six bytes of a write, which are ours again.
    prefix: Buffer<6>,
    pub(crate) unit_id: u8,
    pub(crate) function: u8,
    pub(crate) frame_len: usize,
}

impl Expected {
    pub(crate) const fn nothing() -> Self {
        Self { prefix: Buffer::new(), unit_id: 0, function: 0, frame_len: 0 }
    }

    pub(crate) fn new(unit_id: u8, request: &Request<'_>, request_pdu: &[u8]) -> Self {
        let pdu_len = request.response_pdu_len();
        let mut prefix = Buffer::new();
        prefix.append(&[unit_id]);
        if let Request::Read { .. } = request {
            prefix.append(&[request.function(), u8::try_from(pdu_len - 2).unwrap_or(u8::MAX)]);
        } else {
            prefix.append(request_pdu);
        }
        Self { prefix, unit_id, function: request.function(), frame_len: pdu_len + 3 }
    }

    /// Whether the expected answer, or an exception to our function, begins with these bytes.
    pub(crate) fn at(&self, bytes: &[u8]) -> FrameAt {
        match self.len_at(bytes) {
            None => FrameAt::No,
            Some(len) => match bytes.get(..len) {
                None => FrameAt::Maybe,
                Some(frame) if rtu::decode(frame).is_ok() => FrameAt::Whole(len),
                Some(_) => FrameAt::No,
            },
        }
    }

    /// Whether these bytes hold enough of our answer's beginning to say that it has begun.
    pub(crate) fn begun_by(&self, bytes: &[u8]) -> bool {
        bytes.len() >= 2 && self.len_at(bytes).is_some()
    }

    /// Whether a complete answer lies anywhere in these bytes.
    pub(crate) fn appears_in(&self, bytes: &[u8]) -> bool {
        (0..bytes.len()).any(|at| matches!(self.at(bytes.get(at..).unwrap_or_default()), FrameAt::Whole(_)))
    }

    fn len_at(&self, bytes: &[u8]) -> Option<usize> {
        let prefix = self.prefix.as_slice();
        if prefix.iter().zip(bytes).all(|(expected, byte)| expected == byte) {
            return Some(self.frame_len);
        }
        let exception = [self.unit_id, self.function | 0x80];
        exception.iter().zip(bytes).all(|(expected, byte)| expected == byte).then_some(EXCEPTION_FRAME_LEN)
    }
}
