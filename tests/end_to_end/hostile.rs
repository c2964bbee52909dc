//! Answers that no healthy device gives: rules.md's corpus for Modbus, as bytes.
//!
//! Each answer is made from the request it pretends to belong to, and carries "smoke" wherever a value could
//! be read from it: if one of them is taken for an answer, a false alarm shows it.

/// One thing that a hostile device does with a request.
pub(crate) struct Trick {
    pub(crate) name: &'static str,
    /// The bytes that come back, from the request's unit id and PDU.
    pub(crate) answer: fn(unit_id: u8, request: &[u8]) -> Vec<u8>,
}

/// From the request's unit id and PDU, the answer's.
type Wrong = fn(unit_id: u8, request: &[u8]) -> (u8, Vec<u8>);

/// Wrong PDUs, for the framing in use to wrap; the unit id comes back too, as it may be the wrong one.
pub(crate) const WRONG_PDUS: &[(&str, Wrong)] = &[
    ("another unit id", |unit_id, pdu| (unit_id.wrapping_add(1), registers(pdu, 1))),
    ("unit id 0", |_, pdu| (0, registers(pdu, 1))),
    ("another function", |unit_id, pdu| (unit_id, changed(registers(pdu, 1), 0, 0x04))),
    ("one register too few", |unit_id, pdu| (unit_id, with_count(pdu, count(pdu).saturating_sub(1)))),
    ("one register too many", |unit_id, pdu| (unit_id, with_count(pdu, count(pdu) + 1))),
    ("byte count 0", |unit_id, pdu| (unit_id, vec![function(pdu), 0])),
    ("an odd byte count", |unit_id, pdu| (unit_id, vec![function(pdu), 3, 0, 1, 0])),
    ("byte count 255", |unit_id, pdu| (unit_id, changed(registers(pdu, 1), 1, 255))),
    ("an echo of the request", |unit_id, pdu| (unit_id, pdu.to_vec())),
    ("only a function", |unit_id, pdu| (unit_id, vec![function(pdu)])),
    ("exception 0", |unit_id, pdu| (unit_id, vec![function(pdu) | 0x80, 0])),
    ("exception 255", |unit_id, pdu| (unit_id, vec![function(pdu) | 0x80, 255])),
    ("an exception of another function", |unit_id, _| (unit_id, vec![0x84, 2])),
    ("device busy", |unit_id, pdu| (unit_id, vec![function(pdu) | 0x80, 6])),
];

/// The PDU of a good answer with `value` in every register.
pub(crate) fn registers(request: &[u8], value: u16) -> Vec<u8> {
    let n = count(request);
    let mut pdu = vec![function(request), n.wrapping_mul(2)];
    pdu.extend((0..n).flat_map(|_| value.to_be_bytes()));
    pdu
}

/// The CRC of a serial frame, low byte first on the wire (Modbus over Serial Line V1.02, 6.2.2).
pub(crate) fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
        }
    }
    crc.to_le_bytes()
}

fn with_count(request: &[u8], n: u8) -> Vec<u8> {
    let mut pdu = vec![function(request), n.wrapping_mul(2)];
    pdu.extend((0..n).flat_map(|_| [0, 1]));
    pdu
}

fn changed(mut pdu: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    if let Some(place) = pdu.get_mut(at) {
        *place = byte;
    }
    pdu
}

fn function(request: &[u8]) -> u8 {
    request.first().copied().unwrap_or(3)
}

/// How many registers a read asks for.
fn count(request: &[u8]) -> u8 {
    request.get(4).copied().unwrap_or(1)
}

#[test]
fn the_golden_frame_has_this_crc() {
    assert_eq!(crc(&[0x01, 0x03, 0x02, 0x00, 0x01]), [0x79, 0x84]);
}
