//! Views of values inside a frame: nothing is copied until somebody asks for a value.

use core::fmt;

/// Big-endian registers inside a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Registers<'a> {
    bytes: &'a [u8],
}

impl<'a> Registers<'a> {
    /// `None` if the number of bytes is odd.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(2).then_some(Self { bytes })
    }

    /// How many registers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / 2
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The register at `index`, counted from the first of this view.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<u16> {
        let at = index.checked_mul(2)?;
        self.bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
    }

    /// All registers in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u16> + Clone + use<'a> {
        self.bytes.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair))
    }

    /// The bytes as they are on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl fmt::Debug for Registers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Packed bits inside a frame: the first bit is the lowest of the first byte.
#[derive(Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    count: u16,
}

impl<'a> Bits<'a> {
    /// `None` unless there are exactly as many bytes as `count` bits need. Unused high bits of the last
    /// byte are ignored, whatever they are.
    #[must_use]
    pub fn new(bytes: &'a [u8], count: u16) -> Option<Self> {
        (bytes.len() == usize::from(count).div_ceil(8)).then_some(Self { bytes, count })
    }

    /// How many bits.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bit at `index`, counted from the first of this view.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<bool> {
        if index >= self.len() {
            return None;
        }
        self.bytes.get(index / 8).map(|byte| (byte >> (index % 8)) & 1 == 1)
    }

    /// All bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + Clone + use<'a> {
        let bytes = self.bytes;
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| (byte >> bit) & 1 == 1)).take(self.len())
    }

    /// The bytes as they are on the wire, with whatever the unused bits hold.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    /// The bits of the last byte that mean something.
    pub(crate) fn last_byte_mask(&self) -> u8 {
        match self.count % 8 {
            0 => 0xFF,
            used => (1 << used) - 1,
        }
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Bits<'_> {}

impl fmt::Debug for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(u8::from)).finish()
    }
}
