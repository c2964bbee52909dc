//! RTU framing: unit id, PDU, CRC (low byte first). Nothing in a frame says where it begins; time and the
//! CRC do.

use crate::buffer::Writer;
use crate::{EncodeError, FrameError, MAX_PDU, MAX_RTU_FRAME};

/// The shortest frame: unit id, function, CRC.
const MIN_FRAME: usize = 4;

/// One step of CRC-16/MODBUS (polynomial 0x8005, reflected) for every value of four bits: small enough for
/// a microcontroller, fast enough for a gateway.
const CRC_TABLE: [u16; 16] = {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut crc = nibble as u16;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[nibble] = crc;
        nibble += 1;
    }
    table
};

/// The CRC of a frame's bytes; it goes on the wire low byte first.
#[must_use]
pub fn crc(bytes: &[u8]) -> u16 {
    let nibble = |crc: u16, value: u8| CRC_TABLE[usize::from((crc ^ u16::from(value)) & 0x0F)] ^ (crc >> 4);
    bytes.iter().fold(0xFFFF, |crc, byte| nibble(nibble(crc, byte & 0x0F), byte >> 4))
}

/// Writes a frame and returns its length.
///
/// # Errors
/// `NoRoom` if `out` is too short or the PDU is empty or longer than 253 bytes.
pub fn encode(unit_id: u8, pdu: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    if pdu.is_empty() || pdu.len() > MAX_PDU {
        return Err(EncodeError::NoRoom);
    }
    let len = Writer::new(out).byte(unit_id).bytes(pdu).finish()?;
    let (body, rest) = out.split_at_mut_checked(len).ok_or(EncodeError::NoRoom)?;
    Ok(len + Writer::new(rest).bytes(&crc(body).to_le_bytes()).finish()?)
}

/// The unit id and the PDU of exactly one frame.
///
/// # Errors
/// `Length` unless there are 4-256 bytes, `Crc` if the CRC does not match.
pub fn decode(frame: &[u8]) -> Result<(u8, &[u8]), FrameError> {
    if !(MIN_FRAME..=MAX_RTU_FRAME).contains(&frame.len()) {
        return Err(FrameError::Length);
    }
    let (body, sent) = frame.split_last_chunk().ok_or(FrameError::Length)?;
    if crc(body) != u16::from_le_bytes(*sent) && !planted!(IgnoresCrc) {
        return Err(FrameError::Crc);
    }
    body.split_first().map(|(&unit_id, pdu)| (unit_id, pdu)).ok_or(FrameError::Length)
}

/// How long the request frame is that begins with these bytes; `None` while that cannot be known yet, and
/// for ever for functions other than 1-6, 15 and 16 (there only silence tells).
#[must_use]
pub fn request_frame_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        1..=6 => Some(8),
        15 | 16 => bytes.get(6).map(|count| 9 + usize::from(*count)).filter(|len| *len <= MAX_RTU_FRAME),
        _ => None,
    }
}

/// What the bytes at one place of a stream may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameAt {
    /// No frame begins here.
    No,
    /// A frame may begin here; more bytes will tell.
    Maybe,
    /// A frame of this length begins here, request or answer, with a matching CRC.
    Whole(usize),
}

/// Whether any request, answer or exception of a known function begins with these bytes.
pub(crate) fn frame_at(bytes: &[u8]) -> FrameAt {
    let mut found = FrameAt::No;
    for len in candidates(bytes) {
        match len {
            Candidate::Impossible => {}
            Candidate::Unknown => found = FrameAt::Maybe,
            Candidate::Len(len) => match bytes.get(..len) {
                Some(frame) if decode(frame).is_ok() => return FrameAt::Whole(len),
                Some(_) => {}
                None => found = FrameAt::Maybe,
            },
        }
    }
    found
}

#[derive(Clone, Copy)]
enum Candidate {
    Impossible,
    Unknown,
    Len(usize),
}

/// The lengths a frame beginning with these bytes can have: as an answer, as a request.
fn candidates(bytes: &[u8]) -> [Candidate; 2] {
    use Candidate::{Impossible, Len, Unknown};
    let counted = |at: usize, overhead: usize| match bytes.get(at) {
        None => Unknown,
        Some(count) => match overhead + usize::from(*count) {
            len if len <= MAX_RTU_FRAME => Len(len),
            _ => Impossible,
        },
    };
    match bytes.get(1) {
        None => [Unknown, Unknown],
        Some(1..=4) => [counted(2, 5), Len(8)],
        Some(5 | 6) => [Len(8), Impossible],
        Some(15 | 16) => [Len(8), counted(6, 9)],
        Some(0x81..=0x86 | 0x8F | 0x90) => [Len(5), Impossible],
        Some(_) => [Impossible, Impossible],
    }
}
