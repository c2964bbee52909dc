//! TCP framing: the seven-byte MBAP header (transaction, protocol 0, length, unit id), then the PDU.

use crate::buffer::Writer;
use crate::request::take_word;
use crate::{EncodeError, FrameError, MAX_PDU};

/// Length of the MBAP header in bytes.
pub const HEADER_LEN: usize = 7;

/// Writes a frame and returns its length.
///
/// # Errors
/// `NoRoom` if `out` is too short or the PDU is empty or longer than 253 bytes.
pub fn encode(transaction: u16, unit_id: u8, pdu: &[u8], out: &mut [u8]) -> Result<usize, EncodeError> {
    if pdu.is_empty() || pdu.len() > MAX_PDU {
        return Err(EncodeError::NoRoom);
    }
    let length = u16::try_from(pdu.len() + 1).map_err(|_| EncodeError::NoRoom)?;
    Writer::new(out).word(transaction).word(0).word(length).byte(unit_id).bytes(pdu).finish()
}

/// The first frame of a stream: its header and PDU, or `None` while bytes are missing.
///
/// # Errors
/// `Protocol` or `Length`: the stream cannot be trusted any more, drop the connection.
pub fn decode(stream: &[u8]) -> Result<Option<(Header, &[u8])>, FrameError> {
    let Some(header) = Header::parse(stream)? else { return Ok(None) };
    Ok(stream.get(HEADER_LEN..header.frame_len()).map(|pdu| (header, pdu)))
}

/// An MBAP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the client, repeated by the server.
    pub transaction: u16,
    pub unit_id: u8,
    /// Length of the PDU behind the header: 1-253 bytes.
    pub pdu_len: usize,
}

impl Header {
    /// The header at the beginning of a stream; `None` while bytes are missing.
    ///
    /// # Errors
    /// `Protocol` if the protocol is not 0, `Length` if the length is not 2-254: told as early as the bytes
    /// allow.
    pub fn parse(stream: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((transaction, rest)) = take_word(stream) else { return Ok(None) };
        let Some((protocol, rest)) = take_word(rest) else { return Ok(None) };
        if protocol != 0 {
            return Err(FrameError::Protocol);
        }
        let Some((length, rest)) = take_word(rest) else { return Ok(None) };
        let pdu_len = usize::from(length).saturating_sub(1);
        if !(1..=MAX_PDU).contains(&pdu_len) {
            return Err(FrameError::Length);
        }
        Ok(rest.first().map(|&unit_id| Self { transaction, unit_id, pdu_len }))
    }

    /// Length of header and PDU together, in bytes.
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        HEADER_LEN + self.pdu_len
    }
}
