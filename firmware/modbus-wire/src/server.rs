//! What a server on an RTU line needs: read one complete frame, answer with one. What the values mean is
//! the caller's.

use crate::{EncodeError, ExceptionCode, FrameError, MAX_PDU, Request, RequestError, Response, rtu};

/// The unit id of a complete frame, and its request or the exception to answer with (if the unit id is ours
/// and not 0: a broadcast is never answered).
///
/// # Errors
/// Not a frame: stay silent.
pub fn decode(frame: &[u8]) -> Result<(u8, Result<Request<'_>, RequestError>), FrameError> {
    let (unit_id, pdu) = rtu::decode(frame)?;
    Ok((unit_id, Request::decode(pdu)))
}

/// Writes the frame that answers `request` and returns its length.
///
/// # Errors
/// `NotAnAnswer` if `request` cannot have this response, `NoRoom` if `out` is too short.
pub fn answer(
    unit_id: u8,
    request: &Request<'_>,
    response: &Response<'_>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    let mut pdu = [0; MAX_PDU];
    let len = response.encode(request, &mut pdu)?;
    rtu::encode(unit_id, pdu.get(..len).unwrap_or_default(), out)
}

/// Writes the frame that refuses `function` and returns its length (5).
///
/// # Errors
/// `NoRoom` if `out` is too short.
pub fn exception(
    unit_id: u8,
    function: u8,
    code: ExceptionCode,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    rtu::encode(unit_id, &code.pdu(function), out)
}
