//! Packets in cells: one cell each where they fit, else in pieces, put together again at the other end.
//!
//! ```text
//! piece 284 | packet number 2 | index 1 | count 1 | length 2 | bytes 278 (zero-padded) |
//! ```
//!
//! A count of 0 is no piece but a message of one end of the flow to the other; index 1: a report of what arrives (`loss.rs`).
//!
//! Bounded: [`SLOTS`] packets under way, [`MAX_PIECES`] pieces each; an older packet gives way to a newer one.

use crate::endpoint::PLAIN_BYTES;
use crate::loss::REPORT_BYTES;

const HEADER_BYTES: usize = 6;
/// What one piece carries.
pub const PIECE_BYTES: usize = PLAIN_BYTES - HEADER_BYTES;
/// Pieces of the largest packet.
pub const MAX_PIECES: usize = 8;
/// The largest packet: protocol number and transport bytes.
pub const MAX_PACKET_BYTES: usize = MAX_PIECES * PIECE_BYTES;
const SLOTS: usize = 8;
/// Index of the one message that is no piece.
const REPORT: u8 = 1;

/// What of a packet travels, in two parts: what was written anew, and what stays as it was.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// Protocol number, and a TCP header.
    pub head: &'a [u8],
    /// The rest.
    pub tail: &'a [u8],
}

impl Content<'_> {
    /// How many pieces it takes.
    pub fn pieces(&self) -> usize {
        (self.head.len() + self.tail.len()).div_ceil(PIECE_BYTES)
    }

    /// Writes piece `index` into a cell's plaintext of zeroes. The first piece holds the whole head.
    pub fn write(&self, plain: &mut [u8; PLAIN_BYTES], number: u16, index: usize) {
        debug_assert!(self.head.len() <= PIECE_BYTES);
        let head = if index == 0 { self.head } else { &[] };
        let from = (index * PIECE_BYTES).saturating_sub(self.head.len());
        let tail = &self.tail[from..self.tail.len().min((index + 1) * PIECE_BYTES - self.head.len())];
        let (bytes, at) = (head.len() + tail.len(), HEADER_BYTES + head.len());
        plain[..2].copy_from_slice(&number.to_be_bytes());
        plain[2] = index as u8;
        plain[3] = self.pieces() as u8;
        plain[4..6].copy_from_slice(&(bytes as u16).to_be_bytes());
        plain[HEADER_BYTES..at].copy_from_slice(head);
        plain[at..at + tail.len()].copy_from_slice(tail);
    }
}

/// Writes a report into a cell's plaintext of zeroes.
pub fn write_report(plain: &mut [u8; PLAIN_BYTES], report: &[u8; REPORT_BYTES]) {
    plain[2] = REPORT;
    plain[4..6].copy_from_slice(&(REPORT_BYTES as u16).to_be_bytes());
    plain[HEADER_BYTES..HEADER_BYTES + REPORT_BYTES].copy_from_slice(report);
}

/// The report in a cell's plaintext, where it is one.
pub fn read_report(plain: &[u8; PLAIN_BYTES]) -> Option<&[u8; REPORT_BYTES]> {
    let is_report = plain[2] == REPORT && plain[3] == 0;
    is_report.then(|| plain[HEADER_BYTES..].first_chunk()).flatten()
}

#[derive(Clone)]
struct Partial {
    number: u16,
    count: u8,
    present: u8,
    last_bytes: usize,
    bytes: Vec<u8>,
}

/// Puts pieces together.
#[derive(Default)]
pub struct Reassembly {
    slots: [Option<Partial>; SLOTS],
}

impl Reassembly {
    /// Takes a piece; the packet once whole. Impossible pieces give `None`.
    pub fn take<'a>(&'a mut self, plain: &'a [u8; PLAIN_BYTES]) -> Option<&'a [u8]> {
        let number = u16::from_be_bytes([plain[0], plain[1]]);
        let (index, count) = (usize::from(plain[2]), usize::from(plain[3]));
        let length = usize::from(u16::from_be_bytes([plain[4], plain[5]]));
        let bytes = plain.get(HEADER_BYTES..HEADER_BYTES + length)?;
        if count == 0 || count > MAX_PIECES || index >= count || (index + 1 < count && length != PIECE_BYTES)
        {
            return None;
        }
        if count == 1 {
            return Some(bytes);
        }
        let slot = &mut self.slots[usize::from(number) % SLOTS];
        let fresh = slot
            .as_ref()
            .is_none_or(|partial| partial.number != number || usize::from(partial.count) != count);
        if fresh {
            let mut buffer = slot.take().map(|partial| partial.bytes).unwrap_or_default();
            buffer.resize(MAX_PACKET_BYTES, 0);
            *slot = Some(Partial { number, count: count as u8, present: 0, last_bytes: 0, bytes: buffer });
        }
        let partial = slot.as_mut()?;
        partial.bytes[index * PIECE_BYTES..index * PIECE_BYTES + length].copy_from_slice(bytes);
        partial.present |= 1 << index;
        if index + 1 == count {
            partial.last_bytes = length;
        }
        if partial.present.count_ones() as usize != count {
            return None;
        }
        let total = (count - 1) * PIECE_BYTES + partial.last_bytes;
        partial.present = 0;
        Some(&partial.bytes[..total])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_packet_comes_back_whatever_the_order_of_its_pieces(
            packet in prop::collection::vec(any::<u8>(), 1..MAX_PACKET_BYTES),
            rotation in 0usize..8,
            head in 1usize..62,
        ) {
            let (head, tail) = packet.split_at(head.min(packet.len()));
            let content = Content { head, tail };
            let mut reassembly = Reassembly::default();
            let mut found = None;
            for step in 0..content.pieces() {
                let index = (step + rotation) % content.pieces();
                let mut plain = [0; PLAIN_BYTES];
                content.write(&mut plain, 300, index);
                found = reassembly.take(&plain).map(<[u8]>::to_vec).or(found);
            }
            prop_assert_eq!(found, Some(packet));
        }

        #[test]
        fn arbitrary_pieces_never_panic(all in prop::collection::vec((any::<u16>(), 0u8..10, 0u8..10, 0u16..400), 0..64)) {
            let mut reassembly = Reassembly::default();
            for (number, index, count, length) in all {
                let mut plain = [1; PLAIN_BYTES];
                plain[..2].copy_from_slice(&number.to_be_bytes());
                plain[2] = index;
                plain[3] = count;
                plain[4..6].copy_from_slice(&length.to_be_bytes());
                let _ = reassembly.take(&plain);
            }
        }
    }
}
