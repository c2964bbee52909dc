//! Just enough of Modbus RTU to hold a profile's examples against frames that were really seen.
use shouwang_core::profile::Table;

/// What one exchange said: a read of `count` from `address`, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Words(Vec<u16>),
    Bits(Vec<bool>),
    Exception(u8),
}

/// Bytes from `01 03 ...`.
pub(crate) fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    hex.split_whitespace()
        .map(|byte| match (byte.len(), u8::from_str_radix(byte, 16)) {
            (2, Ok(byte)) => Ok(byte),
            _ => Err(format!("`{byte}` is no byte in hexadecimal, like 0A")),
        })
        .collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}

/// The request to write one register (function 6) or coil (function 5).
pub(crate) fn write_ask(unit_id: u8, table: Table, address: u16, value: u16) -> Vec<u8> {
    let (function, value) = match table {
        Table::Coil => (5, if value == 0 { 0 } else { 0xFF00 }),
        _ => (6, value),
    };
    let [ah, al] = address.to_be_bytes();
    let [vh, vl] = value.to_be_bytes();
    sealed(vec![unit_id, function, ah, al, vh, vl])
}

/// Table, address and count of a read request.
pub(crate) fn read_ask(frame: &[u8]) -> Result<(Table, u16, u16), String> {
    match opened(frame)? {
        [_, function, ah, al, ch, cl] => {
            let table = match function {
                1 => Table::Coil,
                2 => Table::DiscreteInput,
                3 => Table::HoldingRegister,
                4 => Table::InputRegister,
                other => return Err(format!("function {other} reads nothing")),
            };
            Ok((table, u16::from_be_bytes([*ah, *al]), u16::from_be_bytes([*ch, *cl])))
        }
        _ => Err("a read request has 8 bytes".to_owned()),
    }
}

/// What an answer says to a read of this table and count.
pub(crate) fn answer(frame: &[u8], table: Table, count: u16) -> Result<Answer, String> {
    match opened(frame)? {
        [_, function, code] if *function == table.function() | 0x80 => Ok(Answer::Exception(*code)),
        [_, function, length, data @ ..] if *function == table.function() => {
            let count = usize::from(count);
            let wanted = if table.is_bits() { count.div_ceil(8) } else { 2 * count };
            if usize::from(*length) != data.len() || data.len() != wanted {
                return Err(format!("{wanted} bytes of data were asked for, not {}", data.len()));
            }
            Ok(if table.is_bits() {
                let bit = |index: usize| data.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1);
                Answer::Bits((0..count).map(bit).collect())
            } else {
                let word = |pair: &[u8]| pair.iter().fold(0, |word, byte| word << 8 | u16::from(*byte));
                Answer::Words(data.chunks(2).map(word).collect())
            })
        }
        _ => Err("it answers another function than was asked".to_owned()),
    }
}

fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let [low, high] = crc(&frame).to_le_bytes();
    frame.extend([low, high]);
    frame
}

fn opened(frame: &[u8]) -> Result<&[u8], String> {
    let body = frame.get(..frame.len().saturating_sub(2)).unwrap_or(&[]);
    let expected = sealed(body.to_vec());
    if body.is_empty() || expected != frame {
        return Err(format!("the CRC is wrong; it would be {}", hex(&expected[body.len()..])));
    }
    Ok(body)
}

/// CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF; low byte first on the wire.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_frames_are_read() {
        let ask = bytes("01 03 00 03 00 01 74 0A").unwrap();
        assert_eq!(read_ask(&ask), Ok((Table::HoldingRegister, 3, 1)));
        let said = |hex: &str, table, count| answer(&bytes(hex).unwrap(), table, count);
        assert_eq!(said("01 03 02 00 01 79 84", Table::HoldingRegister, 1), Ok(Answer::Words(vec![1])));
        assert_eq!(said("01 83 02 C0 F1", Table::HoldingRegister, 1), Ok(Answer::Exception(2)));
        assert_eq!(
            said("0C 02 01 02 22 E5", Table::DiscreteInput, 6),
            Ok(Answer::Bits(vec![false, true, false, false, false, false]))
        );
        assert!(said("01 03 02 00 01 79 85", Table::HoldingRegister, 1).unwrap_err().contains("79 84"));
        assert!(said("01 03 02 00 01 79 84", Table::HoldingRegister, 2).is_err());
        assert!(said("", Table::HoldingRegister, 2).is_err());
        assert_eq!(hex(&write_ask(1, Table::HoldingRegister, 0, 234)), "01 06 00 00 00 EA 08 45");
    }
}
