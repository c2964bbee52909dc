//! The GSM 7 bit default alphabet (3GPP TS 23.038, section 6.2.1) and its packing.

/// By code; 0x1B leads to [`escaped`].
const ALPHABET: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                        ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const ESCAPE: u8 = 0x1B;

/// `count` characters of 7 bits, after `skip` bits that fill up a header.
pub(super) fn unpacked(octets: &[u8], skip: usize, count: usize) -> String {
    let mut codes = (0..count).map_while(|at| septet(octets, skip + at * 7));
    let mut text = String::new();
    while let Some(code) = codes.next() {
        text.push(if code == ESCAPE { codes.next().map_or(' ', escaped) } else { plain(code) });
    }
    text
}

fn septet(octets: &[u8], bit: usize) -> Option<u8> {
    let (at, shift) = (bit / 8, bit % 8);
    let low = u16::from(*octets.get(at)?);
    let high = match octets.get(at + 1) {
        Some(high) => u16::from(*high),
        None if shift > 1 => return None,
        None => 0,
    };
    u8::try_from((high << 8 | low) >> shift & 0x7F).ok()
}

fn plain(code: u8) -> char {
    ALPHABET.chars().nth(usize::from(code)).unwrap_or('?')
}

/// An escaped code that is not known is the plain one, as the standard says.
fn escaped(code: u8) -> char {
    match code {
        0x0A => '\u{c}',
        0x14 => '^',
        0x28 => '{',
        0x29 => '}',
        0x2F => '\\',
        0x3C => '[',
        0x3D => '~',
        0x3E => ']',
        0x40 => '|',
        0x65 => '€',
        _ => plain(code),
    }
}

#[test]
fn the_alphabet_is_whole() {
    assert_eq!(ALPHABET.chars().count(), 128);
    assert_eq!([plain(0x31), plain(0x41), plain(0x7A), plain(0x20), plain(0x0D)], ['1', 'A', 'z', ' ', '\r']);
}
