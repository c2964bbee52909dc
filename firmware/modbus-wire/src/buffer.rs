//! Bytes in a fixed place: a buffer that is written at the end, cut at the beginning and never grows.

/// At most `N` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Buffer<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == N
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends what fits and returns what did not.
    pub(crate) fn append<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        let (now, later) = bytes.split_at(taken);
        for (place, byte) in room.iter_mut().zip(now) {
            *place = *byte;
        }
        self.len += taken;
        later
    }

    /// Replaces everything; what does not fit is cut off.
    pub(crate) fn replace(&mut self, bytes: &[u8]) {
        self.clear();
        self.append(bytes);
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn cut(&mut self, count: usize) {
        let count = count.min(self.len);
        self.bytes.copy_within(count..self.len, 0);
        self.len -= count;
    }
}

/// Writes one thing after another and remembers whether everything fitted.
pub(crate) struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0, overflow: false }
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        match self.out.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.overflow = true,
        }
        self
    }

    pub(crate) fn byte(self, byte: u8) -> Self {
        self.bytes(&[byte])
    }

    pub(crate) fn word(self, word: u16) -> Self {
        self.bytes(&word.to_be_bytes())
    }

    /// The bytes of the bits, with the unused bits of the last one cleared.
    pub(crate) fn bits(self, bits: &crate::Bits<'_>) -> Self {
        match bits.as_bytes().split_last() {
            Some((last, rest)) => self.bytes(rest).byte(last & bits.last_byte_mask()),
            None => self,
        }
    }

    /// How many bytes were written.
    pub(crate) fn finish(self) -> Result<usize, crate::EncodeError> {
        if self.overflow { Err(crate::EncodeError::NoRoom) } else { Ok(self.len) }
    }
}
