//! Byte layout of the datagrams that are not sealed: hello, cookie, handshake fragments, lost.
//!
//! ```text
//! hello      | 1 | zero 7 | sender index 4 | zero 16 | nonce 4 | zero |
//! cookie     | 2 | zero 3 | receiver index 4 | zero 4 | cookie 16 | nonce 4 | zero |
//! lost       | 5 | zero 3 | receiver index 4 and counter 8 of the sealed datagram | zero |
//! handshake  | 3 | step 1 | index 1 | count 1 | receiver index 4 | sender index 4 | cookie 16 | length 2 | zero 2 | bytes |
//! ```

use crate::cookie::COOKIE_BYTES;
use crate::fragments::Fragment;
use cell::layout::{DATAGRAM_BYTES, Datagram, Kind, LINK_HEADER_BYTES, read_u32};

const BYTES_AT: usize = 32;
/// What one handshake datagram carries.
pub const FRAGMENT_BYTES: usize = DATAGRAM_BYTES - BYTES_AT;

/// Which of the three messages of Noise XX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Step {
    /// Initiator's ephemeral keys.
    First = 1,
    /// Responder's keys and certificate.
    Second = 2,
    /// Initiator's static key and certificate.
    Third = 3,
}

/// The fields that hello, cookie and handshake datagrams have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeHeader {
    /// `None` for an unknown step.
    pub step: Option<Step>,
    /// The addressee's number for the link.
    pub receiver: u32,
    /// The sender's.
    pub sender: u32,
    /// The cookie shown or given.
    pub cookie: [u8; COOKIE_BYTES],
    index: u8,
    count: u8,
    length: usize,
}

impl HandshakeHeader {
    /// Reads the fields; all datagrams have one size, so this cannot fail.
    pub fn read(datagram: &Datagram) -> Self {
        let mut cookie = [0; COOKIE_BYTES];
        cookie.copy_from_slice(&datagram[12..28]);
        Self {
            step: match datagram[1] {
                1 => Some(Step::First),
                2 => Some(Step::Second),
                3 => Some(Step::Third),
                _ => None,
            },
            receiver: read_u32(datagram, 4),
            sender: read_u32(datagram, 8),
            cookie,
            index: datagram[2],
            count: datagram[3],
            length: usize::from(u16::from_be_bytes([datagram[28], datagram[29]])).min(FRAGMENT_BYTES),
        }
    }

    /// The fragment of `datagram`, whose header this is.
    pub fn fragment<'a>(&self, datagram: &'a Datagram) -> Fragment<'a> {
        Fragment { index: self.index, count: self.count, bytes: &datagram[BYTES_AT..BYTES_AT + self.length] }
    }

    /// The cookie datagram that answers `hello`.
    pub fn cookie(hello: &Datagram, cookie: [u8; COOKIE_BYTES]) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[0] = Kind::Cookie as u8;
        datagram[4..8].copy_from_slice(&hello[8..12]);
        datagram[12..28].copy_from_slice(&cookie);
        datagram[28..32].copy_from_slice(&hello[28..32]);
        datagram
    }

    /// A hello.
    pub fn hello(sender: u32, nonce: u32) -> Datagram {
        let mut datagram = [0; DATAGRAM_BYTES];
        datagram[0] = Kind::Hello as u8;
        datagram[8..12].copy_from_slice(&sender.to_be_bytes());
        datagram[28..32].copy_from_slice(&nonce.to_be_bytes());
        datagram
    }

    /// The nonce that a cookie echoes.
    pub fn nonce(datagram: &Datagram) -> u32 {
        read_u32(datagram, 28)
    }
}

/// Tells the sender of `sealed` that there is no such link: its header under another kind.
pub fn lost_datagram(sealed: &Datagram) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    datagram[..LINK_HEADER_BYTES].copy_from_slice(&sealed[..LINK_HEADER_BYTES]);
    datagram[0] = Kind::Lost as u8;
    datagram
}

/// One fragment of a handshake message as a datagram.
pub fn handshake_datagram(
    step: Step,
    receiver: u32,
    sender: u32,
    cookie: &[u8; COOKIE_BYTES],
    fragment: Fragment<'_>,
) -> Datagram {
    let mut datagram = [0; DATAGRAM_BYTES];
    datagram[..4].copy_from_slice(&[Kind::Handshake as u8, step as u8, fragment.index, fragment.count]);
    datagram[4..8].copy_from_slice(&receiver.to_be_bytes());
    datagram[8..12].copy_from_slice(&sender.to_be_bytes());
    datagram[12..28].copy_from_slice(cookie);
    datagram[28..30].copy_from_slice(&(fragment.bytes.len() as u16).to_be_bytes());
    datagram[BYTES_AT..BYTES_AT + fragment.bytes.len()].copy_from_slice(fragment.bytes);
    datagram
}
