//! Messages inside recognised bodies: between the builder of a circuit and its last hop.
//!
//! Control is request and response, both in fragments, driven by the builder's retransmissions alone: a hop repeats its
//! cached response when it sees the request again. Parsers are total.

use crate::fragments::Fragment;
use crate::peer::{Identity, PEER_BYTES, Peer};
use crate::registration::Statement;
use cell::layout::{PAYLOAD_BYTES, read_u64};

/// Relay command: fragment of a request.
pub const REQUEST: u8 = 1;
/// Relay command: fragment of a response.
pub const RESPONSE: u8 = 2;
/// Relay command: end-to-end bytes of a flow.
pub const DATA: u8 = 3;
/// Relay command: the exchange point tells that a flow is over.
pub const FLOW_CLOSED: u8 = 4;

const FRAGMENT_HEADER_BYTES: usize = 4;
/// What one fragment carries.
pub const CONTROL_FRAGMENT_BYTES: usize = PAYLOAD_BYTES - FRAGMENT_HEADER_BYTES;

/// What a builder asks of the last hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Go on to this peer with this handshake message.
    Extend {
        /// The next hop.
        peer: Peer,
        /// Message 1 of its handshake.
        handshake: Vec<u8>,
    },
    /// Send callers of this pseudo-identity to me.
    Register {
        /// Whose.
        pseudo_identity: Identity,
        /// Secret of the owner.
        token: [u8; 32],
    },
    /// Send callers of this pseudo-identity to me: it has signed for me.
    RegisterSigned {
        /// Whose.
        pseudo_identity: Identity,
        /// Secret of the owner's KX.
        token: [u8; 32],
        /// What the pseudo-identity has signed.
        statement: Statement,
        /// That I hold the statement's key, for this circuit.
        proof: [u8; 64],
    },
    /// Connect me with the owner of this pseudo-identity.
    Connect {
        /// Whose.
        pseudo_identity: Identity,
        /// Secret of the caller: who shows it again over another circuit takes the splice over.
        token: [u8; 32],
        /// To the puzzle, where one was set.
        answer: Option<u64>,
    },
    /// Are you there?
    Ping,
}

/// Why a hop does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Denial {
    /// Nobody registered that pseudo-identity here.
    Unknown = 1,
    /// Another owner did.
    Taken = 2,
    /// The next peer does not answer.
    Unreachable = 3,
    /// The next peer is another one.
    WrongIdentity = 4,
    /// No room.
    Full = 5,
    /// Not in this state, or not understood.
    Invalid = 6,
}

/// A hop's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The next hop's handshake message, and the number with which backward cells go on.
    Extended {
        /// First backward sequence number of the new last hop, on the link before it was there.
        base: u64,
        /// Message 2 of its handshake.
        handshake: Vec<u8>,
    },
    /// Done.
    Done,
    /// Not done.
    Denied(Denial),
    /// Not before this puzzle is solved: so many zero bits (`exchange/puzzle.rs`).
    Puzzle(u8),
}

impl Request {
    /// To bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Extend { peer, handshake } => {
                out.push(1);
                peer.encode(&mut out);
                out.extend_from_slice(handshake);
            }
            Self::Register { pseudo_identity, token } => {
                out.push(2);
                out.extend_from_slice(pseudo_identity);
                out.extend_from_slice(token);
            }
            Self::Connect { pseudo_identity, token, answer } => {
                out.push(if answer.is_none() { 3 } else { 6 });
                out.extend_from_slice(pseudo_identity);
                out.extend_from_slice(token);
                out.extend(answer.iter().flat_map(|answer| answer.to_be_bytes()));
            }
            Self::Ping => out.push(4),
            Self::RegisterSigned { pseudo_identity, token, statement, proof } => {
                out.push(5);
                let Statement { key, time, expiry, signature } = statement;
                for part in [pseudo_identity, token, key] {
                    out.extend_from_slice(part);
                }
                out.extend_from_slice(&time.to_be_bytes());
                out.extend_from_slice(&expiry.to_be_bytes());
                out.extend_from_slice(signature);
                out.extend_from_slice(proof);
            }
        }
        out
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            1 => {
                let (peer, handshake) = rest.split_at_checked(PEER_BYTES)?;
                Some(Self::Extend { peer: Peer::decode(peer)?, handshake: handshake.to_vec() })
            }
            2 | 3 => {
                let (pseudo_identity, token) = rest.split_at_checked(32)?;
                let (pseudo_identity, token) = (pseudo_identity.try_into().ok()?, token.try_into().ok()?);
                Some(match kind {
                    2 => Self::Register { pseudo_identity, token },
                    _ => Self::Connect { pseudo_identity, token, answer: None },
                })
            }
            6 if rest.len() == 72 => Some(Self::Connect {
                pseudo_identity: rest[..32].try_into().ok()?,
                token: rest[32..64].try_into().ok()?,
                answer: Some(read_u64(rest, 64)),
            }),
            4 if rest.is_empty() => Some(Self::Ping),
            5 => decode_register_signed(rest),
            _ => None,
        }
    }
}

impl Response {
    /// To bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Extended { base, handshake } => [&[1], &base.to_be_bytes()[..], handshake].concat(),
            Self::Done => vec![0],
            Self::Denied(denial) => vec![2, *denial as u8],
            Self::Puzzle(bits) => vec![3, *bits],
        }
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0] => Some(Self::Done),
            [1, rest @ ..] if rest.len() >= 8 => {
                Some(Self::Extended { base: read_u64(rest, 0), handshake: rest[8..].to_vec() })
            }
            [3, bits] => Some(Self::Puzzle(*bits)),
            [2, denial] => Some(Self::Denied(match denial {
                1 => Denial::Unknown,
                2 => Denial::Taken,
                3 => Denial::Unreachable,
                4 => Denial::WrongIdentity,
                5 => Denial::Full,
                _ => Denial::Invalid,
            })),
            _ => None,
        }
    }
}

/// What follows the kind: pseudo-identity 32 ‖ token 32 ‖ key 32 ‖ time u64 ‖ expiry u64 ‖ signature 64 ‖ proof 64.
fn decode_register_signed(bytes: &[u8]) -> Option<Request> {
    let (&pseudo_identity, rest) = bytes.split_first_chunk::<32>()?;
    let (&token, rest) = rest.split_first_chunk::<32>()?;
    let (&key, rest) = rest.split_first_chunk::<32>()?;
    let (&time, rest) = rest.split_first_chunk::<8>()?;
    let (&expiry, rest) = rest.split_first_chunk::<8>()?;
    let (&signature, rest) = rest.split_first_chunk::<64>()?;
    let proof = rest.try_into().ok()?;
    let (time, expiry) = (u64::from_be_bytes(time), u64::from_be_bytes(expiry));
    let statement = Statement { key, time, expiry, signature };
    Some(Request::RegisterSigned { pseudo_identity, token, statement, proof })
}

/// Payload of a fragment of request or response `id`.
pub fn encode_fragment(id: u16, fragment: Fragment<'_>) -> Vec<u8> {
    [&id.to_be_bytes()[..], &[fragment.index, fragment.count], fragment.bytes].concat()
}

/// Number and fragment in a payload.
pub fn decode_fragment(payload: &[u8]) -> Option<(u16, Fragment<'_>)> {
    let (header, bytes) = payload.split_at_checked(FRAGMENT_HEADER_BYTES)?;
    Some((u16::from_be_bytes([header[0], header[1]]), Fragment { index: header[2], count: header[3], bytes }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_and_responses_read_back() {
        let peer = Peer { identity: [1; 32], address: "10.1.2.3:3001".parse().unwrap() };
        for request in [
            Request::Extend { peer, handshake: vec![1, 2, 3] },
            Request::Register { pseudo_identity: [2; 32], token: [3; 32] },
            Request::RegisterSigned {
                pseudo_identity: [2; 32],
                token: [3; 32],
                statement: Statement { key: [4; 32], time: 5, expiry: u64::MAX, signature: [6; 64] },
                proof: [7; 64],
            },
            Request::Connect { pseudo_identity: [2; 32], token: [4; 32], answer: None },
            Request::Connect { pseudo_identity: [2; 32], token: [4; 32], answer: Some(u64::MAX - 2) },
            Request::Ping,
        ] {
            assert_eq!(Request::decode(&request.encode()), Some(request));
        }
        for response in [
            Response::Extended { base: 77, handshake: vec![9] },
            Response::Done,
            Response::Denied(Denial::Taken),
            Response::Puzzle(17),
        ] {
            assert_eq!(Response::decode(&response.encode()), Some(response));
        }
    }

    /// One fragment suffices: a registration costs one cell there and one back.
    #[test]
    fn a_signed_register_has_one_length_and_fits_one_cell() {
        let statement = Statement { key: [4; 32], time: 5, expiry: 6, signature: [6; 64] };
        let request =
            Request::RegisterSigned { pseudo_identity: [2; 32], token: [3; 32], statement, proof: [7; 64] };
        let bytes = request.encode();
        assert_eq!(bytes.len(), 241);
        const { assert!(241 <= CONTROL_FRAGMENT_BYTES) };
        for length in 0..bytes.len() {
            assert_eq!(Request::decode(&bytes[..length]), None);
        }
        assert_eq!(Request::decode(&[&bytes[..], &[0]].concat()), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Request::decode(&bytes), Response::decode(&bytes), decode_fragment(&bytes));
        }
    }
}
