//! The end-to-end layer: what the exchange point cannot look into.
//!
//! ```text
//! payload 316 | flow 4 | kind 1 | zero 3 | counter 8 | plaintext 284 (sealed) | tag 16 |
//! ```
//!
//! Handshake messages stand where counter and plaintext would. Every sealed payload has one size.

use crate::noise::{Handshake, Pattern, Secrets, StaticKey, derive};
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use cell::layout::{PAYLOAD_BYTES, TAG_BYTES, read_u64};
use cell::window::ReplayWindow;

/// Kind byte of message 1.
pub const CALL: u8 = 1;
/// Kind byte of message 2.
pub const ANSWER: u8 = 2;
/// Kind byte of sealed payload.
pub const SEALED: u8 = 3;
/// Kind byte of message 1 to a callee whose tunnel key is known.
pub const CALL_KNOWN: u8 = 4;
/// Where the kind stands in a payload.
pub const KIND_AT: usize = 4;
/// Where handshake messages stand, and the counter of sealed ones.
pub const MESSAGE_AT: usize = 8;
const TEXT_AT: usize = 16;
/// Plaintext of one cell.
pub const PLAIN_BYTES: usize = PAYLOAD_BYTES - TEXT_AT - TAG_BYTES;

/// Keys and windows of an established end-to-end session.
pub struct Endpoint {
    send: LessSafeKey,
    receive: LessSafeKey,
    next_counter: u64,
    window: ReplayWindow,
}

impl Endpoint {
    /// For the caller's side if `caller`.
    pub fn new(secrets: &Secrets, caller: bool) -> Self {
        let key =
            |secret: &[u8; 32]| match UnboundKey::new(&AES_128_GCM, &derive::<16>(secret, b"end to end")) {
                Ok(key) => LessSafeKey::new(key),
                Err(_) => unreachable!("16 bytes are an AES-128 key"),
            };
        let (send, receive) = if caller {
            (&secrets.initiator, &secrets.responder)
        } else {
            (&secrets.responder, &secrets.initiator)
        };
        Self { send: key(send), receive: key(receive), next_counter: 0, window: ReplayWindow::new(0) }
    }

    /// Answers a caller's message 1: the session and message 2. `tunnel_secret`: where the caller knows its public half.
    pub fn answer(message: &[u8], tunnel_secret: Option<&[u8; 32]>) -> Option<(Self, Vec<u8>)> {
        let pattern = if tunnel_secret.is_some() { Pattern::EndToEndKnown } else { Pattern::EndToEnd };
        let own = tunnel_secret.map(|secret| StaticKey::new(*secret));
        let (mut handshake, answer) = Handshake::respond(pattern, own.as_ref(), message, &[]).ok()?;
        Some((Self::new(&handshake.secrets()?, false), answer))
    }

    /// Where the plaintext stands in a payload that is to be sealed.
    pub fn plain_mut(payload: &mut [u8; PAYLOAD_BYTES]) -> &mut [u8; PLAIN_BYTES] {
        match payload[TEXT_AT..].first_chunk_mut() {
            Some(plain) => plain,
            None => unreachable!(),
        }
    }

    /// Seals a payload in place, whose plaintext is there, for `flow`.
    pub fn seal(&mut self, flow: u32, payload: &mut [u8; PAYLOAD_BYTES]) {
        let counter = self.next_counter;
        self.next_counter += 1;
        payload[..4].copy_from_slice(&flow.to_be_bytes());
        payload[4..8].copy_from_slice(&[SEALED, 0, 0, 0]);
        payload[8..16].copy_from_slice(&counter.to_be_bytes());
        let (text, tag) = payload[TEXT_AT..].split_at_mut(PLAIN_BYTES);
        match self.send.seal_in_place_separate_tag(nonce(counter), Aad::from([SEALED]), text) {
            Ok(sealed) => tag.copy_from_slice(sealed.as_ref()),
            Err(_) => unreachable!("a cell is shorter than any limit of GCM"),
        }
    }

    /// How many payloads were sealed so far.
    pub fn sealed(&self) -> u64 {
        self.next_counter
    }

    /// Opens a sealed payload in place: its counter and plaintext. `None` when it is not genuine or was seen before; its
    /// bytes are then unspecified.
    pub fn open<'a>(&mut self, payload: &'a mut [u8]) -> Option<(u64, &'a [u8; PLAIN_BYTES])> {
        let payload: &mut [u8; PAYLOAD_BYTES] = payload.try_into().ok()?;
        let counter = read_u64(payload, MESSAGE_AT);
        self.window.check(counter, u64::MAX).ok()?;
        let text =
            self.receive.open_in_place(nonce(counter), Aad::from([SEALED]), &mut payload[TEXT_AT..]).ok()?;
        let plain = <&[u8; PLAIN_BYTES]>::try_from(&*text).ok()?;
        self.window.accept(counter);
        Some((counter, plain))
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

    #[test]
    fn only_who_has_the_tunnel_key_answers_a_caller_who_knows_it() {
        let (secret, other) = ([3; 32], [4; 32]);
        let known = *StaticKey::new(secret).public();
        let call = || Handshake::initiate_to(&known).unwrap();
        let (mut handshake, message) = call();
        assert!(Endpoint::answer(&message, Some(&other)).is_none());
        assert!(
            Endpoint::answer(&message, None).is_none_or(|(_, answer)| call().0.read_answer(&answer).is_err())
        );
        let (_, answer) = Endpoint::answer(&message, Some(&secret)).unwrap();
        assert!(handshake.read_answer(&answer).is_ok());
    }

    #[test]
    fn both_ends_read_each_other_and_a_replay_or_change_is_refused() {
        let (mut handshake, call) = Handshake::initiate(Pattern::EndToEnd, None).unwrap();
        let (mut callee, answer) = Endpoint::answer(&call, None).unwrap();
        handshake.read_answer(&answer).unwrap();
        let mut caller = Endpoint::new(&handshake.secrets().unwrap(), true);
        let sealed = |endpoint: &mut Endpoint, byte| {
            let mut payload = [0; PAYLOAD_BYTES];
            Endpoint::plain_mut(&mut payload).fill(byte);
            endpoint.seal(7, &mut payload);
            payload
        };
        let payload = sealed(&mut caller, 5);
        let mut altered = payload;
        altered[40] ^= 1;
        assert!(callee.open(&mut altered).is_none());
        assert_eq!(callee.open(&mut { payload }), Some((0, &[5; PLAIN_BYTES])));
        assert!(callee.open(&mut { payload }).is_none());
        let payload = sealed(&mut callee, 6);
        assert!(callee.open(&mut { payload }).is_none());
        assert_eq!(caller.open(&mut { payload }), Some((0, &[6; PLAIN_BYTES])));
        assert!(caller.open(&mut { payload }[1..]).is_none());
    }
}
