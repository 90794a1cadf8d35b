//! The two sizes of datagram that are compared: the code's own, on its own types, and one whose body has 512 bytes,
//! built here in the same way.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use cell::layer::{Direction, Layer};
use cell::layout::{self, CellHeader, Command, Datagram};
use cell::link::{LinkKey, SealedHeader};

/// A datagram's layout and its link cipher.
pub(crate) trait Size {
    const BODY_BYTES: usize;
    type Datagram: Clone;
    type Key;
    fn key(bytes: &[u8; 16]) -> Self::Key;
    /// A datagram with a header and a body of one byte value.
    fn datagram(header: CellHeader) -> Self::Datagram;
    fn seal(key: &Self::Key, counter: u64, datagram: &mut Self::Datagram);
    fn open(key: &Self::Key, datagram: &mut Self::Datagram) -> bool;
    fn counter(datagram: &Self::Datagram) -> u64;
    fn header(datagram: &Self::Datagram) -> Option<CellHeader>;
    fn set_header(datagram: &mut Self::Datagram, header: CellHeader);
    fn decrypt(layer: &Layer, sequence: u64, datagram: &mut Self::Datagram);
}

/// What the code has.
pub(crate) struct Body336;

impl Size for Body336 {
    const BODY_BYTES: usize = 336;
    type Datagram = Datagram;
    type Key = LinkKey;

    fn key(bytes: &[u8; 16]) -> LinkKey {
        LinkKey::new(bytes)
    }

    fn datagram(header: CellHeader) -> Datagram {
        let mut datagram = [0x5a; layout::DATAGRAM_BYTES];
        header.write(&mut datagram);
        datagram
    }

    fn seal(key: &LinkKey, counter: u64, datagram: &mut Datagram) {
        key.seal(9, counter, datagram);
    }

    fn open(key: &LinkKey, datagram: &mut Datagram) -> bool {
        key.open(datagram)
    }

    fn counter(datagram: &Datagram) -> u64 {
        SealedHeader::read(datagram).counter
    }

    fn header(datagram: &Datagram) -> Option<CellHeader> {
        CellHeader::read(datagram)
    }

    fn set_header(datagram: &mut Datagram, header: CellHeader) {
        header.write(datagram);
    }

    fn decrypt(layer: &Layer, sequence: u64, datagram: &mut Datagram) {
        layer.decrypt(Direction::Forward, sequence, layout::body_mut(datagram));
    }
}

/// 16 bytes of link header, 16 of cell header, 512 of body, 16 of tag.
pub(crate) struct Body512;

const CELL_AT: usize = 16;
const BODY_AT: usize = 32;
const TAG_AT: usize = BODY_AT + 512;

fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

impl Size for Body512 {
    const BODY_BYTES: usize = 512;
    type Datagram = [u8; TAG_AT + 16];
    type Key = LessSafeKey;

    fn key(bytes: &[u8; 16]) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_128_GCM, bytes).unwrap())
    }

    fn datagram(header: CellHeader) -> Self::Datagram {
        let mut datagram = [0x5a; TAG_AT + 16];
        Self::set_header(&mut datagram, header);
        datagram
    }

    fn seal(key: &LessSafeKey, counter: u64, datagram: &mut Self::Datagram) {
        datagram[..8].copy_from_slice(&[4, 0, 0, 0, 0, 0, 0, 9]);
        datagram[8..16].copy_from_slice(&counter.to_be_bytes());
        let (header, rest) = datagram.split_at_mut(CELL_AT);
        let (cell, tag) = rest.split_at_mut(TAG_AT - CELL_AT);
        let sealed = key.seal_in_place_separate_tag(nonce(counter), Aad::from(&*header), cell).unwrap();
        tag.copy_from_slice(sealed.as_ref());
    }

    fn open(key: &LessSafeKey, datagram: &mut Self::Datagram) -> bool {
        let counter = Self::counter(datagram);
        let (header, rest) = datagram.split_at_mut(CELL_AT);
        key.open_in_place(nonce(counter), Aad::from(&*header), rest).is_ok()
    }

    fn counter(datagram: &Self::Datagram) -> u64 {
        layout::read_u64(datagram, 8)
    }

    fn header(datagram: &Self::Datagram) -> Option<CellHeader> {
        (datagram[CELL_AT + 4] == Command::Relay as u8).then(|| CellHeader {
            circuit: layout::read_u32(datagram, CELL_AT),
            command: Command::Relay,
            sequence: layout::read_u64(datagram, CELL_AT + 8),
        })
    }

    fn set_header(datagram: &mut Self::Datagram, header: CellHeader) {
        datagram[CELL_AT..CELL_AT + 4].copy_from_slice(&header.circuit.to_be_bytes());
        datagram[CELL_AT + 4..CELL_AT + 8].copy_from_slice(&[header.command as u8, 0, 0, 0]);
        datagram[CELL_AT + 8..BODY_AT].copy_from_slice(&header.sequence.to_be_bytes());
    }

    fn decrypt(layer: &Layer, sequence: u64, datagram: &mut Self::Datagram) {
        if let Some((_, rest)) = datagram.split_at_mut_checked(BODY_AT)
            && let Some((body, _)) = rest.split_first_chunk_mut::<512>()
        {
            layer.decrypt_sized(Direction::Forward, sequence, body);
        }
    }
}
