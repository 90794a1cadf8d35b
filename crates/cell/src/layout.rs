//! Where each byte of a datagram stands.
//!
//! Every datagram between two peers has [`DATAGRAM_BYTES`] bytes: link header, sealed cell, tag. A cell is a header
//! and a body; the body is what the onion layers permute. All integers are big-endian. No cryptography in here.
//!
//! ```text
//! datagram 384 | kind 1 | zero 3 | receiver index 4 | counter 8 | cell 352 (sealed) | tag 16 |
//! cell     352 | circuit 4 | command 1 | zero 3 | sequence 8 | body 336 |
//! body     336 | recogniser 16 (zero) | relay command 1 | zero 1 | length 2 | payload 316 |
//! ```

/// The size of every UDP payload between two peers.
pub const DATAGRAM_BYTES: usize = 384;
/// Kind, receiver index and counter: authenticated, not encrypted.
pub const LINK_HEADER_BYTES: usize = 16;
/// AES-128-GCM tag at the end of a sealed datagram.
pub const TAG_BYTES: usize = 16;
/// Header and body of one cell.
pub const CELL_BYTES: usize = DATAGRAM_BYTES - LINK_HEADER_BYTES - TAG_BYTES;
/// Circuit, command and sequence number.
pub const CELL_HEADER_BYTES: usize = 16;
/// What an onion layer permutes as one block.
pub const BODY_BYTES: usize = CELL_BYTES - CELL_HEADER_BYTES;
/// Redundancy inside the permuted body by which its addressee knows it: 128 zero bits.
pub const RECOGNISER_BYTES: usize = 16;
/// Recogniser, relay command and length.
pub const BODY_HEADER_BYTES: usize = RECOGNISER_BYTES + 4;
/// What one relay cell carries.
pub const PAYLOAD_BYTES: usize = BODY_BYTES - BODY_HEADER_BYTES;

/// Offset of the cell in a datagram.
pub const CELL_AT: usize = LINK_HEADER_BYTES;
/// Offset of the body in a datagram.
pub const BODY_AT: usize = CELL_AT + CELL_HEADER_BYTES;

/// One datagram's worth of bytes.
pub type Datagram = [u8; DATAGRAM_BYTES];
/// One body's worth of bytes.
pub type Body = [u8; BODY_BYTES];

/// First byte of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A stranger asks for a cookie.
    Hello = 1,
    /// The answer, made without keeping state.
    Cookie = 2,
    /// A fragment of a link handshake message.
    Handshake = 3,
    /// A sealed cell.
    Sealed = 4,
    /// A sealed cell came for a link that is not there: a hint, believed by nobody without a check.
    Lost = 5,
}

impl Kind {
    /// The kind of a datagram, or `None` for a byte that names none.
    pub fn of(datagram: &Datagram) -> Option<Self> {
        match datagram[0] {
            1 => Some(Self::Hello),
            2 => Some(Self::Cookie),
            3 => Some(Self::Handshake),
            4 => Some(Self::Sealed),
            5 => Some(Self::Lost),
            _ => None,
        }
    }
}

/// What a cell asks of the next peer on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// Nothing: cover, keepalive, confirmation.
    Padding = 0,
    /// A body under onion layers.
    Relay = 1,
    /// A fragment of the first message of a hop handshake.
    Create = 2,
    /// A fragment of its answer.
    Created = 3,
    /// The circuit is gone.
    Destroy = 4,
}

impl Command {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Padding),
            1 => Some(Self::Relay),
            2 => Some(Self::Create),
            3 => Some(Self::Created),
            4 => Some(Self::Destroy),
            _ => None,
        }
    }
}

/// The header of an opened cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellHeader {
    /// Circuit on this link.
    pub circuit: u32,
    /// What to do.
    pub command: Command,
    /// Sequence number of the circuit on this link and direction.
    pub sequence: u64,
}

impl CellHeader {
    /// Reads the header of the opened cell in `datagram`; `None` for an unknown command.
    pub fn read(datagram: &Datagram) -> Option<Self> {
        Some(Self {
            circuit: read_u32(datagram, CELL_AT),
            command: Command::from_byte(datagram[CELL_AT + 4])?,
            sequence: read_u64(datagram, CELL_AT + 8),
        })
    }

    /// Writes the header into `datagram`.
    pub fn write(self, datagram: &mut Datagram) {
        datagram[CELL_AT..CELL_AT + 4].copy_from_slice(&self.circuit.to_be_bytes());
        datagram[CELL_AT + 4..CELL_AT + 8].copy_from_slice(&[self.command as u8, 0, 0, 0]);
        datagram[CELL_AT + 8..CELL_AT + 16].copy_from_slice(&self.sequence.to_be_bytes());
    }
}

/// The body of the cell in `datagram`.
pub fn body(datagram: &Datagram) -> &Body {
    match datagram[BODY_AT..].first_chunk() {
        Some(body) => body,
        None => unreachable!(),
    }
}

/// The body of the cell in `datagram`, to be permuted in place.
pub fn body_mut(datagram: &mut Datagram) -> &mut Body {
    match datagram[BODY_AT..].first_chunk_mut() {
        Some(body) => body,
        None => unreachable!(),
    }
}

/// Whether `body` carries the recogniser, in constant time.
pub fn is_recognised(body: &Body) -> bool {
    body[..RECOGNISER_BYTES].iter().fold(0, |bits, byte| bits | byte) == 0
}

/// Lays out a recognisable body: zero recogniser, command, length, payload, zero padding.
/// `payload` longer than [`PAYLOAD_BYTES`] is cut (callers never pass one).
pub fn write_body(body: &mut Body, relay_command: u8, payload: &[u8]) {
    let length = payload.len().min(PAYLOAD_BYTES);
    debug_assert_eq!(length, payload.len());
    body.fill(0);
    body[RECOGNISER_BYTES] = relay_command;
    body[RECOGNISER_BYTES + 2..BODY_HEADER_BYTES].copy_from_slice(&(length as u16).to_be_bytes());
    body[BODY_HEADER_BYTES..BODY_HEADER_BYTES + length].copy_from_slice(&payload[..length]);
}

/// Lays out a recognisable body whose payload has the full length, in a body of zeroes; the payload, to be filled.
pub fn begin_full_body(body: &mut Body, relay_command: u8) -> &mut [u8; PAYLOAD_BYTES] {
    body[RECOGNISER_BYTES] = relay_command;
    body[RECOGNISER_BYTES + 2..BODY_HEADER_BYTES].copy_from_slice(&(PAYLOAD_BYTES as u16).to_be_bytes());
    match body[BODY_HEADER_BYTES..].first_chunk_mut() {
        Some(payload) => payload,
        None => unreachable!(),
    }
}

/// Relay command and payload of a recognised body; `None` when its length field is impossible.
pub fn read_body(body: &Body) -> Option<(u8, &[u8])> {
    let length = usize::from(u16::from_be_bytes([body[RECOGNISER_BYTES + 2], body[RECOGNISER_BYTES + 3]]));
    let payload = body.get(BODY_HEADER_BYTES..BODY_HEADER_BYTES + length)?;
    Some((body[RECOGNISER_BYTES], payload))
}

/// [`read_body`], the payload to be worked on in place.
pub fn read_body_mut(body: &mut Body) -> Option<(u8, &mut [u8])> {
    let length = usize::from(u16::from_be_bytes([body[RECOGNISER_BYTES + 2], body[RECOGNISER_BYTES + 3]]));
    let command = body[RECOGNISER_BYTES];
    Some((command, body.get_mut(BODY_HEADER_BYTES..BODY_HEADER_BYTES + length)?))
}

/// Big-endian u32 at `at`; the caller guarantees the bounds.
pub fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(value)
}

/// Big-endian u64 at `at`; the caller guarantees the bounds.
pub fn read_u64(bytes: &[u8], at: usize) -> u64 {
    let mut value = [0; 8];
    value.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_written_and_leaves_the_body_alone() {
        let mut datagram = [7; DATAGRAM_BYTES];
        let header = CellHeader { circuit: 0x8000_0001, command: Command::Create, sequence: u64::MAX - 1 };
        header.write(&mut datagram);
        assert_eq!(CellHeader::read(&datagram), Some(header));
        assert!(body(&datagram).iter().all(|&byte| byte == 7));
    }

    #[test]
    fn an_unknown_command_is_no_header() {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[CELL_AT + 4] = 5;
        assert_eq!(CellHeader::read(&datagram), None);
    }

    #[test]
    fn a_body_reads_back_and_an_impossible_length_does_not() {
        let mut body = [0xff; BODY_BYTES];
        write_body(&mut body, 9, &[3; PAYLOAD_BYTES]);
        assert!(is_recognised(&body));
        assert_eq!(read_body(&body), Some((9, &[3; PAYLOAD_BYTES][..])));
        assert_eq!(read_body_mut(&mut body), Some((9, &mut [3; PAYLOAD_BYTES][..])));
        let mut begun = [0; BODY_BYTES];
        begin_full_body(&mut begun, 9).fill(3);
        assert_eq!(begun, body);
        body[RECOGNISER_BYTES + 2] = 2;
        assert_eq!(read_body(&body), None);
        assert_eq!(read_body_mut(&mut body), None);
        body[0] = 1;
        assert!(!is_recognised(&body));
    }
}
