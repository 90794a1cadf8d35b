//! Sealing and opening datagrams in place with AES-128-GCM.
//!
//! The header is authenticated; the counter is the nonce, so a key must never seal the same counter twice: the caller
//! owns the counters. No allocation, no state besides the key.

use crate::layout::{
    CELL_AT, DATAGRAM_BYTES, Datagram, Kind, LINK_HEADER_BYTES, TAG_BYTES, read_u32, read_u64,
};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

const TAG_AT: usize = DATAGRAM_BYTES - TAG_BYTES;

/// The key of one direction of a link.
pub struct LinkKey(LessSafeKey);

/// What the clear header of a sealed datagram says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHeader {
    /// The receiver's own number for the link.
    pub receiver: u32,
    /// The sender's count of datagrams.
    pub counter: u64,
}

impl SealedHeader {
    /// Reads the header of a datagram of kind [`Kind::Sealed`].
    pub fn read(datagram: &Datagram) -> Self {
        Self { receiver: read_u32(datagram, 4), counter: read_u64(datagram, 8) }
    }
}

impl LinkKey {
    /// Takes 16 bytes of key.
    pub fn new(key: &[u8; 16]) -> Self {
        match UnboundKey::new(&AES_128_GCM, key) {
            Ok(key) => Self(LessSafeKey::new(key)),
            Err(_) => unreachable!("16 bytes are an AES-128 key"),
        }
    }

    /// Writes header and tag around the cell in `datagram` and encrypts the cell.
    pub fn seal(&self, receiver: u32, counter: u64, datagram: &mut Datagram) {
        datagram[..4].copy_from_slice(&[Kind::Sealed as u8, 0, 0, 0]);
        datagram[4..8].copy_from_slice(&receiver.to_be_bytes());
        datagram[8..16].copy_from_slice(&counter.to_be_bytes());
        let (header, rest) = datagram.split_at_mut(LINK_HEADER_BYTES);
        let (cell, tag) = rest.split_at_mut(TAG_AT - CELL_AT);
        match self.0.seal_in_place_separate_tag(nonce(counter), Aad::from(&*header), cell) {
            Ok(sealed) => tag.copy_from_slice(sealed.as_ref()),
            Err(_) => unreachable!("a cell is shorter than any limit of GCM"),
        }
    }

    /// Decrypts the cell in place; `false` (and unspecified cell bytes) when the datagram is not genuine.
    #[must_use]
    pub fn open(&self, datagram: &mut Datagram) -> bool {
        let counter = read_u64(datagram, 8);
        let (header, rest) = datagram.split_at_mut(LINK_HEADER_BYTES);
        self.0.open_in_place(nonce(counter), Aad::from(&*header), rest).is_ok()
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{CELL_BYTES, body};

    #[test]
    fn a_sealed_datagram_opens_to_the_same_cell() {
        let key = LinkKey::new(&[1; 16]);
        let mut datagram = [0x5a; DATAGRAM_BYTES];
        key.seal(7, 9, &mut datagram);
        assert_eq!(Kind::of(&datagram), Some(Kind::Sealed));
        assert_eq!(SealedHeader::read(&datagram), SealedHeader { receiver: 7, counter: 9 });
        assert_ne!(datagram[CELL_AT..CELL_AT + CELL_BYTES], [0x5a; CELL_BYTES]);
        assert!(key.open(&mut datagram));
        assert!(body(&datagram).iter().all(|&byte| byte == 0x5a));
    }

    #[test]
    fn any_altered_byte_is_refused() {
        let key = LinkKey::new(&[1; 16]);
        let mut sealed = [0; DATAGRAM_BYTES];
        key.seal(7, 9, &mut sealed);
        for at in 0..DATAGRAM_BYTES {
            let mut datagram = sealed;
            datagram[at] ^= 0x40;
            assert!(!key.open(&mut datagram), "byte {at}");
        }
        assert!(!LinkKey::new(&[2; 16]).open(&mut sealed));
    }
}
