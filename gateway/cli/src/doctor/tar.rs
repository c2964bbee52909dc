//! A tar archive of small texts, as POSIX.1-2001 has it (ustar): a header of 512 bytes, the text, zeros to the next 512.
const BLOCK: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// One more file. Names are ours: at most 100 bytes. `unix_s` is its time, s since 1970.
    pub(crate) fn add(&mut self, name: &str, text: &str, unix_s: u64) {
        let mut header = [0_u8; BLOCK];
        let mut field = |at: usize, text: &str| {
            for (place, byte) in header.iter_mut().skip(at).zip(text.bytes()) {
                *place = byte;
            }
        };
        field(0, name);
        field(100, "0000600");
        field(108, "0000000");
        field(116, "0000000");
        field(124, &format!("{:011o}", text.len()));
        field(136, &format!("{unix_s:011o}"));
        // The sum is made with its own field blank.
        field(148, "        ");
        field(156, "0");
        field(257, "ustar\0");
        field(263, "00");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        for (place, byte) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0 ").bytes()) {
            *place = byte;
        }
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    /// With the two empty blocks that end it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}
